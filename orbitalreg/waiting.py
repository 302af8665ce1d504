"""Answers that are not there yet, for callers who can ask again instead of holding a thread.

A server that can put a request aside makes a `Visit` for it, and asks within `visiting`. Whatever would have to wait
long raises `NotYet` then, and the server asks again when that says so. Elsewhere, the same call waits.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Event
from typing import Protocol, TypeVar

T = TypeVar("T")

VISIT_KEY = "orbitalreg.visit"
"""Where a server that can put requests aside has the request's `Visit` in its environ."""


class NotYet(Exception):
    """Nothing is wrong: the answer is on its way. Only raised within `visiting`, and so no `OrbitalError`.

    `when(call)` has `call` called, once and from any thread, when asking again makes sense; `seconds` is when it makes
    sense at the latest.
    """

    def __init__(self, when: Callable[[Callable[[], None]], None], seconds: float | None = None) -> None:
        super().__init__("the answer is on its way")
        self.when = when
        self.seconds = seconds


class Held(Protocol):
    def close(self) -> None: ...


class Visit:
    """One request, however often it is asked. One thread at a time."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.pause: NotYet | None = None
        """Why what was answered last is no answer; whoever makes the answer sets it."""
        self._first_asked: dict[Hashable, float] = {}
        self._held: dict[Hashable, Held] = {}

    def waited(self, subject: Hashable) -> float:
        """Seconds since this was first asked of `subject`."""
        now = time.monotonic()
        return now - self._first_asked.setdefault(subject, now)

    def hold(self, name: Hashable, thing: Held) -> None:
        """Keep `thing` until the request is over; what had that name before is closed."""
        if (former := self._held.get(name)) is not None:
            former.close()
        self._held[name] = thing

    def held(self, name: Hashable) -> Held | None:
        return self._held.get(name)

    def close(self) -> None:
        """The request is over. Any thread; may be called twice."""
        with suppress(KeyError):
            while True:
                self._held.popitem()[1].close()


def waited_for(call: Callable[[], T], seconds: float) -> T:
    """What `call` returns, which is called anew whenever asking again makes sense: for whoever has a thread to wait in.

    Raises `TimeoutError` where it still is `NotYet` after `seconds`.
    """
    deadline, visit = time.monotonic() + seconds, Visit()
    try:
        while True:
            try:
                with visiting(visit):
                    return call()
            except NotYet as pause:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError from pause
                again = Event()
                pause.when(again.set)
                again.wait(left if pause.seconds is None else min(left, pause.seconds))
    finally:
        visit.close()


_current: ContextVar[Visit | None] = ContextVar("visit", default=None)


def current() -> Visit | None:
    """The visit that this thread works for, if whoever asks can put it aside."""
    return _current.get()


@contextmanager
def visiting(visit: Visit | None) -> Iterator[None]:
    """Inside, this thread works for `visit`; for None it waits."""
    token = _current.set(visit)
    try:
        yield
    finally:
        _current.reset(token)

"""One request asks an upstream about one thing once, however often what it shows is put together of it."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, field
from typing import TypeVar

from orbitalreg.errors import NotFound, OrbitalError, UpstreamFailed
from orbitalreg.model import Microseconds, now

T = TypeVar("T")

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class _Request:
    began: Microseconds
    failures: dict[Hashable, OrbitalError] = field(default_factory=dict)


_current: ContextVar[_Request | None] = ContextVar("request", default=None)


@contextmanager
def asking_once(seconds: float = 0.0) -> Iterator[None]:
    """Inside, this thread works for one request, which began so many `seconds` ago."""
    token = _current.set(_Request(now() - round(seconds * SECOND)))
    try:
        yield
    finally:
        _current.reset(token)


def is_of_this_request(asked_at: Microseconds) -> bool:
    """Whether an upstream that was asked then need not be asked again, whatever the TTL is."""
    request = _current.get()
    return request is not None and request.began <= asked_at <= now()


def once(subject: Hashable, ask: Callable[[], T]) -> T:
    """What `ask` returns. What it raised for this request before, `NotFound` or `UpstreamFailed`, is raised again."""
    request = _current.get()
    if request is None:
        return ask()
    if subject in request.failures:
        raise copy(request.failures[subject])
    try:
        return ask()
    except (NotFound, UpstreamFailed) as error:
        request.failures[subject] = error
        raise

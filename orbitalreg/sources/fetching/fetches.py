"""All fetches of one process."""

import threading
import time
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from orbitalreg import waiting
from orbitalreg.errors import Busy, OrbitalError, StorageFailed, UpstreamFailed
from orbitalreg.sources.fetching.fetch import Fetch, Observer
from orbitalreg.sources.fetching.line import Line, Place
from orbitalreg.sources.fetching.order import Order, WrongFile
from orbitalreg.sources.fetching.reader import GrowingReader
from orbitalreg.sources.section import part
from orbitalreg.waiting import NotYet, Visit

MAX_BYTES = 64 << 30
"""The largest file that is fetched."""

PATIENCE_SECONDS = 1.0
"""How long a thread waits for a place."""

VISIT_PATIENCE_SECONDS = 5.0
"""How long a request does that holds no thread meanwhile."""

REST_SECONDS = 10.0
"""How long a file that turned out to be wrong is not asked for again."""

_TURNS = 3

T = TypeVar("T")


class Fetches:
    """Thread-safe. Several on one folder, in this process or in others, fetch each file once.

    At most `readers` files are fetched for somebody at a time, and at most `readers` threads wait for bytes: for one
    more there is a short wait, and then `Busy`. Half as many may wait like that, so that whoever asks for cold files
    never has all threads of a server. Within `waiting.visiting` no thread is held at all: `NotYet` is raised instead.

    A fetch that nobody reads any more goes on, since clients come back for what they left, and clients that read only
    the end of a file leave early. There may be `readers` of these; the one that is left after them is given up.
    """

    def __init__(
        self,
        folder: Path,
        readers: int,
        max_bytes: int = MAX_BYTES,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is the blob store's staging folder; `patience` are seconds; `clock` is for the rests."""
        self._folder = folder
        self._readers = readers
        self._max_bytes = max_bytes
        self._patience = patience
        self._clock = clock
        self._observer: Observer = _Nobody()
        self._changed = threading.Condition(threading.RLock())
        self._fetches: dict[str, Fetch] = {}
        self._unread: list[Fetch] = []
        self._resting: dict[str, tuple[float, OrbitalError]] = {}
        self._reading = 0
        self._in_line = 0
        self._line = Line()
        self._closing = False

    def observe(self, observer: Observer) -> None:
        """Have `observer` count from now on."""
        self._observer = observer

    def open(self, order: Order, start: int = 0, length: int | None = None) -> BinaryIO:
        """The file's bytes as `Source.open` promises: a `GrowingReader`, or a seekable file where they are kept by now.

        Waits for the first byte, or raises `NotYet`. Raises `UpstreamFailed`, `NotFound`, `NoSpace`, `StorageFailed`,
        `Busy`.
        """
        return self._when_settled(order, start, lambda use: use.open(start, length))

    def size(self, order: Order) -> int:
        """The file's length where nothing else tells it: starts the fetch, and waits for the upstream to say.

        Raises as `open` does.
        """
        return self._when_settled(order, None, lambda use: use.size())

    def close(self) -> None:
        """Give up what nobody reads; what is being read goes on to its end."""
        with self._changed:
            self._closing = True
            unread, self._unread = self._unread, []
            for fetch in unread:
                self._forget(fetch)
        for fetch in unread:
            fetch.give_up()

    def _when_settled(self, order: Order, position: int | None, answer: Callable[["_Use"], T | None]) -> T:
        """What `answer` says once the byte at `position`, or for None the size, is there."""
        for _ in range(_TURNS):
            use = self._use(order, waiting.current())
            try:
                use.wait(position)
                found = answer(use)
                if found is not None:
                    return found
            except BaseException:
                use.close()
                raise
            use.close()
        raise StorageFailed(f"{order.name}: was fetched and cannot be kept")

    # Who uses what.

    def _use(self, order: Order, visit: Visit | None) -> "_Use":
        """Raises `NotYet`, `Busy`, and what ended the last fetch where that is too fresh."""
        held = visit.held(_name(order)) if visit is not None else None
        if isinstance(held, _Use):
            held.fetch.attach()
            return _Use(self, held.fetch, visit)
        if visit is not None:
            use = _Use(self, self._join(order, lambda: self._put_aside(order, visit)), visit)
            if (place := visit.held(_place_name(order))) is not None:
                place.close()
            self._call_in(order)
            return use
        self._take_place(order)
        try:
            use = _Use(self, self._join(order, lambda: self._await(order, self._has_room)), None)
        except BaseException:
            self.give_place()
            raise
        self._call_in(order)
        return use

    def _join(self, order: Order, make_room: Callable[[], None]) -> Fetch:
        """The fetch that is under way, or a new one, with one more user."""
        with self._changed:
            fetch = self._under_way(order)
            if fetch is None and not self._has_room():
                make_room()
                fetch = self._under_way(order)
            if fetch is None:
                self._check_rest(order)
                fetch = Fetch(order, self._folder, self._max_bytes, self._observer, self._ended)
                fetch.attach()
                fetch.start()  # its end waits for this lock
                self._fetches[order.key] = fetch
                return fetch
            fetch.attach()
            if fetch in self._unread:
                self._unread.remove(fetch)
            return fetch

    def _under_way(self, order: Order) -> Fetch | None:
        fetch = self._fetches.get(order.key)
        if fetch is not None and fetch.order.expected.sha256 != order.expected.sha256:
            raise UpstreamFailed(f"{order.name}: is being fetched by another digest; try again")
        return fetch

    def leave(self, fetch: Fetch) -> None:
        """One has no more use for `fetch`."""
        with self._changed:
            surplus = None
            if fetch.detach() and self._fetches.get(fetch.order.key) is fetch:
                self._unread.append(fetch)
                if len(self._unread) > self._readers or self._closing:
                    surplus = self._unread.pop()
                    self._forget(surplus)
            calls = self._freed()
        if surplus is not None:
            surplus.give_up()
        _all(calls)

    def _ended(self, fetch: Fetch) -> None:
        with self._changed:
            self._forget(fetch)
            if isinstance(fetch.failure, WrongFile):
                self._resting[fetch.order.key] = (self._clock() + REST_SECONDS, fetch.failure)
            calls = self._freed()
        _all(calls)

    def _forget(self, fetch: Fetch) -> None:
        if self._fetches.get(fetch.order.key) is fetch:
            del self._fetches[fetch.order.key]
        if fetch in self._unread:
            self._unread.remove(fetch)

    def _check_rest(self, order: Order) -> None:
        now = self._clock()
        self._resting = {key: rest for key, rest in self._resting.items() if rest[0] > now}
        if order.key in self._resting:
            raise copy(self._resting[order.key][1])

    # Places.

    def _has_room(self) -> bool:
        return sum(fetch.is_running for fetch in self._fetches.values()) < self._readers

    def _take_place(self, order: Order) -> None:
        with self._changed:
            if self._reading >= self._readers:
                self._await(order, lambda: self._reading < self._readers)
            self._reading += 1

    def give_place(self) -> None:
        with self._changed:
            self._reading -= 1
            self._changed.notify_all()

    def _await(self, order: Order, condition: Callable[[], bool]) -> None:
        """Raises `Busy` where `condition` does not come true in time, or too many wait for such already."""
        if self._in_line >= max(1, self._readers // 2):
            raise _busy(order)
        self._in_line += 1
        try:
            if not self._changed.wait_for(condition, self._patience):
                raise _busy(order)
        finally:
            self._in_line -= 1

    def _put_aside(self, order: Order, visit: Visit) -> None:
        """Raises `NotYet`, to ask again when a file is done, or `Busy`."""
        left = VISIT_PATIENCE_SECONDS - visit.waited(_name(order))
        if left <= 0:
            raise _busy(order)
        place = Place(order.key, self._when_freed, self._step_out)
        visit.hold(_place_name(order), place)
        raise NotYet(place.when, left)

    def _when_freed(self, place: Place, call: Callable[[], None]) -> None:
        with self._changed:
            waits = not (place.is_left or self._has_room())
            if waits:
                self._line.add(place, call)
        if not waits:
            call()

    def _step_out(self, place: Place) -> None:
        with self._changed:
            self._line.remove(place)
            calls = self._freed()
        _all(calls)

    def _call_in(self, order: Order) -> None:
        """Have all who are in line for a file ask again: it is under way."""
        with self._changed:
            calls = self._line.of(order.key)
        _all(calls)

    def _freed(self) -> list[Callable[[], None]]:
        """Tell who waits; returns what is to be called without the lock: the request that is next in line."""
        self._changed.notify_all()
        return self._line.next() if self._has_room() else []


class _Use:
    """One caller's use of a fetch, with the place of its thread if it holds one."""

    def __init__(self, fetches: Fetches, fetch: Fetch, visit: Visit | None) -> None:
        self.fetch = fetch
        self._fetches = fetches
        self._visit = visit
        self._order = fetch.order

    def wait(self, position: int | None) -> None:
        """Until the byte at `position`, or the size, is there. Raises `NotYet`."""
        fetch = self.fetch

        def settled() -> bool:
            return fetch.is_settled(position) if position is not None else fetch.is_over or fetch.size is not None

        if self._visit is None:
            fetch.wait(settled)
        elif not settled():
            fetch.attach()
            self._visit.hold(_name(self._order), _Use(self._fetches, fetch, self._visit))
            raise NotYet(lambda call: fetch.when(settled, call))

    def open(self, start: int, length: int | None) -> BinaryIO | None:
        self.fetch.raise_failure()
        if self.fetch.has_bytes:
            return cast(BinaryIO, GrowingReader(self.fetch, start, length, self.close))
        stream = self._order.kept()
        return None if stream is None else self._kept(part(stream, start, length, _size(stream)))

    def size(self) -> int | None:
        self.fetch.raise_failure()
        stream = None if self.fetch.size is not None else self._order.kept()
        size = self.fetch.size if stream is None else _size(stream)
        if stream is not None:
            stream.close()
        if size is not None:
            self.close()
        return size

    def close(self) -> None:
        if self._visit is None:
            self._fetches.give_place()
        self._fetches.leave(self.fetch)

    def _kept(self, stream: BinaryIO) -> BinaryIO:
        self.close()
        return stream


class _Nobody:
    """Counts nothing."""

    def fetched(self, size: int) -> None:
        return

    def fetch_failed(self, kind: str) -> None:
        return


def _name(order: Order) -> tuple[str, str]:
    return "fetch", order.key


def _place_name(order: Order) -> tuple[str, str]:
    return "place", order.key


def _size(stream: BinaryIO) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size


def _busy(order: Order) -> Busy:
    return Busy(f"{order.name}: too many files are being fetched at the moment; try again a little later")


def _all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()

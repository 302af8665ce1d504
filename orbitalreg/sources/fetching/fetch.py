"""One fetch as one process sees it: it leads, or it follows another process, until the file is there or is not."""

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from orbitalreg import errors
from orbitalreg.errors import NotFound, OrbitalError, StorageFailed, UpstreamFailed
from orbitalreg.sources.fetching.order import Order, WrongFile
from orbitalreg.sources.fetching.partial import Partial, Record
from orbitalreg.sources.fetching.transfer import GivenUp, Transfer

HELD_BACK = 64 << 10
"""The last bytes that nobody gets before all are verified: whoever has read a whole file has read the right one."""

POLL_SECONDS = 0.004
"""Between two looks at what another process is fetching."""

_FAULT_LENGTH = 1000
_FAULTS: tuple[type[OrbitalError], ...] = (WrongFile, UpstreamFailed, NotFound, errors.NoSpace, StorageFailed)

logger = logging.getLogger(__name__)


class Observer(Protocol):
    """Who counts what was fetched. Any thread."""

    def fetched(self, size: int) -> None:
        """A file of so many bytes was fetched and verified."""

    def fetch_failed(self, kind: str) -> None:
        """By the name of the error."""


class Fetch:
    """Thread-safe. A thread of its own runs it, so that no reader that goes away stops it for others."""

    def __init__(
        self, order: Order, folder: Path, max_bytes: int, observer: Observer, ended: Callable[["Fetch"], None]
    ) -> None:
        """`ended` is called once in the fetching thread, before anybody is told: none is to come to it any more."""
        self.order = order
        self._folder = folder
        self._max_bytes = max_bytes
        self._observer = observer
        self._ended = ended
        self._changed = threading.Condition()
        self._data: int | None = None
        self._size: int | None = None
        self._arrived = 0
        self._verified = False
        self._over = False
        self._failure: OrbitalError | None = None
        self._users = 0
        self._given_up = False
        self._transfer: Transfer | None = None
        self._watchers: Counter[Callable[[], None]] = Counter()
        self._waiting: list[tuple[Callable[[], bool], Callable[[], None]]] = []

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"fetch-{self.order.key}", daemon=True).start()

    # What readers ask.

    @property
    def is_over(self) -> bool:
        return self._over

    @property
    def is_running(self) -> bool:
        """Whether bytes are still coming for somebody here."""
        return self._users > 0 and not self._verified and not self._over

    @property
    def failure(self) -> OrbitalError | None:
        return self._failure

    @property
    def size(self) -> int | None:
        """Of the whole file, once it is known."""
        return self._size

    @property
    def has_bytes(self) -> bool:
        """Whether the bytes can be read here; a fetch that is over without them found the file kept already."""
        return self._data is not None

    def raise_failure(self) -> None:
        """Raise what ended the fetch, if anything did: an error of each caller's own."""
        if self._over and (failure := self._failure) is not None:
            raise copy(failure)

    def readable_to(self) -> int:
        """The offset up to which bytes may be given out."""
        if self._verified:
            return self._arrived
        if self._size is None:
            return max(0, self._arrived - HELD_BACK)
        return max(0, min(self._arrived, self._size - HELD_BACK))

    def is_settled(self, position: int) -> bool:
        """Whether it can be told now what is at `position`: a byte, the end, or a failure."""
        return self._over or self._verified or self.readable_to() > position

    def read(self, position: int, size: int) -> bytes:
        """At most `size` bytes, of what may be given out. Raises `StorageFailed`."""
        assert self._data is not None
        try:
            return os.pread(self._data, max(0, min(size, self.readable_to() - position)), position)
        except OSError as error:
            raise errors.storage_error(error, "the fetched file could not be read") from error

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until `condition()` holds or the fetch is over."""
        if not (self._over or condition()):
            with self._changed:
                self._changed.wait_for(lambda: self._over or condition())

    def when(self, condition: Callable[[], bool], call: Callable[[], None]) -> None:
        """Have `call` called once `condition()` holds or the fetch is over, in this thread or another."""
        with self._changed:
            if not (self._over or condition()):
                self._waiting.append((condition, call))
                return
        call()

    def watch(self, call: Callable[[], None]) -> None:
        """Have `call` called at every change. It is quick, and raises nothing; one for many readers is called once."""
        with self._changed:
            self._watchers[call] += 1

    def unwatch(self, call: Callable[[], None]) -> None:
        with self._changed:
            self._watchers[call] -= 1
            if not self._watchers[call]:
                del self._watchers[call]

    def attach(self) -> None:
        """One more has use for this."""
        with self._changed:
            self._users += 1

    def detach(self) -> bool:
        """One has no more use for it. Whether that was the last one, while the fetch goes on."""
        with self._changed:
            self._users -= 1
            self._close_unused()
            return not self._users and not self._over

    def give_up(self) -> None:
        """End it, unless processes other than this one wait for it."""
        with self._changed:
            self._given_up = True
            if self._transfer is not None:
                self._transfer.give_up()

    # The fetching thread.

    def _run(self) -> None:
        try:
            with Partial(self._folder, self.order.key) as partial:
                try:
                    while not self._turn(partial):
                        pass
                finally:
                    self._data = partial.data
            self._settle()
        except GivenUp:
            self._settle(UpstreamFailed(f"{self.order.name}: the fetch was given up"))
        except OrbitalError as error:
            self._settle(error)
        except Exception:  # `ask`, `keep` and `kept` are the caller's, down to a blob store that is a plugin's
            logger.exception("%s: the fetch failed", self.order.name)
            self._settle(StorageFailed(f"{self.order.name}: the fetch failed; the log says why"))

    def _turn(self, partial: Partial) -> bool:
        """One look at the shared files, and the whole fetch where it falls to this process. Whether it is over."""
        leads = partial.try_to_lead()
        record = partial.record
        if not leads:
            over = self._follow(partial, record)
        elif partial.is_gone:
            over = record.over and self._follow(partial, record)
            if not over:
                partial.begin_anew()
                return False
        elif record.over:
            partial.remove()  # by a process that ended just before it would have done so
            over = partial.data is not None and self._follow(partial, record)
        else:
            self._lead(partial)
            over = True
        if not over and self._given_up:
            raise GivenUp
        if not over:
            time.sleep(POLL_SECONDS)
        return over

    def _follow(self, partial: Partial, record: Record) -> bool:
        """Whether the other process is done."""
        if record.inode and record.sha256 != self.order.expected.sha256:
            raise UpstreamFailed(f"{self.order.name}: is being fetched by another digest; try again")
        if record.fault is not None:
            raise _error(record.fault)
        if record.inode and partial.join(record.inode):
            self._data = partial.data
            self._announce(record.size, partial.arrived, record.verified)
            if record.over and not record.verified:
                raise UpstreamFailed(f"{self.order.name}: the fetch was interrupted; try again")
        return record.over

    def _lead(self, partial: Partial) -> None:
        if self._is_kept():
            partial.remove()
            return
        transfer = Transfer(self.order, partial, self._max_bytes, lambda size: self._arrive(partial, size))
        with self._changed:
            self._transfer = transfer
            if self._given_up:
                transfer.give_up()
        try:
            digest, size = transfer.run()
        except GivenUp:
            partial.leave()
            raise
        except OrbitalError as error:
            self._report(error)
            partial.write(replace(partial.record, over=True, fault=_fault(error)))
            partial.remove()
            raise
        partial.write(replace(partial.record, size=size, verified=True))
        self._arrive(partial, size, verified=True)
        self._observer.fetched(size)
        self._keep(partial, digest, size)

    def _keep(self, partial: Partial, digest: str, size: int) -> None:
        """The readers have the right bytes by now, whatever becomes of the copy that is to be kept."""
        try:
            self.order.keep(partial.path, digest, size)
        except OrbitalError as error:
            self._report(error)
        finally:
            partial.write(replace(partial.record, over=True))
            partial.remove()

    def _is_kept(self) -> bool:
        stream = self.order.kept()
        if stream is not None:
            stream.close()
        return stream is not None

    def _report(self, error: OrbitalError) -> None:
        logger.error("fetch failed: %s", error)
        self._observer.fetch_failed(type(error).__name__)

    def _arrive(self, partial: Partial, size: int | None, verified: bool = False) -> None:
        self._data = partial.data
        self._announce(size, partial.arrived, verified)

    def _announce(self, size: int | None, arrived: int, verified: bool) -> None:
        if (size, arrived, verified) == (self._size, self._arrived, self._verified):
            return
        with self._changed:
            self._size, self._arrived = size, arrived
            self._verified = self._verified or verified
            self._changed.notify_all()
            calls = self._due_calls()
        for call in calls:
            call()

    def _settle(self, failure: OrbitalError | None = None) -> None:
        self._failure = None if self._verified else failure
        self._ended(self)
        with self._changed:
            self._over = True
            self._changed.notify_all()
            calls = self._due_calls()
            self._close_unused()
        for call in calls:
            call()

    def _due_calls(self) -> list[Callable[[], None]]:
        due, later = list(self._watchers), []
        for condition, call in self._waiting:
            if self._over or condition():
                due.append(call)
            else:
                later.append((condition, call))
        self._waiting = later
        return due

    def _close_unused(self) -> None:
        if self._over and not self._users and self._data is not None:
            os.close(self._data)
            self._data = None


def _fault(error: OrbitalError) -> tuple[str, str]:
    """What the other processes tell of it; the log of this one has it in full."""
    return type(error).__name__, error.public[:_FAULT_LENGTH]


def _error(fault: tuple[str, str]) -> OrbitalError:
    kind, text = fault
    return next((known for known in _FAULTS if known.__name__ == kind), UpstreamFailed)(text)

"""Bytes that nothing refers to: noted as unused, and gone after a grace period, beside uploads of the very same.

Nothing is locked but single short transactions. What a blob's row names is there, since the row goes first, in a
transaction that looks once more whether something refers to it, and its key is never used again: who brings the same
bytes meanwhile keeps them under another. A crash anywhere leaves what the next run goes on with.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ulid import ULID

from orbitalreg.catalog import Catalog, blobs
from orbitalreg.collection.lock import RemovalLock
from orbitalreg.errors import StorageFailed
from orbitalreg.interfaces import BlobStore
from orbitalreg.jobs import BrokenOff
from orbitalreg.model import Microseconds, now

PAGE = 1000
BATCH = 100
"""So many rows go in one transaction, for a few milliseconds."""
REMEMBERED_SECONDS = 30 * 86400
"""For so long a removed key is known: an upload that was stopped meanwhile is refused, and not believed to be here."""
LONGEST_PAUSE_SECONDS = 0.5
_SECOND = 1_000_000


@dataclass(slots=True)
class Collected:
    """What a run did, or without touching anything would do."""

    dropped: int = 0
    """Blobs whose grace was over."""
    dropped_bytes: int = 0
    strays: int = 0
    """Bytes that no row named: a crash or a failed commit left them."""
    waiting: int = 0
    """Unused blobs whose grace is not over."""
    waiting_bytes: int = 0


Progress = Callable[[Collected], None]


class Collector:
    """Thread-safe; several may run at once, in several processes."""

    def __init__(self, catalog: Catalog, store: BlobStore, lock: RemovalLock, grace: int) -> None:
        """`grace` are seconds."""
        self._catalog = catalog
        self._store = store
        self._lock = lock
        self._grace = grace * _SECOND

    def look(self) -> Collected:
        """What a run would do now; nothing is changed."""
        found, before = Collected(), now() - self._grace
        for use in self._uses():
            if use.is_used:
                continue
            if use.unused_since is not None and use.unused_since <= before:
                found.dropped += 1
                found.dropped_bytes += use.size
            else:
                found.waiting += 1
                found.waiting_bytes += use.size
        found.strays = sum(len(blobs.strays(self._catalog.read(), keys)) for keys in self._old_keys(before))
        return found

    def run(self, stopping: Callable[[], bool], progress: Progress = lambda collected: None) -> Collected:
        """Raises `BrokenOff` where `stopping` says so, `BackupRuns`, and `StorageFailed` where bytes could not go."""
        collected = Collected()
        at = now()
        self._finish(stopping)
        self._mark(collected, at, stopping)
        progress(collected)
        self._drop(collected, at - self._grace, stopping, progress)
        self._sweep(collected, at - self._grace, stopping, progress)
        return collected

    def _uses(self) -> Iterator[blobs.Use]:
        place = ""
        while page := blobs.uses_after(self._catalog.read(), place, PAGE):
            yield from page
            place = page[-1].sha256

    def _finish(self, stopping: Callable[[], bool]) -> None:
        """The bytes that a run left behind which ended between a commit and their removal."""
        while True:
            _check(stopping)
            with self._lock.removing():
                keys = blobs.open_removals(self._catalog.read(), BATCH)
                if not keys:
                    break
                self._remove(keys)
        with self._catalog.write(lasting=False) as db:
            blobs.forget_removals(db, now() - REMEMBERED_SECONDS * _SECOND)

    def _mark(self, collected: Collected, at: Microseconds, stopping: Callable[[], bool]) -> None:
        """Note what is unused from now on, and what is used again. A mark that is lost is made again later."""
        unused: list[str] = []
        used: list[str] = []
        for use in self._uses():
            if use.is_used and use.unused_since is not None:
                used.append(use.sha256)
            elif not use.is_used:
                collected.waiting += 1
                collected.waiting_bytes += use.size
                if use.unused_since is None:
                    unused.append(use.sha256)
            if len(unused) + len(used) >= BATCH:
                _check(stopping)
                self._write_marks(unused, used, at)
                unused, used = [], []
        self._write_marks(unused, used, at)

    def _write_marks(self, unused: list[str], used: list[str], at: Microseconds) -> None:
        if unused or used:
            with _Pause(), self._catalog.write(lasting=False) as db:
                blobs.mark_unused(db, unused, at)
                blobs.mark_used(db, used)

    def _drop(
        self, collected: Collected, before: Microseconds, stopping: Callable[[], bool], progress: Progress
    ) -> None:
        while True:
            _check(stopping)
            with _Pause(), self._lock.removing():
                with self._catalog.write() as db:
                    dropped = blobs.drop_unused(db, before, BATCH)
                if not dropped:
                    return
                self._remove([blob.key for blob in dropped], used_once=True)
            size = sum(blob.size for blob in dropped)
            collected.dropped += len(dropped)
            collected.dropped_bytes += size
            collected.waiting = max(0, collected.waiting - len(dropped))
            collected.waiting_bytes = max(0, collected.waiting_bytes - size)
            progress(collected)

    def _sweep(
        self, collected: Collected, before: Microseconds, stopping: Callable[[], bool], progress: Progress
    ) -> None:
        for keys in self._old_keys(before):
            _check(stopping)
            if not blobs.strays(self._catalog.read(), keys):
                continue
            with _Pause(), self._lock.removing():
                with self._catalog.write() as db:
                    strays = blobs.begin_stray_removal(db, keys)
                self._remove(strays)
            collected.strays += len(strays)
            progress(collected)

    def _old_keys(self, before: Microseconds) -> Iterator[list[str]]:
        """Keys that were made before then, some at a time. What the store holds of others is none of ours."""
        some: list[str] = []
        for key in iter(self._store.keys()):
            made = made_at(key)
            if made is not None and made <= before:
                some.append(key)
            if len(some) == BATCH:
                yield some
                some = []
        if some:
            yield some

    def _remove(self, keys: list[str], *, used_once: bool = False) -> None:
        """Bytes whose rows are gone. Keys that had been used once need not be remembered: nobody will use them."""
        for key in keys:
            try:
                self._store.delete(key)
            except OSError as error:
                raise StorageFailed(f"the unused blob {key} cannot be removed: {error.strerror}") from error
        with self._catalog.write(lasting=False) as db:
            if used_once:
                blobs.drop_removals(db, keys)
            else:
                blobs.end_removals(db, keys, now())


class _Pause:
    """After the `with`, wait as long as it took: whoever else writes comes in between."""

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        time.sleep(min(time.monotonic() - self._began, LONGEST_PAUSE_SECONDS))


def made_at(key: str) -> Microseconds | None:
    """When the key was made, by its second part; None where it is no key."""
    digest, _, ulid = key.partition(".")
    try:
        return int(ULID.from_str(ulid).milliseconds) * 1000 if len(digest) == 64 else None
    except ValueError:
        return None


def _check(stopping: Callable[[], bool]) -> None:
    if stopping():
        raise BrokenOff

"""Reading every blob again and comparing it with its digest; mending what can be mended, and putting the rest aside."""

import errno
import hashlib
import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlite_utils import Database

from orbitalreg import audit, jobs, staging
from orbitalreg.catalog import Catalog, blobs, remotes, reports, upkeep
from orbitalreg.catalog.blobs import BlobRow
from orbitalreg.collection.lock import BackupRuns, RemovalLock
from orbitalreg.errors import InvalidName, NotFound, StorageFailed, storage_error
from orbitalreg.interfaces import BlobStore
from orbitalreg.jobs import BrokenOff
from orbitalreg.model import Actor, Kind, now
from orbitalreg.scanning.queue import kind_of

FOLDER = "quarantine"
PAGE = 50
MANY = 25
"""So many faults in a row look like a disk that is not mounted, and not like bytes that were lost."""
SAVE_SECONDS = 2.0

MISSING, DAMAGED, UNREADABLE = "missing", "damaged", "unreadable"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """A blob that is not what it should be. `again` are files, and reports, that are had anew; `lost` are not."""

    sha256: str
    fault: str
    again: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(slots=True)
class Verified:
    """How far a run has come; a run that is taken up again goes on counting."""

    checked: int = 0
    checked_bytes: int = 0
    faulty: int = 0
    """Blobs that are not what they should be, those known before too."""
    mended: int = 0
    """Blobs that had been put aside and are sound again."""
    problems: list[str] = field(default_factory=list)
    """What is wrong with the catalog itself."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What can be had again: the ids of remote repositories that ask their upstreams, and the scanners enabled."""

    remotes: Collection[str] = ()
    scanners: Collection[str] = ()


class Verifier:
    """Thread-safe. Every change is in the audit log, and holds whatever ends the run afterwards."""

    def __init__(self, catalog: Catalog, store: BlobStore, lock: RemovalLock, data: Path, repair: Repair) -> None:
        self._catalog = catalog
        self._store = store
        self._lock = lock
        self._folder = data / FOLDER
        self._repair = repair

    def run(
        self,
        task: str,
        actor: Actor,
        stopping: Callable[[], bool],
        *,
        rate: int | None = None,
        anew: bool = False,
        look_only: bool = False,
        many: int = MANY,
        progress: Callable[[Verified], None] = lambda verified: None,
        told: Callable[[Fault], None] = lambda fault: None,
    ) -> Verified:
        """Go over everything, from where the last run of this `task` was broken off unless `anew`.

        `rate` is in bytes a second. With `look_only` nothing is changed, nor is it remembered how far it came. Raises
        `BrokenOff` where `stopping` says so, and `StorageFailed` where `many` faults in a row say that the store is not
        there.
        """
        return _Run(self, task, actor, stopping, rate, look_only, many, progress, told).over(anew)

    def fault_of(self, blob: BlobRow, pace: "Pace") -> str | None:
        """What is wrong with the bytes. Raises `StorageFailed` where that cannot be told."""
        hasher, size = hashlib.sha256(), 0
        try:
            with self._store.open(blob.key) as stream:
                while chunk := stream.read(1 << 20):
                    hasher.update(chunk)
                    size += len(chunk)
                    pace.read(len(chunk))
        except (NotFound, InvalidName):
            return MISSING
        except OSError as error:
            if error.errno == errno.EIO:
                return UNREADABLE
            raise storage_error(error, f"the blob {blob.key} cannot be read") from error
        return None if (hasher.hexdigest(), size) == (blob.sha256, blob.size) else DAMAGED

    def condemn(self, blob: BlobRow, fault: str, actor: Actor) -> Fault | None:
        """Give the bytes out no more, and have again what can be. None where the blob is not held like this now."""
        with self._catalog.write() as db:
            if not blobs.condemn(db, blob, fault, now()):
                return None
            again, lost = self._parted(db, blob.sha256)
            detail = {"key": blob.key, "fault": fault, "again": again, "lost": lost}
            audit.record(db, actor, "blob.quarantine", blob.sha256, detail)
        return Fault(blob.sha256, fault, tuple(again), tuple(lost))

    def _parted(self, db: Database, sha256: str) -> tuple[list[str], list[str]]:
        """Writes: what refers to the bytes and can be had again refers to them no more. That, and what cannot."""
        again, lost = [], []
        for holder in blobs.holders(db, sha256):
            if self._can_be_fetched(db, holder):
                remotes.let_go(db, holder.file_id, holder.package_id)
                again.append(holder.name)
            else:
                lost.append(holder.name)
        for file_id, scanner in reports.let_go(db, sha256):
            if scanner in self._repair.scanners:
                jobs.enqueue(db, kind_of(scanner), file_id, unique=True)
                again.append(f"what {scanner} left of the file {file_id}")
            else:
                lost.append(f"what {scanner} left of the file {file_id}")
        return again, lost

    def _can_be_fetched(self, db: Database, holder: blobs.Holder) -> bool:
        if holder.kind != Kind.REMOTE or holder.repository_id not in self._repair.remotes:
            return False
        body = remotes.body(db, holder.package_id)
        entries: Sequence[remotes.Entry] = remotes.decoded(body) if body is not None else ()
        return any(entry.id == holder.file_id and not entry.is_gone for entry in entries)

    def set_aside(self, blob: BlobRow) -> None:
        """Move bytes that are given out no more where nobody takes them for good ones. Left where that cannot be."""
        try:
            with self._lock.removing(), self._store.open(blob.key) as stream:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                part = self._folder / f"{blob.key}.part"
                with open(part, "wb") as copy:
                    while chunk := stream.read(staging.CHUNK):
                        copy.write(chunk)
                    copy.flush()
                    os.fsync(copy.fileno())
                part.rename(self._folder / blob.key)
                self._store.delete(blob.key)
        except (NotFound, InvalidName):
            return
        except (OSError, BackupRuns) as error:
            logger.warning(
                "the damaged blob %s stays in the store, from which it is not given out: %s", blob.key, error
            )

    def acquit(self, blob: BlobRow, actor: Actor) -> bool:
        """The bytes are sound again: somebody put them back. Whether they are held still."""
        with self._catalog.write() as db:
            if not blobs.acquit(db, blob):
                return False
            audit.record(db, actor, "blob.acquit", blob.sha256, {"key": blob.key, "fault": blob.fault})
        return True

    @property
    def catalog(self) -> Catalog:
        return self._catalog


class Pace:
    """No more than `rate` bytes a second, None: as many as can be. Raises `BrokenOff` where `stopping` says so."""

    def __init__(self, rate: int | None, stopping: Callable[[], bool]) -> None:
        self._rate = rate
        self._stopping = stopping
        self._began = time.monotonic()
        self._bytes = 0

    def read(self, size: int) -> None:
        self._bytes += size
        while True:
            if self._stopping():
                raise BrokenOff
            left = self._bytes / self._rate - (time.monotonic() - self._began) if self._rate else 0.0
            if left <= 0:
                return
            time.sleep(min(left, 0.2))


class _Run:
    """One call of `Verifier.run`."""

    def __init__(
        self,
        verifier: Verifier,
        task: str,
        actor: Actor,
        stopping: Callable[[], bool],
        rate: int | None,
        look_only: bool,
        many: int,
        progress: Callable[[Verified], None],
        told: Callable[[Fault], None],
    ) -> None:
        self._verifier = verifier
        self._catalog = verifier.catalog
        self._task = task
        self._actor = actor
        self._pace = Pace(rate, stopping)
        self._look_only = look_only
        self._many = many
        self._progress = progress
        self._told = told
        self._verified = Verified()
        self._begun_at = now()
        self._saved = time.monotonic()
        self._in_a_row: list[tuple[BlobRow, str]] = []
        """Faults that are not acted on yet, since no sound blob has come after them."""

    def over(self, anew: bool) -> Verified:
        place = self._begin(anew)
        safe = place
        try:
            while page := blobs.after(self._catalog.read(), place, PAGE):
                for blob in page:
                    self._look(blob)
                    place = blob.sha256
                    if not self._in_a_row:
                        safe = place
                        self._save(safe)
                self._progress(self._verified)
        except BrokenOff:
            self._save(safe, at_once=True)
            raise
        self._act()
        self._save("", at_once=True, ended=True)
        return self._verified

    def _begin(self, anew: bool) -> str:
        row = None if anew or self._look_only else upkeep.get(self._catalog.read(), self._task)
        if row is not None and row.ended_at is None:
            self._verified = Verified(**row.told)
            self._begun_at = row.begun_at
            return row.place
        self._verified.problems = self._catalog.problems()
        return ""

    def _look(self, blob: BlobRow) -> None:
        fault = self._verifier.fault_of(blob, self._pace)
        self._pace.read(0)
        self._verified.checked += 1
        self._verified.checked_bytes += blob.size
        if fault is None:
            self._act()
            if blob.fault is not None and (self._look_only or self._verifier.acquit(blob, self._actor)):
                self._verified.mended += 1
        elif blob.fault is not None:
            self._known(blob, fault)
        else:
            self._in_a_row.append((blob, fault))
            if len(self._in_a_row) >= self._many:
                raise StorageFailed(
                    f"{self._many} blobs in a row are {fault}: is the store not mounted? Nothing was done about them; "
                    "where they are lost indeed: orbitalreg verify --however-many"
                )

    def _known(self, blob: BlobRow, fault: str) -> None:
        holders = tuple(holder.name for holder in blobs.holders(self._catalog.read(), blob.sha256))
        if holders:
            self._verified.faulty += 1
            self._told(Fault(blob.sha256, blob.fault or fault, (), holders))
        if fault != MISSING and not self._look_only:
            self._verifier.set_aside(blob)

    def _act(self) -> None:
        """On the faults that came together."""
        for blob, fault in self._in_a_row:
            found: Fault | None = Fault(blob.sha256, fault)
            if not self._look_only:
                found = self._verifier.condemn(blob, fault, self._actor)
                if found is not None and fault != MISSING:
                    self._verifier.set_aside(blob)
            elif blobs.get(self._catalog.read(), blob.sha256) != blob:
                found = None  # it was collected, or mended, while it was being read
            if found is not None:
                self._verified.faulty += 1
                self._told(found)
        self._in_a_row = []

    def _save(self, place: str, at_once: bool = False, ended: bool = False) -> None:
        if self._look_only or not (at_once or time.monotonic() - self._saved >= SAVE_SECONDS):
            return
        self._saved = time.monotonic()
        row = upkeep.UpkeepRow(self._begun_at, now() if ended else None, place, asdict(self._verified))
        with self._catalog.write(lasting=False) as db:
            upkeep.put(db, self._task, row)

"""A backup: the catalog as it is at one moment, and then the blobs that it names, in a folder of its own.

Blobs are only ever added to the folder, under the keys that they have here, which are used once; `backup.json` says
which catalog is the backup's, and is replaced in one step when everything is there. So a backup that is broken off
leaves the one before it whole, and the next copies what is new. Nothing is removed from the store meanwhile.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from ulid import ULID

from orbitalreg import __version__, audit, staging
from orbitalreg.blobs import sync
from orbitalreg.catalog import FILENAME, Catalog, blobs, upkeep
from orbitalreg.catalog.blobs import BlobRow
from orbitalreg.collection.lock import RemovalLock
from orbitalreg.errors import Busy, InvalidName, Misplaced, NotFound, StorageFailed, storage_error
from orbitalreg.interfaces import BlobStore
from orbitalreg.model import Actor, Microseconds, now

MANIFEST = "backup.json"
LOCK = "backup.lock"
BLOBS, PLUGINS = "blobs", "plugins"
FORMAT = 1
TASK = "backup"
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is. `catalog` is the folder of its catalog."""

    catalog: str
    catalog_sha256: str
    made_at: Microseconds
    blobs: int
    bytes: int
    program: str = __version__
    format: int = FORMAT


@dataclass(slots=True)
class BackedUp:
    """What a run did. `damaged` are blobs whose bytes here are not what they should be, and of which it has no copy."""

    copied: int = 0
    copied_bytes: int = 0
    kept: int = 0
    """Blobs that an earlier run had copied."""
    removed: int = 0
    """Copies that the new catalog does not name."""
    damaged: list[str] = field(default_factory=list)

    @property
    def blobs(self) -> int:
        return self.copied + self.kept


Progress = Callable[[BackedUp], None]


class BackupFolder:
    """One folder that holds a backup, or is to hold one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manifest(self) -> Manifest:
        """Raises `NotFound` where there is no whole backup, `StorageFailed` for one that this version cannot read."""
        path = self.folder / MANIFEST
        try:
            told = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise NotFound(f"{self.folder} holds no whole backup: there is no {MANIFEST} in it") from None
        except (OSError, ValueError) as error:
            raise StorageFailed(f"{path} cannot be read: {error}") from error
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise StorageFailed(f"{path} is of a form that this version does not know: run the version that made it")
        return Manifest(**told)

    @contextmanager
    def catalog(self, manifest: Manifest) -> Iterator[Catalog]:
        """The backup's catalog, to be read. Raises `StorageFailed` where it is not the one that was copied."""
        folder = self.folder / manifest.catalog
        if not (folder / FILENAME).is_file() or file_digest(folder / FILENAME) != manifest.catalog_sha256:
            raise StorageFailed(f"{folder / FILENAME} is not what the backup had: make another backup")
        catalog = Catalog(folder, look_only=True)
        try:
            catalog.refuse_newer()
            yield catalog
        finally:
            catalog.close()

    def blob(self, key: str) -> Path:
        return self.folder / BLOBS / key[:2] / key

    def has(self, blob: BlobRow) -> bool:
        """Whether there is a copy, as far as its size tells."""
        try:
            return self.blob(blob.key).stat().st_size == blob.size
        except FileNotFoundError:
            return False

    def check(self, progress: Progress) -> BackedUp:
        """Read everything that the backup has; copies that are damaged are removed, so that the next run has them anew.

        Raises as `manifest` and `catalog` do.
        """
        found, manifest = BackedUp(), self.manifest()
        try:
            with self.alone(), self.catalog(manifest) as catalog:
                for blob in all_blobs(catalog):
                    self._check(blob, found)
                    progress(found)
        except OSError as error:
            raise storage_error(error, f"the backup in {self.folder} cannot be read") from error
        return found

    def _check(self, blob: BlobRow, found: BackedUp) -> None:
        path = self.blob(blob.key)
        if path.is_file() and (file_digest(path), path.stat().st_size) == (blob.sha256, blob.size):
            found.kept += 1
        elif blob.fault is None or path.is_file():
            path.unlink(missing_ok=True)
            found.damaged.append(blob.sha256)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises `Busy` where another process is at work on the folder."""
        with open(self.folder / LOCK, "ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"another backup into {self.folder} is running; wait for its end") from None
            yield


class Backup:
    """Makes backups of one data folder. Thread-safe."""

    def __init__(self, catalog: Catalog, store: BlobStore, lock: RemovalLock, data: Path) -> None:
        self._catalog = catalog
        self._store = store
        self._lock = lock
        self._data = data

    def make(self, folder: Path, actor: Actor, progress: Progress = lambda done: None) -> BackedUp:
        """Bring the backup in `folder` up to this moment; the folder is made where it is not there.

        Raises `Misplaced` where something else is there, `Busy` where another backup is being made into it, and
        `StorageFailed` (or `NoSpace`) where it cannot be; the backup that was there is whole then.
        """
        target = BackupFolder(folder)
        try:
            self._prepare(folder)
            with target.alone(), self._lock.staying():
                began = now()
                done = self._copied(target, progress)
        except OSError as error:
            raise storage_error(error, f"the backup could not be written to {folder}") from error
        with self._catalog.write() as db:
            detail = {"folder": str(folder.absolute()), "blobs": done.blobs, "damaged": done.damaged}
            audit.record(db, actor, "backup.make", "catalog", detail)
            upkeep.put(db, TASK, upkeep.UpkeepRow(began, now(), "", asdict(done)))
        return done

    def _prepare(self, folder: Path) -> None:
        data, target = self._data.resolve(), folder.resolve()
        if target.is_relative_to(data) or data.is_relative_to(target):
            raise Misplaced(f"{folder} and the data folder {self._data} lie within one another: give another folder")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()) and not (folder / LOCK).exists():
            raise Misplaced(f"{folder} is neither empty nor a backup: give another folder")

    def _copied(self, target: BackupFolder, progress: Progress) -> BackedUp:
        name = f"catalog-{ULID()}"
        snapshot_folder = target.folder / name
        snapshot_folder.mkdir(mode=0o700)
        self._catalog.copy(snapshot_folder / FILENAME)
        snapshot = Catalog(snapshot_folder, look_only=True)
        try:
            if problems := snapshot.problems():
                raise StorageFailed(f"the catalog is not sound, and is not backed up: {problems[0]}")
            done, size = BackedUp(), 0
            for blob in all_blobs(snapshot):
                size += blob.size
                self._copy(target, blob, done)
                progress(done)
            mirror(self._data / PLUGINS, target.folder / PLUGINS)
            for shard in (target.folder / BLOBS).glob("*/"):
                sync(shard)
            digest = file_digest(snapshot_folder / FILENAME)
            _commit(target.folder, Manifest(name, digest, now(), done.blobs, size))
            _prune(target, name, snapshot, done)
        finally:
            snapshot.close()
        return done

    def _copy(self, target: BackupFolder, blob: BlobRow, done: BackedUp) -> None:
        if target.has(blob):
            done.kept += 1
            return
        path = target.blob(blob.key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        try:
            with self._store.open(blob.key) as stream:
                is_right = copied(stream, part) == (blob.sha256, blob.size)
        except (NotFound, InvalidName):
            is_right = False
        if is_right:
            os.rename(part, path)
            done.copied += 1
            done.copied_bytes += blob.size
        else:
            part.unlink(missing_ok=True)
            done.damaged.append(blob.sha256)


def _commit(folder: Path, manifest: Manifest) -> None:
    """From here on this is the backup."""
    if (folder / BLOBS).exists():
        sync(folder / BLOBS)
    sync(folder / manifest.catalog)
    part = folder / f"{MANIFEST}.part"
    with open(part, "w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(manifest), indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(part, folder / MANIFEST)
    sync(folder)


def _prune(target: BackupFolder, name: str, snapshot: Catalog, done: BackedUp) -> None:
    """What the backup does not need: former catalogs, copies of blobs that are gone, and what a crash left."""
    for former in target.folder.glob("catalog-*"):
        if former.name != name:
            shutil.rmtree(former)
    for shard in (target.folder / BLOBS).glob("*/"):
        for path in shard.iterdir():
            if not blobs.is_key(snapshot.read(), path.name):
                path.unlink()
                done.removed += 1


def all_blobs(catalog: Catalog) -> Iterator[BlobRow]:
    place = ""
    while page := blobs.after(catalog.read(), place, PAGE):
        yield from page
        place = page[-1].sha256


def copied(stream: BinaryIO, path: Path) -> tuple[str, int]:
    """Write what `stream` holds to `path`, durably. Its SHA-256, and its size."""
    hasher, size = hashlib.sha256(), 0
    with open(path, "wb") as file:
        while chunk := stream.read(staging.CHUNK):
            hasher.update(chunk)
            size += len(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return hasher.hexdigest(), size


def file_digest(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def mirror(source: Path, target: Path) -> None:
    """Make `target` hold the files that `source` holds now; what is there with the same size and time is not copied.

    Files may be changed meanwhile, by plugins: each is copied as it is at one moment or another.
    """
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file() and not path.is_symlink()}
    for path in sorted(wanted):
        try:
            if not _is_same(source / path, target / path):
                (target / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                part = target / f"{path}.part"
                shutil.copy2(source / path, part)
                os.rename(part, target / path)
        except FileNotFoundError:  # a plugin has removed it meanwhile
            wanted = wanted - {path}
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(target) not in wanted:
            path.unlink()


def _is_same(one: Path, other: Path) -> bool:
    if not other.is_file():
        return False
    first, second = one.stat(), other.stat()
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)

"""A data folder from a backup. The catalog comes last: a restore that is broken off leaves no registry."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orbitalreg import audit
from orbitalreg.blobs import sync
from orbitalreg.catalog import FILENAME, Catalog, blobs, upkeep
from orbitalreg.catalog.blobs import BlobRow
from orbitalreg.collection.backup import PLUGINS, BackupFolder, Manifest, all_blobs, copied, mirror
from orbitalreg.collection.verifying import MISSING
from orbitalreg.errors import Busy, Misplaced, NoSpace, StorageFailed, storage_error
from orbitalreg.interfaces import BlobStore
from orbitalreg.model import Actor, now
from orbitalreg.staging import RESERVE

MARKER = "restoring"
"""A file in a data folder that is not whole yet."""
_OURS = ("lost+found", MARKER)


@dataclass(slots=True)
class Restored:
    """What a run did. `missing` are blobs of which the backup has no sound copy; their files say so."""

    blobs: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    mended: int = 0
    """Blobs that had been put aside where the backup was made, and of which it has a sound copy."""


def refuse_half_restored(data: Path) -> None:
    """Raises `StorageFailed` where a restore into the data folder was broken off."""
    if (data / MARKER).exists():
        raise StorageFailed(f"a restore into {data} is running or was broken off: run orbitalreg restore again")


def require_empty(data: Path) -> None:
    """Raises `Misplaced` where something is there that a restore would mix with."""
    if (data / MARKER).exists() or not data.exists():
        return
    if not data.is_dir() or any(path.name not in _OURS for path in data.iterdir()):
        raise Misplaced(f"{data} is not empty: move it away, or give another [data] path; nothing was changed")


def restore(
    source: Path,
    data: Path,
    make_store: Callable[[], BlobStore],
    actor: Actor,
    progress: Callable[[Restored], None] = lambda restored: None,
) -> Restored:
    """Bring the backup in `source` into the data folder `data`, which is empty, absent, or half restored.

    Raises `Misplaced`, `NotFound` and `StorageFailed` where there is no backup that this version can read, and
    `NoSpace`.
    """
    folder = BackupFolder(source)
    manifest = folder.manifest()
    require_empty(data)
    with folder.catalog(manifest) as snapshot:
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _marked(data):
                return _restored(folder, manifest, snapshot, data, make_store(), actor, progress)
        except OSError as error:
            raise storage_error(error, f"the backup could not be restored to {data}") from error


def _restored(
    folder: BackupFolder,
    manifest: Manifest,
    snapshot: Catalog,
    data: Path,
    store: BlobStore,
    actor: Actor,
    progress: Callable[[Restored], None],
) -> Restored:
    _check_room(store, manifest)
    run = _Restore(folder, store, progress)
    for blob in all_blobs(snapshot):
        run.bring(blob)
    mirror(folder.folder / PLUGINS, data / PLUGINS)
    _bring_catalog(folder.folder / manifest.catalog / FILENAME, data)
    _finish(data, run, actor, manifest)
    return run.restored


class _Restore:
    def __init__(self, folder: BackupFolder, store: BlobStore, progress: Callable[[Restored], None]) -> None:
        self._folder = folder
        self._store = store
        self._progress = progress
        self._there = set(store.keys())
        self.restored = Restored()
        self.missing: list[BlobRow] = []
        self.mended: list[BlobRow] = []

    def bring(self, blob: BlobRow) -> None:
        if blob.key in self._there or self._kept(blob):
            self.restored.blobs += 1
            self.restored.bytes += blob.size
            if blob.fault is not None:
                self.mended.append(blob)
        else:
            self.missing.append(blob)
        self._progress(self.restored)

    def _kept(self, blob: BlobRow) -> bool:
        staged = self._store.staging / f"{blob.key}.part"
        try:
            with open(self._folder.blob(blob.key), "rb") as stream:
                is_right = copied(stream, staged) == (blob.sha256, blob.size)
            if is_right:
                self._store.keep(staged, blob.key)
            return is_right
        except FileNotFoundError:
            return False
        finally:
            staged.unlink(missing_ok=True)


@contextmanager
def _marked(data: Path) -> Iterator[None]:
    """Alone, with what says that the folder is not whole yet. Raises `Busy`."""
    with open(data / MARKER, "ab") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another restore into {data} is running") from None
        for name in (FILENAME, f"{FILENAME}-wal", f"{FILENAME}-shm"):
            (data / name).unlink(missing_ok=True)
        sync(data)
        yield


def _check_room(store: BlobStore, manifest: Manifest) -> None:
    free = store.free_bytes()
    if free is not None and free < manifest.bytes + RESERVE:
        raise NoSpace(f"the backup has {manifest.bytes} bytes, and there is room for {max(0, free - RESERVE)}")


def _bring_catalog(snapshot: Path, data: Path) -> None:
    part = data / f"{FILENAME}.part"
    with open(snapshot, "rb") as stream:
        copied(stream, part)
    os.rename(part, data / FILENAME)
    sync(data)


def _finish(data: Path, run: _Restore, actor: Actor, manifest: Manifest) -> None:
    """What the catalog should say of its new place; then it may be used."""
    catalog = Catalog(data)
    try:
        with catalog.write() as db:
            for blob in run.missing:
                if blob.fault is None:
                    blobs.condemn(db, blob, MISSING, now())
                run.restored.missing += [holder.name for holder in blobs.holders(db, blob.sha256)]
            for blob in run.mended:
                blobs.acquit(db, blob)
            upkeep.clear(db)
            detail = {"made_at": manifest.made_at, "missing": run.restored.missing}
            audit.record(db, actor, "backup.restore", "catalog", detail)
    finally:
        catalog.close()
    run.restored.mended = len(run.mended)
    os.unlink(data / MARKER)
    sync(data)

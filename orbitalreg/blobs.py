"""The built-in blob store: a folder. Registered through its entry point, as a plugin's store would be."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from orbitalreg.errors import ConfigError, InvalidName, NotFound, StorageFailed, storage_error
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import BlobStore


class FilesystemBlobStore(BlobStore):
    """`<data>/blobs/<first two digits>/<sha256>.<ulid>`; uploads are staged on the same file system.

    Never on NFS: the guarantees rest on rename and fsync as local file systems give them.
    """

    name = "filesystem"

    def __init__(self, data: Path, options: Mapping[str, Any]) -> None:
        if options:
            raise ConfigError(
                [f"storage.{ascii(key)[1:-1]}: the filesystem backend has no such key" for key in sorted(options)]
            )
        self._root = data / "blobs"
        self._staging = data / "staging"
        self._durable: set[Path] = set()
        """Shards whose place in the root this process has synced; one that another has just made may not be yet."""
        try:
            for folder in (self._root, self._staging):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync(data)
        except OSError as error:
            raise StorageFailed(f"the blob store {self._root} cannot be made: {error}") from error

    @property
    def staging(self) -> Path:
        return self._staging

    def keep(self, staged: Path, key: str) -> None:
        target = self._path(key)
        try:
            sync(staged)
            if target.parent not in self._durable or not target.parent.exists():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                sync(self._root)
                self._durable.add(target.parent)
            os.rename(staged, target)
            sync(target.parent)
        except OSError as error:
            self._discard(staged, target)
            raise storage_error(error, "the file could not be stored") from error

    def open(self, key: str) -> BinaryIO:
        try:
            return open(self._path(key), "rb")
        except FileNotFoundError as error:
            raise NotFound(f"the blob {key} is missing from the store") from error

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def keys(self) -> Iterator[str]:
        for shard in sorted(self._root.iterdir()):
            for blob in sorted(shard.iterdir()):
                yield blob.name

    def free_bytes(self) -> int:
        status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    def _path(self, key: str) -> Path:
        digest, dot, ulid = key.partition(".")
        if not (dot and len(digest) == 64 and digest.isalnum() and ulid.isalnum() and key.isascii()):
            raise InvalidName(f"{key!r} is no blob key")
        return self._root / digest[:2] / key

    @staticmethod
    def _discard(*paths: Path) -> None:
        """A failed fsync may have dropped the dirty pages: the bytes are never trusted again, only removed."""
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError:
                continue


def sync(path: Path) -> None:
    """fsync a file or a folder. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@hookimpl
def blob_stores() -> Sequence[type[BlobStore]]:
    return [FilesystemBlobStore]

"""Uploads on their way in: bytes written to the staging folder, hashed in the same pass.

A staged file is locked by the process that writes it, so that whoever starts next can tell what a crash left behind.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ulid import ULID

from orbitalreg.errors import TooLarge, storage_error
from orbitalreg.interfaces import Readable

CHUNK = 1 << 18
RESERVE = 64 << 20  # left free for the catalog, whose commits must not fail for want of room

HASHERS: dict[str, Callable[[], Any]] = {
    "sha256": hashlib.sha256,
    "blake2b-256": lambda: hashlib.blake2b(digest_size=32),
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}


class StagedUpload:
    """Received bytes with their digests. Valid within `receive`."""

    def __init__(self, path: Path, filename: str, size: int, digests: dict[str, str]) -> None:
        self.path = path
        self.filename = filename
        self.size = size
        self._digests = digests

    def digest(self, algorithm: str) -> str:
        """The digest by one of `interfaces.DIGESTS`; one that was not asked for while receiving reads the file."""
        if algorithm not in self._digests:
            with open(self.path, "rb") as stream:
                self._digests[algorithm] = hashlib.file_digest(stream, HASHERS[algorithm]).hexdigest()
        return self._digests[algorithm]


@contextmanager
def receive(
    folder: Path, stream: Readable, filename: str, algorithms: Sequence[str], limit: int
) -> Iterator[StagedUpload]:
    """Stage what `stream` holds, at most `limit` bytes. The file is gone at the end, where nobody moved it.

    Raises `TooLarge`, `NoSpace`, `StorageFailed`.
    """
    path = folder / f"{ULID()}.part"
    hashers = {name: HASHERS[name]() for name in {"sha256", *algorithms}}
    descriptor = _create(path)
    try:
        size = _copy(stream, descriptor, list(hashers.values()), limit)
        yield StagedUpload(path, filename, size, {name: hasher.hexdigest() for name, hasher in hashers.items()})
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _create(path: Path) -> int:
    """A new empty file, locked. One that a sweep took for a left-over before it was locked is made again."""
    descriptor = None
    try:
        while True:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)
            descriptor = None
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
            path.unlink(missing_ok=True)
        raise storage_error(error, "the upload could not be written") from error


def _copy(stream: Readable, descriptor: int, hashers: Sequence[Any], limit: int) -> int:
    size = 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the file is larger than the {limit} bytes that [server] max_upload allows")
        for hasher in hashers:
            hasher.update(chunk)
        write_all(descriptor, chunk)
    return size


def write_all(descriptor: int, chunk: bytes) -> None:
    """Write until every byte is accepted: one call may take fewer. Raises `NoSpace`, `StorageFailed`."""
    view = memoryview(chunk)
    while view:
        try:
            written = os.write(descriptor, view)
        except OSError as error:
            raise storage_error(error, "the upload could not be written") from error
        view = view[written:]


def sweep(folder: Path) -> int:
    """Remove what dead processes left; what a living one is using is locked and stays. How many were removed.

    A fetched file that others still read stays with its `.fetch`, by which one of them goes on fetching.
    """
    removed = sum(_remove_unused(path) for path in folder.glob("*.part"))
    states = [path for path in folder.glob("*.fetch") if not path.with_suffix(".part").exists()]
    return removed + sum(map(_remove_unused, states))


def _remove_unused(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True

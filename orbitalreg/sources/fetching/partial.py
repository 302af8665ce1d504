"""What the processes on one folder share of one fetch: two files in the blob store's staging folder.

`<key>.part` has the bytes, and only ever grows. Whoever uses it, to write or to read, holds a shared lock on it, so
that no sweep takes it away. `<key>.fetch` says how far things are; whoever fetches holds an exclusive lock on it. It
goes with its process, and then the next one takes over.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from orbitalreg.errors import StorageFailed, storage_error

_RECORD_BYTES = 4096
_FAULT = "the fetched file could not be written"


@dataclass(frozen=True, slots=True)
class Record:
    """How far a fetch is. `inode` is that of the bytes, `size` that of the whole file, where it is known.

    `sha256` is what was stated beforehand. `verified`: the bytes are all there and right. `over`: they are kept, or
    `fault` names the error that ended the fetch, with its text.
    """

    inode: int = 0
    size: int | None = None
    etag: str | None = None
    sha256: str | None = None
    verified: bool = False
    over: bool = False
    fault: tuple[str, str] | None = None


class Partial:
    """One process's hold on both files. One thread; the descriptor `data` is for any thread to read from.

    Every method raises `NoSpace` and `StorageFailed`.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.path = folder / f"{key}.part"
        self._state_path = folder / f"{key}.fetch"
        self._state = _open(self._state_path, os.O_CREAT)
        self.leads = False
        self.data: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let others lead. `data` stays open; it belongs to who reads."""
        os.close(self._state)

    def try_to_lead(self) -> bool:
        """Whether this is the one that fetches, which it stays until the end of the `with`."""
        if not self.leads:
            self.leads = _try_lock(self._state)
        return self.leads

    @property
    def is_gone(self) -> bool:
        """Whether who led before has removed the files."""
        return os.fstat(self._state).st_nlink == 0

    def begin_anew(self) -> None:
        """Use the files that have these names now, in place of ones that are gone."""
        state = _open(self._state_path, os.O_CREAT)
        os.close(self._state)
        self.leads = False
        self._state = state

    @property
    def record(self) -> Record:
        """As it was last written in whole; the empty one before."""
        text = os.pread(self._state, _RECORD_BYTES, 0)
        check, _, body = text.partition(b" ")
        if not check or check != _checksum(body):
            return Record()
        said = json.loads(body)
        return Record(**{**said, "fault": said["fault"] and tuple(said["fault"])})

    def write(self, record: Record) -> None:
        """Only who leads. In one write: who reads half of one sees that by the checksum, and looks again."""
        body = json.dumps(asdict(record)).encode().ljust(_RECORD_BYTES - len(_checksum(b" ")) - 1)
        with _told():
            os.pwrite(self._state, _checksum(body) + b" " + body, 0)

    def join(self, inode: int) -> bool:
        """Open the bytes that another process is writing; False where they have gone elsewhere by now."""
        if self.data is None:
            self.data = _share(self.path, 0, inode)
        return self.data is not None

    def begin(self, record: Record) -> int:
        """Open the bytes to write on: those that `record` tells of, or new ones. How many are there."""
        if self.data is None and record.inode:
            self.data = _share(self.path, 0, record.inode)
        if self.data is None:
            self.path.unlink(missing_ok=True)
            self.data = _share(self.path, os.O_CREAT | os.O_EXCL)
        elif not _is_at(self.data, self.path):
            raise StorageFailed("the staging folder was changed while a file was being fetched")
        assert self.data is not None
        return self.arrived

    @property
    def inode(self) -> int:
        return os.fstat(self._data).st_ino

    @property
    def arrived(self) -> int:
        return os.fstat(self._data).st_size

    def read(self, start: int, size: int) -> bytes:
        with _told("the fetched file could not be read"):
            return os.pread(self._data, size, start)

    def append(self, piece: bytes, at: int) -> None:
        """Write all of `piece` at the end, which is `at`."""
        view = memoryview(piece)
        with _told():
            while view:
                written = os.pwrite(self._data, view, at)
                view, at = view[written:], at + written

    def room(self) -> int:
        """Bytes that the file system has left."""
        status = os.fstatvfs(self._data)
        return status.f_bavail * status.f_frsize

    def remove(self) -> None:
        """Only who leads: nobody will come to these files any more. Who has them open reads on."""
        self.path.unlink(missing_ok=True)
        self._state_path.unlink(missing_ok=True)

    def leave(self) -> None:
        """Only who leads: leave the fetch to the other processes that wait for it, or remove the files."""
        if self.data is None or _try_lock(self.data):
            self.remove()

    @property
    def _data(self) -> int:
        assert self.data is not None
        return self.data


@contextmanager
def _told(what: str = _FAULT) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error, what) from error


def _open(path: Path, flags: int) -> int:
    with _told():
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)


def _share(path: Path, flags: int, inode: int | None = None) -> int | None:
    """The file, under a shared lock; None where it is not there, or is not the one with `inode`."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(error, _FAULT) from error
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # a sweep holds its own for a moment
        if (inode is None or os.fstat(descriptor).st_ino == inode) and _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)
        if inode is not None:
            return None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether `path` still means the open file: it was neither swept nor moved away."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _checksum(body: bytes) -> bytes:
    return b"%08x" % zlib.crc32(body)

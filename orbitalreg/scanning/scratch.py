"""Folders for what scanners look at and leave behind: short-lived, locked by the process that uses them."""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path, PurePosixPath

from ulid import ULID

from orbitalreg.bom import cyclonedx
from orbitalreg.errors import UploadRefused, storage_error
from orbitalreg.model import Staged

BOM = "bom.json"
MAX_DOCUMENTS = 10_000
MAX_BYTES = 64 << 20
ENTRY = 4096
"""Bytes that a file counts for, however small it is: there is no end of empty ones otherwise."""


class Scratch:
    """A new folder below `above`, until `remove`. Raises `StorageFailed`, `NoSpace`."""

    def __init__(self, above: Path) -> None:
        try:
            while (made := _made(above.absolute() / str(ULID()))) is None:
                pass
        except OSError as error:
            raise storage_error(error, f"a folder in {above} cannot be made") from error
        self.folder, self._lock = made

    def remove(self) -> None:
        _remove(self.folder)
        os.close(self._lock)

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _made(folder: Path) -> tuple[Path, int] | None:
    """The new folder and its lock; None where a sweep took it away before it was locked. Raises `OSError`."""
    folder.mkdir(mode=0o700, parents=True)
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def sweep(above: Path) -> None:
    """Remove the folders that dead processes left."""
    for folder in above.iterdir() if above.exists() else ():
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(descriptor)


def _remove(folder: Path) -> None:
    """Also where a scanner took the right to do so away."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for place, _, _ in os.walk(folder):
            with suppress(OSError):
                os.chmod(place, 0o700)
        shutil.rmtree(folder, ignore_errors=True)


def held(folder: Path, enough: int) -> int:
    """Bytes of the disk that lie in the folder, an entry counting for `ENTRY` at least; no further than `enough`."""
    size, folders = 0, [str(folder)]
    while folders and size <= enough:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                size += _size(entry)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                if size > enough:
                    break
    return size


def _size(entry: "os.DirEntry[str]") -> int:
    """It may be gone by now."""
    try:
        return max(entry.stat(follow_symlinks=False).st_blocks * 512, ENTRY)
    except OSError:
        return 0


def lay_out(folder: Path, staged: Staged) -> None:
    """Write what was staged into the new `folder`. Raises `UploadRefused` for what an adapter must not stage."""
    if len(staged.documents) > MAX_DOCUMENTS or sum(map(len, staged.documents.values())) > MAX_BYTES:
        raise UploadRefused(f"there are more than {MAX_DOCUMENTS} documents or {MAX_BYTES} bytes to look at")
    try:
        folder.mkdir(mode=0o700)
        for path, body in staged.documents.items():
            target = folder / _safe(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)
        (folder / BOM).write_bytes(cyclonedx(staged.components))
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UploadRefused(f"what is staged does not fit into one folder: {error.strerror}") from error
    except OSError as error:
        raise storage_error(error, "what is to be scanned could not be written") from error


def _safe(text: str) -> str:
    """A path that stays below the folder it is taken from. Raises `UploadRefused`."""
    path = PurePosixPath(text)
    parts = path.parts
    is_plain = text == str(path) != BOM and text.isprintable()
    is_safe = is_plain and parts and not path.is_absolute() and ".." not in parts
    if not is_safe or any(len(part.encode()) > 255 for part in parts) or len(text.encode()) > 2000:
        raise UploadRefused(f"{text!r} cannot be the path of what is staged")
    return text

"""A dump: a zip of records, or a folder of them. Members' names are never used, nothing is extracted, reading is
bounded."""

import hashlib
import os
import stat
import zipfile
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from struct import error as StructError  # noqa: N812  # an exception, whatever it is called there
from zlib import error as ZlibError  # noqa: N812

from orbitalreg.errors import ScannerFailed

RECORD_BYTES = 8 << 20
TOTAL_BYTES = 8 << 30
"""Of all records of a dump, unpacked."""
RECORDS = 2_000_000


def texts(dump: Path) -> Iterator[bytes | None]:
    """Each record's text, None for one that cannot be read or is too large. Raises `ScannerFailed` for no dump."""
    try:
        found = _of_folder(dump) if dump.is_dir() else _of_zip(dump)
        total = 0
        with closing(found):
            for number, text in enumerate(found, 1):
                total += len(text or b"")
                if total > TOTAL_BYTES or number > RECORDS:
                    raise ScannerFailed(f"the dump {dump} holds more than any dump of OSV: is it one?")
                yield text
    except OSError as error:
        raise ScannerFailed(f"the dump {dump} cannot be read: {error.strerror or error}") from error


def signature(dump: Path) -> str | None:
    """What tells whether a dump is another than before, without reading it; None where there is none."""
    try:
        if not dump.is_dir():
            return _told(os.stat(dump))
        told = hashlib.sha256()
        for path in _files(dump):
            told.update(f"{path.relative_to(dump)}:{_told(path.lstat())}\n".encode("utf-8", "surrogateescape"))
        return told.hexdigest()
    except OSError:
        return None


def _told(found: os.stat_result) -> str:
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"


def _of_zip(dump: Path) -> Generator[bytes | None, None, None]:
    try:
        opened = zipfile.ZipFile(dump)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, StructError) as error:
        raise ScannerFailed(f"the dump {dump} is no whole zip: {error}") from error
    with opened as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".json"):
                continue
            try:
                with archive.open(member) as file:
                    text = file.read(RECORD_BYTES + 1)
                yield text if len(text) <= RECORD_BYTES else None
            except (zipfile.BadZipFile, ZlibError, StructError, EOFError, RuntimeError, ValueError):
                yield None  # broken, encrypted, or packed in a way that is not known


def _of_folder(dump: Path) -> Generator[bytes | None, None, None]:
    for path in _files(dump):
        try:
            with path.open("rb") as file:
                text = file.read(RECORD_BYTES + 1)
            yield text if len(text) <= RECORD_BYTES else None
        except OSError:
            yield None


def _files(dump: Path) -> Iterator[Path]:
    """The records in a folder and below, always in the same order. Links are followed nowhere."""
    for folder, below, names in os.walk(dump):
        below.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if name.endswith(".json") and stat.S_ISREG(path.lstat().st_mode):
                yield path

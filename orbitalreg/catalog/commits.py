"""A mark that all processes on one data folder share, and that is another after each commit.

Whoever remembers what the catalog said, and the mark as it was before they asked, need not ask again while it is the
same: looking at it costs no call of the system, where a query lets go of the interpreter's lock.
"""

import mmap
import os
import secrets
import weakref
from contextlib import suppress
from pathlib import Path

FILENAME = "catalog.commits"
_SIZE = 8


class CommitMark:
    """Thread-safe, and good in a forked child.

    A process that dies between its commit and `renew` leaves the old mark, and so does a disk that takes nothing:
    what is remembered by a mark must be asked for anew after a short while all the same.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `OSError`."""
        self._file = os.open(folder / FILENAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)
        os.pwrite(self._file, secrets.token_bytes(_SIZE), 0)
        self._shared = mmap.mmap(self._file, _SIZE, prot=mmap.PROT_READ)

    def now(self) -> bytes:
        return self._shared[:_SIZE]

    def renew(self) -> None:
        """After a commit, before anybody is told of it."""
        with suppress(OSError):  # written, not stored into the mapping: a full disk would end the process there
            os.pwrite(self._file, secrets.token_bytes(_SIZE), 0)

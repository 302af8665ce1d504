"""Who removes bytes from the store, and who needs them all to stay, in whatever processes: a locked file.

The kernel lets go of a lock with the process that held it: nobody waits for one that has died.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orbitalreg.errors import Busy, storage_error

FILENAME = "removal.lock"
PATIENCE_SECONDS = 5.0
"""Whoever removes holds the lock for a batch: a backup alone holds it for longer."""
_POLL_SECONDS = 0.02


class BackupRuns(Busy):
    """Nothing is removed while a backup copies what was there when it began."""

    def __init__(self) -> None:
        super().__init__("a backup is running; nothing is removed meanwhile")


class RemovalLock:
    """Of one data folder. Thread-safe: each `with` has a lock of its own."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILENAME

    @contextmanager
    def removing(self, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Alone, for a moment. Raises `BackupRuns` where a backup has not ended after `patience` seconds."""
        with self._locked(fcntl.LOCK_EX, patience):
            yield

    @contextmanager
    def staying(self) -> Iterator[None]:
        """What is there stays until the end, with others who need that. Waits for the batch that is being removed."""
        with self._locked(fcntl.LOCK_SH, None):
            yield

    @contextmanager
    def _locked(self, kind: int, patience: float | None) -> Iterator[None]:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(error, f"{self._path} cannot be made") from error
        try:
            self._lock(descriptor, kind, patience)
            yield
        finally:
            os.close(descriptor)

    @staticmethod
    def _lock(descriptor: int, kind: int, patience: float | None) -> None:
        if patience is None:
            return fcntl.flock(descriptor, kind)
        end = time.monotonic() + patience
        while True:
            try:
                return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise BackupRuns from None
            time.sleep(_POLL_SECONDS)

"""What is to be scanned: one job for each file and scanner."""

import time
from collections.abc import Sequence

from sqlite_utils import Database

from orbitalreg import jobs

QUIET_SECONDS = 0.5
WATCH = "scanning.watch"
"""The one job that asks each scanner what it judges by, and has what is outdated looked at anew."""


def kind_of(scanner: str) -> str:
    """Of the jobs that have one scanner look at one file, whose id is the subject."""
    return f"scan.{scanner}"


class ScanQueue:
    """For these scanners. Thread-safe."""

    def __init__(self, scanners: Sequence[str] = ()) -> None:
        self.scanners = tuple(scanners)
        self._added_at = -QUIET_SECONDS

    def add(self, db: Database, file_id: str) -> None:
        """Writes, in the transaction that brings the file."""
        for scanner in self.scanners:
            jobs.enqueue(db, kind_of(scanner), file_id, unique=True)
        self._added_at = time.monotonic()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was added in this process for a moment."""
        return time.monotonic() - self._added_at >= QUIET_SECONDS

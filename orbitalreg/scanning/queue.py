"""What is to be scanned: one job for each file and scanner."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from orbitalreg import jobs

WATCH = "scanning.watch"
"""The one job that asks each scanner what it judges by, and has what is outdated looked at anew."""


def kind_of(scanner: str) -> str:
    """Of the jobs that have one scanner look at one file, whose id is the subject."""
    return f"scan.{scanner}"


@dataclass(frozen=True, slots=True)
class ScanQueue:
    """For these scanners."""

    scanners: Sequence[str] = ()

    def add(self, db: Database, file_id: str, delay: float = 0.0) -> None:
        """Writes, in the transaction that brings the file."""
        for scanner in self.scanners:
            jobs.enqueue(db, kind_of(scanner), file_id, unique=True, delay=delay)

"""Rows of `exception`: a version that somebody opened for a time in one repository, over what its rules withhold."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.catalog import graph_changes
from orbitalreg.model import Microseconds, now


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """`version` is in its format's normal form; the exception counts before `until`."""

    repository_id: str
    version: str
    until: Microseconds


def insert(
    db: Database, repository_id: str, package: str, version: str, until: Microseconds, reason: str, created_by: str
) -> None:
    """Writes. Those that are there already stay; the one that lasts longest counts."""
    db.execute(
        "INSERT INTO exception (id, repository_id, package, version, until, reason, created_by, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (str(ULID()), repository_id, package, version, until, reason, created_by, now()),
    )
    graph_changes.changed_in(db, repository_id, package)


def of_package(
    db: Database, repository_ids: Sequence[str], package: str, instant: Microseconds
) -> tuple[ExceptionRow, ...]:
    """Those that count at that instant, in a settled order: microseconds, since the index finds nothing mostly."""
    marks = ",".join("?" * len(repository_ids))
    rows = db.execute(
        "SELECT repository_id, version, until FROM exception"
        f" WHERE package = ? AND until > ? AND repository_id IN ({marks}) ORDER BY id",
        (package, instant, *repository_ids),
    )
    return tuple(ExceptionRow(*row) for row in rows.fetchall())

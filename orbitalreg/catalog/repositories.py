"""Rows of `repository` and `package`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.catalog import graph_changes
from orbitalreg.model import Address, Kind, Microseconds, Status, StatusName, now


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """A repository as the catalog knows it, configured now or not (`detached_at`)."""

    id: str
    address: Address
    format: str
    kind: Kind
    detached_at: Microseconds | None


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A package's own row; `file_count` 0 means that its name is reserved and nothing more."""

    id: str
    name: str
    revision: int
    file_count: int
    status: Status

    @property
    def revision_key(self) -> str:
        """Changes with every change of what the package's page shows; never repeats."""
        return f"{self.id}.{self.revision}"


def all_repositories(db: Database) -> list[RepositoryRow]:
    rows = db.execute("SELECT id, project, name, format, kind, detached_at FROM repository ORDER BY project, name")
    return [RepositoryRow(r[0], Address(r[1], r[2]), r[3], Kind(r[4]), r[5]) for r in rows]


def insert_repository(db: Database, address: Address, format_name: str, kind: Kind) -> str:
    """Writes. The new row's id."""
    repository_id = str(ULID())
    db.execute(
        "INSERT INTO repository (id, project, name, format, kind, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (repository_id, address.project, address.repository, format_name, str(kind), now()),
    )
    return repository_id


def set_detached(db: Database, repository_id: str, at: Microseconds | None) -> None:
    """Writes."""
    db.execute("UPDATE repository SET detached_at = ? WHERE id = ?", (at, repository_id))


def names(db: Database, repository_id: str) -> list[str]:
    """The packages that have files, in byte order."""
    rows = db.execute(
        "SELECT name FROM package WHERE repository_id = ? AND file_count > 0 ORDER BY name", (repository_id,)
    )
    return [row[0] for row in rows]


def reserved_names(db: Database, repository_id: str) -> list[str]:
    """The packages that have files or ever had, in byte order."""
    rows = db.execute("SELECT name FROM package WHERE repository_id = ? ORDER BY name", (repository_id,))
    return [row[0] for row in rows]


def names_revision(db: Database, repository_id: str) -> int:
    row = db.execute("SELECT names_revision FROM repository WHERE id = ?", (repository_id,)).fetchone()
    return int(row[0])


PACKAGE = "package.id, name, revision, file_count, status, status_reason"
"""The columns of which `package_row` makes a row."""

_PACKAGE = f"SELECT {PACKAGE} FROM package"


def package(db: Database, repository_id: str, name: str) -> PackageRow | None:
    row = db.execute(f"{_PACKAGE} WHERE repository_id = ? AND name = ?", (repository_id, name)).fetchone()
    return package_row(row) if row else None


def packages_after(db: Database, repository_id: str, name: str, limit: int) -> list[PackageRow]:
    """The packages that have files and whose names come after `name`, in byte order."""
    rows = db.execute(
        f"{_PACKAGE} WHERE repository_id = ? AND file_count > 0 AND name > ? ORDER BY name LIMIT ?",
        (repository_id, name, limit),
    )
    return [package_row(row) for row in rows.fetchall()]


def package_row(row: Sequence[object]) -> PackageRow:
    package_id, name, revision, file_count, status, reason = row
    if status == "active" and reason is None:
        return PackageRow(package_id, name, revision, file_count, _ACTIVE)  # type: ignore[arg-type]
    return PackageRow(package_id, name, revision, file_count, Status(StatusName(status), reason))  # type: ignore[arg-type]


_ACTIVE = Status()


def ensure_package(db: Database, repository_id: str, name: str) -> PackageRow:
    """Writes: the package's row, made if absent."""
    db.execute(
        "INSERT INTO package (id, repository_id, name, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (repository_id, name) DO NOTHING",
        (str(ULID()), repository_id, name, now()),
    )
    row = package(db, repository_id, name)
    assert row is not None
    return row


def package_changed(db: Database, package_id: str, file_count_change: int = 0) -> None:
    """Writes: a new revision of the package, and of its repository's names where it came or went."""
    row = db.execute(
        "UPDATE package SET revision = revision + 1, file_count = file_count + ? WHERE id = ?"
        " RETURNING repository_id, file_count, name",
        (file_count_change, package_id),
    ).fetchone()
    repository_id, count, name = row
    graph_changes.changed_in(db, repository_id, name)
    if (count == 0) != (count - file_count_change == 0):
        db.execute("UPDATE repository SET names_revision = names_revision + 1 WHERE id = ?", (repository_id,))


def set_status(db: Database, package_id: str, status: Status) -> None:
    """Writes: the status and a new revision."""
    db.execute(
        "UPDATE package SET status = ?, status_reason = ? WHERE id = ?", (str(status.name), status.reason, package_id)
    )
    package_changed(db, package_id)


def release(db: Database, row: PackageRow) -> None:
    """Writes: the name of a package that has no files is free again; deleted filenames stay known."""
    db.execute(
        "UPDATE repository SET names_revision = names_revision + 1 WHERE id ="
        " (SELECT repository_id FROM package WHERE id = ?)",
        (row.id,),
    )
    gone = db.execute(
        "DELETE FROM package WHERE id = ? AND file_count = 0 RETURNING repository_id", (row.id,)
    ).fetchall()
    for (repository_id,) in gone:
        graph_changes.changed_in(db, repository_id, row.name)

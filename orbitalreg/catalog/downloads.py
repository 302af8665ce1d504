"""What the rows of `download` add up to. They are written in batches, by `files.add_downloads`."""

from collections.abc import Sequence

from sqlite_utils import Database

_COUNTED = (
    " FROM download AS d JOIN file AS f ON f.id = d.file_id WHERE f.package_id = ?"
    " AND f.version = COALESCE(?, f.version) AND f.filename = COALESCE(?, f.filename)"
)


def total(db: Database, package_id: str, version: str | None, filename: str | None) -> int:
    """How often the files of a package, of one version of it, or one file, were fetched in all."""
    row = db.execute(f"SELECT COALESCE(SUM(d.count), 0){_COUNTED}", (package_id, version, filename)).fetchone()
    return int(row[0])


def by_day(
    db: Database, package_id: str, version: str | None, filename: str | None, since: str
) -> list[tuple[str, int]]:
    """The same by day (`2026-01-31`, UTC) from `since` on, oldest first; days without a download are left out."""
    rows = db.execute(
        f"SELECT d.day, SUM(d.count){_COUNTED} AND d.day >= ? GROUP BY d.day ORDER BY d.day",
        (package_id, version, filename, since),
    )
    return [(day, int(count)) for day, count in rows.fetchall()]


def of_files(db: Database, file_ids: Sequence[str]) -> dict[str, int]:
    """How often each of these files was fetched; one that never was is left out."""
    marks = ",".join("?" * len(file_ids))
    rows = db.execute(
        f"SELECT file_id, SUM(count) FROM download WHERE file_id IN ({marks}) GROUP BY file_id", list(file_ids)
    )
    return {file_id: int(count) for file_id, count in rows.fetchall()}

"""What the rows of `file` say of versions. A version has no row of its own: it is there as long as a file of it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from orbitalreg.model import Microseconds

START = (-1, "")
"""The key before every other."""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version; `published_at` is when its first file was, `reason` one of its yanks'."""

    version: str
    published_at: Microseconds
    file_count: int
    size: int
    yanked_count: int
    reason: str | None


_VERSIONS = (
    "SELECT version, published_at, file_count, size, yanked_count, reason FROM"
    " (SELECT version, MIN(uploaded_at) AS published_at, COUNT(*) AS file_count, SUM(size) AS size,"
    " COUNT(yanked) AS yanked_count, MAX(yanked) AS reason FROM file WHERE package_id = ? GROUP BY version) AS v"
)


def of_package_after(db: Database, package_id: str, after: tuple[Microseconds, str], limit: int) -> list[VersionRow]:
    """The versions that come after (published at, version), in the order in which they appeared."""
    rows = db.execute(
        f"{_VERSIONS} WHERE (published_at, version) > (?, ?) ORDER BY published_at, version LIMIT ?",
        (package_id, *after, limit),
    )
    return [VersionRow(*row) for row in rows.fetchall()]


def of_package(db: Database, package_id: str, version: str) -> VersionRow | None:
    row = db.execute(f"{_VERSIONS} WHERE version = ?", (package_id, version)).fetchone()
    return VersionRow(*row) if row else None


def file_counts(db: Database, package_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """For each of these packages, how many files each of its versions has."""
    marks = ",".join("?" * len(package_ids))
    found: dict[str, dict[str, int]] = {package_id: {} for package_id in package_ids}
    for package_id, version, count in db.execute(
        f"SELECT package_id, version, COUNT(*) FROM file WHERE package_id IN ({marks}) GROUP BY package_id, version",
        list(package_ids),
    ):
        found[package_id][version] = count
    return found

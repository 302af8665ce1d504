"""What the rows of `download` add up to. They are written in batches, by `files.add_downloads`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlite_utils import Database

from orbitalreg.model import Microseconds

AT_ONCE = 500
"""How many ids go into one statement."""

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


def of_files(db: Database, file_ids: Iterable[str]) -> dict[str, int]:
    """How often each of these files was fetched; one that never was is left out."""
    found: dict[str, int] = {}
    for chosen in _in_parts(file_ids):
        marks = ",".join("?" * len(chosen))
        rows = db.execute(
            f"SELECT file_id, SUM(count) FROM download WHERE file_id IN ({marks}) GROUP BY file_id", chosen
        )
        found |= {file_id: int(count) for file_id, count in rows.fetchall()}
    return found


def of_files_by_day(db: Database, file_ids: Iterable[str], since: str) -> list[tuple[str, int]]:
    """As `by_day`, of all of these files together."""
    found: Counter[str] = Counter()
    for chosen in _in_parts(file_ids):
        marks = ",".join("?" * len(chosen))
        rows = db.execute(
            f"SELECT day, SUM(count) FROM download WHERE file_id IN ({marks}) AND day >= ? GROUP BY day",
            [*chosen, since],
        )
        for day, count in rows.fetchall():
            found[day] += int(count)
    return sorted(found.items())


def _in_parts(file_ids: Iterable[str]) -> Iterable[list[str]]:
    remaining = iter(file_ids)
    while chosen := list(islice(remaining, AT_ONCE)):
        yield chosen


@dataclass(frozen=True, slots=True)
class TokenRow:
    """What one token fetched of one file; `token_id` is empty for those who had none.

    `recalled` is the reason of the file's last recall. Days are `2026-01-31`, UTC.
    """

    file_id: str
    token_id: str
    repository_id: str
    version: str
    filename: str
    sha256: str
    count: int
    first_day: str
    last_day: str
    token_name: str | None
    account: str | None
    recalled: str | None
    recalled_at: Microseconds | None


_KNOWN = (
    "SELECT f.id AS file_id, f.repository_id, f.version, f.filename, f.sha256 FROM file AS f"
    " JOIN package AS p ON p.id = f.package_id WHERE p.name = ? AND p.repository_id IN ({marks})"
    " UNION SELECT r.file_id, r.repository_id, r.version, r.filename, r.sha256 FROM recall AS r"
    " WHERE r.package = ? AND r.repository_id IN ({marks})"
)
"""The files of a package that are there, and those that were recalled, each once."""


def known_versions(db: Database, repository_ids: Sequence[str], package: str) -> list[str]:
    """The versions of the files that `by_token_after` tells of, as they are spelt."""
    known = _KNOWN.format(marks=",".join("?" * len(repository_ids)))
    rows = db.execute(
        f"SELECT DISTINCT version FROM ({known}) AS k", [package, *repository_ids, package, *repository_ids]
    )
    return [row[0] for row in rows.fetchall()]


def by_token_after(
    db: Database,
    repository_ids: Sequence[str],
    package: str,
    versions: Sequence[str] | None,
    after: tuple[str, str],
    limit: int,
    since: str = "",
) -> list[TokenRow]:
    """Who fetched what of a package in these repositories, after (file id, token id); None is of all versions.

    From the day `since` on (`2026-01-31`, UTC), where one is given.
    """
    known = _KNOWN.format(marks=",".join("?" * len(repository_ids)))
    of_versions = "" if versions is None else f" AND k.version IN ({','.join('?' * len(versions))})"
    rows = db.execute(
        "SELECT d.file_id, d.token_id, MIN(k.repository_id), MIN(k.version), MIN(k.filename), MIN(k.sha256),"
        " SUM(d.count), MIN(d.day), MAX(d.day), MIN(t.name), MIN(a.kind || ':' || a.name),"
        " (SELECT r.reason FROM recall AS r WHERE r.file_id = d.file_id"
        " ORDER BY r.recalled_at DESC, r.id DESC LIMIT 1),"
        " (SELECT MAX(r.recalled_at) FROM recall AS r WHERE r.file_id = d.file_id)"
        f" FROM ({known}) AS k JOIN download AS d ON d.file_id = k.file_id"
        " LEFT JOIN token AS t ON t.id = d.token_id LEFT JOIN account AS a ON a.id = t.account_id"
        f" WHERE (d.file_id, d.token_id) > (?, ?) AND d.day >= ?{of_versions}"
        " GROUP BY d.file_id, d.token_id ORDER BY d.file_id, d.token_id LIMIT ?",
        [package, *repository_ids, package, *repository_ids, *after, since, *(versions or ()), limit],
    )
    return [TokenRow(*row) for row in rows.fetchall()]

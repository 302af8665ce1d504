"""Files as scanning asks for them: what one is, which were not looked at by what a scanner knows now, and counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from sqlite_utils import Database

from orbitalreg.catalog.jobs import NEVER
from orbitalreg.model import Microseconds


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file whose bytes are held, and under which key."""

    id: str
    format: str
    package: str
    version: str
    filename: str
    sha256: str
    key: str


_FILE = (
    "SELECT f.id, r.format, p.name, f.version, f.filename, f.sha256, b.key FROM file AS f"
    " JOIN package AS p ON p.id = f.package_id JOIN repository AS r ON r.id = f.repository_id"
    " JOIN blob AS b ON b.sha256 = f.sha256"
)


def file(db: Database, file_id: str) -> FileRow | None:
    row = db.execute(f"{_FILE} WHERE f.id = ?", (file_id,)).fetchone()
    return FileRow(*row) if row else None


def of_repository(db: Database, repository_id: str, package: str | None, version: str | None) -> list[tuple[str, str]]:
    """(id, filename) of the files of a repository, of one package or one version of it, newest first."""
    rows = db.execute(
        "SELECT f.id, f.filename FROM file AS f JOIN package AS p ON p.id = f.package_id WHERE f.repository_id = ?"
        " AND p.name = COALESCE(?, p.name) AND f.version = COALESCE(?, f.version) ORDER BY f.uploaded_at DESC, f.id",
        (repository_id, package, version),
    )
    return [tuple(row) for row in rows.fetchall()]


@dataclass(frozen=True, slots=True)
class Outdated:
    """Which files one scanner is to look at anew: those without a report by this database and version.

    An empty `version` is not compared. Files of which a job of the kind `scan_kind` is there already, and those of
    repositories that are configured no more or of other `formats`, are left out.
    """

    scanner: str
    scan_kind: str
    digest: str
    version: str
    formats: Sequence[str]

    def some(self, db: Database, since: str, limit: int, before: Microseconds) -> list[str]:
        """Ids of at most `limit` files: by turns the newest, and those fetched most since the day `since`.

        Those with a report from `before` or later are left out, whatever it was made by: a scanner whose digest is
        always another would have the same files looked at for ever.
        """
        newest = self._ids(db, "", "f.uploaded_at DESC, f.id", (), limit, before)
        fetched = self._ids(
            db,
            " JOIN (SELECT file_id, SUM(count) AS total FROM download WHERE day >= ? GROUP BY file_id) AS d"
            " ON d.file_id = f.id",
            "d.total DESC, f.id",
            (since,),
            limit,
            before,
        )
        turns = (file_id for pair in zip_longest(newest, fetched) for file_id in pair if file_id is not None)
        return list(dict.fromkeys(turns))[:limit]

    def is_any(self, db: Database) -> bool:
        return bool(self._ids(db, "", "f.id", (), 1, NEVER))

    def _ids(
        self, db: Database, join: str, order: str, of_join: tuple[str, ...], limit: int, before: Microseconds
    ) -> list[str]:
        marks = ",".join("?" * len(self.formats))
        rows = db.execute(
            "SELECT f.id FROM file AS f JOIN repository AS r ON r.id = f.repository_id"
            f"{join} LEFT JOIN report AS t ON t.file_id = f.id AND t.scanner = ?"
            " WHERE (t.file_id IS NULL OR t.scanned_at < ? AND (t.database_digest <> ?"
            " OR t.scanner_version <> COALESCE(?, t.scanner_version)))"
            f" AND r.detached_at IS NULL AND r.format IN ({marks})"
            " AND NOT EXISTS (SELECT 1 FROM job AS j WHERE j.key = ? || f.id)"
            f" ORDER BY {order} LIMIT ?",
            (
                *of_join,
                self.scanner,
                before,
                self.digest,
                self.version or None,
                *self.formats,
                f"{self.scan_kind}:",
                limit,
            ),
        )
        return [row[0] for row in rows.fetchall()]


def outdated_listed(
    db: Database, scanner: str, digest: str, formats: Sequence[str], after: tuple[str, str] = ("", "")
) -> tuple[str, str, list[str]] | None:
    """The first (format, package, versions), after that format and package, judged by name with another database."""
    found = db.execute(
        "SELECT format, package FROM listed_report WHERE scanner = ? AND database_digest <> ?"
        f" AND format IN ({','.join('?' * len(formats))}) AND (format > ? OR (format = ? AND package > ?))"
        " ORDER BY format, package LIMIT 1",
        (scanner, digest, *formats, after[0], *after),
    ).fetchone()
    if found is None:
        return None
    rows = db.execute(
        "SELECT version FROM listed_report WHERE format = ? AND package = ? AND scanner = ?", (*found, scanner)
    )
    return found[0], found[1], [row[0] for row in rows.fetchall()]


def judged(db: Database, format_name: str, package: str, scanner: str, failed_before: Microseconds) -> set[str]:
    """The versions that the scanner judged by their names; without failures that are older than `failed_before`."""
    rows = db.execute(
        "SELECT version FROM listed_report WHERE format = ? AND package = ? AND scanner = ?"
        " AND (database_digest <> '' OR judged_at >= ?)",
        (format_name, package, scanner, failed_before),
    )
    return {row[0] for row in rows.fetchall()}


def waiting(db: Database, kind: str, file_ids: Sequence[str]) -> int:
    """How many jobs of this kind there are for these files, given up or not."""
    count = 0
    for start in range(0, len(file_ids), 500):
        some = [f"{kind}:{file_id}" for file_id in file_ids[start : start + 500]]
        row = db.execute(f"SELECT COUNT(*) FROM job WHERE key IN ({','.join('?' * len(some))})", some).fetchone()
        count += int(row[0])
    return count


def queued(db: Database, kind: str) -> int:
    """How many jobs of this kind there are that nobody works on, and that were not given up."""
    row = db.execute(
        "SELECT COUNT(*) FROM job WHERE kind = ? AND leased_until IS NULL AND failed_at IS NULL", (kind,)
    ).fetchone()
    return int(row[0])


def counts(db: Database) -> list[tuple[str, str, int]]:
    """(scanner, status, how many) of the reports on files."""
    rows = db.execute("SELECT scanner, status, COUNT(*) FROM report GROUP BY scanner, status ORDER BY scanner, status")
    return [tuple(row) for row in rows.fetchall()]

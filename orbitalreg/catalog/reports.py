"""Rows of `report`, `report_document` and `listed_report`: what scanners said of files, and of versions not here yet.

Each change raises the revision of the package's reports, so that what was made of them can be kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter
from sqlite_utils import Database

from orbitalreg.catalog import graph_changes
from orbitalreg.model import Report

_REPORT = TypeAdapter(Report)
_MARKS = 500
"""As many parameters as one statement is given: databases have a limit."""


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document that a scanner left beside a file, such as an SBOM of the kind `cyclonedx`; its bytes are a blob."""

    scanner: str
    kind: str
    sha256: str


def revision(db: Database, format_name: str, package: str) -> int:
    """Changes with every report on any file or version of the package, in whatever repository."""
    row = db.conn.execute("SELECT number FROM revision WHERE subject = ?", (_subject(format_name, package),)).fetchone()
    return int(row[0]) if row else 0


def changed(db: Database, format_name: str, package: str) -> None:
    """Writes."""
    db.execute(
        "INSERT INTO revision (subject, number) VALUES (?, 1)"
        " ON CONFLICT (subject) DO UPDATE SET number = revision.number + 1",
        (_subject(format_name, package),),
    )
    graph_changes.changed(db, format_name, package)


def put(
    db: Database,
    file_id: str,
    report: Report,
    raw_sha256: str | None = None,
    documents: Mapping[str, str] | None = None,
) -> None:
    """Writes the scanner's latest report on the file, with the digests of blobs that are there; call `changed` too."""
    digest = report.database.digest if report.database else ""
    db.execute(
        "INSERT INTO report (file_id, scanner, status, database_digest, scanner_version, scanned_at, body, raw_sha256)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (file_id, scanner) DO UPDATE SET status = excluded.status,"
        " database_digest = excluded.database_digest, scanner_version = excluded.scanner_version,"
        " scanned_at = excluded.scanned_at, body = excluded.body, raw_sha256 = excluded.raw_sha256",
        (
            file_id,
            report.scanner,
            str(report.status),
            digest,
            report.scanner_version,
            report.scanned_at,
            _text(report),
            raw_sha256,
        ),
    )
    db.execute("DELETE FROM report_document WHERE file_id = ? AND scanner = ?", (file_id, report.scanner))
    db.conn.executemany(
        "INSERT INTO report_document (file_id, scanner, kind, sha256) VALUES (?, ?, ?, ?)",
        [(file_id, report.scanner, kind, sha256) for kind, sha256 in (documents or {}).items()],
    )


def drop(db: Database, file_ids: Iterable[str]) -> None:
    """Writes: what was said of files that are there no more. Raw output and documents stay for garbage collection."""
    ids = [(file_id,) for file_id in file_ids]
    for table in ("report", "report_document"):
        db.conn.executemany(f"DELETE FROM {table} WHERE file_id = ?", ids)


def let_go(db: Database, sha256: str) -> list[tuple[str, str]]:
    """Writes: what reports left beside themselves in these bytes is there no more. (file id, scanner) of each."""
    raw = db.execute(
        "UPDATE report SET raw_sha256 = NULL WHERE raw_sha256 = ? RETURNING file_id, scanner", (sha256,)
    ).fetchall()
    documents = db.execute(
        "DELETE FROM report_document WHERE sha256 = ? RETURNING file_id, scanner", (sha256,)
    ).fetchall()
    return sorted({(file_id, scanner) for file_id, scanner in [*raw, *documents]})


def of_files(db: Database, file_ids: Sequence[str]) -> dict[str, tuple[Report, ...]]:
    """The reports on each of these files, by the names of the scanners; a file without one is left out."""
    found: dict[str, list[Report]] = {}
    for start in range(0, len(file_ids), _MARKS):
        some = file_ids[start : start + _MARKS]
        marks = ",".join("?" * len(some))
        rows = db.execute(f"SELECT file_id, body FROM report WHERE file_id IN ({marks}) ORDER BY scanner", list(some))
        for file_id, body in rows.fetchall():
            found.setdefault(file_id, []).append(_REPORT.validate_json(body))
    return {file_id: tuple(reports) for file_id, reports in found.items()}


def documents(db: Database, file_id: str) -> tuple[DocumentRow, ...]:
    rows = db.execute(
        "SELECT scanner, kind, sha256 FROM report_document WHERE file_id = ? ORDER BY scanner, kind", (file_id,)
    )
    return tuple(DocumentRow(*row) for row in rows.fetchall())


def raw_digest(db: Database, file_id: str, scanner: str) -> str | None:
    """Of the tool's own output, which is a blob, packed by gzip."""
    row = db.execute("SELECT raw_sha256 FROM report WHERE file_id = ? AND scanner = ?", (file_id, scanner)).fetchone()
    return row[0] if row else None


def put_listed(db: Database, format_name: str, package: str, judged: Mapping[str, Report]) -> None:
    """Writes one scanner's reports by version, in normal form; call `changed` too."""
    db.conn.executemany(
        "INSERT INTO listed_report (format, package, scanner, version, database_digest, judged_at, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (format, package, scanner, version) DO UPDATE SET"
        " database_digest = excluded.database_digest, judged_at = excluded.judged_at, body = excluded.body",
        [
            (
                format_name,
                package,
                report.scanner,
                version,
                report.database.digest if report.database else "",
                report.scanned_at,
                _text(report),
            )
            for version, report in judged.items()
        ],
    )


def listed(db: Database, format_name: str, package: str) -> dict[str, tuple[Report, ...]]:
    """What scanners said of the package's versions by their names alone, by version."""
    found: dict[str, list[Report]] = {}
    for version, body in db.execute(
        "SELECT version, body FROM listed_report WHERE format = ? AND package = ? ORDER BY scanner",
        (format_name, package),
    ).fetchall():
        found.setdefault(version, []).append(_REPORT.validate_json(body))
    return {version: tuple(reports) for version, reports in found.items()}


def forget(db: Database, scanner: str) -> int:
    """Writes: drops all that one scanner said, and raises the revision of every package's reports.

    Of how many files it had a report.
    """
    db.execute("DELETE FROM report_document WHERE scanner = ?", (scanner,))
    db.execute("DELETE FROM listed_report WHERE scanner = ?", (scanner,))
    dropped = db.execute("DELETE FROM report WHERE scanner = ?", (scanner,)).rowcount
    raised = db.execute(
        "UPDATE revision SET number = number + 1 WHERE subject LIKE 'reports:%' RETURNING subject"
    ).fetchall()
    for (subject,) in raised:
        _, format_name, package = subject.split(":", 2)
        graph_changes.changed(db, format_name, package)
    return int(dropped)


def _subject(format_name: str, package: str) -> str:
    return f"reports:{format_name}:{package}"


def _text(report: Report) -> str:
    return _REPORT.dump_json(report, exclude_defaults=True).decode()

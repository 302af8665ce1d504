"""Rows of `file`, `document` and `deleted_file`."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from orbitalreg.catalog import reports
from orbitalreg.catalog.accounts import as_json
from orbitalreg.model import File, Microseconds, now

_FILES = (
    "SELECT f.id, p.name, f.version, f.filename, f.size, f.sha256, f.uploaded_at, f.attributes, f.requirements,"
    " f.yanked, f.repository_id FROM file AS f JOIN package AS p ON p.id = f.package_id"
)


def of_package(db: Database, package_id: str) -> tuple[File, ...]:
    """All files of a package, oldest first."""
    documents: dict[str, dict[str, str]] = {}
    for file_id, kind, sha256 in db.execute(
        "SELECT d.file_id, d.kind, d.sha256 FROM document AS d JOIN file AS f ON f.id = d.file_id"
        " WHERE f.package_id = ?",
        (package_id,),
    ):
        documents.setdefault(file_id, {})[kind] = sha256
    rows = db.execute(f"{_FILES} WHERE f.package_id = ? ORDER BY f.uploaded_at, f.id", (package_id,))
    return tuple(_file(row, documents.get(row[0], {})) for row in rows)


def of_package_after(
    db: Database, package_id: str, version: str | None, after: tuple[Microseconds, str], limit: int
) -> list[File]:
    """Files of a package, or of one version of it, that come after (uploaded at, id); oldest first, no documents."""
    rows = db.execute(
        f"{_FILES} WHERE f.package_id = ? AND (f.uploaded_at, f.id) > (?, ?) AND f.version = COALESCE(?, f.version)"
        " ORDER BY f.uploaded_at, f.id LIMIT ?",
        (package_id, *after, version, limit),
    )
    return [_file(row, {}) for row in rows.fetchall()]


def by_filename(db: Database, repository_id: str, filename: str) -> File | None:
    row = db.execute(f"{_FILES} WHERE f.repository_id = ? AND f.filename = ?", (repository_id, filename)).fetchone()
    if row is None:
        return None
    return _file(row, dict(db.execute("SELECT kind, sha256 FROM document WHERE file_id = ?", (row[0],)).fetchall()))


def _file(row: Sequence[Any], documents: Mapping[str, str]) -> File:
    requirements = tuple(json.loads(row[8])) if row[8] != "[]" else ()
    file_id, package, version, filename, size, sha256, uploaded_at = row[:7]
    return File(
        file_id,
        package,
        version,
        filename,
        size,
        sha256,
        uploaded_at,
        json.loads(row[7]),
        requirements,
        documents,
        row[9],
        row[10],
    )


def insert(
    db: Database,
    repository_id: str,
    package_id: str,
    file: File,
    uploaded_by: str,
    origin: Mapping[str, str] | None = None,
) -> None:
    """Writes; `origin` is as in `Identity`. The blob's row must be there."""
    db.execute(
        "INSERT INTO file (id, repository_id, package_id, version, filename, size, sha256, uploaded_at, uploaded_by,"
        " published_from, attributes, requirements, yanked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            file.id,
            repository_id,
            package_id,
            file.version,
            file.filename,
            file.size,
            file.sha256,
            file.uploaded_at,
            uploaded_by,
            as_json(origin),
            json.dumps(dict(file.attributes), separators=(",", ":")),
            json.dumps(file.requirements, separators=(",", ":")),
            file.yanked,
        ),
    )


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document ready to be inserted: hashed and compressed, which no transaction should wait for."""

    kind: str
    sha256: str
    compressed: bytes


def prepared(kind: str, body: bytes) -> PreparedDocument:
    return PreparedDocument(kind, hashlib.sha256(body).hexdigest(), zlib.compress(body))


def insert_documents(db: Database, file_id: str, documents: Iterable[PreparedDocument]) -> None:
    """Writes documents beside a file."""
    db.conn.executemany(
        "INSERT INTO document (file_id, kind, sha256, body) VALUES (?, ?, ?, ?)",
        [(file_id, document.kind, document.sha256, document.compressed) for document in documents],
    )


def versions(db: Database, repository_id: str, package: str) -> list[str]:
    """The versions of a package as they are spelt here."""
    rows = db.execute(
        "SELECT DISTINCT f.version FROM file AS f JOIN package AS p ON p.id = f.package_id"
        " WHERE p.repository_id = ? AND p.name = ?",
        (repository_id, package),
    )
    return [row[0] for row in rows]


def document(db: Database, file_id: str, kind: str) -> bytes | None:
    row = db.execute("SELECT body FROM document WHERE file_id = ? AND kind = ?", (file_id, kind)).fetchone()
    return zlib.decompress(row[0]) if row else None


def delete(db: Database, repository_id: str, file: File) -> None:
    """Writes: the file, its documents and reports go, its name stays known. The blob's row stays for collection."""
    db.execute("DELETE FROM file WHERE id = ?", (file.id,))
    reports.drop(db, [file.id])
    db.execute(
        "INSERT INTO deleted_file (repository_id, filename, sha256, deleted_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (repository_id, filename) DO UPDATE SET sha256 = excluded.sha256,"
        " deleted_at = excluded.deleted_at",
        (repository_id, file.filename, file.sha256, now()),
    )


def deleted_digest(db: Database, repository_id: str, filename: str) -> str | None:
    """The SHA-256 that a deleted file of this name had."""
    row = db.execute(
        "SELECT sha256 FROM deleted_file WHERE repository_id = ? AND filename = ?", (repository_id, filename)
    ).fetchone()
    return row[0] if row else None


def set_yanked(db: Database, file_ids: Iterable[str], reason: str | None) -> None:
    """Writes. None takes the yank back."""
    db.conn.executemany("UPDATE file SET yanked = ? WHERE id = ?", [(reason, file_id) for file_id in file_ids])


def add_downloads(db: Database, counts: Mapping[tuple[str, str, str], int]) -> None:
    """Writes a batch of (file id, token id or empty, day) with how often."""
    db.conn.executemany(
        "INSERT INTO download (file_id, token_id, day, count) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (file_id, token_id, day) DO UPDATE SET count = download.count + excluded.count",
        [(*key, count) for key, count in counts.items()],
    )


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who published a file; `origin` is as in `Identity`."""

    account: str
    origin: dict[str, str] | None


def publishers(db: Database, file_ids: Sequence[str]) -> dict[str, Publisher]:
    """Who published each of these files."""
    marks = ",".join("?" * len(file_ids))
    rows = db.execute(f"SELECT id, uploaded_by, published_from FROM file WHERE id IN ({marks})", list(file_ids))
    return {row[0]: Publisher(row[1], json.loads(row[2]) if row[2] else None) for row in rows.fetchall()}

"""Rows of `remote_page`, `remote_fact`, `remote_document`, `remote_names` and `recall`.

A page is what an upstream said of one package when it was asked last. What was learnt beyond that, by fetching, is a
*fact* (digest and size of a file) or a document, each by the id of its entry.
"""

import json
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.catalog import graph_changes, reports
from orbitalreg.catalog.blobs import BlobRow
from orbitalreg.catalog.files import PreparedDocument
from orbitalreg.catalog.repositories import PACKAGE, PackageRow, package_changed, package_row
from orbitalreg.model import File, Microseconds, RemoteFile, now

LEVEL = 3
"""Of compression: pages of ten thousand files are written while somebody waits."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a stored page: what the upstream tells of it, under the id that it has here.

    `is_gone` where the upstream tells of it no more, and its bytes are kept here nevertheless.
    """

    id: str
    first_seen: Microseconds
    told: RemoteFile
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class PageRow:
    """A stored page without its entries, or the stored list of names.

    `upstream` is the address of the server that told it. `checked_at` is when that server said or confirmed it last;
    `failed_at` and `failure` are of the last attempt, where that failed.
    """

    upstream: str
    etag: str | None
    last_modified: str | None
    checked_at: Microseconds
    failed_at: Microseconds | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class Fact:
    """What a file turned out to be when it was fetched."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Recall:
    """A cached file that is offered no more, since its upstream took it back."""

    file_id: str
    package: str
    version: str
    filename: str
    sha256: str
    reason: str
    recalled_at: Microseconds


_PACKAGE_WIDTH = PACKAGE.count(",") + 1
_PAGE = "upstream, etag, last_modified, checked_at, failed_at, failure"


def page(db: Database, package_id: str) -> PageRow | None:
    row = db.execute(f"SELECT {_PAGE} FROM remote_page WHERE package_id = ?", (package_id,)).fetchone()
    return PageRow(*row) if row else None


def package_page(db: Database, repository_id: str, name: str) -> tuple[PackageRow, PageRow] | None:
    """A package of which a page is stored."""
    row = db.execute(
        f"SELECT {PACKAGE}, {_PAGE} FROM package JOIN remote_page ON package_id = package.id"
        " WHERE repository_id = ? AND name = ?",
        (repository_id, name),
    ).fetchone()
    return (package_row(row[:_PACKAGE_WIDTH]), PageRow(*row[_PACKAGE_WIDTH:])) if row else None


def body(db: Database, package_id: str) -> bytes | None:
    """The entries as `encoded` made them."""
    row = db.execute("SELECT body FROM remote_page WHERE package_id = ?", (package_id,)).fetchone()
    return bytes(row[0]) if row else None


def encoded(entries: Iterable[Entry]) -> bytes:
    """Equal entries give equal bytes. No transaction should wait for it."""
    rows = [
        [
            entry.id,
            entry.first_seen,
            entry.told.filename,
            entry.told.version,
            entry.told.url,
            entry.told.size,
            entry.told.sha256,
            entry.told.uploaded_at,
            dict(entry.told.attributes),
            dict(entry.told.documents),
            entry.told.yanked,
            entry.is_gone,
        ]
        for entry in entries
    ]
    return zlib.compress(json.dumps(rows, separators=(",", ":"), sort_keys=True).encode(), LEVEL)


def decoded(body: bytes) -> list[Entry]:
    """The reverse of `encoded`."""
    return [
        Entry(file_id, first_seen, RemoteFile(*told), is_gone)
        for file_id, first_seen, *told, is_gone in json.loads(zlib.decompress(body))
    ]


def put_page(
    db: Database,
    package_id: str,
    upstream: str,
    body: bytes,
    etag: str | None,
    last_modified: str | None,
    at: Microseconds,
) -> None:
    """Writes: what the upstream said at `at`, in place of what it said before."""
    db.execute(
        "INSERT INTO remote_page (package_id, upstream, body, etag, last_modified, checked_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (package_id) DO UPDATE SET upstream = excluded.upstream,"
        " body = excluded.body, etag = excluded.etag, last_modified = excluded.last_modified,"
        " checked_at = excluded.checked_at, failed_at = NULL, failure = NULL",
        (package_id, upstream, body, etag, last_modified, at),
    )


def confirm_page(db: Database, package_id: str, at: Microseconds) -> None:
    """Writes: the upstream said at `at` that the page still holds."""
    db.execute(
        "UPDATE remote_page SET checked_at = ?, failed_at = NULL, failure = NULL WHERE package_id = ?",
        (at, package_id),
    )


def fail_page(db: Database, package_id: str, failure: str, at: Microseconds) -> None:
    """Writes: the upstream could not be asked at `at`."""
    db.execute("UPDATE remote_page SET failed_at = ?, failure = ? WHERE package_id = ?", (at, failure, package_id))


def drop_page(db: Database, package_id: str) -> None:
    """Writes: the page, and with it everything that was learnt of its files."""
    for table in ("remote_page", "remote_fact", "remote_document"):
        db.execute(f"DELETE FROM {table} WHERE package_id = ?", (package_id,))


def facts(db: Database, package_id: str) -> dict[str, Fact]:
    """By the id of the file."""
    rows = db.execute("SELECT file_id, sha256, size FROM remote_fact WHERE package_id = ?", (package_id,))
    return {file_id: Fact(sha256, size) for file_id, sha256, size in rows.fetchall()}


def fact(db: Database, file_id: str) -> Fact | None:
    row = db.execute("SELECT sha256, size FROM remote_fact WHERE file_id = ?", (file_id,)).fetchone()
    return Fact(*row) if row else None


def put_fact(db: Database, package_id: str, file_id: str, fact: Fact) -> None:
    """Writes, once for each file."""
    db.execute(
        "INSERT INTO remote_fact (file_id, package_id, sha256, size) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (file_id) DO NOTHING",
        (file_id, package_id, fact.sha256, fact.size),
    )


def forget(db: Database, file_ids: Collection[str]) -> None:
    """Writes: what was learnt of files that are none of the page's any more."""
    for table in ("remote_fact", "remote_document"):
        db.conn.executemany(f"DELETE FROM {table} WHERE file_id = ?", [(file_id,) for file_id in file_ids])


def cached(db: Database, package_id: str) -> dict[str, str]:
    """The digests of the files of a package whose bytes are held, by the files' ids."""
    return dict(db.execute("SELECT id, sha256 FROM file WHERE package_id = ?", (package_id,)).fetchall())


def cached_digest(db: Database, file_id: str) -> str | None:
    """The SHA-256 of the bytes held for a file."""
    row = db.execute("SELECT sha256 FROM file WHERE id = ?", (file_id,)).fetchone()
    return row[0] if row else None


def cached_blob(db: Database, file_id: str) -> BlobRow | None:
    """The bytes held for a file."""
    row = db.execute(
        "SELECT b.sha256, b.key, b.size, b.fault FROM file AS f JOIN blob AS b ON b.sha256 = f.sha256 WHERE f.id = ?",
        (file_id,),
    ).fetchone()
    return BlobRow(*row) if row else None


def count_cached(db: Database, package_id: str, change: int) -> None:
    """Writes: how many files of a package are held. Its page shows no difference, so that its revision stays."""
    repository_id, count, name = db.execute(
        "UPDATE package SET file_count = file_count + ? WHERE id = ? RETURNING repository_id, file_count, name",
        (change, package_id),
    ).fetchone()
    graph_changes.changed_in(db, repository_id, name)
    if (count == 0) != (count - change == 0):
        db.execute("UPDATE repository SET names_revision = names_revision + 1 WHERE id = ?", (repository_id,))


def documents(db: Database, package_id: str) -> dict[str, dict[str, str]]:
    """The digests of the documents held for a package's files, by the files' ids and by kind."""
    found: dict[str, dict[str, str]] = {}
    rows = db.execute(
        "SELECT d.file_id, d.kind, d.sha256 FROM document AS d JOIN file AS f ON f.id = d.file_id"
        " WHERE f.package_id = ? UNION ALL SELECT file_id, kind, sha256 FROM remote_document WHERE package_id = ?",
        (package_id, package_id),
    )
    for file_id, kind, sha256 in rows.fetchall():
        found.setdefault(file_id, {})[kind] = sha256
    return found


def document(db: Database, file_id: str, kind: str) -> bytes | None:
    """A document of a file that is not held."""
    row = db.execute("SELECT body FROM remote_document WHERE file_id = ? AND kind = ?", (file_id, kind)).fetchone()
    return zlib.decompress(row[0]) if row else None


def put_document(db: Database, package_id: str, file_id: str, prepared: PreparedDocument) -> None:
    """Writes a document beside a file, whether its bytes are held or not."""
    held = cached_digest(db, file_id) is not None
    columns, table = ("file_id, kind", "document") if held else ("package_id, file_id, kind", "remote_document")
    keys = (file_id,) if held else (package_id, file_id)
    db.execute(
        f"INSERT INTO {table} ({columns}, sha256, body) VALUES ({', '.join('?' * len(keys))}, ?, ?, ?)"
        " ON CONFLICT (file_id, kind) DO UPDATE SET sha256 = excluded.sha256, body = excluded.body",
        (*keys, prepared.kind, prepared.sha256, prepared.compressed),
    )
    repository_id, name = db.execute("SELECT repository_id, name FROM package WHERE id = ?", (package_id,)).fetchone()
    graph_changes.changed_in(db, repository_id, name)


def adopt_documents(db: Database, file_id: str) -> None:
    """Writes: the documents of a file whose bytes are held from now on lie beside it."""
    db.execute(
        "INSERT INTO document (file_id, kind, sha256, body)"
        " SELECT file_id, kind, sha256, body FROM remote_document WHERE file_id = ?",
        (file_id,),
    )
    db.execute("DELETE FROM remote_document WHERE file_id = ?", (file_id,))


def drop_documents(db: Database, of: Iterable[tuple[str, str]]) -> None:
    """Writes: documents (file id, kind) that are wrong by now."""
    keys = list(of)
    for table in ("document", "remote_document"):
        db.conn.executemany(f"DELETE FROM {table} WHERE file_id = ? AND kind = ?", keys)


def drop_cached(db: Database, file_ids: Collection[str]) -> None:
    """Writes: the rows of files that are offered no more, and of reports on them. Blobs' rows stay for collection."""
    db.conn.executemany("DELETE FROM file WHERE id = ?", [(file_id,) for file_id in file_ids])
    reports.drop(db, file_ids)


def let_go(db: Database, file_id: str, package_id: str) -> None:
    """Writes: the bytes of a file are to be fetched again; what is known of it stays, but for reports.

    The package has a new revision.
    """
    db.execute(
        "INSERT INTO remote_document (file_id, kind, package_id, sha256, body)"
        " SELECT file_id, kind, ?, sha256, body FROM document WHERE file_id = ? ON CONFLICT (file_id, kind) DO NOTHING",
        (package_id, file_id),
    )
    drop_cached(db, [file_id])
    package_changed(db, package_id, -1)


def put_recall(db: Database, repository_id: str, file: File, reason: str) -> bool:
    """Writes. Whether this is news: a file is recalled once for each reason."""
    done = db.execute(
        "INSERT INTO recall (id, repository_id, file_id, package, version, filename, sha256, reason, recalled_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (file_id, reason) DO NOTHING",
        (
            str(ULID()),
            repository_id,
            file.id,
            file.package,
            file.version,
            file.filename,
            file.sha256,
            reason,
            now(),
        ),
    )
    return done.rowcount > 0


def recalls(db: Database, repository_id: str, package: str) -> list[Recall]:
    """What was recalled of a package, oldest first."""
    rows = db.execute(
        "SELECT file_id, package, version, filename, sha256, reason, recalled_at FROM recall"
        " WHERE repository_id = ? AND package = ? ORDER BY recalled_at, id",
        (repository_id, package),
    )
    return [Recall(*row) for row in rows.fetchall()]


def known_names(db: Database, repository_id: str) -> list[str]:
    """The packages of which there is a stored page, in byte order."""
    rows = db.execute(
        "SELECT p.name FROM package AS p JOIN remote_page AS r ON r.package_id = p.id"
        " WHERE p.repository_id = ? ORDER BY p.name",
        (repository_id,),
    )
    return [row[0] for row in rows.fetchall()]


def names_page(db: Database, repository_id: str) -> tuple[PageRow, str] | None:
    """The stored list of names without the names, and its revision."""
    row = db.execute(f"SELECT {_PAGE}, revision FROM remote_names WHERE repository_id = ?", (repository_id,)).fetchone()
    return (PageRow(*row[:6]), row[6]) if row else None


def names_body(db: Database, repository_id: str) -> bytes | None:
    row = db.execute("SELECT body FROM remote_names WHERE repository_id = ?", (repository_id,)).fetchone()
    return bytes(row[0]) if row else None


def put_names(db: Database, repository_id: str, page: PageRow, body: bytes, revision: str) -> None:
    """Writes: the list as `page` says it was told; `revision` is another one where the names are others."""
    db.execute(
        "INSERT INTO remote_names (repository_id, upstream, body, revision, etag, last_modified, checked_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (repository_id) DO UPDATE SET upstream = excluded.upstream,"
        " body = excluded.body, revision = excluded.revision, etag = excluded.etag,"
        " last_modified = excluded.last_modified, checked_at = excluded.checked_at, failed_at = NULL, failure = NULL",
        (repository_id, page.upstream, body, revision, page.etag, page.last_modified, page.checked_at),
    )


def confirm_names(db: Database, repository_id: str, at: Microseconds) -> None:
    """Writes: the upstream said at `at` that the list still holds."""
    db.execute(
        "UPDATE remote_names SET checked_at = ?, failed_at = NULL, failure = NULL WHERE repository_id = ?",
        (at, repository_id),
    )


def fail_names(db: Database, repository_id: str, failure: str, at: Microseconds) -> None:
    """Writes: the upstream could not be asked at `at`."""
    db.execute(
        "UPDATE remote_names SET failed_at = ?, failure = ? WHERE repository_id = ?", (at, failure, repository_id)
    )

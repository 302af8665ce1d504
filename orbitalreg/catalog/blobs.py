"""Rows of `blob` and `blob_removal`: bytes that are held, since when nothing refers to them, and what is wrong.

A row is made in the transaction that first refers to it, and dropped where nothing does any more. Its bytes lie under a
key that is used once: they go after the commit that dropped the row, and the same bytes come back under another.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from orbitalreg.errors import Busy
from orbitalreg.model import Microseconds, now

REFERENCES = (("file", "sha256"), ("report", "raw_sha256"), ("report_document", "sha256"))
"""Every column that keeps a blob. A table that is to keep some has it here, and an index on it."""

_IS_USED = "(" + " OR ".join(f"EXISTS (SELECT 1 FROM {t} WHERE {t}.{c} = blob.sha256)" for t, c in REFERENCES) + ")"


@dataclass(frozen=True, slots=True)
class BlobRow:
    """Bytes that are held, and the store's key for them. `fault` is why they are not given out, where they are not."""

    sha256: str
    key: str
    size: int
    fault: str | None = None


def get(db: Database, sha256: str) -> BlobRow | None:
    row = db.execute("SELECT sha256, key, size, fault FROM blob WHERE sha256 = ?", (sha256,)).fetchone()
    return BlobRow(*row) if row else None


def is_held(db: Database, sha256: str) -> bool:
    """Whether the bytes are here and sound, as far as is known: whoever brings them need not keep them again."""
    row = db.execute("SELECT fault FROM blob WHERE sha256 = ?", (sha256,)).fetchone()
    return row is not None and row[0] is None


def hold(db: Database, sha256: str, key: str | None, size: int) -> str | None:
    """Writes, in the transaction that refers to the bytes: the key under which they are held from now on.

    `key` is where they were kept just now, and None where they were held already. The answer is another where they are
    held under that one: what was kept is not needed. It is None where they are not held any more, since collection took
    them or they were found damaged: keep them, and call again.

    Raises `Busy` where so long has gone by since they were kept that collection took them for left over.
    """
    row = db.execute("SELECT key, fault, unused_since FROM blob WHERE sha256 = ?", (sha256,)).fetchone()
    if row is not None and row[1] is None:
        if row[2] is not None:
            db.execute("UPDATE blob SET unused_since = NULL WHERE sha256 = ?", (sha256,))
        return str(row[0])
    if key is None:
        return None
    if db.execute("SELECT 1 FROM blob_removal WHERE key = ?", (key,)).fetchone():
        raise Busy("the bytes waited for so long that they were removed again; try again")
    if row is not None:
        _begin_removal(db, [row[0]])
    db.execute(
        "INSERT INTO blob (sha256, key, size, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET"
        " key = excluded.key, size = excluded.size, created_at = excluded.created_at, unused_since = NULL,"
        " fault = NULL, fault_at = NULL",
        (sha256, key, size, now()),
    )
    return key


def is_key(db: Database, key: str) -> bool:
    """Whether bytes are held under this key."""
    return db.execute("SELECT 1 FROM blob WHERE key = ?", (key,)).fetchone() is not None


def after(db: Database, sha256: str, limit: int) -> list[BlobRow]:
    """The blobs that come after this digest, in its order."""
    rows = db.execute(
        "SELECT sha256, key, size, fault FROM blob WHERE sha256 > ? ORDER BY sha256 LIMIT ?", (sha256, limit)
    )
    return [BlobRow(*row) for row in rows.fetchall()]


@dataclass(frozen=True, slots=True)
class Use:
    """Whether something refers to a blob, and what was noted of that last."""

    sha256: str
    size: int
    is_used: bool
    unused_since: Microseconds | None


def uses_after(db: Database, sha256: str, limit: int) -> list[Use]:
    """The blobs that come after this digest, in its order."""
    rows = db.execute(
        f"SELECT sha256, size, {_IS_USED}, unused_since FROM blob WHERE sha256 > ? ORDER BY sha256 LIMIT ?",
        (sha256, limit),
    )
    return [Use(row[0], row[1], bool(row[2]), row[3]) for row in rows.fetchall()]


def mark_unused(db: Database, digests: Sequence[str], at: Microseconds) -> int:
    """Writes: those of them to which nothing refers are unused since then, unless they were before. How many."""
    return _each(
        db,
        f"UPDATE blob SET unused_since = ? WHERE sha256 = ? AND unused_since IS NULL AND NOT {_IS_USED}",
        [(at, digest) for digest in digests],
    )


def mark_used(db: Database, digests: Sequence[str]) -> int:
    """Writes: those of them to which something refers again. How many."""
    return _each(
        db, f"UPDATE blob SET unused_since = NULL WHERE sha256 = ? AND {_IS_USED}", [(digest,) for digest in digests]
    )


def _each(db: Database, sql: str, rows: list[tuple[object, ...]]) -> int:
    return int(db.conn.executemany(sql, rows).rowcount) if rows else 0


def drop_unused(db: Database, before: Microseconds, limit: int) -> list[BlobRow]:
    """Writes: blobs to which nothing refers now, nor has since `before`, lose their rows, and their keys are removals.

    Remove their bytes after the commit, and then say so by `drop_removals`.
    """
    rows = db.execute(
        f"DELETE FROM blob WHERE sha256 IN (SELECT sha256 FROM blob WHERE unused_since <= ? AND NOT {_IS_USED}"
        " ORDER BY unused_since, sha256 LIMIT ?) RETURNING sha256, key, size, fault",
        (before, limit),
    ).fetchall()
    dropped = [BlobRow(*row) for row in rows]
    _begin_removal(db, [row.key for row in dropped])
    return dropped


def strays(db: Database, keys: Collection[str]) -> list[str]:
    """Those of these keys that no row names, and that are not being removed."""
    return [
        key
        for key in keys
        if not db.execute(
            "SELECT EXISTS (SELECT 1 FROM blob WHERE key = ?) OR EXISTS (SELECT 1 FROM blob_removal WHERE key = ?)",
            (key, key),
        ).fetchone()[0]
    ]


def begin_stray_removal(db: Database, keys: Collection[str]) -> list[str]:
    """Writes: those of these keys that no row names are removals, and no row will name them. Which they are."""
    found = strays(db, keys)
    _begin_removal(db, found)
    return found


def _begin_removal(db: Database, keys: Sequence[str]) -> None:
    at = now()
    db.conn.executemany(
        "INSERT INTO blob_removal (key, begun_at) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
        [(key, at) for key in keys],
    )


def open_removals(db: Database, limit: int) -> list[str]:
    """Keys whose rows are gone and whose bytes may still be there."""
    rows = db.execute("SELECT key FROM blob_removal WHERE ended_at IS NULL ORDER BY key LIMIT ?", (limit,))
    return [row[0] for row in rows.fetchall()]


def end_removals(db: Database, keys: Sequence[str], at: Microseconds) -> None:
    """Writes: the bytes under these keys are gone."""
    db.conn.executemany("UPDATE blob_removal SET ended_at = ? WHERE key = ?", [(at, key) for key in keys])


def drop_removals(db: Database, keys: Sequence[str]) -> None:
    """Writes: the bytes under these keys are gone, and nobody can be about to use them."""
    db.conn.executemany("DELETE FROM blob_removal WHERE key = ?", [(key,) for key in keys])


def forget_removals(db: Database, before: Microseconds) -> None:
    """Writes: nobody can still be about to use a key that was removed before then."""
    db.execute("DELETE FROM blob_removal WHERE ended_at < ?", (before,))


@dataclass(frozen=True, slots=True)
class Holder:
    """A file that consists of a blob, and where it is."""

    file_id: str
    package_id: str
    repository_id: str
    kind: str
    address: str
    package: str
    version: str
    filename: str

    @property
    def name(self) -> str:
        return f"{self.address}/{self.package}=={self.version}/{self.filename}"


def holders(db: Database, sha256: str) -> list[Holder]:
    """The files that consist of these bytes, by where they are."""
    rows = db.execute(
        "SELECT f.id, f.package_id, f.repository_id, r.kind, r.project || '/' || r.name, p.name, f.version, f.filename"
        " FROM file AS f JOIN package AS p ON p.id = f.package_id JOIN repository AS r ON r.id = f.repository_id"
        " WHERE f.sha256 = ? ORDER BY 5, 6, 7, 8",
        (sha256,),
    )
    return [Holder(*row) for row in rows.fetchall()]


def condemn(db: Database, blob: BlobRow, fault: str, at: Microseconds) -> bool:
    """Writes: these bytes are given out no more. False where they are held under another key by now, or not at all."""
    done = db.execute(
        "UPDATE blob SET fault = ?, fault_at = ? WHERE sha256 = ? AND key = ?", (fault, at, blob.sha256, blob.key)
    )
    return done.rowcount > 0


def acquit(db: Database, blob: BlobRow) -> bool:
    """Writes: these bytes are sound after all. Whether they are held still."""
    done = db.execute(
        "UPDATE blob SET fault = NULL, fault_at = NULL WHERE sha256 = ? AND key = ?", (blob.sha256, blob.key)
    )
    return done.rowcount > 0


def faulty(db: Database) -> list[BlobRow]:
    """What was found damaged or missing, and is still referred to."""
    rows = db.execute(
        f"SELECT sha256, key, size, fault FROM blob WHERE fault IS NOT NULL AND {_IS_USED} ORDER BY sha256"
    )
    return [BlobRow(*row) for row in rows.fetchall()]

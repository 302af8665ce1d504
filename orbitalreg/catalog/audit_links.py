"""Rows of `audit_link`: the chain over the audit log, one link for each entry, numbered from 1 without a gap."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlite_utils import Database

from orbitalreg.catalog.audit_entries import COLUMNS, EntryRow
from orbitalreg.model import Microseconds


@dataclass(frozen=True, slots=True)
class LinkRow:
    number: int
    entry_id: str
    linked_at: Microseconds
    hash: str


_ENTRY = ", ".join(f"e.{name}" for name in COLUMNS.split(", "))
_LINK = "l.number, l.entry_id, l.linked_at, l.hash"


def insert(db: Database, link: LinkRow) -> None:
    """Writes a link, and that its entry has one."""
    db.execute(
        "INSERT INTO audit_link (number, entry_id, linked_at, hash) VALUES (?, ?, ?, ?)",
        (link.number, link.entry_id, link.linked_at, link.hash),
    )
    db.execute("UPDATE audit_entry SET linked = 1 WHERE id = ?", (link.entry_id,))


def last(db: Database) -> LinkRow | None:
    row = db.execute(f"SELECT {_LINK} FROM audit_link AS l ORDER BY l.number DESC LIMIT 1").fetchone()
    return LinkRow(*row) if row else None


def count(db: Database) -> int:
    return int(db.execute("SELECT COUNT(*) FROM audit_link").fetchone()[0])


def unlinked(db: Database, limit: int) -> list[EntryRow]:
    """Entries without a link, oldest first; the partial index makes it quick however long the log is."""
    rows = db.execute(
        f"SELECT {_ENTRY} FROM audit_entry AS e LEFT JOIN audit_link AS l ON l.entry_id = e.id"
        " WHERE e.linked = 0 AND l.number IS NULL ORDER BY e.id LIMIT ?",
        (limit,),
    )
    return [EntryRow(*row) for row in rows.fetchall()]


def count_unlinked(db: Database) -> tuple[int, Microseconds | None]:
    """How many entries have no link and say so, and when the oldest of them was written."""
    row = db.execute(
        "SELECT COUNT(*), MIN(e.at) FROM audit_entry AS e LEFT JOIN audit_link AS l ON l.entry_id = e.id"
        " WHERE e.linked = 0 AND l.number IS NULL"
    ).fetchone()
    return int(row[0]), row[1]


def all_links(db: Database) -> Iterator[tuple[LinkRow, EntryRow | None]]:
    """Every link with its entry, where that is there, by number. One statement: the rows come as they are taken."""
    rows = db.execute(
        f"SELECT {_LINK}, {_ENTRY} FROM audit_link AS l LEFT JOIN audit_entry AS e ON e.id = l.entry_id"
        " ORDER BY l.number"
    )
    for row in rows:
        yield LinkRow(*row[:4]), None if row[4] is None else EntryRow(*row[4:])


def entries_without_link(db: Database) -> Iterator[EntryRow]:
    """Entries that say that they have a link and have none. Looks through the whole log."""
    rows = db.execute(
        f"SELECT {_ENTRY} FROM audit_entry AS e LEFT JOIN audit_link AS l ON l.entry_id = e.id"
        " WHERE e.linked <> 0 AND l.number IS NULL ORDER BY e.id"
    )
    for row in rows:
        yield EntryRow(*row)


def events_after(db: Database, number: int, limit: int) -> list[tuple[int, EntryRow]]:
    """(number, entry) of the links after `number`, in their order."""
    rows = db.execute(
        f"SELECT l.number, {_ENTRY} FROM audit_link AS l JOIN audit_entry AS e ON e.id = l.entry_id"
        " WHERE l.number > ? ORDER BY l.number LIMIT ?",
        (number, limit),
    )
    return [(row[0], EntryRow(*row[1:])) for row in rows.fetchall()]

"""Rows of `audit_entry`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.model import Microseconds

COLUMNS = (
    "id, at, actor, token_id, address, request_id, action, target, detail, origin, outcome, reason, project, linked"
)


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as it is kept. `detail` and `origin` are JSON; `linked` is 1 once the chain has it."""

    id: str
    at: Microseconds
    actor: str
    token_id: str | None
    address: str | None
    request_id: str | None
    action: str
    target: str
    detail: str
    origin: str | None
    outcome: str
    reason: str | None
    project: str | None
    linked: int = 0

    def canonical(self) -> tuple[Any, ...]:
        """What the chain covers, in its order."""
        return (
            *(self.id, self.at, self.actor, self.token_id, self.address, self.request_id, self.action, self.target),
            *(self.detail, self.origin, self.outcome, self.reason, self.project),
        )


def new_id() -> str:
    return str(ULID())


def insert(db: Database, row: EntryRow) -> None:
    """Writes one entry."""
    marks = ", ".join("?" * 14)
    db.execute(f"INSERT INTO audit_entry ({COLUMNS}) VALUES ({marks})", (*row.canonical(), row.linked))


@dataclass(frozen=True, slots=True)
class Search:
    """Which entries. A `*` in actor, action and target stands for any characters; what is None does not matter.

    `since` is the first instant that counts, and `until` the first that does not.
    """

    since: Microseconds | None = None
    until: Microseconds | None = None
    actor: str | None = None
    action: str | None = None
    target: str | None = None
    project: str | None = None
    outcome: str | None = None
    token_id: str | None = None

    def conditions(self) -> tuple[str, list[Any]]:
        """SQL over the table `e`, true for these entries, and its parameters."""
        given: list[tuple[str, Any]] = [
            ("e.at >= ?", self.since),
            ("e.at < ?", self.until),
            ("e.project = ?", self.project),
            ("e.outcome = ?", self.outcome),
            ("e.token_id = ?", self.token_id),
        ]
        for column, pattern in (("actor", self.actor), ("action", self.action), ("target", self.target)):
            exact = pattern is None or "*" not in pattern
            given.append((f"e.{column} = ?", pattern) if exact else (f"e.{column} LIKE ? ESCAPE '!'", _like(pattern)))
        held = [(sql, value) for sql, value in given if value is not None]
        return " AND ".join(["1 = 1", *(sql for sql, _ in held)]), [value for _, value in held]


def _like(pattern: str | None) -> str:
    escaped = (pattern or "").replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return escaped.replace("*", "%")


Told = tuple[EntryRow, int | None, str | None]
"""An entry, and the number and hash of its link, where it has one."""

_TOLD = (
    f"SELECT {', '.join(f'e.{name}' for name in COLUMNS.split(', '))}, l.number, l.hash"
    " FROM audit_entry AS e LEFT JOIN audit_link AS l ON l.entry_id = e.id"
)


def after(db: Database, search: Search, key: tuple[Microseconds, str], limit: int) -> list[Told]:
    """Those after (time, id), oldest first."""
    sql, values = search.conditions()
    rows = db.execute(
        f"{_TOLD} WHERE {sql} AND (e.at, e.id) > (?, ?) ORDER BY e.at, e.id LIMIT ?", (*values, *key, limit)
    )
    return [_told(row) for row in rows.fetchall()]


def latest(db: Database, search: Search, limit: int) -> list[Told]:
    """The last of them, oldest first."""
    sql, values = search.conditions()
    rows = db.execute(f"{_TOLD} WHERE {sql} ORDER BY e.at DESC, e.id DESC LIMIT ?", (*values, limit))
    return [_told(row) for row in rows.fetchall()][::-1]


def in_order(db: Database, search: Search, batch: int = 500) -> Iterator[Told]:
    """All of them in the order of the chain, and then those that are not linked yet, by time."""
    sql, values = search.conditions()
    number = 0
    while True:
        rows = db.execute(
            f"{_TOLD} WHERE l.number > ? AND {sql} ORDER BY l.number LIMIT ?", (number, *values, batch)
        ).fetchall()
        yield from (_told(row) for row in rows)
        if len(rows) < batch:
            break
        number = rows[-1][-2]
    rows = db.execute(f"{_TOLD} WHERE l.number IS NULL AND {sql} ORDER BY e.at, e.id", values).fetchall()
    yield from (_told(row) for row in rows)


def entry(db: Database, entry_id: str) -> Told | None:
    """The entry of this id."""
    row = db.execute(f"{_TOLD} WHERE e.id = ?", (entry_id,)).fetchone()
    return None if row is None else _told(row)


def _told(row: Sequence[Any]) -> Told:
    return EntryRow(*row[:-2]), row[-2], row[-1]

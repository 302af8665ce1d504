"""Rows of `upkeep`: how far each task that goes over everything has come, and what it found when it ended last."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from orbitalreg.model import Microseconds


@dataclass(frozen=True, slots=True)
class UpkeepRow:
    """`place` is where to go on, '' at the beginning; `told` is JSON, of the run that is under way or ended last."""

    begun_at: Microseconds
    ended_at: Microseconds | None
    place: str
    told: Mapping[str, Any]


def get(db: Database, task: str) -> UpkeepRow | None:
    row = db.execute("SELECT begun_at, ended_at, place, told FROM upkeep WHERE task = ?", (task,)).fetchone()
    return UpkeepRow(row[0], row[1], row[2], json.loads(row[3])) if row else None


def put(db: Database, task: str, row: UpkeepRow) -> None:
    """Writes."""
    db.execute(
        "INSERT INTO upkeep (task, begun_at, ended_at, place, told) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (task) DO UPDATE SET begun_at = excluded.begun_at, ended_at = excluded.ended_at,"
        " place = excluded.place, told = excluded.told",
        (task, row.begun_at, row.ended_at, row.place, json.dumps(dict(row.told), sort_keys=True)),
    )


def clear(db: Database) -> None:
    """Writes: nothing has been gone over yet."""
    db.execute("DELETE FROM upkeep")

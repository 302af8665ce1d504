"""Rows of `job`: work that outlives the request, and the process, that asked for it.

A job is due at an instant, is leased by one worker for a while, and is deleted when it is done. `due_at` is `NEVER`
while nobody has asked for it since its lease began, and for a job that was given up. A lease is an id of its own:
whoever lost it changes nothing any more. Every instant is given by the caller.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.model import Microseconds

NEVER: Microseconds = 1 << 62


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it was leased; `attempts` counts this one too. `payload` is JSON."""

    id: str
    kind: str
    subject: str
    payload: str
    attempts: int
    created_at: Microseconds


def insert(
    db: Database, kind: str, subject: str, payload: str, instant: Microseconds, due_at: Microseconds, key: str | None
) -> None:
    """Writes. With a `key` there is one such job at most: one that waits becomes due no later, one that is leased runs
    once more afterwards, and one that was given up begins anew.
    """
    db.execute(
        "INSERT INTO job (id, kind, subject, payload, due_at, created_at, key) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET payload = excluded.payload, failed_at = NULL,"
        " due_at = CASE WHEN job.due_at < excluded.due_at THEN job.due_at ELSE excluded.due_at END,"
        " attempts = CASE WHEN job.failed_at IS NULL THEN job.attempts ELSE 0 END",
        (str(ULID()), kind, subject, payload, due_at, instant, key),
    )


def next_at(db: Database, kinds: Sequence[str]) -> Microseconds | None:
    """When there will be something to lease, if nobody asks for more; None where there is no job of these kinds."""
    marks = ", ".join("?" * len(kinds))
    row = db.execute(
        "SELECT MIN(instant) FROM ("
        f"SELECT MIN(due_at) AS instant FROM job WHERE kind IN ({marks}) AND leased_until IS NULL AND failed_at IS NULL"
        f" UNION ALL SELECT MIN(leased_until) FROM job WHERE kind IN ({marks}) AND leased_until IS NOT NULL) AS t",
        (*kinds, *kinds),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def lease(
    db: Database, kinds: Sequence[str], leased_by: str, instant: Microseconds, until: Microseconds
) -> JobRow | None:
    """Writes: takes one job whose last lease has run out, or else the one that has been due for longest."""
    marks = ", ".join("?" * len(kinds))
    free = f"FROM job WHERE kind IN ({marks}) AND failed_at IS NULL"
    rows = db.execute(
        f"UPDATE job SET leased_by = ?, leased_until = ?, attempts = attempts + 1, due_at = {NEVER}"
        " WHERE id = COALESCE("
        f"(SELECT id {free} AND leased_until <= ? ORDER BY leased_until, id LIMIT 1),"
        f" (SELECT id {free} AND leased_until IS NULL AND due_at <= ? ORDER BY due_at, id LIMIT 1))"
        " RETURNING id, kind, subject, payload, attempts, created_at",
        (leased_by, until, *kinds, instant, *kinds, instant),
    ).fetchall()
    return JobRow(*rows[0]) if rows else None


def extend(db: Database, leases: Iterable[str], until: Microseconds) -> set[str]:
    """Writes: these leases last until then. Those of them that are still held."""
    return {
        held
        for held in leases
        if db.execute("UPDATE job SET leased_until = ? WHERE leased_by = ?", (until, held)).rowcount
    }


def finish(db: Database, leased_by: str) -> bool:
    """Writes: the job is done, or, where it was asked for meanwhile, waits for its next run. Whether it was held."""
    again = db.execute(
        f"UPDATE job SET {_FREE}, attempts = 0, failure = NULL WHERE leased_by = ? AND due_at < {NEVER}", (leased_by,)
    )
    if again.rowcount:
        return True
    return db.execute("DELETE FROM job WHERE leased_by = ?", (leased_by,)).rowcount > 0


def put_off(db: Database, leased_by: str, due_at: Microseconds, failure: str) -> bool:
    """Writes: the attempt failed, and the next is due then. Whether the job was held."""
    done = db.execute(
        f"UPDATE job SET {_FREE}, due_at = ?, failure = ? WHERE leased_by = ?", (due_at, failure, leased_by)
    )
    return done.rowcount > 0


def release(db: Database, leased_by: str, due_at: Microseconds) -> bool:
    """Writes: the attempt was broken off through no fault of its own and does not count. Whether the job was held."""
    done = db.execute(
        f"UPDATE job SET {_FREE}, due_at = ?, attempts = attempts - 1 WHERE leased_by = ?", (due_at, leased_by)
    )
    return done.rowcount > 0


def give_up(db: Database, leased_by: str, instant: Microseconds, failure: str) -> bool:
    """Writes: the job stays for people to see, and is not tried again. Whether it was held."""
    done = db.execute(
        f"UPDATE job SET {_FREE}, due_at = {NEVER}, failed_at = ?, failure = ? WHERE leased_by = ?",
        (instant, failure, leased_by),
    )
    return done.rowcount > 0


_FREE = "leased_by = NULL, leased_until = NULL"


def retry(db: Database, instant: Microseconds) -> int:
    """Writes: what was given up is due now, and begins anew. How many there were."""
    done = db.execute(
        "UPDATE job SET failed_at = NULL, attempts = 0, due_at = ? WHERE failed_at IS NOT NULL", (instant,)
    )
    return int(done.rowcount)


def drop(db: Database, kinds: Sequence[str]) -> None:
    """Writes: those that nobody runs are done by nobody."""
    marks = ", ".join("?" * len(kinds))
    db.execute(f"DELETE FROM job WHERE kind IN ({marks}) AND leased_until IS NULL", list(kinds))


def forget(db: Database, before: Microseconds) -> None:
    """Writes: what was given up before then is gone."""
    db.execute("DELETE FROM job WHERE failed_at < ?", (before,))


def given_up(db: Database) -> list[tuple[str, int, str]]:
    """(kind, how many, how the last of them failed) of what was given up."""
    rows = db.execute(
        "SELECT kind, COUNT(*), (SELECT failure FROM job AS last WHERE last.kind = job.kind AND failed_at IS NOT NULL"
        " ORDER BY failed_at DESC, id DESC LIMIT 1) FROM job WHERE failed_at IS NOT NULL GROUP BY kind ORDER BY kind"
    )
    return [(kind, count, failure or "") for kind, count, failure in rows.fetchall()]

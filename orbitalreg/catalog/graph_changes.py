"""Rows of `graph_change` and `graph_pending`: what the graphs are to be brought in step with.

Whoever changes a package says so in the same transaction, by (format, package), together with the one job that looks.
That job makes of it what is pending in each graph. A pending package has a *mark*, another one each time it is pending
anew: who reads a package takes its mark first, and writes what came of it only while the mark is the same. So of two
that read, the one that read what is old by now writes nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.catalog import jobs
from orbitalreg.model import Microseconds, now

UPDATE = "graph.update"
"""The job that brings graphs in step."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A package to look at anew in one graph."""

    graph_id: int
    package: str
    mark: str


def changed(db: Database, format_name: str, package: str) -> None:
    """Writes: what some repository shows of the package may be other than before, or what is known of it."""
    _wake(db)
    db.conn.execute(
        "INSERT INTO graph_change (format, package) VALUES (?, ?) ON CONFLICT DO NOTHING", (format_name, package)
    )


def changed_in(db: Database, repository_id: str, package: str) -> None:
    """Writes: as `changed`, in the format of the repository."""
    _wake(db)
    db.conn.execute(
        "INSERT INTO graph_change (format, package) SELECT format, ? FROM repository WHERE id = ?"
        " ON CONFLICT DO NOTHING",
        (package, repository_id),
    )


def _wake(db: Database) -> None:
    """Where something is written down already, it has its job, which takes all that is."""
    if not is_any(db):
        instant = now()
        jobs.insert(db, UPDATE, "", "{}", instant, instant, f"{UPDATE}:")


def is_any(db: Database) -> bool:
    """Whether anything changed that does not pend yet."""
    return db.conn.execute("SELECT 1 FROM graph_change LIMIT 1").fetchone() is not None


def take(db: Database, limit: int) -> list[tuple[str, str]]:
    """Writes: some of the (format, package) that changed, which are written down no more: see to it that they pend."""
    rows = db.execute(f"SELECT format, package FROM graph_change ORDER BY format, package LIMIT {limit}").fetchall()
    db.conn.executemany("DELETE FROM graph_change WHERE format = ? AND package = ?", rows)
    return [(row[0], row[1]) for row in rows]


def known_in(db: Database, package: str, repository_ids: Sequence[str], graph_ids: Sequence[int]) -> set[str | int]:
    """Of these repositories and graphs, those that know the package."""
    marks, others = (",".join("?" * len(ids)) or "NULL" for ids in (repository_ids, graph_ids))
    rows = db.execute(
        f"SELECT repository_id FROM package WHERE repository_id IN ({marks}) AND name = ?"
        f" UNION ALL SELECT graph_id FROM graph_package WHERE graph_id IN ({others}) AND package = ?",
        (*repository_ids, package, *graph_ids, package),
    )
    return {row[0] for row in rows.fetchall()}


def add(db: Database, pending: Iterable[tuple[int, str]]) -> None:
    """Writes: these (graph id, package) are to be looked at."""
    mark = str(ULID())
    db.conn.executemany(
        "INSERT INTO graph_pending (graph_id, package, mark) VALUES (?, ?, ?)"
        " ON CONFLICT (graph_id, package) DO UPDATE SET mark = excluded.mark",
        [(graph_id, package, mark) for graph_id, package in pending],
    )


def add_all(db: Database, graph_id: int, repository_ids: Collection[str]) -> None:
    """Writes: every package that is held in these repositories, or is in the graph, is to be looked at."""
    marks = ",".join("?" * len(repository_ids))
    db.execute(
        "INSERT INTO graph_pending (graph_id, package, mark) SELECT ?, name, ? FROM"
        f" (SELECT name FROM package WHERE repository_id IN ({marks}) AND file_count > 0"
        " UNION SELECT package FROM graph_package WHERE graph_id = ?) AS known WHERE true"
        " ON CONFLICT (graph_id, package) DO UPDATE SET mark = excluded.mark",
        (graph_id, str(ULID()), *repository_ids, graph_id),
    )


def add_due(db: Database, instant: Microseconds) -> None:
    """Writes: what time alone has changed by then is to be looked at."""
    db.execute(
        "INSERT INTO graph_pending (graph_id, package, mark)"
        " SELECT graph_id, package, ? FROM graph_package WHERE valid_until <= ?"
        " ON CONFLICT (graph_id, package) DO UPDATE SET mark = excluded.mark",
        (str(ULID()), instant),
    )
    db.execute("UPDATE graph_package SET valid_until = NULL, revision = '' WHERE valid_until <= ?", (instant,))


def next_due(db: Database) -> Microseconds | None:
    """When time alone will change something."""
    return db.execute("SELECT MIN(valid_until) FROM graph_package").fetchone()[0]  # type: ignore[no-any-return]


def some(db: Database, graph_ids: Collection[int], limit: int) -> list[Pending]:
    """Pending packages of these graphs, those first that have been so for longest."""
    marks = ",".join("?" * len(graph_ids)) or "NULL"
    rows = db.execute(
        f"SELECT graph_id, package, mark FROM graph_pending WHERE graph_id IN ({marks}) ORDER BY mark, package LIMIT ?",
        (*graph_ids, limit),
    )
    return [Pending(*row) for row in rows.fetchall()]


def done(db: Database, pending: Pending) -> bool:
    """Writes: it was looked at since it got its mark. False, and nothing, where it has another one by now or none."""
    written = db.conn.execute(
        "DELETE FROM graph_pending WHERE graph_id = ? AND package = ? AND mark = ?",
        (pending.graph_id, pending.package, pending.mark),
    )
    return written.rowcount > 0


def is_pending(db: Database, graph_id: int) -> bool:
    row = db.execute("SELECT 1 FROM graph_pending WHERE graph_id = ? LIMIT 1", (graph_id,)).fetchone()
    return row is not None


def waiting(db: Database) -> int:
    """How many packages wait to be looked at."""
    row = db.execute("SELECT (SELECT COUNT(*) FROM graph_change) + (SELECT COUNT(*) FROM graph_pending)").fetchone()
    return int(row[0])

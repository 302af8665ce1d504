"""Rows of `graph_package` as of what upstreams are to be asked: packages of graphs that lead into upstreams.

`follow_at` is when the upstreams are asked next, `followed_at` when they were, `failures` how often they have failed
since.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlite_utils import Database

from orbitalreg.catalog import jobs
from orbitalreg.model import Microseconds

FOLLOW = "graph.follow"
"""The job that asks."""


@dataclass(frozen=True, slots=True)
class Due:
    """A package to ask upstreams for."""

    graph_id: int
    package: str
    is_new: bool
    failures: int
    at: Microseconds


def wanted(db: Database, graph_id: int, packages: Iterable[str], instant: Microseconds) -> None:
    """Writes: these are to be asked for now, unless upstreams failed at them; and the job."""
    rows = [(graph_id, package, instant) for package in packages]
    if not rows:
        return
    db.conn.executemany(
        "INSERT INTO graph_package (graph_id, package, revision, follow_at) VALUES (?, ?, '', ?)"
        " ON CONFLICT (graph_id, package) DO UPDATE SET follow_at ="
        " CASE WHEN graph_package.failures > 0 THEN graph_package.follow_at ELSE excluded.follow_at END",
        rows,
    )
    jobs.insert(db, FOLLOW, "", "{}", instant, instant, f"{FOLLOW}:")


def due(db: Database, graph_ids: Collection[int], instant: Microseconds, limit: int) -> list[Due]:
    """Those to be asked for by then, in the order in which they came to be."""
    marks = ",".join("?" * len(graph_ids)) or "NULL"
    rows = db.execute(
        "SELECT graph_id, package, followed_at IS NULL, failures, follow_at FROM graph_package"
        f" WHERE graph_id IN ({marks}) AND follow_at <= ? ORDER BY follow_at, package LIMIT ?",
        (*graph_ids, instant, limit),
    )
    return [Due(row[0], row[1], bool(row[2]), row[3], row[4]) for row in rows.fetchall()]


def next_at(db: Database, graph_ids: Collection[int]) -> Microseconds | None:
    """When there will be something to ask for."""
    marks = ",".join("?" * len(graph_ids)) or "NULL"
    row = db.execute(f"SELECT MIN(follow_at) FROM graph_package WHERE graph_id IN ({marks})", list(graph_ids))
    return row.fetchone()[0]  # type: ignore[no-any-return]


def followed(db: Database, graph_id: int) -> int:
    """How many packages of the graph were ever asked for."""
    row = db.execute(
        "SELECT COUNT(*) FROM graph_package WHERE graph_id = ? AND followed_at IS NOT NULL", (graph_id,)
    ).fetchone()
    return int(row[0])


def put_off(db: Database, one: Due, until: Microseconds) -> None:
    """Writes: it is not asked for before then, unless it was wanted anew since it was found due."""
    db.execute(
        "UPDATE graph_package SET follow_at = ? WHERE graph_id = ? AND package = ? AND follow_at = ?",
        (until, one.graph_id, one.package, one.at),
    )


def asked(db: Database, one: Due, instant: Microseconds, failures: int, again: Microseconds) -> None:
    """Writes: upstreams were asked for it, and have failed so often since they answered last.

    It is asked for again at `again`, or as it was wanted anew meanwhile, unless they failed.
    """
    db.execute(
        "UPDATE graph_package SET followed_at = ?, failures = ? WHERE graph_id = ? AND package = ?",
        (instant, failures, one.graph_id, one.package),
    )
    if failures:
        db.execute(
            "UPDATE graph_package SET follow_at = ? WHERE graph_id = ? AND package = ?",
            (again, one.graph_id, one.package),
        )
    else:
        put_off(db, one, again)


def depth(db: Database, graph_id: int, package: str) -> int | None:
    """How far the nearest node is that asks for the package; None where none does."""
    row = db.execute(
        "SELECT MIN(n.depth) FROM graph_choice AS c JOIN graph_edge AS e ON e.choice_id = c.id"
        " JOIN graph_node AS n ON n.id = e.node_id WHERE c.graph_id = ? AND c.package = ?",
        (graph_id, package),
    ).fetchone()
    return row[0]  # type: ignore[no-any-return]


def unknown(db: Database, graph_id: int, package: str, depth: int) -> list[str]:
    """The versions, no further than `depth`, of which it is not known what they ask for; those that failed left out."""
    rows = db.execute(
        "SELECT DISTINCT version FROM graph_node WHERE graph_id = ? AND package = ? AND is_known = 0"
        " AND fault IS NULL AND depth <= ? ORDER BY version",
        (graph_id, package, depth),
    )
    return [row[0] for row in rows.fetchall()]

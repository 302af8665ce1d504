"""Rows of the graphs: `graph`, `graph_package`, `graph_node`, `graph_choice`, `graph_edge`, `graph_finding`.

`extras` are joined by commas. The node that an edge leads to is that of the choice's package and version, with the
edge's extras; it may be missing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from orbitalreg.model import Microseconds

MISSING = "missing"
"""The view has no such package."""
NOTHING_ALLOWED = "nothing allowed"
"""No version of the package is allowed, or can be had."""
ELSEWHERE = "elsewhere"
"""It comes from an address."""
UNREADABLE = "unreadable"
"""What is asked for cannot be read."""
FAILED = "failed"
"""The adapter could not say."""

_MARKS = 5000


@dataclass(frozen=True, slots=True)
class GraphRow:
    """A graph; `digest` is of what it was made by, and `built_at` when it was whole for the first time."""

    id: int
    repository_id: str
    environment: str
    digest: str
    built_at: Microseconds | None


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A version with extras; `depth` 0 is what is held."""

    id: int
    version: str
    extras: str
    is_known: bool
    fault: str | None
    depth: int


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """What is chosen of a package for a specifier: neither a version nor a reason where nobody has looked yet."""

    id: int
    specifier: str
    version: str | None
    reason: str | None

    @property
    def is_open(self) -> bool:
        return self.version is None and self.reason is None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a requirement leads: a choice, and the node of it with the extras, if that is there."""

    choice_id: int
    is_open: bool
    version: str | None
    node_id: int | None
    depth: int | None


def graphs(db: Database) -> list[GraphRow]:
    rows = db.execute("SELECT id, repository_id, environment, digest, built_at FROM graph ORDER BY id")
    return [GraphRow(*row) for row in rows.fetchall()]


def insert_graph(db: Database, repository_id: str, environment: str) -> int:
    """Writes. The new row's id."""
    row = db.execute(
        "INSERT INTO graph (repository_id, environment) VALUES (?, ?) RETURNING id", (repository_id, environment)
    ).fetchone()
    return int(row[0])


def set_digest(db: Database, graph_id: int, digest: str) -> None:
    """Writes."""
    db.execute("UPDATE graph SET digest = ? WHERE id = ?", (digest, graph_id))


def is_built(db: Database, graph_id: int) -> bool:
    """Whether it was whole once."""
    row = db.execute("SELECT built_at FROM graph WHERE id = ?", (graph_id,)).fetchone()
    return row is not None and row[0] is not None


def set_built(db: Database, graph_id: int, at: Microseconds) -> None:
    """Writes."""
    db.execute("UPDATE graph SET built_at = ? WHERE id = ?", (at, graph_id))


def forget(db: Database, graph: GraphRow) -> None:
    """Writes: nobody is exposed to anything by this graph any more. Without a digest, what is left is made by none."""
    raise_all(db, graph)
    db.execute("DELETE FROM graph_finding WHERE graph_id = ?", (graph.id,))
    set_digest(db, graph.id, "")


def drop(db: Database, graph_id: int, limit: int) -> bool:
    """Writes: some of a graph is gone. Whether all of it is: then what was exposed by it has a new revision."""
    for table in ("graph_node", "graph_choice"):
        done = db.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE graph_id = ? LIMIT ?)", (graph_id, limit)
        )
        if done.rowcount:
            return False
    db.execute(
        "UPDATE revision SET number = number + 1 WHERE EXISTS (SELECT 1 FROM graph WHERE id = ?"
        " AND subject >= 'exposures:' || repository_id || ':' AND subject < 'exposures:' || repository_id || ';')",
        (graph_id,),
    )
    db.execute("DELETE FROM graph WHERE id = ?", (graph_id,))
    return True


# What is read of one package


def held(db: Database, repository_ids: Sequence[str], package: str) -> set[str]:
    """The versions of which files are held in these repositories."""
    marks = ",".join("?" * len(repository_ids))
    rows = db.execute(
        "SELECT DISTINCT f.version FROM package AS p JOIN file AS f ON f.package_id = p.id"
        f" WHERE p.repository_id IN ({marks}) AND p.name = ?",
        (*repository_ids, package),
    )
    return {row[0] for row in rows.fetchall()}


def documents_revision(db: Database, repository_ids: Sequence[str], package: str) -> str:
    """Changes whenever more documents of the package's files are here, or more files of an upstream are held."""
    marks = ",".join("?" * len(repository_ids))
    rows = db.execute(
        "SELECT p.id, p.file_count, (SELECT COUNT(*) FROM remote_document AS d WHERE d.package_id = p.id)"
        f" FROM package AS p WHERE p.repository_id IN ({marks}) AND p.name = ? ORDER BY p.id",
        (*repository_ids, package),
    )
    return " ".join(".".join(map(str, row)) for row in rows.fetchall())


def package_revision(db: Database, graph_id: int, package: str) -> str | None:
    """What the package was read at last."""
    row = db.execute(
        "SELECT revision FROM graph_package WHERE graph_id = ? AND package = ?", (graph_id, package)
    ).fetchone()
    return row[0] if row else None


def choices(db: Database, graph_id: int, package: str) -> list[ChoiceRow]:
    rows = db.execute(
        "SELECT id, specifier, version, reason FROM graph_choice WHERE graph_id = ? AND package = ?",
        (graph_id, package),
    )
    return [ChoiceRow(*row) for row in rows.fetchall()]


def extras_asked(db: Database, graph_id: int, package: str) -> dict[str, set[str]]:
    """With which extras the package is asked for, by specifier."""
    found: dict[str, set[str]] = {}
    for specifier, extras in db.execute(
        "SELECT DISTINCT c.specifier, e.extras FROM graph_choice AS c JOIN graph_edge AS e ON e.choice_id = c.id"
        " WHERE c.graph_id = ? AND c.package = ?",
        (graph_id, package),
    ).fetchall():
        found.setdefault(specifier, set()).add(extras)
    return found


def targets_asked(db: Database, graph_id: int, package: str) -> set[tuple[str, str]]:
    """The (version, extras) of the package that edges lead to."""
    rows = db.execute(
        "SELECT DISTINCT c.version, e.extras FROM graph_choice AS c JOIN graph_edge AS e ON e.choice_id = c.id"
        " WHERE c.graph_id = ? AND c.package = ? AND c.version IS NOT NULL",
        (graph_id, package),
    )
    return {(row[0], row[1]) for row in rows.fetchall()}


def nodes(db: Database, graph_id: int, package: str) -> list[NodeRow]:
    rows = db.execute(
        "SELECT id, version, extras, is_known, fault, depth FROM graph_node WHERE graph_id = ? AND package = ?",
        (graph_id, package),
    )
    return [NodeRow(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in rows.fetchall()]


# What is written of it


def put_package(db: Database, graph_id: int, package: str, revision: str, valid_until: Microseconds | None) -> None:
    """Writes."""
    db.execute(
        "INSERT INTO graph_package (graph_id, package, revision, valid_until) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (graph_id, package) DO UPDATE SET revision = excluded.revision,"
        " valid_until = excluded.valid_until",
        (graph_id, package, revision, valid_until),
    )


def forget_package(db: Database, graph_id: int, package: str) -> None:
    """Writes: it is as though the package had never been read."""
    db.execute("UPDATE graph_package SET revision = '' WHERE graph_id = ? AND package = ?", (graph_id, package))


def drop_package(db: Database, graph_id: int, package: str) -> None:
    """Writes: nothing is known of a package that has no nodes, and that nobody asks for."""
    for table in ("graph_finding", "graph_package"):
        db.execute(f"DELETE FROM {table} WHERE graph_id = ? AND package = ?", (graph_id, package))


def insert_choice(
    db: Database, graph_id: int, package: str, specifier: str, version: str | None, reason: str | None
) -> int:
    """Writes. The new row's id."""
    row = db.conn.execute(
        "INSERT INTO graph_choice (graph_id, package, specifier, version, reason) VALUES (?, ?, ?, ?, ?) RETURNING id",
        (graph_id, package, specifier, version, reason),
    ).fetchone()
    return int(row[0])


def set_choice(db: Database, choice_id: int, version: str | None, reason: str | None) -> None:
    """Writes."""
    db.execute("UPDATE graph_choice SET version = ?, reason = ? WHERE id = ?", (version, reason, choice_id))


def drop_idle_choices(db: Database, choice_ids: Iterable[int]) -> set[str]:
    """Writes: those of them that no edge leads to any more are gone. The packages that they were of."""
    packages: set[str] = set()
    for choice_id in choice_ids:
        rows = db.conn.execute(
            "DELETE FROM graph_choice WHERE id = ?"
            " AND NOT EXISTS (SELECT 1 FROM graph_edge WHERE choice_id = graph_choice.id) RETURNING package",
            (choice_id,),
        ).fetchall()
        packages.update(row[0] for row in rows)
    return packages


def insert_node(
    db: Database, graph_id: int, package: str, version: str, extras: str, is_known: bool, fault: str | None, depth: int
) -> int:
    """Writes. The new row's id."""
    row = db.conn.execute(
        "INSERT INTO graph_node (graph_id, package, version, extras, is_known, fault, depth)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (graph_id, package, version, extras, int(is_known), fault, depth),
    ).fetchone()
    return int(row[0])


def set_node(db: Database, node_id: int, is_known: bool, fault: str | None) -> None:
    """Writes."""
    db.execute("UPDATE graph_node SET is_known = ?, fault = ? WHERE id = ?", (int(is_known), fault, node_id))


def set_depth(db: Database, node_id: int, depth: int) -> None:
    """Writes."""
    db.execute("UPDATE graph_node SET depth = ? WHERE id = ?", (depth, node_id))


def delete_node(db: Database, node_id: int) -> None:
    """Writes: the node and its edges are gone."""
    db.execute("DELETE FROM graph_node WHERE id = ?", (node_id,))


def edges(db: Database, node_id: int) -> dict[tuple[int, str], str]:
    """What was stated, by the id of the choice and the extras."""
    rows = db.conn.execute("SELECT choice_id, extras, stated FROM graph_edge WHERE node_id = ?", (node_id,))
    return {(row[0], row[1]): row[2] for row in rows.fetchall()}


def put_edges(db: Database, rows: Iterable[tuple[int, int, str, str]]) -> None:
    """Writes (node id, choice id, extras, stated)."""
    db.conn.executemany(
        "INSERT INTO graph_edge (node_id, choice_id, extras, stated) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (node_id, choice_id, extras) DO UPDATE SET stated = excluded.stated",
        rows,
    )


def delete_edges(db: Database, rows: Iterable[tuple[int, int, str]]) -> None:
    """Writes (node id, choice id, extras)."""
    if rows := list(rows):
        db.conn.executemany("DELETE FROM graph_edge WHERE node_id = ? AND choice_id = ? AND extras = ?", rows)


_TARGET = (
    "SELECT c.id, c.version IS NULL AND c.reason IS NULL, c.version, n.id, n.depth FROM graph_choice AS c"
    " LEFT JOIN graph_node AS n ON n.graph_id = c.graph_id AND n.package = c.package AND n.version = c.version"
)


def target(db: Database, graph_id: int, package: str, specifier: str, extras: str) -> Target | None:
    """Where a requirement leads; None where there is no such choice."""
    row = db.conn.execute(
        f"{_TARGET} AND n.extras = ? WHERE c.graph_id = ? AND c.package = ? AND c.specifier = ?",
        (extras, graph_id, package, specifier),
    ).fetchone()
    return Target(row[0], bool(row[1]), row[2], row[3], row[4]) if row else None


def targets(db: Database, node_id: int) -> list[Target]:
    """Where the node's edges lead."""
    rows = db.conn.execute(
        _TARGET.replace(" FROM graph_choice AS c", " FROM graph_edge AS e JOIN graph_choice AS c ON c.id = e.choice_id")
        + " AND n.extras = e.extras WHERE e.node_id = ?",
        (node_id,),
    )
    return [Target(row[0], bool(row[1]), row[2], row[3], row[4]) for row in rows.fetchall()]


def targets_of_choice(db: Database, choice_id: int) -> list[tuple[int, int]]:
    """The (id, depth) of the nodes that edges lead to by way of the choice."""
    rows = db.execute(
        "SELECT n.id, n.depth FROM graph_choice AS c JOIN graph_node AS n"
        " ON n.graph_id = c.graph_id AND n.package = c.package AND n.version = c.version WHERE c.id = ?",
        (choice_id,),
    )
    return [(row[0], row[1]) for row in rows.fetchall()]


# CROSS JOIN has SQLite keep the order: it knows nothing of how many rows there are of what.
_ASKERS = (
    " CROSS JOIN graph_choice AS c CROSS JOIN graph_edge AS e"
    " WHERE c.graph_id = n.graph_id AND c.package = n.package AND c.version = n.version"
    " AND e.choice_id = c.id AND e.extras = n.extras"
)


def askers(db: Database, node_id: int) -> Iterator[tuple[int, int]]:
    """The (id, depth) of the nodes that edges lead from to this one, as they are wanted."""
    yield from db.conn.execute(
        "SELECT asker.id, asker.depth FROM graph_node AS n"
        f"{_ASKERS.replace(' WHERE', ' CROSS JOIN graph_node AS asker WHERE asker.id = e.node_id AND n.id = ? AND')}",
        (node_id,),
    )


def choices_of(db: Database, node_ids: Iterable[int]) -> set[int]:
    """What edges lead to from these nodes."""
    found: set[int] = set()
    for node_id in node_ids:
        rows = db.conn.execute("SELECT choice_id FROM graph_edge WHERE node_id = ?", (node_id,))
        found.update(row[0] for row in rows)
    return found


def package_of(db: Database, node_id: int) -> str:
    return str(db.execute("SELECT package FROM graph_node WHERE id = ?", (node_id,)).fetchone()[0])


# Findings


def findings(db: Database, graph_id: int, package: str) -> dict[tuple[str, str], str]:
    """The bodies, by version and id."""
    rows = db.execute(
        "SELECT version, id, body FROM graph_finding WHERE graph_id = ? AND package = ?", (graph_id, package)
    )
    return {(row[0], row[1]): row[2] for row in rows.fetchall()}


def put_findings(
    db: Database, graph_id: int, package: str, told: Mapping[tuple[str, str], tuple[str, Sequence[str]]]
) -> None:
    """Writes (body, every id), by version and id."""
    if not told:
        return
    delete_findings(db, graph_id, package, told)
    db.conn.executemany(
        "INSERT INTO graph_finding (graph_id, package, version, id, body) VALUES (?, ?, ?, ?, ?)",
        [(graph_id, package, *key, body) for key, (body, _) in told.items()],
    )
    db.conn.executemany(
        "INSERT INTO graph_finding_id (alias, graph_id, package, version, id) VALUES (?, ?, ?, ?, ?)",
        [(alias, graph_id, package, *key) for key, (_, ids) in told.items() for alias in dict.fromkeys(ids)],
    )


def delete_findings(db: Database, graph_id: int, package: str, keys: Iterable[tuple[str, str]]) -> None:
    """Writes."""
    db.conn.executemany(
        "DELETE FROM graph_finding WHERE graph_id = ? AND package = ? AND version = ? AND id = ?",
        [(graph_id, package, *key) for key in keys],
    )


def has_findings(db: Database, graph_id: int) -> bool:
    return db.execute("SELECT 1 FROM graph_finding WHERE graph_id = ? LIMIT 1", (graph_id,)).fetchone() is not None


def leads_to_findings(db: Database, choice_ids: Collection[int]) -> bool:
    """Whether what is chosen, or anything that it leads to, has a finding; whatever extras are asked for."""
    ids = list(choice_ids)
    return any(_leads(db, ids[start : start + _MARKS]) for start in range(0, len(ids), _MARKS))


def _leads(db: Database, choice_ids: Sequence[int]) -> bool:
    marks = ",".join("?" * len(choice_ids))
    row = db.execute(
        f"WITH RECURSIVE down (id) AS (SELECT id FROM graph_choice WHERE id IN ({marks}) UNION"
        " SELECT e.choice_id FROM down CROSS JOIN graph_choice AS c CROSS JOIN graph_node AS n"
        " CROSS JOIN graph_edge AS e WHERE c.id = down.id AND n.graph_id = c.graph_id AND n.package = c.package"
        " AND n.version = c.version AND e.node_id = n.id)"
        " SELECT 1 FROM down CROSS JOIN graph_choice AS c CROSS JOIN graph_finding AS f WHERE c.id = down.id"
        " AND f.graph_id = c.graph_id AND f.package = c.package AND f.version = c.version LIMIT 1",
        list(choice_ids),
    ).fetchone()
    return row is not None


# The revisions of exposures


def raise_exposures(
    db: Database, graph: GraphRow, node_ids: Collection[int], choice_ids: Collection[int], packages: Collection[str]
) -> None:
    """Writes: the exposures of these packages, and of all that leads to these nodes and choices, may be others."""
    found = set(packages)
    ids, choices_ = list(node_ids), list(choice_ids)
    for start in range(0, max(len(ids), len(choices_)), _MARKS):
        found |= _ancestors(db, ids[start : start + _MARKS], choices_[start : start + _MARKS])
    db.conn.executemany(
        f"INSERT INTO revision (subject, number) VALUES (?, 1) {_RAISED}",
        [(f"exposures:{graph.repository_id}:{package}",) for package in found],
    )


def _ancestors(db: Database, node_ids: Sequence[int], choice_ids: Sequence[int]) -> set[str]:
    nodes_, choices_ = (",".join("?" * len(ids)) or "NULL" for ids in (node_ids, choice_ids))
    rows = db.execute(
        "WITH RECURSIVE up (id) AS ("
        f"SELECT id FROM graph_node WHERE id IN ({nodes_})"
        f" UNION SELECT node_id FROM graph_edge WHERE choice_id IN ({choices_})"
        f" UNION SELECT e.node_id FROM up CROSS JOIN graph_node AS n{_ASKERS} AND n.id = up.id)"
        " SELECT DISTINCT n.package FROM up CROSS JOIN graph_node AS n WHERE n.id = up.id",
        (*node_ids, *choice_ids),
    )
    return {row[0] for row in rows.fetchall()}


def raise_all(db: Database, graph: GraphRow) -> None:
    """Writes: the exposures of every package in the graph may be others."""
    db.execute(
        "INSERT INTO revision (subject, number) SELECT 'exposures:' || ? || ':' || package, 1 FROM"
        f" (SELECT DISTINCT package FROM graph_node WHERE graph_id = ?) AS known WHERE true {_RAISED}",
        (graph.repository_id, graph.id),
    )


_RAISED = "ON CONFLICT (subject) DO UPDATE SET number = revision.number + 1"

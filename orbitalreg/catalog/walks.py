"""Reads of the graphs: what versions reach, what leads to those that are affected, and who asks for a package.

Each walk is one statement, however far it goes: a level is read at once, and cycles end by themselves. All of it is
SQL that PostgreSQL shares. Where several of these are to agree, the caller has a snapshot.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from pydantic import TypeAdapter
from sqlite_utils import Database

from orbitalreg.findings import Vulnerability

_VULNERABILITY = TypeAdapter(Vulnerability)
_PAIRS = 200
"""As many versions as one statement asks for."""

Version = tuple[str, str]
"""A package and its version, both in normal form."""


@dataclass(frozen=True, slots=True)
class Node:
    """A version with the extras that are asked for. `depth` is 0 for what is held, else the steps from there.

    What is not `is_known` has requirements that could not be read. An `id` below zero is of what has no row.
    """

    id: int
    package: str
    version: str
    extras: tuple[str, ...] = ()
    is_known: bool = True
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """A requirement of the node `node_id`, and what is chosen for it.

    Where nothing is, `version` and `target_id` are None, and `reason` says why in a word.
    """

    node_id: int
    stated: str
    package: str
    specifier: str
    extras: tuple[str, ...]
    version: str | None
    reason: str | None
    target_id: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """Some nodes of one graph, and all edges of those that were walked over; what an edge leads to is among them."""

    nodes: Mapping[int, Node]
    edges: Sequence[Edge]


@dataclass(frozen=True, slots=True)
class Requirer:
    """A version that asks for a package in these words, and the version that is chosen for it, if any.

    `is_held` says so of the version, whatever extras it asks with.
    """

    package: str
    version: str
    extras: tuple[str, ...]
    is_held: bool
    stated: str
    chosen: str | None
    reason: str | None


def graphs(db: Database, repository_id: str) -> dict[str, int]:
    """The ids of a repository's graphs, by environment, in byte order."""
    rows = db.execute(
        "SELECT environment, id FROM graph WHERE repository_id = ? ORDER BY environment", (repository_id,)
    )
    return dict(rows.fetchall())


def begun(db: Database) -> set[str]:
    """The ids of the repositories of which a graph is being made for the first time, and is not whole yet."""
    rows = db.execute("SELECT DISTINCT repository_id FROM graph WHERE built_at IS NULL")
    return {row[0] for row in rows.fetchall()}


def revision(db: Database, repository_id: str, package: str) -> int:
    """Changes whenever what the package's versions are exposed to in the repository's view may."""
    row = db.conn.execute(
        "SELECT number FROM revision WHERE subject = ?", (subject(repository_id, package),)
    ).fetchone()
    return int(row[0]) if row else 0


def subject(repository_id: str, package: str) -> str:
    """Of the row of `revision` that whoever changes a graph raises."""
    return f"exposures:{repository_id}:{package}"


def repositories_with(db: Database, alias: str) -> list[str]:
    """The ids of the repositories in whose graphs something has that vulnerability, by any of its ids."""
    rows = db.execute(
        "SELECT DISTINCT g.repository_id FROM graph_finding_id f JOIN graph g ON g.id = f.graph_id"
        " WHERE f.alias = ? ORDER BY g.repository_id",
        (alias,),
    )
    return [row[0] for row in rows.fetchall()]


# The joins are written as CROSS JOIN, which keeps SQLite to their order: what was walked comes first, by the indexes.
_REACHED = (
    "WITH RECURSIVE walked (id) AS (SELECT id FROM graph_node WHERE {start} UNION"
    " SELECT t.id FROM walked w CROSS JOIN graph_edge e CROSS JOIN graph_choice c CROSS JOIN graph_node t"
    " WHERE e.node_id = w.id AND c.id = e.choice_id AND t.graph_id = c.graph_id AND t.package = c.package"
    " AND t.version = c.version AND t.extras = e.extras)"
)
_ABOVE = (
    "SELECT e.node_id FROM walked w CROSS JOIN graph_node n CROSS JOIN graph_choice c CROSS JOIN graph_edge e"
    " WHERE n.id = w.id AND c.graph_id = n.graph_id AND c.package = n.package AND c.version = n.version"
    " AND e.choice_id = c.id AND e.extras = n.extras"
)
_EDGES = (
    " SELECT e.node_id, e.stated, c.package, c.specifier, e.extras, c.version, c.reason, t.id, t.is_known, t.depth"
    " FROM walked w CROSS JOIN graph_edge e CROSS JOIN graph_choice c LEFT JOIN graph_node t"
    " ON t.graph_id = c.graph_id AND t.package = c.package AND t.version = c.version AND t.extras = e.extras"
    " WHERE e.node_id = w.id AND c.id = e.choice_id"
)
_NODES = (
    " SELECT n.id, n.package, n.version, n.extras, n.is_known, n.depth FROM walked w CROSS JOIN graph_node n"
    " WHERE n.id = w.id"
)


def _leading(affected: str, start: str, given: str = "") -> str:
    """From the versions in the table `affected`, of the rows where `start`."""
    return (
        f"WITH RECURSIVE {given}walked (id) AS (SELECT e.node_id FROM {affected} f CROSS JOIN graph_choice c"
        f" CROSS JOIN graph_edge e WHERE {start} AND c.package = f.package AND c.version = f.version"
        f" AND e.choice_id = c.id UNION {_ABOVE})"
    )


def forward(db: Database, graph_id: int, package: str, version: str | None = None, extras: str = "") -> Part:
    """All that is reached from the versions of a package, or from one of them, with these extras (comma-joined)."""
    start, given = "graph_id = ? AND package = ? AND extras = ?", [graph_id, package, extras]
    if version is not None:
        start, given = f"{start} AND version = ?", [*given, version]
    return _part(db, _REACHED.format(start=start), given)


def backward(db: Database, graph_id: int, alias: str | None = None) -> Part:
    """All from which an affected version is reached: by that vulnerability (any of its ids), or by any at all."""
    if alias is None:
        return _part(db, _leading("graph_finding", "f.graph_id = ? AND c.graph_id = f.graph_id"), [graph_id])
    start = "f.graph_id = ? AND f.alias = ? AND c.graph_id = f.graph_id"
    return _part(db, _leading("graph_finding_id", start), [graph_id, alias])


def leading(db: Database, graph_id: int, package: str, version: str | None = None) -> Part:
    """All from which a version of the package is reached, or that one."""
    where, given = "graph_id = ? AND package = ?", [graph_id, package]
    if version is not None:
        where, given = f"{where} AND version = ?", [*given, version]
    wanted = f"wanted (package, version) AS (SELECT DISTINCT package, version FROM graph_choice WHERE {where}), "
    return _part(db, _leading("wanted", "c.graph_id = ?", wanted), [*given, graph_id])


def requirers(db: Database, graph_id: int, package: str) -> list[Requirer]:
    """The versions that ask for the package, in byte order; with extras, only for what those bring."""
    rows = db.execute(
        "SELECT n.package, n.version, n.extras, EXISTS (SELECT 1 FROM graph_node h WHERE h.graph_id = n.graph_id"
        " AND h.package = n.package AND h.version = n.version AND h.depth = 0), e.stated, c.version, c.reason"
        " FROM graph_choice c"
        " JOIN graph_edge e ON e.choice_id = c.id JOIN graph_node n ON n.id = e.node_id"
        " WHERE c.graph_id = ? AND c.package = ? ORDER BY n.package, n.version, n.extras, e.stated, e.extras",
        (graph_id, package),
    )
    return [
        Requirer(name, version, split(extras), bool(is_held), stated, chosen, reason)
        for name, version, extras, is_held, stated, chosen, reason in rows.fetchall()
    ]


def versions(db: Database, graph_id: int, package: str) -> set[str]:
    """The versions of the package that are there, as they are spelt."""
    rows = db.execute("SELECT version FROM graph_node WHERE graph_id = ? AND package = ?", (graph_id, package))
    return {row[0] for row in rows.fetchall()}


def has_package(db: Database, graph_id: int, package: str) -> bool:
    """Whether a version of it is there."""
    row = db.execute("SELECT 1 FROM graph_node WHERE graph_id = ? AND package = ? LIMIT 1", (graph_id, package))
    return row.fetchone() is not None


def has_findings(db: Database, graph_id: int) -> bool:
    return db.execute("SELECT 1 FROM graph_finding WHERE graph_id = ? LIMIT 1", (graph_id,)).fetchone() is not None


def affected(db: Database, graph_id: int, alias: str | None = None) -> dict[Version, tuple[Vulnerability, ...]]:
    """What is wrong with each version, in the graph or not: with that vulnerability (any of its ids), or with any."""
    if alias is None:
        rows = db.execute(
            "SELECT package, version, body FROM graph_finding WHERE graph_id = ? ORDER BY package, version, id",
            (graph_id,),
        )
    else:
        rows = db.execute(
            "SELECT f.package, f.version, f.body FROM graph_finding_id a JOIN graph_finding f"
            " ON f.graph_id = a.graph_id AND f.package = a.package AND f.version = a.version AND f.id = a.id"
            " WHERE a.alias = ? AND a.graph_id = ? ORDER BY f.package, f.version, f.id",
            (alias, graph_id),
        )
    return _by_version(rows.fetchall())


def findings(db: Database, graph_id: int, versions: Collection[Version]) -> dict[Version, tuple[Vulnerability, ...]]:
    """What is wrong with these versions; those that nothing is known of are left out."""
    found: dict[Version, tuple[Vulnerability, ...]] = {}
    wanted = sorted(set(versions))
    for first in range(0, len(wanted), _PAIRS):
        some = wanted[first : first + _PAIRS]
        marks = ", ".join(["(?, ?)"] * len(some))
        rows = db.execute(
            f"WITH wanted (package, version) AS (VALUES {marks}) SELECT f.package, f.version, f.body FROM wanted w"
            " JOIN graph_finding f ON f.graph_id = ? AND f.package = w.package AND f.version = w.version"
            " ORDER BY f.package, f.version, f.id",
            [*(text for version in some for text in version), graph_id],
        )
        found |= _by_version(rows.fetchall())
    return found


def affected_versions(db: Database, graph_id: int, ids: Collection[str]) -> set[Version]:
    """Those that have a vulnerability of one of these ids, or of one that it has elsewhere beside one of these."""
    marks = ", ".join(["(?)"] * len(ids))
    rows = db.execute(
        f"WITH RECURSIVE known (alias) AS (SELECT * FROM (VALUES {marks}) AS given UNION"
        " SELECT other.alias FROM known k CROSS JOIN graph_finding_id mine CROSS JOIN graph_finding_id other"
        " WHERE mine.alias = k.alias AND mine.graph_id = ? AND other.graph_id = mine.graph_id"
        " AND other.package = mine.package AND other.version = mine.version AND other.id = mine.id)"
        " SELECT DISTINCT f.package, f.version FROM known k CROSS JOIN graph_finding_id f"
        " WHERE f.alias = k.alias AND f.graph_id = ?",
        [*ids, graph_id, graph_id],
    )
    return {(package, version) for package, version in rows.fetchall()}


def leading_to(db: Database, graph_id: int, versions: Collection[Version]) -> set[tuple[str, str, tuple[str, ...]]]:
    """The package, version and extras of every node from which one of these versions is reached."""
    found: set[tuple[str, str, tuple[str, ...]]] = set()
    wanted = sorted(versions)
    for first in range(0, len(wanted), _PAIRS):
        some = wanted[first : first + _PAIRS]
        marks = ", ".join(["(?, ?)"] * len(some))
        walk = _leading("wanted", "c.graph_id = ?", f"wanted (package, version) AS (VALUES {marks}), ")
        rows = db.execute(walk + _NODES, [*(text for version in some for text in version), graph_id])
        found |= {(node.package, node.version, node.extras) for node in map(_node, rows.fetchall())}
    return found


def is_known(db: Database, graph_id: int, package: str, version: str, extras: Sequence[str]) -> bool | None:
    """Whether it is known what that node asks for; None where there is none."""
    row = db.conn.execute(
        "SELECT is_known FROM graph_node WHERE graph_id = ? AND package = ? AND version = ? AND extras = ?",
        (graph_id, package, version, ",".join(extras)),
    ).fetchone()
    return bool(row[0]) if row else None


def ids_of(db: Database, graph_id: int, packages: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """By package, which two ids are of one vulnerability in some version of it, in the graph or not."""
    found: dict[str, list[tuple[str, str]]] = {}
    for package in sorted(packages):
        rows = db.execute(
            "SELECT DISTINCT id, alias FROM graph_finding_id WHERE graph_id = ? AND package = ? ORDER BY id, alias",
            (graph_id, package),
        )
        found[package] = rows.fetchall()
    return found


def nodes_of(db: Database, graph_id: int, versions: Collection[Version]) -> list[Node]:
    """The nodes of these versions, with whatever extras."""
    found: list[Node] = []
    wanted = sorted(set(versions))
    for first in range(0, len(wanted), _PAIRS):
        some = wanted[first : first + _PAIRS]
        marks = ", ".join(["(?, ?)"] * len(some))
        rows = db.execute(
            f"WITH wanted (package, version) AS (VALUES {marks})"
            " SELECT n.id, n.package, n.version, n.extras, n.is_known, n.depth FROM wanted w"
            " JOIN graph_node n ON n.graph_id = ? AND n.package = w.package AND n.version = w.version"
            " ORDER BY n.package, n.version, n.extras",
            [*(text for version in some for text in version), graph_id],
        )
        found += map(_node, rows.fetchall())
    return found


def split(extras: str) -> tuple[str, ...]:
    """The extras that a row has, comma-joined."""
    return tuple(extras.split(",")) if extras else ()


def _part(db: Database, walk: str, given: Sequence[object]) -> Part:
    nodes = {node.id: node for node in map(_node, db.execute(walk + _NODES, list(given)).fetchall())}
    return Part(nodes, tuple(_edges(db.execute(walk + _EDGES, list(given)).fetchall(), nodes)))


def _edges(rows: Iterable[tuple], nodes: dict[int, Node]) -> Iterable[Edge]:  # type: ignore[type-arg]  # as read
    """Adds to `nodes` what edges lead to; what is chosen and has no row yet is a node all the same."""
    ids = count(-1, -1)
    without: dict[tuple[str, str, str], int] = {}
    for node_id, stated, package, specifier, extras, version, reason, target_id, is_known, depth in rows:
        if target_id is None and version is not None:
            key = (package, version, extras)
            target_id = without[key] if key in without else without.setdefault(key, next(ids))
        if target_id is not None and target_id not in nodes:
            nodes[target_id] = Node(target_id, package, version, split(extras), bool(is_known), depth or 0)
        yield Edge(node_id, stated, package, specifier, split(extras), version, reason, target_id)


def _node(row: tuple) -> Node:  # type: ignore[type-arg]  # as read
    node_id, package, version, extras, is_known, depth = row
    return Node(node_id, package, version, split(extras), bool(is_known), depth)


def _by_version(rows: Iterable[tuple[str, str, str]]) -> dict[Version, tuple[Vulnerability, ...]]:
    found: dict[Version, list[Vulnerability]] = {}
    for package, version, body in rows:
        found.setdefault((package, version), []).append(_VULNERABILITY.validate_json(body))
    return {version: tuple(some) for version, some in found.items()}

"""Puts graphs into a catalog, as rows: what somebody would have read from what repositories show."""

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter
from sqlite_utils import Database

from orbitalreg.findings import Vulnerability
from orbitalreg.model import Severity

VULNERABILITY = TypeAdapter(Vulnerability)
LINUX = "cpython 3.12 linux x86_64"
NodeKey = tuple[str, str, str]
"""Package, version, extras comma-joined."""
Asked = tuple[str, str, str | None, str]
"""A requirement: its words, the package, the version that is chosen (None for none), extras comma-joined."""


def vulnerability(
    name: str, package: str, version: str, severity: Severity = Severity.HIGH, *aliases: str, fixed_in: str = ""
) -> Vulnerability:
    ids = tuple(sorted({name, *aliases}))
    return Vulnerability(name, ids, package, version, severity, {"osv": severity}, fixed_in or None, "", (), None)


def put(
    db: Database,
    repository_id: str,
    nodes: Mapping[NodeKey, Sequence[Asked]],
    wrong: Sequence[Vulnerability] = (),
    environment: str = LINUX,
    depths: Mapping[NodeKey, int] | None = None,
) -> int:
    """Writes one graph, in which each version has its own choice for what it asks. Its id."""
    graph_id = db.execute(
        "INSERT INTO graph (repository_id, environment, built_at) VALUES (?, ?, 1) RETURNING id",
        (repository_id, environment),
    ).fetchone()[0]
    ids = {}
    for key in nodes:
        row = (graph_id, *key, 1, (depths or {}).get(key, 0))
        ids[key] = db.execute(
            "INSERT INTO graph_node (graph_id, package, version, extras, is_known, depth) VALUES (?, ?, ?, ?, ?, ?)"
            " RETURNING id",
            row,
        ).fetchone()[0]
    choices: dict[tuple[str, str | None], int] = {}
    for key, asked in nodes.items():
        for stated, package, version, extras in asked:
            choice = choices.get((package, version))
            if choice is None:
                reason = None if version else "missing"
                choice = choices[(package, version)] = db.execute(
                    "INSERT INTO graph_choice (graph_id, package, specifier, version, reason) VALUES (?, ?, ?, ?, ?)"
                    " RETURNING id",
                    (graph_id, package, f"for {version}", version, reason),
                ).fetchone()[0]
            db.execute(
                "INSERT INTO graph_edge (node_id, choice_id, extras, stated) VALUES (?, ?, ?, ?)",
                (ids[key], choice, extras, stated),
            )
    find(db, graph_id, *wrong)
    return int(graph_id)


def find(db: Database, graph_id: int, *wrong: Vulnerability) -> None:
    for one in wrong:
        row = (graph_id, one.package, one.version, one.id)
        db.execute(
            "INSERT INTO graph_finding (graph_id, package, version, id, body) VALUES (?, ?, ?, ?, ?)",
            (*row, VULNERABILITY.dump_json(one, exclude_defaults=True).decode()),
        )
        for alias in one.ids:
            db.execute(
                "INSERT INTO graph_finding_id (alias, graph_id, package, version, id) VALUES (?, ?, ?, ?, ?)",
                (alias, *row),
            )


def changed(db: Database, repository_id: str, package: str) -> None:
    """As whoever updates a graph says of a package that may be exposed to something else."""
    db.execute(
        "INSERT INTO revision (subject, number) VALUES (?, 1)"
        " ON CONFLICT (subject) DO UPDATE SET number = revision.number + 1",
        (f"exposures:{repository_id}:{package}",),
    )

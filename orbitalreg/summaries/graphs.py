"""What is told of dependencies: what a version brings along, who asks for a package, and who is hit by what."""

from dataclasses import dataclass

from orbitalreg.summaries.findings import FindingSummary, HopSummary, SeverityName, UpgradeSummary


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A version with the extras that are asked for. `depth` is the fewest steps that it is away.

    `findings` are its own; `exposed` is the worst severity of what its dependencies bring, null where they bring
    nothing. Of what is not `is_known` nobody could read what it asks for. `left_out` says how many of its requirements
    are not told here.
    """

    package: str
    version: str
    extras: list[str]
    depth: int
    is_known: bool
    findings: list[FindingSummary]
    exposed: SeverityName | None
    left_out: int


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """What a version asks for, and what is chosen for it. `source` and `target` are places in the list of nodes.

    `stated` is in the file's own words, and `package` empty where they cannot be read. `target` is null where nothing
    is chosen: then `reason` says why in a word. `environments` are those in which it counts.
    """

    source: int
    target: int | None
    stated: str
    package: str
    specifier: str
    extras: list[str]
    reason: str | None
    environments: list[str]


@dataclass(frozen=True, slots=True)
class VersionGraph:
    """What a version in the view of a repository brings along, each version once: it is the first of `nodes`.

    Nodes come in the order in which they are met, and each node's edges in byte order of their words. `worst` is the
    path to the worst of what comes along, as places in `edges`. `left_out` is how many nodes are not told here.
    """

    repository: str
    package: str
    version: str
    environments: list[str]
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    worst: list[int]
    left_out: int


@dataclass(frozen=True, slots=True)
class Dependent:
    """A version that asks for a package, itself or by others, and what of it is chosen for that today.

    `stated` is what it asks for itself, on the way there. `chosen` is null where nothing is, and then `reason` says
    why in a word. `path` leads from it to what is chosen; it has one hop where it asks itself. `is_held` says whether
    it is held here, and not only of an upstream and chosen for something.
    """

    package: str
    version: str
    extras: list[str]
    is_held: bool
    stated: str
    chosen: str | None
    reason: str | None
    path: list[HopSummary]
    environments: list[str]


@dataclass(frozen=True, slots=True)
class Affected:
    """A version that a vulnerability hits: it has it itself, where `path` is empty, or gets it by its dependencies.

    `is_held` says whether it is held here, and not only of an upstream and chosen for something. The rest is as of an
    `ExposureSummary`; of what has it itself, `is_unavoidable` is false and `upgrade` null: its finding says more.
    """

    repository: str
    package: str
    version: str
    is_held: bool
    finding: FindingSummary
    path: list[HopSummary]
    environments: list[str]
    is_unavoidable: bool
    upgrade: UpgradeSummary | None

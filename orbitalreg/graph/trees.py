"""What one version in the view of a repository brings along, as a plain value: each version once, in bounded size."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from orbitalreg.catalog import Catalog, walks
from orbitalreg.catalog.walks import Edge, Node, Part, Version
from orbitalreg.errors import NotFound
from orbitalreg.exposures import KnownExposures
from orbitalreg.findings import Exposure, Vulnerability, finding_summary
from orbitalreg.graph.reading import OWN
from orbitalreg.model import Repository, Severity
from orbitalreg.summaries import GraphEdge, GraphNode, VersionGraph, severity_name

NODES = 150
"""So many versions are told, unless somebody asks for more."""
DEPTH = 100

Key = tuple[str, str, tuple[str, ...]]
"""Package, version and extras: a node in whatever environment."""


@dataclass(frozen=True, slots=True)
class _View:
    """What is reached in one environment, and what is wrong with it."""

    environment: str
    part: Part
    wrong: Mapping[Version, tuple[Vulnerability, ...]]


class Trees:
    """Thread-safe. Every call is one state of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._exposures = KnownExposures(catalog)

    def tree(
        self,
        repository: Repository,
        package: str,
        version: str,
        environment: str | None = None,
        depth: int = DEPTH,
        limit: int = NODES,
    ) -> VersionGraph:
        """In one environment, or in all that there are graphs for: `depth` steps far, and `limit` versions at most.

        Names are in normal form. Raises `NotFound`, which says what is missing.
        """
        views = self._views(repository, package, version, environment)
        names = [view.environment for view in views]
        found = self._exposures.of(repository.id, package).get(version, ())
        exposures = [one for one in found if environment is None or environment in one.environments]
        merged = _Merged(views, (package, version, ()), exposures, depth, limit)
        worst = merged.path(exposures[0]) if exposures else []
        return VersionGraph(
            str(repository.address), package, version, names, merged.nodes, merged.edges, worst, merged.left_out
        )

    def _views(self, repository: Repository, package: str, version: str, environment: str | None) -> list[_View]:
        views = []
        with self._catalog.snapshot() as db:
            graphs = walks.graphs(db, repository.id)
            if environment is not None and environment not in graphs:
                raise NotFound(f"{repository.address} has no graph for {environment}; there is: {_listed(graphs)}")
            for name, graph_id in graphs.items():
                if environment in (None, name):
                    part = walks.forward(db, graph_id, package, version)
                    reached = {(node.package, node.version) for node in part.nodes.values()}
                    views.append(_View(name, part, walks.findings(db, graph_id, reached)))
        if not any(view.part.nodes for view in views):
            raise NotFound(
                f"the graph of {repository.address} has no {package}=={version}: it is not there, or was not read yet"
                " (a server or orbitalreg worker does that)"
            )
        return views


class _Merged:
    """The graphs of several environments as one, from the first node on, nearest first.

    Where there is no room for all, what is on the paths of `exposures` goes before the rest, the worst first.
    """

    def __init__(
        self, views: Sequence[_View], root: Key, exposures: Sequence[Exposure], depth: int, limit: int
    ) -> None:
        self._found: dict[Key, Node] = {}
        self._wrong: dict[Version, dict[str, Vulnerability]] = {}
        self._exposed: dict[Key, Severity] = {}
        self._edges: dict[tuple[Key, str, Key | None, str, str], tuple[Edge, list[str]]] = {}
        for view in views:
            self._add(view)
        self._after: dict[Key, list[tuple[Edge, Key | None, list[str]]]] = {}
        for (source, _, target, _, _), (edge, environments) in sorted(self._edges.items(), key=_words):
            self._after.setdefault(source, []).append((edge, target, environments))
        self._depths = self._nearest(root, depth)
        self._places = {key: number for number, key in enumerate(self._chosen(root, exposures, limit))}
        self.left_out = len(self._found) - len(self._places)
        self.edges = [
            _edge(edge, self._places[source], None if target is None else self._places[target], environments)
            for source in self._places
            for edge, target, environments in self._after.get(source, ())
            if self._is_told(target)
        ]
        self.nodes = [self._node(key) for key in self._places]

    def path(self, exposure: Exposure) -> list[int]:
        """The places of the edges of an exposure's path; none where a part of it is left out."""
        here, path = 0, []
        for hop in exposure.path:
            target = self._places.get((hop.package, hop.version, hop.extras))
            found = [
                number
                for number, edge in enumerate(self.edges)
                if (edge.source, edge.target, edge.stated) == (here, target, hop.stated) and target is not None
            ]
            if not found or target is None:
                return []
            path.append(found[0])
            here = target
        return path

    def _add(self, view: _View) -> None:
        keys = {node.id: (node.package, node.version, node.extras) for node in view.part.nodes.values()}
        self._found |= {keys[node.id]: node for node in view.part.nodes.values()}
        for version, some in view.wrong.items():
            self._wrong.setdefault(version, {}).update({one.id: one for one in some})
        for key, severity in _exposed(view, keys).items():
            self._exposed[key] = max(severity, self._exposed.get(key, severity))
        for edge in view.part.edges:
            target = None if edge.target_id is None else keys[edge.target_id]
            same = (keys[edge.node_id], edge.stated, target, edge.package, edge.reason or "")
            self._edges.setdefault(same, (edge, []))[1].append(view.environment)

    def _nearest(self, root: Key, depth: int) -> dict[Key, int]:
        """How many steps off each node is that is no further than `depth`, the nearest first."""
        found, level = {root: 0}, [root]
        for steps in range(1, depth + 1):
            targets = (target for source in level for _, target, _ in self._after.get(source, ()))
            level = list(dict.fromkeys(target for target in targets if target is not None and target not in found))
            found |= dict.fromkeys(level, steps)
        return found

    def _chosen(self, root: Key, exposures: Sequence[Exposure], limit: int) -> list[Key]:
        """The nodes to be told, nearest first: for each of them those that lead there, too."""
        if len(self._depths) <= limit:
            return list(self._depths)
        kept = {root}
        for one in exposures:
            way = {(hop.package, hop.version, hop.extras) for hop in one.path}
            if way <= self._depths.keys() and len(kept | way) <= limit:
                kept |= way
        rest = islice((key for key in self._depths if key not in kept), limit - len(kept))
        kept.update(rest)
        return [key for key in self._depths if key in kept]

    def _is_told(self, target: Key | None) -> bool:
        return target is None or target in self._places

    def _node(self, key: Key) -> GraphNode:
        node, (package, version, extras) = self._found[key], key
        wrong = sorted(self._wrong.get((package, version), {}).values(), key=lambda one: (-one.severity, one.id))
        exposed = self._exposed.get(key)
        unseen = sum(not self._is_told(target) for _, target, _ in self._after.get(key, ()))
        return GraphNode(
            package,
            version,
            list(extras),
            self._depths[key],
            node.is_known,
            [finding_summary(one) for one in wrong],
            None if exposed is None else severity_name(exposed),
            unseen,
        )


def _exposed(view: _View, keys: Mapping[int, Key]) -> dict[Key, Severity]:
    """The worst of what each node's dependencies bring, where they bring anything; not what leads back to itself."""
    after: dict[int, list[int]] = {}
    askers: dict[int, list[int]] = {}
    for edge in view.part.edges:
        if edge.target_id is not None:
            after.setdefault(edge.node_id, []).append(edge.target_id)
            askers.setdefault(edge.target_id, []).append(edge.node_id)
    own = {
        node_id: max(one.severity for one in view.wrong[key[:2]])
        for node_id, key in keys.items()
        if key[:2] in view.wrong
    }
    found: dict[int, Severity] = {}
    for severity in sorted(set(own.values()), reverse=True):
        for node_id in _walked(askers, [node_id for node_id, its in own.items() if its == severity]):
            found.setdefault(node_id, severity)
    for node_id in own.keys() & found.keys():
        reached = [
            other for other in _walked(after, [node_id]) if other in own and keys[other][:2] != keys[node_id][:2]
        ]
        del found[node_id]
        if reached:
            found[node_id] = max(own[other] for other in reached)
    return {keys[node_id]: severity for node_id, severity in found.items()}


def _walked(ways: Mapping[int, Sequence[int]], starts: Iterable[int]) -> set[int]:
    """What is reached from these in a step or more."""
    found: set[int] = set()
    waiting = list(starts)
    while waiting:
        for node_id in ways.get(waiting.pop(), ()):
            if node_id not in found:
                found.add(node_id)
                waiting.append(node_id)
    return found


def _edge(edge: Edge, source: int, target: int | None, environments: list[str]) -> GraphEdge:
    specifier = "" if edge.specifier.startswith(OWN) else edge.specifier
    reason = None if target is not None else edge.reason or "not chosen yet"
    return GraphEdge(
        source,
        target,
        edge.stated,
        edge.package,
        specifier,
        list(edge.extras),
        reason,
        list(dict.fromkeys(environments)),
    )


def _words(entry: tuple[tuple[Key, str, Key | None, str, str], object]) -> tuple[Key, str, str, Key, str]:
    """Edges in byte order of their words."""
    source, stated, target, package, reason = entry[0]
    return source, stated, package, target or ("", "", ()), reason


def _listed(graphs: Iterable[str]) -> str:
    return ", ".join(graphs) or "none: [graph] environments may turn it off, or no worker has made it yet"

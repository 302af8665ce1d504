"""Vulnerabilities that come with dependencies, read from the graphs in the catalog.

In a graph every requirement of a version leads to what an installer would choose for it today. A version is *exposed*
to what the versions are affected by that can be reached so, with the extras that are asked for on the way.

A vulnerability is one exposure for each package that it lies in, however many paths lead there, and to however many
versions: by the shortest, and of several by the first in byte order. What leads back to the version itself is none.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orbitalreg.catalog import Catalog, walks
from orbitalreg.catalog.walks import Node, Part, Version
from orbitalreg.findings import Exposure, Hop, Vulnerability, grouped

_Step = tuple[int, Hop]
"""A requirement, and the id of the node that it leads to."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A version, and a vulnerability that it has itself (then the path is empty) or is exposed to.

    What is not `is_held` is of an upstream, and would be chosen for something that is held.
    """

    package: str
    version: str
    is_held: bool
    vulnerability: Vulnerability
    path: tuple[Hop, ...] = ()
    environments: tuple[str, ...] = ()


class KnownExposures:
    """Thread-safe. Every call sees every commit before it; asks no upstream, and judges nothing anew.

    Each call is one state of the catalog, and so is not for within a transaction.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def revision(self, repository_id: str, package: str) -> str:
        """Changes whenever `of` may. One small query."""
        return str(walks.revision(self._catalog.read(), repository_id, package))

    def of(self, repository_id: str, package: str) -> Mapping[str, tuple[Exposure, ...]]:
        """In the view of a repository, by version of the package in normal form, the worst first.

        A version that is affected itself by what a dependency brings too is exposed to it all the same. Takes time by
        what the package's versions bring, and for each vulnerability in there by what leads to it.
        """
        views = []
        with self._catalog.snapshot() as db:
            for environment, graph_id in walks.graphs(db, repository_id).items():
                if walks.has_findings(db, graph_id):
                    part = walks.forward(db, graph_id, package)
                    reached = {(node.package, node.version) for node in part.nodes.values()}
                    wrong = walks.findings(db, graph_id, reached)
                    ids = walks.ids_of(db, graph_id, {name for name, _ in wrong})
                    views.append(_View(environment, part, wrong, ids))
        return _Reading(views).of_package(package)

    def of_repository(self, repository_id: str) -> Iterator[tuple[str, Mapping[str, tuple[Exposure, ...]]]]:
        """`of` for every package of which a version is exposed, in byte order: one walk for all of them.

        Also for what is not held, and would be chosen for what is.
        """
        with self._catalog.snapshot() as db:
            views = [
                _View(environment, walks.backward(db, graph_id), walks.affected(db, graph_id))
                for environment, graph_id in walks.graphs(db, repository_id).items()
            ]
        reading = _Reading(views)
        told = ((package, reading.of_package(package)) for package in reading.packages())
        return ((package, found) for package, found in told if found)

    def exposed(self, repository_id: str, vulnerability: str) -> Iterator[Hit]:
        """Whom a vulnerability (any of its ids, as it is written) hits: what is affected, and what is exposed to it.

        In byte order of package and version, of one version the shortest path first.
        """
        views, affected = [], []
        with self._catalog.snapshot() as db:
            for environment, graph_id in walks.graphs(db, repository_id).items():
                wrong = walks.affected(db, graph_id, vulnerability)
                views.append(_View(environment, walks.backward(db, graph_id, vulnerability), wrong))
                affected += [(environment, node, wrong) for node in walks.nodes_of(db, graph_id, wrong)]
        return _hits(_Reading(views), _affected(affected))

    def repositories_with(self, vulnerability: str) -> Collection[str]:
        """The ids of the repositories in whose view something is affected by it (any of its ids)."""
        return walks.repositories_with(self._catalog.read(), vulnerability)

    def begun(self) -> Collection[str]:
        """The ids of the repositories of which too little is known to say that nobody is hit."""
        return walks.begun(self._catalog.read())


class Paths:
    """The requirements in a part of one graph, by the ids of its nodes. Linear in what it walks."""

    def __init__(self, part: Part) -> None:
        self._after: dict[int, list[_Step]] = {}
        self._askers: dict[int, list[int]] = {}
        for edge in part.edges:
            if edge.target_id is not None and edge.version is not None:
                hop = Hop(edge.stated, edge.package, edge.version, edge.extras)
                self._after.setdefault(edge.node_id, []).append((edge.target_id, hop))
                self._askers.setdefault(edge.target_id, []).append(edge.node_id)
        for steps in self._after.values():
            steps.sort(key=lambda step: _order(step[1:]))

    def to(self, targets: Iterable[int]) -> "ShortestPaths":
        """From every node that leads to one of these."""
        hops = dict.fromkeys(targets, 0)
        level, count = list(hops), 0
        while level:
            count += 1
            askers = {asker for node_id in level for asker in self._askers.get(node_id, ())}
            level = [asker for asker in askers if asker not in hops]
            hops.update(dict.fromkeys(level, count))
        return ShortestPaths(hops, self._after)


class ShortestPaths:
    """To the nearest of some nodes. `hops` is how many it takes from each node, 0 for those themselves."""

    def __init__(self, hops: Mapping[int, int], after: Mapping[int, Sequence[_Step]]) -> None:
        self.hops = hops
        self._after = after
        self._next: dict[int, _Step | None] = {}

    def path(self, start: int) -> tuple[Hop, ...]:
        """The first in byte order of the shortest that have at least one hop; empty where there is none."""
        path: list[Hop] = []
        here = start
        while not path or self.hops[here]:
            step = self._step(here)
            if step is None:
                return ()
            here, hop = step
            path.append(hop)
        return tuple(path)

    def _step(self, here: int) -> _Step | None:
        if here not in self._next:
            ways = (step for step in self._after.get(here, ()) if step[0] in self.hops)
            self._next[here] = min(ways, key=lambda step: self.hops[step[0]], default=None)
        return self._next[here]


@dataclass(frozen=True, slots=True)
class _View:
    """A part of one graph, and what is wrong with versions of it.

    `ids` are pairs, by package, that are one vulnerability's: also by way of versions that are not in the part.
    """

    environment: str
    part: Part
    wrong: Mapping[Version, tuple[Vulnerability, ...]]
    ids: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sighting:
    view: int
    version: Version
    vulnerability: Vulnerability


@dataclass(frozen=True, slots=True)
class _Goal:
    """One vulnerability in the versions of one package, as it is reached in one view."""

    environment: str
    paths: Paths
    wrong: Mapping[Version, Vulnerability]
    nodes: Mapping[Version, Sequence[int]]
    nearest: ShortestPaths

    def exposure(self, start: Node) -> Exposure | None:
        own = (start.package, start.version)
        path = self.nearest.path(start.id)
        if path and _end(path) == own:
            others = (node_id for version, ids in self.nodes.items() if version != own for node_id in ids)
            path = self.paths.to(others).path(start.id)
        return Exposure(self.wrong[_end(path)], path, (self.environment,)) if path else None


class _Reading:
    """What versions are exposed to in several views of one repository, which differ by their environments."""

    def __init__(self, views: Sequence[_View]) -> None:
        self._views = views
        self._paths = [Paths(view.part) for view in views]
        self._nodes = [_by_version(view.part) for view in views]
        self._starts: dict[str, dict[str, list[tuple[int, _Goal, Node]]]] = {}
        for number, group in enumerate(self._groups()):
            for goal, start in self._goals(group):
                found = self._starts.setdefault(start.package, {}).setdefault(start.version, [])
                found.append((number, goal, start))

    def packages(self) -> list[str]:
        return sorted(self._starts)

    def of_package(self, package: str) -> dict[str, tuple[Exposure, ...]]:
        told = {version: self._exposures(found) for version, found in sorted(self._starts.get(package, {}).items())}
        return {version: exposures for version, exposures in told.items() if exposures}

    def hits(self, package: str) -> Iterator[Hit]:
        for version, exposures in self.of_package(package).items():
            is_held = any(start.depth == 0 for _, _, start in self._starts[package][version])
            for one in exposures:
                yield Hit(package, version, is_held, one.vulnerability, one.path, one.environments)

    def _groups(self) -> Iterator[list[_Sighting]]:
        """What is one vulnerability in one package."""
        by_package: dict[str, list[_Sighting | tuple[str, str]]] = {}
        for number, view in enumerate(self._views):
            for version, found in view.wrong.items():
                by_package.setdefault(version[0], []).extend(_Sighting(number, version, one) for one in found)
            for package, pairs in view.ids.items():
                by_package.setdefault(package, []).extend(pairs)
        for package in sorted(by_package):
            for group in grouped(by_package[package], _ids):
                yield [one for one in group if isinstance(one, _Sighting)]

    def _goals(self, group: Iterable[_Sighting]) -> Iterator[tuple[_Goal, Node]]:
        """Each view's, with each version that leads to it or has it."""
        by_view: dict[int, dict[Version, Vulnerability]] = {}
        for seen in sorted(group, key=lambda seen: _worst_first(seen.vulnerability)):
            by_view.setdefault(seen.view, {}).setdefault(seen.version, seen.vulnerability)
        for number, wrong in by_view.items():
            nodes = {version: self._nodes[number].get(version, ()) for version in wrong}
            nearest = self._paths[number].to(node_id for ids in nodes.values() for node_id in ids)
            goal = _Goal(self._views[number].environment, self._paths[number], wrong, nodes, nearest)
            for node_id in nearest.hops:
                node = self._views[number].part.nodes[node_id]
                if not node.extras:
                    yield goal, node

    def _exposures(self, found: Iterable[tuple[int, _Goal, Node]]) -> tuple[Exposure, ...]:
        """Of one version: the shortest path of each vulnerability, in whatever environments."""
        by_group: dict[int, list[Exposure]] = {}
        for number, goal, start in found:
            if (exposure := goal.exposure(start)) is not None:
                by_group.setdefault(number, []).append(exposure)
        told = []
        for some in by_group.values():
            first = min(some, key=lambda one: (len(one.path), _order(one.path), one.environments))
            told.append(replace(first, environments=tuple(sorted(name for one in some for name in one.environments))))
        return tuple(sorted(told, key=lambda one: (_worst_first(one.vulnerability), len(one.path), _order(one.path))))


def _hits(reading: _Reading, affected: Iterable[Hit]) -> Iterator[Hit]:
    """Package by package, since paths may be long and many."""
    themselves: dict[str, list[Hit]] = {}
    for hit in affected:
        themselves.setdefault(hit.package, []).append(hit)
    for package in sorted({*themselves, *reading.packages()}):
        hits = [*themselves.get(package, ()), *reading.hits(package)]
        yield from sorted(hits, key=lambda hit: (hit.version, len(hit.path), _order(hit.path), hit.vulnerability.id))


def _affected(found: Iterable[tuple[str, Node, Mapping[Version, tuple[Vulnerability, ...]]]]) -> Iterator[Hit]:
    """Those that have it themselves, by environment, node and what is wrong there."""
    told: dict[tuple[str, str, str], list[tuple[str, Node, Vulnerability]]] = {}
    for environment, node, wrong in found:
        for one in wrong[(node.package, node.version)]:
            told.setdefault((node.package, node.version, one.id), []).append((environment, node, one))
    for (package, version, _), some in told.items():
        is_held = any(node.depth == 0 for _, node, _ in some)
        environments = tuple(sorted({environment for environment, _, _ in some}))
        yield Hit(package, version, is_held, some[0][2], (), environments)


def _by_version(part: Part) -> dict[Version, list[int]]:
    found: dict[Version, list[int]] = {}
    for node in part.nodes.values():
        found.setdefault((node.package, node.version), []).append(node.id)
    return found


def _end(path: Sequence[Hop]) -> Version:
    return path[-1].package, path[-1].version


def _ids(one: _Sighting | tuple[str, str]) -> Sequence[str]:
    return (one.vulnerability.id, *one.vulnerability.ids) if isinstance(one, _Sighting) else one


def _worst_first(one: Vulnerability) -> tuple[int, bool, str, str, str]:
    return -one.severity, one.is_bundled, one.package, one.version, one.id


def _order(path: Iterable[Hop]) -> list[tuple[str, str, tuple[str, ...], str]]:
    return [(hop.package, hop.version, hop.extras, hop.stated) for hop in path]

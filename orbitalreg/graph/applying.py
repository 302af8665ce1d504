"""What was read of a package, written into a graph, within one short transaction."""

from collections.abc import Collection

from sqlite_utils import Database

from orbitalreg.catalog import graph, graph_changes, graph_following
from orbitalreg.catalog.graph import ELSEWHERE, UNREADABLE, GraphRow, NodeRow
from orbitalreg.catalog.graph_changes import Pending
from orbitalreg.graph.depths import FAR, settle
from orbitalreg.graph.reading import OWN, Asked, Reading
from orbitalreg.model import Requirement, now


class Application:
    """For the readings of some packages of one graph, in one transaction; `finish` once at its end.

    What is found missing meanwhile, since other packages ask for it, is left pending. The graph is the same whatever
    the order in which packages are read.
    """

    def __init__(self, db: Database, row: GraphRow, follows: bool = False) -> None:
        """With `follows` upstreams are asked for what is new to the graph."""
        self._db = db
        self._graph = row
        self._follows = follows
        self._new: set[str] = set()
        self._pending: set[str] = set()
        self._is_built = graph.is_built(db, row.id)  # now: another process may just have found it whole
        self._has_findings = self._is_built and graph.has_findings(db, row.id)
        self._matters = False
        self._nodes: set[int] = set()
        self._choices: set[int] = set()
        self._packages: set[str] = set()
        self._suspects: dict[int, int] = {}
        self._gained: dict[int, int] = {}
        self._rooted: set[int] = set()
        self._idle: set[int] = set()

    def apply(self, pending: Pending, reading: Reading) -> bool:
        """Writes, unless the package is not pending by this mark any more. Whether it was still so."""
        if not graph_changes.done(self._db, pending):
            return False
        if reading.is_gone and graph.choices(self._db, self._graph.id, reading.package):
            graph.forget_package(self._db, self._graph.id, reading.package)
            self._pending.add(reading.package)
            return True
        if not reading.is_whole:
            known = graph.package_revision(self._db, self._graph.id, reading.package)
            if known != reading.revision:
                self._pending.add(reading.package)
                return True
        self._choose(reading)
        self._ask(reading)
        self._prune()
        if reading.is_whole:
            self._find(reading)
            self._keep(reading)
        return True

    def finish(self) -> None:
        """Writes: what is pending now, and the revisions of the exposures that may be others."""
        graph_changes.add(self._db, [(self._graph.id, package) for package in self._pending])
        if self._follows:
            graph_following.wanted(self._db, self._graph.id, self._new, now())
        if self._is_built:
            self._note({*self._choices, *graph.choices_of(self._db, self._nodes)})
            if self._matters:
                graph.raise_exposures(self._db, self._graph, self._nodes, self._choices, self._packages)

    def _note(self, choice_ids: Collection[int]) -> None:
        """These choices, or whatever they lead to, are being changed, or were: it matters where a finding is there.

        To be called before a change and after it. Most of what changes has no part in any exposure, and to walk to all
        that leads to it may take seconds.
        """
        if self._has_findings and not self._matters and choice_ids:
            self._matters = graph.leads_to_findings(self._db, choice_ids)

    def _choose(self, reading: Reading) -> None:
        """The choices of this package."""
        rows = graph.choices(self._db, self._graph.id, reading.package)
        if any(row.is_open and row.specifier not in reading.chosen for row in rows):
            self._pending.add(reading.package)
        changed = [
            row
            for row in rows
            if reading.chosen.get(row.specifier, (row.version, row.reason)) != (row.version, row.reason)
        ]
        self._note([row.id for row in changed])
        for row in changed:
            version, reason = reading.chosen[row.specifier]
            self._suspect(row.id)
            graph.set_choice(self._db, row.id, version, reason)
            self._choices.add(row.id)
            self._gained.update(graph.targets_of_choice(self._db, row.id))

    def _ask(self, reading: Reading) -> None:
        """The nodes of this package, and their edges."""
        there = {(node.version, node.extras): node for node in graph.nodes(self._db, self._graph.id, reading.package)}
        if reading.is_whole:
            for key, node in there.items():
                self._root(reading, node)
                if key in reading.asked:
                    self._update(reading, node, reading.asked[key])
        missing = self._wanted(reading) - there.keys()
        while ready := sorted(key for key in missing if key in reading.asked):
            for key in ready:
                self._insert(reading, key, reading.asked[key])
                there[key] = NodeRow(0, *key, True, None, 0)
            missing = self._wanted(reading) - there.keys()
        if missing:
            self._pending.add(reading.package)

    def _wanted(self, reading: Reading) -> set[tuple[str, str]]:
        return {(version, "") for version in reading.held} | graph.targets_asked(
            self._db, self._graph.id, reading.package
        )

    def _root(self, reading: Reading, node: NodeRow) -> None:
        """What is held is a root, and what is held no more is none."""
        if not node.extras and node.version in reading.held:
            if node.depth:
                self._rooted.add(node.id)
        elif not node.depth:
            self._suspects[node.id] = 0

    def _insert(self, reading: Reading, key: tuple[str, str], asked: Asked) -> None:
        """A new node. One that nothing held leads to is not there at the end."""
        version, extras = key
        known = (asked.is_known, asked.fault)
        node_id = graph.insert_node(self._db, self._graph.id, reading.package, version, extras, *known, 0)
        depth = 0
        if extras or version not in reading.held:
            depth = min((nearer for _, nearer in graph.askers(self._db, node_id)), default=FAR) + 1
            graph.set_depth(self._db, node_id, depth)
            self._suspects[node_id] = depth
        self._nodes.add(node_id)
        if not asked.is_known and asked.fault is None:
            self._new.add(reading.package)
        self._edges(node_id, depth, reading.package, version, asked, True)

    def _update(self, reading: Reading, node: NodeRow, asked: Asked) -> None:
        if (asked.is_known, asked.fault) != (node.is_known, node.fault):
            graph.set_node(self._db, node.id, asked.is_known, asked.fault)
            self._nodes.add(node.id)
        self._edges(node.id, node.depth, reading.package, node.version, asked, False)

    def _edges(self, node_id: int, depth: int, package: str, version: str, asked: Asked, is_new: bool) -> None:
        before = {} if is_new else graph.edges(self._db, node_id)
        after: dict[tuple[int, str], str] = {}
        for one in sorted(asked.requirements, key=lambda one: one.stated, reverse=True):
            extras = ",".join(one.extras)
            choice_id = self._target(package, version, one, extras, depth)
            after[choice_id, extras] = one.stated
        if after == before:
            return
        self._nodes.add(node_id)
        gone = before.keys() - after.keys()
        self._note({choice_id for choice_id, _ in gone})
        for choice_id, _ in gone:
            self._suspect(choice_id)
            self._idle.add(choice_id)
        graph.delete_edges(self._db, [(node_id, *key) for key in gone])
        graph.put_edges(
            self._db, [(node_id, *key, stated) for key, stated in after.items() if before.get(key) != stated]
        )

    def _target(self, package: str, version: str, one: Requirement, extras: str, depth: int) -> int:
        """The id of the choice that the requirement of a node leads to."""
        specifier, settled = _specifier(package, version, one)
        found = graph.target(self._db, self._graph.id, one.package, specifier, extras)
        if found is None:
            choice_id = graph.insert_choice(
                self._db, self._graph.id, one.package, specifier, *(settled or (None, None))
            )
            if settled is None:
                self._pending.add(one.package)
                self._new.add(one.package)
            return choice_id
        if found.node_id is not None and found.depth is not None:
            if found.depth > depth + 1:
                self._gained[found.node_id] = found.depth
        elif (found.is_open or found.version is not None) and one.package != package:
            self._pending.add(one.package)
        return found.choice_id

    def _suspect(self, choice_id: int) -> None:
        """The nodes that the choice leads to may lose askers; roots have none to lose."""
        for node_id, depth in graph.targets_of_choice(self._db, choice_id):
            if depth:
                self._suspects.setdefault(node_id, depth)

    def _prune(self) -> None:
        lost = settle(self._db, self._suspects, self._gained, self._rooted)
        self._note(graph.choices_of(self._db, lost))
        for node_id in lost:
            package = graph.package_of(self._db, node_id)
            self._packages.add(package)
            self._pending.add(package)
            self._idle.update(choice_id for choice_id, _ in graph.edges(self._db, node_id))
            graph.delete_node(self._db, node_id)
        self._pending |= graph.drop_idle_choices(self._db, self._idle) - {""}
        self._suspects, self._gained, self._rooted, self._idle = {}, {}, set(), set()

    def _find(self, reading: Reading) -> None:
        before = graph.findings(self._db, self._graph.id, reading.package)
        told = {key: said for key, said in reading.findings.items() if before.get(key) != said[0]}
        gone = before.keys() - reading.findings.keys()
        graph.delete_findings(self._db, self._graph.id, reading.package, gone)
        graph.put_findings(self._db, self._graph.id, reading.package, told)
        versions = {version for version, _ in told} | {version for version, _ in gone}
        if versions:
            self._matters = self._has_findings = True
            self._packages.add(reading.package)
            rows = graph.choices(self._db, self._graph.id, reading.package)
            self._choices.update(row.id for row in rows if row.version in versions)

    def _keep(self, reading: Reading) -> None:
        if reading.is_gone:
            graph.drop_package(self._db, self._graph.id, reading.package)
        else:
            graph.put_package(self._db, self._graph.id, reading.package, reading.revision, reading.valid_until)


def _specifier(package: str, version: str, one: Requirement) -> tuple[str, tuple[str | None, str | None] | None]:
    """What the choice for a requirement is called, and what is chosen, where that is settled without a look."""
    if not one.package:
        return one.stated, (None, UNREADABLE)
    if one.is_elsewhere:
        return OWN, (None, ELSEWHERE)
    if one.package == package:
        return OWN + version, (version, None)
    return one.specifier, None

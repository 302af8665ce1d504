"""How far nodes are from what is held, kept in step: a node that is in no reach of it is no node any more.

Depths are those of a breadth-first search from what is held. So each node but the roots has an asker that is nearer,
and those that ask for one another in a circle do not keep one another: where support is lost, the depths of all that
leaned on it are found anew from what still stands.
"""

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush

from sqlite_utils import Database

from orbitalreg.catalog import graph

FAR = 1 << 40
"""The depth of what nothing held leads to."""


def settle(db: Database, suspects: Mapping[int, int], gained: Mapping[int, int], rooted: Iterable[int]) -> set[int]:
    """Writes depths. The nodes that nothing held leads to: the caller deletes them.

    Nodes go with their depths so far. `suspects` may have lost an asker; of those at depth 0 it is sure that they are
    held no more. `gained` may have one more. `rooted` are held by now.
    """
    lost = _lost(db, suspects)
    heap = [(0, node_id) for node_id in rooted]
    for node_id, depth in (*gained.items(), *lost.items()):
        standing = (nearer for asker, nearer in graph.askers(db, node_id) if asker not in lost)
        nearest = min(standing, default=FAR) + 1
        if nearest < depth or (node_id in lost and nearest <= FAR):
            heap.append((nearest, node_id))
    return lost.keys() - _nearest(db, heap, lost)


def _lost(db: Database, suspects: Mapping[int, int]) -> dict[int, int]:
    """The nodes without an asker that is nearer and not lost itself, and their depths so far.

    Nearest first, so that what is said of a node is said for good: thousands may lean on one, and be lost together.
    """
    lost: dict[int, int] = {}
    seen: set[int] = set()
    heap = [(depth, node_id) for node_id, depth in suspects.items()]
    heapify(heap)
    while heap:
        depth, node_id = heappop(heap)
        if node_id in seen:
            continue
        seen.add(node_id)
        if any(nearer < depth and asker not in lost for asker, nearer in graph.askers(db, node_id)):
            continue
        lost[node_id] = depth
        for target in graph.targets(db, node_id):
            if target.node_id is not None and target.depth is not None and target.depth > depth:
                heappush(heap, (target.depth, target.node_id))
    return lost


def _nearest(db: Database, heap: list[tuple[int, int]], lost: Mapping[int, int]) -> set[int]:
    """Writes the depths that follow from these (depth, node), nearest first: Dijkstra's algorithm. The nodes reached.

    The depths of `lost` nodes so far count for nothing.
    """
    heapify(heap)
    reached: dict[int, int] = {}
    while heap:
        depth, node_id = heappop(heap)
        if node_id in reached:
            continue
        reached[node_id] = depth
        graph.set_depth(db, node_id, depth)
        for target in graph.targets(db, node_id):
            if target.node_id is None or target.depth is None or target.node_id in reached:
                continue
            if target.node_id in lost or target.depth > depth + 1:
                heappush(heap, (depth + 1, target.node_id))
    return set(reached)

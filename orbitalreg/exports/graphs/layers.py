"""Where the boxes of a layered picture stand: left to right, few crossings, no box over another. Pure.

After Sugiyama, Tagawa and Toda (1981): layers by the longest way, order by barycentres, and heights by isotonic
regression, which is the best there is for an order that is settled. Edges that end in one box share their way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SWEEPS = 8
GAP = 22.0
"""Between two boxes of a layer."""
LANE = 12.0
"""Between two lines, or a line and a box."""
STRAIGHT = 12.0
"""How much more than others an edge to be emphasised pulls."""


@dataclass(frozen=True, slots=True)
class Box:
    """Something with a height, and the places at its right side that edges begin at: how far below its top."""

    height: float
    ports: Sequence[float] = ()
    entry: float = 0.0
    """How far below its top edges end."""


@dataclass(frozen=True, slots=True)
class Line:
    """An edge from a port of one box to another box; both are places in the list of boxes."""

    source: int
    port: int
    target: int
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """`layers` is the column of each box and `tops` its upper side, from zero.

    `ways` has, for each line, the heights at which it passes the columns between; those of a line back, which is one
    that goes round, are from right to left.
    """

    layers: Sequence[int]
    tops: Sequence[float]
    ways: Sequence[Sequence[float]]
    is_back: Sequence[bool]
    height: float


@dataclass(slots=True)
class _Item:
    """A box in its layer, or the place where lines pass one."""

    layer: int
    height: float
    entry: float
    box: int | None = None
    top: float = 0.0
    pulls: list[tuple["_Item", float, float, float]] = field(default_factory=list)
    """Neighbours: how far below my top and below theirs the edge is, and how hard it pulls."""

    @property
    def y(self) -> float:
        return self.top + self.entry


def layout(boxes: Sequence[Box], lines: Sequence[Line]) -> Layout:
    """The first box stands leftmost, and all others are reached from it. Ports are taken in the order of `lines`."""
    is_back = _backward(len(boxes), lines)
    layers = _layers(len(boxes), [line for line, back in zip(lines, is_back, strict=True) if not back])
    items = [
        _Item(layer, box.height, box.entry, number)
        for number, (layer, box) in enumerate(zip(layers, boxes, strict=True))
    ]
    chains, passes = _chains(boxes, lines, is_back, items)
    columns = _ordered([*items, *passes], max(layers, default=0) + 1)
    _place(columns)
    lowest = max((item.top + item.height for item in items + passes), default=0.0)
    ways = [[item.y for item in chain] for chain in chains]
    return Layout(layers, [item.top for item in items], ways, is_back, lowest)


def _backward(count: int, lines: Sequence[Line]) -> list[bool]:
    """Which lines lead back to where the walk to them came by: without them nothing goes round."""
    out: dict[int, list[int]] = {}
    for number, line in enumerate(lines):
        out.setdefault(line.source, []).append(number)
    back = [False] * len(lines)
    done: set[int] = set()
    for start in range(count):
        if start in done:
            continue
        on_way, stack = {start}, [(start, iter(out.get(start, ())))]
        done.add(start)
        while stack:
            box, rest = stack[-1]
            for number in rest:
                target = lines[number].target
                if target in on_way:
                    back[number] = True
                elif target not in done:
                    done.add(target)
                    on_way.add(target)
                    stack.append((target, iter(out.get(target, ()))))
                    break
            else:
                on_way.discard(box)
                stack.pop()
    return back


def _layers(count: int, lines: Sequence[Line]) -> list[int]:
    """As far right as the longest way to each box is."""
    waiting, out = [0] * count, [[] for _ in range(count)]  # type: ignore[var-annotated]
    for line in lines:
        waiting[line.target] += 1
        out[line.source].append(line.target)
    found = [0] * count
    ready = [box for box in range(count) if not waiting[box]]
    while ready:
        box = ready.pop()
        for target in out[box]:
            found[target] = max(found[target], found[box] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return found


def _chains(
    boxes: Sequence[Box], lines: Sequence[Line], is_back: Sequence[bool], items: Sequence[_Item]
) -> tuple[list[list[_Item]], list[_Item]]:
    """For each line the places that it passes; lines to one box share theirs."""
    shared: dict[tuple[int, int, bool], _Item] = {}
    chains = []
    for line, back in zip(lines, is_back, strict=True):
        first, last = items[line.source].layer, items[line.target].layer
        between = range(first - 1, last, -1) if back else range(first + 1, last)
        chain = [shared.setdefault((line.target, layer, back), _Item(layer, LANE, LANE / 2)) for layer in between]
        before, at = items[line.source], boxes[line.source].ports[line.port]
        for item in [*chain, items[line.target]]:
            bends = (before.box is None) + (item.box is None)
            strength = (STRAIGHT if line.is_strong else 1.0) * 2**bends
            before.pulls.append((item, at, item.entry, strength))
            item.pulls.append((before, item.entry, at, strength))
            before, at = item, item.entry
        chains.append(chain)
    return chains, list(shared.values())


def _ordered(items: Sequence[_Item], count: int) -> list[list[_Item]]:
    """The items of each layer from top to bottom, with few crossings: the best of some sweeps."""
    columns: list[list[_Item]] = [[] for _ in range(count)]
    for item in items:
        columns[item.layer].append(item)
    best, fewest = [list(column) for column in columns], _crossings(columns)
    for sweep in range(SWEEPS):
        _stack(columns)
        for column in columns if sweep % 2 == 0 else reversed(columns):
            keyed = [(_barycentre(item, sweep % 2 == 0), number) for number, item in enumerate(column)]
            column[:] = [column[number] for _, number in sorted(keyed)]
            _stack([column])
        if (crossed := _crossings(columns)) < fewest:
            best, fewest = [list(column) for column in columns], crossed
    return best


def _stack(columns: Iterable[Sequence[_Item]]) -> None:
    """One below the other, around the middle."""
    for column in columns:
        top = -sum(item.height + GAP for item in column) / 2
        for item in column:
            item.top, top = top, top + item.height + GAP


def _barycentre(item: _Item, from_left: bool) -> float:
    """Where the neighbours at one side are; of those without any, where it is."""
    found = [
        (other.top + theirs, pull)
        for other, _, theirs, pull in item.pulls
        if (other.layer < item.layer if from_left else other.layer > item.layer)
    ]
    if not found:
        return item.top + item.height / 2
    return sum(y * pull for y, pull in found) / sum(pull for _, pull in found)


def _crossings(columns: Sequence[Sequence[_Item]]) -> int:
    """How many pairs of lines between neighbouring layers cross."""
    total = 0
    place = {id(item): number for column in columns for number, item in enumerate(column)}
    for column in columns:
        ends = [
            place[id(other)]
            for item in column
            for other, _, _, _ in sorted(item.pulls, key=lambda pull: (pull[1], place[id(pull[0])]))
            if other.layer == item.layer + 1
        ]
        total += _inversions(ends)
    return total


def _inversions(numbers: list[int]) -> int:
    """How many pairs are in the wrong order, counted by merging."""
    if len(numbers) < 2:
        return 0
    left, right = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    total = _inversions(left) + _inversions(right)
    left.sort()
    right.sort()
    passed = 0
    for number in right:
        while passed < len(left) and left[passed] <= number:
            passed += 1
        total += len(left) - passed
    return total


def _place(columns: Sequence[Sequence[_Item]]) -> None:
    """Heights that keep each layer's order and let edges be as straight as can be."""
    _stack(columns)
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            _settle(column)
    top = min((item.top for column in columns for item in column), default=0.0)
    for column in columns:
        for item in column:
            item.top -= top


def _settle(column: Sequence[_Item]) -> None:
    """Isotonic regression (pool adjacent violators) of where each item would stand best, with room between."""
    offset, blocks = 0.0, []
    offsets = []
    for number, item in enumerate(column):
        if number:
            before = column[number - 1]
            is_line = item.box is None or before.box is None
            offset += before.height + (LANE / 2 if is_line else GAP)
        offsets.append(offset)
        wish = sum((other.top + theirs - mine) * pull for other, mine, theirs, pull in item.pulls)
        weight = sum(pull for *_, pull in item.pulls)
        blocks.append([wish / weight - offset if weight else item.top - offset, weight or 0.1, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            value, weight, size = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + value * weight) / (last[1] + weight)
            last[1] += weight
            last[2] += size
    number = 0
    for value, _, size in blocks:
        for _ in range(int(size)):
            column[number].top = value + offsets[number]
            number += 1

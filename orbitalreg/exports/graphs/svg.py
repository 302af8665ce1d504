"""The dependencies of a version as a picture: SVG 1.1 that needs nothing else, for light and dark pages.

Text gets into it through `markupsafe` alone, without what a terminal or a browser would obey.
"""

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from orbitalreg.exports.graphs.cards import ENTRY, ROWS, SMALL, Card, card, drawn, short, text, wide
from orbitalreg.exports.graphs.layers import Box, Layout, Line, layout
from orbitalreg.exports.graphs.words import asked, called, heading, printable, remark, summed_up, worst_path
from orbitalreg.summaries import GraphEdge, GraphNode, VersionGraph

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " sandbox"
)
"""The Content-Security-Policy of a picture: nothing is loaded or run, whatever it holds."""

SPACE = 96.0
"""Between two columns."""
MARGIN, TOP, FOOT = 28.0, 74.0, 46.0
TIP, LOOP = 7.0, 40.0
Point = tuple[float, float]

ROUNDS = 3
"""So often is it laid out: each time the rows of a box are in the order of what they led to before."""

_LIGHT = {
    "malicious": "#5b1a8c",
    "critical": "#9b1c2e",
    "high": "#b8410b",
    "medium": "#8a6100",
    "low": "#2b6592",
    "negligible": "#5b6875",
    "unknown": "#5b6875",
}
_DARK = {
    "malicious": "#a45fdb",
    "critical": "#cf4257",
    "high": "#c95a24",
    "medium": "#997014",
    "low": "#3f7fb3",
    "negligible": "#6f7f8c",
    "unknown": "#6f7f8c",
}


def _colours(chosen: Mapping[str, str]) -> str:
    return "".join(
        f".{name} .pill,.{name} .bar{{fill:{colour}}}.{name} .card{{stroke:{colour}}}"
        f".by.{name} .pill{{fill:none;stroke:{colour};stroke-width:1.3}}.by.{name} .p{{fill:{text}}}"
        for name, colour in chosen.items()
        for text in [colour if chosen is _LIGHT else "#e3eaf0"]
    )


_STYLE = f"""
.page{{fill:#fff}}.card{{fill:#f6f8fa;stroke:#c3ccd5}}.own .card{{stroke-width:2}}.rule{{stroke:#d9e0e6}}
text{{fill:#1b2733;font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}}
.h{{font-size:17px;font-weight:700}}.n{{font-weight:700;font-size:13px}}.q,.s{{fill:#56646f}}.q{{font-size:12px}}
.why{{fill:#8a4b00}}.p{{fill:#fff;font-size:9.5px;font-weight:700;letter-spacing:.4px}}
.e{{fill:none;stroke:#8fa0ae;stroke-width:1.3}}.back .e{{stroke-dasharray:5 4}}.worst .e{{stroke:#b3261e}}
.worst .e{{stroke-width:3}}.dot{{fill:#8fa0ae}}.worst .dot{{fill:#b3261e}}
{_colours(_LIGHT)}
@media (prefers-color-scheme:dark){{.page{{fill:#12181f}}.card{{fill:#1d2630;stroke:#3a4855}}.rule{{stroke:#33404c}}
text{{fill:#e3eaf0}}.q,.s{{fill:#9fb0be}}.why{{fill:#f0b46a}}.p{{fill:#fff}}.e{{stroke:#6d8091}}.dot{{fill:#6d8091}}
.worst .e{{stroke:#ff7a70}}.worst .dot{{fill:#ff7a70}}
{_colours(_DARK)}}}
"""

_PICTURE = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    ' role="img" aria-labelledby="graph-title graph-desc">\n<title id="graph-title">{title}</title>\n'
    '<desc id="graph-desc">{desc}</desc>\n<style>{style}</style>\n'
    '<rect class="page" width="{width}" height="{height}"/>\n{parts}</svg>\n'
)
_EDGE = Markup(
    '<g class="{kind}"><title>{title}</title><path class="e" d="{way}"/>'
    '<path class="dot" d="M{x} {y}l{back} -4v8z"/><circle class="dot" cx="{from_x}" cy="{from_y}" r="{r}"/></g>\n'
)


def svg(graph: VersionGraph) -> str:
    """The picture of a graph, which has at least one node."""
    return str(_Drawing(graph).picture())


class _Drawing:
    """The boxes and lines of one picture, laid out."""

    def __init__(self, graph: VersionGraph) -> None:
        self._graph = graph
        self._worst = frozenset(graph.worst)
        self._cards: Sequence[Card] = ()
        self._drawn: Sequence[int] = ()
        """The places of the edges that are lines, in their order in the layout."""
        out: dict[int, list[int]] = {}
        for number, edge in enumerate(graph.edges):
            out.setdefault(edge.source, []).append(number)
        tops: Sequence[float] = [0.0] * len(graph.nodes)
        for _ in range(ROUNDS):
            self._layout = self._laid_out(out, tops)
            tops = self._layout.tops
        self._lefts, self._widths = self._columns()

    def _laid_out(self, out: Mapping[int, Sequence[int]], tops: Sequence[float]) -> Layout:
        self._cards = [self._card(node, out.get(number, ()), tops) for number, node in enumerate(self._graph.nodes)]
        edges = self._graph.edges
        self._drawn = [row for one in self._cards for row in one.rows if edges[row].target is not None]
        lines = []
        for row in self._drawn:
            source, target = edges[row].source, edges[row].target
            assert target is not None
            lines.append(Line(source, self._cards[source].rows.index(row), target, row in self._worst))
        return layout([Box(one.height, one.ports, ENTRY) for one in self._cards], lines)

    def _card(self, node: GraphNode, found: Sequence[int], tops: Sequence[float]) -> Card:
        """Its rows are in the order of what they lead to; those of the worst path are always among them."""

        def order(row: int) -> tuple[bool, float, int]:
            target = self._graph.edges[row].target
            return target is None, 0.0 if target is None else tops[target], row

        first = sorted(found, key=lambda row: (row not in self._worst, order(row)))[:ROWS]
        rows = sorted(first, key=order)
        told = [" ".join(filter(None, [asked(edge), remark(edge, self._graph)])) for edge in self._edges_of(rows)]
        return card(node, rows, told, node.left_out + len(found) - len(rows))

    def _edges_of(self, rows: Sequence[int]) -> list[GraphEdge]:
        return [self._graph.edges[row] for row in rows]

    def _columns(self) -> tuple[list[float], list[float]]:
        """The left side and the width of each column."""
        widths = [0.0] * (max(self._layout.layers) + 1)
        for layer, one in zip(self._layout.layers, self._cards, strict=True):
            widths[layer] = max(widths[layer], one.width)
        lefts = [MARGIN]
        for width in widths[:-1]:
            lefts.append(lefts[-1] + width + SPACE)
        return lefts, widths

    def picture(self) -> Markup:
        title, told = heading(self._graph), summed_up(self._graph)
        foot = "; ".join(self._legend())
        widest = max(wide(title, 17), wide(told, SMALL), wide(foot, SMALL), self._lefts[-1] + self._widths[-1] - MARGIN)
        height = TOP + self._layout.height + FOOT
        edges = sorted(range(len(self._drawn)), key=lambda at: self._drawn[at] in self._worst)
        parts = [
            text("h", MARGIN, 34, title),
            text("s", MARGIN, 54, told),
            *(self._edge(at) for at in edges),
            *(self._box(number) for number in range(len(self._cards))),
            text("s", MARGIN, height - 16, foot),
        ]
        return _PICTURE.format(
            width=short(widest + 2 * MARGIN),
            height=short(height),
            title=printable(title),
            desc=printable(f"{told}; {worst_path(self._graph)}"),
            style=Markup(_STYLE),  # noqa: S704  # a constant
            parts=Markup("").join(parts),
        )

    def _box(self, number: int) -> Markup:
        one = self._cards[number]
        edges = self._edges_of(one.rows)
        left, top = self._lefts[self._layout.layers[number]], TOP + self._layout.tops[number]
        return drawn(one, edges, [remark(edge, self._graph) for edge in edges], left, top)

    def _edge(self, at: int) -> Markup:
        number = self._drawn[at]
        edge, is_worst, is_back = self._graph.edges[number], number in self._worst, self._layout.is_back[at]
        assert edge.target is not None
        begin, end, way = self._way(at, edge, edge.target)
        source, target = self._graph.nodes[edge.source], self._graph.nodes[edge.target]
        comes_right = is_back and edge.source != edge.target
        return _EDGE.format(
            kind=f"edge{' back' if is_back else ''}{' worst' if is_worst else ''}",
            title=printable(f"{called(source)} asks for {edge.stated or asked(edge)}: {called(target)}"),
            way=way,
            x=short(end[0]),
            y=short(end[1]),
            back=short(TIP if comes_right else -TIP),
            from_x=short(begin[0]),
            from_y=short(begin[1]),
            r="3.5" if is_worst else "2.5",
        )

    def _way(self, at: int, edge: GraphEdge, target: int) -> tuple[Point, Point, str]:
        """Where a line begins, where it ends, and its way: level beside boxes, curved from one column to the next.

        It leads from the right side of a box to the left one of another; back, from the left to the right.
        """
        of, layers, tops = self._cards[edge.source], self._layout.layers, self._layout.tops
        first, last = layers[edge.source], layers[target]
        y = TOP + tops[edge.source] + of.ports[of.rows.index(self._drawn[at])]
        end_y = TOP + tops[target] + ENTRY
        left, right = self._lefts[first], self._lefts[first] + of.width
        if edge.source == target:
            return (left, y), (left, end_y), _loop(left, y, end_y)
        if self._layout.is_back[at]:
            side, end = self._lefts[last] + self._widths[last] + TIP, self._lefts[last] + self._cards[target].width
            curves, x, height = self._passing(at, left, y, range(first - 1, last, -1), is_back=True)
            way = ["M", _point(left, y), *curves, _curve(x, height, side, end_y), f"H{short(end + TIP)}"]
            return (left, y), (end, end_y), "".join(way)
        side, end = self._lefts[first] + self._widths[first], self._lefts[last]
        curves, x, height = self._passing(at, side, y, range(first + 1, last), is_back=False)
        way = ["M", _point(right, y), f"H{short(side)}", *curves, _curve(x, height, end - TIP + 1, end_y)]
        return (right, y), (end, end_y), "".join(way)

    def _passing(self, at: int, x: float, y: float, between: range, is_back: bool) -> tuple[list[str], float, float]:
        """The way through the columns `between`, and where it is then."""
        way = []
        for layer, height in zip(between, self._layout.ways[at], strict=True):
            left, right = self._lefts[layer], self._lefts[layer] + self._widths[layer]
            near, far = (right, left) if is_back else (left, right)
            way += [_curve(x, y, near, TOP + height), f"H{short(far)}"]
            x, y = far, TOP + height
        return way, x, y

    def _legend(self) -> Iterator[str]:
        yield f"for {', '.join(self._graph.environments)}"
        if any(node.findings for node in self._graph.nodes):
            yield "filled: found in the version itself, outlined: comes with a dependency"
        if self._graph.worst:
            yield "thick: the shortest path to the worst"
        if any(self._layout.is_back):
            yield "dashed: goes round"


def _point(x: float, y: float) -> str:
    return f"{short(x)} {short(y)}"


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    """Level at both ends."""
    middle = (x + to_x) / 2
    return f"C{_point(middle, y)} {_point(middle, to_y)} {_point(to_x, to_y)}"


def _loop(left: float, y: float, to_y: float) -> str:
    """From a row back to its own box."""
    out = left - LOOP
    return f"M{_point(left, y)}C{_point(out, y)} {_point(out, to_y)} {_point(left - TIP + 1, to_y)}"

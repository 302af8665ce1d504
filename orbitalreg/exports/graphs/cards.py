"""The boxes of a picture: what each says, how large it is, and how it is drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from unicodedata import east_asian_width

from markupsafe import Markup

from orbitalreg.exports.graphs.words import asked, called, named, printable
from orbitalreg.summaries import FindingSummary, GraphEdge, GraphNode

ADVANCE = 0.603
"""The width of a character of most fixed-width fonts, in its own size."""
MOST, LEAST = 330.0, 120.0
"""How wide what a box says may be; what is longer is told in full where a pointer rests."""
FINDINGS, ROWS = 3, 24
"""So many of each are in a box at most."""
PAD, HEAD, ROW, PILL = 14.0, 30.0, 17.0, 20.0
ENTRY = 16.0
"""How far below the top of a box edges come in."""
NAME, PLAIN, SMALL, LABEL = 13, 12, 11, 9.5
"""Sizes of letters."""
BETWEEN = 8.0
"""A name and its version."""
UNREAD = "what it asks for could not be read"
COMING = "by dependencies"

_TEXT = Markup('<text class="{kind}" x="{x}" y="{y}">{text}</text>')
_PILL = Markup('<rect class="pill" x="{x}" y="{y}" width="{width}" height="14" rx="7"/>')
_GROUP = Markup('<g class="{kind}">{parts}</g>')
_TITLED = Markup("<g><title>{title}</title>{parts}</g>\n")
_CARD = Markup('<rect class="card" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>')
_BAR = Markup('<path class="bar" d="M{x} {y}h-1a6 6 0 0 0-5 6v{height}a6 6 0 0 0 5 6h1z"/>')
_RULE = Markup('<path class="rule" d="M{x} {y}h{width}"/>')


@dataclass(frozen=True, slots=True)
class Card:
    """One node's box. `rows` are the places of its edges, and `more` is how many have no row of their own."""

    node: GraphNode
    findings: Sequence[FindingSummary]
    rows: Sequence[int]
    more: int
    width: float

    @property
    def head(self) -> float:
        """The height of what stands above the rows."""
        pills = len(self.findings) + bool(self.node.exposed)
        return HEAD + PILL * pills + ROW * len(self.remarks)

    @property
    def remarks(self) -> list[str]:
        unseen = len(self.node.findings) - len(self.findings)
        return [*([f"and {unseen} more"] if unseen else []), *([] if self.node.is_known else [UNREAD])]

    @property
    def height(self) -> float:
        count = len(self.rows) + bool(self.more)
        return self.head + (14 + ROW * count if count else 2)

    @property
    def ports(self) -> list[float]:
        """How far below the top each row's edge begins."""
        return [self.head + 8 + ROW * (number + 0.5) for number in range(len(self.rows))]


def card(node: GraphNode, rows: Sequence[int], told: Sequence[str], left_out: int) -> Card:
    """The box of a node with these rows, of which `told` says how each reads."""
    findings = node.findings[:FINDINGS]
    lines = [
        wide(named(node), NAME) + BETWEEN + wide(node.version, PLAIN),
        *(_pill_width(one.severity) + 6 + wide(one.id, SMALL) for one in findings),
        *(wide(line, SMALL) for line in told),
    ]
    if node.exposed:
        lines.append(_pill_width(node.exposed) + 6 + wide(COMING, SMALL))
    if not node.is_known:
        lines.append(wide(UNREAD, SMALL))
    width = min(max(*lines, LEAST), MOST) + 2 * PAD
    return Card(node, findings, rows, left_out, float(ceil(width)))


def drawn(of: Card, edges: Sequence[GraphEdge], remarks: Sequence[str], left: float, top: float) -> Markup:
    """The box at that place; `remarks` are said behind its rows."""
    node, x, room = of.node, left + PAD, of.width - 2 * PAD
    outer = _CARD.format(x=short(left), y=short(top), width=short(of.width), height=short(of.height))
    parts = [outer]
    if of.findings:
        worst = of.findings[0].severity
        bar = _BAR.format(x=short(left + 6), y=short(top), height=short(of.height - 12))
        parts = [_GROUP.format(kind=f"own {worst}", parts=outer + bar)]
    elif node.exposed:
        parts = [_GROUP.format(kind=f"by {node.exposed}", parts=outer)]
    name = _cut(named(node), NAME, max(room - wide(node.version, PLAIN) - BETWEEN, room / 2))
    after = wide(name, NAME) + BETWEEN
    parts += [text("n", x, top + 20, name), text("q", x + after, top + 20, _cut(node.version, PLAIN, room - after))]
    y = top + HEAD + 10
    for finding in of.findings:
        parts.append(_pill(x, y, finding.severity, "own", finding.id))
        y += PILL
    if node.exposed:
        parts.append(_pill(x, y, node.exposed, "by", COMING))
        y += PILL
    for remark in of.remarks:
        parts.append(text("s", x, y, remark))
        y += ROW
    if of.rows or of.more:
        parts.append(_RULE.format(x=short(x), y=short(top + of.head + 3), width=short(room)))
    parts += _rows(of, edges, remarks, x, top)
    return _TITLED.format(title=printable(_full(node)), parts=Markup("").join(parts))


def _rows(of: Card, edges: Sequence[GraphEdge], remarks: Sequence[str], x: float, top: float) -> Iterator[Markup]:
    room = of.width - 2 * PAD
    for port, edge, remark in zip(of.ports, edges, remarks, strict=True):
        y = top + port + 4
        words = _cut(asked(edge), SMALL, max(room - wide(f" {remark}", SMALL), room / 2) if remark else room)
        parts = [text("r", x, y, words)]
        if remark:
            after = wide(f"{words} ", SMALL)
            parts.append(text("why" if edge.reason else "s", x + after, y, _cut(remark, SMALL, room - after)))
        said = ", ".join([*([edge.reason] if edge.reason else []), *edge.environments])
        yield _TITLED.format(title=printable(f"{edge.stated or asked(edge)} ({said})"), parts=Markup("").join(parts))
    if of.more:
        yield text("s", x, top + of.head + 12 + ROW * (len(of.rows) + 0.5), f"and {of.more} more")


def _full(node: GraphNode) -> str:
    """What is told of a box where a pointer rests."""
    lines = [called(node)]
    lines += [
        f"{one.severity}: {', '.join(one.ids)}" + (f", fixed in {one.fixed_in}" if one.fixed_in else "")
        for one in node.findings
    ]
    if node.exposed:
        lines.append(f"its dependencies bring what is {node.exposed} at worst")
    return "; ".join(lines)


def _pill(x: float, y: float, severity: str, kind: str, said: str) -> Markup:
    width = _pill_width(severity)
    shape = _PILL.format(x=short(x), y=short(y - 11), width=short(width))
    label = text("p", x + 8, y - 0.5, severity.upper())
    told = text("s" if kind == "by" else "r", x + width + 6, y, _cut(said, SMALL, MOST - width))
    return _GROUP.format(kind=f"{kind} {severity}", parts=shape + label) + told


def _pill_width(severity: str) -> float:
    return len(severity) * (LABEL * ADVANCE + 0.4) + 16


def text(kind: str, x: float, y: float, said: str) -> Markup:
    """One line of text."""
    return _TEXT.format(kind=kind, x=short(x), y=short(y), text=printable(said))


def _cut(said: str, size: float, room: float) -> str:
    """So much of it as there is room for."""
    if wide(said, size) <= room:
        return said
    while said and wide(f"{said}…", size) > room:
        said = said[:-1]
    return f"{said}…"


def wide(said: str, size: float) -> float:
    """How wide letters of that size are."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in printable(said)) * size * ADVANCE


def short(number: float) -> str:
    """A number as pictures have it."""
    return f"{number:.1f}".removesuffix(".0")

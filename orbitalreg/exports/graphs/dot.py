"""The dependencies of a version in the language of Graphviz."""

from collections.abc import Iterator

from orbitalreg.exports.graphs.words import asked, called, heading, printable, remark
from orbitalreg.summaries import GraphNode, VersionGraph

_COLOURS = {
    "malicious": "#5b1a8c",
    "critical": "#9b1c2e",
    "high": "#b8410b",
    "medium": "#8a6100",
    "low": "#2b6592",
    "negligible": "#5b6875",
    "unknown": "#5b6875",
}


def dot(graph: VersionGraph) -> str:
    """One directed graph. Texts are quoted as the language has it: nothing in them is read as a command or as HTML."""
    return "\n".join(["digraph {", *(f"  {line}" for line in _lines(graph)), "}", ""])


def _lines(graph: VersionGraph) -> Iterator[str]:
    yield f"graph [rankdir=LR, label={_quoted(heading(graph))}]"
    yield 'node [shape=box, style=rounded, fontname="monospace"]'
    yield 'edge [fontname="monospace", fontsize=10]'
    for number, node in enumerate(graph.nodes):
        worst = node.findings[0].severity if node.findings else node.exposed
        colour = f', color="{_COLOURS[worst]}", penwidth={3 if node.findings else 1}' if worst else ""
        yield f"n{number} [label={_quoted(*_said(node))}{colour}]"
    for number, edge in enumerate(graph.edges):
        label = " ".join(filter(None, [asked(edge), remark(edge, graph)]))
        strong = ", penwidth=3" if number in graph.worst else ""
        target = f"n{edge.target}"
        if edge.target is None:
            target = f"m{number}"
            yield f"{target} [label={_quoted(edge.package or edge.stated, edge.reason or '')}, style=dashed]"
        yield f"n{edge.source} -> {target} [label={_quoted(label)}{strong}]"


def _said(node: GraphNode) -> Iterator[str]:
    yield called(node)
    yield from (f"{one.severity.upper()} {one.id}" for one in node.findings)
    if node.exposed:
        yield f"{node.exposed} by dependencies"


def _quoted(*lines: str) -> str:
    """A string of these lines."""
    texts = [printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(texts) + '"'

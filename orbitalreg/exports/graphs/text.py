"""The dependencies of a version as a tree of text: what was told before is referred to."""

from collections.abc import Callable, Iterator

from orbitalreg.exports.graphs.words import asked, called, printable, remark
from orbitalreg.summaries import GraphEdge, GraphNode, VersionGraph

Mark = Callable[[str, str], str]
"""What a severity's words look like: `mark(words, severity)`; colours, where there are any."""


def tree(graph: VersionGraph, mark: Mark = lambda words, severity: words) -> Iterator[str]:
    """The lines. Each version's own requirements are told once, where it comes first."""
    out: dict[int, list[GraphEdge]] = {}
    for each in graph.edges:
        out.setdefault(each.source, []).append(each)
    yield f"{printable(called(graph.nodes[0]))}{_marks(graph.nodes[0], mark)}"
    told, stack = {0}, [(0, "", iter(out.get(0, ())))]
    left = {number: len(edges) for number, edges in out.items()}
    while stack:
        number, indent, rest = stack[-1]
        edge = next(rest, None)
        if edge is None:
            stack.pop()
            if more := graph.nodes[number].left_out:
                yield f"{indent}`-- and {more} more"
            continue
        left[number] -= 1
        is_last = not left[number] and not graph.nodes[number].left_out
        line = f"{indent}{'`-- ' if is_last else '|-- '}"
        if edge.target is None:
            yield f"{line}{printable(f'{asked(edge)}: {edge.reason}')}"
            continue
        node = graph.nodes[edge.target]
        aside = printable(" ".join(filter(None, [edge.stated or asked(edge), remark(edge, graph)])))
        above = edge.target in told
        goes_round = any(edge.target == higher for higher, _, _ in stack)
        seen = " goes round" if goes_round else " as above" if above and _asks(out, edge.target, node) else ""
        yield f"{line}{printable(called(node))}{_marks(node, mark)}  <- {aside}{f';{seen}' if seen else ''}"
        if not above:
            told.add(edge.target)
            stack.append((edge.target, f"{indent}{'    ' if is_last else '|   '}", iter(out.get(edge.target, ()))))


def _asks(out: dict[int, list[GraphEdge]], number: int, node: GraphNode) -> bool:
    return bool(out.get(number) or node.left_out)


def _marks(node: GraphNode, mark: Mark) -> str:
    parts = []
    for one in node.findings:
        mended = f" (fixed in {one.fixed_in})" if one.fixed_in else ""
        parts.append(mark(printable(f"{one.severity.upper()} {one.id}{mended}"), one.severity))
    if node.exposed:
        parts.append(mark(f"exposed: {node.exposed}", node.exposed))
    if not node.is_known:
        parts.append("what it asks for could not be read")
    return "  " + ", ".join(parts) if parts else ""

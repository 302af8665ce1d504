"""What pictures and trees of a version's dependencies say alike."""

from collections import Counter

from orbitalreg.model import Severity
from orbitalreg.summaries import GraphEdge, GraphNode, VersionGraph, severity_name

LONGEST = 500
"""So much is told of one text, whose length others chose."""


def printable(text: str) -> str:
    """Without what would steer a terminal, turn the direction of reading, or be no XML."""
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def named(node: GraphNode) -> str:
    """`name[extra]`."""
    return node.package + (f"[{','.join(node.extras)}]" if node.extras else "")


def called(node: GraphNode) -> str:
    """`name[extra] 1.0`."""
    return f"{named(node)} {node.version}"


def asked(edge: GraphEdge) -> str:
    """A requirement in short, as the adapter reads it; where it cannot, in the file's own words."""
    if not edge.package:
        return edge.stated
    extras = f"[{','.join(edge.extras)}]" if edge.extras else ""
    return f"{edge.package}{extras} {edge.specifier}".rstrip()


def remark(edge: GraphEdge, graph: VersionGraph) -> str:
    """What is said beside a requirement: why nothing is chosen, or where it counts if not everywhere."""
    if edge.reason:
        return edge.reason
    return "" if edge.environments == graph.environments else f"({', '.join(edge.environments)})"


def heading(graph: VersionGraph) -> str:
    return f"{graph.package} {graph.version} in {graph.repository}"


def summed_up(graph: VersionGraph) -> str:
    """The whole in a line."""
    if len(graph.nodes) == 1 and not graph.left_out:
        missing = sum(edge.target is None for edge in graph.edges)
        chosen = f": nothing is chosen for {_count(missing, 'requirement', 'requirements')}" if missing else ""
        return f"brings nothing along{chosen}"
    counts = Counter(one.severity for node in graph.nodes[1:] for one in node.findings)
    names = [severity_name(severity) for severity in reversed(Severity)]
    told = ", ".join(f"{counts[name]} {name}" for name in names if counts[name])
    found = f"{_count(counts.total(), 'vulnerability', 'vulnerabilities')}" + (
        f" ({told})" if told else " known among them"
    )
    left_out = f"; {_count(graph.left_out, 'version', 'versions')} further down not shown" if graph.left_out else ""
    return f"brings {_count(len(graph.nodes) - 1, 'version', 'versions')} with {found}{left_out}"


def worst_path(graph: VersionGraph) -> str:
    """The path to the worst, in words."""
    if not graph.worst:
        exposed = graph.nodes[0].exposed
        return (
            f"what is {exposed} at worst comes from further down"
            if exposed
            else "nothing known to be wrong comes by it"
        )
    nodes = [graph.nodes[0], *(graph.nodes[graph.edges[number].target or 0] for number in graph.worst)]
    found = nodes[-1].findings
    worst = f"the worst, {found[0].id} ({found[0].severity})," if found else "the worst"
    return f"{worst} comes by {' -> '.join(map(called, nodes))}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"

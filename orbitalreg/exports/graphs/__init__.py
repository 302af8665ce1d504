"""The dependencies of a version for other programs and for people: a picture (SVG), Graphviz's DOT, and a tree of text.

Each is made of a `VersionGraph` alone. Names, versions and requirements in it were written by others.
"""

from collections.abc import Callable, Mapping

from orbitalreg.exports.graphs.dot import dot
from orbitalreg.exports.graphs.svg import POLICY, svg
from orbitalreg.exports.graphs.text import Mark, tree
from orbitalreg.exports.graphs.words import summed_up, worst_path
from orbitalreg.summaries import VersionGraph

__all__ = ["DRAWINGS", "POLICY", "Mark", "dot", "summed_up", "svg", "tree", "worst_path"]

DRAWINGS: Mapping[str, tuple[Callable[[VersionGraph], str], str]] = {
    "svg": (svg, "image/svg+xml"),
    "dot": (dot, "text/vnd.graphviz"),
}
"""What can be made of a graph for others to show, by what it is called in commands and in the API; with media types."""

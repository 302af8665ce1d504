"""The dependencies of a version for other programs and for people: a picture (SVG), Graphviz's DOT, and a tree of text.

Each is made of a `VersionGraph` alone. Names, versions and requirements in it were written by others.
"""

from orbitalreg.exports.graphs.dot import dot
from orbitalreg.exports.graphs.svg import POLICY, svg
from orbitalreg.exports.graphs.text import Mark, tree

__all__ = ["POLICY", "Mark", "dot", "svg", "tree"]

"""Draws the pictures of dependencies in the docs, as `orbitalreg graph --svg` draws them; a test holds them against it.

python tools/pictures.py        rewrites docs/pictures/exposed.svg and apart.svg
"""

import sys
from pathlib import Path
from typing import Any

from orbitalreg.exports.graphs import svg
from orbitalreg.summaries import FindingSummary, GraphEdge, GraphNode, VersionGraph

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
LINUX = "cpython 3.12 linux x86_64"
CVE = FindingSummary(
    "CVE-2019-10906",
    ["CVE-2019-10906", "GHSA-462w-v97r-4m45"],
    "high",
    {"osv": "high"},
    "2.10.1",
    "",
    [],
    None,
    [],
    None,
)


def node(package: str, version: str, depth: int, **more: Any) -> GraphNode:
    told = {"extras": [], "is_known": True, "findings": [], "exposed": None, "left_out": 0, **more}
    return GraphNode(package, version, depth=depth, **told)


def edge(source: int, target: int, package: str, specifier: str = "") -> GraphEdge:
    return GraphEdge(source, target, f"{package}{specifier}", package, specifier, [], None, [LINUX])


def exposed() -> VersionGraph:
    nodes = [
        node("top-app", "1.0", 0, exposed="high"),
        node("mid-lib", "1.0", 1, exposed="high"),
        node("jinja2", "2.10", 2, findings=[CVE]),
    ]
    edges = [edge(0, 1, "mid-lib"), edge(1, 2, "jinja2", "<2.11")]
    return VersionGraph("acme/internal", "top-app", "1.0", [LINUX], nodes, edges, [0, 1], 0)


def apart() -> VersionGraph:
    nodes = [node("app", "1.0", 0), node("a", "2.0", 1), node("b", "2.0", 1), node("b", "1.9", 2)]
    edges = [edge(0, 1, "a"), edge(0, 2, "b", ">=2"), edge(1, 3, "b", "<2")]
    return VersionGraph("acme/all-libs", "app", "1.0", [LINUX], nodes, edges, [], 0)


PICTURES = {"exposed.svg": exposed, "apart.svg": apart}

if __name__ == "__main__":
    for name, graph in PICTURES.items():
        (FOLDER / name).write_text(svg(graph()), "utf-8")
        sys.stdout.write(f"docs/pictures/{name}\n")

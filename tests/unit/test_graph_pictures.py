"""Pictures and trees of what a version brings along: the layout, and that others' words stay words."""

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitalreg.exports.graphs import dot, svg, tree
from orbitalreg.exports.graphs.layers import Box, Line, layout
from orbitalreg.summaries import FindingSummary, GraphEdge, GraphNode, VersionGraph

LINUX = "linux"
SPACES = "{http://www.w3.org/2000/svg}"
TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "</text><script>alert(1)</script>",
        "\x1b[31m",
        "a\u202eb",
        '"];x [label="',
        "\ud800",
        "&#0;",
        "]]>",
        "\\",
        "名前" * 40,
    ]
)


def finding(name: str, severity: Any = "high", fixed_in: str | None = None) -> FindingSummary:
    return FindingSummary(name, [name], severity, {"osv": severity}, fixed_in, "", [], None, [], None)


def node(package: str, version: str = "1", **more: Any) -> GraphNode:
    told = {"extras": [], "depth": 0, "is_known": True, "findings": [], "exposed": None, "left_out": 0, **more}
    return GraphNode(package, version, **told)


def edge(source: int, target: int | None, stated: str = "", **more: Any) -> GraphEdge:
    told = {"package": stated, "specifier": "", "extras": [], "reason": None, "environments": [LINUX], **more}
    return GraphEdge(source, target, stated, **told)


def graph(nodes: list[GraphNode], edges: list[GraphEdge], worst: list[int] | None = None) -> VersionGraph:
    first = nodes[0]
    return VersionGraph("acme/toys", first.package, first.version, [LINUX], nodes, edges, worst or [], 0)


STORY = graph(
    [
        node("top", exposed="high"),
        node("mid", exposed="high"),
        node("low", "2.10", findings=[finding("CVE-2019-10906", fixed_in="2.10.1"), finding("CVE-1", "medium")]),
        node("far", is_known=False),
    ],
    [
        edge(0, 1, "mid"),
        edge(0, 3, "far>=1"),
        edge(0, None, "gone", reason="missing"),
        edge(1, 2, "low<2.11"),
        edge(1, 3, "far"),
        edge(2, 0, "top"),
    ],
    [0, 3],
)


@st.composite
def graphs(draw: st.DrawFn) -> VersionGraph:
    """Any graph, with any texts, of which every node is reached from the first."""
    count = draw(st.integers(1, 12))
    severities = st.sampled_from(["low", "high", "malicious"])
    nodes = [
        node(
            draw(TEXTS),
            draw(TEXTS),
            extras=draw(st.lists(TEXTS, max_size=2)),
            is_known=draw(st.booleans()),
            findings=[finding(draw(TEXTS), draw(severities), draw(TEXTS)) for _ in range(draw(st.integers(0, 5)))],
            exposed=draw(st.none() | severities),
            left_out=draw(st.integers(0, 3)),
        )
        for _ in range(count)
    ]
    ends = [(draw(st.integers(0, number - 1)), number) for number in range(1, count)]
    ends += draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1) | st.none()), max_size=40))
    edges = [
        edge(source, target, draw(TEXTS), specifier=draw(TEXTS), reason=None if target is not None else draw(TEXTS))
        for source, target in ends
    ]
    return graph(nodes, edges, sorted(draw(st.sets(st.integers(0, count - 2), max_size=3))) if count > 1 else [])


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_whatever_names_say_a_picture_is_xml_with_nothing_to_run_or_load(drawn: VersionGraph) -> None:
    root = ElementTree.fromstring(svg(drawn))
    known = {"svg", "title", "desc", "style", "rect", "text", "g", "path", "circle"}
    assert {part.tag.removeprefix(SPACES) for part in root.iter()} <= known
    assert not [name for part in root.iter() for name in part.attrib if name.startswith("on") or "href" in name]
    assert all(text.isprintable() for part in root.iter(f"{SPACES}text") for text in part.itertext())


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_whatever_names_say_a_line_of_text_is_one_line(drawn: VersionGraph) -> None:
    for line in (*tree(drawn), *dot(drawn).splitlines()):
        assert line.isprintable()
    quoted = re.compile(r'"(?:[^"\\]|\\.)*"')
    statement = re.compile(r"digraph \{|\}|  (graph|node|edge|[nm]\d+( -> [nm]\d+)?) \[[a-z]+=Q?[^Q\"\\]*.*\]|")
    for line in dot(drawn).splitlines():
        rest = quoted.sub("Q", line)
        assert '"' not in rest
        assert statement.fullmatch(rest), line


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_box_lies_over_another_and_all_lines_but_those_back_go_right(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 15))
    ends = [(data.draw(st.integers(0, number - 1)), number) for number in range(1, count)]
    ends += data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=30))
    boxes = [Box(data.draw(st.floats(20, 200)), [10.0], 5) for _ in range(count)]
    found = layout(boxes, [Line(source, 0, target) for source, target in ends])
    for layer in set(found.layers):
        column = sorted((found.tops[number], number) for number in range(count) if found.layers[number] == layer)
        for (top, number), (below, _) in pairwise(column):
            assert top + boxes[number].height < below
    assert min(found.tops) >= -1e-6
    assert max(top + box.height for top, box in zip(found.tops, boxes, strict=True)) <= found.height + 1e-6
    for (source, target), way, is_back in zip(ends, found.ways, found.is_back, strict=True):
        assert (found.layers[source] < found.layers[target]) != is_back
        assert len(way) == max(0, abs(found.layers[source] - found.layers[target]) - 1)


def test_a_layout_without_need_of_crossings_has_none_and_a_chain_is_straight() -> None:
    boxes = [Box(30, [15, 20], 15)] + [Box(30, [15], 15)] * 4
    found = layout(boxes, [Line(0, 0, 2), Line(0, 1, 1), Line(1, 0, 3), Line(2, 0, 4)])
    assert found.tops[2] < found.tops[1]
    assert (found.tops[1], found.tops[2]) == pytest.approx((found.tops[3], found.tops[4]))


def test_the_layout_is_the_same_every_time() -> None:
    assert svg(STORY) == svg(replace(STORY))


def test_a_picture_says_in_words_what_it_shows() -> None:
    root = ElementTree.fromstring(svg(STORY))
    assert root.attrib["role"] == "img"
    named = {part.attrib["id"]: part.text for part in root if "id" in part.attrib}
    assert root.attrib["aria-labelledby"].split() == list(named)
    assert named == {
        "graph-title": "top 1 in acme/toys",
        "graph-desc": "brings 3 versions with 2 vulnerabilities (1 high, 1 medium); "
        "the worst, CVE-2019-10906 (high), comes by top 1 -> mid 1 -> low 2.10",
    }
    said = ["".join(part.itertext()) for part in root.iter(f"{SPACES}text")]
    for words in ("low", "2.10", "HIGH", "MEDIUM", "CVE-2019-10906", "by dependencies", "gone", "missing", "far"):
        assert words in said, words
    assert "what it asks for could not be read" in said


def test_the_worst_path_is_drawn_over_all_other_lines_and_what_goes_round_is_dashed() -> None:
    kinds = [
        part.attrib["class"]
        for part in ElementTree.fromstring(svg(STORY)).iter(f"{SPACES}g")
        if "edge" in part.attrib.get("class", "")
    ]
    assert kinds == ["edge", "edge", "edge back", "edge worst", "edge worst"]


def test_boxes_are_bounded_and_say_what_they_leave_out() -> None:
    many = [finding(f"CVE-{number}") for number in range(9)]
    nodes = [node("top", findings=many), *(node(f"n{number}") for number in range(60))]
    drawn = graph(nodes, [edge(0, number + 1, f"n{number}") for number in range(60)], [59])
    said = ["".join(part.itertext()) for part in ElementTree.fromstring(svg(drawn)).iter(f"{SPACES}text")]
    assert "and 6 more" in said
    assert "and 36 more" in said
    assert said.count("n59") == 2, "the row of the worst path is never among those left out"


def test_the_tree_tells_each_version_once() -> None:
    assert list(tree(STORY, lambda words, severity: f"<{severity}>{words}</>")) == [
        "top 1  <high>exposed: high</>",
        "|-- mid 1  <high>exposed: high</>  <- mid",
        "|   |-- low 2.10  <high>HIGH CVE-2019-10906 (fixed in 2.10.1)</>, <medium>MEDIUM CVE-1</>  <- low<2.11",
        "|   |   `-- top 1  <high>exposed: high</>  <- top; goes round",
        "|   `-- far 1  what it asks for could not be read  <- far",
        "|-- far 1  what it asks for could not be read  <- far>=1",
        "`-- gone: missing",
    ]


def test_the_tree_refers_to_what_was_told_and_says_what_is_not() -> None:
    nodes = [node("top"), node("left"), node("right"), node("base", left_out=2), node("deep")]
    edges = [edge(0, 1, "left"), edge(0, 2, "right"), edge(1, 3, "base"), edge(2, 3, "base>1"), edge(3, 4, "deep")]
    assert list(tree(graph(nodes, edges))) == [
        "top 1",
        "|-- left 1  <- left",
        "|   `-- base 1  <- base",
        "|       |-- deep 1  <- deep",
        "|       `-- and 2 more",
        "`-- right 1  <- right",
        "    `-- base 1  <- base>1; as above",
    ]


def test_dot_has_every_node_and_edge() -> None:
    lines = dot(STORY).splitlines()
    assert '  n2 [label="low 2.10\\nHIGH CVE-2019-10906\\nMEDIUM CVE-1", color="#b8410b", penwidth=3]' in lines
    assert '  n1 -> n2 [label="low<2.11", penwidth=3]' in lines
    assert '  m2 [label="gone\\nmissing", style=dashed]' in lines


def test_a_picture_of_150_versions_is_drawn_in_layers_of_bounded_width() -> None:
    nodes = [node(f"package-{number}") for number in range(150)]
    ends = sorted(
        {((number - 1) // 3, number) for number in range(1, 150)} | {(number // 5, number) for number in range(5, 150)}
    )
    root = ElementTree.fromstring(svg(graph(nodes, [edge(a, b, f"package-{b}") for a, b in ends])))
    assert len(list(root.iter(f"{SPACES}rect"))) == 151
    assert float(root.attrib["width"]) < 2000

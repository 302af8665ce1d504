"""What a version brings along, as one value made of the graphs' rows."""

from collections.abc import Callable
from typing import Any

import pytest

from orbitalreg.errors import NotFound
from orbitalreg.exports.graphs import tree
from orbitalreg.graph.trees import Trees
from orbitalreg.model import Severity
from orbitalreg.summaries import VersionGraph

from ..graphed import LINUX, put, vulnerability

OTHER = "other"


@pytest.fixture
def told(site: Any) -> Callable[..., VersionGraph]:
    """Puts one graph for each set of nodes, the second in another environment, and has it told."""
    repository = site.repository()

    def tell(*graphs: Any, wrong: Any = (), version: tuple[str, str] = ("top", "1"), **more: Any) -> VersionGraph:
        with site.registry.catalog.write() as db:
            for environment, nodes in zip((LINUX, OTHER), graphs, strict=False):
                put(db, repository.id, nodes, wrong, environment)
        return Trees(site.registry.catalog).tree(repository, *version, **more)

    return tell


def edges(graph: VersionGraph) -> list[tuple[str, str, str]]:
    """From which version, in what words, to which."""
    names = [f"{node.package}{node.extras or ''} {node.version}" for node in graph.nodes]
    return [
        (names[edge.source], edge.stated, edge.reason or "" if edge.target is None else names[edge.target])
        for edge in graph.edges
    ]


STORY = {
    ("top", "1", ""): [("mid>=1", "mid", "1", ""), ("gone", "gone", None, "")],
    ("mid", "1", ""): [("low<2", "low", "1", "fast")],
    ("low", "1", "fast"): [("low", "low", "1", ""), ("speed", "speed", "3", "")],
    ("low", "1", ""): [],
    ("speed", "3", ""): [("mid", "mid", "1", "")],
    ("alone", "1", ""): [],
}


def test_each_version_is_told_once_with_what_it_asks_for(told: Callable[..., VersionGraph]) -> None:
    graph = told(STORY, wrong=[vulnerability("CVE-1", "low", "1", Severity.HIGH, "GHSA-1", fixed_in="2")])
    assert (graph.repository, graph.package, graph.version, graph.environments) == ("acme/toys", "top", "1", [LINUX])
    assert [(node.package, node.version, node.extras, node.depth) for node in graph.nodes] == [
        ("top", "1", [], 0),
        ("mid", "1", [], 1),
        ("low", "1", ["fast"], 2),
        ("low", "1", [], 3),
        ("speed", "3", [], 3),
    ]
    assert edges(graph) == [
        ("top 1", "gone", "missing"),
        ("top 1", "mid>=1", "mid 1"),
        ("mid 1", "low<2", "low['fast'] 1"),
        ("low['fast'] 1", "low", "low 1"),
        ("low['fast'] 1", "speed", "speed 3"),
        ("speed 3", "mid", "mid 1"),
    ]
    assert [node.exposed for node in graph.nodes] == ["high", "high", None, None, "high"]
    assert [[one.id for one in node.findings] for node in graph.nodes] == [[], [], ["CVE-1"], ["CVE-1"], []]
    assert graph.nodes[2].findings[0].fixed_in == "2"
    assert [graph.edges[number].stated for number in graph.worst] == ["mid>=1", "low<2"]
    assert graph.left_out == 0


def test_what_leads_back_to_itself_is_no_exposure_but_what_else_comes_that_way_is(
    told: Callable[..., VersionGraph],
) -> None:
    nodes = {
        ("top", "1", ""): [("a", "a", "1", "")],
        ("a", "1", ""): [("b", "b", "1", "")],
        ("b", "1", ""): [("a", "a", "1", "")],
    }
    wrong = [vulnerability("CVE-1", "a", "1", Severity.CRITICAL), vulnerability("CVE-2", "b", "1", Severity.LOW)]
    graph = told(nodes, wrong=wrong)
    assert [node.exposed for node in graph.nodes] == ["critical", "low", "critical"]


def test_environments_are_one_graph_and_what_counts_in_one_alone_says_so(told: Callable[..., VersionGraph]) -> None:
    here = {("top", "1", ""): [("a", "a", "1", ""), ("b", "b", "1", "")], ("a", "1", ""): [], ("b", "1", ""): []}
    there = {("top", "1", ""): [("a", "a", "2", ""), ("b", "b", "1", "")], ("a", "2", ""): [], ("b", "1", ""): []}
    graph = told(here, there, wrong=[vulnerability("CVE-1", "a", "2")])
    assert [(edge.stated, edge.environments) for edge in graph.edges] == [
        ("a", [LINUX]),
        ("a", [OTHER]),
        ("b", [LINUX, OTHER]),
    ]
    assert graph.nodes[0].exposed == "high"
    assert f"|-- a 1  <- a ({LINUX})" in list(tree(graph))


def test_one_environment_is_told_alone(told: Callable[..., VersionGraph]) -> None:
    here, there = {("top", "1", ""): [("a", "a", "1", "")]}, {("top", "1", ""): [("a", "a", "2", "")]}
    wrong = [vulnerability("CVE-1", "a", "2")]
    assert edges(told(here, there, wrong=wrong, environment=OTHER)) == [("top 1", "a", "a 2")]


def test_a_path_of_another_environment_is_not_the_worst_of_this_one(told: Callable[..., VersionGraph]) -> None:
    here, there = {("top", "1", ""): [("a", "a", "1", "")]}, {("top", "1", ""): [("a", "a", "2", "")]}
    assert told(here, there, wrong=[vulnerability("CVE-1", "a", "2")], environment=LINUX).worst == []


def test_what_is_deeper_than_asked_for_is_left_out_and_counted(told: Callable[..., VersionGraph]) -> None:
    graph = told(STORY, depth=1)
    assert [node.package for node in graph.nodes] == ["top", "mid"]
    assert [node.left_out for node in graph.nodes] == [0, 1]
    assert (graph.left_out, graph.worst) == (3, [])


def test_the_number_of_versions_is_bounded_nearest_first(told: Callable[..., VersionGraph]) -> None:
    nodes: dict[Any, Any] = {("top", "1", ""): [(f"p{number:03}", f"p{number:03}", "1", "") for number in range(300)]}
    nodes |= {(f"p{number:03}", "1", ""): [("deep", "deep", "1", "")] for number in range(300)}
    graph = told(nodes, limit=50)
    assert [node.package for node in graph.nodes] == ["top", *(f"p{number:03}" for number in range(49))]
    assert (graph.nodes[0].left_out, graph.left_out) == (251, 252)


def test_of_too_many_versions_those_on_the_way_to_what_is_wrong_are_told_first(
    told: Callable[..., VersionGraph],
) -> None:
    nodes: dict[Any, Any] = {("top", "1", ""): [(f"p{number:03}", f"p{number:03}", "1", "") for number in range(300)]}
    nodes |= {("p250", "1", ""): [("deep", "deep", "1", "")], ("p260", "1", ""): []}
    wrong = [vulnerability("CVE-1", "deep", "1"), vulnerability("CVE-2", "p260", "1", Severity.LOW)]
    graph = told(nodes, wrong=wrong, limit=50)
    near = [f"p{number:03}" for number in range(46)]
    assert [node.package for node in graph.nodes] == ["top", *near, "p250", "p260", "deep"]
    assert [graph.edges[number].stated for number in graph.worst] == ["p250", "deep"]
    assert [node.package for node in told(limit=3).nodes] == ["top", "p250", "deep"]
    assert [node.package for node in told(limit=1).nodes] == ["top"]


def test_what_is_less_bad_is_not_the_worst_where_that_is_deeper_than_asked_for(
    told: Callable[..., VersionGraph],
) -> None:
    nodes = {("top", "1", ""): [("a", "a", "1", "")], ("a", "1", ""): [("b", "b", "1", "")], ("b", "1", ""): []}
    wrong = [vulnerability("CVE-1", "a", "1", Severity.LOW), vulnerability("CVE-2", "b", "1")]
    graph = told(nodes, wrong=wrong, depth=1)
    assert (graph.nodes[0].exposed, graph.worst) == ("high", [])


def test_ten_thousand_versions_in_a_row_are_walked_and_cut(told: Callable[..., VersionGraph]) -> None:
    nodes = {(f"p{n}", "1", ""): [(f"p{n + 1}", f"p{n + 1}", "1", "")] for n in range(10_000)}
    graph = told(nodes, wrong=[vulnerability("CVE-1", "p10000", "1")], version=("p0", "1"), depth=10)
    assert (len(graph.nodes), graph.left_out, graph.nodes[0].exposed) == (11, 9990, "high")
    assert len(list(tree(graph))) == 12


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"version": ("top", "9")}, "the graph of acme/toys has no top==9: it is not there, or was not read yet"),
        ({"environment": "moon"}, f"acme/toys has no graph for moon; there is: {LINUX}"),
    ],
)
def test_what_is_not_there_is_named(told: Callable[..., VersionGraph], more: Any, said: str) -> None:
    with pytest.raises(NotFound, match=said):
        told(STORY, **more)


def test_where_no_graph_is_the_reasons_are_told(told: Callable[..., VersionGraph]) -> None:
    with pytest.raises(NotFound, match=r"there is: none: \[graph\] environments may turn it off"):
        told(environment=LINUX)

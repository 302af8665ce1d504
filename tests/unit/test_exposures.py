"""What versions are exposed to, read from rows of graphs: paths, environments, cycles; against a plain search."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import graphed
import pytest
from graphed import Asked, NodeKey, vulnerability
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitalreg.catalog import Catalog, repositories, walks
from orbitalreg.exposures import KnownExposures
from orbitalreg.findings import Hop, Vulnerability
from orbitalreg.model import Address, Kind, Severity

JINJA = vulnerability("CVE-2019-10906", "jinja2", "2.10", Severity.HIGH, "PYSEC-2019-217", fixed_in="2.10.1")
STACK: dict[NodeKey, list[Asked]] = {
    ("top-app", "1.0", ""): [("mid-lib", "mid-lib", "1.0", "")],
    ("mid-lib", "1.0", ""): [("jinja2<2.11", "jinja2", "2.10", ""), ("gone", "gone", None, "")],
    ("jinja2", "2.10", ""): [("markupsafe", "markupsafe", "2.0", "")],
    ("markupsafe", "2.0", ""): [],
}


class House:
    """A catalog with repositories that have graphs."""

    def __init__(self, folder: Path) -> None:
        self.catalog = Catalog(folder)
        self.known = KnownExposures(self.catalog)
        self._names = (f"r{number}" for number in count())

    def repository(self) -> str:
        with self.catalog.write() as db:
            return repositories.insert_repository(db, Address("acme", next(self._names)), "toy", Kind.LOCAL)

    def put(
        self,
        nodes: Mapping[NodeKey, Sequence[Asked]],
        *wrong: Vulnerability,
        repository_id: str | None = None,
        environment: str = graphed.LINUX,
        depths: Mapping[NodeKey, int] | None = None,
    ) -> str:
        repository_id = repository_id or self.repository()
        with self.catalog.write() as db:
            graphed.put(db, repository_id, nodes, wrong, environment, depths)
        return repository_id

    def told(self, repository_id: str, package: str) -> dict[str, list[str]]:
        """In short: by version, `ID: hop > hop`."""
        found = self.known.of(repository_id, package)
        return {
            version: [f"{one.vulnerability.id}: {_way(one.path)}" for one in exposures]
            for version, exposures in found.items()
        }


def _way(path: Sequence[Hop]) -> str:
    return " > ".join(f"{hop.package} {hop.version}" + "".join(f"[{one}]" for one in hop.extras) for hop in path)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    yield found
    found.catalog.close()


def test_an_exposure_has_the_path(house: House) -> None:
    repository_id = house.put(STACK, JINJA)
    [exposure] = house.known.of(repository_id, "top-app")["1.0"]
    assert exposure.vulnerability == JINJA
    assert exposure.path == (Hop("mid-lib", "mid-lib", "1.0"), Hop("jinja2<2.11", "jinja2", "2.10"))
    assert exposure.environments == (graphed.LINUX,)
    assert house.told(repository_id, "mid-lib") == {"1.0": ["CVE-2019-10906: jinja2 2.10"]}
    assert house.known.of(repository_id, "jinja2") == house.known.of(repository_id, "nothing") == {}


def test_a_repository_without_a_graph_exposes_nothing(house: House) -> None:
    repository_id = house.repository()
    assert house.known.of(repository_id, "jinja2") == {}
    assert not list(house.known.of_repository(repository_id))
    assert not list(house.known.exposed(repository_id, "CVE-1"))


def test_the_shortest_path_then_the_first_in_byte_order(house: House) -> None:
    nodes: dict[NodeKey, list[Asked]] = {
        ("app", "1", ""): [(name, name, "1", "") for name in ("far", "b", "B")],
        ("far", "1", ""): [("b", "b", "1", "")],
        ("b", "1", ""): [("jinja2", "jinja2", "2.10", "")],
        ("B", "1", ""): [("jinja2", "jinja2", "2.10", "")],
        ("jinja2", "2.10", ""): [],
    }
    assert house.told(house.put(nodes, JINJA), "app") == {"1": ["CVE-2019-10906: B 1 > jinja2 2.10"]}


def test_one_vulnerability_of_one_package_is_one_exposure_whatever_scanners_call_it(house: House) -> None:
    """It is told as it is known of the version that is nearest."""
    older = vulnerability("PYSEC-2019-217", "jinja2", "2.9", Severity.MEDIUM)
    twin = vulnerability("CVE-2019-10906", "jinja2-fork", "1")
    nodes: dict[NodeKey, list[Asked]] = {
        ("app", "1", ""): [
            ("mid", "mid", "1", ""),
            ("jinja2<2.10", "jinja2", "2.9", ""),
            ("f", "jinja2-fork", "1", ""),
        ],
        ("mid", "1", ""): [("jinja2", "jinja2", "2.10", "")],
        ("jinja2", "2.9", ""): [],
        ("jinja2", "2.10", ""): [],
        ("jinja2-fork", "1", ""): [],
    }
    [fork, jinja] = house.known.of(house.put(nodes, JINJA, older, twin), "app")["1"]
    assert (fork.vulnerability, jinja.vulnerability) == (twin, older), "the worst first"


def test_ids_that_another_version_joins_are_one_though_it_is_not_reached(house: House) -> None:
    """So that one package's exposures are those that the repository's have of it."""
    nodes: dict[NodeKey, list[Asked]] = {
        ("app", "1", ""): [("ball<2", "ball", "1", ""), ("net", "net", "1", "")],
        ("net", "1", ""): [("ball", "ball", "2", "")],
        ("ball", "1", ""): [],
        ("ball", "2", ""): [],
    }
    wrong = [vulnerability("A-1", "ball", "1"), vulnerability("B-1", "ball", "2")]
    joining = vulnerability("A-1", "ball", "3", Severity.HIGH, "B-1")
    repository_id = house.put(nodes, *wrong, joining)
    assert house.told(repository_id, "app") == {"1": ["A-1: ball 1"]}
    assert dict(house.known.of_repository(repository_id))["app"] == house.known.of(repository_id, "app")


def test_extras_count_where_they_are_asked_for(house: House) -> None:
    nodes: dict[NodeKey, list[Asked]] = {
        ("plain", "1", ""): [("lib", "lib", "1", "")],
        ("rich", "1", ""): [("lib[async,tls]", "lib", "1", "async,tls")],
        ("lib", "1", ""): [],
        ("lib", "1", "async,tls"): [("jinja2", "jinja2", "2.10", "")],
        ("jinja2", "2.10", ""): [],
    }
    repository_id = house.put(nodes, JINJA)
    assert house.told(repository_id, "rich") == {"1": ["CVE-2019-10906: lib 1[async][tls] > jinja2 2.10"]}
    assert house.told(repository_id, "plain") == house.told(repository_id, "lib") == {}


def test_each_environment_counts(house: House) -> None:
    """The path is the shortest in any of them, the environments are all in which there is one."""
    repository_id = house.put(STACK, JINJA, environment="linux")
    near: dict[NodeKey, list[Asked]] = {
        ("top-app", "1.0", ""): [("jinja2", "jinja2", "2.10", "")],
        ("jinja2", "2.10", ""): [],
    }
    house.put(near, JINJA, repository_id=repository_id, environment="windows")
    house.put({("top-app", "1.0", ""): []}, repository_id=repository_id, environment="macos")
    [exposure] = house.known.of(repository_id, "top-app")["1.0"]
    assert _way(exposure.path) == "jinja2 2.10" and exposure.environments == ("linux", "windows")


def test_cycles_support_nothing_and_lead_to_all_they_reach(house: House) -> None:
    nodes: dict[NodeKey, list[Asked]] = {
        ("a", "1", ""): [("b", "b", "1", "")],
        ("b", "1", ""): [("c", "c", "1", ""), ("jinja2", "jinja2", "2.10", "")],
        ("c", "1", ""): [("a", "a", "1", ""), ("c", "c", "1", "")],
        ("jinja2", "2.10", ""): [],
    }
    clean = house.put(nodes)
    assert house.told(clean, "a") == {}
    hit = house.put(nodes, JINJA)
    assert house.told(hit, "c") == {"1": ["CVE-2019-10906: a 1 > b 1 > jinja2 2.10"]}


def test_what_leads_back_to_the_version_itself_is_no_exposure_but_another_version_is(house: House) -> None:
    older = vulnerability("CVE-2019-10906", "jinja2", "2.9")
    nodes: dict[NodeKey, list[Asked]] = {
        ("jinja2", "2.10", ""): [("plugin", "plugin", "1", ""), ("long", "long", "1", "")],
        ("plugin", "1", ""): [("jinja2", "jinja2", "2.10", "")],
        ("long", "1", ""): [("longer", "longer", "1", "")],
        ("longer", "1", ""): [("jinja2<2.10", "jinja2", "2.9", "")],
        ("jinja2", "2.9", ""): [],
    }
    repository_id = house.put(nodes, JINJA, older)
    assert house.told(repository_id, "jinja2") == {"2.10": ["CVE-2019-10906: long 1 > longer 1 > jinja2 2.9"]}
    assert house.told(repository_id, "plugin") == {"1": ["CVE-2019-10906: jinja2 2.10"]}


def test_what_is_chosen_and_has_no_node_is_affected_all_the_same(house: House) -> None:
    nodes: dict[NodeKey, list[Asked]] = {("app", "1", ""): [("jinja2", "jinja2", "2.10", "")]}
    assert house.told(house.put(nodes, JINJA), "app") == {"1": ["CVE-2019-10906: jinja2 2.10"]}


def test_whom_a_vulnerability_hits_by_any_of_its_ids(house: House) -> None:
    nodes: dict[NodeKey, list[Asked]] = {
        **STACK,
        ("jinja2", "2.11", ""): [],
        ("other", "1", ""): [("markupsafe", "markupsafe", "2.0", "")],
    }
    depths = {("jinja2", "2.10", ""): 1}
    repository_id = house.put(nodes, JINJA, vulnerability("CVE-2", "markupsafe", "2.0"), depths=depths)
    for name in ("CVE-2019-10906", "PYSEC-2019-217"):
        hits = list(house.known.exposed(repository_id, name))
        assert [(hit.package, hit.version, hit.is_held, _way(hit.path)) for hit in hits] == [
            ("jinja2", "2.10", False, ""),
            ("mid-lib", "1.0", True, "jinja2 2.10"),
            ("top-app", "1.0", True, "mid-lib 1.0 > jinja2 2.10"),
        ]
        assert all(hit.vulnerability == JINJA and hit.environments == (graphed.LINUX,) for hit in hits)
    assert not list(house.known.exposed(repository_id, "cve-2019-10906"))
    assert house.known.repositories_with("PYSEC-2019-217") == [repository_id]


def test_the_revision_is_that_of_the_package_in_the_repository(house: House) -> None:
    first, second = house.put(STACK, JINJA), house.put(STACK, JINJA)
    before = house.known.revision(first, "top-app")
    with house.catalog.write() as db:
        graphed.changed(db, second, "top-app")
        graphed.changed(db, first, "mid-lib")
    assert house.known.revision(first, "top-app") == before
    with house.catalog.write() as db:
        graphed.changed(db, first, "top-app")
    assert house.known.revision(first, "top-app") != before


def test_who_asks_for_a_package(house: House) -> None:
    repository_id = house.put(STACK)
    db = house.catalog.read()
    [graph_id] = walks.graphs(db, repository_id).values()
    assert [(one.package, one.version, one.stated, one.chosen) for one in walks.requirers(db, graph_id, "jinja2")] == [
        ("mid-lib", "1.0", "jinja2<2.11", "2.10")
    ]
    [gone] = walks.requirers(db, graph_id, "gone")
    assert (gone.chosen, gone.reason) == (None, "missing")


def test_a_chain_of_ten_thousand(house: House) -> None:
    """What is deep is no deeper in Python; nor is a walk of it quadratic, but for the paths that are told."""
    nodes: dict[NodeKey, list[Asked]] = {
        (f"p{number:05}", "1", ""): [("next", f"p{number + 1:05}", "1", "")] for number in range(10_000)
    }
    nodes[("p10000", "1", "")] = []
    repository_id = house.put(nodes, vulnerability("CVE-1", "p10000", "1"))
    [exposure] = house.known.of(repository_id, "p00000")["1"]
    assert len(exposure.path) == 10_000
    package, found = next(iter(house.known.of_repository(repository_id)))
    assert (package, len(found["1"][0].path)) == ("p00000", 10_000)
    assert len(next(house.known.exposed(repository_id, "CVE-1")).path) == 10_000


NAMES = ("a", "b", "c", "d")
VERSIONS = ("1", "2")
EXTRAS = ("", "x", "x,y")
ENVIRONMENTS = ("linux", "windows")
keys = st.tuples(st.sampled_from(NAMES), st.sampled_from(VERSIONS), st.sampled_from(EXTRAS))
graphs = st.dictionaries(keys, st.lists(keys, max_size=3, unique=True), max_size=12)
faults = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from(VERSIONS), st.sampled_from((("V1",), ("V1", "V2"), ("V2", "V3")))
    ),
    max_size=4,
    unique_by=lambda fault: fault[:2],
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(ENVIRONMENTS), graphs, min_size=1), faults)
def test_against_a_plain_search(
    tmp_path_factory: pytest.TempPathFactory, drawn: dict[str, dict[NodeKey, list[NodeKey]]], wrong: list[Any]
) -> None:
    house = _shared(tmp_path_factory)
    found = [vulnerability(ids[0], package, version, Severity.HIGH, *ids) for package, version, ids in wrong]
    repository_id = house.repository()
    for environment, graph in drawn.items():
        whole = {**dict.fromkeys(key for keys in graph.values() for key in keys), **graph}
        nodes = {key: [(f"{p}=={v}", p, v, e) for p, v, e in asked or ()] for key, asked in whole.items()}
        house.put(nodes, *found, repository_id=repository_id, environment=environment)
    expected = _searched(drawn, found)
    for package in NAMES:
        told: dict[Any, Any] = {
            (version, one.path[-1].package, one.vulnerability.ids): (
                [(hop.package, hop.version, ",".join(hop.extras)) for hop in one.path],
                one.environments,
            )
            for version, exposures in house.known.of(repository_id, package).items()
            for one in exposures
        }
        assert told == expected.get(package, {})
    everywhere: dict[str, Any] = dict(house.known.of_repository(repository_id))
    assert everywhere == {name: each for name in NAMES if (each := house.known.of(repository_id, name))}
    for name in ("V1", "V2", "V3"):
        _same_hits(house, repository_id, name, everywhere, found)


def _same_hits(
    house: House, repository_id: str, name: str, everywhere: dict[str, Any], found: list[Vulnerability]
) -> None:
    """Those of an id are those that the repository's exposures tell of the versions that have it."""
    hits = {(hit.package, hit.version) for hit in house.known.exposed(repository_id, name) if hit.path}
    told = {
        (package, version)
        for package, by_version in everywhere.items()
        for version, exposures in by_version.items()
        for one in exposures
        if name in one.vulnerability.ids
    }
    assert told <= hits, "an id of a farther version may be another's"


def _searched(drawn: dict[str, dict[NodeKey, list[NodeKey]]], found: list[Vulnerability]) -> dict[str, Any]:
    """Over all simple paths, by length and byte order, from each version without extras: the nearest of each."""
    expected: dict[str, Any] = {}
    for package in NAMES:
        for version in VERSIONS:
            ways: dict[tuple[str, frozenset[str]], list[tuple[int, list[NodeKey], str]]] = {}
            for environment, graph in drawn.items():
                for path in _simple_paths(graph, (package, version, "")):
                    for one in found:
                        if (one.package, one.version) == path[-1][:2] != (package, version):
                            ways.setdefault((one.package, _group(one, found)), []).append(
                                (len(path), path, environment)
                            )
            for some in ways.values():
                _, path, _ = min(some)
                [nearest] = [one for one in found if (one.package, one.version) == path[-1][:2]]
                environments = tuple(sorted({environment for _, _, environment in some}))
                told = expected.setdefault(package, {})
                told[(version, nearest.package, nearest.ids)] = (path, environments)
    return expected


def _group(one: Vulnerability, found: list[Vulnerability]) -> frozenset[str]:
    ids = set(one.ids)
    for _ in found:
        for other in found:
            if other.package == one.package and ids & set(other.ids):
                ids |= set(other.ids)
    return frozenset(ids)


def _simple_paths(graph: dict[NodeKey, list[NodeKey]], start: NodeKey) -> Iterator[list[NodeKey]]:
    waiting: list[list[NodeKey]] = [[]]
    while waiting:
        path = waiting.pop()
        for following in graph.get(path[-1] if path else start, ()):
            if following not in path:
                yield [*path, following]
                waiting.append([*path, following])


_HOUSES: list[House] = []


def _shared(factory: pytest.TempPathFactory) -> House:
    if not _HOUSES:
        _HOUSES.append(House(factory.mktemp("exposures")))
    return _HOUSES[0]

"""Whether an exposure can be avoided, and what to take instead, in small worlds of toys."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import graphed
import pytest
from fake_sources import TOY, FakeSource, local
from graphed import Asked, NodeKey, vulnerability

from orbitalreg.catalog import Catalog, repositories
from orbitalreg.exposures import KnownExposures
from orbitalreg.findings import Vulnerability
from orbitalreg.graph import explaining
from orbitalreg.graph.explaining import Change, Outlook, Outlooks, Upgrade
from orbitalreg.graph.reading import Offered
from orbitalreg.graph.views import View

Given = dict[str, str]
"""What each version (`ball 1`, in the order of asking) needs, in words."""
ENVIRONMENT = "toybox"
FAR = "far"
"""Who holds the files of which nothing is here."""


class World:
    """Toys in one repository, with the graph that follows from them."""

    def __init__(self, folder: Path) -> None:
        self.catalog = Catalog(folder)
        self.repository_id = ""

    def outlook(self, source: FakeSource, given: Given, pin: str, *wrong: Vulnerability) -> Outlook:
        """On the one exposure of that version."""
        for each, needs in given.items():
            package, version = each.split()
            source.put(package, version, requirements=tuple(needs.split()))
        self._graph(source, given, wrong)
        package, version = pin.split()
        [exposure] = KnownExposures(self.catalog).of(self.repository_id, package)[version]
        return Outlooks(self.catalog, [self._view(source)]).of(package, version, exposure)

    def _view(self, source: Any) -> View:
        return View(
            replace(source.repository, id=self.repository_id), ENVIRONMENT, TOY, source, (), frozenset([FAR]), (), ""
        )

    def _graph(self, source: FakeSource, given: Given, wrong: tuple[Vulnerability, ...]) -> None:
        with self.catalog.write() as db:
            address, kind = source.repository.address, source.repository.kind
            self.repository_id = repositories.insert_repository(db, address, "toy", kind)
        view = self._view(source)
        nodes: dict[NodeKey, list[Asked]] = {}
        for each, needs in given.items():
            package, version = each.split()
            nodes[(package, version, "")] = [
                (
                    one.stated,
                    one.package,
                    Offered(view, one.package, (), _none).chosen(one.specifier)[0],
                    ",".join(one.extras),
                )
                for one in TOY.requirements(needs.split(), ENVIRONMENT)
            ]
        with self.catalog.write() as db:
            graphed.put(db, self.repository_id, nodes, wrong, ENVIRONMENT)


def _none(file: Any, kind: str) -> bytes:
    raise AssertionError("what is local states its needs itself")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.catalog.close()


HOLE = vulnerability("CVE-1", "ball", "1")
STACK = {"top 1": "mid==1", "mid 1": "ball<2", "ball 1": "", "ball 2": ""}


def test_a_later_version_of_a_dependency_where_its_asker_must_be_widened(world: World) -> None:
    said = world.outlook(local(), STACK, "top 1", HOLE)
    assert said == Outlook(True, Upgrade("ball", "2", Change.WIDEN, ("mid", "1"), "ball<2"))
    assert said.upgrade is not None and said.upgrade.text == "take ball 2, which mid 1 does not allow"


def test_what_is_nearer_comes_first(world: World) -> None:
    said = world.outlook(local(), {**STACK, "mid 2": "ball", "mid 3": ""}, "top 1", HOLE)
    assert said == Outlook(True, Upgrade("mid", "2", Change.WIDEN, ("top", "1"), "mid==1"))


def test_a_later_version_of_what_is_exposed_itself_comes_before_all(world: World) -> None:
    given = {**STACK, "top 2": "mid", "top 3": "", "mid 2": "ball<2"}
    said = world.outlook(local(), given, "top 1", HOLE)
    assert said.upgrade == Upgrade("top", "3", Change.ITSELF)
    assert said.upgrade.text == "take top 3"


def test_a_lower_version_that_is_allowed_where_no_later_one_is_clean(world: World) -> None:
    given = {"top 1": "mid", "mid 1": "ball<2", "ball 0.8": "", "ball 0.9": "", "ball 1": ""}
    said = world.outlook(local(), given, "top 1", HOLE)
    assert said == Outlook(False, Upgrade("ball", "0.9", Change.HOLD, ("mid", "1"), "ball<2"))
    assert said.upgrade is not None and said.upgrade.text == "hold ball at 0.9"


def test_none_where_there_is_none(world: World) -> None:
    assert world.outlook(local(), {"top 1": "ball", "ball 1": ""}, "top 1", HOLE) == Outlook(True, None)


def test_what_clears_one_way_and_leaves_another_is_no_upgrade(world: World) -> None:
    """Another `mid` is clean, and `side` brings the ball all the same."""
    given = {"top 1": "mid==1 side", "mid 1": "ball", "mid 2": "", "side 1": "ball", "ball 1": ""}
    assert world.outlook(local(), given, "top 1", HOLE).upgrade is None


def test_what_is_taken_is_taken_by_those_too_that_are_clean_today_and_ask_for_more_of_it(world: World) -> None:
    given = {
        "top 1": "ball==1 side",
        "side 1": "ball[big]<1",
        "ball 0.9": "",
        "ball 1": "",
        "ball 2": "big?net",
        "net 1": "",
    }
    assert world.outlook(local(), given, "top 1", HOLE, vulnerability("CVE-1", "net", "1")).upgrade is None


def test_it_can_be_avoided_where_one_allowed_version_is_clean_all_the_way(world: World) -> None:
    given = {"top 1": "mid", "mid 1": "net", "mid 2": "ball", "net 1": "", "ball 1": ""}
    assert not world.outlook(local(), given, "top 1", HOLE).is_unavoidable


def test_it_cannot_where_each_allowed_version_brings_it_in_turn(world: World) -> None:
    given = {"top 1": "mid", "mid 1": "net", "mid 2": "ball", "net 1": "ball", "ball 1": ""}
    assert world.outlook(local(), given, "top 1", HOLE).is_unavoidable


def test_cycles_support_nothing(world: World) -> None:
    """`mid` 1 leads to `top` alone, which is no reason that it cannot help it."""
    given = {"top 1": "mid", "mid 1": "top", "mid 2": "ball", "ball 1": ""}
    assert not world.outlook(local(), given, "top 1", HOLE).is_unavoidable


def test_a_version_whose_needs_are_not_known_is_told_as_such_where_nothing_better_is_there(world: World) -> None:
    given = {"top 1": "ball<2", "ball 1": ""}
    source = local()
    source.put("ball", "2", holder=FAR)
    said = world.outlook(source, given, "top 1", HOLE)
    assert said.upgrade == Upgrade("ball", "2", Change.WIDEN, ("top", "1"), "ball<2", is_proved=False)


def test_one_that_is_known_is_better_though_it_is_farther(world: World) -> None:
    source = local()
    source.put("ball", "2", holder=FAR)
    said = world.outlook(source, {"top 1": "ball<2", "ball 1": "", "ball 3": ""}, "top 1", HOLE)
    assert said.upgrade == Upgrade("ball", "3", Change.WIDEN, ("top", "1"), "ball<2")


def test_nothing_is_called_unavoidable_where_it_is_not_known(world: World) -> None:
    source = local()
    source.put("mid", "1", holder=FAR)
    given = {"top 1": "mid", "mid 2": "ball", "ball 1": ""}
    assert not world.outlook(source, given, "top 1", HOLE).is_unavoidable


def test_long_chains_are_no_deeper_in_python(world: World) -> None:
    given = {f"p{number} 1": f"p{number + 1}" for number in range(1500)} | {"p1500 1": "ball", "ball 1": ""}
    assert world.outlook(local(), given, "p0 1", HOLE) == Outlook(True, None)


def test_of_many_versions_each_is_tried_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be thousands of one package, all exposed, and somebody looks at them all."""
    tried: list[object] = []
    cleared = explaining._cleared

    def counted(*asked: Any) -> bool | None:
        tried.append(asked)
        return cleared(*asked)

    monkeypatch.setattr(explaining, "_cleared", counted)
    source = local()
    given = {"net 1": "", **{f"top {number}": "net<2" for number in range(1, 31)}, "top 31": "gone", "top 32": ""}
    world.outlook(source, given, "top 1", vulnerability("CVE-1", "net", "1"))
    tried.clear()
    outlooks = Outlooks(world.catalog, [world._view(source)])
    found = KnownExposures(world.catalog).of(world.repository_id, "top")
    said = {version: outlooks.of("top", version, one).upgrade for version, [one] in found.items()}
    assert len(said) == 30
    assert {one.text for one in said.values() if one is not None} == {"take top 31"}
    assert len(tried) == 30


def test_no_more_than_so_many_versions_of_a_dependency_are_tried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "TRIED", 3)
    given = {"top 1": "mid", "net 1": "", **{f"mid {number}": "net" for number in range(1, 9)}, "mid 0": ""}
    outlook = world.outlook(local(), given, "top 1", vulnerability("CVE-1", "net", "1"))
    assert outlook.upgrade is None

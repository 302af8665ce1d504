"""What is read, written or dropped while something else happens is right in the end."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from graphs import INTERNAL, World, anew, content

from orbitalreg.catalog import graph, graph_changes
from orbitalreg.graph.applying import Application
from orbitalreg.graph.reading import Reading
from orbitalreg.graph.updating import Updater
from orbitalreg.model import Finding, Listing, Report, ReportStatus, Severity

MIRROR = """
[projects.acme.repositories]
internal = { format = "pypi", kind = "local" }
mirror = { format = "pypi", kind = "remote", upstream = "http://127.0.0.1:1/simple" }
all = { format = "pypi", kind = "virtual", members = ["internal", "mirror"] }
"""


class Eye:
    """Says of every version of `low` that it is vulnerable, by its name alone."""

    judges: frozenset[str] = frozenset()

    def revision(self, format_name: str, package: str) -> str:
        return ""

    def of(self, format_name: str, listing: Listing) -> Mapping[str, tuple[Report, ...]]:
        found = (Finding("CVE-2020-1", "low", "1.0", Severity.HIGH),)
        return {file.id: (Report("eye", ReportStatus.OK, found),) for file in listing.files if file.package == "low"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_a_package_that_is_let_go_and_asked_for_at_once_keeps_its_findings(tmp_path: Path) -> None:
    world = World(tmp_path, MIRROR)
    try:
        updater = Updater(world.catalog, world.registry.graph.views, Eye())
        updater.reconcile()
        world.tell("low==1.0")
        world.put("top==1.0", "low")
        updater.update()
        assert world.exposed("top", "acme/all") == ["CVE-2020-1"]
        with world.catalog.write(lasting=False) as db:
            graph_changes.changed(db, "pypi", "low")
        updater._expand(updater._rows())
        db, row = world.catalog.read(), updater._rows()[world.graph_id("acme/all")]
        [pending] = [one for one in graph_changes.some(db, [row.id], 9) if one.package == "low"]
        with world.catalog.write(lasting=False) as db:  # it was read when nobody asked for it, and now somebody does
            application = Application(db, row)
            assert application.apply(pending, Reading("low", "", is_gone=True))
            application.finish()
        updater.update()
        assert world.exposed("top", "acme/all") == ["CVE-2020-1"]
    finally:
        world.close()


def test_a_graph_whose_end_was_broken_off_is_whole_when_it_is_wanted_again(world: World) -> None:
    world.put("low==1.0")
    world.put("top==1.0", "low")
    world.update()
    world.report("low==1.0", "CVE-2020-1")
    world.update()
    [row] = graph.graphs(world.catalog.read())
    with world.catalog.write(lasting=False) as db:  # a worker to which the graph is none, killed in between
        graph.forget(db, row)
        graph.drop(db, row.id, 1)
    world.again(INTERNAL)
    world.update()
    assert world.exposed("top") == ["CVE-2020-1"]
    assert content(world.registry) == anew(world)

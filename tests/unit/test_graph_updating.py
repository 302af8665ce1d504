"""The graph, kept in step with what is published, yanked, deleted and found."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from graphs import World, anew, content


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_each_requirement_leads_to_what_an_installer_would_choose(world: World) -> None:
    world.put("jinja2==2.10")
    world.put("jinja2==3.1")
    world.put("mid-lib==1.0", "jinja2<2.11")
    world.put("top-app==1.0", "mid-lib", "nobody-has-it>=1", "jinja2>9")
    world.update()
    assert world.edges() == [
        "mid-lib==1.0: jinja2<2.11 -> jinja2==2.10",
        "top-app==1.0: jinja2>9 -> nothing allowed",
        "top-app==1.0: mid-lib -> mid-lib==1.0",
        "top-app==1.0: nobody-has-it>=1 -> missing",
    ]
    assert world.nodes() == ["jinja2==2.10 0", "jinja2==3.1 0", "mid-lib==1.0 0", "top-app==1.0 0"]


def test_a_new_version_is_chosen_and_a_deleted_one_is_not(world: World) -> None:
    world.put("mid-lib==1.0")
    world.put("top-app==1.0", "mid-lib")
    world.update()
    world.put("mid-lib==1.1", "jinja2>=3")
    world.update()
    assert world.edges() == ["mid-lib==1.1: jinja2>=3 -> missing", "top-app==1.0: mid-lib -> mid-lib==1.1"]
    world.yank("mid-lib==1.1")
    world.update()
    assert "top-app==1.0: mid-lib -> mid-lib==1.0" in world.edges()
    world.delete("mid-lib==1.0")
    world.delete("mid-lib==1.1")
    world.update()
    assert world.edges() == ["top-app==1.0: mid-lib -> missing"]
    assert content(world.registry) == anew(world.registry)


def test_extras_are_nodes_as_long_as_somebody_asks_for_them(world: World) -> None:
    world.put("lib==1.0", 'a; extra == "x"', 'lib[x]; extra == "all"', "b")
    world.put("app==1.0", "lib[all]")
    world.update()
    assert world.nodes() == ["app==1.0 0", "lib==1.0 0", "lib[all]==1.0 1", "lib[x]==1.0 2"]
    assert 'lib[all]==1.0: lib[x]; extra == "all" -> lib[x]==1.0' in world.edges()
    world.delete("app==1.0")
    world.update()
    assert world.nodes() == ["lib==1.0 0"]
    assert content(world.registry) == anew(world.registry)


def test_a_finding_raises_the_exposures_of_all_that_leads_to_it(world: World) -> None:
    world.put("low==1.0", "top")
    world.put("low==2.0")
    world.put("mid==1.0", "low<2")
    world.put("top==1.0", "mid")
    world.put("other==1.0", "low")
    world.update()
    before = {name: world.exposures_revision(name) for name in ("low", "mid", "top", "other")}
    world.report("low==1.0", "CVE-2020-1")
    world.update()
    after = {name: world.exposures_revision(name) for name in ("low", "mid", "top", "other")}
    assert [name for name in after if after[name] != before[name]] == ["low", "mid", "top"]
    assert content(world.registry) == anew(world.registry)


def test_nothing_is_written_where_nothing_changed(world: World) -> None:
    world.put("low==1.0")
    world.put("mid==1.0", "low")
    world.update()
    before = world.catalog.read().execute("SELECT total_changes()").fetchone()
    world.update()
    assert world.catalog.read().execute("SELECT total_changes()").fetchone() == before

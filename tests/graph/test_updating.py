"""The graph, kept in step with what is published, yanked, deleted and found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphs import INTERNAL, World, anew, content

from orbitalreg.errors import ConfigError


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
    assert content(world.registry) == anew(world)


def test_extras_are_nodes_as_long_as_somebody_asks_for_them(world: World) -> None:
    world.put("lib==1.0", 'a; extra == "x"', 'lib[x]; extra == "all"', "b")
    world.put("app==1.0", "lib[all]")
    world.update()
    assert world.nodes() == ["app==1.0 0", "lib==1.0 0", "lib[all]==1.0 1", "lib[x]==1.0 2"]
    assert 'lib[all]==1.0: lib[x]; extra == "all" -> lib[x]==1.0' in world.edges()
    world.delete("app==1.0")
    world.update()
    assert world.nodes() == ["lib==1.0 0"]
    assert content(world.registry) == anew(world)


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
    assert content(world.registry) == anew(world)


def test_what_no_finding_has_a_part_in_raises_nothing_and_what_it_has_does(world: World) -> None:
    world.put("bad==1.0")
    world.put("fine==1.0")
    world.put("low==1.0", "fine")
    world.put("mid==1.0", "low")
    world.put("top==1.0", "mid")
    world.report("bad==1.0", "CVE-2020-1")
    world.update()

    def raised() -> bool:
        before = world.exposures_revision("top")
        world.update()
        return world.exposures_revision("top") > before

    world.put("low==1.1", "fine")
    assert not raised()
    world.put("low==1.2", "bad")
    assert raised()
    world.yank("low==1.2")
    assert raised()
    world.yank("low==1.1")
    assert not raised()
    world.yank("low==1.2", None)
    assert raised()
    world.delete("low==1.2")
    assert raised()
    assert content(world.registry) == anew(world)


def test_nothing_is_written_where_nothing_changed(world: World) -> None:
    world.put("low==1.0")
    world.put("mid==1.0", "low")
    world.update()
    before = world.catalog.read().execute("SELECT total_changes()").fetchone()
    world.update()
    assert world.catalog.read().execute("SELECT total_changes()").fetchone() == before


# With an upstream's pages


MIRRORED = """
[projects.acme.repositories]
internal = { format = "pypi", kind = "local" }
mirror = { format = "pypi", kind = "remote", upstream = "http://127.0.0.1:1/simple" }
all-libs = { format = "pypi", kind = "virtual", members = ["internal", "mirror"] }
"""


@pytest.fixture
def mirrored(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, MIRRORED)
    yield world
    world.close()


def nodes(world: World) -> list[str]:
    world.update()
    assert content(world.registry) == anew(world)
    return world.nodes("acme/all-libs")


def test_of_an_upstream_only_what_is_chosen_or_held_is_a_node(mirrored: World) -> None:
    for pin in ("far==1.0", "far==2.0", "other==1.0"):
        mirrored.tell(pin)
    mirrored.put("app==1.0", "far")
    assert nodes(mirrored) == ["app==1.0 0", "far==2.0 1"]
    mirrored.cache("far==1.0")
    assert nodes(mirrored) == ["app==1.0 0", "far==1.0 0", "far==2.0 1"]
    mirrored.delete("app==1.0")
    assert nodes(mirrored) == ["far==1.0 0"]
    assert mirrored.nodes("acme/mirror") == ["far==1.0 0"]


def test_a_circle_of_packages_that_nothing_held_leads_to_is_gone(mirrored: World) -> None:
    mirrored.tell("round==1.0", "about[x]")
    mirrored.tell("about==1.0", "round; extra == 'x'")
    mirrored.put("app==1.0", "round")
    assert nodes(mirrored) == ["about[x]==1.0 2", "app==1.0 0", "round==1.0 1"]
    mirrored.put("app==2.0")
    mirrored.delete("app==1.0")
    assert nodes(mirrored) == ["app==2.0 0"]


def test_depths_follow_the_shortest_way_there_is(mirrored: World) -> None:
    mirrored.tell("one==1.0", "two")
    mirrored.tell("two==1.0", "three")
    mirrored.tell("three==1.0", "two")
    mirrored.put("app==1.0", "one")
    assert nodes(mirrored) == ["app==1.0 0", "one==1.0 1", "three==1.0 3", "two==1.0 2"]
    mirrored.put("app==2.0", "three")
    assert nodes(mirrored) == ["app==1.0 0", "app==2.0 0", "one==1.0 1", "three==1.0 1", "two==1.0 2"]
    mirrored.delete("app==1.0")
    assert nodes(mirrored) == ["app==2.0 0", "three==1.0 1", "two==1.0 2"]
    mirrored.cache("two==1.0")
    assert nodes(mirrored) == ["app==2.0 0", "three==1.0 1", "two==1.0 0"]


def test_a_node_that_is_chosen_by_somebody_nearer_is_nearer(mirrored: World) -> None:
    mirrored.tell("one==1.0", "two")
    mirrored.tell("two==1.0", "three==2.0")
    mirrored.tell("three==1.0")
    mirrored.tell("three==2.0", yanked="no good")
    mirrored.put("app==1.0", "one", "three")
    assert nodes(mirrored) == ["app==1.0 0", "one==1.0 1", "three==1.0 1", "three==2.0 3", "two==1.0 2"]
    mirrored.tell("three==2.0")
    assert nodes(mirrored) == ["app==1.0 0", "one==1.0 1", "three==2.0 1", "two==1.0 2"]


def test_what_an_upstream_does_not_say_is_unknown_until_it_is_here(mirrored: World) -> None:
    mirrored.tell("far==1.0", "deep", document=False)
    mirrored.put("app==1.0", "far")
    assert nodes(mirrored) == ["app==1.0 0", "far==1.0 1 unknown"]
    mirrored.tell("far==1.0", "deep")
    assert nodes(mirrored) == ["app==1.0 0", "far==1.0 1"]
    assert "far==1.0: deep -> missing" in mirrored.edges("acme/all-libs")


def test_a_name_that_is_held_here_is_chosen_here_alone(mirrored: World) -> None:
    mirrored.tell("lib==9.0")
    mirrored.put("app==1.0", "lib")
    mirrored.update()
    assert mirrored.edges("acme/all-libs") == ["app==1.0: lib -> lib==9.0"]
    mirrored.put("lib==1.0")
    mirrored.update()
    assert mirrored.edges("acme/all-libs") == ["app==1.0: lib -> lib==1.0"]
    assert content(mirrored.registry) == anew(mirrored)


# Odd requirements


def test_what_cannot_be_followed_is_answered_with_a_reason(world: World) -> None:
    world.put("app==1.0", "lib @ https://127.0.0.1:1/lib-1.tar.gz", "no requirement at all", "app[self]", "lib>1,<1")
    world.put("lib==1.0")
    world.update()
    assert world.edges() == [
        "app==1.0: app[self] -> app[self]==1.0",
        "app==1.0: lib @ https://127.0.0.1:1/lib-1.tar.gz -> elsewhere",
        "app==1.0: lib>1,<1 -> nothing allowed",
        "app==1.0: no requirement at all -> unreadable",
        "app[self]==1.0: app[self] -> app[self]==1.0",
        "app[self]==1.0: lib @ https://127.0.0.1:1/lib-1.tar.gz -> elsewhere",
        "app[self]==1.0: lib>1,<1 -> nothing allowed",
        "app[self]==1.0: no requirement at all -> unreadable",
    ]


@pytest.mark.parametrize("method", ["offers", "candidates", "requirements"])
def test_an_adapter_that_fails_at_one_package_fails_at_no_other(
    world: World, method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = type(world.registry.formats["pypi"])
    good = getattr(adapter, method)

    def bad(self: Any, what: Any, *more: Any) -> Any:
        if "bad" in repr(what):
            raise RuntimeError("it broke")
        return good(self, what, *more)

    world.put("bad==1.0", "bad-thing")
    world.put("good==1.0", "fine")
    world.put("fine==1.0")
    world.put("app==1.0", "good", "bad")
    monkeypatch.setattr(adapter, method, bad)
    world.update()
    fault = "the format pypi failed: RuntimeError; the log of that time says more"
    assert "good==1.0: fine -> fine==1.0" in world.edges()
    told = [*world.nodes(), *world.edges()]
    assert any(fault in line or line == "app==1.0: bad -> failed" for line in told)
    assert "it broke" in caplog.text
    monkeypatch.undo()
    world.again()
    with world.catalog.write() as db:  # as an upgrade of the plugin has it
        db.execute("UPDATE graph SET digest = '', built_at = NULL")
        db.execute("UPDATE graph_package SET revision = ''")
    world.update()
    assert "app==1.0: bad -> bad==1.0" in world.edges()
    assert not any(fault in line for line in world.nodes())


def test_another_configuration_makes_other_graphs(world: World) -> None:
    world.put("app==1.0", "old; python_version < '3.10'", "new; python_version >= '3.10'")
    world.update()
    assert world.edges() == ["app==1.0: new; python_version >= '3.10' -> missing"]
    world.again(INTERNAL + '[graph]\nenvironments = ["cpython-3.9-linux-x86_64"]\n')
    world.update()
    assert world.edges() == ["app==1.0: old; python_version < '3.10' -> missing"]
    world.again("[projects.acme.repositories]\n")
    world.update()
    assert content(world.registry) == []


def test_with_an_environment_go_the_exposures_in_it(world: World) -> None:
    world.put("low==1.0")
    world.put("top==1.0", "low")
    world.update()
    world.report("low==1.0", "CVE-2020-1")
    world.update()
    before = world.exposures_revision("top")
    world.again(INTERNAL + "[graph]\nenvironments = []\n")
    world.update()
    assert world.exposures_revision("top") > before
    assert content(world.registry) == []


def test_an_empty_list_turns_the_graph_off_and_what_is_changed_is_seen_when_it_is_on(world: World) -> None:
    world.put("app==1.0", "lib")
    world.update()
    world.again(INTERNAL + "[graph]\nenvironments = []\n")
    world.update()
    assert world.registry.graph.views == ()
    world.put("lib==1.0")
    world.again()
    world.update()
    assert world.edges() == ["app==1.0: lib -> lib==1.0"]


def test_an_environment_that_no_format_knows_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"graph\.environments\.1: 'beos' is no environment"):
        World(tmp_path, INTERNAL + '[graph]\nenvironments = ["cpython-3.12-linux-x86_64", "beos"]\n')

"""Upstreams asked for what graphs lead to: how far, how much, and for what never."""

import io
import json
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from graphs import World, anew, content, metadata
from scripted_upstream import ScriptedUpstream, reply, status

from orbitalreg.catalog import graph_following
from orbitalreg.graph import following
from orbitalreg.graph.following import Follower, Stopped
from orbitalreg.graph.reading import Offered
from orbitalreg.model import now

TEXT = """
[projects.acme]
private_names = ["secret-*"]
[projects.acme.repositories]
internal = {{ format = "pypi", kind = "local" }}
mirror = {{ format = "pypi", kind = "remote", upstream = "{upstream}", listing_ttl = "1h", negative_ttl = "1h" {more} }}
all-libs = {{ format = "pypi", kind = "virtual", members = ["internal", "mirror"] }}
[graph]
upstream_rate = 1000
{graph}
"""
DAY = 86_400_000_000


class Index(ScriptedUpstream):
    """A package index on loopback."""

    def tell(self, pin: str, *requirements: str) -> None:
        """It has one version of the package, and this is what it asks for."""
        package, _, version = pin.partition("==")
        filename = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
        page = {
            "meta": {"api-version": "1.1"},
            "name": package,
            "versions": [version],
            "files": [{"filename": filename, "url": f"/files/{filename}", "hashes": {}, "core-metadata": True}],
        }
        kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
        self.table[f"/simple/{package}/"] = reply(json.dumps(page).encode(), headers=kind)
        self.table[f"/files/{filename}.metadata"] = reply(metadata(pin, requirements))

    def asked(self) -> list[str]:
        """The packages that were asked for, in order."""
        return [path.split("/")[2] for path in self.paths() if path.startswith("/simple/")]


class Following(World):
    def __init__(self, folder: Path, index: Index, graph: str = "", more: str = "") -> None:
        self.index = index
        super().__init__(folder, TEXT.format(upstream=index.url("/simple"), graph=graph, more=more))

    def follow(self, ahead: int = 0) -> None:
        """Both jobs in turns, until neither has anything to do; so many microseconds from now."""

        def clock() -> int:
            return now() + ahead

        graphs = self.registry.graph
        follower = Follower(self.catalog, graphs.views, self.registry.settings.graph, clock)
        self.update()
        while (due := follower.next_at()) is not None and due <= clock():
            follower.follow()
            self.update()


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as index:
        yield index


@pytest.fixture
def made() -> Iterator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def test_what_is_asked_for_is_followed_as_far_as_it_goes(tmp_path: Path, index: Index, made: list[World]) -> None:
    index.tell("one==1.0", "two>=1", "nowhere")
    index.tell("two==1.5", "one")
    made.append(world := Following(tmp_path, index))
    world.put("app==1.0", "one")
    world.follow()
    assert world.edges("acme/all-libs") == [
        "app==1.0: one -> one==1.0",
        "one==1.0: nowhere -> missing",
        "one==1.0: two>=1 -> two==1.5",
        "two==1.5: one -> one==1.0",
    ]
    assert index.asked() == ["one", "nowhere", "two"]
    assert len(index.paths()) == 5
    assert content(world.registry) == anew(world)


def test_what_is_wanted_while_an_upstream_is_asked_is_asked_for_too(
    tmp_path: Path, index: Index, made: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is updated by another thread, between an answer and the note that it came."""
    index.tell("one==1.0", "two")
    index.tell("two==1.5")
    made.append(world := Following(tmp_path, index))
    world.put("app==1.0", "one")

    class Answered(Offered):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            world.update()

    monkeypatch.setattr(following, "Offered", Answered)
    world.follow()
    assert world.edges("acme/all-libs") == ["app==1.0: one -> one==1.0", "one==1.0: two -> two==1.5"]
    assert len(index.paths()) == 4


def test_no_further_than_configured(tmp_path: Path, index: Index, made: list[World]) -> None:
    for number in range(5):
        index.tell(f"lib{number}==1.0", f"lib{number + 1}")
    made.append(world := Following(tmp_path, index, "upstream_depth = 2"))
    world.put("app==1.0", "lib0")
    world.follow()
    assert index.asked() == ["lib0", "lib1"]
    assert "lib1==1.0: lib2 -> missing" in world.edges("acme/all-libs")


def test_no_more_than_configured(tmp_path: Path, index: Index, made: list[World]) -> None:
    for number in range(5):
        index.tell(f"lib{number}==1.0")
    made.append(world := Following(tmp_path, index, "upstream_packages = 3"))
    world.put("app==1.0", *(f"lib{number}" for number in range(5)))
    world.follow()
    assert index.asked() == ["lib0", "lib1", "lib2"]


def test_a_private_name_is_never_asked_for(tmp_path: Path, index: Index, made: list[World]) -> None:
    index.tell("secret-thing==9.0")
    index.tell("held==9.0")
    index.tell("public==1.0", "secret-other", "held")
    made.append(world := Following(tmp_path, index))
    world.put("held==1.0")
    world.put("app==1.0", "secret-thing", "held", "public")
    world.follow()
    assert index.asked() == ["public"]
    assert "app==1.0: held -> held==1.0" in world.edges("acme/all-libs")


def test_what_a_public_file_asks_for_is_not_followed_to_a_name_that_is_held_here(
    tmp_path: Path, index: Index, made: list[World]
) -> None:
    """In the remote's own view no guard stands; a virtual repository over it has one."""
    index.tell("held==9.0")
    index.tell("free==1.0")
    made.append(world := Following(tmp_path, index))
    world.put("held==1.0")
    world.tell("public==1.0", "held", "free")
    world.cache("public==1.0")
    world.follow()
    assert index.asked() == ["free"]
    assert world.edges("acme/mirror") == ["public==1.0: free -> free==1.0", "public==1.0: held -> missing"]


def test_offline_nobody_is_asked(tmp_path: Path, index: Index, made: list[World]) -> None:
    index.tell("one==1.0")
    made.append(world := Following(tmp_path, index, more=", offline = true"))
    world.put("app==1.0", "one")
    world.follow()
    assert index.paths() == []


def test_offline_what_a_cached_file_asks_for_is_read_from_inside_it(
    tmp_path: Path, index: Index, made: list[World]
) -> None:
    made.append(world := Following(tmp_path, index))
    world.tell("one==1.0", document=False)
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("one-1.0.dist-info/METADATA", metadata("one==1.0", ["two>3"]))
    world.cache("one==1.0", wheel.getvalue())
    world.again(TEXT.format(upstream=index.url("/simple"), graph="", more=", offline = true"))
    world.follow()
    assert world.edges("acme/mirror") == ["one==1.0: two>3 -> missing"]
    assert index.paths() == []


def test_an_upstream_that_fails_is_asked_later_and_later_and_others_meanwhile(
    tmp_path: Path, index: Index, made: list[World]
) -> None:
    index.table["/simple/bad/"] = status(500)
    index.tell("good==1.0")
    made.append(world := Following(tmp_path, index))
    world.put("app==1.0", "bad", "good")
    world.follow()
    assert index.asked().count("good") == 1
    graph_id = world.graph_id("acme/all-libs")
    waits = []
    for _ in range(4):
        [(at, failures)] = (
            world.catalog.read()
            .execute(
                "SELECT follow_at, failures FROM graph_package WHERE graph_id = ? AND package = 'bad'", (graph_id,)
            )
            .fetchall()
        )
        waits.append((failures, at - now()))
        world.follow(at - now())
    assert [failures for failures, _ in waits] == [1, 2, 3, 4]
    assert all(1.5 * first < second for (_, first), (_, second) in pairwise(waits))
    index.tell("bad==1.0")
    world.follow(DAY // 10)
    assert "app==1.0: bad -> bad==1.0" in world.edges("acme/all-libs")


def test_upstreams_are_asked_again_after_a_day(tmp_path: Path, index: Index, made: list[World]) -> None:
    index.tell("one==1.0")
    made.append(world := Following(tmp_path, index))
    world.put("app==1.0", "one")
    world.follow()
    due = graph_following.next_at(world.catalog.read(), [world.graph_id("acme/all-libs")])
    assert due is not None
    assert 0.89 * DAY < due - now() < 1.11 * DAY


def test_following_ends_when_it_is_to_stop(tmp_path: Path, index: Index, made: list[World]) -> None:
    index.tell("one==1.0")
    made.append(world := Following(tmp_path, index))
    world.put("app==1.0", "one")
    world.update()
    with pytest.raises(Stopped):
        world.registry.graph.follower.follow(lambda: True)
    assert index.paths() == []

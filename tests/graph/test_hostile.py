"""What a small file may cost those who keep the graph is bounded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from graphs import World, anew, content
from sqlite_utils import Database

from orbitalreg.catalog import graph
from orbitalreg.graph import reading

MIRRORED = """
[projects.acme.repositories]
internal = { format = "pypi", kind = "local" }
mirror = { format = "pypi", kind = "remote", upstream = "http://127.0.0.1:1/simple" }
all = { format = "pypi", kind = "virtual", members = ["internal", "mirror"] }
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.mark.parametrize(("bound", "limit"), [("TEXTS", 300), ("REQUIREMENTS", 150)])
def test_a_version_that_asks_for_each_of_its_extras_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, bound: str, limit: int
) -> None:
    monkeypatch.setattr(reading, bound, limit)
    world.put("p==1.0", *(f"a{number}" for number in range(20)), *(f"p[e{number}]" for number in range(20)))
    world.update()
    assert len(world.edges()) <= 40 + limit + 40
    refused = [node for node in world.nodes() if node.endswith(f"unknown: {reading.TOO_MANY_EXTRAS}")]
    assert 10 < len(refused) < 20
    assert content(world.registry) == anew(world)


def test_a_version_that_asks_for_all_versions_of_another_one_by_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WAYS", 5)
    world.put("p==1.0", *(f"a>={number}" for number in range(8)), "b")
    world.update()
    assert world.edges() == [
        *(f"p==1.0: a>={number} -> missing" for number in range(5)),
        *(f"p==1.0: a>={number} -> unreadable" for number in range(5, 8)),
        "p==1.0: b -> missing",
    ]


def test_versions_that_go_together_are_looked_at_once_by_what_they_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, MIRRORED)
    try:
        world.tell("far==1.0")
        for number in range(30):
            world.put(f"app==1.{number}", "far")
        world.put("other==1.0", "far")
        world.update()
        rows: list[tuple[int, int]] = []
        askers = graph.askers

        def counted(db: Database, node_id: int) -> Iterator[tuple[int, int]]:
            for row in askers(db, node_id):
                rows.append(row)
                yield row

        monkeypatch.setattr(graph, "askers", counted)
        for number in range(30):
            world.delete(f"app==1.{number}")
        world.update()
        assert world.nodes("acme/all") == ["far==1.0 1", "other==1.0 0"]
        assert len(rows) < 5 * 30
    finally:
        world.close()

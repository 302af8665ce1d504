"""The jobs that keep the graphs: beside one another, killed, and as a worker runs them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from graphs import INTERNAL, World, anew, content

from orbitalreg.assembly import assemble
from orbitalreg.catalog import graph_changes
from orbitalreg.graph.applying import Application
from orbitalreg.graph.reading import Reader
from orbitalreg.jobs import Worker

TESTS = Path(__file__).parents[1]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def fill(world: World, count: int) -> None:
    for number in range(count):
        world.put(f"lib{number}==1.0", *(f"lib{(number * 7 + step) % count}" for step in range(4)))


def test_a_worker_has_the_graph_in_step_a_moment_after_an_upload(world: World) -> None:
    worker = Worker(world.catalog, world.registry.handlers)
    worker.start()
    try:
        world.put("lib==1.0")
        world.put("app==1.0", "lib")
        end = time.monotonic() + 20
        while graph_changes.waiting(world.catalog.read()) or not world.edges():
            assert time.monotonic() < end
            time.sleep(0.02)
        assert world.edges() == ["app==1.0: lib -> lib==1.0"]
    finally:
        worker.stop()


def test_what_was_read_before_a_change_is_not_written_after_it(world: World) -> None:
    """As by a worker that lost its lease while it was reading."""
    world.put("lib==1.0")
    world.put("app==1.0", "lib")
    world.update()
    world.put("lib==2.0")
    updater = world.registry.graph.updater
    rows = updater._rows()
    updater._expand(rows)
    [pending] = graph_changes.some(world.catalog.read(), rows, 10)
    row = rows[pending.graph_id]
    [view] = world.registry.graph.views
    late = Reader(world.catalog, updater._reader._known).read(row.id, view, "lib")
    world.put("lib==3.0")
    world.update()  # another worker
    assert world.edges() == ["app==1.0: lib -> lib==3.0"]
    with world.catalog.write(lasting=False) as db:
        application = Application(db, row)
        assert not application.apply(pending, late)
        application.finish()
    world.update()
    assert world.edges() == ["app==1.0: lib -> lib==3.0"]


def test_several_workers_at_once_make_the_same_graph(world: World) -> None:
    fill(world, 40)
    others = [assemble(world.registry.settings) for _ in range(2)]
    faults: list[BaseException] = []

    def run(update: Callable[[], object]) -> None:
        try:
            update()
        except BaseException as error:
            faults.append(error)
        finally:
            world.catalog.close()

    try:
        world.registry.graph.updater.reconcile()
        updaters = [registry.graph.updater for registry in (world.registry, *others)]
        threads = [threading.Thread(target=run, args=(updater.update,)) for updater in updaters]
        for thread in threads:
            thread.start()
        for number in range(20):
            world.put(f"lib{number}==2.0", f"lib{number + 1}")
        for thread in threads:
            thread.join(60)
        assert not faults
        world.update()
        assert content(world.registry) == anew(world)
    finally:
        for registry in others:
            registry.close()
            registry.catalog.close()


UPDATING = """
import sys
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/toy"]
from pathlib import Path
from graphs import configured
from orbitalreg.assembly import assemble
from orbitalreg.graph import updating
updating.BATCH = 3
registry = assemble(configured(Path(sys.argv[1])))
registry.graph.updater.reconcile()
print("begun", flush=True)
registry.graph.updater.update()
print("done", flush=True)
"""


def test_a_process_that_is_killed_leaves_no_other_graph(world: World) -> None:
    fill(world, 60)
    kills = 0
    for pause in (0.0, 0.1, 0.2):
        command = [sys.executable, "-c", UPDATING, str(world.folder), str(TESTS)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ))
        assert child.stdout is not None
        with child.stdout:
            assert child.stdout.readline() == b"begun\n"
            time.sleep(pause)
            child.send_signal(signal.SIGKILL)
            kills += child.wait(20) == -signal.SIGKILL
    assert kills
    world.update()
    assert content(world.registry) == anew(world)


def test_time_alone_lets_a_version_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = INTERNAL + 'slow = { format = "pypi", kind = "virtual", members = ["internal"], min_age = "1s" }\n'
    world = World(tmp_path, text)
    try:
        world.put("app==1.0", "lib")
        world.put("lib==1.0")
        world.update()
        assert world.nodes("acme/slow") == []
        due = world.registry.graph.updater.next_due()
        assert due is not None
        end = time.monotonic() + 20
        while not world.edges("acme/slow"):
            assert time.monotonic() < end
            time.sleep(0.05)
            world.update()
        assert world.edges("acme/slow") == ["app==1.0: lib -> lib==1.0"]
        assert content(world.registry) == anew(world)
    finally:
        world.close()


def test_thousands_of_changes_at_once_are_one_job(world: World) -> None:
    with world.catalog.write() as db:
        for number in range(5000):
            graph_changes.changed(db, "pypi", f"lib{number}")
    db = world.catalog.read()
    [(count,)] = db.execute("SELECT COUNT(*) FROM job WHERE kind = 'graph.update'").fetchall()
    assert count == 1
    world.update()
    assert graph_changes.waiting(db) == 0

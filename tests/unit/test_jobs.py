"""Jobs: the lease's state machine against a model, the worker, and workers that are killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from sqlite_utils import Database

from orbitalreg import jobs
from orbitalreg.catalog import Catalog
from orbitalreg.catalog import jobs as rows
from orbitalreg.catalog.jobs import NEVER
from orbitalreg.catalog.schema import migrations
from orbitalreg.errors import StorageFailed
from orbitalreg.jobs import BrokenOff, Handler, Later, Task, Worker

PATIENCE = 30.0


@dataclass
class Wanted:
    """What the model knows of one job."""

    due_at: int
    unique: bool
    lease: str | None = None
    until: int = 0
    attempts: int = 0
    again_at: int | None = None
    given_up: bool = False


class Leases(RuleBasedStateMachine):
    """Every rule is done to the table and to the model; what the table answers must be what the model says."""

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.db = Database(memory=True)
        migrations.apply(self.db)
        self.now = 1000
        self.model: dict[str, Wanted] = {}
        self.count = 0

    def teardown(self) -> None:
        self.db.close()

    @rule(delay=st.integers(0, 20))
    def enqueue(self, delay: int) -> None:
        self.count += 1
        rows.insert(self.db, "k", f"s{self.count}", "{}", self.now, self.now + delay, None)
        self.model[f"s{self.count}"] = Wanted(self.now + delay, unique=False)

    @rule(delay=st.integers(0, 20), subject=st.sampled_from(["u1", "u2"]))
    def enqueue_unique(self, delay: int, subject: str) -> None:
        due_at = self.now + delay
        rows.insert(self.db, "k", subject, "{}", self.now, due_at, f"k:{subject}")
        known = self.model.setdefault(subject, Wanted(due_at, unique=True))
        if known.lease is not None:
            known.again_at = min(due_at, due_at if known.again_at is None else known.again_at)
        elif known.given_up:
            known.given_up, known.attempts, known.due_at = False, 0, due_at
        else:
            known.due_at = min(known.due_at, due_at)

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(target=leases, length=st.integers(1, 10))
    def take(self, length: int) -> Any:
        self.count += 1
        lease = f"L{self.count}"
        row = rows.lease(self.db, ["k"], lease, self.now, self.now + length)
        dead = sorted((w.until, s) for s, w in self.model.items() if w.lease and w.until <= self.now)
        due = [w.due_at for w in self.model.values() if not w.lease and not w.given_up and w.due_at <= self.now]
        if row is None:
            assert not dead and not due
            return multiple()
        job = self.model[row.subject]
        if dead:
            assert job.lease is not None and job.until == dead[0][0]
        else:
            assert job.lease is None and not job.given_up and job.due_at == min(due)
        if job.lease is None:
            job.again_at = None
        job.lease, job.until, job.attempts = lease, self.now + length, job.attempts + 1
        assert row.attempts == job.attempts
        return lease

    def holder(self, lease: str) -> str | None:
        return next((subject for subject, job in self.model.items() if job.lease == lease), None)

    @rule(lease=leases, length=st.integers(1, 10))
    def beat(self, lease: str, length: int) -> None:
        subject = self.holder(lease)
        assert rows.extend(self.db, [lease], self.now + length) == ({lease} if subject else set())
        if subject:
            self.model[subject].until = self.now + length

    @rule(lease=consumes(leases))
    def finish(self, lease: str) -> None:
        subject = self.holder(lease)
        assert rows.finish(self.db, lease) == (subject is not None)
        if subject is None:
            return
        job = self.model.pop(subject)
        if job.again_at is not None:
            self.model[subject] = Wanted(job.again_at, job.unique)

    @rule(lease=consumes(leases), delay=st.integers(0, 20))
    def fail(self, lease: str, delay: int) -> None:
        subject = self.holder(lease)
        assert rows.put_off(self.db, lease, self.now + delay, "no") == (subject is not None)
        if subject:
            job = self.model[subject]
            job.lease, job.due_at, job.again_at = None, self.now + delay, None

    @rule(lease=consumes(leases))
    def break_off(self, lease: str) -> None:
        subject = self.holder(lease)
        assert rows.release(self.db, lease, self.now) == (subject is not None)
        if subject:
            job = self.model[subject]
            job.lease, job.due_at, job.again_at, job.attempts = None, self.now, None, job.attempts - 1

    @rule(lease=consumes(leases))
    def give_up(self, lease: str) -> None:
        subject = self.holder(lease)
        assert rows.give_up(self.db, lease, self.now, "never") == (subject is not None)
        if subject:
            job = self.model[subject]
            job.lease, job.again_at, job.given_up = None, None, True

    @rule()
    def retry(self) -> None:
        lost = [job for job in self.model.values() if job.given_up]
        assert rows.retry(self.db, self.now) == len(lost)
        for job in lost:
            job.given_up, job.attempts, job.due_at = False, 0, self.now

    @invariant()
    def the_table_is_as_the_model(self) -> None:
        told = {
            subject: (due_at, lease, until, attempts, failed_at is not None)
            for subject, due_at, lease, until, attempts, failed_at in self.db.execute(
                "SELECT subject, due_at, leased_by, leased_until, attempts, failed_at FROM job"
            ).fetchall()
        }
        wanted = {}
        for subject, job in self.model.items():
            due_at = job.due_at if job.lease is None else (NEVER if job.again_at is None else job.again_at)
            due_at = NEVER if job.given_up else due_at
            wanted[subject] = (due_at, job.lease, job.until if job.lease else None, job.attempts, job.given_up)
        assert told == wanted
        moments = [w.until if w.lease else w.due_at for w in self.model.values() if not w.given_up]
        assert rows.next_at(self.db, ["k"]) == min(moments, default=None)
        assert rows.next_at(self.db, ["other"]) is None


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path)


@pytest.fixture
def working(catalog: Catalog) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(handlers: dict[str, Handler], **options: Any) -> Worker:
        started.append(Worker(catalog, handlers, **options))
        started[-1].start()
        return started[-1]

    yield start
    for worker in started:
        worker.stop()


def put(catalog: Catalog, kind: str, subject: str = "", **options: Any) -> None:
    with catalog.write() as db:
        jobs.enqueue(db, kind, subject, **options)


def left(catalog: Catalog) -> list[tuple[Any, ...]]:
    return list(catalog.read().execute("SELECT kind, subject, attempts, failure FROM job ORDER BY id").fetchall())


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_job_is_run_with_what_was_given_and_is_gone(catalog: Catalog, working: Callable[..., Worker]) -> None:
    ran: list[tuple[str, Any, int]] = []
    working({"k": Handler(lambda task: ran.append((task.subject, task.payload, task.attempt)))})
    put(catalog, "k", "one", payload={"a": [1]})
    until(lambda: not left(catalog))
    assert ran == [("one", {"a": [1]}, 1)]


def test_nothing_of_a_transaction_that_failed_is_run(catalog: Catalog, working: Callable[..., Worker]) -> None:
    ran: list[str] = []
    worker = working({"k": Handler(lambda task: ran.append(task.subject))})

    def fail() -> None:
        with catalog.write() as db:
            jobs.enqueue(db, "k", "lost")
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    put(catalog, "k", "kept")
    until(lambda: ran)
    assert worker.wait_idle(PATIENCE)
    assert ran == ["kept"]


def test_a_worker_leaves_kinds_that_it_does_not_know(catalog: Catalog, working: Callable[..., Worker]) -> None:
    put(catalog, "other")
    assert working({"k": Handler(lambda task: None)}).wait_idle(PATIENCE)
    assert left(catalog) == [("other", "", 0, None)]


def test_the_oldest_due_is_first_and_one_kind_at_once_keeps_the_order(
    catalog: Catalog, working: Callable[..., Worker]
) -> None:
    for number in range(5):
        put(catalog, "k", str(number))
    ran: list[str] = []
    assert working({"k": Handler(lambda task: ran.append(task.subject))}).wait_idle(PATIENCE)
    assert ran == list("01234")


def test_a_failure_is_kept_with_its_words_and_tried_again(catalog: Catalog, working: Callable[..., Worker]) -> None:
    tries: list[int] = []

    def run(task: Task) -> None:
        tries.append(task.attempt)
        if task.attempt < 3:
            raise StorageFailed("the disk was away")

    put(catalog, "k")
    seen: list[tuple[Any, ...]] = []
    working({"k": Handler(run, delay=0.05)})
    until(lambda: seen.extend(left(catalog)) or not left(catalog))
    assert tries == [1, 2, 3]
    assert ("k", "", 1, "the disk was away") in seen


def test_what_nobody_meant_to_raise_is_a_failure_that_shows_no_more_than_its_type(
    catalog: Catalog, working: Callable[..., Worker]
) -> None:
    def run(task: Task) -> None:
        raise ValueError("with a secret")

    put(catalog, "k")
    assert working({"k": Handler(run, attempts=1)}).wait_idle(PATIENCE)
    assert rows.given_up(catalog.read()) == [("k", 1, "ValueError; the log of that time says more")]


def test_what_was_given_up_stays_until_it_is_asked_for_again(catalog: Catalog, working: Callable[..., Worker]) -> None:
    broken = True

    def run(task: Task) -> None:
        if broken:
            raise StorageFailed("not yet")

    worker = working({"k": Handler(run, attempts=2, delay=0.01)})
    put(catalog, "k", unique=True)
    until(lambda: rows.given_up(catalog.read()))
    assert left(catalog) == [("k", "", 2, "not yet")]
    assert worker.wait_idle(PATIENCE)
    broken = False
    put(catalog, "k", unique=True)
    until(lambda: not left(catalog))


def test_a_handler_may_say_when_to_come_again(catalog: Catalog, working: Callable[..., Worker]) -> None:
    def run(task: Task) -> None:
        raise Later("busy", float(task.payload["seconds"]))

    put(catalog, "k", payload={"seconds": 1000})
    put(catalog, "k", payload={"seconds": 1e9})
    before = time.time()
    working({"k": Handler(run, delay=0.01, longest_delay=5000)})
    until(lambda: all(failure for *_, failure in left(catalog)))
    [first, second] = catalog.read().execute("SELECT due_at FROM job ORDER BY due_at").fetchall()
    assert before + 1000 <= first[0] / 1e6 < before + 1100
    assert before + 5000 <= second[0] / 1e6 < before + 5100


def test_back_off_doubles_up_to_its_cap_and_differs_a_little() -> None:
    handler = Handler(lambda task: None, delay=2, longest_delay=60)
    wanted = [2, 4, 8, 16, 32, 60, 60, 60]
    assert all(0.94 * right <= handler.pause(n) <= 1.06 * right for n, right in enumerate(wanted, 1))
    assert handler.pause(5000) <= 63.1
    assert len({handler.pause(3) for _ in range(20)}) > 1


def test_a_unique_job_asked_for_while_it_runs_is_run_once_more(
    catalog: Catalog, working: Callable[..., Worker]
) -> None:
    ran: list[int] = []

    def run(task: Task) -> None:
        ran.append(task.attempt)
        if len(ran) == 1:
            for _ in range(3):
                put(catalog, "k", unique=True)

    put(catalog, "k", unique=True)
    assert working({"k": Handler(run)}).wait_idle(PATIENCE)
    assert ran == [1, 1]
    assert left(catalog) == []


def test_one_kind_does_not_starve_another(catalog: Catalog, working: Callable[..., Worker]) -> None:
    ran, gate = threading.Event(), threading.Event()
    working({"slow": Handler(lambda task: gate.wait(PATIENCE) and None, at_once=2), "k": Handler(lambda t: ran.set())})
    for _ in range(5):
        put(catalog, "slow")
    put(catalog, "k")
    assert ran.wait(PATIENCE)
    gate.set()


def test_a_worker_that_stops_breaks_off_and_counts_no_attempt(catalog: Catalog, working: Callable[..., Worker]) -> None:
    begun = threading.Event()

    def run(task: Task) -> None:
        begun.set()
        while not task.stopping():
            time.sleep(0.01)
        raise BrokenOff

    put(catalog, "k")
    worker = working({"k": Handler(run)})
    assert begun.wait(PATIENCE)
    worker.stop()
    assert left(catalog) == [("k", "", 0, None)]
    assert rows.next_at(catalog.read(), ["k"]) is not None


def test_a_long_job_keeps_its_lease_and_a_lost_one_is_told(catalog: Catalog, working: Callable[..., Worker]) -> None:
    lost = threading.Event()
    steps: list[float] = []

    def run(task: Task) -> None:
        began = time.monotonic()
        while not task.stopping():
            steps.append(time.monotonic() - began)
            time.sleep(0.01)
        lost.set()
        raise BrokenOff

    put(catalog, "k")
    working({"k": Handler(run)}, lease_seconds=0.6)
    until(lambda: steps and steps[-1] > 1.5)  # more than two leases
    assert catalog.read().execute("SELECT attempts FROM job").fetchone() == (1,)
    with catalog.write() as db:
        db.execute("UPDATE job SET leased_by = 'another'")
    assert lost.wait(PATIENCE)
    until(lambda: catalog.read().execute("SELECT leased_by FROM job").fetchone() != (None,))


def test_a_job_whose_workers_die_every_time_is_given_up(catalog: Catalog, working: Callable[..., Worker]) -> None:
    ran: list[str] = []
    put(catalog, "k")
    with catalog.write() as db:
        db.execute("UPDATE job SET attempts = 3, leased_by = 'dead', leased_until = 1")
    assert working({"k": Handler(lambda task: ran.append("x"), attempts=3)}).wait_idle(PATIENCE)
    assert rows.given_up(catalog.read()) == [("k", 1, "its worker died every time")]
    assert ran == []


def test_the_worker_outlives_a_catalog_that_fails(
    catalog: Catalog, working: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran = threading.Event()
    failing = rows.next_at

    def fail(*arguments: Any) -> None:
        monkeypatch.setattr(rows, "next_at", failing)
        raise StorageFailed("the disk is full")

    monkeypatch.setattr(rows, "next_at", fail)
    working({"k": Handler(lambda task: ran.set())})
    put(catalog, "k")
    assert ran.wait(PATIENCE)
    assert "the worker could not look for jobs" in caplog.text


def test_an_idle_worker_only_reads(catalog: Catalog, working: Callable[..., Worker]) -> None:
    worker = working({"k": Handler(lambda task: None)})
    assert worker.wait_idle(PATIENCE)
    before = catalog.log_bytes()
    for _ in range(20):
        assert worker.wait_idle(PATIENCE)
    assert catalog.log_bytes() == before


WORKER = """
import os, sys, time
from pathlib import Path
from orbitalreg.catalog import Catalog
from orbitalreg.jobs import Handler, Worker

data = Path(sys.argv[1])

def run(task):
    # O_EXCL: two at a time would be seen; what a killed process left is removed by the test
    held = data / f"running-{task.subject}-{os.getpid()}"
    others = [path for path in data.glob(f"running-{task.subject}-*") if alive(path)]
    held.touch()
    time.sleep(0.02)
    with open(data / "done.txt", "a") as file:
        file.write(f"{task.subject} {'twice' if others else 'once'}\\n")
    held.unlink()

def alive(path):
    try:
        os.kill(int(path.name.rsplit("-", 1)[1]), 0)
    except ProcessLookupError:
        return False
    return True

worker = Worker(Catalog(data), {"k": Handler(run, attempts=None, at_once=3)}, lease_seconds=1.5)
worker.start()
print("ready", flush=True)
while True:
    time.sleep(1)
"""


def test_two_workers_one_of_which_is_killed_again_and_again_lose_nothing(catalog: Catalog, tmp_path: Path) -> None:
    """Done at least once each, never two at a time, and never by two who both think that they completed it."""
    count = 120
    with catalog.write() as db:
        for number in range(count):
            jobs.enqueue(db, "k", str(number))

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    processes = [start(), start()]
    try:
        for _ in range(4):
            before = len(left(catalog))
            until(lambda before=before: len(left(catalog)) < before - 8 or not left(catalog))  # type: ignore[misc]
            victim = processes.pop(0)
            os.kill(victim.pid, signal.SIGKILL)
            victim.communicate()
            processes.append(start())
        until(lambda: not left(catalog))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    done = [line.split() for line in (tmp_path / "done.txt").read_text().splitlines()]
    counts = Counter(subject for subject, _ in done)
    assert set(counts) == {str(number) for number in range(count)}
    assert {word for _, word in done} == {"once"}
    assert sum(counts.values()) - count <= 4 * 3  # only what ran in a process that was killed was run again


def test_a_worker_is_not_idle_while_a_job_waits_for_one_that_ends_just_now(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, asked, ending, release = rows.next_at, threading.Event(), threading.Event(), threading.Event()

    class Idle(threading.Event):
        def clear(self) -> None:
            super().clear()
            asked.set()

    def next_at(db: Database, kinds: list[str]) -> int | None:
        if "k" not in kinds and asked.is_set() and not ending.is_set():  # it ends while others are looked for
            ending.set()
            while worker._running:
                time.sleep(0.001)
        return look(db, kinds)

    def run(task: Task) -> None:
        assert (ending if task.subject == "first" else release).wait(PATIENCE)

    monkeypatch.setattr(rows, "next_at", next_at)
    with catalog.write() as db:
        jobs.enqueue(db, "k", "first")
        jobs.enqueue(db, "k", "second")
    worker = Worker(catalog, {"k": Handler(run), "other": Handler(run)})
    worker._idle = Idle()
    worker.start()
    try:
        assert not worker.wait_idle(1.0)
    finally:
        release.set()
        worker.stop()


def test_what_is_apart_takes_no_thread_of_others(working: Any, catalog: Catalog) -> None:
    release, ran = threading.Event(), threading.Event()
    apart = {f"apart{n}": Handler(lambda task: bool(release.wait(PATIENCE)) or None, apart=True) for n in range(6)}
    with catalog.write() as db:
        for kind in apart:
            jobs.enqueue(db, kind)
    worker = working({**apart, "k": Handler(lambda task: ran.set())})
    end = time.monotonic() + PATIENCE
    while len(worker._running) < len(apart):
        assert time.monotonic() < end
        time.sleep(0.01)
    with catalog.write() as db:
        jobs.enqueue(db, "k")
    try:
        assert ran.wait(PATIENCE)
    finally:
        release.set()

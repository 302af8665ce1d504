"""1,000 connections whose head never ends, 64 stalled uploads and 64 stalled downloads at once: they disturb nobody."""

import resource
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from harness import MIB, eventually, tell
from mixture import ORDINARY_SECONDS, VISITORS, Tally, Visitor, run
from sampling import Sample, take
from slowness import HALF_OPEN, STALLED, SlowClients, large_wheel
from soaked import Server

ALL = HALF_OPEN + 2 * STALLED
WAVES = 3

USUAL = 1024
"""The soft limit of open files with which most systems start a program: the server has to raise its own."""

NEEDED = 2 * (ALL + 64) + 256
"""Open files that a server may have if it is to have so many connections, each with a file."""

ENDS_IN = 130.0
"""Seconds after which the server has ended everything that stalls; see `orbitalreg.serving.limits`."""


@contextmanager
def open_files(soft: int) -> Iterator[None]:
    """Another soft limit for this process, and for what it starts meanwhile."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


@pytest.fixture(params=[1, 2], ids=["one-process", "two-processes"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that was started with the usual limit of open files, and a test that may open more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < NEEDED:
        pytest.skip(f"needs a hard limit of {NEEDED} open files; it is {hard} (ulimit -Hn)")
    with ExitStack() as stack:
        with open_files(USUAL):
            server = stack.enter_context(Server(tmp_path / "slow", request.param))
        stack.enter_context(open_files(max(soft, NEEDED)))
        yield server
        assert server.stop() == 0
        assert server.faults() == []
    shutil.rmtree(tmp_path / "slow")


def work(server: Server, name: str, seconds: float) -> tuple[Tally, list[Visitor]]:
    tally = Tally()
    visitors = [Visitor(server, tally, f"{name}{number}") for number in range(VISITORS)]
    run(visitors, tally, seconds)
    assert tally.wrong == []
    return tally, visitors


def test_slow_clients_disturb_nobody(server: Server, seconds: float) -> None:
    """Every request beside them is answered rightly and in time, and what they held is given back."""
    lasts = max(4.0, min(30.0, seconds / 20))  # less than a head may take: all of them stay to the end
    path = publish_large(server)
    alone, visitors = work(server, "alone", lasts)
    before = take(server)
    waves: list[Sample] = []
    with SlowClients(server, path) as slow:
        assert eventually(lambda: server.spooled() == slow.on_disk), "the stalled uploads are not under way"
        during = take(server)
        beside, more = work(server, "beside", lasts)
        assert slow.open() == ALL
        assert take(server).descriptors >= before.descriptors + ALL + slow.on_disk
        assert beside.slowest < ORDINARY_SECONDS
    waves.append(given_back(server, before))
    for _ in range(WAVES - 1):
        with SlowClients(server, path):
            pass
        waves.append(given_back(server, before))
    checked = sum(visitor.check() for visitor in (*visitors, *more))
    tell(
        f"\n{server.processes} process(es), {ALL} slow clients: {alone.requests} requests in {lasts:.0f} s alone "
        f"({alone.times()}), {beside.requests} beside them ({beside.times()}); {checked} files compared; "
        f"file descriptors {before.descriptors}, {during.descriptors} with them, {waves[-1].descriptors} after "
        f"{WAVES} waves; memory {before.rss / MIB:.0f}, {during.rss / MIB:.0f}, then "
        + ", ".join(f"{wave.rss / MIB:.0f}" for wave in waves)
        + " MiB"
    )
    assert waves[-1].rss - waves[0].rss < 8 * MIB * server.processes, "each wave leaves something"


@pytest.mark.parametrize("server", [1], indirect=True)
def test_the_server_ends_what_stalls(server: Server, seconds: float) -> None:
    """Also where no client ever goes away by itself."""
    if seconds < 300:
        pytest.skip("takes two minutes; in the long form")
    path = publish_large(server)
    work(server, "alone", 2.0)
    before = take(server)
    with SlowClients(server, path) as slow:
        work(server, "beside", 5.0)
        assert slow.open() == ALL
        given_back(server, before, ENDS_IN + 30)
        assert slow.open() <= STALLED, "beyond the downloads, of which some bytes wait"


def publish_large(server: Server) -> str:
    """The path of a file that no buffer holds."""
    filename, data = large_wheel()
    assert server.upload(filename, data).status == 200
    return f"/pypi/acme/internal/{server.files('soak-large')[filename]['url'].removeprefix('../../')}"


def given_back(server: Server, before: Sample, seconds: float = 30.0) -> Sample:
    """Descriptors, threads, spooled and staged files are what they were."""

    def is_back() -> bool:
        after = take(server)
        # A connection or two of the catalog and the pipes of an inspecting child may have come in the meantime; a
        # thread that was there before, such as a timer's, may have ended.
        few = after.descriptors <= before.descriptors + 8 * server.processes
        return few and after.threads <= before.threads and server.spooled() == 0 and server.staged() == []

    assert eventually(is_back, seconds), (
        f"before: {before}; after: {take(server)}; {server.spooled()} {server.staged()}"
    )
    return take(server)

"""One fetch of a file for any number of readers: in one process, in several, and whatever becomes of the upstream."""

import hashlib
import io
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from scripted_upstream import Behaviour, ScriptedUpstream, cut_off, drip, file, in_turn, reply, reset, stall

from orbitalreg import staging
from orbitalreg.errors import Busy, NoSpace, NotFound, OrbitalError, StorageFailed, UpstreamFailed
from orbitalreg.sources.fetching import Expected, Fetches, GrowingReader, Order, WrongFile
from orbitalreg.sources.fetching import fetch as fetch_module
from orbitalreg.sources.fetching import fetches as fetches_module
from orbitalreg.sources.fetching import transfer as transfer_module
from orbitalreg.sources.fetching.partial import Partial, Record
from orbitalreg.upstream import Client, Origin, Upstream
from orbitalreg.waiting import NotYet, Visit, visiting

KIB = 1 << 10
MIB = 1 << 20
PIECE = 64 * KIB
PATIENCE = 20.0


def some(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)


BODY = some(5 * MIB + 123)
SHA = hashlib.sha256(BODY).hexdigest()


@dataclass
class Answer:
    """How an upstream answers once: what it has, and what happens on the way."""

    body: bytes = BODY
    status: int | None = None
    etag: str | None = '"one"'
    ranges: bool = True
    told: int | None = -1
    """The length in the head; -1 for the right one."""
    breaks_at: int | None = None
    """The offset in the file at which the body breaks off."""
    fails: bool = False
    piece: int = PIECE
    holds: dict[int, threading.Event] = field(default_factory=dict)
    """The offset in the file before which the body waits."""


@dataclass
class Body:
    status: int
    length: int | None
    etag: str | None
    pieces: Iterator[bytes]

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces


class Scripted:
    """An upstream as `Order.ask` sees it: its answers in turn, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers) or [Answer()]
        self.asked: list[tuple[int, str | None]] = []

    @contextmanager
    def ask(self, start: int, if_range: str | None) -> Iterator[Body]:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append((start, if_range))
        if answer.fails:
            raise UpstreamFailed("the upstream cannot be reached")
        body, whole = answer.body, len(answer.body)
        if answer.status is not None:
            yield Body(answer.status, None, None, iter(()))
            return
        partly = answer.ranges and start > 0 and (if_range is None or if_range == answer.etag)
        if partly and start >= whole:
            yield Body(416, whole, answer.etag, iter(()))
            return
        told = whole if answer.told == -1 else answer.told
        yield Body(206 if partly else 200, told, answer.etag, self._pieces(answer, body, start if partly else 0))

    def _pieces(self, answer: Answer, body: bytes, at: int) -> Iterator[bytes]:
        stops = sorted({*answer.holds, *([answer.breaks_at] if answer.breaks_at is not None else [])})
        while True:
            if at in answer.holds:
                assert answer.holds[at].wait(PATIENCE)
            if at == answer.breaks_at:
                raise UpstreamFailed("the upstream broke off")
            if at >= len(body):
                return
            end = min([at + answer.piece, len(body), *(stop for stop in stops if stop > at)])
            yield body[at:end]
            at = end


class Site:
    """A folder with fetches of one file, and a store that is a folder too."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.staging = folder / "staging"
        self.store = folder / "store"
        for made in (self.staging, self.store):
            made.mkdir(exist_ok=True)
        self.fetches = Fetches(self.staging, **{"readers": 128, **options})
        self.seen: list[Any] = []
        self.fetches.observe(self)

    def fetched(self, size: int) -> None:
        self.seen.append(size)

    def fetch_failed(self, kind: str) -> None:
        self.seen.append(kind)

    def order(self, upstream: Any, sha256: str | None = SHA, size: int | None = None, key: str = "key") -> Order:
        return Order(key, f"acme/mirror: {key}", upstream.ask, self.keep(key), self.kept(key), Expected(sha256, size))

    def keep(self, key: str) -> Callable[[Path, str, int], None]:
        def keep(path: Path, sha256: str, size: int) -> None:
            assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size) == (sha256, size)
            path.rename(self.store / key)

        return keep

    def kept(self, key: str) -> Callable[[], BinaryIO | None]:
        def kept() -> BinaryIO | None:
            path = self.store / key
            return path.open("rb") if path.exists() else None

        return kept

    def read(self, order: Order, start: int = 0, length: int | None = None) -> bytes:
        with self.fetches.open(order, start, length) as stream:
            return stream.read()

    def left(self) -> list[str]:
        return sorted(path.name for path in self.staging.iterdir())

    def is_stored(self, key: str = "key", body: bytes = BODY) -> bool:
        return (self.store / key).exists() and (self.store / key).read_bytes() == body


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    """What `count` threads that begin together get, an `OrbitalError` included."""
    together = threading.Barrier(count)

    def run(number: int) -> Any:
        together.wait(PATIENCE)
        try:
            return call(number)
        except OrbitalError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def settled(site: Site) -> bool:
    """Whether nothing is under way, nor left behind."""
    return eventually(lambda: site.left() == [] and not site.fetches._fetches)


# What everybody sees.


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("told", [-1, None])
def test_a_file_of_any_size_arrives_and_is_kept(size: int, stated: bool, told: int | None, site: Site) -> None:
    body = some(size)
    sha = hashlib.sha256(body).hexdigest() if stated else None
    assert site.read(site.order(Scripted(Answer(body, told=told)), sha)) == body
    assert settled(site) and site.is_stored(body=body)
    assert site.seen == [size]


def test_many_readers_share_one_fetch(site: Site) -> None:
    upstream = Scripted()
    digests = at_once(64, lambda _: hashlib.sha256(site.read(site.order(upstream))).hexdigest())
    assert (set(digests), len(upstream.asked)) == ({SHA}, 1)
    assert settled(site) and site.is_stored()


def test_the_first_byte_leaves_before_the_last_has_come(site: Site) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={MIB: gate}))
    with site.fetches.open(site.order(upstream)) as stream:
        assert stream.read(MIB) == BODY[:MIB]
        assert not site.is_stored()
        gate.set()
        assert stream.read() == BODY[MIB:]


def test_it_is_no_seekable_file(site: Site) -> None:
    with site.fetches.open(site.order(Scripted())) as stream:
        assert not stream.seekable() and stream.readable()
        with pytest.raises(io.UnsupportedOperation):
            stream.seek(0)


def test_what_was_kept_meanwhile_comes_from_the_store(site: Site) -> None:
    upstream = Scripted()
    assert site.read(site.order(upstream)) == BODY
    assert settled(site)
    stream = site.fetches.open(site.order(upstream), 10, 5)
    assert stream.seekable() and stream.read() == BODY[10:15]
    assert len(upstream.asked) == 1
    assert settled(site)


@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (0, None), (100, 1000), (len(BODY) - 1, 1), (len(BODY) - 10, None), (2 * MIB, MIB)]
)
def test_a_range_waits_for_its_part_of_the_one_fetch(start: int, length: int | None, site: Site) -> None:
    upstream = Scripted()
    end = len(BODY) if length is None else start + length
    assert site.read(site.order(upstream), start, length) == BODY[start:end]
    assert settled(site) and upstream.asked == [(0, None)] and site.is_stored()


def test_a_range_is_given_before_what_comes_after_it(site: Site) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={2 * MIB: gate}))
    assert site.read(site.order(upstream), MIB, 1000) == BODY[MIB : MIB + 1000]
    gate.set()
    assert settled(site) and site.is_stored()


def test_the_size_is_known_from_the_head(site: Site) -> None:
    gate = threading.Event()
    assert site.fetches.size(site.order(Scripted(Answer(holds={0: gate})))) == len(BODY)
    gate.set()
    assert settled(site)


def test_the_size_of_a_file_whose_head_tells_none_is_known_at_the_end(site: Site) -> None:
    upstream = Scripted(Answer(told=None))
    assert site.fetches.size(site.order(upstream)) == len(BODY)
    assert settled(site)
    assert site.fetches.size(site.order(upstream)) == len(BODY)
    assert len(upstream.asked) == 1


def test_without_a_stated_digest_the_computed_one_is_handed_over(site: Site) -> None:
    assert site.read(site.order(Scripted(), None)) == BODY  # `keep` compares
    assert settled(site) and site.is_stored()


# Who comes and goes.


def test_a_reader_that_goes_away_stops_nothing(site: Site) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={MIB: gate}))
    first = site.fetches.open(site.order(upstream))
    second = site.fetches.open(site.order(upstream))
    assert first.read(10) == BODY[:10]
    first.close()
    first.close()
    gate.set()
    assert second.read() == BODY
    second.close()
    assert settled(site) and len(upstream.asked) == 1 and site.is_stored()


def test_a_fetch_without_readers_goes_on_and_is_found_again(site: Site) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={MIB: gate}))
    site.fetches.open(site.order(upstream)).close()
    with site.fetches.open(site.order(upstream)) as stream:
        gate.set()
        assert stream.read() == BODY
    assert len(upstream.asked) == 1


def test_of_many_fetches_without_readers_the_last_is_given_up(tmp_path: Path) -> None:
    site, gate = Site(tmp_path, readers=2), threading.Event()
    upstreams = {key: Scripted(Answer(holds={MIB: gate})) for key in "abc"}
    for key, upstream in upstreams.items():
        site.fetches.open(site.order(upstream, key=key)).close()
    gate.set()
    assert settled(site)
    assert [site.is_stored(key) for key in "abc"] == [True, True, False]


def test_what_nobody_reads_ends_with_the_fetches_and_what_is_read_goes_on(site: Site) -> None:
    gate = threading.Event()
    answer = Answer(holds={MIB: gate})
    site.fetches.open(site.order(Scripted(answer), key="left")).close()
    with site.fetches.open(site.order(Scripted(answer), key="read")) as stream:
        site.fetches.close()
        gate.set()
        assert stream.read() == BODY
    assert settled(site)
    assert (site.is_stored("left"), site.is_stored("read")) == (False, True)


def test_no_descriptor_and_no_thread_is_left(site: Site) -> None:
    def count() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    before = count()
    for number in range(5):
        wrong = None if number % 2 else "0" * 64
        at_once(8, lambda _, number=number, wrong=wrong: site.read(site.order(Scripted(), wrong, key=f"k{number}")))
    assert eventually(lambda: count() == before), (before, count())


# Two on one folder, as two processes are.


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Site, Site]:
    return Site(tmp_path), Site(tmp_path)


def test_readers_in_two_processes_share_one_fetch(pair: tuple[Site, Site]) -> None:
    upstream = Scripted()
    bodies = at_once(32, lambda number: pair[number % 2].read(pair[number % 2].order(upstream)))
    assert set(bodies) == {BODY}
    assert all(map(settled, pair)) and len(upstream.asked) == 1
    assert [size for site in pair for size in site.seen] == [len(BODY)]  # who fetched counts


@pytest.mark.parametrize("told", [-1, None])
def test_who_follows_gets_bytes_while_they_come(told: int | None, pair: tuple[Site, Site]) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={MIB: gate}, told=told))
    first, second = (site.fetches.open(site.order(upstream)) for site in pair)
    for stream in (first, second):
        assert stream.read(MIB - 64 * KIB) == BODY[: MIB - 64 * KIB]
    gate.set()
    for stream in (first, second):
        assert stream.read() == BODY[MIB - 64 * KIB :]
        stream.close()
    assert all(map(settled, pair)) and len(upstream.asked) == 1


def test_who_follows_learns_the_size(pair: tuple[Site, Site]) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={0: gate}))
    assert [site.fetches.size(site.order(upstream)) for site in pair] == [len(BODY)] * 2
    gate.set()
    assert all(map(settled, pair)) and len(upstream.asked) == 1


def test_who_follows_learns_of_a_failure_and_rests_too(pair: tuple[Site, Site]) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={MIB: gate}))
    streams = [site.fetches.open(site.order(upstream, "0" * 64)) for site in pair]
    gate.set()
    for site, stream in zip(pair, streams, strict=True):
        with pytest.raises(WrongFile, match="SHA-256"):
            stream.read()
        stream.close()
        assert settled(site)
        with pytest.raises(WrongFile, match="SHA-256"):
            site.read(site.order(upstream, "0" * 64))
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("stopped", [True, False])
def test_what_one_gives_up_another_that_waits_goes_on_with(stopped: bool, pair: tuple[Site, Site]) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={MIB: gate}), Answer())
    first, second = (site.fetches.open(site.order(upstream)) for site in pair)
    assert second.read(MIB) == BODY[:MIB]
    first.close()
    if stopped:
        pair[0].fetches.close()
    gate.set()
    assert second.read() == BODY[MIB:]
    second.close()
    assert all(map(settled, pair)) and pair[0].is_stored()
    assert len(upstream.asked) == (2 if stopped else 1)
    assert not stopped or (upstream.asked[1][0] >= MIB and upstream.asked[1][1] == '"one"')


def test_another_digest_for_the_same_file_is_no_way_to_its_bytes(pair: tuple[Site, Site]) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={MIB: gate}))
    with pair[0].fetches.open(pair[0].order(upstream)) as stream:
        for site in pair:
            with pytest.raises(UpstreamFailed, match="another digest"):
                site.fetches.open(site.order(upstream, "1" * 64))
        gate.set()
        assert stream.read() == BODY
    assert all(map(settled, pair))


def left_over(site: Site, body: bytes, **facts: Any) -> None:
    """What a process leaves that is killed in the middle of a fetch."""
    with Partial(site.staging, "key") as partial:
        assert partial.try_to_lead() and partial.begin(Record()) == 0
        partial.append(body, 0)
        partial.write(Record(**{"inode": partial.inode, "size": len(BODY), "sha256": SHA, **facts}))
        assert partial.data is not None
        os.close(partial.data)


@pytest.mark.parametrize("there", [0, 1, MIB, len(BODY)])
@pytest.mark.parametrize("verified", [True, False])
def test_what_a_dead_process_left_is_gone_on_with(there: int, verified: bool, site: Site) -> None:
    left_over(site, BODY[:there], etag='"one"', verified=verified)
    upstream = Scripted()
    assert site.read(site.order(upstream)) == BODY
    assert settled(site) and site.is_stored()
    assert upstream.asked == ([(there, '"one"')] if there < len(BODY) else [])


def test_bytes_of_a_dead_process_that_are_wrong_are_noticed(site: Site) -> None:
    left_over(site, b"x" * MIB)
    with pytest.raises(WrongFile, match="SHA-256"):
        site.read(site.order(Scripted()))
    assert settled(site) and not site.is_stored()


@pytest.mark.parametrize(
    "facts", [{"sha256": "1" * 64}, {"inode": 1}, {"over": True}, {"over": True, "verified": True}]
)
def test_left_overs_that_say_something_else_are_no_hindrance(facts: dict[str, Any], site: Site) -> None:
    left_over(site, b"x" * MIB, **facts)
    upstream = Scripted()
    assert site.read(site.order(upstream)) == BODY
    assert settled(site) and upstream.asked == [(0, None)] and site.is_stored()


@pytest.mark.parametrize("text", [b"", b"x", b"00000000 {}", b"\0" * 5000])
def test_a_record_that_was_not_written_whole_is_none(text: bytes, site: Site) -> None:
    (site.staging / "key.fetch").write_bytes(text)
    (site.staging / "key.part").write_bytes(b"whatever")
    assert site.read(site.order(Scripted())) == BODY
    assert settled(site)


# What is wrong.


def wrong_answers() -> dict[str, tuple[Answer, str]]:
    other = BODY[:-1] + bytes([BODY[-1] ^ 1])
    return {
        "another digest": (Answer(other), "SHA-256"),
        "shorter than announced": (Answer(told=len(BODY) + 1), "bytes long"),
        "longer than announced": (Answer(told=len(BODY) - 1), "longer than"),
        "a page": (Answer(b"<html>", status=None), "SHA-256"),
        "an unknown status": (Answer(status=204), "status 204"),
    }


@pytest.mark.parametrize("kind", wrong_answers())
def test_what_is_wrong_is_cut_off_for_all_and_never_kept(kind: str, site: Site) -> None:
    answer, said = wrong_answers()[kind]
    upstream = Scripted(answer)
    received: list[int] = []

    def read(_: int) -> None:
        with site.fetches.open(site.order(upstream)) as stream:
            while piece := stream.read(100_000):
                received.append(len(piece))

    failures = at_once(8, read)
    assert all(isinstance(failure, WrongFile) and said in str(failure) for failure in failures), failures
    assert sum(received) < 8 * len(answer.body)
    assert settled(site) and not site.is_stored()
    assert (len(upstream.asked), site.seen) == (1, ["WrongFile"])


def test_nobody_gets_the_last_bytes_of_a_wrong_file(site: Site) -> None:
    stream = site.fetches.open(site.order(Scripted(), "0" * 64))
    received = bytearray()

    def read() -> None:
        while piece := stream.read(1000):
            received.extend(piece)

    with pytest.raises(WrongFile, match="acme/mirror: key: the upstream's file has the SHA-256"):
        read()
    stream.close()
    assert BODY.startswith(received)
    assert len(received) <= len(BODY) - fetch_module.HELD_BACK


def test_a_small_file_that_is_wrong_gives_no_byte(site: Site) -> None:
    with pytest.raises(WrongFile):
        site.fetches.open(site.order(Scripted(Answer(b"small")), "0" * 64))


def test_a_file_that_was_wrong_rests(tmp_path: Path) -> None:
    now = [1000.0]
    site = Site(tmp_path, clock=lambda: now[0])
    upstream = Scripted(Answer(b"wrong"), Answer())
    order = site.order(upstream)
    for _ in range(3):
        with pytest.raises(WrongFile):
            site.read(order)
    assert settled(site) and len(upstream.asked) == 1
    now[0] += fetches_module.REST_SECONDS + 1
    assert site.read(order) == BODY


@pytest.mark.parametrize("told", [-1, None])
def test_more_bytes_than_the_largest_file_are_refused(told: int | None, tmp_path: Path) -> None:
    site = Site(tmp_path, max_bytes=MIB)
    with pytest.raises(WrongFile, match="larger than the 1048576 bytes"):
        site.read(site.order(Scripted(Answer(told=told))))
    assert settled(site)


@pytest.mark.parametrize("size", [len(BODY) - 1, len(BODY) + 1])
@pytest.mark.parametrize("told", [-1, None])
def test_another_length_than_the_page_told_is_refused(size: int, told: int | None, site: Site) -> None:
    with pytest.raises(WrongFile, match=r"longer than|bytes long"):
        site.read(site.order(Scripted(Answer(told=told)), size=size))
    assert settled(site) and not site.is_stored()


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_the_upstream_has_no_more_is_not_found(status: int, site: Site) -> None:
    with pytest.raises(NotFound, match="no more"):
        site.read(site.order(Scripted(Answer(status=status))))
    assert settled(site)


def test_an_upstream_that_cannot_be_asked_is_asked_once(site: Site) -> None:
    upstream = Scripted(Answer(fails=True), Answer())
    with pytest.raises(UpstreamFailed, match="cannot be reached"):
        site.read(site.order(upstream))
    assert settled(site) and len(upstream.asked) == 1
    assert site.read(site.order(upstream)) == BODY  # and it does not rest


# What breaks off.


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("sha256", [SHA, None])
@pytest.mark.parametrize("etag", ['"one"', None, 'W/"one"'])
def test_a_fetch_that_breaks_off_is_taken_up_again(
    ranges: bool, sha256: str | None, etag: str | None, site: Site
) -> None:
    breaks = [Answer(breaks_at=at, ranges=ranges, etag=etag) for at in (MIB, 3 * MIB, 5 * MIB + 1)]
    upstream = Scripted(*breaks, Answer(ranges=ranges, etag=etag))
    bodies = at_once(4, lambda _: site.read(site.order(upstream, sha256)))
    assert set(bodies) == {BODY}
    assert settled(site) and site.is_stored()
    by_range = sha256 is not None or etag == '"one"'
    assert [start for start, _ in upstream.asked] == ([0, MIB, 3 * MIB, 5 * MIB + 1] if by_range else [0, 0, 0, 0])
    assert {tag for _, tag in upstream.asked[1:]} == {'"one"' if etag == '"one"' else None}


def test_an_unknown_end_is_found_after_a_break(site: Site) -> None:
    upstream = Scripted(Answer(told=None, breaks_at=len(BODY)), Answer(told=None))
    assert site.read(site.order(upstream)) == BODY
    assert upstream.asked == [(0, None), (len(BODY), '"one"')]


def test_it_is_not_taken_up_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_module, "PAUSE_SECONDS", 0.001)
    upstream = Scripted(*(Answer(breaks_at=(number + 1) * 1000) for number in range(100)))
    with pytest.raises(UpstreamFailed, match="broke off"):
        site.read(site.order(upstream))
    assert settled(site) and len(upstream.asked) == transfer_module.RESUMES + 1


def test_twice_without_a_byte_is_enough(site: Site) -> None:
    upstream = Scripted(Answer(breaks_at=MIB), Answer(fails=True))
    with pytest.raises(UpstreamFailed, match="cannot be reached"):
        site.read(site.order(upstream))
    assert settled(site) and len(upstream.asked) == 3


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("etag", ['"two"', '"one"', None])
def test_another_file_after_a_break_is_noticed(ranges: bool, etag: str | None, site: Site) -> None:
    other = some(len(BODY), seed=8)
    upstream = Scripted(Answer(breaks_at=MIB, etag='"one"' if etag else None), Answer(other, ranges=ranges, etag=etag))
    if ranges and etag == '"one"':
        other = BODY[:MIB] + other[MIB:]  # then only a digest could tell
        assert site.read(site.order(upstream, None)) == other
        return
    with pytest.raises(WrongFile, match="another now"):
        site.read(site.order(upstream, None))
    assert settled(site) and not site.is_stored()


# With the client that really asks.


@dataclass
class OverHttp:
    """Asks `/file` of a server on loopback."""

    client: Client
    url: str
    limits: dict[str, float]

    def ask(self, start: int, if_range: str | None) -> Any:
        return self.client.stream(Upstream(self.url), "/file", start=start, if_range=if_range, **self.limits)


@contextmanager
def over_http(behaviour: Behaviour, **limits: float) -> Iterator[tuple[ScriptedUpstream, OverHttp]]:
    with ScriptedUpstream({"/file": behaviour}) as upstream, Client([Origin.parse(upstream.origin)]) as client:
        yield upstream, OverHttp(client, upstream.url(), limits)


BEHAVIOURS: dict[str, tuple[Behaviour, str]] = {
    "a stall": (stall(BODY[:MIB], len(BODY)), "did not answer in time"),
    "a drip": (drip(b"x" * 10, 0.01, head=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)), "too slowly"),
    "a reset": (reset(BODY[:MIB], len(BODY)), "broke off"),
    "no whole body": (cut_off(BODY[:MIB], len(BODY)), "broke off"),
    "no answer": (reset(), "broke off"),
}


@pytest.mark.parametrize("kind", BEHAVIOURS)
def test_an_upstream_that_misbehaves_fails_for_all_in_time(
    kind: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_module, "PAUSE_SECONDS", 0.01)
    behaviour, said = BEHAVIOURS[kind]
    with over_http(behaviour, idle=0.3, slowest=100_000.0) as (upstream, asking):
        order = site.order(asking)
        failures = at_once(8, lambda _: site.read(order))
        assert {type(failure) for failure in failures} == {UpstreamFailed} and said in str(failures[0]), failures
        assert len(upstream.requests) <= transfer_module.RESUMES + 1
    assert settled(site) and not site.is_stored()


@pytest.mark.parametrize("kind", ["a stall", "a reset", "no whole body"])
@pytest.mark.parametrize("ranges", [True, False])
def test_an_upstream_that_recovers_is_gone_on_with(kind: str, ranges: bool, site: Site) -> None:
    whole = file(BODY, '"1"') if ranges else reply(BODY)
    with over_http(in_turn(BEHAVIOURS[kind][0], whole), idle=0.3) as (upstream, asking):
        order = site.order(asking)
        assert set(at_once(8, lambda _: site.read(order))) == {BODY}
        assert [request.headers.get("range") for request in upstream.requests] == [None, f"bytes={MIB}-"]
    assert settled(site) and site.is_stored()


# The disk, and what keeps.


def test_a_full_disk_is_told_and_leaves_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def pwrite(descriptor: int, data: Any, at: int) -> int:
        if at > MIB:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    assert {type(got) for got in at_once(4, lambda _: site.read(site.order(Scripted())))} == {NoSpace}
    assert settled(site) and set(site.seen) == {"NoSpace"}  # who comes after the end of one begins another


def test_room_is_judged_before_the_first_byte(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs(site.staging)
    full = os.statvfs_result((full[0], full[1], full[2], 10, 10, *full[5:]))
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: full)
    upstream = Scripted()
    with pytest.raises(NoSpace, match="no room"):
        site.read(site.order(upstream))
    assert settled(site)


def test_room_is_judged_again_while_an_unknown_length_arrives(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others write too, and the catalog's reserve is not for what nobody announced."""
    real = os.fstatvfs
    full = os.statvfs(site.staging)
    full = os.statvfs_result((full[0], full[1], full[2], 10, 10, *full[5:]))
    monkeypatch.setattr(transfer_module, "ROOM_EVERY", MIB)
    upstream = Scripted(Answer(told=None))
    order = site.order(upstream, size=None)
    asked = iter(range(100))
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: real(descriptor) if next(asked) < 2 else full)
    with pytest.raises(NoSpace, match="no room for the rest"):
        site.read(order)
    assert settled(site)


def test_who_reads_has_the_bytes_even_where_they_cannot_be_kept(site: Site) -> None:
    def keep(path: Path, sha256: str, size: int) -> None:
        raise StorageFailed("the disk is broken")

    upstream = Scripted()
    order = Order("key", "acme/mirror: key", upstream.ask, keep, lambda: None, Expected(SHA))
    assert at_once(4, lambda _: site.read(order)) == [BODY] * 4
    assert settled(site) and "StorageFailed" in site.seen
    assert site.read(order) == BODY


def test_a_fault_of_foreign_code_is_a_failure_and_ends_the_fetch(site: Site) -> None:
    def ask(start: int, if_range: str | None) -> Any:
        raise ZeroDivisionError

    order = Order("key", "acme/mirror: key", ask, site.keep("key"), site.kept("key"))
    with pytest.raises(StorageFailed, match="the log says why"):
        site.read(order)
    assert eventually(lambda: not site.fetches._fetches)


def test_a_sweep_takes_nothing_that_is_in_use_and_all_that_is_left(site: Site) -> None:
    gate = threading.Event()
    with site.fetches.open(site.order(Scripted(Answer(holds={MIB: gate})))) as stream:
        assert staging.sweep(site.staging) == 0
        gate.set()
        assert stream.read() == BODY
    assert settled(site)
    for name in ("dead.part", "dead.fetch", "alone.fetch"):
        (site.staging / name).write_bytes(b"left")
    assert staging.sweep(site.staging) == 3 and site.left() == []


# Places.


def test_more_readers_than_places_are_turned_away_after_a_moment(tmp_path: Path) -> None:
    site, gate = Site(tmp_path, readers=2, patience=0.2), threading.Event()
    upstream = Scripted(Answer(holds={MIB: gate}))
    order = site.order(upstream)
    held = [site.fetches.open(order) for _ in range(2)]
    began = time.monotonic()
    with pytest.raises(Busy, match="too many files"):
        site.fetches.open(order)
    assert 0.15 < time.monotonic() - began < 10
    held.pop().close()
    held.append(site.fetches.open(order))
    gate.set()
    for stream in held:
        assert stream.read() == BODY
        stream.close()


def test_only_some_may_wait_for_a_place(tmp_path: Path) -> None:
    site, gate = Site(tmp_path, readers=2, patience=1.0), threading.Event()
    order = site.order(Scripted(Answer(holds={MIB: gate})))
    held = [site.fetches.open(order) for _ in range(2)]
    began = time.monotonic()
    took = sorted(at_once(8, lambda _: _busy_after(site, order, began)))
    assert took[6] < 0.5 and took[7] > 0.9  # one waited, as readers // 2 may
    gate.set()
    for stream in held:
        stream.close()


def _busy_after(site: Site, order: Order, began: float) -> float:
    with pytest.raises(Busy):
        site.fetches.open(order)
    return time.monotonic() - began


def test_a_place_that_is_freed_goes_to_who_waits(tmp_path: Path) -> None:
    site, gate = Site(tmp_path, readers=2, patience=PATIENCE), threading.Event()
    order = site.order(Scripted(Answer(holds={MIB: gate})))
    held = [site.fetches.open(order) for _ in range(2)]
    with ThreadPoolExecutor(1) as pool:
        third = pool.submit(site.read, order)
        time.sleep(0.1)
        assert not third.done()
        held.pop().close()
        gate.set()
        assert third.result(PATIENCE) == BODY
    held.pop().close()
    assert settled(site)


def test_a_failed_open_gives_its_place_back(tmp_path: Path) -> None:
    site = Site(tmp_path, readers=1, patience=0.1)
    for _ in range(5):
        with pytest.raises(UpstreamFailed):
            site.read(site.order(Scripted(Answer(fails=True))))
    assert site.read(site.order(Scripted())) == BODY


# Without a thread.


def asks(site: Site, visit: Visit, order: Order, start: int = 0) -> Any:
    """What one asking gets: a stream or a `NotYet`."""
    with visiting(visit):
        try:
            return site.fetches.open(order, start)
        except NotYet as pause:
            return pause


def test_a_visit_is_put_aside_and_told_when_to_ask_again(tmp_path: Path) -> None:
    site, gate = Site(tmp_path, readers=1), threading.Event()
    order = site.order(Scripted(Answer(holds={0: gate})))
    visits = [Visit() for _ in range(50)]
    told: list[int] = []
    for number, visit in enumerate(visits):
        pause = asks(site, visit, order)
        assert isinstance(pause, NotYet)
        pause.when(lambda number=number: told.append(number))
    assert told == []
    gate.set()
    assert eventually(lambda: sorted(told) == list(range(50)))
    for visit in visits:
        with asks(site, visit, order) as stream:
            assert stream.read() == BODY
        visit.close()
        visit.close()
    assert settled(site)


def test_a_visit_learns_of_the_failure_that_it_waited_for(site: Site) -> None:
    upstream = Scripted(Answer(fails=True), Answer())
    visit, told = Visit(), threading.Event()
    gate = threading.Event()
    upstream.answers[0].fails = False
    upstream.answers[0].holds, upstream.answers[0].breaks_at = {0: gate}, 0
    order = site.order(upstream)
    pause = asks(site, visit, order)
    pause.when(told.set)
    gate.set()
    assert told.wait(PATIENCE)
    with pytest.raises(UpstreamFailed, match="broke off"):
        asks(site, visit, order)
    visit.close()
    assert len(upstream.asked) == 1


def test_visits_wait_for_a_place_and_are_turned_away_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetches_module, "VISIT_PATIENCE_SECONDS", 0.1)
    site, gate = Site(tmp_path, readers=1), threading.Event()
    first = site.fetches.open(site.order(Scripted(Answer(holds={MIB: gate})), key="first"))
    visits = [Visit(), Visit()]
    order = site.order(Scripted(), key="second")
    told: list[int] = []
    for number, visit in enumerate(visits):
        pause = asks(site, visit, order)
        assert isinstance(pause, NotYet) and pause.seconds is not None and 0 < pause.seconds <= 0.1
        pause.when(lambda number=number: told.append(number))
    time.sleep(0.15)
    with pytest.raises(Busy):
        asks(site, visits[1], order)
    gate.set()
    first.read()
    first.close()
    assert eventually(lambda: told == [0])  # one place, one of them
    for visit in visits:
        visit.close()


class InLine:
    """Requests that are put aside since one file takes the only place; who was told to ask again is in `told`."""

    def __init__(self, folder: Path, *keys: str) -> None:
        self.gate = threading.Event()
        self.site = Site(folder, readers=1)
        self.first = self.site.fetches.open(self.site.order(Scripted(Answer(holds={MIB: self.gate})), key="first"))
        self.orders = [self.site.order(Scripted(Answer(holds={0: self.gate})), key=key) for key in keys]
        self.visits = [Visit() for _ in keys]
        self.told: list[int] = []
        for number in range(len(keys)):
            self.asks(number)

    def asks(self, number: int) -> Any:
        answer = asks(self.site, self.visits[number], self.orders[number])
        if isinstance(answer, NotYet):
            answer.when(lambda: self.told.append(number))
        return answer

    def free_the_place(self) -> None:
        self.first.close()

    def end(self) -> None:
        self.gate.set()
        for visit in self.visits:
            visit.close()
        assert settled(self.site)


@pytest.mark.parametrize("how", ["turned away", "gone"])
def test_a_freed_place_goes_to_a_request_that_still_waits(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = InLine(tmp_path, "second", "third")
    if how == "turned away":
        monkeypatch.setattr(fetches_module, "VISIT_PATIENCE_SECONDS", 0)
        with pytest.raises(Busy):
            line.asks(0)
    line.visits[0].close()
    line.free_the_place()
    assert line.told == [1]
    line.end()


def test_a_request_that_asks_early_waits_in_line_once(tmp_path: Path) -> None:
    line = InLine(tmp_path, "second", "third")
    assert isinstance(line.asks(0), NotYet)
    line.free_the_place()
    assert line.told == [1]
    line.end()


def test_a_request_that_was_called_and_went_hands_on_its_place(tmp_path: Path) -> None:
    line = InLine(tmp_path, "second", "third")
    line.free_the_place()
    assert line.told == [0]
    line.visits[0].close()
    assert line.told == [0, 1]
    line.end()


def test_all_who_are_in_line_for_a_file_are_called_when_it_is_under_way(tmp_path: Path) -> None:
    line = InLine(tmp_path, "second", "third", "second")
    line.free_the_place()
    assert line.told == [0]
    assert isinstance(line.asks(0), NotYet)  # now for its first byte
    assert line.told == [0, 2]
    line.end()


def test_a_reader_that_is_watched_never_waits(site: Site) -> None:
    gate = threading.Event()
    upstream = Scripted(Answer(holds={MIB: gate}))
    stream = site.fetches.open(site.order(upstream))
    assert isinstance(stream, GrowingReader)
    called = threading.Event()
    stream.watch(called.set)
    assert eventually(lambda: len(stream.peek(2 * MIB)) == MIB)
    stream.skip(MIB)
    assert not stream.is_ready and stream.peek(1) == b""
    called.clear()
    gate.set()
    assert called.wait(PATIENCE) and eventually(lambda: stream.is_ready)
    assert stream.peek(10) == BODY[MIB : MIB + 10]
    stream.close()
    assert stream.is_ready
    assert settled(site)


def test_who_listens_for_a_failure_hears_of_it_once(site: Site) -> None:
    stream = site.fetches.open(site.order(Scripted(), "0" * 64))
    assert isinstance(stream, GrowingReader)
    heard: list[OrbitalError] = []
    stream.on_failure = heard.append
    for _ in range(2):
        with pytest.raises(WrongFile):
            stream.read()
    assert len(heard) == 1
    stream.close()


# Any order of things.


class Readers(RuleBasedStateMachine):
    """Readers of one file at random places while it comes in random portions and breaks off at times."""

    folder: Path

    @initialize(
        size=st.integers(0, 400_000), stated=st.booleans(), told=st.booleans(), ranges=st.booleans(), seed=st.integers()
    )
    def begin(self, size: int, stated: bool, told: bool, ranges: bool, seed: int) -> None:
        type(self).count = getattr(type(self), "count", 0) + 1
        folder = self.folder / str(type(self).count)
        folder.mkdir()
        self.site = Site(folder)
        self.body = some(size, seed)
        self.sent = threading.Semaphore(0)
        self.ranges, self.told = ranges, told
        self.breaks = 0
        self.asked = 0
        sha = hashlib.sha256(self.body).hexdigest() if stated else None
        self.order = self.site.order(self, sha)
        self.open: list[tuple[BinaryIO, int]] = []
        self.draining = False

    @contextmanager
    def ask(self, start: int, if_range: str | None) -> Iterator[Body]:
        self.asked += 1
        at = start if self.ranges and 0 < start < len(self.body) else 0
        if self.ranges and start > 0 and start >= len(self.body):
            yield Body(416, len(self.body), '"one"', iter(()))
            return
        told = len(self.body) if self.told else None
        yield Body(206 if at else 200, told, '"one"', self.pieces(at))

    def pieces(self, at: int) -> Iterator[bytes]:
        began = at
        while at < len(self.body):
            if not self.draining:
                self.sent.acquire()
            if self.breaks and at > began:
                self.breaks -= 1
                raise UpstreamFailed("the upstream broke off")
            yield self.body[at : at + 40_000]
            at += 40_000

    @rule(portions=st.integers(1, 4))
    def send(self, portions: int) -> None:
        self.sent.release(portions)

    @rule()
    def break_off(self) -> None:
        self.breaks = min(self.breaks + 1, 3)

    @rule(start=st.integers(0, 400_000), length=st.none() | st.integers(0, 400_000))
    def come(self, start: int, length: int | None) -> None:
        start = min(start, len(self.body))
        visit = Visit()
        with visiting(visit), suppress(NotYet):
            self.open.append((self.site.fetches.open(self.order, start, length), start))
        visit.close()

    @rule(which=st.integers(0, 1000), size=st.integers(0, 100_000))
    def look(self, which: int, size: int) -> None:
        if not self.open:
            return
        number = which % len(self.open)
        stream, at = self.open[number]
        piece = stream.peek(size) if isinstance(stream, GrowingReader) else stream.read(size)
        if isinstance(stream, GrowingReader):
            stream.skip(len(piece))
        assert piece == self.body[at : at + len(piece)]
        self.open[number] = (stream, at + len(piece))

    @rule(which=st.integers(0, 1000))
    def go(self, which: int) -> None:
        if self.open:
            self.open.pop(which % len(self.open))[0].close()

    @invariant()
    def nothing_unverified_is_kept(self) -> None:
        if hasattr(self, "site"):
            path = self.site.store / "key"
            assert not path.exists() or path.stat().st_size == len(self.body)

    def teardown(self) -> None:
        if not hasattr(self, "site"):
            return
        self.draining = True
        self.breaks = 0
        self.sent.release(1000)
        for stream, at in self.open:
            rest = stream.read()
            assert rest == self.body[at : at + len(rest)]
            stream.close()
        assert settled(self.site)
        assert not self.asked or self.site.is_stored(body=self.body)


def test_readers_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_module, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(transfer_module, "RESUMES", 100)
    monkeypatch.setattr(Readers, "folder", tmp_path, raising=False)
    run_state_machine_as_test(
        Readers,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

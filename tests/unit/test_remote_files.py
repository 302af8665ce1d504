"""The files and documents of a remote repository: fetched once, verified, kept; nothing wrong is ever cached."""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from remotes import Bench, Telling, sha256, told
from scripted_upstream import Request, ScriptedUpstream, Wire, drip, file, in_turn, later, reply, stall, status, within

from orbitalreg import upstream
from orbitalreg.catalog import files
from orbitalreg.errors import Busy, NotFound, OrbitalError, StorageFailed, UpstreamFailed
from orbitalreg.sources.fetching import transfer
from orbitalreg.sources.remote import ranged
from orbitalreg.sources.remote.ranged import BLOCK

MakeBench = Callable[..., Bench]
HEAD = b"the head"
BALL = HEAD + b"\n" + b"x" * 5_000_000 + b"\nend"


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with ScriptedUpstream() as server:
        made: list[Bench] = []

        def make(**options: object) -> Bench:
            made.append(Bench(tmp_path, server, **{"settings": {"listing_ttl": "1h"}, **options}))  # type: ignore[arg-type]
            return made[-1]

        yield make
        for bench in made:
            bench.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()


def test_a_file_is_fetched_once_and_is_an_ordinary_row_afterwards(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", b"one", file(b"one")), told("ball@2.toy"))
    revision = bench.source.revision("ball")
    offered = bench.cache()
    assert bench.read() == b"one"
    assert bench.asked("/get/") == 1
    row = files.by_filename(bench.catalog.read(), bench.repository.id, "ball@1.toy")
    assert row is not None
    assert (row.id, row.sha256, row.size, row.package, row.version) == (offered.id, sha256(b"one"), 3, "ball", "1")
    assert bench.source.revision("ball") == revision, "nothing that the page shows is news"
    assert list(bench.new(offline=True).names()) == ["ball"]
    assert len(list(bench.store.keys())) == 1


def test_a_cached_file_is_to_be_scanned_and_one_that_is_told_of_is_not(make_bench: MakeBench) -> None:
    bench = make_bench(scanners=("one", "two"))
    bench.tell(bench.put("ball@1.toy", b"one"), told("ball@2.toy"))
    offered = bench.cache()
    sql = "SELECT kind, subject FROM job WHERE kind LIKE 'scan.%' ORDER BY kind"
    rows = bench.catalog.read().execute(sql).fetchall()
    assert rows == [("scan.one", offered.id), ("scan.two", offered.id)]


def test_a_part_of_a_cached_file(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", b"0123456789"))
    offered = bench.cache()
    with bench.source.open(offered, 3, 4) as stream:
        assert stream.read() == b"3456"
    with bench.source.open(offered, 8) as stream:
        assert stream.read() == b"89"


def test_bytes_that_are_not_those_stated_are_never_kept(bench: Bench) -> None:
    facts = bench.put("ball@1.toy", b"one")
    bench.put("ball@1.toy", b"two")
    bench.tell(facts)
    with pytest.raises(UpstreamFailed):
        bench.read()
    assert bench.count("file") == bench.count("blob") == bench.count("remote_fact") == 0
    assert list(bench.store.keys()) == []


def test_what_was_fetched_first_is_held_where_nothing_is_stated(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "0s"})
    bench.put("ball@1.toy", b"one")
    bench.tell(told("ball@1.toy"))
    before = bench.file()
    revision = bench.source.revision("ball")
    assert (before.sha256, before.size) == (None, None)
    bench.cache()
    after = bench.file()
    assert (after.id, after.sha256, after.size) == (before.id, sha256(b"one"), 3)
    assert bench.source.revision("ball") != revision
    bench.put("ball@1.toy", b"changed behind its name")
    assert bench.read() == b"one"
    with bench.catalog.write() as db:  # as if the bytes were let go of
        db.execute("DELETE FROM file")
    with pytest.raises(UpstreamFailed):
        bench.read()
    assert bench.count("file") == 0


def test_a_digest_that_contradicts_what_was_held_is_another_file(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "0s"})
    bench.put("ball@1.toy", b"one")
    bench.tell(told("ball@1.toy"))
    before = bench.cache()
    bench.tell(told("ball@1.toy", b"one"))
    assert bench.file().id == before.id
    bench.tell(told("ball@1.toy", b"two"))
    assert bench.file().id != before.id
    assert bench.counts.of["recalled"] == 1


def test_the_size_of_a_file_is_asked_for_where_it_is_not_told(bench: Bench) -> None:
    bench.put("ball@1.toy", b"12345")
    bench.tell(told("ball@1.toy"))
    assert bench.source.sized(bench.file()).size == 5


def test_the_size_of_a_cached_file_asks_nobody(bench: Bench) -> None:
    bench.put("ball@1.toy", b"12345")
    bench.tell(told("ball@1.toy"))
    offered = bench.cache()
    asked = len(bench.server.requests)
    assert bench.source.sized(offered).size == 5
    assert len(bench.server.requests) == asked


def test_a_file_that_the_upstream_has_no_more(bench: Bench) -> None:
    bench.tell(told("ball@1.toy", b"one"))
    with pytest.raises(OrbitalError):
        bench.read()
    assert bench.count("file") == 0


def test_the_same_bytes_under_two_names_are_one_blob(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", b"same"), bench.put("ball@2.toy", b"same"))
    bench.cache("ball@1.toy")
    bench.cache("ball@2.toy")
    assert bench.count("file") == 2
    assert bench.count("blob") == len(list(bench.store.keys())) == 1


def test_bytes_that_are_lost_are_told(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", b"one"))
    offered = bench.cache()
    for key in list(bench.store.keys()):
        bench.store.delete(key)
    with pytest.raises(StorageFailed, match="missing from the store"):
        bench.source.open(offered)


def test_a_file_that_is_recalled_while_it_comes_is_not_kept(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", b"one"))
    offered = bench.file()
    order = bench.source._order(offered)
    bench.tell(told("ball@2.toy"))
    bench.new(listing_ttl="0s").listing("ball")
    part = bench.store.staging / "arrived.part"
    part.write_bytes(b"one")
    with pytest.raises(NotFound):
        order.keep(part, sha256(b"one"), 3)
    assert bench.count("file") == bench.count("blob") == 0
    assert list(bench.store.keys()) == []


SLOW = {
    "a stall": (stall(BALL[:10], len(BALL)), "did not answer in time"),
    "a stall before the first byte": (stall(), "did not answer in time"),
    "a drip": (drip(b"x", 0.01, head=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BALL)), "too slowly"),
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_file_that_does_not_come_is_given_up_and_not_kept(
    kind: str, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)
    hasty = functools.partialmethod(upstream.Client.stream, idle=0.3, slowest=100_000.0)
    monkeypatch.setattr(upstream.Client, "stream", hasty)
    behaviour, said = SLOW[kind]
    bench = make_bench(settings={"page_timeout": "1s"})
    bench.tell(bench.put("ball@1.toy", BALL, behaviour))
    with pytest.raises(UpstreamFailed, match=said):
        bench.read()
    assert bench.count("file") == bench.count("blob") == 0
    assert list(bench.store.keys()) == []
    assert within(10, lambda: list(bench.store.staging.iterdir()) == [])


def test_two_processes_that_keep_the_same_file_agree(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", b"one"))
    offered = bench.file()
    for number, source in enumerate([bench.source, bench.new()]):
        part = bench.store.staging / f"{number}.part"
        part.write_bytes(b"one")
        source._order(offered).keep(part, sha256(b"one"), 3)
    assert bench.count("file") == bench.count("blob") == len(list(bench.store.keys())) == 1
    assert bench.catalog.read().execute("SELECT file_count FROM package").fetchone()[0] == 1


# Documents.


def ways(bench: Bench) -> list[str]:
    """What the upstream was asked for beside the page."""
    return [
        request.path.rpartition("/")[2] + (" in part" if "range" in request.headers else "")
        for request in bench.server.requests
        if "/get/" in request.path
    ]


def head(bench: Bench, name: str = "ball@1.toy") -> bytes:
    return bench.source.document(bench.file(name), "head")


def test_a_document_that_the_upstream_offers_is_asked_for_once(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", BALL) | {"documents": {"head": sha256(HEAD)}})
    bench.server.table["/toys/get/ball@1.toy.head"] = reply(HEAD)
    revision = bench.source.revision("ball")
    assert head(bench) == head(bench) == HEAD
    assert ways(bench) == ["ball@1.toy.head"]
    assert bench.source.revision("ball") == revision


def test_a_document_with_another_digest_than_stated_is_never_kept(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", BALL) | {"documents": {"head": sha256(HEAD)}})
    bench.server.table["/toys/get/ball@1.toy.head"] = reply(b"another head")
    for _ in range(2):
        with pytest.raises(UpstreamFailed, match="not the one that the upstream states"):
            head(bench)
    assert bench.count("remote_document") == 0
    assert bench.counts.of["mismatched"] == 2


def test_a_document_that_is_not_offered_is_drawn_from_parts(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", BALL))
    revision = bench.source.revision("ball")
    assert head(bench) == head(bench) == HEAD
    assert ways(bench) == ["ball@1.toy in part"] * 2
    assert bench.count("file") == 0
    assert bench.file().documents == {"head": sha256(HEAD)}
    assert bench.source.revision("ball") != revision


@pytest.mark.parametrize("code", [404, 410, 403, 500])
def test_a_document_that_is_offered_and_not_given_is_drawn(bench: Bench, code: int) -> None:
    bench.tell(bench.put("ball@1.toy", BALL) | {"documents": {"head": ""}})
    bench.server.table["/toys/get/ball@1.toy.head"] = status(code)
    assert head(bench) == HEAD
    assert ways(bench) == ["ball@1.toy.head", *["ball@1.toy in part"] * 2]


def test_a_drawn_document_is_held_against_what_is_stated(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", BALL) | {"documents": {"head": sha256(b"another")}})
    with pytest.raises(UpstreamFailed, match="not the one that the upstream states"):
        head(bench)


def test_where_the_upstream_gives_no_parts_the_whole_file_is_fetched_and_kept(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", BALL, reply(BALL)))
    assert head(bench) == HEAD
    assert ways(bench).count("ball@1.toy") == 1
    bench.cache()
    assert bench.read() == BALL
    assert ways(bench).count("ball@1.toy") == 1


def test_a_document_of_a_cached_file_asks_nobody(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", BALL))
    bench.cache()
    asked = len(bench.server.requests)
    assert head(bench) == HEAD
    assert len(bench.server.requests) == asked
    assert bench.count("document") == 1


def test_a_document_learnt_before_the_file_lies_beside_it_afterwards(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", BALL))
    head(bench)
    assert bench.count("remote_document") == 1
    bench.cache()
    assert (bench.count("remote_document"), bench.count("document")) == (0, 1)
    assert head(bench) == HEAD


def test_a_file_without_the_document_says_so(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", b"a ball without its last line"))
    with pytest.raises(UpstreamFailed, match="it has no end"):
        head(bench)


def test_a_document_that_nobody_offers_is_not_there(make_bench: MakeBench) -> None:
    class Silent(Telling):
        draws = False

        def may_draw(self, filename: str) -> str | None:
            return None

    bench = make_bench(upstreams=Silent())
    bench.tell(bench.put("ball@1.toy", BALL))
    with pytest.raises(NotFound):
        head(bench)


def test_a_document_that_is_offered_no_more_is_not_served_from_before(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "0s"})
    facts = bench.put("ball@1.toy", BALL)
    bench.server.table["/toys/get/ball@1.toy.note"] = reply(b"a note")
    bench.tell(facts | {"documents": {"note": ""}})
    assert bench.source.document(bench.file(), "note") == b"a note"
    bench.tell(facts)
    with pytest.raises(NotFound):
        bench.source.document(bench.file(), "note")


def test_offline_those_documents_are_offered_that_are_here_or_in_the_file(make_bench: MakeBench) -> None:
    bench = make_bench()
    for number in (1, 2):
        bench.server.table[f"/toys/get/ball@{number}.toy.note"] = reply(b"a note")
    bench.tell(*(bench.put(f"ball@{number}.toy", BALL) | {"documents": {"note": ""}} for number in (1, 2)))
    for name in ("ball@1.toy", "ball@2.toy"):
        bench.cache(name)
    bench.source.document(bench.file("ball@1.toy"), "note")
    offline = bench.new(offline=True)
    asked = len(bench.server.requests)
    assert {file.filename: set(file.documents) for file in offline.listing("ball").files} == {
        "ball@1.toy": {"head", "note"},
        "ball@2.toy": {"head"},
    }
    assert offline.document(bench.file("ball@1.toy", offline), "note") == b"a note"
    assert offline.document(bench.file("ball@2.toy", offline), "head") == HEAD
    with pytest.raises(NotFound):
        offline.document(bench.file("ball@2.toy", offline), "note")
    assert len(bench.server.requests) == asked


def test_a_herd_for_one_document_asks_once(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", BALL))
    offered = bench.file()
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(bench.source.document(offered, "head"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [HEAD] * 8
    assert len(ways(bench)) == 2


def test_a_document_whose_stated_digest_changes_is_asked_for_anew(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "0s"})
    facts = bench.put("ball@1.toy", BALL)
    bench.server.table["/toys/get/ball@1.toy.head"] = reply(b"first")
    bench.tell(facts | {"documents": {"head": sha256(b"first")}})
    assert head(bench) == b"first"
    bench.server.table["/toys/get/ball@1.toy.head"] = reply(b"second")
    bench.tell(facts | {"documents": {"head": sha256(b"second")}})
    assert head(bench) == b"second"


def test_what_is_learnt_of_a_file_that_is_gone_is_forgotten(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "0s"})
    bench.put("ball@1.toy", BALL)
    bench.tell(told("ball@1.toy"))
    head(bench)
    bench.cache()
    bench.tell(told("ball@2.toy"))
    bench.source.listing("ball")
    assert bench.count("remote_fact") == bench.count("remote_document") == bench.count("document") == 0


# Reading parts.


class Scattered(Telling):
    """Reads the first byte of block after block: what reading in parts must bear only so much of."""

    def draw(self, stream, filename, kind):  # type: ignore[no-untyped-def]
        for place in range(0, len(BALL), BLOCK * 2):
            stream.seek(place)
            stream.read(1)
        stream.seek(0)
        return stream.readline().rstrip(b"\n")


def test_reading_in_parts_has_a_limit(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "MAX_REQUESTS", 10)
    bench = make_bench(upstreams=Scattered())
    bench.tell(bench.put("ball@1.toy", BALL))
    assert head(bench) == HEAD
    assert ways(bench).count("ball@1.toy in part") == 10
    assert ways(bench).count("ball@1.toy") == 1


def test_reading_in_parts_has_a_time_for_all_of_them(make_bench: MakeBench) -> None:
    bench = make_bench(upstreams=Scattered(), settings={"listing_ttl": "1h", "page_timeout": "1s"})
    bench.tell(bench.put("ball@1.toy", BALL, later(0.3, file(BALL))))
    with pytest.raises(UpstreamFailed, match="did not answer in time"):
        head(bench)
    assert ways(bench).count("ball@1.toy in part") <= 4 and "ball@1.toy" not in ways(bench)


def test_a_document_is_not_waited_for_longer_and_its_file_comes_nevertheless(make_bench: MakeBench) -> None:
    gate = threading.Event()

    def half_at_first(request: Request, wire: Wire) -> None:
        wire.head(200, {"Content-Length": str(len(BALL))})
        wire.send(BALL[:2_000_000])
        gate.wait(10)
        wire.send(BALL[2_000_000:])

    bench = make_bench(settings={"listing_ttl": "1h", "page_timeout": "1s"})
    bench.tell(bench.put("ball@1.toy", BALL, half_at_first))
    for _ in range(2):
        with pytest.raises(Busy, match=r"acme/mirror: the head of ball@1\.toy .* try again"):
            head(bench)
    gate.set()
    assert bench.read() == BALL
    assert head(bench) == HEAD
    assert ways(bench).count("ball@1.toy") == 1


def test_the_first_byte_of_a_file_is_not_waited_for_longer_either(make_bench: MakeBench) -> None:
    def parts_alone_fail(request: Request, wire: Wire) -> None:
        (reply(BALL) if "range" in request.headers else drip(every=0.2))(request, wire)

    bench = make_bench(settings={"listing_ttl": "1h", "page_timeout": "1s"})
    bench.tell(bench.put("ball@1.toy", BALL[:1000], parts_alone_fail))
    with pytest.raises(Busy, match="try again"):
        head(bench)


def test_a_file_that_changes_between_two_parts_is_read_as_a_whole(bench: Bench) -> None:
    facts = bench.put("ball@1.toy", BALL)
    other = b"other head\n" + BALL[len(HEAD) + 1 :] + b"."
    bench.server.table["/toys/get/ball@1.toy"] = in_turn(file(other, etag='"other"'), file(BALL, etag='"this"'))
    bench.tell(facts)
    assert head(bench) == HEAD


@pytest.mark.parametrize("knows_size", [True, False])
def test_a_file_in_parts_reads_as_the_file_itself(bench: Bench, knows_size: bool) -> None:
    body = bytes(range(256)) * 1000
    bench.put("ball@1.toy", body)
    stream = ranged.RangedFile(
        bench.source._asker,
        bench.server.url("/toys/get/ball@1.toy"),
        len(body) if knows_size else None,
        time.monotonic() + 10,
    )
    for place, size in ((0, 10), (BLOCK - 3, 6), (len(body) - 5, 99), (BLOCK * 2, BLOCK + 1), (len(body) + 7, 1)):
        stream.seek(place)
        assert stream.read(size) == body[place : place + size]
    assert stream.seek(-2, 2) == len(body) - 2
    assert stream.read() == body[-2:]
    with pytest.raises(OSError):
        stream.seek(-1)
    asked = bench.asked("/get/")
    stream.seek(0)
    assert stream.read() == body
    assert bench.asked("/get/") == asked, "every block is here"

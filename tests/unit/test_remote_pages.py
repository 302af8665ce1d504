"""The pages of a remote repository: when its upstream is asked, what is shown when that fails, what is kept."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from remotes import Bench, page, sha256, told
from scripted_upstream import Behaviour, ScriptedUpstream, cut_off, later, raw, redirect, reply, reset, stall, status

from orbitalreg.catalog import remotes
from orbitalreg.catalog.remotes import PageRow
from orbitalreg.errors import Busy, NoSpace, NotFound, UpstreamFailed
from orbitalreg.interfaces import Answer
from orbitalreg.model import StatusName, now
from orbitalreg.sources.remote import Turns, pages
from orbitalreg.sources.remote import asking as asking_module
from orbitalreg.sources.remote.absent import AbsentNames
from orbitalreg.sources.remote.asking import LARGE_BYTES
from orbitalreg.sources.remote.freshness import Freshness

MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with ScriptedUpstream() as server:
        made: list[Bench] = []

        def make(**options: Any) -> Bench:
            made.append(Bench(tmp_path, server, **options))
            return made[-1]

        yield make
        for bench in made:
            bench.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()


def age(bench: Bench, seconds: float) -> None:
    """Let the stored page be so much older."""
    with bench.catalog.write() as db:
        for table in ("remote_page", "remote_names"):
            db.execute(
                f"UPDATE {table} SET checked_at = checked_at - ?, failed_at = failed_at - ?",
                (int(seconds * 1e6), int(seconds * 1e6)),
            )


def test_everything_that_the_upstream_says_is_passed_on(bench: Bench) -> None:
    facts = {
        "uploaded_at": 5,
        "attributes": {"note": "round"},
        "documents": {"head": "ab" * 32},
        "yanked": "flat",
    }
    bench.tell(told("ball@1.toy", b"one", **facts), told("ball@2.toy"), status=["deprecated", "use cube"])
    listing = bench.source.listing("ball")
    first, second = listing.files
    assert (first.version, first.size, first.sha256, first.uploaded_at) == ("1", 3, sha256(b"one"), 5)
    assert (first.attributes, first.documents, first.yanked) == ({"note": "round"}, {"head": "ab" * 32}, "flat")
    assert (second.size, second.sha256, second.documents, second.yanked) == (None, None, {"head": ""}, None)
    assert abs(second.uploaded_at - now()) < 60_000_000
    assert {first.holder, second.holder} == {bench.repository.id}
    assert (listing.status.name, listing.status.reason) == (StatusName.DEPRECATED, "use cube")
    assert listing.stale is None


def test_a_page_is_shown_without_asking_until_its_time_is_over(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "60s"})
    bench.tell(told("ball@1.toy"))
    for _ in range(3):
        bench.source.revision("ball")
        bench.source.listing("ball")
    assert bench.asked() == 1
    age(bench, 61)
    bench.source.revision("ball")
    assert bench.asked() == 2


@pytest.mark.parametrize(
    "validator", [{"etag": '"v1"'}, {"etag": None, "last_modified": "Wed, 01 Jul 2026 00:00:00 GMT"}]
)
def test_an_unchanged_page_costs_a_304_and_no_new_revision(bench: Bench, validator: dict[str, str]) -> None:
    bench.tell(told("ball@1.toy"), **validator)
    before = bench.source.listing("ball")
    assert bench.source.listing("ball") == before
    assert bench.counts.of["unchanged"] > 0
    assert bench.counts.of["fresh"] == 1


def test_a_page_told_again_word_for_word_is_no_new_revision(bench: Bench) -> None:
    bench.answer(reply(page(told("ball@1.toy"))))
    before = bench.source.listing("ball")
    assert bench.source.listing("ball") == before
    assert bench.counts.of["fresh"] > 1


def test_a_changed_page_is_a_new_revision(bench: Bench) -> None:
    bench.tell(told("ball@1.toy"))
    before = bench.source.listing("ball")
    bench.tell(told("ball@1.toy"), told("ball@2.toy"))
    after = bench.source.listing("ball")
    assert after.revision != before.revision
    assert after.files[0] == before.files[0]
    assert [file.filename for file in after.files] == ["ball@1.toy", "ball@2.toy"]


def test_what_one_process_learns_the_other_shows(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "60s"})
    other = bench.new()
    bench.tell(told("ball@1.toy"))
    shown = bench.source.listing("ball")
    assert other.listing("ball") == shown
    assert bench.asked() == 1


def test_a_page_of_another_upstream_is_asked_for_anew_and_without_its_etag(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "60s"})
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    moved = bench.new(upstream=bench.server.url("/moved"))
    bench.server.table["/moved/of/ball/"] = bench.server.table["/toys/of/ball/"]
    moved.listing("ball")
    assert bench.server.requests[-1].path == "/moved/of/ball/"
    assert "if-none-match" not in bench.server.requests[-1].headers


HTML = reply(b"<html>Sign in to the wireless network", headers={"Content-Type": "text/html"})
FAILURES: dict[str, Behaviour] = {
    "500": status(500),
    "503": status(503),
    "403": status(403),
    "reset": reset(),
    "cut off": cut_off(b'{"status"', 1000),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "HTML with status 200": HTML,
    "broken JSON": reply(b'{"status": ["active", nu'),
    "a page too deep": reply(b"[" * 100_000),
    "another page": reply(b'{"files": 5}'),
    "a circle": redirect("/toys/of/ball/"),
    "a private address": redirect("http://10.0.0.1/toys/of/ball/"),
    "too large": reply(b'{"x": "' + b"x" * 70_000 + b'"}'),
    "a 304 that nobody asked for": status(304),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_the_last_good_page_is_shown_while_the_upstream_fails(make_bench: MakeBench, failure: Behaviour) -> None:
    bench = make_bench(settings={"max_page": "64KiB"})
    bench.answer(reply(page(told("ball@1.toy"))))
    good = bench.source.listing("ball")
    bench.answer(failure)
    stale = bench.source.listing("ball")
    assert stale.files == good.files
    if failure is not FAILURES["a 304 that nobody asked for"]:
        assert stale.stale
        assert stale.revision != good.revision
        assert stale.revision == bench.source.revision("ball")
        assert bench.counts.of["stale"] > 0
    bench.answer(reply(page(told("ball@1.toy"))))
    assert bench.source.listing("ball") == good


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_without_a_page_the_failure_is_told(make_bench: MakeBench, failure: Behaviour) -> None:
    bench = make_bench(settings={"max_page": "64KiB"})
    bench.answer(failure)
    with pytest.raises(UpstreamFailed):
        bench.source.listing("ball")
    assert bench.count("package") == bench.count("remote_page") == 0


def test_a_slow_upstream_is_a_failing_one(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"page_timeout": "1s"})
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    bench.answer(stall())
    began = time.monotonic()
    assert "in time" in str(bench.source.listing("ball").stale)
    assert time.monotonic() - began < 5


def test_an_upstream_that_is_away_leaves_the_last_page(bench: Bench) -> None:
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    bench.server.close()
    assert bench.source.listing("ball").stale
    with pytest.raises(UpstreamFailed):
        bench.source.listing("cube")


def test_a_failing_upstream_is_left_alone_for_a_moment(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "60s"})
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    age(bench, 61)
    bench.answer(status(500))
    for _ in range(3):
        assert bench.source.listing("ball").stale
    assert bench.asked() == 2
    age(bench, 16)
    bench.tell(told("ball@1.toy"))
    assert bench.source.listing("ball").stale is None


def test_a_stale_page_is_shown_for_stale_for_and_then_the_failure(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"stale_for": "1h"})
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    bench.answer(status(500))
    assert bench.source.listing("ball").stale
    age(bench, 3601)
    with pytest.raises(UpstreamFailed, match="answered 500"):
        bench.source.listing("ball")
    bench.tell(told("ball@1.toy"))
    assert bench.source.listing("ball").stale is None


@pytest.mark.parametrize("code", [404, 410])
def test_an_unknown_name_is_remembered_and_not_written_down(make_bench: MakeBench, code: int) -> None:
    bench = make_bench(settings={"negative_ttl": "60s"})
    bench.answer(status(code))
    for _ in range(3):
        with pytest.raises(NotFound):
            bench.source.revision("ball")
    assert bench.asked() == 1
    assert bench.count("package") == 0


def test_an_unknown_name_is_asked_for_again_when_its_time_is_over(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"negative_ttl": "0s"})
    with pytest.raises(NotFound):
        bench.source.listing("ball")
    bench.tell(told("ball@1.toy"))
    assert len(bench.source.listing("ball").files) == 1


@pytest.mark.parametrize("code", [404, 410])
def test_a_name_that_is_gone_takes_its_page_along(bench: Bench, code: int) -> None:
    bench.tell(bench.put("ball@1.toy", b"one"))
    bench.cache()
    bench.answer(status(code))
    with pytest.raises(NotFound):
        bench.source.listing("ball")
    assert bench.count("remote_page") == bench.count("file") == 0
    assert bench.counts.of["recalled"] == 1
    assert bench.source.names_revision()


def test_a_name_that_comes_back_has_another_revision(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"negative_ttl": "0s"})
    bench.tell(told("ball@1.toy"))
    before = bench.source.revision("ball")
    bench.answer(status(404))
    with pytest.raises(NotFound):
        bench.source.revision("ball")
    bench.tell(told("ball@1.toy"))
    assert bench.source.revision("ball") != before


def test_preserve_keeps_what_is_cached_of_a_name_that_is_gone(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"preserve": True})
    bench.tell(bench.put("ball@1.toy", b"one"), told("ball@2.toy"))
    kept = bench.cache()
    bench.answer(status(404))
    assert bench.source.listing("ball").files == (kept,)
    assert bench.read() == b"one"
    assert bench.counts.of["recalled"] == 0


def test_private_names_are_never_asked_for(make_bench: MakeBench) -> None:
    bench = make_bench(private=["ball", "acme-*"])
    bench.tell(told("ball@1.toy"))
    for name in ("ball", "acme-cube"):
        with pytest.raises(NotFound):
            bench.source.listing(name)
        with pytest.raises(NotFound):
            bench.source.revision(name)
    assert bench.server.requests == []


def test_local_only_asks_nobody(bench: Bench) -> None:
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    before = len(bench.server.requests)
    with pytest.raises(NotFound):
        bench.source.listing("ball", local_only=True)
    with pytest.raises(NotFound):
        bench.source.revision("ball", local_only=True)
    assert len(bench.server.requests) == before
    assert not bench.source.reserves("ball")
    assert list(bench.source.reserved()) == []


def herd(bench: Bench, count: int = 16) -> list[object]:
    """What so many threads are shown at the same time."""
    shown: list[object] = []

    def look() -> None:
        try:
            shown.append(bench.source.listing("ball"))
        except UpstreamFailed as error:
            shown.append(str(error))

    threads = [threading.Thread(target=look) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return shown


def test_a_herd_asks_once_and_shares_the_answer(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "60s"})
    bench.answer(later(0.3, reply(page(told("ball@1.toy")))))
    shown = herd(bench)
    assert bench.asked() == 1
    assert shown == [shown[0]] * 16


def test_a_herd_shares_a_failure(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "60s"})
    bench.answer(later(0.3, status(500)))
    shown = herd(bench)
    assert bench.asked() == 1
    assert all("500" in str(one) for one in shown)


def test_while_one_asks_the_others_see_the_old_page(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "60s"})
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    age(bench, 61)
    bench.answer(later(2.0, reply(page(told("ball@2.toy")))))
    asking = threading.Thread(target=bench.source.listing, args=("ball",))
    asking.start()
    while bench.asked() < 2:
        time.sleep(0.01)
    assert bench.names() == ["ball@1.toy"]
    assert asking.is_alive()
    asking.join()
    assert bench.names() == ["ball@2.toy"]
    assert bench.asked() == 2


def test_those_who_wait_for_upstreams_have_a_cap(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it: the old page where there is one that may be shown, else `Busy`. Afterwards all is as it was."""
    monkeypatch.setattr(asking_module, "PLACE_SECONDS", 0.05)
    bench = make_bench(settings={"listing_ttl": "60s"}, turns=Turns(threading.Semaphore(1)))
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    age(bench, 61)
    bench.answer(later(1.5, reply(page(told("kite@1.toy")))), package="kite")
    asking = threading.Thread(target=bench.source.listing, args=("kite",))
    asking.start()
    while not bench.asked("/of/kite/"):
        time.sleep(0.01)
    assert bench.names() == ["ball@1.toy"] and bench.asked("/of/ball/") == 1
    with pytest.raises(Busy):
        bench.source.listing("top")
    asking.join()
    bench.tell(told("ball@2.toy"))
    assert bench.names() == ["ball@2.toy"]
    with pytest.raises(NotFound):
        bench.source.listing("top")


def test_another_process_that_learns_something_meanwhile_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.tell(bench.put("ball@1.toy", b"one"))
    bench.tell({**told("ball@1.toy"), "sha256": None, "size": None})
    bench.source.listing("ball")
    other = bench.new(listing_ttl="1h")
    merges = []

    def merged(*arguments: Any, **options: Any) -> Any:
        if not merges:
            merges.append(1)
            bench.cache(source=other)
        return merge(*arguments, **options)

    merge = pages.merge
    monkeypatch.setattr(pages, "merge", merged)
    bench.tell({**told("ball@1.toy"), "sha256": None, "size": None}, told("ball@2.toy"))
    bench.source.listing("ball")
    assert [file.sha256 for file in bench.new(listing_ttl="1h").listing("ball").files] == [sha256(b"one"), None]


def test_an_older_answer_never_replaces_a_newer_one(make_bench: MakeBench) -> None:
    bench = make_bench()
    slow = bench.new(listing_ttl="0s")
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    body = page(told("ball@1.toy"))

    def told_late(request: Any, wire: Any) -> None:
        bench.answer(reply(page(told("ball@2.toy"))))
        bench.source.listing("ball")
        reply(body)(request, wire)

    bench.answer(told_late)
    slow.listing("ball")
    bench.answer(status(500))
    assert bench.names() in (["ball@1.toy"], ["ball@2.toy"])


@pytest.mark.parametrize("behaviour", [status(500), reply(page(told("ball@2.toy"))), status(304)])
def test_a_full_disk_leaves_the_last_page(bench: Bench, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.tell(told("ball@1.toy"))
    good = bench.source.listing("ball")
    bench.answer(behaviour)

    def full(*arguments: Any) -> None:
        raise NoSpace("the data file system is full")

    for write in ("fail_page", "put_page", "confirm_page"):
        monkeypatch.setattr(remotes, write, full)
    shown = bench.source.listing("ball")
    assert shown.files == good.files
    assert shown.stale


def test_a_plugin_that_breaks_is_its_upstreams_failure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    bench.answer(reply(b'{"status": ["active", null], "files": [{"url": "x"}]}'))  # a TypeError
    assert "cannot be read" in str(bench.source.listing("ball").stale)


# Recalls.


def recalls(bench: Bench) -> list[tuple[str, str]]:
    rows = remotes.recalls(bench.catalog.read(), bench.repository.id, "ball")
    return [(row.filename, row.reason) for row in rows]


def test_a_file_that_vanished_is_recalled(bench: Bench) -> None:
    bench.tell(bench.put("ball@1.toy", b"one"), told("ball@2.toy"))
    file = bench.cache()
    bench.tell(told("ball@2.toy"))
    assert bench.names() == ["ball@2.toy"]
    assert recalls(bench) == [("ball@1.toy", "the upstream has removed it")]
    with pytest.raises(NotFound):
        bench.source.open(file)
    with pytest.raises(NotFound):
        bench.source.document(file, "head")
    assert bench.counts.of["recalled"] == 1


def test_a_file_that_vanished_uncached_is_gone_without_a_recall(bench: Bench) -> None:
    bench.tell(told("ball@1.toy"), told("ball@2.toy"))
    bench.source.listing("ball")
    bench.tell(told("ball@2.toy"))
    assert bench.names() == ["ball@2.toy"]
    assert recalls(bench) == []


def test_preserve_keeps_a_cached_file_that_vanished_and_takes_it_back_as_it_was(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"preserve": True})
    facts = bench.put("ball@1.toy", b"one\nend")
    bench.tell(facts)
    kept = bench.cache()
    bench.tell(told("ball@2.toy"))
    assert bench.source.listing("ball").files[-1] == kept
    assert bench.source.document(kept, "head") == b"one"
    bench.tell(facts, told("ball@2.toy"))
    assert bench.file().id == kept.id


@pytest.mark.parametrize("preserve", [False, True])
def test_a_file_whose_digest_changed_is_another_and_its_cached_copy_is_recalled(
    make_bench: MakeBench, preserve: bool
) -> None:
    bench = make_bench(settings={"preserve": preserve})
    bench.tell(bench.put("ball@1.toy", b"one"))
    before = bench.cache()
    bench.tell(bench.put("ball@1.toy", b"other"))
    after = bench.file()
    assert after.id != before.id
    assert after.sha256 == sha256(b"other")
    assert recalls(bench) == [("ball@1.toy", "the upstream offers other bytes under its name")]
    with pytest.raises(NotFound):
        bench.source.open(before)
    assert bench.read() == b"other"


@pytest.mark.parametrize("preserve", [False, True])
def test_a_quarantined_package_is_withheld_cached_copies_included_until_it_is_not(
    make_bench: MakeBench, preserve: bool
) -> None:
    bench = make_bench(settings={"preserve": preserve})
    facts = bench.put("ball@1.toy", b"one")
    bench.tell(facts, told("ball@2.toy"))
    before = bench.source.listing("ball").files
    bench.cache()
    bench.tell(status=["quarantined", "malware"])
    for _ in range(2):
        listing = bench.source.listing("ball")
        assert not listing.status.offers_files
        assert set(listing.withheld) == {"ball@1.toy", "ball@2.toy"}
        assert "malware" in listing.withheld["ball@1.toy"].reason
    assert recalls(bench) == [("ball@1.toy", "quarantined by the upstream: malware")]
    assert bench.counts.of["recalled"] == 1
    bench.tell(facts, told("ball@2.toy"))
    assert bench.source.listing("ball").files == before
    gets = bench.asked("/get/")
    assert bench.read() == b"one"
    assert bench.asked("/get/") == gets


# Offline.


def test_offline_shows_what_is_cached_and_asks_nobody(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.tell(bench.put("ball@1.toy", b"one"), bench.put("ball@2.toy", b"two"))
    bench.tell(told("cube@1.toy"), package="cube")
    bench.source.listing("cube")
    bench.cache()
    second = bench.file("ball@2.toy")
    asked = len(bench.server.requests)
    offline = bench.new(offline=True)
    before = offline.listing("ball")
    assert [file.filename for file in before.files] == ["ball@1.toy"]
    assert before.revision == offline.revision("ball")
    assert bench.read(source=offline) == b"one"
    assert list(offline.names()) == ["ball"]
    for name in ("cube", "cone"):
        with pytest.raises(NotFound):
            offline.listing(name)
        with pytest.raises(NotFound):
            offline.revision(name)
    with pytest.raises(NotFound):
        offline.open(second)
    with pytest.raises(NotFound):
        offline.document(second, "head")
    assert len(bench.server.requests) == asked


def test_offline_tells_of_no_failure_of_before(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.tell(bench.put("ball@1.toy", b"one"))
    bench.cache()
    fresh = bench.new(offline=True).listing("ball").revision
    bench.answer(status(500))
    assert bench.source.listing("ball").stale is not None
    stale = bench.counts.of["stale"]
    offline = bench.new(offline=True)
    assert offline.listing("ball").stale is None
    assert offline.revision("ball") == fresh
    assert bench.counts.of["stale"] == stale


def test_offline_another_cached_file_is_another_revision(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.tell(bench.put("ball@1.toy", b"one"), bench.put("ball@2.toy", b"two"))
    bench.cache()
    offline = bench.new(offline=True)
    before = (offline.revision("ball"), offline.names_revision())
    bench.cache("ball@2.toy")
    after = offline.listing("ball")
    assert [file.filename for file in after.files] == ["ball@1.toy", "ball@2.toy"]
    assert after.revision == offline.revision("ball") != before[0]


# The list of names.


def tell_names(bench: Bench, *names: str, **headers: str) -> None:
    body = "".join(f"{name}\n" for name in names).encode()
    bench.server.table["/toys/names/"] = reply(body, headers={"Content-Type": "text/plain", **headers})


def test_the_names_are_those_of_the_upstream(bench: Bench) -> None:
    tell_names(bench, "cube", "ball", "Ball", "no name!", "cone")
    names = bench.source.names()
    assert list(names) == ["ball", "cone", "cube"]
    assert (len(names), names[0], names[-1], names[1:]) == (3, "ball", "cube", ["cone", "cube"])
    with pytest.raises(IndexError):
        names[3]
    assert "cone" in names


def test_private_names_are_not_among_them(make_bench: MakeBench) -> None:
    bench = make_bench(private=["acme-*"])
    tell_names(bench, "acme-ball", "ball")
    assert list(bench.source.names()) == ["ball"]


def test_the_names_have_one_revision_while_they_are_the_same(bench: Bench) -> None:
    tell_names(bench, "ball", "cube")
    before = bench.source.names_revision()
    assert bench.source.names_revision() == before
    tell_names(bench, "ball", "cone")
    assert bench.source.names_revision() != before


def test_the_names_are_kept_for_the_ttl_and_stale_on_error(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"listing_ttl": "60s"})
    tell_names(bench, "ball", ETag='"1"')
    bench.source.names()
    bench.source.names_revision()
    assert bench.asked("/names/") == 1
    age(bench, 61)
    bench.server.table["/toys/names/"] = HTML
    assert list(bench.source.names()) == ["ball"]
    assert bench.server.requests[-1].headers["if-none-match"] == '"1"'
    assert bench.asked("/names/") == 2


def test_names_that_never_came_are_a_failure(bench: Bench) -> None:
    bench.server.table["/toys/names/"] = status(500)
    with pytest.raises(UpstreamFailed):
        bench.source.names()
    with pytest.raises(UpstreamFailed):
        bench.source.names_revision()


def test_an_upstream_without_a_list_has_the_names_that_were_asked_for(bench: Bench) -> None:
    before = bench.source.names_revision()
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    assert list(bench.source.names()) == ["ball"]
    assert bench.source.names_revision() != before


def test_an_upstream_whose_list_is_empty_has_none(bench: Bench) -> None:
    bench.tell(told("ball@1.toy"))
    bench.source.listing("ball")
    tell_names(bench)
    assert list(bench.source.names()) == []


def test_a_list_of_a_public_size_takes_little_memory(bench: Bench) -> None:
    tell_names(bench, *(f"toy-{number:07}" for number in range(200_000)))
    names = bench.source.names()
    assert len(names) == 200_000
    assert names[123_456] == "toy-0123456"
    assert sum(1 for _ in names) == 200_000
    assert bench.catalog.read().execute("SELECT length(body) FROM remote_names").fetchone()[0] < 1_000_000


def test_the_list_of_names_has_a_limit_of_its_own(make_bench: MakeBench) -> None:
    bench = make_bench(settings={"max_page": "1KiB", "max_name_list": "4KiB"})
    tell_names(bench, *(f"toy-{number}" for number in range(300)))
    assert len(bench.source.names()) == 300
    tell_names(bench, *(f"toy-{number}" for number in range(600)))
    assert len(bench.new().names()) == 300  # the last good one
    bench.tell(told("ball@1.toy", yanked="x" * 1024))
    with pytest.raises(UpstreamFailed, match="more than 1024 bytes"):
        bench.source.listing("ball")


@pytest.mark.parametrize("size", [LARGE_BYTES - 1, LARGE_BYTES])
def test_large_answers_are_read_one_at_a_time(bench: Bench, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page is made of may take many times its size while it is read, and each thread might read one."""
    alone: list[bool] = []

    def note(said: Answer, *more: object) -> None:
        assert len(said.body) == size
        alone.append(bench.turns.large.locked())
        raise UpstreamFailed("read")

    for method in ("read_page", "read_names"):
        monkeypatch.setattr(bench.upstreams, method, note)
    for place in ("/toys/of/ball/", "/toys/names/"):
        bench.server.table[place] = reply(b" " * size)
    for ask in (lambda: bench.source.listing("ball"), bench.source.names):
        with pytest.raises(UpstreamFailed, match="read"):
            ask()
    assert alone == [size >= LARGE_BYTES] * 2
    assert not bench.turns.large.locked()


# Small parts.


def test_absent_names_are_forgotten_in_time_and_when_there_are_too_many() -> None:
    clock = [100.0]
    absent = AbsentNames(10, limit=3, clock=lambda: clock[0])
    for name in ("a", "b", "c"):
        absent.add(name)
    absent.add("a")
    absent.add("d")
    assert [name for name in "abcd" if name in absent] == ["a", "c", "d"]
    absent.discard("c")
    assert "c" not in absent
    clock[0] += 9.9
    assert "a" in absent
    clock[0] += 0.1
    assert "a" not in absent


def test_strangers_cannot_fill_the_memory_or_the_catalog(bench: Bench) -> None:
    for number in range(50):
        with pytest.raises(NotFound):
            bench.source.listing(f"unknown-{number}")
    assert bench.count("package") == 0


def test_a_clock_that_was_set_back_makes_a_page_due() -> None:
    later_on = PageRow("https://one.example", None, None, now() + 10**9, None, None)
    freshness = Freshness("https://one.example", 600, None)
    assert freshness.is_due(later_on)
    assert not freshness.is_due(dataclasses.replace(later_on, checked_at=now() - 10**6))
    assert freshness.is_due(dataclasses.replace(later_on, failed_at=now() + 10**9))

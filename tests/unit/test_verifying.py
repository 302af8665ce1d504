"""Verification: what is found wrong with bytes and catalog, what is had again, and what is put aside."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import reported
from remotes import Bench, told
from scripted_upstream import ScriptedUpstream

from orbitalreg.catalog import blobs, remotes, reports, upkeep
from orbitalreg.collection import verifying
from orbitalreg.collection.keeping import VERIFY
from orbitalreg.collection.lock import RemovalLock
from orbitalreg.collection.verifying import DAMAGED, MISSING, UNREADABLE, Fault, Repair, Verified, Verifier
from orbitalreg.errors import StorageFailed
from orbitalreg.jobs import BrokenOff, Worker
from orbitalreg.model import Actor

ME = Actor("local:test")
BALL = b"a toy"
DIGEST = hashlib.sha256(BALL).hexdigest()
PLACE = "acme/toys/ball==1/ball@1.toy"


def never() -> bool:
    return False


def path_of(data: Path, store: Any, number: int = 0) -> Path:
    key = sorted(store.keys())[number]
    return data / "blobs" / key[:2] / key


def run(site: Any, **options: Any) -> tuple[Verified, list[Fault]]:
    faults: list[Fault] = []
    verified = site.registry.upkeep.verifier.run("test", ME, never, told=faults.append, **options)
    return verified, faults


def entries(site: Any, action: str) -> list[dict[str, Any]]:
    rows = site.registry.catalog.read().execute("SELECT detail FROM audit_entry WHERE action = ?", (action,))
    return [json.loads(row[0]) for row in rows.fetchall()]


def damage(path: Path) -> None:
    """One bit, as a disk does it; the size stays."""
    body = bytearray(path.read_bytes())
    body[0] ^= 1
    path.write_bytes(body)


def test_what_is_sound_is_counted(site: Any) -> None:
    site.put("ball@1.toy", BALL)
    site.put("ball@2.toy", b"another toy")
    assert run(site) == (Verified(checked=2, checked_bytes=16), [])


@pytest.mark.parametrize("how", ["one bit", "shorter", "longer", "gone"])
def test_local_bytes_that_are_wrong_are_put_aside_and_the_file_says_so(site: Any, how: str) -> None:
    site.put("ball@1.toy", BALL)
    path = path_of(site.data, site.registry.store)
    if how == "one bit":
        damage(path)
    elif how == "gone":
        path.unlink()
    else:
        path.write_bytes(BALL[:2] if how == "shorter" else BALL * 2)
    fault = MISSING if how == "gone" else DAMAGED
    found = Fault(DIGEST, fault, (), (PLACE,))
    assert run(site, look_only=True)[1] == [Fault(DIGEST, fault)]
    assert not (site.data / "quarantine").exists() and entries(site, "blob.quarantine") == []
    assert run(site) == (Verified(checked=1, checked_bytes=5, faulty=1), [found])
    answer = site.get("/toy/acme/toys/get/ball/ball@1.toy")
    assert answer.status_code == 500
    assert f"the bytes of ball@1.toy were found {fault} and are not given out; upload the same" in answer.text
    assert [entry["lost"] for entry in entries(site, "blob.quarantine")] == [[PLACE]]
    aside = list((site.data / "quarantine").glob("*"))
    assert [one.name for one in aside] == ([] if how == "gone" else [path.name])
    assert site.blobs() == []
    assert run(site)[1] == [found], "it is told each time"


def test_the_same_file_that_is_uploaded_again_takes_the_place_of_what_was_lost(site: Any) -> None:
    site.put("ball@1.toy", BALL)
    damage(path_of(site.data, site.registry.store))
    run(site)
    assert site.put("ball@1.toy", BALL).status_code == 200
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").content == BALL
    assert run(site) == (Verified(checked=1, checked_bytes=5), [])
    assert [entry["filename"] for entry in entries(site, "file.mend")] == ["ball@1.toy"]


def test_other_files_of_the_same_bytes_mend_it_too(site: Any) -> None:
    site.put("ball@1.toy", BALL)
    damage(path_of(site.data, site.registry.store))
    run(site)
    assert site.put("ball@2.toy", BALL).status_code == 200
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").content == BALL


def test_bytes_that_somebody_put_back_are_given_out_again(site: Any) -> None:
    site.put("ball@1.toy", BALL)
    path = path_of(site.data, site.registry.store)
    damage(path)
    run(site)
    path.write_bytes(BALL)
    assert run(site, look_only=True)[0] == Verified(checked=1, checked_bytes=5, mended=1)
    assert run(site)[0] == Verified(checked=1, checked_bytes=5, mended=1)
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").content == BALL
    assert len(entries(site, "blob.acquit")) == 1


def test_bytes_that_cannot_be_read_stay_where_they_are(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put("ball@1.toy", BALL)

    class Broken:
        def __enter__(self) -> "Broken":
            return self

        def __exit__(self, *_: object) -> None:
            return

        def read(self, size: int) -> bytes:
            raise OSError(number, "a word of the system's")

    monkeypatch.setattr(site.registry.store, "open", lambda key: Broken())
    number = 5  # EIO
    assert run(site)[1] == [Fault(DIGEST, UNREADABLE, (), (PLACE,))]
    number = 24  # EMFILE says nothing of the blob
    with pytest.raises(StorageFailed, match="cannot be read: a word"):
        run(site)
    monkeypatch.undo()
    assert len(site.blobs()) == 1


def test_a_store_that_is_not_mounted_condemns_nothing(site: Any) -> None:
    for number in range(6):
        site.put(f"ball@{number}.toy", b"toy %d" % number)
    moved = site.data / "blobs"
    moved.rename(site.data / "elsewhere")
    moved.mkdir()
    with pytest.raises(StorageFailed, match="4 blobs in a row are missing: is the store not mounted"):
        run(site, many=4)
    assert blobs.faulty(site.registry.catalog.read()) == []
    moved.rmdir()
    (site.data / "elsewhere").rename(moved)
    assert run(site)[0].faulty == 0


def test_what_comes_between_two_sound_ones_is_acted_on(site: Any) -> None:
    for number in range(9):
        site.put(f"ball@{number}.toy", b"toy %d" % number)
    for number in (1, 2, 3, 5, 6, 8):
        path_of(site.data, site.registry.store, number).write_bytes(b"other")
    assert run(site, many=4)[0].faulty == 6


def test_a_run_that_was_broken_off_goes_on_where_it_was(site: Any) -> None:
    for number in range(8):
        site.put(f"ball@{number}.toy", b"toy %d" % number)
    read: list[int] = []

    def stopping() -> bool:
        read.append(1)
        return len(read) > 6

    with pytest.raises(BrokenOff):
        site.registry.upkeep.verifier.run("test", ME, stopping)
    row = upkeep.get(site.registry.catalog.read(), "test")
    assert row is not None and row.ended_at is None
    before = row.told["checked"]
    assert 0 < before < 8
    opened: list[str] = []
    verifier = site.registry.upkeep.verifier
    store, verifier._store = verifier._store, _Counting(verifier._store, opened)
    assert run(site)[0].checked == 8
    assert len(opened) == 8 - before
    opened.clear()
    assert run(site)[0].checked == 8 == len(opened), "a run that ended is followed by a whole one"
    verifier._store = store


class _Counting:
    def __init__(self, store: Any, opened: list[str]) -> None:
        self._store, self._opened = store, opened

    def open(self, key: str) -> Any:
        self._opened.append(key)
        return self._store.open(key)


def test_the_rate_bounds_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    at, slept = [0.0], []

    def sleep(seconds: float) -> None:
        at[0] += seconds
        slept.append(seconds)

    monkeypatch.setattr(verifying.time, "monotonic", lambda: at[0])
    monkeypatch.setattr(verifying.time, "sleep", sleep)
    pace = verifying.Pace(1000, never)
    for _ in range(10):
        pace.read(500)
    assert sum(slept) == pytest.approx(5.0)
    verifying.Pace(None, never).read(10**12)
    assert sum(slept) == pytest.approx(5.0)


def test_what_is_wrong_with_the_catalog_is_told(site: Any) -> None:
    site.put("ball@1.toy", BALL)
    with sqlite3.connect(site.data / "catalog.sqlite3") as db:
        db.execute("DELETE FROM blob")
    db.close()
    verified, _ = run(site)
    assert [line for line in verified.problems if line.startswith("file: row 1 refers to a blob that is not there")]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    with ScriptedUpstream() as server:
        made: list[Bench] = []

        def make(**options: Any) -> Bench:
            made.append(Bench(tmp_path, server, **{"settings": {"listing_ttl": "1h"}, **options}))
            return made[-1]

        yield make
        for bench in made:
            bench.close()


def verifier_of(bench: Bench, repaired: bool = True) -> Verifier:
    repair = Repair({bench.repository.id} if repaired else ())
    return Verifier(bench.catalog, bench.store, RemovalLock(bench.folder), bench.folder, repair)


def test_a_cached_file_is_fetched_again(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.tell(bench.put("ball@1.toy", b"one\n\nend"))
    bench.cache()
    assert bench.source.document(bench.file(), "head") == b"one"
    offered = bench.file()
    shown = bench.source.listing("ball").files
    revision = bench.source.revision("ball")
    damage(path_of(bench.folder, bench.store))
    faults: list[Fault] = []
    assert verifier_of(bench).run("test", ME, never, told=faults.append).faulty == 1
    [fault] = faults
    assert fault.again == ("acme/mirror/ball==1/ball@1.toy",) and fault.lost == ()
    assert bench.source.listing("ball").files == shown
    assert bench.source.revision("ball") != revision
    asked = bench.asked("/get/")
    assert bench.cache() == offered
    assert bench.read() == b"one\n\nend"
    assert bench.asked("/get/") == asked + 1
    assert bench.source.document(offered, "head") == b"one"
    assert verifier_of(bench).run("test", ME, never) == Verified(checked=1, checked_bytes=8)


def test_a_cached_file_that_is_not_to_be_had_is_put_aside(make_bench: Callable[..., Bench]) -> None:
    """Because nobody is asked, or since the upstream tells of it no more."""
    bench = make_bench()
    bench.tell(bench.put("ball@1.toy", b"one"))
    offered = bench.cache()
    damage(path_of(bench.folder, bench.store))
    faults: list[Fault] = []
    verifier_of(bench, repaired=False).run("test", ME, never, told=faults.append)
    assert faults[0].lost == ("acme/mirror/ball==1/ball@1.toy",)
    assert remotes.cached_digest(bench.catalog.read(), offered.id) is not None
    with pytest.raises(StorageFailed, match="were found damaged"):
        bench.read()


def test_a_file_of_an_upstream_mends_a_local_one_of_the_same_bytes(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.tell(bench.put("ball@1.toy", b"one"), told("ball@2.toy", b"one"))
    bench.cache()
    with bench.catalog.write() as db:
        db.execute("UPDATE file SET id = 'local'")
    damage(path_of(bench.folder, bench.store))
    verifier_of(bench).run("test", ME, never)
    with bench.catalog.write() as db:
        assert blobs.hold(db, hashlib.sha256(b"one").hexdigest(), None, 3) is None
        assert blobs.hold(db, hashlib.sha256(b"one").hexdigest(), "other", 3) == "other"
    assert blobs.faulty(bench.catalog.read()) == []


def test_what_a_scanner_left_is_made_again(site: Any) -> None:
    site.put("ball@1.toy", BALL)
    reported.put(
        site.registry, "acme/toys", "ball@1.toy", reported.report("grype"), raw=b"raw", documents={"x": b"sbom"}
    )
    [(file_id,)] = site.registry.catalog.read().execute("SELECT id FROM file").fetchall()
    for path in (site.data / "blobs").glob("*/*"):
        if path.read_bytes() != BALL:
            path.unlink()
    verifier = site.registry.upkeep.verifier
    verifier._repair = Repair((), {"grype"})
    verified, faults = run(site)
    assert verified.faulty == 2
    assert {fault.again for fault in faults} == {(f"what grype left of the file {file_id}",)}
    db = site.registry.catalog.read()
    assert db.execute("SELECT count(*) FROM job WHERE kind = 'scan.grype' AND subject = ?", (file_id,)).fetchone() == (
        1,
    )
    assert reports.documents(db, file_id) == () and reports.raw_digest(db, file_id, "grype") is None
    assert reports.of_files(db, [file_id]), "what the scanner said stays"
    assert run(site) == (Verified(checked=3, checked_bytes=verified.checked_bytes), []), "unused, and soon collected"


def test_the_worker_verifies_by_itself_and_again_only_after_the_interval(site: Any) -> None:
    site.put("ball@1.toy", BALL)
    damage(path_of(site.data, site.registry.store))

    def work() -> None:
        worker = Worker(site.registry.catalog, {VERIFY: site.registry.handlers[VERIFY]})
        worker.start()
        assert worker.wait_idle(30)
        worker.stop()

    work()
    row = upkeep.get(site.registry.catalog.read(), VERIFY)
    assert row is not None and row.ended_at is not None and row.told["faulty"] == 1
    work()
    assert upkeep.get(site.registry.catalog.read(), VERIFY) == row
    waiting = site.registry.catalog.read().execute("SELECT due_at FROM job WHERE kind = ?", (VERIFY,)).fetchall()
    assert len(waiting) == 1 and waiting[0][0] > row.ended_at + 27 * 86_400_000_000


def test_the_command_tells_what_is_wrong(site: Any, cli: Callable[..., Any]) -> None:
    site.put("ball@1.toy", BALL)
    good = cli("verify", "--rate", "1GiB")
    assert good.exit_code == 0
    assert good.stdout.splitlines() == ["1 blob read, 5 B: 0 faulty, 0 mended", "the catalog is sound"]
    damage(path_of(site.data, site.registry.store))
    assert json.loads(cli("verify", "--dry-run", "--json").stdout)["faults"][0]["fault"] == "damaged"
    bad = cli("verify")
    assert bad.exit_code == 1
    assert bad.stdout.splitlines()[0] == f"damaged: {PLACE}: not given out any more"
    assert cli("verify", "--rate", "fast").exit_code == 2


def test_the_command_goes_on_where_many_are_missing_if_it_is_told_to(site: Any, cli: Callable[..., Any]) -> None:
    for number in range(verifying.MANY):
        site.put(f"ball@{number}.toy", b"toy %d" % number)
    for path in (site.data / "blobs").glob("*/*"):
        path.unlink()
    refused = cli("verify")
    assert refused.exit_code == 1 and "orbitalreg verify --however-many" in refused.stderr
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").text.startswith("the bytes of ball@1.toy are missing")
    assert len(json.loads(cli("verify", "--anew", "--however-many", "--json").stdout)["faults"]) == verifying.MANY
    assert "were found missing" in site.get("/toy/acme/toys/get/ball/ball@1.toy").text


def test_doctor_and_metrics_tell_of_it(site: Any, cli: Callable[..., Any]) -> None:
    site.put("ball@1.toy", BALL)
    site.put("ball@2.toy", b"another")

    def told() -> dict[str, tuple[str, str]]:
        return {one["subject"]: (one["state"], one["says"]) for one in json.loads(cli("doctor", "--json").stdout)}

    assert told()["blobs"] == ("good", "none is known to be damaged or missing")
    assert told()["verification"] == ("good", "none has ended yet")
    assert told()["backup"] == ("good", "none was made by orbitalreg backup")
    damage(path_of(site.data, site.registry.store))
    assert cli("backup", "copy").exit_code == 1
    site.registry.upkeep.verifier.run(VERIFY, ME, never)
    state, says = told()["blobs"]
    assert state == "bad" and "acme/toys/ball==" in says and "upload those files again, or restore a backup" in says
    assert told()["verification"][1].startswith("the last ended at 20")
    assert told()["backup"] == ("bad", told()["backup"][1]) and "lacks 1 blobs" in told()["backup"][1]
    monitor = site.token("acme:admin", name="monitor")
    metrics = site.get("/metrics", monitor)
    assert metrics.status_code == 200
    assert "orbitalreg_blobs_faulty 1.0" in metrics.text and "orbitalreg_blobs_unused 0.0" in metrics.text

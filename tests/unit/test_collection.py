"""Collection of unused bytes: what refers to them, the grace, crashes in between, and uploads of the very same."""

import hashlib
import json
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ulid import ULID

from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.catalog import Catalog, blobs, files, repositories
from orbitalreg.collection import garbage
from orbitalreg.collection.backup import Backup
from orbitalreg.collection.garbage import Collected, Collector
from orbitalreg.collection.keeping import COLLECT
from orbitalreg.collection.lock import BackupRuns, RemovalLock
from orbitalreg.collection.restoring import restore
from orbitalreg.collection.verifying import Repair, Verifier
from orbitalreg.errors import Busy, StorageFailed
from orbitalreg.holding import new_key
from orbitalreg.jobs import BrokenOff, Worker
from orbitalreg.model import Actor, Address, File, Kind

ME = Actor("local:test")
GRACE = 100
SECOND = 1_000_000

NOT_HELD = {
    ("document", "sha256"): "its body is in the row",
    ("remote_document", "sha256"): "its body is in the row",
    ("remote_fact", "sha256"): "what a file turned out to be, cached or not",
    ("deleted_file", "sha256"): "what a file was",
    ("recall", "sha256"): "what a file was",
    ("blob", "sha256"): "the blob itself",
}
"""Columns with a digest that keep no bytes, and why."""


def never() -> bool:
    return False


def sha(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def test_whatever_refers_to_a_blob_is_counted(tmp_path: Path) -> None:
    """A new table with a digest in it belongs into `blobs.REFERENCES`, or here into `NOT_HELD`."""
    db = Catalog(tmp_path).read()
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
    referring, with_digest, indexed = set(), set(), set()
    for table in tables:
        for key in db.execute(f"PRAGMA foreign_key_list({table})").fetchall():
            if key[2] == "blob":
                referring.add((table, key[3]))
        for column in db.execute(f"PRAGMA table_info({table})").fetchall():
            if "sha256" in column[1]:
                with_digest.add((table, column[1]))
        for index in db.execute(f"PRAGMA index_list({table})").fetchall():
            first = db.execute(f"PRAGMA index_info({index[1]})").fetchone()
            indexed.add((table, first[2]))
    assert referring == set(blobs.REFERENCES)
    assert with_digest == referring | NOT_HELD.keys()
    assert referring <= indexed


class Clock:
    """Hand-turned."""

    def __init__(self) -> None:
        self.at = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        return self.at


class Yard:
    """A catalog, a store and a collector, with files of which the bytes are one word."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.catalog = Catalog(folder)
        self.store = FilesystemBlobStore(folder, {})
        self.lock = RemovalLock(folder)
        self.collector = Collector(self.catalog, self.store, self.lock, GRACE)
        self.verifier = Verifier(self.catalog, self.store, self.lock, folder, Repair())
        self.backup = Backup(self.catalog, self.store, self.lock, folder)
        known = {row.address.repository: row.id for row in repositories.all_repositories(self.catalog.read())}
        with self.catalog.write() as db:
            self.repository = known.get("toys") or repositories.insert_repository(
                db, Address("acme", "toys"), "toy", Kind.LOCAL
            )
            self.package = repositories.ensure_package(db, self.repository, "ball").id

    def key(self, sha256: str) -> str:
        return f"{sha256}.{ULID.from_timestamp(self.clock.at / SECOND)}"

    def keep(self, digit: str) -> tuple[str, str]:
        """Durable bytes that no row names yet: their digest and their key."""
        sha256 = sha(digit)
        key = self.key(sha256)
        staged = self.store.staging / key
        staged.write_text(digit)
        self.store.keep(staged, key)
        return sha256, key

    def publish(self, name: str, digit: str) -> None:
        """As `LocalPublisher` does it: bytes first, then rows."""
        sha256 = sha(digit)
        key = None if blobs.is_held(self.catalog.read(), sha256) else self.keep(digit)[1]
        used = self.commit(name, sha256, key)
        if key is not None and used != key:
            self.store.delete(key)

    def commit(self, name: str, sha256: str, key: str | None) -> str | None:
        with self.catalog.write() as db:
            used = blobs.hold(db, sha256, key, 1)
            if used is not None:
                file = File(name, "ball", "1", name, 1, sha256, self.clock.at)
                files.insert(db, self.repository, self.package, file, "me")
        return used

    def delete(self, name: str) -> None:
        with self.catalog.write() as db:
            file = files.by_filename(db, self.repository, name)
            assert file is not None
            files.delete(db, self.repository, file)

    def collect(self, seconds: int = 0) -> Collected:
        self.clock.at += seconds * SECOND
        return self.collector.run(never)

    def rows(self) -> dict[str, str]:
        return dict(self.catalog.read().execute("SELECT sha256, key FROM blob").fetchall())

    def keys(self) -> set[str]:
        return set(self.store.keys())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(garbage, "now", clock)
    monkeypatch.setattr(blobs, "now", clock)
    monkeypatch.setattr(garbage._Pause, "__exit__", lambda *_: None)
    return clock


@pytest.fixture
def yard(tmp_path: Path, clock: Clock) -> Yard:
    return Yard(tmp_path, clock)


def test_unused_bytes_go_after_the_grace_and_used_ones_stay(yard: Yard) -> None:
    yard.publish("one", "a")
    yard.publish("two", "b")
    yard.delete("one")
    assert yard.collect() == Collected(waiting=1, waiting_bytes=1)
    assert yard.collect(GRACE - 1) == Collected(waiting=1, waiting_bytes=1)
    assert yard.collect(1) == Collected(dropped=1, dropped_bytes=1)
    assert yard.rows().keys() == {sha("b")}
    assert yard.keys() == set(yard.rows().values())
    assert yard.catalog.read().execute("SELECT count(*) FROM blob_removal").fetchone() == (0,)


def test_the_grace_begins_anew_where_the_bytes_were_used_meanwhile(yard: Yard) -> None:
    yard.publish("one", "a")
    yard.delete("one")
    yard.collect()
    yard.publish("two", "a")
    yard.delete("two")
    assert yard.collect(GRACE).dropped == 0
    assert yard.collect(GRACE).dropped == 1


def test_a_mark_on_what_is_used_goes_also_where_nobody_took_it_away(yard: Yard) -> None:
    yard.publish("one", "a")
    with yard.catalog.write() as db:
        db.execute("UPDATE blob SET unused_since = 1")
    assert yard.collect(GRACE) == Collected()
    assert yard.catalog.read().execute("SELECT unused_since FROM blob").fetchone() == (None,)


def test_looking_tells_the_same_and_changes_nothing(yard: Yard) -> None:
    for name, digit in (("one", "a"), ("two", "b"), ("three", "c")):
        yard.publish(name, digit)
    yard.delete("one")
    yard.collect()
    yard.keep("e")
    yard.clock.at += GRACE * SECOND
    yard.delete("two")
    yard.keep("d")
    before = yard.rows(), yard.keys()
    expected = Collected(dropped=1, dropped_bytes=1, strays=1, waiting=1, waiting_bytes=1)
    assert yard.collector.look() == expected
    assert (yard.rows(), yard.keys()) == before
    assert yard.collect() == expected
    assert yard.rows().keys() == {sha("b"), sha("c")} and len(yard.keys()) == 3


def test_bytes_that_no_row_names_go_after_the_grace_and_no_row_names_them_later(yard: Yard) -> None:
    """A crash between rename and commit left them, or an upload that is still on its way after all that time."""
    sha256, key = yard.keep("a")
    assert yard.collect(GRACE - 1).strays == 0
    assert yard.keys() == {key}
    assert yard.collect(1).strays == 1
    assert yard.keys() == set()
    with pytest.raises(Busy, match="waited for so long that they were removed"):
        yard.commit("one", sha256, key)
    assert yard.rows() == {}
    assert yard.collect().strays == 0
    yard.collect(garbage.REMEMBERED_SECONDS + 1)
    assert yard.catalog.read().execute("SELECT count(*) FROM blob_removal").fetchone() == (0,)


def test_what_is_in_the_folder_and_no_key_is_left_alone(yard: Yard, tmp_path: Path) -> None:
    shard = tmp_path / "blobs" / "aa"
    shard.mkdir()
    for name in ("lost+found", f"{'a' * 64}.no-ulid", "a.01ARZ3NDEKTSV4RRFFQ69G5FAV"):
        (shard / name).touch()
    assert yard.collect(GRACE * 10).strays == 0
    assert len(list(shard.iterdir())) == 3


def test_the_same_bytes_come_back_under_another_key(yard: Yard) -> None:
    yard.publish("one", "a")
    [first] = yard.keys()
    yard.delete("one")
    yard.collect()
    yard.collect(GRACE)
    assert yard.commit("two", sha("a"), None) is None, "who had seen them is told to keep them"
    yard.publish("two", "a")
    [second] = yard.keys()
    assert first != second
    assert yard.collect(GRACE * 5) == Collected()


def test_what_is_used_again_at_the_last_moment_stays(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the blob was found unused and its grace over, and before its row would go."""
    yard.publish("one", "a")
    yard.delete("one")
    yard.collect()
    drop = blobs.drop_unused
    published = []

    def dropping(db: Any, before: int, limit: int) -> Any:
        if not published:
            db.execute("COMMIT")
            yard.publish("two", "a")
            published.append(True)
            db.execute("BEGIN IMMEDIATE")
        return drop(db, before, limit)

    monkeypatch.setattr(yard.catalog, "_write_lock", threading.RLock())
    monkeypatch.setattr(blobs, "drop_unused", dropping)
    assert yard.collect(GRACE).dropped == 0
    assert yard.rows().keys() == {sha("a")} and yard.keys() == set(yard.rows().values())


class Killed(BaseException):
    """As SIGKILL: nothing after it is done."""


def test_a_run_that_ended_after_its_commit_is_finished_by_the_next_at_once(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for digit in "abc":
        yard.publish(digit, digit)
        yard.delete(digit)
    yard.collect()
    with monkeypatch.context() as patched:
        delete = yard.store.delete
        left = iter([True])

        def killed(key: str) -> None:
            if next(left, None) is None:
                raise Killed
            delete(key)

        patched.setattr(yard.store, "delete", killed)
        with pytest.raises(Killed):
            yard.collect(GRACE)
    assert yard.rows() == {} and len(yard.keys()) == 2
    yard.collect()
    assert yard.keys() == set()


def test_a_run_is_broken_off_where_the_server_stops(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "BATCH", 2)
    for digit in "abcdef":
        yard.publish(digit, digit)
        yard.delete(digit)
    yard.collect()
    yard.clock.at += GRACE * SECOND
    seen: list[int] = []
    with pytest.raises(BrokenOff):
        yard.collector.run(lambda: bool(seen), lambda done: seen.append(done.dropped) if done.dropped else None)
    assert seen == [2] and len(yard.rows()) == len(yard.keys()) == 4
    assert yard.collect().dropped == 4


def test_what_cannot_be_removed_is_told_and_tried_again(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.publish("one", "a")
    yard.delete("one")
    yard.collect()

    def refuse(key: str) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(yard.store, "delete", refuse)
        with pytest.raises(StorageFailed, match=r"the unused blob \w{64}\.\w+ cannot be removed: Permission denied"):
            yard.collect(GRACE)
    yard.collect()
    assert yard.keys() == set()


def test_nothing_goes_while_a_backup_runs(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.publish("one", "a")
    yard.delete("one")
    yard.collect()
    monkeypatch.setattr("orbitalreg.collection.garbage.RemovalLock.removing.__wrapped__.__defaults__", (0.0,))
    with yard.lock.staying(), RemovalLock(yard.lock._path.parent).staying(), pytest.raises(BackupRuns):
        yard.collect(GRACE)
    assert len(yard.keys()) == 1
    assert yard.collect().dropped == 1


def _die(*_: Any) -> None:
    raise Killed


class Machine(RuleBasedStateMachine):
    """Uploads, deletions, runs, crashes, backups, restores and time, against a dictionary."""

    digits = st.sampled_from("abc")
    names = st.sampled_from(["one", "two", "three", "four"])

    def __init__(self) -> None:
        super().__init__()
        self.patched = pytest.MonkeyPatch()
        self.clock = Clock()
        self.patched.setattr(garbage, "now", self.clock)
        self.patched.setattr(blobs, "now", self.clock)
        self.patched.setattr(garbage._Pause, "__exit__", lambda *_: None)
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        self.yard = Yard(self.place / "data-0", self.clock)
        self.files: dict[str, str] = {}
        self.backed_up: dict[str, str] | None = None
        self.restores = 0
        self.in_flight: list[tuple[str, str, str | None]] = []

    def teardown(self) -> None:
        self.yard.catalog.close()
        self.folder.cleanup()
        self.patched.undo()

    @rule(name=names, digit=digits)
    def publish(self, name: str, digit: str) -> None:
        if name not in self.files:
            self.yard.publish(name, digit)
            self.files[name] = digit

    @rule(name=names)
    def delete(self, name: str) -> None:
        if name in self.files:
            self.yard.delete(name)
            del self.files[name]

    @rule(name=names, digit=digits)
    def begin(self, name: str, digit: str) -> None:
        """An upload up to its commit."""
        sha256 = sha(digit)
        held = blobs.is_held(self.yard.catalog.read(), sha256)
        self.in_flight.append((name, digit, None if held else self.yard.keep(digit)[1]))

    @precondition(lambda self: self.in_flight)
    @rule()
    def crash(self) -> None:
        self.in_flight.pop()

    @precondition(lambda self: self.in_flight)
    @rule()
    def commit(self) -> None:
        name, digit, key = self.in_flight.pop(0)
        if name in self.files:
            return
        try:
            used = self.yard.commit(name, sha(digit), key)
        except Busy:
            return
        if used is not None:
            self.files[name] = digit
        if key is not None and used != key:
            self.yard.store.delete(key)

    @rule(seconds=st.integers(0, GRACE))
    def wait(self, seconds: int) -> None:
        self.clock.at += seconds * SECOND

    @rule()
    def collect(self) -> None:
        self.yard.collect()

    @rule(survivors=st.integers(0, 2))
    def collect_and_die(self, survivors: int) -> None:
        delete = self.yard.store.delete
        left = iter(range(survivors))

        def killed(key: str) -> None:
            if next(left, None) is None:
                raise Killed
            delete(key)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(self.yard.store, "delete", killed)
            try:
                self.yard.collect()
            except Killed:
                return

    @rule()
    def backup(self) -> None:
        assert self.yard.backup.make(self.place / "copy", ME).damaged == []
        self.backed_up = dict(self.files)

    @precondition(lambda self: self.files)
    @rule()
    def backup_and_die(self) -> None:
        """Before the first copy; what was there is the backup still."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Backup, "_copy", _die)
            with pytest.raises(Killed):
                self.yard.backup.make(self.place / "copy", ME)

    @precondition(lambda self: self.backed_up is not None)
    @rule()
    def lose_everything_and_restore(self) -> None:
        assert self.backed_up is not None
        self.yard.catalog.close()
        self.restores += 1
        data = self.place / f"data-{self.restores}"
        assert restore(self.place / "copy", data, lambda: FilesystemBlobStore(data, {}), ME).missing == []
        self.yard = Yard(data, self.clock)
        self.files = dict(self.backed_up)
        self.in_flight.clear()

    @rule()
    def verification_finds_nothing(self) -> None:
        verified = self.yard.verifier.run("test", ME, never)
        assert (verified.faulty, verified.problems) == (0, [])

    @invariant()
    def the_files_are_those_of_the_dictionary(self) -> None:
        rows = self.yard.catalog.read().execute("SELECT filename, sha256 FROM file").fetchall()
        assert dict(rows) == {name: sha(digit) for name, digit in self.files.items()}

    @invariant()
    def every_file_has_its_bytes(self) -> None:
        rows, keys = self.yard.rows(), self.yard.keys()
        for digit in self.files.values():
            assert rows[sha(digit)] in keys

    @rule()
    def nothing_unused_outlives_two_graces(self) -> None:
        self.in_flight.clear()
        for _ in range(3):
            self.yard.collect(GRACE)
        assert self.yard.rows().keys() == {sha(digit) for digit in self.files.values()}
        assert self.yard.keys() == set(self.yard.rows().values())


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def work(site: Any) -> None:
    """Run the job as a worker that starts now does."""
    worker = Worker(site.registry.catalog, {COLLECT: site.registry.handlers[COLLECT]})
    worker.start()
    assert worker.wait_idle(30)
    worker.stop()


def test_the_worker_collects_by_itself_and_goes_on_doing_so(site: Any) -> None:
    assert site.put("ball@1.toy").status_code == 200
    assert site.put("ball@2.toy", b"another").status_code == 200
    site.registry.curator.delete(site.repository(), "ball", "1", None, site.actor)
    work(site)
    assert site.count("blob") == 2
    with site.registry.catalog.write() as db:
        db.execute("UPDATE blob SET unused_since = 1 WHERE unused_since IS NOT NULL")
    work(site)
    assert site.count("blob") == 1 == len(site.blobs())
    db = site.registry.catalog.read()
    assert db.execute("SELECT count(*) FROM job WHERE kind = ? AND due_at > 0", (COLLECT,)).fetchone() == (1,)


def test_the_command_collects_and_says_what(make_site: Callable[..., Any], cli: Callable[..., Any]) -> None:
    site = make_site('[upkeep]\ngc_grace = "1s"\n')
    site.put("ball@1.toy")
    site.registry.curator.delete(site.repository(), "ball", "1", None, site.actor)
    assert json.loads(cli("gc", "--dry-run", "--json").stdout)["waiting"] == 1
    assert cli("gc").stdout.splitlines() == [
        "removed 0 unused blobs, 0 B",
        "removed 0 left-over files",
        "1 unused blob in their grace, 5 B",
    ]
    with site.registry.catalog.write() as db:
        db.execute("UPDATE blob SET unused_since = 1")
    assert json.loads(cli("gc", "--dry-run", "--json").stdout)["dropped"] == 1
    assert cli("gc").stdout.startswith("removed 1 unused blob, 5 B\n")
    assert site.blobs() == []


def test_an_upload_finds_its_bytes_gone_at_the_last_moment_and_keeps_them(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put("ball@1.toy")
    site.registry.curator.delete(site.repository(), "ball", "1", None, site.actor)
    catalog = site.registry.catalog
    with catalog.write() as db:
        db.execute("UPDATE blob SET unused_since = 1")
    is_held = blobs.is_held

    def held_and_then_gone(db: Any, sha256: str) -> bool:
        found = is_held(db, sha256)
        site.registry.upkeep.collector.run(never)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(blobs, "is_held", held_and_then_gone)
        assert site.put("ball@2.toy").status_code == 200
    assert site.page().keys() == {"ball@2.toy"}
    assert len(site.blobs()) == 1


def test_keys_are_made_once() -> None:
    assert new_key("a" * 64) != new_key("a" * 64)

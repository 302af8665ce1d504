"""The audit log: its chain, whatever order commits have, tampering of every kind, refusals within bounds."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from sqlite_utils.utils import sqlite3

from orbitalreg import audit
from orbitalreg.audit import Refusals, chain
from orbitalreg.audit.chain import Anchor, Chainer
from orbitalreg.audit.entries import CHAIN
from orbitalreg.catalog import Catalog, audit_entries
from orbitalreg.catalog.audit_entries import Search
from orbitalreg.catalog.schema import migrations
from orbitalreg.errors import InvalidName, StorageFailed
from orbitalreg.jobs import Handler, Worker
from orbitalreg.model import NOBODY, Actor, Grant

ACTOR = Actor("service:robot", "t1", "10.0.0.9", "r7", {"job": "7"})
STRANGER = Actor(NOBODY, None, "192.0.2.7", "r8")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path)


def write(catalog: Catalog, count: int = 1, action: str = "file.publish", **options: Any) -> None:
    with catalog.write() as db:
        for number in range(count):
            audit.record(db, ACTOR, action, f"acme/toys/ball=={number}", {"before": None, "after": number}, **options)


def link(catalog: Catalog, limit: int = 500) -> int:
    with catalog.write() as db:
        return chain.link_some(db, limit)


def says(catalog: Catalog, anchor: Anchor | None = None) -> list[str]:
    return [fault.says for fault in chain.verify(catalog, anchor).faults]


# The chain.


def test_entries_are_linked_in_batches_and_a_second_time_nothing_happens(catalog: Catalog) -> None:
    write(catalog, 7)
    assert [link(catalog, 3) for _ in range(4)] == [3, 3, 1, 0]
    found = chain.verify(catalog)
    assert (found.linked, found.unlinked, found.faults) == (7, 0, [])
    assert found.head is not None and found.head.number == 7


def test_a_hash_is_what_the_docs_say(catalog: Catalog) -> None:
    """Made here by hand, from the columns as they lie in the table."""
    write(catalog, 2)
    link(catalog)
    before = "0" * 64
    columns = "id, at, actor, token_id, address, request_id, action, target, detail, origin, outcome, reason, project"
    rows = catalog.read().execute(
        f"SELECT number, linked_at, hash, {columns} FROM audit_link JOIN audit_entry ON id = entry_id ORDER BY number"
    )
    for number, linked_at, digest, *entry in rows.fetchall():
        text = json.dumps([before, number, linked_at, *entry], separators=(",", ":"))
        before = hashlib.sha256(text.encode()).hexdigest()
        assert digest == before


def test_an_entry_that_is_committed_late_is_linked_next_and_none_is_passed_over(catalog: Catalog) -> None:
    """Its id was made before those that other processes committed meanwhile."""
    early = audit_entries.new_id()
    write(catalog, 3)
    link(catalog)
    with catalog.write() as db:
        row = audit_entries.EntryRow(early, 1, "a", None, None, None, "x", "y", "{}", None, "done", None, None)
        audit_entries.insert(db, row)
    assert link(catalog) == 1
    last = chain.head(catalog.read())
    assert last is not None
    assert (last.number, last.entry_id) == (4, early)
    assert says(catalog) == []


def test_many_who_write_and_two_who_link_make_one_chain(catalog: Catalog) -> None:
    def work(act: Callable[[Catalog], Any]) -> None:
        for _ in range(25):
            act(catalog)

    threads = [threading.Thread(target=work, args=(act,)) for act in (write, write, write, link, link)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    link(catalog)
    found = chain.verify(catalog)
    assert (found.linked, found.unlinked, found.faults) == (75, 0, [])


def test_a_worker_links_what_is_written_within_seconds(catalog: Catalog) -> None:
    worker = Worker(catalog, {CHAIN: Handler(Chainer(catalog), at_start=True)})
    worker.start()
    try:
        write(catalog, 5)
        ended = threading.Event()
        for _ in range(100):
            if chain.verify(catalog).linked == 5:
                break
            ended.wait(0.1)
        assert chain.verify(catalog).linked == 5
    finally:
        worker.stop()


def test_what_was_written_before_there_was_a_chain_is_linked_at_the_start(catalog: Catalog) -> None:
    write(catalog, 3)
    with catalog.write() as db:
        db.execute("DELETE FROM job")
    worker = Worker(catalog, {CHAIN: Handler(Chainer(catalog), at_start=True)})
    worker.start()
    assert worker.wait_idle(30)
    worker.stop()
    assert chain.verify(catalog).linked == 3


def test_one_job_serves_all_entries_of_a_second(catalog: Catalog) -> None:
    write(catalog, 20)
    assert catalog.read().execute("SELECT kind, COUNT(*) FROM job GROUP BY kind").fetchall() == [(CHAIN, 1)]


def test_verify_tells_what_is_not_linked_yet(catalog: Catalog) -> None:
    write(catalog, 1)
    link(catalog)
    write(catalog, 2)
    found = chain.verify(catalog)
    assert (found.linked, found.unlinked, found.faults) == (1, 2, [])
    oldest = catalog.read().execute("SELECT MIN(at) FROM audit_entry WHERE linked = 0").fetchone()[0]
    assert found.oldest_unlinked == oldest


# Tampering: whatever single thing is changed behind its back, the chain tells.

TEXTS = ["id", "actor", "token_id", "address", "request_id", "action", "target", "detail", "origin", "outcome"]
VALUES = st.one_of(st.none(), st.text("xyz", max_size=3), st.integers(-3, 3))
EDITS = st.one_of(
    st.tuples(st.just("edit"), st.sampled_from([*TEXTS, "reason", "project", "at", "linked"]), VALUES),
    st.tuples(st.just("edit link"), st.sampled_from(["number", "entry_id", "linked_at", "hash"]), VALUES),
    st.tuples(st.just("swap"), st.sampled_from(["target", "detail", "at"]), st.none()),
    st.tuples(st.just("swap link"), st.sampled_from(["entry_id", "hash", "linked_at"]), st.none()),
    st.tuples(st.sampled_from(["remove", "remove link"]), st.none(), st.none()),
)


class Memory:
    """A catalog in memory, with seven entries that are linked."""

    def __init__(self, template: Database) -> None:
        self.db = Database(memory=True)
        template.conn.backup(self.db.conn)

    def snapshot(self) -> Any:
        return nullcontext(self.db)


def tamper(db: Database, how: str, column: str | None, value: Any, first: int, second: int) -> None:
    ids = dict(db.execute("SELECT number, entry_id FROM audit_link").fetchall())
    if how == "edit":
        db.execute(f"UPDATE audit_entry SET {column} = ? WHERE id = ?", (value, ids[first]))
    elif how == "edit link":
        db.execute(f"UPDATE audit_link SET {column} = ? WHERE number = ?", (value, first))
    elif how == "remove":
        db.execute("DELETE FROM audit_entry WHERE id = ?", (ids[first],))
    elif how == "remove link":
        db.execute("DELETE FROM audit_link WHERE number = ?", (first,))
    elif how == "swap":
        swap(db, "audit_entry", "id", str(column), ids[first], ids[second])
    else:
        swap(db, "audit_link", "number", str(column), first, second)


def swap(db: Database, table: str, key: str, column: str, first: Any, second: Any) -> None:
    one, other = (
        db.execute(f"SELECT {column} FROM {table} WHERE {key} = ?", (k,)).fetchone()[0] for k in (first, second)
    )
    db.execute(f"UPDATE {table} SET {column} = 'away' WHERE {key} = ?", (first,))
    db.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (one, second))
    db.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (other, first))


def state(db: Database) -> list[Any]:
    return [db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("audit_entry", "audit_link")]


@pytest.fixture(scope="module")
def template() -> Iterator[Database]:
    db = Database(memory=True)
    migrations.apply(db)
    for number in range(7):
        audit.record(db, ACTOR, "file.publish", f"acme/toys/ball=={number}", {"n": number}, "acme")
    chain.link_some(db)
    db.conn.commit()
    yield db
    db.close()


@settings(max_examples=400, deadline=None)
@given(edit=EDITS, first=st.integers(1, 7), second=st.integers(1, 7))
def test_any_single_edit_removal_or_swap_is_found(
    template: Database, edit: tuple[str, Any, Any], first: int, second: int
) -> None:
    catalog: Any = Memory(template)
    db = catalog.db
    try:
        before = state(db)
        with suppress(sqlite3.Error):  # the tables refuse some: a key twice, no value where one must be
            tamper(db, *edit, first, second)
        after = state(db)
        found = chain.verify(catalog)
        assert bool(found.faults) == (before != after)
    finally:
        db.close()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("UPDATE audit_entry SET actor = 'x' WHERE id = :id", ("the entry or its link was edited", 3, True)),
        ("DELETE FROM audit_entry WHERE id = :id", ("the entry was removed; it was linked at this time", 3, True)),
        ("DELETE FROM audit_link WHERE entry_id = :id", ("the link is gone", 3, False)),
    ],
)
def test_a_fault_says_which_and_when(catalog: Catalog, sql: str, expected: tuple[str, int, bool]) -> None:
    write(catalog, 5)
    link(catalog)
    [entry] = catalog.read().execute("SELECT entry_id FROM audit_link WHERE number = 3").fetchone()
    with catalog.write() as db:
        db.execute(sql, {"id": entry})
    fault = chain.verify(catalog).faults[0]
    text, number, has_entry = expected
    assert (fault.says, fault.number, fault.entry == entry, fault.at is not None) == (
        text,
        number,
        has_entry,
        has_entry,
    )


def test_a_chain_that_is_cut_off_or_made_anew_is_found_by_its_anchor(catalog: Catalog) -> None:
    write(catalog, 5)
    link(catalog)
    last = chain.head(catalog.read())
    assert last is not None
    anchor = Anchor.parse(f"{last.number}:{last.hash}")
    write(catalog, 1)
    link(catalog)
    assert says(catalog, anchor) == []
    with catalog.write() as db:
        db.execute(
            "UPDATE audit_entry SET actor = 'nobody' WHERE id = (SELECT entry_id FROM audit_link WHERE number = 2)"
        )
        db.execute("DELETE FROM audit_link")
        db.execute("UPDATE audit_entry SET linked = 0")
    link(catalog)
    assert says(catalog) == []
    assert [text.split(":")[0] for text in says(catalog, anchor)] == ["another hash than the anchor's"]
    with catalog.write() as db:
        gone = db.execute("SELECT entry_id FROM audit_link WHERE number >= 4").fetchall()
        db.execute("DELETE FROM audit_link WHERE number >= 4")
        for (entry,) in gone:
            db.execute("DELETE FROM audit_entry WHERE id = ?", (entry,))
    assert says(catalog) == []
    assert [text.split(":")[0] for text in says(catalog, anchor)] == ["the anchor's link is gone"]


def test_no_more_than_a_hundred_faults_are_told(catalog: Catalog) -> None:
    write(catalog, 150)
    link(catalog)
    with catalog.write() as db:
        db.execute("UPDATE audit_entry SET reason = 'x'")
    assert len(says(catalog)) == 100


@pytest.mark.parametrize("text", ["", "7", "7:abc", f"0:{'a' * 64}", f"7:{'A' * 64}", f"-1:{'a' * 64}"])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(InvalidName, match="no anchor"):
        Anchor.parse(text)


# Searching.


def test_entries_are_found_by_what_they_are(catalog: Catalog) -> None:
    write(catalog, 2, project="acme")
    write(catalog, 1, action="token.create", project="other")
    with catalog.write() as db:
        audit.record(db, STRANGER, "user.add", "user:100%_x", {})
    db = catalog.read()

    def count(**options: Any) -> int:
        return len(audit_entries.latest(db, Search(**options), 100))

    assert count() == 4
    assert count(project="acme") == 2
    assert count(action="token.*") == 1
    assert count(action="*") == 4
    assert count(action="token") == 0
    assert count(target="acme/toys/*") == 3
    assert count(target="user:100%_x") == count(target="*100%_x") == 1
    assert count(target="*1%x") == count(target="*_") == 0
    assert count(actor=NOBODY) == 1
    assert count(token_id="t1") == 3
    assert count(outcome="refused") == 0
    middle = db.execute("SELECT at FROM audit_entry ORDER BY at, id LIMIT 1 OFFSET 2").fetchone()[0]
    assert count(since=middle) + count(until=middle) == 4


def test_an_export_is_in_the_order_of_the_chain_and_what_is_not_linked_comes_last(catalog: Catalog) -> None:
    write(catalog, 12)
    link(catalog)
    write(catalog, 2)
    found = list(audit_entries.in_order(catalog.read(), Search(), batch=5))
    assert [number for _, number, _ in found] == [*range(1, 13), None, None]
    assert len({row.id for row, _, _ in found}) == 14


def test_a_page_goes_on_where_the_one_before_ended(catalog: Catalog) -> None:
    write(catalog, 5)
    db = catalog.read()
    key, seen = (-1, ""), []
    while part := audit_entries.after(db, Search(), key, 2):
        seen += [row.id for row, _, _ in part]
        key = part[-1][0].at, part[-1][0].id
    assert seen == [row.id for row, _, _ in audit_entries.latest(db, Search(), 100)]


@pytest.mark.parametrize(
    ("grants", "project"),
    [(["acme:read"], "acme"), (["acme:read", "acme/x:admin"], "acme"), (["acme:read", "other:read"], None), ([], None)],
)
def test_the_project_of_grants_is_the_one_of_which_all_speak(grants: list[str], project: str | None) -> None:
    assert audit.project_of(map(Grant.parse, grants)) == project


# Refusals.


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(catalog: Catalog) -> list[tuple[str, str, Any]]:
    rows = catalog.read().execute(
        "SELECT actor, reason, detail FROM audit_entry WHERE outcome = 'refused' ORDER BY at, id"
    )
    return [(actor, reason, json.loads(detail)) for actor, reason, detail in rows.fetchall()]


def test_a_flood_is_recorded_up_to_a_bound_and_then_summed_up(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    refusals = Refusals(catalog, clock)
    monkeypatch.setattr("orbitalreg.audit.refusals.SUMMARY_SECONDS", 3600)
    for number in range(1000):
        actor = Actor(NOBODY, None, f"192.0.2.{number % 40}")
        refusals.record(actor, "file.publish", "acme/toys", {}, "acme", "credentials are needed")
    assert len(refused(catalog)) == 20
    refusals.record(ACTOR, "file.delete", "acme/toys", {}, "acme", "no right")  # not hidden by the strangers
    refusals.flush()
    actor, reason, detail = refused(catalog)[-1]
    assert len(refused(catalog)) == 22
    assert (actor, reason) == ("several", "980 more changes were refused in a short time")
    assert detail["count"] == 980
    assert detail["actions"] == {"file.publish": 980}
    assert detail["actors"] == {NOBODY: 980}
    assert len(detail["addresses"]) == 20
    clock.now += 60
    for _ in range(5):
        refusals.record(STRANGER, "file.publish", "acme/toys", {}, None, "again")
    refusals.stop()
    refusals.record(STRANGER, "file.publish", "acme/toys", {}, None, "of a request that was under way")
    assert refused(catalog)[-1][2]["count"] == 1
    assert [reason for _, reason, _ in refused(catalog)[22:-1]] == ["again"] * 3 + [
        "2 more changes were refused in a short time"
    ]


def test_one_noisy_account_hides_nothing_of_another(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitalreg.audit.refusals.SUMMARY_SECONDS", 3600)
    refusals = Refusals(catalog, Clock())
    noisy, quiet = Actor("service:noisy", "aaaaaaaa", "192.0.2.1"), Actor("user:ann", "bbbbbbbb", "192.0.2.2")
    for _ in range(150):
        refusals.record(noisy, "file.publish", "acme/toys", {}, "acme", "no right")
    refusals.record(quiet, "file.delete", "acme/toys", {}, "acme", "what ann tried")
    refusals.record(STRANGER, "token.revoke", "abcdefgh", {}, None, "what a stranger tried")
    refusals.stop()
    found = refused(catalog)
    assert [actor for actor, _, _ in found].count("service:noisy") == 100
    assert {("user:ann", "what ann tried"), (NOBODY, "what a stranger tried")} <= {(a, r) for a, r, _ in found}
    assert found[-1][2]["actors"] == {"service:noisy": 50}


def test_accounts_without_number_have_a_bound_between_them_until_others_are_quiet(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orbitalreg.audit.refusals.SUMMARY_SECONDS", 3600)
    monkeypatch.setattr("orbitalreg.audit.refusals.NOISY", 3)
    clock = Clock()
    refusals = Refusals(catalog, clock)

    def flood(number: int) -> int:
        """How many of 101 are entries."""
        before = len(refused(catalog))
        for _ in range(101):
            refusals.record(Actor(f"service:robot-{number}"), "x", "y", {}, None, "no")
        return len(refused(catalog)) - before

    assert [flood(number) for number in range(5)] == [100, 100, 100, 100, 0]
    clock.now += 1000  # all are full again, and forgotten
    assert [flood(number) for number in range(5, 9)] == [100, 100, 100, 100]
    refusals.stop()


@pytest.mark.parametrize(("actor", "most"), [(STRANGER, 4_400), (ACTOR, 8_800)])
def test_a_flood_that_lasts_a_day_costs_a_bounded_number_of_entries(
    actor: Actor, most: int, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, rows = Clock(), Counter[str]()
    monkeypatch.setattr("orbitalreg.audit.refusals.record_refusal", lambda db, who, *rest: rows.update([who.name]))
    monkeypatch.setattr(catalog, "write", lambda: nullcontext(catalog.read()))
    refusals = Refusals(catalog, clock)

    class Day:
        """In the place of the event for which the thread waits: another refusal each second until midnight."""

        def wait(self, seconds: float) -> bool:
            until = clock.now + seconds
            while clock.now < until:
                clock.now += 1
                refusals.record(actor, "file.publish", "acme/toys", {}, None, "no")
            return clock.now > 86_400

        def is_set(self) -> bool:
            return False

    monkeypatch.setattr(refusals, "_start", lambda: None)
    monkeypatch.setattr(refusals, "_stopping", Day())
    refusals._run()
    assert 1_400 < rows["several"] < 1_500
    assert most * 0.9 < rows[actor.name] < most


def test_after_a_quiet_while_a_summary_comes_quickly_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals, pauses = Refusals(catalog, Clock()), []
    wrote = iter([True, True, True, False, True, False])
    monkeypatch.setattr(refusals, "flush", lambda: next(wrote))

    class Stopping:
        def wait(self, seconds: float) -> bool:
            pauses.append(seconds)
            return len(pauses) > 6

    monkeypatch.setattr(refusals, "_stopping", Stopping())
    refusals._run()
    assert pauses == [1, 2, 4, 8, 1, 2, 1]


def test_a_summary_is_written_by_itself(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitalreg.audit.refusals.SUMMARY_SECONDS", 0.05)
    refusals = Refusals(catalog, Clock())
    for _ in range(30):
        refusals.record(STRANGER, "x", "y", {}, None, "no")
    waited = threading.Event()
    for _ in range(200):
        if sum(detail.get("count", 1) for _, _, detail in refused(catalog)) == 30:
            break
        waited.wait(0.05)
    refusals.stop()
    assert sum(detail.get("count", 1) for _, _, detail in refused(catalog)) == 30


def test_a_refusal_that_cannot_be_written_is_logged_and_goes_no_further(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: Any) -> None:
        raise StorageFailed("the disk is gone")

    monkeypatch.setattr(audit_entries, "insert", fail)
    Refusals(catalog).record(STRANGER, "file.publish", "acme/toys", {}, None, "no")
    assert "could not be recorded (file.publish of acme/toys" in caplog.text

"""The catalog: migrations, transactions, several processes at once, the audit log in the same transaction."""

import json
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orbitalreg import audit
from orbitalreg.catalog import FILENAME, Catalog, accounts, blobs, files, repositories
from orbitalreg.catalog import database as driver
from orbitalreg.catalog.schema import migrations
from orbitalreg.errors import Busy, NoSpace, StorageFailed
from orbitalreg.model import Actor, Address, File, Kind

ACTOR = Actor("local:test")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path)


def add_account(db: Any, name: str) -> None:
    accounts.ensure_account(db, "service", name)


def names(catalog: Catalog) -> list[str]:
    return [row[0] for row in catalog.read().execute("SELECT name FROM account ORDER BY name").fetchall()]


def processes(script: str, count: int, *arguments: str) -> list[str]:
    """What each of `count` processes that start at once says on stderr; all must exit with 0."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments, str(number)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        for number in range(count)
    ]
    ended = [process.communicate()[1].decode() for process in started]
    assert [process.returncode for process in started] == [0] * count, ended
    return ended


FORKING = """
import os, sys
from pathlib import Path
from orbitalreg.catalog import Catalog, accounts

catalog = Catalog(Path(sys.argv[1]))
inherited = catalog.read()
pid = os.fork()
if pid == 0:
    assert catalog.read() is not inherited and catalog.read() is catalog.read()
    with catalog.write() as db:
        assert db is catalog.read()
        accounts.ensure_account(db, "service", "child")
    catalog.close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert catalog.read() is inherited
with catalog.write() as db:
    accounts.ensure_account(db, "service", "parent")
"""


def test_a_connection_is_never_shared_over_a_fork(tmp_path: Path) -> None:
    """A server that loads the application and forks afterwards: SQLite forbids the child to use, or close, it."""
    processes(FORKING, 1, str(tmp_path))
    assert names(Catalog(tmp_path)) == ["child", "parent"]


def test_opening_a_second_time_changes_nothing(tmp_path: Path) -> None:
    def schema() -> list[Any]:
        db = Catalog(tmp_path).read()
        return db.execute("SELECT * FROM sqlite_master ORDER BY name").fetchall()

    with Catalog(tmp_path).write() as db:
        add_account(db, "kept")
    before = schema()
    assert schema() == before
    assert names(Catalog(tmp_path)) == ["kept"]


def test_every_migration_is_applied(catalog: Catalog) -> None:
    assert list(migrations.pending(catalog.read())) == []


def test_two_processes_may_start_at_once_on_an_empty_folder(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from orbitalreg.catalog import Catalog; Catalog(Path(sys.argv[1]))"
    for attempt in range(3):
        processes(script, 3, str(tmp_path / str(attempt)))
        assert list(migrations.pending(Catalog(tmp_path / str(attempt)).read())) == []


def test_writers_in_several_processes_all_get_their_turn(catalog: Catalog, tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from orbitalreg.catalog import Catalog, accounts
catalog = Catalog(Path(sys.argv[1]))
for number in range(50):
    with catalog.write() as db:
        assert db.execute("SELECT count(*) FROM account").fetchone()[0] < 200
        accounts.ensure_account(db, "service", f"{sys.argv[2]}-{number}")
"""
    processes(script, 4, str(tmp_path))
    assert len(names(catalog)) == 200


def test_threads_write_one_at_a_time(catalog: Catalog) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            with catalog.write() as db:
                before = len(db.execute("SELECT 1 FROM account").fetchall())
                add_account(db, f"{number}-{turn}")
                assert len(db.execute("SELECT 1 FROM account").fetchall()) == before + 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(catalog)) == 80


def test_a_commit_is_seen_by_the_next_read_of_another_thread(catalog: Catalog) -> None:
    seen: list[list[str]] = []
    reader = threading.Thread(target=lambda: seen.append(names(catalog)))
    with catalog.write() as db:
        add_account(db, "new")
    reader.start()
    reader.join()
    assert seen == [["new"]]


@pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt])
def test_an_exception_rolls_everything_back(exception: type[BaseException], catalog: Catalog) -> None:
    def fail() -> None:
        with catalog.write() as db:
            add_account(db, "lost")
            audit.record(db, ACTOR, "account.create", "lost", {})
            raise exception

    with pytest.raises(exception):
        fail()
    assert names(catalog) == []
    assert catalog.read().execute("SELECT count(*) FROM audit_entry").fetchone() == (0,)


def test_the_next_transaction_works_after_one_that_failed(catalog: Catalog) -> None:
    with pytest.raises(ValueError), catalog.write():
        raise ValueError
    with catalog.write() as db:
        add_account(db, "kept")
    assert names(catalog) == ["kept"]


def test_a_snapshot_stays_as_it_was_while_others_write(catalog: Catalog) -> None:
    def write() -> None:
        with catalog.write() as db:
            add_account(db, "later")

    with catalog.snapshot() as db:
        before = db.execute("SELECT count(*) FROM account").fetchone()
        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
        assert db.execute("SELECT count(*) FROM account").fetchone() == before == (0,)
    assert names(catalog) == ["later"]


def test_a_snapshot_ends_with_an_exception(catalog: Catalog) -> None:
    with pytest.raises(ValueError), catalog.snapshot():
        raise ValueError
    with catalog.write() as db:
        add_account(db, "after")
    assert names(catalog) == ["after"]


def test_a_catalog_that_another_holds_for_too_long_is_busy(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "BUSY_SECONDS", 0.05)
    other = Catalog(tmp_path)
    with catalog.write() as db:
        add_account(db, "mine")
        with pytest.raises(Busy, match="busy; try again"), other.write():
            pytest.fail("both write")
    assert names(other) == ["mine"]


def test_a_full_disk_is_told_and_nothing_is_written(catalog: Catalog) -> None:
    catalog.read().execute("PRAGMA max_page_count = 1")
    many = [(str(number), "service", str(number) * 20, 0) for number in range(2000)]
    with pytest.raises(NoSpace, match="full; nothing was stored"), catalog.write() as db:
        db.conn.executemany("INSERT INTO account (id, kind, name, created_at) VALUES (?, ?, ?, ?)", many)
    assert names(catalog) == []


def test_a_commit_is_durable_before_it_returns(catalog: Catalog) -> None:
    db = catalog.read()
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_what_need_not_last_waits_for_no_disk_and_the_next_commit_lasts_again(catalog: Catalog) -> None:
    with catalog.write(lasting=False) as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (1,)
    assert catalog.read().execute("PRAGMA synchronous").fetchone() == (2,)
    with pytest.raises(ValueError), catalog.write(lasting=False):
        raise ValueError
    with catalog.write() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_folder_that_cannot_be_one_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="cannot be opened"):
        Catalog(tmp_path / "file")


def test_a_file_that_is_no_catalog_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / FILENAME).write_bytes(b"something else entirely" * 100)
    with pytest.raises(StorageFailed, match="cannot be opened"):
        Catalog(tmp_path)


def test_a_catalog_that_went_bad_does_not_check(catalog: Catalog) -> None:
    catalog.check()
    with catalog.write() as db:
        db.execute("ALTER TABLE repository RENAME TO gone")
    with pytest.raises(StorageFailed, match="cannot be read"):
        catalog.check()


def test_an_audit_entry_has_its_actor_and_detail(catalog: Catalog) -> None:
    with catalog.write() as db:
        audit.record(
            db, Actor("service:robot", "t1", "10.0.0.9", "r7"), "file.publish", "acme/toys", {"b": 1, "a": [2]}
        )
    row = (
        catalog.read()
        .execute("SELECT actor, token_id, address, request_id, action, target, detail FROM audit_entry")
        .fetchone()
    )
    assert row[:-1] == ("service:robot", "t1", "10.0.0.9", "r7", "file.publish", "acme/toys")
    assert json.loads(row[-1]) == {"a": [2], "b": 1}


@pytest.fixture
def repository_id(catalog: Catalog) -> str:
    with catalog.write() as db:
        return repositories.insert_repository(db, Address("acme", "toys"), "toy", Kind.LOCAL)


def add_file(db: Any, repository_id: str, package: str, filename: str, sha256: str = "0" * 64) -> File:
    blobs.hold(db, sha256, f"{sha256}.KEY", 3)
    row = repositories.ensure_package(db, repository_id, package)
    file = File(f"id-{filename}", package, "1", filename, 3, sha256, 1, {"a": "ä"}, ("x>1",), {})
    files.insert(db, repository_id, row.id, file, "service:robot")
    repositories.package_changed(db, row.id, +1)
    return file


def test_a_file_reads_back_as_it_was_written(catalog: Catalog, repository_id: str) -> None:
    with catalog.write() as db:
        file = add_file(db, repository_id, "ball", "ball@1.toy")
    assert files.by_filename(catalog.read(), repository_id, "ball@1.toy") == replace(file, holder=repository_id)


def test_names_are_in_byte_order_and_only_those_with_files(catalog: Catalog, repository_id: str) -> None:
    with catalog.write() as db:
        for name in ("b", "a-b", "a", "ab"):
            add_file(db, repository_id, name, name)
        repositories.ensure_package(db, repository_id, "reserved")
    assert repositories.names(catalog.read(), repository_id) == ["a", "a-b", "ab", "b"]


def test_the_names_revision_changes_only_when_a_name_comes_or_goes(catalog: Catalog, repository_id: str) -> None:
    def revision() -> int:
        return repositories.names_revision(catalog.read(), repository_id)

    seen = [revision()]
    with catalog.write() as db:
        file = add_file(db, repository_id, "ball", "one")
    seen.append(revision())
    with catalog.write() as db:
        add_file(db, repository_id, "ball", "two")
    seen.append(revision())
    with catalog.write() as db:
        package = repositories.ensure_package(db, repository_id, "ball")
        files.delete(db, repository_id, file)
        repositories.package_changed(db, package.id, -2)
    seen.append(revision())
    assert [later != former for former, later in pairwise(seen)] == [True, False, True]


def test_documents_are_kept_compressed_and_go_with_their_file(catalog: Catalog, repository_id: str) -> None:
    body = b"a long document " * 1000
    with catalog.write() as db:
        file = add_file(db, repository_id, "ball", "one")
        files.insert_documents(db, file.id, [files.prepared("head", body)])
    assert files.document(catalog.read(), file.id, "head") == body
    assert catalog.read().execute("SELECT length(body) FROM document").fetchone()[0] < len(body) // 10
    with catalog.write() as db:
        files.delete(db, repository_id, file)
    assert files.document(catalog.read(), file.id, "head") is None


def test_a_file_needs_its_blobs_row(catalog: Catalog, repository_id: str) -> None:
    with catalog.write() as db:
        row = repositories.ensure_package(db, repository_id, "ball")
    file = File("f", "ball", "1", "f", 1, "9" * 64, 1)
    with pytest.raises(Exception, match="FOREIGN KEY"), catalog.write() as db:
        files.insert(db, repository_id, row.id, file, "me")
    assert files.by_filename(catalog.read(), repository_id, "f") is None


def test_the_first_key_of_the_same_bytes_stays(catalog: Catalog) -> None:
    with catalog.write() as db:
        assert blobs.hold(db, "a" * 64, "first", 1) == "first"
        assert blobs.hold(db, "a" * 64, "second", 1) == "first"
        assert blobs.hold(db, "a" * 64, None, 1) == "first"
        assert blobs.hold(db, "b" * 64, None, 1) is None

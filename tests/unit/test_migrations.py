"""A stored catalog of every earlier version is opened by this one, with all that it had; a later one is refused."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from orbitalreg.catalog import FILENAME, Catalog, accounts, blobs, files, remotes, reports, repositories
from orbitalreg.catalog.schema import NAMES, migrations
from orbitalreg.errors import StorageFailed
from orbitalreg.model import Address, Kind, Status, StatusName

STORED = sorted((Path(__file__).parent / "catalogs").glob("*.sql"))
A = "a" * 64

ALTERED = {"revision": "number", "job": "due_at"}
"""What a migration may change of rows that are there: it raises revisions, and brings jobs forward."""


def stored(file: Path, folder: Path) -> Path:
    """The data folder with that catalog."""
    folder.mkdir(exist_ok=True)
    with sqlite3.connect(folder / FILENAME) as db:
        db.executescript(file.read_text("utf-8"))
    db.close()
    return folder


def rows(data: Path) -> dict[str, list[dict[str, Any]]]:
    """Everything in the tables of a catalog file."""
    db = sqlite3.connect(data / FILENAME)
    db.row_factory = sqlite3.Row
    try:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {table: [dict(row) for row in db.execute(f"SELECT * FROM {table} ORDER BY rowid")] for table in tables}
    finally:
        db.close()


def test_there_is_a_stored_catalog_of_every_version() -> None:
    """A new migration comes with one: tests/unit/catalogs/making.py."""
    assert [file.stem for file in STORED] == [name[:4] for name in NAMES]
    assert list(NAMES) == [one.name for one in migrations.pending(Database(memory=True))]


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.stem)
def test_a_stored_catalog_has_something_of_everything(file: Path, tmp_path: Path) -> None:
    data = stored(file, tmp_path)
    found = rows(data)
    assert [table for table, there in found.items() if not there] == []
    with sqlite3.connect(data / FILENAME) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.stem)
def test_everything_is_there_after_the_migrations(file: Path, tmp_path: Path) -> None:
    data = stored(file, tmp_path)
    before = rows(data)
    catalog = Catalog(data)
    assert catalog.is_current() and catalog.problems() == []
    after = rows(data)
    for table, there in before.items():
        left = [{column: row[column] for column in there[0]} for row in after[table]]
        missing = [
            _fixed(table, row) for row in there if _fixed(table, row) not in [_fixed(table, one) for one in left]
        ]
        assert missing == [], table
    _read(catalog)
    catalog.close()


def _fixed(table: str, row: dict[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column != ALTERED.get(table)}


def _read(catalog: Catalog) -> None:
    """What every version had, as the program of today reads it."""
    db = catalog.read()
    [toys] = [row for row in repositories.all_repositories(db) if row.address == Address("acme", "toys")]
    assert (toys.format, toys.kind, toys.detached_at) == ("toy", Kind.LOCAL, None)
    ball = repositories.package(db, toys.id, "ball")
    assert ball is not None and ball.file_count == 2 and ball.status == Status()
    first, second = files.of_package(db, ball.id)
    assert (first.filename, first.sha256, first.yanked, first.documents) == ("ball@1.toy", A, None, {"head": "c" * 64})
    assert (second.attributes, second.requirements, second.yanked) == ({"colour": "red"}, ("kite>=1",), "it bursts")
    assert files.document(db, first.id, "head") == b"binary"
    reserved = repositories.package(db, toys.id, "reserved")
    assert reserved is not None and reserved.status == Status(StatusName.DEPRECATED, "use ball")
    assert files.deleted_digest(db, toys.id, "ball@0.toy") == "c" * 64
    held = blobs.get(db, A)
    assert held is not None and held.key == f"{A}.01KBALL00000000000000000AA" and held.fault is None
    assert [use.is_used for use in blobs.uses_after(db, "", 2)] == [True, True]
    assert [row.name for row in accounts.tokens(db)][:1] == ["ci"]
    reports.of_files(db, ["f1"])
    remotes.recalls(db, "r3", "kite")


@pytest.mark.parametrize("file", STORED[:1], ids=lambda file: file.stem)
def test_a_newer_catalog_is_refused_and_left_as_it_is(file: Path, tmp_path: Path, cli: Any, configured: Path) -> None:
    data = stored(file, tmp_path / "data")
    Catalog(data).close()
    with sqlite3.connect(data / FILENAME) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('orbitalreg', 'm999_wings', '')"
        )
    db.close()
    before = rows(data)
    words = "was written by a newer OrbitalReg (it has m999_wings): run that version or a later one"
    with pytest.raises(StorageFailed) as caught:
        Catalog(data)
    assert words in str(caught.value)
    for command in (["serve", "--listen", "127.0.0.1:0"], ["packages", "acme/toys"], ["check"], ["gc"]):
        refused = cli(*command)
        assert refused.exit_code == 1, command
        assert words in refused.stderr
    doctor = cli("doctor")
    assert doctor.exit_code == 1 and words in doctor.stdout
    assert rows(data) == before


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.stem)
def test_a_migration_is_as_it_was_when_its_catalog_was_stored(file: Path, tmp_path: Path) -> None:
    """One that has been released is never edited: what it made then is what it makes now."""
    with sqlite3.connect(stored(file, tmp_path) / FILENAME) as db:
        then = db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    db.close()
    made = Database(memory=True)
    migrations.apply(made, stop_before=[name for name in NAMES if name[:4] > file.stem])
    assert made.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall() == then
    made.close()

"""The driver: SQLite through sqlite-utils. One connection a thread, writes one at a time.

A write is `BEGIN IMMEDIATE` behind a process-wide lock: the lock keeps threads from busy-waiting on one another, the
busy timeout does the same for other processes. `synchronous=FULL` with the write-ahead log makes a commit durable.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]  # the driver it chose: pysqlite3 where that is

from orbitalreg.catalog.commits import CommitMark
from orbitalreg.catalog.schema import NAMES, migrations
from orbitalreg.errors import Busy, NoSpace, StorageFailed, storage_error

FILENAME = "catalog.sqlite3"
BUSY_SECONDS = 30
MARK_SECONDS = 1.0
"""For so long what was read is remembered while the mark of commits is the same."""
SQLITE_VERSION: str = sqlite3.sqlite_version


class _Connections(threading.local):
    """This thread's, by process id: SQLite forbids a forked child to use what its parent opened, or to close it."""

    def __init__(self) -> None:
        self.of_process: dict[int, Database] = {}


WAL_SECONDS = 30.0


def _enable_wal(db: Database) -> None:
    """SQLite's own patience does not cover this: where several processes make one catalog, it fails at once."""
    end = time.monotonic() + WAL_SECONDS
    while True:
        try:
            return db.enable_wal()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(0.02)


class Catalog:
    """The tables of one data folder. Thread-safe, and good in a child that is forked while no thread writes."""

    def __init__(self, data: Path, *, look_only: bool = False) -> None:
        """Open or create the catalog in the folder `data`, and migrate it. Raises `StorageFailed`.

        `look_only` is for reading a catalog that exists without changing it.
        """
        self._path = data / FILENAME
        self._connections = _Connections()
        self._write_lock = threading.Lock()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._mark: CommitMark | None = None
        if look_only:
            return
        try:
            data.mkdir(parents=True, exist_ok=True)
            self._mark = CommitMark(data)
            self.refuse_newer()
            _enable_wal(self._connect())
            with self.write() as db:
                migrations.apply(db)
        except (OSError, sqlite3.Error) as error:
            raise StorageFailed(f"the catalog {self._path} cannot be opened: {error}") from error

    def read(self) -> Database:
        """This thread's connection, outside any transaction: each query sees every commit before it."""
        db = self._connections.of_process.get(os.getpid())
        return db if db is not None else self._connect()

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """Several reads of one state."""
        db = self.read()
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("COMMIT")

    @contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[Database]:
        """One transaction: committed durably at the end, rolled back by any exception.

        What is not `lasting` may be lost in a power cut, as a whole and with what was committed like it afterwards,
        until a commit that lasts: it waits for no disk. It is for what is done again where it was lost, such as a job,
        and nobody may be told of it as done.

        Raises `Busy` where another process has held the catalog for half a minute, `NoSpace` and `StorageFailed`
        where the disk refuses. Never hold it across anything slow.
        """
        db = self.read()
        with self._write_lock, _committing(db, lasting):
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise _translated(error) from error
            try:
                yield db
                db.execute("COMMIT")
            except BaseException as error:
                db.rollback()
                if isinstance(error, sqlite3.OperationalError):
                    raise _translated(error) from error
                raise
            finally:  # a commit that reports an error may yet have happened
                if self._mark is not None:
                    self._mark.renew()
        for listener in self._listeners:
            listener()

    def mark(self) -> bytes | None:
        """As long as it is the same, no `write` of any process on this data folder was acknowledged.

        Nor has one been that was acknowledged before: whoever remembers something takes the mark before they read it.
        None where there is none. What was committed by a process that died at once, or by another program than this,
        may not show in it: what is remembered by a mark is good for `MARK_SECONDS` at most.
        """
        return None if self._mark is None else self._mark.now()

    def listen(self, listener: Callable[[], None]) -> None:
        """From now on `listener`, which is quick, is called after each commit of this instance by who wrote it."""
        self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        self._listeners = tuple(other for other in self._listeners if other != listener)

    def close(self) -> None:
        """Close this thread's connection."""
        db = self._connections.of_process.pop(os.getpid(), None)
        if db is not None:
            db.close()

    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        log = self._path.with_name(f"{self._path.name}-wal")
        return log.stat().st_size if log.exists() else 0

    def check(self) -> None:
        """One round trip. Raises `StorageFailed` where the catalog cannot be read."""
        try:
            self.read().execute("SELECT 1 FROM repository LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise StorageFailed(f"the catalog cannot be read: {error}") from error

    def refuse_newer(self) -> None:
        """Raises `StorageFailed` where the tables are of a later version than this one, which would not know them."""
        unknown = newer(self.read())
        if unknown:
            raise StorageFailed(
                f"the catalog {self._path} was written by a newer OrbitalReg (it has {', '.join(unknown)}): "
                "run that version or a later one, or restore a backup that was made before"
            )

    def problems(self) -> list[str]:
        """What SQLite finds wrong with the catalog, one line for each: damaged pages, rows that refer to none.

        It reads everything, while others write.
        """
        db = self.read()
        try:
            told = [str(row[0]) for row in db.execute("PRAGMA integrity_check").fetchall() if row[0] != "ok"]
            missing = db.execute("PRAGMA foreign_key_check").fetchall()
        except sqlite3.DatabaseError as error:
            return [f"the catalog cannot be read: {error}"]
        return told + [
            f"{table}: row {row} refers to a {parent} that is not there" for table, row, parent, _ in missing
        ]

    def copy(self, target: Path) -> None:
        """Write the catalog as it is now to the new file `target`, whole and durable, while others write.

        Raises `NoSpace`, `StorageFailed`.
        """
        try:
            with closing(sqlite3.connect(str(target))) as copied:
                self.read().conn.backup(copied)
                copied.execute("PRAGMA journal_mode=DELETE")
            with open(target, "rb") as file:
                os.fsync(file.fileno())
        except sqlite3.Error as error:
            raise _translated(error) from error
        except OSError as error:
            raise storage_error(error, "the catalog could not be copied") from error

    def is_current(self) -> bool:
        """Whether its tables are those of this version."""
        return not migrations.pending(self.read())

    def _connect(self) -> Database:
        conn = sqlite3.connect(str(self._path), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "journal_size_limit=67108864"):
            conn.execute(f"PRAGMA {pragma}")
        db = Database(conn, execute_plugins=False)
        self._connections.of_process[os.getpid()] = db
        return db


def newer(db: Database) -> list[str]:
    """The migrations that were applied and that this version does not know."""
    return [one.name for one in migrations.applied(db) if one.name not in NAMES]


@contextmanager
def _committing(db: Database, lasting: bool) -> Iterator[None]:
    """Without `lasting`, commits meanwhile are ordered and not synced."""
    if lasting:
        yield
        return
    db.execute("PRAGMA synchronous=NORMAL")
    try:
        yield
    finally:
        db.execute("PRAGMA synchronous=FULL")


def _translated(error: Any) -> Busy | NoSpace | StorageFailed:
    """What a failing statement means to the caller."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "locked" in str(error):
        return Busy("the catalog is busy; try again")
    if name == "SQLITE_FULL":
        return NoSpace("the data file system is full; nothing was stored")
    return StorageFailed(f"the catalog could not be written: {error}")

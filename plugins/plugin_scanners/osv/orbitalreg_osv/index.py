"""The records of a dump in a SQLite file, by package: built once, then only read, by any number of processes.

It takes the place of another by being renamed over it; who has the other open reads on in that.
"""

import hashlib
import json
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from weakref import finalize

from orbitalreg.errors import ScannerFailed
from orbitalreg.model import Database, Microseconds, Severity, now
from orbitalreg_osv import dumps, matching
from orbitalreg_osv.ecosystems import Ecosystem
from orbitalreg_osv.known import Known
from orbitalreg_osv.ratings import Ratings
from orbitalreg_osv.records import Advisory, Record, Unusable, parse

FORM = "1"
"""Of the file, and of what is read out of records: another one's file is built anew."""
REMEMBERED = 256
"""So many packages are kept ready in memory."""
_DAY = 86_400_000_000
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE advisories (
    id TEXT PRIMARY KEY, severity INTEGER NOT NULL, cvss TEXT, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE affected (ecosystem TEXT NOT NULL, name TEXT NOT NULL, advisory TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX affected_by_name ON affected (ecosystem, name);
"""


@dataclass(frozen=True, slots=True)
class Meta:
    """What an index was built from. `source` is the dump as the configuration has it."""

    form: str
    source: str
    signature: str
    digest: str
    built_at: Microseconds | None
    indexed_at: Microseconds
    records: int
    skipped: int
    etag: str | None = None

    @property
    def database(self) -> Database:
        """Its digest is of what is judged by, so that a dump which was merely packed anew is the same."""
        return Database(self.counted, self.digest, self.built_at)

    @property
    def counted(self) -> str:
        return f"{self.records} record{'s' * (self.records != 1)}"


class Index:
    """An index that is there. Used by one thread at a time; closed with `close`, or when nobody has it any more."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError` where there is none, `ScannerFailed` for a file that is none of this form."""
        with path.open("rb") as file:
            self.stamp = _stamp(os.fstat(file.fileno()))
        address = f"{path.absolute().as_uri()}?immutable=1"
        try:
            self._database = sqlite3.connect(address, uri=True, check_same_thread=False)
            self.close = finalize(self, self._database.close)
            kept = dict(self._database.execute("SELECT key, value FROM meta"))
            self.meta = Meta(**json.loads(kept["meta"]))
        except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
            raise ScannerFailed(f"{path} is no index of a dump: {error}") from error
        self._packages: OrderedDict[tuple[str, str], tuple[Known, ...]] = OrderedDict()

    def of(self, ecosystem: Ecosystem, name: str) -> tuple[Known, ...]:
        """What is known of a package, by the order of the records' ids. `name` may be in any spelling."""
        key = (ecosystem.name, ecosystem.normal(name))
        known = self._packages.get(key)
        if known is None:
            known = self._packages[key] = tuple(self._read(ecosystem, key[1]))
            if len(self._packages) > REMEMBERED:
                self._packages.popitem(last=False)
        else:
            self._packages.move_to_end(key)
        return known

    def is_current(self, path: Path) -> bool:
        """Whether `path` is still the file that was opened."""
        try:
            return _stamp(os.stat(path)) == self.stamp
        except OSError:
            return False

    def _read(self, ecosystem: Ecosystem, name: str) -> Iterator[Known]:
        found = self._database.execute(
            "SELECT a.id, a.severity, a.cvss, a.body, f.body FROM affected f JOIN advisories a ON a.id = f.advisory"
            " WHERE f.ecosystem = ? AND f.name = ? ORDER BY a.id, f.rowid",
            (ecosystem.name, name),
        )
        for about, rows in groupby(found, key=lambda row: row[:4]):
            parts = (json.loads(row[4]) for row in rows)
            affected = (matching.read(ecosystem, frozenset(part["listed"]), part["ranges"]) for part in parts)
            yield Known.of(_advisory(*about), affected)


def _advisory(id_: str, severity: int, cvss: str | None, body: str) -> Advisory:
    kept = json.loads(body)
    aliases, links = tuple(kept["aliases"]), tuple(kept["links"])
    return Advisory(id_, aliases, Severity(severity), cvss, kept["title"], links, kept["published_at"])


def build(
    dump: Path,
    into: Path,
    source: str,
    signature: str,
    etag: str | None = None,
    told: Callable[[int], None] = lambda number: None,
) -> Meta:
    """Write the index of `dump` to `into`, a new file, and sync it. `told` is called with how many records were read.

    Raises `ScannerFailed` where the dump cannot be read or has no record that is of use, and for a full disk.
    """
    try:
        with closing(sqlite3.connect(into, isolation_level=None)) as database:
            database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _SCHEMA)
            database.execute("BEGIN")
            meta = _filled(database, dumps.texts(dump), source, signature, etag, told)
            if not meta.records:
                raise ScannerFailed(f"the dump {dump} has no record of a kind of package that is known here")
            database.execute("INSERT INTO meta VALUES ('meta', ?)", (json.dumps(asdict(meta)),))
            database.execute("COMMIT")
        with into.open("rb") as file:
            os.fsync(file.fileno())
    except (sqlite3.Error, OSError) as error:
        raise ScannerFailed(f"the index {into} cannot be written: {error}") from error
    return meta


def _filled(
    database: sqlite3.Connection,
    texts: Iterable[bytes | None],
    source: str,
    signature: str,
    etag: str | None,
    told: Callable[[int], None],
) -> Meta:
    ratings = Ratings()
    newest, started, skipped = 0, now(), 0
    for number, text in enumerate(texts, 1):
        told(number)
        record = _usable(text)
        if record is None:
            skipped += 1
        elif record.packages and not record.is_withdrawn:
            if not _kept(database, record):
                skipped += 1
                continue
            if (record.modified_at or 0) <= started + _DAY:  # of the future: a slip that would keep it fresh for ever
                newest = max(newest, record.modified_at or 0)
            ratings.add(record.advisory)
    _lend_severities(database, ratings)
    (count,) = database.execute("SELECT count(*) FROM advisories").fetchone()
    return Meta(FORM, source, signature, _digest(database), newest or None, now(), count, skipped, etag)


def _usable(text: bytes | None) -> Record | None:
    try:
        return parse(text) if text is not None else None
    except Unusable:
        return None


def _kept(database: sqlite3.Connection, record: Record) -> bool:
    """Whether it is the first of its id."""
    advisory = record.advisory
    body = {
        "aliases": advisory.aliases,
        "title": advisory.title,
        "links": advisory.links,
        "published_at": advisory.published_at,
    }
    done = database.execute(
        "INSERT OR IGNORE INTO advisories VALUES (?, ?, ?, ?)",
        (advisory.id, int(advisory.severity), advisory.cvss, _compact(body)),
    )
    if not done.rowcount:
        return False
    for one in record.packages:
        listed = sorted(matching.spelled(one.ecosystem, one.versions))
        row = (one.ecosystem.name, one.name, advisory.id, _compact({"listed": listed, "ranges": one.ranges}))
        database.execute("INSERT INTO affected VALUES (?, ?, ?, ?)", row)
    return True


def _lend_severities(database: sqlite3.Connection, ratings: Ratings) -> None:
    for ids in ratings.unrated:
        if (lent := ratings.lent(ids)) is not None:
            changed = (int(lent[0]), lent[1], ids[0])
            database.execute("UPDATE advisories SET severity = ?, cvss = ? WHERE id = ?", changed)


def _digest(database: sqlite3.Connection) -> str:
    digest = hashlib.sha256(FORM.encode())
    for query in (
        "SELECT id, severity, cvss, body FROM advisories ORDER BY id",
        "SELECT ecosystem, name, advisory, body FROM affected ORDER BY ecosystem, name, advisory, body",
    ):
        for row in database.execute(query):
            digest.update(_compact(row).encode())
    return digest.hexdigest()


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_mtime_ns, found.st_size

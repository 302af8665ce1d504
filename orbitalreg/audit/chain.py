"""The chain over the audit log: each link's hash covers the one before it and a whole entry.

Entries are linked after their commit, by one job: ids are made before commits, and those of several processes are not
in the order of commits, so that whatever is not linked yet is linked next and the numbers give the order. A link's hash
is the SHA-256, in hexadecimal, of a JSON array in ASCII without spaces:

    [hash before, number, linked_at, id, at, actor, token_id, address, request_id, action, target, detail, origin,
     outcome, reason, project]

with times as microseconds, `detail` and `origin` as the text that the catalog holds, and 64 zeros before number 1.
Whoever can write the catalog can make the whole chain anew: an anchor (`head`) that is kept elsewhere finds that too.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlite_utils import Database

from orbitalreg.catalog import Catalog, audit_links
from orbitalreg.catalog.audit_entries import EntryRow
from orbitalreg.catalog.audit_links import LinkRow
from orbitalreg.errors import InvalidName
from orbitalreg.jobs import BrokenOff, Task
from orbitalreg.model import Microseconds, now

START = "0" * 64
BATCH = 500
MOST_FAULTS = 100
_ANCHOR = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


def link_hash(before: str, number: int, linked_at: Microseconds, entry: EntryRow) -> str:
    """The hash of one link, as the module says."""
    text = json.dumps([before, number, linked_at, *entry.canonical()], separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def link_some(db: Database, limit: int = BATCH) -> int:
    """Writes: links up to `limit` entries that are not linked yet. How many it were."""
    last = audit_links.last(db)
    number, before = (last.number, last.hash) if last else (0, START)
    waiting = audit_links.unlinked(db, limit)
    for entry in waiting:
        number, linked_at = number + 1, now()
        before = link_hash(before, number, linked_at, entry)
        audit_links.insert(db, LinkRow(number, entry.id, linked_at, before))
    return len(waiting)


class Chainer:
    """The handler of the job `audit.chain`."""

    def __init__(self, catalog: Catalog, afterwards: Callable[[Task], None] = lambda task: None) -> None:
        """`afterwards` is called when every entry is linked, outside any transaction."""
        self._catalog = catalog
        self._afterwards = afterwards

    def __call__(self, task: Task) -> None:
        linked = BATCH
        while linked == BATCH:
            if task.stopping():
                raise BrokenOff
            with self._catalog.write() as db:
                linked = link_some(db)
        self._afterwards(task)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A link as it was told once."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Anchor":
        """`NUMBER:HASH`. Raises `InvalidName`."""
        match = _ANCHOR.fullmatch(text)
        if match is None:
            raise InvalidName(f"{text!r} is no anchor: give NUMBER:HASH as orbitalreg audit head prints it")
        return cls(int(match[1]), match[2])


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where the log is not as it was written. What is not known of it is None."""

    number: int | None
    entry: str | None
    at: Microseconds | None
    says: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`unlinked` entries are not covered yet, and `oldest_unlinked` is the time of the oldest of them."""

    head: LinkRow | None
    linked: int
    unlinked: int
    oldest_unlinked: Microseconds | None
    faults: list[Fault] = field(default_factory=list)


def head(db: Database) -> LinkRow | None:
    """The last link: its number and hash are the anchor to keep elsewhere."""
    return audit_links.last(db)


def verify(catalog: Catalog, anchor: Anchor | None = None) -> Verdict:
    """Go through the whole chain. At most `MOST_FAULTS` are told. Raises `StorageFailed` for what cannot be read."""
    with catalog.snapshot() as db:
        faults: list[Fault] = []
        for fault in _faults(db, anchor):
            faults.append(fault)
            if len(faults) == MOST_FAULTS:
                break
        count, oldest = audit_links.count_unlinked(db)
        return Verdict(audit_links.last(db), audit_links.count(db), count, oldest, faults)


def _faults(db: Database, anchor: Anchor | None) -> Iterator[Fault]:
    before: str | None = START
    expected, anchored = 1, None
    for link, entry in audit_links.all_links(db):
        if link.number != expected:
            yield Fault(expected, None, None, _missing(expected, link.number))
            before = None
        yield from _link_faults(link, entry, before)
        if anchor is not None and link.number == anchor.number:
            anchored = link.hash
        before = link.hash
        expected = link.number + 1 if isinstance(link.number, int) else expected
    for entry in audit_links.entries_without_link(db):
        yield Fault(None, entry.id, entry.at, "the entry was linked, and its link is gone")
    if anchor is not None and anchored != anchor.hash:
        says = "another hash than the anchor's" if anchored else "the anchor's link is gone"
        yield Fault(
            anchor.number, None, None, f"{says}: the log up to here is not the one of which the anchor was taken"
        )


def _missing(expected: int, found: int) -> str:
    if not isinstance(found, int) or found < expected:
        return f"the link {found} is out of order"
    return f"the link is gone, and so are all before {found}" if found > expected + 1 else "the link is gone"


def _link_faults(link: LinkRow, entry: EntryRow | None, before: str | None) -> Iterator[Fault]:
    if entry is None:
        yield Fault(link.number, link.entry_id, link.linked_at, "the entry was removed; it was linked at this time")
        return
    if before is not None and link_hash(before, link.number, link.linked_at, entry) != link.hash:
        yield Fault(link.number, entry.id, entry.at, "the entry or its link was edited")
    if entry.linked != 1:
        yield Fault(link.number, entry.id, entry.at, "the mark that the entry is linked was edited")

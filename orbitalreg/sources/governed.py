"""What a repository shows of what is there: the raw source below, and the rules above it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, BinaryIO

from orbitalreg.catalog import Catalog, exceptions
from orbitalreg.errors import NotFound, Withheld
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import File, Listing, Microseconds, Repository, Withholding, now
from orbitalreg.sources.kept import Kept
from orbitalreg.sources.raw import RawSource
from orbitalreg.sources.rules import Facts, Rules, next_change, told, verdict
from orbitalreg.sources.virtual import VirtualSource, quarantine

Remedies = Callable[[str], frozenset[str]]
"""For a package, the versions that mend a vulnerability of what they replace. Cheap: it is asked on every read."""


def no_remedies(package: str) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class Judged:
    """A listing, and what it was made of; it holds until `changes_at` while those are the same."""

    listing: Listing
    shown: Mapping[str, File]
    raw_revision: str
    opened: tuple[exceptions.ExceptionRow, ...]
    remedies: frozenset[str]
    changes_at: Microseconds | None

    @property
    def file_count(self) -> int:
        return len(self.listing.files) + len(self.listing.withheld)


@dataclass(frozen=True, slots=True)
class Governance:
    """What every `GovernedSource` judges by. `rules` are those of every repository that has some, by its id.

    `clock` tells the present instant; `kept` is what was judged, for all of them.
    """

    catalog: Catalog
    rules: Mapping[str, Rules]
    remedies: Remedies = no_remedies
    clock: Callable[[], Microseconds] = now
    kept: Kept[Judged] = field(default_factory=Kept)


class GovernedSource:
    """`Source` of a repository of any kind, by its own rules and those of the member that holds each file. Thread-safe.

    A package that `allow` or `deny` keeps out has a page without files, and its files say why they are withheld; the
    list of names leaves out those that the repository asked keeps out itself. Every call judges anew what time, an
    exception or a remedy may have changed, so that pages, files and documents agree, in every process.
    """

    def __init__(self, raw: RawSource, adapter: FormatAdapter, governance: Governance) -> None:
        self._raw = raw
        self._adapter = adapter
        self._governance = governance
        self._own = governance.rules.get(raw.repository.id)
        self._by_holder = _rules_by_holder(raw, governance.rules)
        every = {one.repository.id: one for rules in self._by_holder.values() for one in rules}
        self._opened_in = sorted(one.repository.id for one in every.values() if one.by_time)
        self._policy = _digest(*(f"{holder} {[one.digest for one in r]}" for holder, r in self._by_holder.items()))
        self._kept = governance.kept

    @property
    def repository(self) -> Repository:
        return self._raw.repository

    @property
    def raw(self) -> RawSource:
        """The same repository before its rules."""
        return self._raw

    @property
    def by_time(self) -> Sequence[Repository]:
        """The repositories whose rules withhold by time here: where an exception has its place."""
        every = {rules.repository.id: rules for way in self._by_holder.values() for rules in way}
        return [rules.repository for rules in every.values() if rules.by_time]

    def version_key(self, version: str) -> Any:
        """Equal for the spellings of one version; None for those whose name tells none."""
        return self._adapter.version_key(version) if version else None

    def names(self) -> Sequence[str]:
        names = self._raw.names()
        own = self._own
        if own is None or not (own.deny or own.allow is not None):
            return names
        return [name for name in names if own.refusal(name) is None]

    def names_revision(self) -> str:
        return _digest(self._raw.repository.id, self._raw.names_revision(), self._policy)

    def revision(self, package: str) -> str:
        return self._judged(package).listing.revision

    def listing(self, package: str) -> Listing:
        return self._judged(package).listing

    def file(self, package: str, filename: str) -> File:
        judged = self._judged(package)
        file = judged.shown.get(filename)
        if file is not None:
            return file if file.size is not None else self._raw.sized(file)
        withholding = judged.listing.withheld.get(filename)
        if withholding is not None:
            raise Withheld(told(filename, withholding))
        raise NotFound(f"{self.repository.address} has no file {filename}")

    def open(self, file: File, start: int = 0, length: int | None = None) -> BinaryIO:
        return self._raw.open(file, start, length)

    def document(self, file: File, kind: str) -> bytes:
        return self._raw.document(file, kind)

    def _judged(self, package: str) -> Judged:
        """Warm, that is the raw source's `revision` and at most one small query."""
        raw_revision = self._raw.revision(package)
        instant = self._governance.clock()
        opened = self._exceptions(package, instant)
        remedies = self._governance.remedies(package)
        place = f"{self._raw.repository.id}/{package}"
        known = self._kept.get(place)
        if (
            known is not None
            and (known.raw_revision, known.opened, known.remedies) == (raw_revision, opened, remedies)
            and (known.changes_at is None or instant < known.changes_at)
        ):
            return known
        return self._kept.put(place, self._judge(self._raw.listing(package), opened, remedies, instant))

    def _exceptions(self, package: str, instant: Microseconds) -> tuple[exceptions.ExceptionRow, ...]:
        if not self._opened_in:
            return ()
        return exceptions.of_package(self._governance.catalog.read(), self._opened_in, package, instant)

    def _judge(
        self,
        raw: Listing,
        opened: tuple[exceptions.ExceptionRow, ...],
        remedies: frozenset[str],
        instant: Microseconds,
    ) -> Judged:
        facts = self._facts(opened, remedies)
        key = cache(self.version_key)
        shown: list[File] = []
        withheld: dict[str, Withholding] = {}
        changes: list[Microseconds] = []
        for file in raw.files:
            reason = self._of_the_package(file, raw)
            if reason is None:
                rules = self._by_holder.get(file.holder, ())
                reason = verdict(file, key(file.version), rules, facts, instant)
                turn = next_change(file, key(file.version), rules, facts, instant) if reason or opened else None
                changes += [turn] if turn is not None else []
            if reason is None:
                shown.append(file)
            else:
                withheld[file.filename] = reason
        changes_at = min(changes, default=None)
        ends = [end for end in (changes_at, raw.valid_until) if end is not None]
        listing = replace(
            raw,
            files=tuple(shown),
            revision=self._revision(raw, withheld),
            withheld=withheld,
            valid_until=min(ends, default=None),
        )
        by_filename = {file.filename: file for file in shown}
        return Judged(listing, by_filename, raw.revision, opened, remedies, changes_at)

    def _of_the_package(self, file: File, raw: Listing) -> Withholding | None:
        """Why the member holds the file back, whatever the rules say."""
        reason = raw.withheld.get(file.filename) or quarantine(raw.status)
        return replace(reason, by=str(self.repository.address)) if reason and not reason.by else reason

    def _facts(self, opened: Sequence[exceptions.ExceptionRow], remedies: frozenset[str]) -> Facts:
        until: dict[tuple[str, Any], Microseconds] = {}
        for row in opened:
            place = (row.repository_id, self.version_key(row.version))
            until[place] = max(row.until, until.get(place, 0))
        return Facts(until, frozenset(map(self.version_key, remedies)))

    def _revision(self, raw: Listing, withheld: Mapping[str, Withholding]) -> str:
        reasons = [f"{name} {reason}" for name, reason in sorted(withheld.items())]
        return _digest(self.repository.id, raw.revision, self._policy, *reasons)


def _rules_by_holder(raw: RawSource, rules: Mapping[str, Rules]) -> dict[str, tuple[Rules, ...]]:
    """For each repository in here that holds files, the rules on the first way to it, the outermost first."""
    own = (rules[raw.repository.id],) if raw.repository.id in rules else ()
    if not isinstance(raw, VirtualSource):
        return {raw.repository.id: own}
    found: dict[str, tuple[Rules, ...]] = {}
    for member in raw.members:
        for holder, inner in _rules_by_holder(member, rules).items():
            found.setdefault(holder, own + inner)
    return found


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

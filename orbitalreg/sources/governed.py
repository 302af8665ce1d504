"""What a repository shows of what is there: the raw source below, and the rules above it."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, BinaryIO, TypeVar

from orbitalreg.catalog import Catalog, exceptions, reports
from orbitalreg.errors import NotFound, Withheld
from orbitalreg.findings import Exposure
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import File, Listing, Microseconds, Repository, Withholding, now
from orbitalreg.policy import CLEAN, Policy, Verdict
from orbitalreg.sources.kept import Kept
from orbitalreg.sources.policing import Attached, Exposed, Known, Policing, Said, Verdicts, remedies
from orbitalreg.sources.raw import RawSource
from orbitalreg.sources.rules import Facts, Rules, next_change, told, verdict
from orbitalreg.sources.virtual import VirtualSource, quarantine

logger = logging.getLogger(__name__)

ASKED_AGAIN = 60_000_000
"""How long at most, in microseconds, what was judged by name alone counts before the judges are asked again."""

T = TypeVar("T")

NO_VERDICTS = Verdicts({}, frozenset())


@dataclass(frozen=True, slots=True)
class Judged:
    """A listing, and what it was made of; it holds until `changes_at` while those are the same.

    `refusals` are the words for each file that may not be had, by its name; `remedies` why a version is let through
    although it is young, by its key.
    """

    listing: Listing
    shown: Mapping[str, File]
    refusals: Mapping[str, str]
    verdicts: Verdicts
    remedies: Mapping[Any, str]
    raw_revision: str
    opened: tuple[exceptions.ExceptionRow, ...]
    known_revision: str
    changes_at: Microseconds | None

    @property
    def file_count(self) -> int:
        return len(self.listing.files) + len(self.listing.withheld)


@dataclass(frozen=True, slots=True)
class Governance:
    """What every `GovernedSource` judges by. `rules` are those of every repository that has some, by its id.

    `policies` are those attached to each repository, by its id. `known` is what scanners said, and `scanners` those
    that look for vulnerabilities or malware. `clock` tells the present instant; `kept` is what was judged, for all;
    `exposed` is what comes with dependencies.
    """

    catalog: Catalog
    rules: Mapping[str, Rules]
    policies: Mapping[str, Sequence[Attached]] = field(default_factory=dict)
    known: Known | None = None
    scanners: frozenset[str] = frozenset()
    clock: Callable[[], Microseconds] = now
    kept: Kept[Judged] = field(default_factory=Kept)
    exposed: Exposed | None = None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A file as it is shown, or why it is withheld; `refusal` is what those hear who ask for it and may not have it."""

    file: File
    why: Withholding | None
    refusal: str | None
    changes_at: Microseconds | None


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
        self._by_holder = _by_holder(raw, {holder: (rules,) for holder, rules in governance.rules.items()})
        self._policing = self._police(_by_holder(raw, governance.policies))
        every = {one.repository.id: one for rules in self._by_holder.values() for one in rules}
        self._opened_in = sorted(one.repository.id for one in every.values() if one.by_time)
        self._mends = bool(governance.scanners) and any(one.min_age for one in every.values())
        self._known = governance.known if self._policing is not None or self._mends else None
        self._exposed = governance.exposed if self._policing is not None and self._policing.asks_exposures else None
        digests = [f"{holder} {[one.digest for one in found]}" for holder, found in self._by_holder.items()]
        self._policy = _digest(*digests, *([self._policing.digest] if self._policing is not None else []))
        self._kept = governance.kept

    @property
    def repository(self) -> Repository:
        return self._raw.repository

    @property
    def raw(self) -> RawSource:
        """The same repository before its rules."""
        return self._raw

    @property
    def is_policed(self) -> bool:
        """Whether a policy touches what is shown here."""
        return self._policing is not None

    @property
    def judges(self) -> frozenset[str]:
        """The scanners whose word on mere versions counts, for policies and whoever else is told of it."""
        known = self._governance.known
        return frozenset() if known is None else known.judges

    @property
    def rules_digest(self) -> str:
        """Changes with the rules and policies that are configured for what is shown here."""
        return self._policy

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
            if self._policing is not None:
                self._check(file, judged)
            return file if file.size is not None else self._raw.sized(file)
        if (refusal := judged.refusals.get(filename)) is not None:
            raise Withheld(refusal)
        raise NotFound(f"{self.repository.address} has no file {filename}")

    def verdicts(self, package: str) -> Mapping[str, Verdict]:
        """What policies say of the package's files, by filename: of those that break none, nothing."""
        return self._judged(package).verdicts.of

    def verdict(self, file: File) -> Verdict:
        """On one of the raw listing's files, with its license, which an upstream may be asked for.

        Raises `UpstreamFailed`, `Busy`.
        """
        return self._said(file, self._judged(file.package))

    def under(self, policies: Sequence[Policy]) -> "GovernedSource":
        """The same repository by these policies alone, without those that are configured and without its rules."""
        attached = [Attached(self.repository.address, policy) for policy in policies]
        given = {self.repository.id: attached}
        return GovernedSource(
            self._raw, self._adapter, replace(self._governance, rules={}, policies=given, kept=Kept())
        )

    def without_policies(self, kept: Kept[Judged] | None = None) -> "GovernedSource":
        """The same repository by its rules alone: what an installer could choose from, if no policy held it back.

        What it judged is in `kept`, which others like it may share.
        """
        return GovernedSource(self._raw, self._adapter, replace(self._governance, policies={}, kept=kept or Kept()))

    def remedies(self, package: str) -> Mapping[Any, str]:
        """Why versions are let through although they are too young at this moment, by their keys."""
        judged, instant = self._judged(package), self._governance.clock()
        facts = self._facts(judged.opened, {})
        return {
            key: judged.remedies[key]
            for file in judged.listing.files
            if (key := self.version_key(file.version)) in judged.remedies
            and verdict(file, key, self._by_holder.get(file.holder, ()), facts, instant) is not None
        }

    def open(self, file: File, start: int = 0, length: int | None = None) -> BinaryIO:
        return self._raw.open(file, start, length)

    def document(self, file: File, kind: str) -> bytes:
        return self._raw.document(file, kind)

    def _judged(self, package: str) -> Judged:
        """Warm, that is the raw source's `revision` and at most one small query; one more by a transitive policy."""
        raw_revision = self._raw.revision(package)
        instant = self._governance.clock()
        opened = self._exceptions(package, instant)
        known_revision = self._known_revision(package)
        place = f"{self._raw.repository.id}/{package}"
        known = self._kept.get(place)
        if (
            known is not None
            and (known.raw_revision, known.opened, known.known_revision) == (raw_revision, opened, known_revision)
            and (known.changes_at is None or instant < known.changes_at)
        ):
            return known
        return self._kept.put(place, self._judge(self._raw.listing(package), opened, known_revision, instant))

    def _known_revision(self, package: str) -> str:
        """Of the reports on the package, and of what its versions are exposed to here, as far as those are asked."""
        known = "" if self._known is None else self._known.revision(self._adapter.name, package)
        if self._exposed is None:
            return known
        return f"{known} {self._exposed.revision(self._raw.repository.id, package)}"

    def _said_of(self, listing: Listing) -> Said:
        reports_of = {} if self._known is None else self._known.of(self._adapter.name, listing)
        if self._exposed is None:
            return Said(reports_of, {})
        exposures: dict[Any, tuple[Exposure, ...]] = {}
        for version, found in self._exposed.of(self._raw.repository.id, listing.package).items():
            key = self.version_key(version)
            exposures[key] = exposures.get(key, ()) + found
        return Said(reports_of, exposures)

    def _exceptions(self, package: str, instant: Microseconds) -> tuple[exceptions.ExceptionRow, ...]:
        if not self._opened_in:
            return ()
        return exceptions.of_package(self._governance.catalog.read(), self._opened_in, package, instant)

    def _judge(
        self,
        raw: Listing,
        opened: tuple[exceptions.ExceptionRow, ...],
        known_revision: str,
        instant: Microseconds,
    ) -> Judged:
        known = self._said_of(raw)
        mended = remedies(raw, known.reports, self._adapter) if self._mends else {}
        verdicts = NO_VERDICTS if self._policing is None else self._policing.verdicts(raw, known, instant)
        facts = self._facts(opened, mended)
        key = cache(self.version_key)
        outcomes = [
            self._outcome(file, key(file.version), raw, facts, verdicts.of.get(file.filename, CLEAN), instant)
            for file in raw.files
        ]
        withheld = {one.file.filename: one.why for one in outcomes if one.why is not None}
        refusals = {one.file.filename: one.refusal for one in outcomes if one.refusal is not None}
        shown = tuple(one.file for one in outcomes if one.why is None)
        changes_at = _earliest(verdicts.changes_at, *(one.changes_at for one in outcomes))
        listing = replace(
            raw,
            files=shown,
            revision=self._revision(raw, withheld, refusals),
            withheld=withheld,
            valid_until=_earliest(changes_at, raw.valid_until),
        )
        asked_again = instant + ASKED_AGAIN if self._known is not None and self._known.judges else None
        return Judged(
            listing,
            {file.filename: file for file in shown if file.filename not in refusals},
            refusals,
            verdicts,
            mended,
            raw.revision,
            opened,
            known_revision,
            _earliest(changes_at, asked_again),
        )

    def _outcome(
        self, file: File, key: Any, raw: Listing, facts: Facts, said: Verdict, instant: Microseconds
    ) -> _Outcome:
        """What the package's state, the rules and the policies make of a file; what lasts longer is told."""
        why, turn = self._of_the_package(file, raw), None
        if why is None:
            rules = self._by_holder.get(file.holder, ())
            why = verdict(file, key, rules, facts, instant)
            turn = next_change(file, key, rules, facts, instant) if why or facts.opened else None
        if not said.is_blocked or (why is not None and why.until is None):
            return _Outcome(file, why, None if why is None else told(file.filename, why), turn)
        if why is None and said.is_shown:
            return _Outcome(replace(file, yanked=said.text), None, said.text, turn)
        assert self._policing is not None
        return _Outcome(file, Withholding(said.text, None, self._policing.place(file, said)), said.text, turn)

    def _police(self, by_holder: Mapping[str, Sequence[Attached]]) -> Policing | None:
        if not any(by_holder.values()):
            return None
        governance = self._governance
        return Policing(self._adapter, governance.catalog, by_holder, governance.scanners)

    def _check(self, file: File, judged: Judged) -> None:
        """What can be said of a file only when it is asked for. Raises `Withheld`, `UpstreamFailed`, `Busy`.

        What its license forbids now is forbidden on every page from then on.
        """
        said = self._said(file, judged)
        if said.is_blocked:
            with self._governance.catalog.write() as db:
                reports.changed(db, self._adapter.name, file.package)
            raise Withheld(said.text)
        if said.breaches:
            logger.warning("%s of %s: %s", file.filename, self.repository.address, said.text)

    def _said(self, file: File, judged: Judged) -> Verdict:
        """The verdict with the license of a file whose metadata an upstream has."""
        if self._policing is None or file.filename not in judged.verdicts.unlicensed:
            return judged.verdicts.of.get(file.filename, CLEAN)
        document = partial(self._raw.document, file)
        return self._policing.late_verdict(file, self._said_of(_only(file)), document, self._governance.clock())

    def _of_the_package(self, file: File, raw: Listing) -> Withholding | None:
        """Why the member holds the file back, whatever the rules say."""
        reason = raw.withheld.get(file.filename) or quarantine(raw.status)
        return replace(reason, by=str(self.repository.address)) if reason and not reason.by else reason

    def _facts(self, opened: Sequence[exceptions.ExceptionRow], mended: Mapping[Any, str]) -> Facts:
        until: dict[tuple[str, Any], Microseconds] = {}
        for row in opened:
            place = (row.repository_id, self.version_key(row.version))
            until[place] = max(row.until, until.get(place, 0))
        return Facts(until, mended)

    def _revision(self, raw: Listing, withheld: Mapping[str, Withholding], refusals: Mapping[str, str]) -> str:
        reasons = [f"{name} {reason}" for name, reason in sorted(withheld.items())]
        reasons += [f"{name} {refusal}" for name, refusal in sorted(refusals.items())]
        return _digest(self.repository.id, raw.revision, self._policy, *reasons)


def _by_holder(raw: RawSource, given: Mapping[str, Sequence[T]]) -> dict[str, tuple[T, ...]]:
    """For each repository in here that holds files, what is given for those on the first way to it, from outside in."""
    own = tuple(given.get(raw.repository.id, ()))
    if not isinstance(raw, VirtualSource):
        return {raw.repository.id: own}
    found: dict[str, tuple[T, ...]] = {}
    for member in raw.members:
        for holder, inner in _by_holder(member, given).items():
            found.setdefault(holder, own + inner)
    return found


def _earliest(*instants: Microseconds | None) -> Microseconds | None:
    return min((one for one in instants if one is not None), default=None)


def _only(file: File) -> Listing:
    return Listing(file.package, (file,), "")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

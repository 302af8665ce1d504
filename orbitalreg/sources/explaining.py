"""Why a package looks as it does: which member provides each version, and what hides the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from orbitalreg.errors import NotFound, UpstreamFailed
from orbitalreg.findings import Vulnerability
from orbitalreg.model import File, Kind, Listing, Repository
from orbitalreg.policy import Verdict
from orbitalreg.sources.governed import GovernedSource
from orbitalreg.sources.raw import RawSource
from orbitalreg.sources.virtual import VirtualSource
from orbitalreg.summaries import (
    Explanation,
    HiddenVersion,
    MemberAnswer,
    VerdictSummary,
    VersionExplanation,
    WithheldSummary,
)
from orbitalreg.times import at, at_or_none

HAS_IT, HAS_NONE, FAILED, NOT_ASKED = "has it", "has none", "failed", "not asked"


def _of_none(repository: Repository) -> bool:
    return False


def explain(source: GovernedSource, package: str, in_full: Callable[[Repository], bool] = _of_none) -> Explanation:
    """`package` in the repository of `source`, of whatever kind.

    `in_full` is whether the caller may read what is wrong with that repository's upstream in full: with its address.

    What is provided and withheld is what the source itself says, so that it cannot differ from what it shows. Beside
    that every member is asked on its own, also those that the name guard hides, but no remote for a private name.
    Raises `NotFound` where no member has it and nothing failed, was withheld, or hides one.
    """
    told = [_told(way, package, in_full) for way in _ways(source.raw, package)]
    shown, failure = _shown(source, package)
    guarded = next((one.way.guard for one in told if one.way.guard is not None), None)
    if shown is None and guarded is None and all(one.answer.answer == HAS_NONE for one in told):
        raise NotFound(f"{source.repository.address} has no package {package}")
    return Explanation(
        str(source.repository.address),
        package,
        shown.governed.status.name if shown else None,
        guarded,
        failure,
        [one.answer for one in told],
        _Versions(source, package, told, shown, failure).explained(),
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """A member, and what keeps it out of the page, if anything does; `is_private` where it may not even be asked."""

    member: RawSource
    guard: str | None = None
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class _Told:
    """What a member said of the package on its own."""

    way: _Way
    listing: Listing | None
    answer: MemberAnswer

    @property
    def address(self) -> str:
        return str(self.way.member.repository.address)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the repository has, before its rules and after."""

    raw: Listing
    governed: Listing


def _ways(raw: RawSource, package: str) -> Sequence[_Way]:
    """The local and remote sources in there, in order, each by the way on which least keeps it out."""
    found: dict[str, _Way] = {}
    for way in _every_way(raw, package, None, False):
        known = found.setdefault(way.member.repository.id, way)
        if known.guard is not None and way.guard is None:
            found[way.member.repository.id] = way
    return tuple(found.values())


def _every_way(raw: RawSource, package: str, guard: str | None, is_private: bool) -> Iterator[_Way]:
    if isinstance(raw, VirtualSource):
        if guard is None and (reason := raw.guarded(package)) is not None:
            guard = f"the name guard of {raw.repository.address}: {reason}"
        is_private = is_private or (raw.guard.watches(package) and package in raw.guard.private)
        for member in raw.members:
            yield from _every_way(member, package, guard, is_private)
    elif raw.repository.kind is Kind.REMOTE:
        yield _Way(raw, guard, is_private)
    else:
        yield _Way(raw)


def _told(way: _Way, package: str, in_full: Callable[[Repository], bool]) -> _Told:
    address = str(way.member.repository.address)
    if way.is_private:
        return _Told(way, None, MemberAnswer(address, NOT_ASKED, "the name is in private_names"))
    try:
        listing = way.member.listing(package)
        return _Told(way, listing, MemberAnswer(address, HAS_IT, listing.stale))
    except NotFound:
        return _Told(way, None, MemberAnswer(address, HAS_NONE, None))
    except UpstreamFailed as error:
        said = str(error) if in_full(way.member.repository) else error.public
        return _Told(way, None, MemberAnswer(address, FAILED, said))


def _shown(source: GovernedSource, package: str) -> tuple[_Shown | None, str | None]:
    """What there is, or why there is no page."""
    try:
        return _Shown(source.raw.listing(package), source.listing(package)), None
    except NotFound:
        return None, None
    except UpstreamFailed as error:
        return None, error.public


class _Versions:
    """Version by version, by what was found."""

    def __init__(
        self, source: GovernedSource, package: str, told: Sequence[_Told], shown: _Shown | None, failure: str | None
    ) -> None:
        self._told = told
        self._failure = failure
        self._raw_files = shown.raw.files if shown else ()
        self._shown = frozenset(file.filename for file in shown.governed.files) if shown else frozenset()
        self._withheld: Mapping[str, Any] = shown.governed.withheld if shown else {}
        self._addresses = {one.way.member.repository.id: one.address for one in told}
        self._verdicts: Mapping[str, Verdict] = source.verdicts(package) if shown else {}
        self._remedies: Mapping[Any, str] = source.remedies(package) if shown else {}
        self._key = cache(source.version_key)

    def explained(self) -> list[VersionExplanation]:
        spelt = {self._key(file.version): file.version for one in self._told for file in _files(one)}
        spelt |= {self._key(file.version): file.version for file in self._raw_files}
        known = sorted(key for key in spelt if key is not None)
        return [self._version(key, spelt[key]) for key in [*([None] if None in spelt else []), *known]]

    def _version(self, key: Any, version: str) -> VersionExplanation:
        files = [file for file in self._raw_files if self._key(file.version) == key]
        provider = self._addresses.get(files[0].holder) if files else None
        return VersionExplanation(
            version,
            provider,
            [file.filename for file in files if file.filename in self._shown],
            [
                WithheldSummary(file.filename, held.by, held.reason, at_or_none(held.until))
                for file in files
                if (held := self._withheld.get(file.filename)) is not None
            ],
            [
                HiddenVersion(one.address, self._hidden(one, provider))
                for one in self._told
                if one.address != provider and any(self._key(file.version) == key for file in _files(one))
            ],
            [
                said
                for file in files
                if (verdict := self._verdicts.get(file.filename)) is not None
                for said in verdict_summaries(file.filename, verdict)
            ],
            self._remedies.get(key),
        )

    def _hidden(self, told: _Told, provider: str | None) -> str:
        if told.way.guard is not None:
            return told.way.guard
        if provider is not None:
            return f"first match: {provider} has this version and comes first"
        if self._failure is not None:
            return f"there is no page: {self._failure}"
        quarantined = (one for one in self._told if one.listing and not one.listing.status.offers_files)
        holder = next(quarantined, None)
        return f"{holder.address} comes first and has the package quarantined" if holder else "it came just now"


def verdict_summaries(filename: str, verdict: Verdict) -> Iterator[VerdictSummary]:
    """What the verdict says, thing by thing."""
    for breach in verdict.breaches:
        action, rule = str(breach.action), str(breach.rule)
        yield VerdictSummary(filename, breach.policy, action, rule, breach.text, *_facts(breach.vulnerability))
    for excepted in verdict.excepted:
        last = at(excepted.exception.until - 1)
        reason = f"{excepted.text}: excepted until {last:%Y-%m-%d}, {excepted.exception.reason}"
        yield VerdictSummary(filename, excepted.policy, "except", None, reason, *_facts(excepted.vulnerability))


def _facts(one: Vulnerability | None) -> tuple[str | None, str | None, str | None]:
    return (None, None, None) if one is None else (one.id, str(one.severity), one.fixed_in)


def _files(told: _Told) -> Sequence[File]:
    return told.listing.files if told.listing else ()

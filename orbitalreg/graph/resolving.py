"""What an installer would take: one version of each package, so that every requirement is met.

The search is that of `resolvelib`, which an installer uses too; here is what it asks of a format and a repository. A
package with extras is one of its own beside the plain one, and asks for the plain one in the same version.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, ResolutionTooDeep
from resolvelib.resolvers import RequirementInformation
from resolvelib.resolvers import Resolution as Search

from orbitalreg.errors import Unresolved
from orbitalreg.findings import Hop
from orbitalreg.graph.offers import Offers
from orbitalreg.model import File, Requirement

ROUNDS = 100_000
PROMOTED = 5
"""A package that was in so many conflicts before it had a version is looked at before others."""
TOLD = 6
"""So many of those who ask are named in an error."""

Name = tuple[str, tuple[str, ...]]
"""A package with the extras that are asked for: what gets one version."""
Versions = frozenset[Any]
"""Some versions of a package, by their keys."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for from outside. `only` are the versions that count, where a lock pins it; `place` says where the
    wish stands: `requirements.txt line 3`.
    """

    requirement: Requirement
    only: Versions | None = None
    place: str = ""

    def __str__(self) -> str:
        return f"{self.requirement.stated}" + (f" ({self.place})" if self.place else "")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is wanted of a resolution beyond the wishes, by package: versions that are `avoided`, versions that alone
    count in spite of what the wishes say (`pinned`), and the one that is `preferred`, else the newest.
    """

    avoided: Callable[[str], Collection[Any]] = lambda package: ()
    pinned: Mapping[str, Versions] = field(default_factory=dict)
    preferred: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A version of a package with some extras; no `file` where it comes from elsewhere."""

    package: str
    extras: tuple[str, ...]
    file: File | None
    key: Any = None

    @property
    def name(self) -> Name:
        return self.package, self.extras

    def __str__(self) -> str:
        return f"{self.package} {self.file.version}" if self.file else f"{self.package} from elsewhere"


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    """A requirement of somebody, or the plain package in one version; `fault` is why it can never be met."""

    name: Name
    requirement: Requirement | None = None
    only: Versions | None = None
    wish: Wish | None = None
    fault: str = ""

    @property
    def is_elsewhere(self) -> bool:
        return self.requirement is not None and self.requirement.is_elsewhere


@dataclass(frozen=True, slots=True)
class Chosen:
    """A package as it would be installed, with all extras that are asked for, and who asks for it in which words.

    `by` has the requirement as it is stated and the package that states it, empty for a wish.
    """

    package: str
    file: File
    key: Any
    extras: tuple[str, ...]
    by: tuple[tuple[str, str, tuple[str, ...]], ...]
    is_read: bool

    @property
    def version(self) -> str:
        return self.file.version


@dataclass(frozen=True, slots=True)
class Resolution:
    """What would be installed, by package; `elsewhere` are requirements that name an address, with who states them."""

    chosen: Mapping[str, Chosen]
    elsewhere: tuple[tuple[str, str], ...]

    def versions(self) -> dict[str, Any]:
        """The key of each package's version."""
        return {package: one.key for package, one in self.chosen.items()}

    def path(self, package: str) -> tuple[Hop, ...]:
        """The shortest way from what was asked for to the package, the first in byte order of several."""
        return self.paths()[package]

    def paths(self) -> Mapping[str, tuple[Hop, ...]]:
        """As `path`, for each package."""
        asked: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {}
        for package, one in self.chosen.items():
            for stated, by, extras in one.by:
                asked.setdefault(by, []).append((package, stated, extras))
        found: dict[str, tuple[Hop, ...]] = {"": ()}
        level = [""]
        while level:
            ways: dict[str, tuple[Hop, ...]] = {}
            for by in level:
                for package, stated, extras in sorted(asked.get(by, ())):
                    hop = Hop(stated, package, self.chosen[package].version, extras)
                    way = (*found[by], hop)
                    if package not in found and (package not in ways or _order(way) < _order(ways[package])):
                        ways[package] = way
            found.update(ways)
            level = sorted(ways)
        return found


def _order(way: Sequence[Hop]) -> list[tuple[str, str]]:
    return [(hop.package, hop.stated) for hop in way]


class Impossible(Unresolved):
    """Nothing fits. `blamed` are the packages that had a part in it, whether in the last conflict or in any."""

    def __init__(self, text: str, blamed: frozenset[str]) -> None:
        super().__init__(text)
        self.blamed = blamed


def resolve(offers: Offers, wishes: Sequence[Wish], bounds: Bounds | None = None) -> Resolution:
    """What an installer would take for the wishes. Raises `Impossible`, `Unresolved`, `UpstreamFailed`."""
    provider = _Provider(offers, bounds or Bounds(), wishes)
    blamed = _Blamed()
    try:
        # Not by its `Resolver`, which does not end where packages that were given up ask for one another.
        state = Search(provider, blamed).resolve(provider.wishes(), max_rounds=ROUNDS)
    except ResolutionImpossible as error:
        blamed.resolving_conflicts(error.causes)
        raise Impossible(provider.told(error.causes), frozenset(blamed.packages)) from None
    except ResolutionTooDeep:
        raise Unresolved(f"{offers.address}: no answer after {ROUNDS} attempts; ask for narrower versions") from None
    return _reached(provider, state.mapping)


class _Blamed(BaseReporter[_Ask, Candidate, Name]):
    """Whoever took part in a conflict."""

    def __init__(self) -> None:
        self.packages: set[str] = set()

    def resolving_conflicts(self, causes: Collection[RequirementInformation[_Ask, Candidate]]) -> None:
        for cause in causes:
            self.packages.add(cause.requirement.name[0])
            if cause.parent is not None:
                self.packages.add(cause.parent.package)


class _Provider(AbstractProvider[_Ask, Candidate, Name]):
    """What the library asks. Used by one thread, for one resolution."""

    def __init__(self, offers: Offers, bounds: Bounds, wishes: Sequence[Wish]) -> None:
        self._offers = offers
        self._bounds = bounds
        self._wishes = wishes
        self._order: dict[Name, int] = {}
        self._candidates: dict[tuple[Name, str], Candidate] = {}
        self._asks: dict[int, tuple[Candidate, list[_Ask]]] = {}
        self._allowed: dict[tuple[str, frozenset[Any]], list[File]] = {}
        self._met: dict[tuple[str, str, str], bool] = {}
        self._conflicts: Counter[Name] = Counter()

    def wishes(self) -> list[_Ask]:
        asks = []
        for wish in self._wishes:
            pinned = self._bounds.pinned.get(wish.requirement.package)
            changed = wish if pinned is None else replace(wish, only=pinned)
            for ask in self._asked(wish.requirement, changed):
                self._order.setdefault(ask.name, len(self._order))
                asks.append(ask)
        return asks

    def identify(self, requirement_or_candidate: _Ask | Candidate) -> Name:
        return requirement_or_candidate.name

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[Name],
        resolutions: Mapping[Name, Candidate],
        candidates: Mapping[Name, Iterator[Candidate]],
        information: Mapping[Name, Iterator[RequirementInformation[_Ask, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[_Ask, Candidate]],
    ) -> Iterable[Name]:
        """What the last conflict was about first, then what was in many: as installers do."""
        causes = {cause.requirement.name for cause in backtrack_causes}
        causes |= {cause.parent.name for cause in backtrack_causes if cause.parent is not None}
        self._conflicts.update(name for name in causes if name not in resolutions)
        names = list(identifiers)
        promoted = [name for name in names if self._conflicts[name] >= PROMOTED]
        return [name for name in names if name in causes] or promoted or names

    def get_preference(
        self,
        identifier: Name,
        resolutions: Mapping[Name, Candidate],
        candidates: Mapping[Name, Iterator[Candidate]],
        information: Mapping[Name, Iterator[RequirementInformation[_Ask, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[_Ask, Candidate]],
    ) -> tuple[Any, ...]:
        """By what requirements allow: addresses, pins, upper bounds, wishes in their order, then others by name.

        It is the order of an installer, which reads it from operators.
        """
        package, extras = identifier
        asks = [told.requirement for told in information[identifier]]
        is_direct = any((ask.only is not None and ask.requirement is None) or ask.is_elsewhere for ask in asks)
        counted = [ask for ask in asks if ask.requirement is not None and not ask.is_elsewhere]
        allowed = [self._files(package, [ask]) for ask in counted]
        newest = self._offers.of(package).files[:1] if counted else ()
        return (
            self._conflicts[identifier] < PROMOTED,
            not is_direct,
            not any(len(files) == 1 for files in allowed),
            not any(tuple(files[:1]) != newest for files in allowed),
            self._order.get(identifier, math.inf),
            not any(ask.requirement and ask.requirement.specifier for ask in counted),
            package + (f"[{','.join(extras)}]" if extras else ""),
        )

    def find_matches(
        self,
        identifier: Name,
        requirements: Mapping[Name, Iterator[_Ask]],
        incompatibilities: Mapping[Name, Iterator[Candidate]],
    ) -> Sequence[Candidate]:
        self._offers.check_time()
        package, extras = identifier
        asks = list(requirements[identifier])
        if extras and (plain := (package, ())) in requirements:
            asks += requirements[plain]
        excluded = set(incompatibilities[identifier])
        if any(ask.fault for ask in asks):
            return []
        if any(ask.is_elsewhere for ask in asks):
            found = [self._candidate(identifier, None)]
        else:
            found = [self._candidate(identifier, file) for file in self._files(package, asks)]
        return [one for one in found if one not in excluded]

    def is_satisfied_by(self, requirement: _Ask, candidate: Candidate) -> bool:
        if requirement.fault or candidate.file is None:
            return not requirement.fault
        if requirement.only is not None and candidate.key not in requirement.only:
            return False
        wanted = requirement.requirement
        if wanted is None or self._is_overruled(requirement):
            return True
        if wanted.is_elsewhere:
            return False
        place = (wanted.package, wanted.specifier, candidate.file.id)
        if place not in self._met:
            self._met[place] = self._offers.allows(wanted, candidate.file)
        return self._met[place]

    def get_dependencies(self, candidate: Candidate) -> Sequence[_Ask]:
        known = self._asks.get(id(candidate))
        if known is None:
            known = self._asks[id(candidate)] = (candidate, list(self._dependencies(candidate)))
        return known[1]

    def is_read(self, candidate: Candidate) -> bool:
        return candidate.file is None or self._offers.requirements(candidate.file) is not None

    def told(self, causes: Collection[RequirementInformation[_Ask, Candidate]]) -> str:
        """The conflict in one line, as far as it can be told from the last one."""
        packages = sorted({cause.requirement.name[0] for cause in causes if not cause.requirement.fault})
        faults = sorted({cause.requirement.fault for cause in causes if cause.requirement.fault})
        lines = [self._about(package, causes) for package in packages]
        return "; ".join(lines[:TOLD] + faults[:TOLD])

    def _about(self, package: str, causes: Collection[RequirementInformation[_Ask, Candidate]]) -> str:
        said: dict[str, None] = {}
        for cause in causes:
            ask, parent = cause.requirement, cause.parent
            if ask.name[0] == package and ask.requirement is not None:
                said[f"{parent} asks for {ask.requirement.stated}" if parent else f"asked for is {ask.wish}"] = None
        by = " and ".join(list(said)[:TOLD])
        offer = self._offers.of(package)
        if offer.listing is None:
            return f"{self._offers.address} has no package {package}: {by}"
        if not offer.files:
            line = f"{self._offers.address} offers no file of {package} for {self._offers.environment}: {by}"
            return line + self._withheld(package, len(offer.listing.withheld))
        line = f"no version of {package} fits that {self._offers.address} offers" + (f": {by}" if by else "")
        line += f"; the newest is {offer.files[0].version}"
        return line + self._withheld(package, len(offer.listing.withheld))

    def _withheld(self, package: str, count: int) -> str:
        """Where files are there and not shown, and who says why."""
        if not count:
            return ""
        are = "file is" if count == 1 else "files are"
        return f", and {count} {are} withheld: orbitalreg explain {self._offers.address}/{package}"

    def _dependencies(self, candidate: Candidate) -> Iterator[_Ask]:
        if candidate.file is None:
            return
        if candidate.extras:
            yield _Ask((candidate.package, ()), only=frozenset([candidate.key]))
        for wanted in self._offers.requirements(candidate.file, candidate.extras) or ():
            if not wanted.package:
                fault = f"{candidate} asks for {wanted.stated!r}, which cannot be read"
                yield _Ask(("", (str(candidate), wanted.stated)), fault=fault)
            else:
                self._offers.ahead(wanted)
                yield from self._asked(wanted)

    def _asked(self, wanted: Requirement, wish: Wish | None = None) -> Iterator[_Ask]:
        """With extras, it asks for the plain package too: all versions that are ruled out are so at once."""
        self._offers.ahead(wanted)
        only = wish.only if wish else None
        yield _Ask((wanted.package, ()), wanted, only, wish)
        if wanted.extras and not wanted.is_elsewhere:
            yield _Ask((wanted.package, wanted.extras), wanted, only, wish)

    def _is_overruled(self, ask: _Ask) -> bool:
        """What is pinned from outside counts whatever the wish says."""
        return ask.wish is not None and ask.name[0] in self._bounds.pinned

    def _candidate(self, name: Name, file: File | None) -> Candidate:
        place = (name, file.id if file else "")
        if place not in self._candidates:
            self._candidates[place] = Candidate(*name, file, self._offers.key(file) if file else None)
        return self._candidates[place]

    def _files(self, package: str, asks: Sequence[_Ask]) -> list[File]:
        """What all of these allow, in the order in which they are to be tried."""
        place = (package, frozenset(self._summed(ask) for ask in asks))
        if place not in self._allowed:
            self._allowed[place] = self._found(package, asks)
        return self._allowed[place]

    def _summed(self, ask: _Ask) -> tuple[str | None, Versions | None]:
        return (ask.requirement.specifier if ask.requirement and not self._is_overruled(ask) else None), ask.only

    def _found(self, package: str, asks: Sequence[_Ask]) -> list[File]:
        offered = {file.id: file for file in self._offers.of(package).files}
        files: Sequence[File] = list(offered.values())
        for only in (self._bounds.pinned.get(package), *(ask.only for ask in asks)):
            if only is not None:  # somebody chose the version: that it is yanked is no matter any more
                files = [replace(file, yanked=None) for file in files if self._offers.key(file) in only]
        wanted = {
            (one.package, one.specifier): one
            for ask in asks
            if not self._is_overruled(ask) and (one := ask.requirement)
        }
        if wanted and files:
            files = self._offers.candidates(list(wanted.values()), files)
        found = [offered[file.id] for file in files]
        if avoided := self._bounds.avoided(package):
            found = [file for file in found if self._offers.key(file) not in avoided]
        preferred = self._bounds.preferred.get(package)
        if preferred is not None:
            found.sort(key=lambda file: self._offers.key(file) != preferred)
        return found


def _reached(provider: _Provider, found: Mapping[Name, Candidate]) -> Resolution:
    """What is asked for on a way from the wishes: of what the search found, some was given up on the way."""
    extras: dict[str, set[str]] = {}
    by: dict[str, set[tuple[str, str, tuple[str, ...]]]] = {}
    elsewhere = set()
    seen: set[Name] = set()
    waiting = [("", ask) for ask in provider.wishes()]
    while waiting:
        asker, ask = waiting.pop()
        candidate, wanted = found[ask.name], ask.requirement
        if candidate.file is None and wanted is not None:
            elsewhere.add((wanted.stated, asker))
        elif wanted is not None and asker != candidate.package:
            by.setdefault(candidate.package, set()).add((wanted.stated, asker, wanted.extras))
        if ask.name not in seen:
            seen.add(ask.name)
            extras.setdefault(candidate.package, set()).update(candidate.extras)
            waiting += [(candidate.package, one) for one in provider.get_dependencies(candidate)]
    chosen = {
        package: _chosen(provider, candidate, extras[package], by[package])
        for (package, some), candidate in sorted(found.items())
        if (package, some) in seen and not some and candidate.file is not None
    }
    return Resolution(chosen, tuple(sorted(elsewhere)))


def _chosen(
    provider: _Provider, candidate: Candidate, extras: set[str], by: set[tuple[str, str, tuple[str, ...]]]
) -> Chosen:
    assert candidate.file is not None
    return Chosen(
        candidate.package,
        candidate.file,
        candidate.key,
        tuple(sorted(extras)),
        tuple(sorted(by)),
        provider.is_read(candidate),
    )

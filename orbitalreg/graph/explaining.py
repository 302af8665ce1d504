"""Whether a version can do without what it is exposed to, and what to take instead.

An exposure is *unavoidable* where for some requirement on the way each allowed version is affected, or exposed in turn
without a way out. That is said only where it is proved: a version whose requirements are not known counts as clean.

The *upgrade* is the smallest change that clears an exposure: the first of these that there is. A later version of what
is exposed itself; a later one of a package on the path, the nearest to it; a lower one that is allowed, to be held at.
An installer has one version of a package, and so the change counts for all that ask for it.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import Any

from orbitalreg.catalog import Catalog, graph, walks
from orbitalreg.catalog.walks import Version
from orbitalreg.findings import Exposure, Hop
from orbitalreg.graph.reading import Asked, Offered, documents_here
from orbitalreg.graph.views import View
from orbitalreg.model import Requirement
from orbitalreg.sources.patience import asking_nobody

TRIED = 200
"""So many versions of each package on a path are tried at most, the nearest first: there may be thousands."""

State = tuple[str, str, tuple[str, ...]]
"""A package, its version, and the extras that are asked for."""


class Change(StrEnum):
    """What an upgrade takes: another version of what is exposed; one of a dependency that its asker allows, or whose
    asker's requirement must be widened; or a lower version to be held at, which is allowed.
    """

    ITSELF = "itself"
    ALLOWED = "allowed"
    WIDEN = "widen"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """To that version of the package.

    `asker` is who requires it, in the words `stated`; None for what is exposed itself. Not `is_proved` where it is not
    known what the version asks for.
    """

    package: str
    version: str
    change: Change
    asker: Version | None = None
    stated: str = ""
    is_proved: bool = True

    @property
    def text(self) -> str:
        """In words, such as `take mid-lib 1.1, which top-app 1.0 does not allow`."""
        if self.change is Change.HOLD:
            return f"hold {self.package} at {self.version}"
        said = f"take {self.package} {self.version}"
        if self.change is Change.WIDEN and self.asker is not None:
            said += f", which {self.asker[0]} {self.asker[1]} does not allow"
        return said


@dataclass(frozen=True, slots=True)
class Outlook:
    """On one exposure; `upgrade` is None where there is none."""

    is_unavoidable: bool
    upgrade: Upgrade | None


class Outlooks:
    """On the exposures in one repository, of which what was read is kept: for one call, and one thread.

    Asks no upstream: what is not here is not known.
    """

    def __init__(self, catalog: Catalog, views: Iterable[View]) -> None:
        """`views` are those of the repository, one for each environment."""
        self._catalog = catalog
        self._offers = [_Offers(catalog, view) for view in views]
        self._threats: dict[tuple[str, ...], list[_Threat]] = {}
        self._successors: dict[tuple[tuple[str, ...], tuple[str, ...], str], _Successors] = {}

    def of(self, package: str, version: str, exposure: Exposure) -> Outlook:
        """On what that version is exposed to. Not within a transaction."""
        with asking_nobody():
            threats = self._threats_of(exposure.vulnerability.ids)
            concerned = [one for one in threats if one.offers.environment in exposure.environments]
            start = (package, version, ())
            is_unavoidable = any(one.is_unavoidable(start) for one in concerned)
            successors = self._successors_of(exposure, threats, concerned, package)
            return Outlook(is_unavoidable, _Search(threats, concerned, start, exposure.path, successors).upgrade())

    def _successors_of(
        self, exposure: Exposure, threats: "Sequence[_Threat]", concerned: "Sequence[_Threat]", package: str
    ) -> "_Successors":
        """Who replaces what is exposed itself is asked the same for each of its versions."""
        place = (exposure.vulnerability.ids, exposure.environments, package)
        if place not in self._successors:
            self._successors[place] = _Successors(
                _in_order(concerned, package),
                concerned[0].offers.key if concerned else str,
                lambda version: _clears(threats, (package, version, ()), (package, version)),
            )
        return self._successors[place]

    def _threats_of(self, ids: tuple[str, ...]) -> "list[_Threat]":
        if ids not in self._threats:
            self._threats[ids] = [_Threat(self._catalog, offers, ids) for offers in self._offers]
        return self._threats[ids]


class _Offers:
    """What can be chosen in one view; everything is read once."""

    def __init__(self, catalog: Catalog, view: View) -> None:
        self._view = view
        self._document = documents_here(catalog)
        self.environment = view.environment
        self.key = cache(view.adapter.version_key)
        self._packages: dict[str, Offered] = {}
        self._candidates: dict[tuple[str, str], tuple[str, ...]] = {}
        self._asked: dict[State, Asked] = {}

    @property
    def repository_id(self) -> str:
        return self._view.repository.id

    def asked(self, state: State) -> Asked:
        """What a version asks for; not known where it is not shown."""
        if state not in self._asked:
            package, version, extras = state
            found = self._offered(package).asked([(version, ",".join(extras))])
            self._asked[state] = found.get((version, ",".join(extras)), Asked())
        return self._asked[state]

    def candidates(self, asker: State, one: Requirement) -> Sequence[str]:
        """The versions that are allowed, the one that is chosen first."""
        if one.is_elsewhere or not one.package:
            return ()
        if one.package == asker[0]:
            return (asker[1],)
        return self.allowed(one.package, one.specifier)

    def allowed(self, package: str, specifier: str = "") -> Sequence[str]:
        """As an installer would choose them, the first one first: without a specifier, of all there are."""
        key = (package, specifier)
        if key not in self._candidates:
            self._candidates[key] = self._offered(package).candidates(specifier)
        return self._candidates[key]

    def _offered(self, package: str) -> Offered:
        if package not in self._packages:
            self._packages[package] = Offered(self._view, package, (), self._document)
        return self._packages[package]


@dataclass(slots=True)
class _Watch:
    """A requirement of `owner`, and how many of its candidates are known to be bad."""

    owner: State
    package: str
    extras: tuple[str, ...]
    candidates: Sequence[str]
    bad: int = 0


class _Threat:
    """One vulnerability, by any of its ids, in one view: who is affected, who is exposed, and who cannot help it."""

    def __init__(self, catalog: Catalog, offers: _Offers, ids: Collection[str]) -> None:
        self.offers = offers
        self._catalog = catalog
        db = catalog.read()
        self._graph_id = walks.graphs(db, offers.repository_id).get(offers.environment, 0)
        self._affected = walks.affected_versions(db, self._graph_id, ids)
        self._exposed = walks.leading_to(db, self._graph_id, self._affected)
        self._known: dict[State, bool | None] = {}
        self._extras: dict[str, tuple[str, ...]] = {}
        self._expanded: set[State] = set()
        self._unavoidable: set[State] = set()
        self._watching: dict[State, list[_Watch]] = {}

    def affects(self, package: str, version: str) -> bool:
        return (package, version) in self._affected

    def is_clean(self, state: State) -> bool:
        """Whether nothing that is chosen for it is affected: known of what is in the graph alone."""
        return state not in self._exposed and self.is_known(state) is not None

    def is_known(self, state: State) -> bool | None:
        """Whether it is known what it asks for; None for what is not in the graph."""
        if state not in self._known:
            self._known[state] = walks.is_known(self._catalog.read(), self._graph_id, *state)
        return self._known[state]

    def extras(self, package: str) -> tuple[str, ...]:
        """All that are asked for of the package in the graph."""
        if package not in self._extras:
            asked = graph.extras_asked(self._catalog.read(), self._graph_id, package).values()
            self._extras[package] = tuple(sorted({one for some in asked for text in some for one in walks.split(text)}))
        return self._extras[package]

    def is_unavoidable(self, start: State) -> bool:
        """The least fixpoint, as far as it is needed: of each requirement one candidate is watched, as long as it may
        be clean, and only what is watched is looked into.
        """
        waiting = [start]
        while waiting:
            state = waiting.pop()
            if state in self._expanded:
                continue
            self._expanded.add(state)
            for one in self.offers.asked(state).requirements:
                watch = _Watch(state, one.package, one.extras, self.offers.candidates(state, one))
                waiting += self._advance([watch])
        return start in self._unavoidable

    def _advance(self, moving: list[_Watch]) -> Iterator[State]:
        """What is to be looked into, so that these may go on; whose candidates are all bad has an owner that is."""
        while moving:
            watch = moving.pop()
            if watch.owner in self._unavoidable:
                continue
            while watch.bad < len(watch.candidates) and self._is_bad(watch):
                watch.bad += 1
            if watch.bad < len(watch.candidates):
                state = (watch.package, watch.candidates[watch.bad], watch.extras)
                if not self.is_clean(state):
                    self._watching.setdefault(state, []).append(watch)
                    yield state
            elif watch.candidates:
                self._unavoidable.add(watch.owner)
                moving += self._watching.pop(watch.owner, [])

    def _is_bad(self, watch: _Watch) -> bool:
        version = watch.candidates[watch.bad]
        return self.affects(watch.package, version) or (watch.package, version, watch.extras) in self._unavoidable


class _Successors:
    """The versions of one package, in order, and whether they clear a vulnerability when they are taken: each is looked
    at once, and what does not is passed over in a step from then on.
    """

    def __init__(
        self, versions: Sequence[str], key: Callable[[str], Any], clears: Callable[[str], bool | None]
    ) -> None:
        """`clears` tells whether that is proved; None where a version does not."""
        self._versions = versions
        self._key = key
        self._keys = [key(version) for version in versions]
        self._clears = cache(clears)
        self._after_none: dict[int, int] = {}
        self._after_doubtful: dict[int, int] = {}

    def after(self, version: str) -> Iterator[tuple[str, bool]]:
        """The next later one that clears it; if that is not proved, also the next of which it is."""
        place = bisect_right(self._keys, self._key(version))
        first = self._next(place, self._after_none, lambda said: said is None)
        if first < len(self._versions):
            proved = bool(self._clears(self._versions[first]))
            yield self._versions[first], proved
            if not proved:
                place = self._next(first, self._after_doubtful, lambda said: not said)
                if place < len(self._versions):
                    yield self._versions[place], True

    def _next(self, place: int, after: dict[int, int], is_passed: Callable[[bool | None], bool]) -> int:
        passed = []
        while place < len(self._versions) and (place in after or is_passed(self._clears(self._versions[place]))):
            passed.append(place)
            place = after.get(place, place + 1)
        after.update(dict.fromkeys(passed, place))
        return place


@dataclass(slots=True)
class _Search:
    """For the upgrade of one exposure: it clears it in every environment."""

    threats: Sequence[_Threat]
    concerned: Sequence[_Threat]
    start: State
    path: Sequence[Hop]
    successors: _Successors
    doubtful: Upgrade | None = field(default=None)

    def upgrade(self) -> Upgrade | None:
        """The first that is proved; if there is none, the first."""
        for one in self._upgrades():
            if one.is_proved:
                return one
            self.doubtful = self.doubtful or one
        return self.doubtful

    def _upgrades(self) -> Iterator[Upgrade]:
        if not self.concerned:
            return
        package, version, _ = self.start
        for later, is_proved in self.successors.after(version):
            yield Upgrade(package, later, Change.ITSELF, is_proved=is_proved)
        steps = [step for step in self._steps() if step[1].package != package]
        for asker, hop, requirement in steps:
            for later in islice(self._later(hop.package, hop.version), TRIED):
                if (proved := self._clears(hop.package, later)) is not None:
                    change = Change.ALLOWED if self._allows(asker, requirement, later) else Change.WIDEN
                    yield Upgrade(hop.package, later, change, asker[:2], hop.stated, proved)
        for asker, hop, requirement in steps:
            for lower in islice(self._lower(asker, hop, requirement), TRIED):
                if (proved := self._clears(hop.package, lower)) is not None:
                    yield Upgrade(hop.package, lower, Change.HOLD, asker[:2], hop.stated, proved)

    def _steps(self) -> Iterator[tuple[State, Hop, Requirement]]:
        """Who asks, for what."""
        asker = self.start
        for hop in self.path:
            for threat in self.concerned:
                stated = (one for one in threat.offers.asked(asker).requirements if one.stated == hop.stated)
                requirement = next((one for one in stated if one.package == hop.package), None)
                if requirement is not None:
                    yield asker, hop, requirement
                    break
            asker = (hop.package, hop.version, hop.extras)

    def _later(self, package: str, version: str) -> Iterator[str]:
        """What an installer may take of the package, later than that, the nearest first."""
        key = self.concerned[0].offers.key
        return (one for one in _in_order(self.concerned, package) if key(one) > key(version))

    def _lower(self, asker: State, hop: Hop, requirement: Requirement) -> Iterator[str]:
        """What the requirement allows, lower than what is chosen, the nearest first."""
        offers = self.concerned[0].offers
        allowed = offers.candidates(asker, requirement)
        lower = (one for one in allowed if offers.key(one) < offers.key(hop.version))
        return (one for one in lower if self._allows(asker, requirement, one))

    def _allows(self, asker: State, requirement: Requirement, version: str) -> bool:
        return all(version in threat.offers.candidates(asker, requirement) for threat in self.concerned)

    def _clears(self, package: str, version: str) -> bool | None:
        return _clears(self.threats, self.start, (package, version))


def _clears(threats: Iterable[_Threat], start: State, taken: Version) -> bool | None:
    """Whether it is proved that nothing affected comes along where that is taken; None where something does."""
    said = [_cleared(threat, start, taken) for threat in threats]
    return None if None in said else all(said)


def _in_order(threats: Sequence[_Threat], package: str) -> list[str]:
    """What an installer may take of the package in every one of these views, the lowest first."""
    if not threats:
        return []
    first, *others = (threat.offers for threat in threats)
    sets = [frozenset(other.allowed(package)) for other in others]
    return [one for one in reversed(first.allowed(package)) if all(one in allowed for allowed in sets)]


def _cleared(threat: _Threat, start: State, taken: Version) -> bool | None:
    """As `_clears`, in one view."""
    if taken[0] == start[0]:
        return _walked(threat, (*taken, ()), None, None, True)
    is_sound = _walked(threat, (*taken, threat.extras(taken[0])), taken, start[:2], True) is not None
    return _walked(threat, start, taken, start[:2], is_sound)


def _walked(
    threat: _Threat, start: State, taken: Version | None, spared: Version | None, is_sound: bool
) -> bool | None:
    """Whether all that is looked at from `start` on is known, where `taken` is taken of its package whoever asks.

    None where something is reached that is affected and is not `spared`. What is clean in the graph is not looked at
    if what is taken `is_sound`, with whatever extras: then there is nothing in it.
    """
    is_proved = True
    waiting, seen = [start], {start}
    while waiting:
        state = waiting.pop()
        if threat.affects(*state[:2]) and state[:2] != spared:
            return None
        if is_sound and state[:2] != taken and threat.is_known(state) and threat.is_clean(state):
            continue
        asked = threat.offers.asked(state)
        is_proved = is_proved and asked.is_known
        for new in _next(threat.offers, state, asked, taken):
            if new not in seen:
                seen.add(new)
                waiting.append(new)
    return is_proved


def _next(offers: _Offers, state: State, asked: Asked, taken: Version | None) -> Iterator[State]:
    for one in asked.requirements:
        if taken is not None and one.package == taken[0] and not one.is_elsewhere:
            yield one.package, taken[1], one.extras
        else:
            for chosen in offers.candidates(state, one)[:1]:
                yield one.package, chosen, one.extras

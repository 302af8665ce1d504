"""The smallest set of upgrades: the fewest packages to be changed so that what is installed has the fewest findings.

A change pins one package to another version, whatever was asked for; of packages that were asked for, upwards alone.
All else is resolved as before, and the outcome is what an installer would take then. First comes a set that helps,
found near what is installed now and made as small as it can be by leaving out; then every smaller one is looked for.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from orbitalreg.findings import Vulnerability
from orbitalreg.graph.offers import Offers
from orbitalreg.graph.resolving import Bounds, Impossible, Resolution, Versions, Wish, resolve
from orbitalreg.model import File, Requirement

ATTEMPTS = 400
"""So often versions are put together anew at most in the search for a smaller set."""
TUPLES = 40
"""So many combinations of versions of the same packages are tried."""

Affected = Callable[[str], Mapping[Any, Sequence[Vulnerability]]]
"""The versions of a package that have vulnerabilities, by their keys."""
Pins = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ill:
    """A vulnerability that a package of an installation has."""

    package: str
    id: str
    vulnerability: Vulnerability = field(compare=False)

    def is_in(self, package: str, other: Vulnerability) -> bool:
        return package == self.package and not set(self.vulnerability.ids).isdisjoint(other.ids)


@dataclass(frozen=True, slots=True)
class Upgrades:
    """`changed` are the packages to be changed, with their files; `widened` those wishes that do not allow it.

    `after` is what an installer would take then, and `left` what it would still have, each with the reason.
    `is_smallest` tells whether every smaller set was ruled out.
    """

    changed: Mapping[str, File]
    widened: tuple[Wish, ...]
    after: Resolution
    left: tuple[tuple[Ill, str], ...]
    is_smallest: bool


def ills(resolution: Resolution, affected: Affected) -> list[Ill]:
    """The worst first."""
    found = [
        Ill(package, one.id, one)
        for package, chosen in resolution.chosen.items()
        for one in affected(package).get(chosen.key, ())
    ]
    return sorted(found, key=lambda ill: (-ill.vulnerability.severity, ill.package, ill.vulnerability.id))


def upgrades(offers: Offers, wishes: Sequence[Wish], now: Resolution, affected: Affected) -> Upgrades:
    """What to change in `now`, which is what the wishes resolve to. Raises `Unresolved`, `UpstreamFailed`."""
    search = _Search(offers, wishes, now, affected)
    goal, left = search.goal()
    if not search.cleared(left):
        return Upgrades({}, (), now, tuple(left.items()), True)
    pins = search.reduced(goal, left)
    smaller, is_smallest = search.smaller(pins, left)
    chosen = pins if smaller is None else smaller
    after = search.natural(chosen)
    assert after is not None, "it was verified"
    changed = {package: after.chosen[package].file for package in sorted(chosen) if package in after.chosen}
    remain = tuple((ill, _reason(ill, left)) for ill in ills(after, affected))
    return Upgrades(changed, search.widened(changed), after, remain, is_smallest)


class _Search:
    """Of one resolution. Nothing here is thread-safe."""

    def __init__(self, offers: Offers, wishes: Sequence[Wish], now: Resolution, affected: Affected) -> None:
        self._offers = offers
        self._wishes = wishes
        self._now = now
        self._affected = affected
        self._present = ills(now, affected)
        self._wished = {wish.requirement.package for wish in wishes}
        self._attempts = 0
        self._clean: dict[frozenset[tuple[str, Any]], Resolution | None] = {}

    def goal(self) -> tuple[Resolution, dict[Ill, str]]:
        """The installation near the present one that has the fewest of its findings and no other, and why each of
        those is left.
        """
        left: dict[Ill, str] = {}
        found = self._near(left)
        if isinstance(found, Resolution):
            return found, left
        for ill in self._present:
            alone = self._resolved(self._wished, ill.is_in)
            if isinstance(alone, Impossible):
                left[ill] = self._why(ill, alone)
        given_up = [ill for ill in reversed(self._present) if ill not in left]
        dropped: list[Ill] = []
        while isinstance(found := self._near(left), Impossible):
            dropped.append(given_up.pop(0))
            left[dropped[-1]] = f"not together with the others: {found}"
        for ill in reversed(dropped):
            reason = left.pop(ill)
            without = self._near(left)
            if isinstance(without, Resolution):
                found = without
            else:
                left[ill] = reason
        return found, left

    def cleared(self, left: Collection[Ill]) -> list[Ill]:
        return [ill for ill in self._present if ill not in left]

    def reduced(self, goal: Resolution, left: Collection[Ill]) -> Pins:
        """As few of the goal's versions as make it what an installer takes, by leaving out one after the other."""
        before, wanted = self._now.versions(), goal.versions()
        pins = {package: key for package, key in wanted.items() if before.get(package) != key}
        if not self._is_clean(pins, left):
            pins = dict(wanted)
        for package in sorted(pins, key=lambda name: (name in before, name in self._wished, name)):
            without = {other: key for other, key in pins.items() if other != package}
            if self._is_clean(without, left):
                pins = without
        return pins

    def smaller(self, pins: Pins, left: Collection[Ill]) -> tuple[Pins | None, bool]:
        """A set of fewer pins that does as much, and whether none is smaller than the smallest known."""
        seen = {frozenset[str]()}
        level = list(seen)
        for _ in range(1, len(pins)):
            following: dict[frozenset[str], None] = {}
            for names in level:
                following.update(dict.fromkeys(names | {one} for one in sorted(self._concerned(names, left) - names)))
            level = [names for names in following if names not in seen]
            seen.update(level)
            for names in level:
                for tried in self._pinned(names, left):
                    if self._is_clean(tried, left):
                        return tried, True
                if self._attempts > ATTEMPTS:
                    return None, False
        return None, True

    def natural(self, pins: Pins) -> Resolution | None:
        """What an installer takes with these pins; None where nothing fits."""
        place = frozenset(pins.items())
        if place not in self._clean:
            self._attempts += 1
            try:
                bounds = Bounds(pinned={package: frozenset([key]) for package, key in pins.items()})
                self._clean[place] = resolve(self._offers, self._wishes, bounds)
            except Impossible:
                self._clean[place] = None
        return self._clean[place]

    def widened(self, changed: Mapping[str, File]) -> tuple[Wish, ...]:
        return tuple(
            wish
            for wish in self._wishes
            if (file := changed.get(wish.requirement.package)) is not None
            and not (
                self._offers.key(file) in wish.only
                if wish.only is not None
                else self._offers.allows(wish.requirement, file)
            )
        )

    def _is_clean(self, pins: Pins, left: Collection[Ill]) -> bool:
        found = self.natural(pins)
        return found is not None and all(_is_among(ill, left) for ill in ills(found, self._affected))

    def _near(self, left: Collection[Ill]) -> Resolution | Impossible:
        return self._resolved(self._wished, _other_than(left))

    def _resolved(self, free: Collection[str], is_bad: Callable[[str, Vulnerability], bool]) -> Resolution | Impossible:
        """The present versions where they do; those of `free` may go beyond what was asked for."""
        pinned = {package: self._later(package) for package in free if package in self._wished}
        self._attempts += 1
        try:
            bounds = Bounds(lambda package: self._avoided(package, is_bad), pinned, self._now.versions())
            return resolve(self._offers, self._wishes, bounds)
        except Impossible as error:
            return error

    def _avoided(self, package: str, is_bad: Callable[[str, Vulnerability], bool]) -> Versions:
        affected = self._affected(package).items()
        return frozenset(key for key, some in affected if any(is_bad(package, one) for one in some))

    def _later(self, package: str) -> Versions:
        """What a package that was asked for may be changed to."""
        offers = self._offers
        asked = [wish for wish in self._wishes if wish.requirement.package == package]
        present = self._now.versions().get(package)
        any_of = {offers.key(file) for file in offers.candidates([Requirement(package)])}
        later = {key for key in any_of if present is None or key >= present}
        allowed = {offers.key(file) for file in offers.candidates([wish.requirement for wish in asked])}
        for wish in asked:
            allowed &= allowed if wish.only is None else wish.only
        return frozenset(later | allowed | ({present} - {None}))

    def _pinned(self, names: Collection[str], left: Collection[Ill]) -> Iterator[Pins]:
        """Versions of just these packages that may do, the likeliest first."""
        is_bad = _other_than(left)
        found = self._resolved(names, is_bad)
        if isinstance(found, Impossible):
            return
        versions = found.versions()
        yield {package: versions[package] for package in names if package in versions}
        choices = [self._choices(package, self._avoided(package, is_bad)) for package in sorted(names)]
        for keys in islice(product(*choices), TUPLES):
            yield dict(zip(sorted(names), keys, strict=True))

    def _choices(self, package: str, avoided: Collection[Any]) -> list[Any]:
        keys = [self._offers.key(file) for file in self._offers.candidates([Requirement(package)])]
        allowed = self._later(package) if package in self._wished else frozenset(keys)
        return [key for key in keys if key in allowed and key not in avoided]

    def _concerned(self, names: Collection[str], left: Collection[Ill]) -> set[str]:
        """The packages of which one at least must be changed beyond these, if changing these does not do."""
        is_bad = _other_than(left)
        found = self._resolved(names, is_bad)
        if isinstance(found, Impossible):
            return _with_askers(found.blamed, self._now) & self._now.chosen.keys()
        natural = self.natural({package: key for package, key in found.versions().items() if package in names})
        resolutions = [self._now] if natural is None else [self._now, natural]
        bad = {
            ill.package
            for resolution in resolutions
            for ill in ills(resolution, self._affected)
            if not _is_among(ill, left)
        }
        return {name for resolution in resolutions for name in _with_askers(bad, resolution)}

    def _why(self, ill: Ill, error: Impossible) -> str:
        package, offers = ill.package, self._offers
        present = self._now.chosen[package]
        bad = self._avoided(package, ill.is_in)
        later = [key for file in offers.of(package).files if (key := offers.key(file)) > present.key]
        if all(key in bad for key in later):
            return f"{offers.address} offers no later version of {package} without it"
        return str(error)


def _other_than(left: Collection[Ill]) -> Callable[[str, Vulnerability], bool]:
    return lambda package, one: not any(ill.is_in(package, one) for ill in left)


def _is_among(ill: Ill, some: Iterable[Ill]) -> bool:
    return any(other.is_in(ill.package, ill.vulnerability) for other in some)


def _reason(ill: Ill, left: Mapping[Ill, str]) -> str:
    return next((reason for other, reason in left.items() if other.is_in(ill.package, ill.vulnerability)), "")


def _with_askers(packages: Iterable[str], resolution: Resolution) -> set[str]:
    """Those of them that are in it, with whoever asks for them on any way."""
    found: set[str] = set()
    waiting = [package for package in packages if package in resolution.chosen]
    while waiting:
        package = waiting.pop()
        if package not in found:
            found.add(package)
            waiting += [by for _, by, _ in resolution.chosen[package].by if by]
    return found

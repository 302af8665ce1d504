"""Whether a version is affected, by the rules of the OSV schema (https://ossf.github.io/osv-schema/#evaluation)."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Self

from orbitalreg_osv.ecosystems import Ecosystem

Event = Mapping[str, str]
"""One of `introduced`, `fixed`, `last_affected` or `limit`, and a version."""

Fix = tuple[Any, str]
"""A version that is mended: its order, and its text."""

BEGINNING = "0"
"""As `introduced`: before every version, pre-releases of 0 too."""
NO_LIMIT = "*"


@dataclass(frozen=True, slots=True)
class Asked:
    """A version that is asked about: its text, the canonical spelling, its order (None: it has none)."""

    text: str
    canonical: str
    order: Any | None

    @classmethod
    def of(cls, ecosystem: Ecosystem, text: str) -> Self:
        return cls(text, ecosystem.canonical(text), ecosystem.order(text))


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` on (None: from the beginning) to `end` (None: for ever), which `includes_end` or not."""

    start: Any | None
    end: Any | None = None
    includes_end: bool = False

    def __contains__(self, version: Any) -> bool:
        if self.start is not None and version < self.start:
            return False
        return self.end is None or version < self.end or (self.includes_end and version == self.end)


@dataclass(frozen=True, slots=True)
class Affected:
    """What one record says of one package: the versions that it lists, as `spelled`, and intervals.

    `fixes` are the versions that it names as mended.
    """

    ecosystem: Ecosystem
    listed: frozenset[str]
    intervals: tuple[Interval, ...]
    fixes: tuple[Fix, ...]

    def affects(self, asked: Asked) -> bool:
        """A text that is no version is affected only where it is listed literally."""
        if asked.text in self.listed or asked.canonical in self.listed:
            return True
        return asked.order is not None and any(asked.order in interval for interval in self.intervals)


def spelled(ecosystem: Ecosystem, versions: Iterable[str]) -> frozenset[str]:
    """Versions as a record lists them, literally and by their canonical spelling."""
    return frozenset(spelling for text in versions for spelling in (text, ecosystem.canonical(text)))


def read(ecosystem: Ecosystem, listed: frozenset[str], ranges: Iterable[Sequence[Event]]) -> Affected:
    """`listed` is what `spelled` gives; `ranges` are the events of each that is not of commits.

    A range with a version that cannot be ordered is left to what is listed, where that is anything; else it is judged
    without that event.
    """
    intervals: list[Interval] = []
    fixes: dict[str, Any] = {}
    for events in ranges:
        ordered, is_whole = _ordered(ecosystem, events)
        if is_whole or not listed:
            intervals += _intervals(ordered)
            fixes |= {text: order for kind, order, text in ordered if kind == "fixed"}
    return Affected(ecosystem, listed, tuple(intervals), tuple((order, text) for text, order in fixes.items()))


def mended(parts: Sequence[Affected]) -> tuple[Fix, ...]:
    """The versions that are named as mended and that no part affects, the smallest first."""
    named = sorted((fix for part in parts for fix in part.fixes), key=itemgetter(0))
    asked = [(fix, Asked.of(part.ecosystem, fix[1])) for part in parts[:1] for fix in named]
    return tuple(fix for fix, one in asked if not any(part.affects(one) for part in parts))


def fixed_in(fixes: Sequence[Fix], asked: Asked) -> str | None:
    """The smallest of `mended` versions that is above this one. None: there is none."""
    if asked.order is None:
        return None
    at = bisect_right(fixes, asked.order, key=itemgetter(0))
    return fixes[at][1] if at < len(fixes) else None


_Ordered = tuple[str, Any, str]
"""An event's kind, its version's order (None: the beginning, or no limit), its version's text."""


def _ordered(ecosystem: Ecosystem, events: Sequence[Event]) -> tuple[list[_Ordered], bool]:
    """The events that can be ordered, and whether these are all."""
    found: list[_Ordered] = []
    is_whole = True
    for event in events:
        for kind, text in event.items():
            unbounded = (kind, text) in (("introduced", BEGINNING), ("limit", NO_LIMIT))
            order = None if unbounded else ecosystem.order(text)
            if unbounded or order is not None:
                found.append((kind, order, text))
            else:
                is_whole = False
    return found, is_whole


def _intervals(events: list[_Ordered]) -> list[Interval]:
    """At one version `fixed` comes before `introduced`; `last_affected` closes what was open before it, or else opens
    there."""
    limits = [order for kind, order, _ in events if kind == "limit"]
    found: list[Interval] = []
    is_open, start = any(kind == "introduced" and order is None for kind, order, _ in events), None
    bounded = [event for event in events if event[1] is not None and event[0] != "limit"]
    for order, together in groupby(sorted(bounded, key=itemgetter(1)), key=itemgetter(1)):
        kinds = {kind for kind, _, _ in together}
        for kind in _steps(kinds, is_open):
            if kind == "introduced":
                start, is_open = (start, True) if is_open else (order, True)
            elif is_open:
                found.append(Interval(start, order, kind == "last_affected"))
                is_open = False
    if is_open:
        found.append(Interval(start))
    return found if not limits or None in limits else [_capped(interval, max(limits)) for interval in found]


def _steps(kinds: set[str], is_open: bool) -> list[str]:
    closes_first = is_open and "fixed" not in kinds
    steps = ["last_affected", "introduced"] if closes_first else ["fixed", "introduced", "last_affected"]
    return [kind for kind in steps if kind in kinds]


def _capped(interval: Interval, limit: Any) -> Interval:
    if interval.end is not None and interval.end < limit:
        return interval
    return Interval(interval.start, limit)

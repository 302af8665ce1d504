"""Findings of several scanners as one view. Pure.

One vulnerability has many ids: those of a finding and its aliases are one, as are those of two findings that share one.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from orbitalreg.errors import InvalidName
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Finding, Microseconds, Report, Severity
from orbitalreg.summaries import BundledSummary, FindingSummary, HopSummary, severity_name
from orbitalreg.times import at

Order = Callable[[str], Any]
"""The sort key of a version in any spelling. Raises `InvalidName` or `ValueError` for what is none."""

T = TypeVar("T")

_PREFERRED = ("CVE-", "GHSA-", "PYSEC-")


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """What one or more scanners found, once for each package that it is in.

    `id` is the best known of `ids`: CVE, else GHSA, else PYSEC, but for what is malicious that of the record which says
    so. `severity` is the highest that a scanner gave, and `by` has each scanner's own. `fixed_in` is a version that
    each scanner which names one would take for mended; None where none is named, and where several are that have no
    order. `published_at` is the earliest that was told. What is bundled is apart for each place that it lies in:
    then `locations` has that one. `files` are those that it was found in, where reports on several were asked about.
    """

    id: str
    ids: tuple[str, ...]
    package: str
    version: str
    severity: Severity
    by: Mapping[str, Severity]
    fixed_in: str | None
    title: str
    links: tuple[str, ...]
    published_at: Microseconds | None
    locations: tuple[str, ...] = ()
    is_bundled: bool = False
    files: tuple[str, ...] = ()
    purl: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path: the requirement in the words of the version before, and what is chosen for it."""

    stated: str
    package: str
    version: str
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exposure:
    """A vulnerability, and the shortest path to the version that is affected by it: at least one hop.

    Of several of one length it is the first in byte order. `environments` are those in which it comes along.
    """

    vulnerability: Vulnerability
    path: tuple[Hop, ...]
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A finding, who reported it, and of which file."""

    scanner: str
    file: str
    finding: Finding

    @property
    def place(self) -> tuple[str, str, bool, str]:
        """What it is about: of a file's own package, scanners may tell different locations."""
        found = self.finding
        return found.package, found.version, found.is_bundled, found.location if found.is_bundled else ""


def order_of(adapter: FormatAdapter) -> Order:
    """That of the format's versions."""
    return lambda version: adapter.version_key(adapter.normalize_version(version))


def vulnerabilities(reports: Iterable[Report], order: Order | None = None) -> tuple[Vulnerability, ...]:
    """What these reports on one file say together, the worst first. Their status is not asked."""
    return _told((_Sighting(report.scanner, "", found) for report in reports for found in report.findings), order)


def vulnerabilities_of(
    reports: Mapping[str, Iterable[Report]], order: Order | None = None
) -> tuple[Vulnerability, ...]:
    """What the reports on several files of one version, by filename, say together."""
    return _told(
        (
            _Sighting(report.scanner, file, found)
            for file, some in reports.items()
            for report in some
            for found in report.findings
        ),
        order,
    )


def completed(own: Iterable[Report], by_name: Iterable[Report]) -> tuple[Report, ...]:
    """The reports on a file, with those on its version by name alone, in the order of the scanners' names.

    Of a scanner that has both, the file's own counts. Where it did not look, or looked before the version was judged,
    what was found by the name still counts: a file that cannot be read is no better for it.
    """
    found = {report.scanner: report for report in own}
    for named in by_name:
        mine = found.setdefault(named.scanner, named)
        if not mine.status.has_looked or mine.scanned_at < named.scanned_at:
            found[named.scanner] = with_findings(mine, named.findings)
    return tuple(found[scanner] for scanner in sorted(found))


def with_findings(report: Report, others: Iterable[Finding]) -> Report:
    """The report, with those of `others` that it does not have itself."""
    known = frozenset(report.findings)
    more = tuple(one for one in others if one not in known)
    return replace(report, findings=(*report.findings, *more)) if more else report


def path_summary(path: Iterable[Hop]) -> list[HopSummary]:
    return [HopSummary(hop.stated, hop.package, hop.version, list(hop.extras)) for hop in path]


def finding_summary(one: Vulnerability) -> FindingSummary:
    """What is told of it."""
    bundled = BundledSummary(one.package, one.version, one.purl, "".join(one.locations)) if one.is_bundled else None
    return FindingSummary(
        one.id,
        list(one.ids),
        severity_name(one.severity),
        {scanner: severity_name(severity) for scanner, severity in one.by.items()},
        one.fixed_in,
        one.title,
        list(one.links),
        told_at(one.published_at),
        list(one.files),
        bundled,
    )


def told_at(instant: Microseconds | None) -> datetime | None:
    """What a scanner gives for a time; None too for one that no calendar has."""
    try:
        return None if instant is None else at(instant)
    except OverflowError:
        return None


def _told(sightings: Iterable[_Sighting], order: Order | None) -> tuple[Vulnerability, ...]:
    """The order of `sightings` changes nothing."""
    by_place: dict[tuple[str, str, bool, str], list[_Sighting]] = {}
    for seen in sightings:
        by_place.setdefault(seen.place, []).append(seen)
    merged = [_merged(group, order) for found in by_place.values() for group in grouped(found, _ids)]
    return tuple(
        sorted(merged, key=lambda one: (-one.severity, one.is_bundled, one.package, one.version, one.locations, one.id))
    )


def grouped(found: Iterable[T], ids: Callable[[T], Iterable[str]]) -> Collection[list[T]]:
    """Those that share an id, also by way of others, in the order given; each has at least one.

    Union-find, so that ten thousand take no longer than they must.
    """
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while (parent := parents.setdefault(name, name)) != name:
            parents[name] = parents[parent]
            name = parents[name]
        return name

    firsts = []
    for one in found:
        first, *others = ids(one)
        firsts.append((first, one))
        top = root(first)
        for other in others:
            parents[root(other)] = top
    groups: dict[str, list[T]] = {}
    for first, one in firsts:
        groups.setdefault(root(first), []).append(one)
    return groups.values()


def _ids(seen: _Sighting) -> Iterable[str]:
    return (seen.finding.id, *seen.finding.aliases)


def _merged(group: list[_Sighting], order: Order | None) -> Vulnerability:
    group = sorted(group, key=lambda seen: (seen.scanner, seen.file, _rank(seen.finding.id), repr(seen.finding)))
    findings = [seen.finding for seen in group]
    ids = sorted({name for finding in findings for name in (finding.id, *finding.aliases)}, key=_rank)
    malicious = [finding.id for finding in findings if finding.severity is Severity.MALICIOUS]
    by: dict[str, Severity] = {}
    for seen in group:
        by[seen.scanner] = max(seen.finding.severity, by.get(seen.scanner, Severity.UNKNOWN))
    package, version, is_bundled, location = group[0].place
    return Vulnerability(
        min(malicious, key=_rank, default=ids[0]),
        tuple(ids),
        package,
        version,
        max(by.values()),
        by,
        _mended({finding.fixed_in for finding in findings if finding.fixed_in}, order),
        next((finding.title for finding in findings if finding.title), ""),
        tuple(sorted({link for finding in findings for link in finding.links})),
        min((finding.published_at for finding in findings if finding.published_at is not None), default=None),
        (location,) if location else (),
        is_bundled,
        tuple(sorted({seen.file for seen in group} - {""})),
        next((finding.purl for finding in findings if finding.purl), ""),
    )


def _mended(named: Collection[str], order: Order | None) -> str | None:
    """The greatest of these; what is no version is told only where it is the only one."""
    if len(named) < 2 or order is None:
        return next(iter(named)) if len(named) == 1 else None
    keyed = []
    for version in sorted(named):
        try:
            keyed.append((order(version), version))
        except (InvalidName, ValueError):
            continue
    return max(keyed, key=lambda pair: pair[0])[1] if keyed else None


def _rank(name: str) -> tuple[int, str, str]:
    """CVE before GHSA before PYSEC before others; numbers by their value."""
    kind = next((number for number, prefix in enumerate(_PREFERRED) if name.startswith(prefix)), len(_PREFERRED))
    return kind, re.sub(r"\d+", lambda digits: digits[0].zfill(12), name), name

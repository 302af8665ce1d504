"""Findings of several scanners as one view. Pure.

One vulnerability has many ids: those of a finding and its aliases are one, as are those of two findings that share one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orbitalreg.model import Finding, Microseconds, Report, Severity

_PREFERRED = ("CVE-", "GHSA-", "PYSEC-")


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """What one or more scanners found, once for each package that it is in.

    `id` is the best known of `ids`: CVE, else GHSA, else PYSEC, but for what is malicious that of the record which says
    so. `severity` is the highest that a scanner gave, and `by` has each scanner's own. `fixed_in` is a version that
    each scanner which names one would take for mended. `published_at` is the earliest that was told.
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


def vulnerabilities(reports: Iterable[Report]) -> tuple[Vulnerability, ...]:
    """What these reports on one file say together, the worst first. Their status is not asked."""
    by_package: dict[tuple[str, str, bool], list[tuple[str, Finding]]] = {}
    for report in reports:
        for finding in report.findings:
            place = (finding.package, finding.version, finding.is_bundled)
            by_package.setdefault(place, []).append((report.scanner, finding))
    merged = [_merged(group) for found in by_package.values() for group in _groups(found)]
    return tuple(sorted(merged, key=lambda one: (-one.severity, one.is_bundled, one.package, one.version, one.id)))


def _groups(found: Sequence[tuple[str, Finding]]) -> list[list[tuple[str, Finding]]]:
    """Findings that share an id, also by way of others."""
    groups: list[tuple[set[str], list[tuple[str, Finding]]]] = []
    for scanner, finding in found:
        ids = {finding.id, *finding.aliases}
        members = [(scanner, finding)]
        apart = []
        for known_ids, known in groups:
            if known_ids.isdisjoint(ids):
                apart.append((known_ids, known))
            else:
                ids |= known_ids
                members = known + members
        groups = [*apart, (ids, members)]
    return [members for _, members in groups]


def _merged(group: Sequence[tuple[str, Finding]]) -> Vulnerability:
    first = group[0][1]
    findings = [finding for _, finding in group]
    severity = max(finding.severity for finding in findings)
    ids = sorted({name for finding in findings for name in (finding.id, *finding.aliases)}, key=_rank)
    by: dict[str, Severity] = {}
    for scanner, finding in group:
        by[scanner] = max(finding.severity, by.get(scanner, Severity.UNKNOWN))
    malicious = sorted(f.id for f in findings if f.severity is Severity.MALICIOUS)
    return Vulnerability(
        malicious[0] if malicious else ids[0],
        tuple(ids),
        first.package,
        first.version,
        severity,
        by,
        next((finding.fixed_in for finding in findings if finding.fixed_in), None),
        next((finding.title for finding in findings if finding.title), ""),
        tuple(dict.fromkeys(link for finding in findings for link in finding.links)),
        min((finding.published_at for finding in findings if finding.published_at is not None), default=None),
        tuple(sorted({finding.location for finding in findings if finding.location})),
        first.is_bundled,
    )


def _rank(name: str) -> tuple[int, str]:
    """CVE before GHSA before PYSEC before others."""
    kind = next((number for number, prefix in enumerate(_PREFERRED) if name.startswith(prefix)), len(_PREFERRED))
    return kind, re.sub(r"\d+", lambda digits: digits[0].zfill(12), name)

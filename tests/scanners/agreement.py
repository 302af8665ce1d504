"""Packages for scanners to agree on: names and versions that the shared advisories themselves tell."""

import random
from collections.abc import Iterable, Mapping, Sequence

from advisories import Affected
from orbitalreg_pypi.staging import component
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from orbitalreg.model import Component, Report

COUNT = 300
LISTED, FIXED = 180, 90
"""How many of them are versions that an advisory lists, how many those that mend it; the rest are spelt oddly."""
EARLIEST = ("vantage6-server", "0.0.0b0")
"""Before 0, and affected from 0 on."""


def sample(advisories: Sequence[Affected]) -> list[Component]:
    """The same 300 for the same advisories."""
    draw = random.Random(6)
    told = sorted({(one.package, version) for one in advisories for version in listed(one)})
    fixed = sorted({(one.package, span.fixed) for one in advisories for span in one.spans if span.fixed})
    odd = [(package, version) for package, version in told if not version.replace(".", "").isdigit()]
    pairs = dict.fromkeys(
        [*draw.sample(told, LISTED), *draw.sample(fixed, FIXED), *draw.sample(odd, COUNT - 1 - LISTED - FIXED)]
    )
    while len(pairs) < COUNT - 1:
        pairs.setdefault(draw.choice(told))
    pairs.setdefault(EARLIEST)
    return [component(package, _normal(version) or version) for package, version in pairs]


def clusters(advisories: Iterable[Affected]) -> Mapping[str, str]:
    """For each id the name of its vulnerability: ids and aliases of a record are one, also by way of others."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while parents.setdefault(name, name) != name:
            name = parents[name]
        return name

    for one in advisories:
        for alias in one.aliases:
            first, second = sorted((root(one.id), root(alias)))
            parents[second] = first
    return {name: root(name) for name in parents}


def found(reports: Iterable[Report], by: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The vulnerabilities of each package URL."""
    sets: dict[str, set[str]] = {}
    for report in reports:
        for finding in report.findings:
            sets.setdefault(finding.purl, set()).add(by.get(finding.id, finding.id))
    return {purl: frozenset(names) for purl, names in sets.items()}


def listed(one: Affected) -> set[str]:
    """The versions that the record lists for the package and spells in their normal form."""
    versions = (
        version
        for affected in one.record["affected"]
        if canonicalize_name(affected["package"]["name"]) == one.package
        for version in affected.get("versions", ())
    )
    return {version for version in versions if _normal(version) == version}


def _normal(version: str) -> str | None:
    try:
        return str(Version(version))
    except InvalidVersion:
        return None

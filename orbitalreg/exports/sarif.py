"""Findings as SARIF 2.1.0 (OASIS), for code hosts that show such results."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from orbitalreg import __version__
from orbitalreg.exports.common import begun, ended, listed
from orbitalreg.exports.links import is_web
from orbitalreg.exports.paths import instead, path_words
from orbitalreg.model import Address, Severity
from orbitalreg.summaries import ExposureSummary, FindingSummary, VersionFindings

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

LEVELS = {
    Severity.UNKNOWN: "warning",
    Severity.NEGLIGIBLE: "note",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
    Severity.MALICIOUS: "error",
}
SCORES = {
    Severity.NEGLIGIBLE: "0.1",
    Severity.LOW: "2.0",
    Severity.MEDIUM: "5.5",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
    Severity.MALICIOUS: "10.0",
}
"""What code hosts sort by (`security-severity`), as a CVSS score would be; what nobody rated has none."""


def sarif(address: Address, versions: Iterable[VersionFindings]) -> Iterator[str]:
    """One run: rules are vulnerabilities, results the versions that have or get them; warnings what none scanned."""
    run = _Run(address)
    yield begun({"$schema": SCHEMA, "version": "2.1.0"}, "runs") + begun({}, "results")
    yield from listed(result for version in versions for result in run.results(version))
    yield ended({"tool": {"driver": run.driver()}, "invocations": [run.invocation()]})
    yield "]}"


@dataclass(slots=True)
class _Run:
    """What the end of a run says of its results."""

    address: Address
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    worst: dict[str, Severity] = field(default_factory=dict)
    warnings: list[dict[str, Any]] = field(default_factory=list)

    def results(self, version: VersionFindings) -> Iterator[dict[str, Any]]:
        for finding in version.findings:
            place = self._rule_of(finding)
            yield _result(self.address, version, finding, place)
        for one in version.exposures:
            place = self._rule_of(one.finding)
            yield _exposure(self.address, version, one, place)
        if version.not_scanned:
            self.warnings.append(_warning(version))

    def _rule_of(self, finding: FindingSummary) -> int:
        """The place of the vulnerability's rule."""
        severity = Severity.parse(finding.severity)
        self.rules.setdefault(finding.id, _rule(finding))
        self.worst[finding.id] = max(severity, self.worst.get(finding.id, severity))
        return self.places.setdefault(finding.id, len(self.places))

    def driver(self) -> dict[str, Any]:
        for name, rule in self.rules.items():
            if self.worst[name] in SCORES:
                rule["properties"]["security-severity"] = SCORES[self.worst[name]]
        return {"name": "OrbitalReg", "version": __version__, "rules": list(self.rules.values())}

    def invocation(self) -> dict[str, Any]:
        return {"executionSuccessful": True, "toolExecutionNotifications": self.warnings}


def _rule(finding: FindingSummary) -> dict[str, Any]:
    pages = [link for link in finding.links if is_web(link)]
    return {
        "id": finding.id,
        "shortDescription": {"text": finding.title or finding.id},
        "fullDescription": {"text": f"{finding.title or finding.id} ({', '.join(finding.ids)})"},
        **({"helpUri": pages[0]} if pages else {}),
        "properties": {"tags": ["security", *finding.ids]},
    }


def _result(address: Address, version: VersionFindings, finding: FindingSummary, place: int) -> dict[str, Any]:
    return {
        "ruleId": finding.id,
        "ruleIndex": place,
        "level": LEVELS[Severity.parse(finding.severity)],
        "message": {"text": message(version, finding)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(f"{address}/{version.package}/{filename}")},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": _subject(version, finding), "kind": "module"}],
            }
            for filename in finding.files
        ],
        "partialFingerprints": {"vulnerability/v1": _fingerprint(address, version, finding)},
    }


def _exposure(address: Address, version: VersionFindings, one: ExposureSummary, place: int) -> dict[str, Any]:
    """A result about the version that gets it; its files are not named, since the vulnerability is in none of them."""
    subject = version.purl or f"{version.package} {version.version}"
    has_it = one.purl or f"{one.package} {one.version}"
    text = "\n".join([str(address), version.package, version.version, one.finding.id, has_it, "exposure"])
    return {
        "ruleId": one.finding.id,
        "ruleIndex": place,
        "level": LEVELS[Severity.parse(one.finding.severity)],
        "message": {"text": exposure_message(version, one)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(f"{address}/{version.package}/{version.version}")},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": subject, "kind": "module"}],
            }
        ],
        "partialFingerprints": {"vulnerability/v1": hashlib.sha256(text.encode()).hexdigest()},
        "properties": {
            "exposure": True,
            "path": [f"{hop.package} {hop.version}" for hop in one.path],
            "requirements": [hop.stated for hop in one.path],
            "environments": one.environments,
            "unavoidable": one.is_unavoidable,
            **({"upgrade": one.upgrade.text} if one.upgrade else {}),
        },
    }


def exposure_message(version: VersionFindings, one: ExposureSummary) -> str:
    """For people, in a sentence or two."""
    title = f": {one.finding.title.rstrip('.')}" if one.finding.title else ""
    told = f"{version.package} {version.version} is exposed to {one.finding.id} ({one.finding.severity}){title}."
    told += f" It comes by {path_words(one.path)}."
    advice = instead(one.is_unavoidable, one.upgrade)
    return f"{told} {advice[0].upper()}{advice[1:]}." if advice else told


def message(version: VersionFindings, finding: FindingSummary) -> str:
    """For people, in a sentence or two."""
    what = f"{version.package} {version.version}"
    if finding.bundled:
        what = f"{finding.bundled.package} {finding.bundled.version}, bundled in {what},"
    title = f": {finding.title.rstrip('.')}" if finding.title else ""
    mended = f" Fixed in {finding.fixed_in}." if finding.fixed_in else ""
    return f"{what} has {finding.id} ({finding.severity}){title}.{mended} Seen by {', '.join(finding.by)}."


def _subject(version: VersionFindings, finding: FindingSummary) -> str:
    purl = finding.bundled.purl if finding.bundled else version.purl
    return purl or f"{version.package} {version.version}"


def _fingerprint(address: Address, version: VersionFindings, finding: FindingSummary) -> str:
    """The same from run to run, so that a code host knows what it has shown."""
    place = finding.bundled.location if finding.bundled else ""
    text = "\n".join([str(address), version.package, version.version, finding.id, _subject(version, finding), place])
    return hashlib.sha256(text.encode()).hexdigest()


def _warning(version: VersionFindings) -> dict[str, Any]:
    names = ", ".join(file.filename for file in version.not_scanned)
    text = f"{version.package} {version.version}: not scanned by any scanner: {names}"
    return {"level": "warning", "message": {"text": text}}

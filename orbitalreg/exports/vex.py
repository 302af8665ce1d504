"""Findings as a VEX document (CycloneDX 1.6, ECMA-424): what is affected, before anybody has judged it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from orbitalreg import __version__
from orbitalreg.exports.common import begun, ended, listed
from orbitalreg.exports.links import is_web
from orbitalreg.exports.paths import instead, path_words
from orbitalreg.model import Address, Severity
from orbitalreg.summaries import ExposureSummary, FindingSummary, VersionFindings
from orbitalreg.times import to_the_second

SEVERITIES = {Severity.NEGLIGIBLE: "info", Severity.MALICIOUS: "critical"}
"""Those that CycloneDX calls otherwise."""

SOURCES = {
    "CVE-": ("NVD", "https://nvd.nist.gov/vuln/detail/"),
    "GHSA-": ("GitHub", "https://github.com/advisories/"),
    "": ("OSV", "https://osv.dev/vulnerability/"),
}
"""Where a record is, by how its id begins."""


def vex(address: Address, versions: Iterable[VersionFindings]) -> Iterator[str]:
    """Every state is `in_triage`. Files that no scanner has looked at are properties of the document."""
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid4()}",
        "version": 1,
    }
    components: dict[str, dict[str, Any]] = {}
    missing: list[str] = []

    def found() -> Iterator[dict[str, Any]]:
        for version in versions:
            for finding in version.findings:
                component = _component(version, finding)
                components[component["bom-ref"]] = component
                yield _vulnerability(finding, component)
            for one in version.exposures:
                component = _own(version)
                components[component["bom-ref"]] = component
                yield _exposure(one, component)
            missing.extend(f"{version.package} {version.version}: {file.filename}" for file in version.not_scanned)

    yield begun(head, "vulnerabilities")
    yield from listed(found())
    yield ended({"components": list(components.values()), "metadata": _metadata(address, missing)})


def _metadata(address: Address, missing: Sequence[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "timestamp": to_the_second(datetime.now(UTC)),
        "tools": {"components": [{"type": "application", "name": "orbitalreg", "version": __version__}]},
        "component": {"type": "application", "bom-ref": str(address), "name": str(address)},
    }
    if missing:
        told["properties"] = [{"name": "orbitalreg:not_scanned", "value": text} for text in missing]
    return told


def _component(version: VersionFindings, finding: FindingSummary) -> dict[str, Any]:
    """What has it. Of something bundled the reference names the place too."""
    bundled, own = finding.bundled, _own(version)
    if bundled is None:
        return own
    component = {
        "type": "library",
        "bom-ref": f"{own['bom-ref']}#{bundled.location}#{bundled.package}@{bundled.version}",
        "name": bundled.package,
        "version": bundled.version,
    }
    return {**component, "purl": bundled.purl} if bundled.purl else component


def _own(version: VersionFindings) -> dict[str, Any]:
    """The version itself."""
    own = version.purl or f"{version.package}@{version.version}"
    component = {"type": "library", "bom-ref": own, "name": version.package, "version": version.version}
    return {**component, "purl": version.purl} if version.purl else component


def _exposure(one: ExposureSummary, component: dict[str, Any]) -> dict[str, Any]:
    """Of the version that gets it: `detail` says by what, the recommendation what to take instead."""
    told = _vulnerability(one.finding, component)
    has_it = one.purl or f"{one.package}@{one.version}"
    told["bom-ref"] = f"{component['bom-ref']}#{one.finding.id}#{has_it}"
    told["detail"] = f"It comes with dependencies: {path_words(one.path)}."
    told.pop("recommendation", None)
    if advice := instead(one.is_unavoidable, one.upgrade):
        told["recommendation"] = advice
    told["properties"] = [
        {"name": "orbitalreg:exposure", "value": has_it},
        *({"name": "orbitalreg:environment", "value": name} for name in one.environments),
    ]
    return told


def _vulnerability(finding: FindingSummary, component: dict[str, Any]) -> dict[str, Any]:
    told = {
        "bom-ref": f"{component['bom-ref']}#{finding.id}",
        "id": finding.id,
        "source": _source(finding.id),
        "references": [{"id": name, "source": _source(name)} for name in finding.ids if name != finding.id],
        "ratings": [
            {"source": {"name": scanner}, "severity": _severity(Severity.parse(severity)), "method": "other"}
            for scanner, severity in finding.by.items()
        ],
        "description": finding.title,
        "recommendation": f"Upgrade {component['name']} to {finding.fixed_in}" if finding.fixed_in else "",
        "advisories": [{"url": link} for link in finding.links if is_web(link)],
        "published": to_the_second(finding.published_at),
        "analysis": {"state": "in_triage"},
        "affects": [
            {"ref": component["bom-ref"], "versions": [{"version": component["version"], "status": "affected"}]}
        ],
    }
    return {key: value for key, value in told.items() if value}


def _source(name: str) -> dict[str, str]:
    source, address = next(found for prefix, found in SOURCES.items() if name.startswith(prefix))
    url = f"{address}{name}"
    return {"name": source, "url": url} if is_web(url) else {"name": source}


def _severity(severity: Severity) -> str:
    return SEVERITIES.get(severity, str(severity))

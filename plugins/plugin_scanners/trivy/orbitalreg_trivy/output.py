"""What Trivy's JSON says of a target's components. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.version import Version

from orbitalreg.errors import InvalidName, ScannerFailed
from orbitalreg.interfaces.orders import Orders, is_comparable, smallest_above
from orbitalreg.interfaces.tools import Named, Part, read_json
from orbitalreg.model import Finding, Severity

LINKS = 20
ORDERS: Orders = {"pypi": Version}
"""Trivy passes over Python's versions that are not of PEP 440."""
SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Output:
    """`seen` are the package URLs of the components that Trivy listed, with a version that it can compare."""

    version: str
    seen: tuple[str, ...]
    findings: tuple[Finding, ...]


def read(output: bytes, named: Named) -> Output:
    """Raises `ScannerFailed` for what is not Trivy's, as for a finding that cannot be read."""
    document = read_json(output, "trivy")
    if document.number("SchemaVersion") != SCHEMA:
        raise ScannerFailed(f"trivy: its output is not of schema {SCHEMA}: use a version of Trivy that writes it")
    results = document.parts("Results")
    listed = [package.part("Identifier").text("PURL") for result in results for package in result.parts("Packages")]
    findings = [
        finding for result in results for told in result.parts("Vulnerabilities") for finding in _read(told, named)
    ]
    seen = named.seen(purl for purl in listed if all(is_comparable(one, ORDERS) for one in named.of(purl)))
    return Output(document.part("Trivy").text("Version"), seen, tuple(findings))


def _read(told: Part, named: Named) -> Iterator[Finding]:
    """One finding for each component that Trivy means: none for a stranger."""
    name = told.needed("VulnerabilityID")
    aliases = tuple(dict.fromkeys(alias for alias in told.texts("VendorIDs") if alias not in ("", name)))
    links = (told.text("PrimaryURL"), *told.texts("References"))
    is_malicious = any(one.startswith("MAL-") for one in (name, *aliases))
    for component in named.of(told.part("PkgIdentifier").needed("PURL")):
        yield Finding(
            name,
            component.name,
            component.version,
            Severity.MALICIOUS if is_malicious else _severity(told.text("Severity")),
            aliases,
            component.purl,
            component.location,
            component.is_bundled,
            _vector(told),
            smallest_above(component, told.text("FixedVersion").split(","), ORDERS),
            told.text("Title")[:200],
            tuple(dict.fromkeys(link for link in links if link.startswith(("http://", "https://"))))[:LINKS],
            told.instant("PublishedDate"),
        )


def _severity(text: str) -> Severity:
    try:
        return Severity.parse(text)
    except InvalidName:
        return Severity.UNKNOWN


def _vector(told: Part) -> str | None:
    """The newest kind of vector that one of Trivy's sources gives; of several sources that of the severity."""
    sources = told.named("CVSS")
    order = sorted(sources, key=lambda source: (source != told.text("SeveritySource"), source))
    vectors = (sources[source].text(kind) for kind in ("V40Vector", "V3Vector", "V2Vector") for source in order)
    return next(
        (vector.strip("/") for vector in vectors if ":" in vector and "/" in vector and " " not in vector), None
    )

"""What Trivy's JSON says of a target's components. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from orbitalreg.errors import InvalidName, ScannerFailed
from orbitalreg.interfaces.tools import Named, Part, read_json
from orbitalreg.model import Component, Finding, Severity

LINKS = 20
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
    seen = named.seen(purl for purl in listed if all(map(is_comparable, named.of(purl))))
    return Output(document.part("Trivy").text("Version"), seen, tuple(findings))


def is_comparable(component: Component) -> bool:
    """Whether Trivy can tell it from other versions: of Python's it passes over those that are not of PEP 440."""
    return not component.purl.startswith("pkg:pypi/") or _parsed(component.version) is not None


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
            smallest_above(component, told.text("FixedVersion").split(",")),
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


def smallest_above(component: Component, versions: Iterable[str]) -> str | None:
    """Of the versions that are mended the smallest above the component's.

    Versions are compared as PEP 440 has it; those of other ecosystems are not, and one that stands alone is believed.
    """
    told = [version.strip() for version in versions if version.strip()]
    installed = _parsed(component.version)
    if not component.purl.startswith("pkg:pypi/") or installed is None:
        return told[0] if len(told) == 1 and told[0] != component.version else None
    above = [(parsed, version) for version in told if (parsed := _parsed(version)) and parsed > installed]
    return min(above)[1] if above else None


def _parsed(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None

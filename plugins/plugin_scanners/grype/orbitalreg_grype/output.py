"""What Grype's JSON says of a target's components. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.version import Version

from orbitalreg.errors import InvalidName, ScannerFailed
from orbitalreg.interfaces.orders import Orders, is_comparable, smallest_above
from orbitalreg.interfaces.tools import Named, Part, read_json
from orbitalreg.model import Finding, Severity

LINKS = 20
ORDERS: Orders = {"pypi": Version}
"""Grype passes over Python's versions that are not of PEP 440."""


@dataclass(frozen=True, slots=True)
class Output:
    """`seen` are the package URLs of the components that Grype took in, with a version that it can compare."""

    version: str
    seen: tuple[str, ...]
    findings: tuple[Finding, ...]


def read(output: bytes, coverage: bytes, named: Named) -> Output:
    """`output` has the matches alone, `coverage` is CycloneDX and has every package that Grype took in.

    Raises `ScannerFailed` for what is not Grype's, as for a match that cannot be read.
    """
    document, taken = read_json(output, "grype"), read_json(coverage, "grype's CycloneDX")
    descriptor = document.part("descriptor")
    if descriptor.text("name") != "grype" or taken.text("bomFormat") != "CycloneDX":
        raise ScannerFailed("grype: what it wrote is not its JSON and CycloneDX")
    listed = [component.text("purl") for component in taken.parts("components") if _is_known(component)]
    findings = [finding for match in document.parts("matches") for finding in _read(match, named)]
    seen = named.seen(purl for purl in listed if all(is_comparable(one, ORDERS) for one in named.of(purl)))
    return Output(descriptor.text("version"), seen, tuple(findings))


def _is_known(component: Part) -> bool:
    """Grype takes in packages of a kind that it has no advisories of, too, and says so there alone."""
    kinds = [one.text("value") for one in component.parts("properties") if one.text("name") == "syft:package:type"]
    return bool(kinds) and "UnknownPackage" not in kinds


def _read(match: Part, named: Named) -> Iterator[Finding]:
    """One finding for each component that Grype means: none for a stranger."""
    told = match.part("vulnerability")
    related = match.parts("relatedVulnerabilities")
    name = told.needed("id")
    aliases = tuple(dict.fromkeys(alias for alias in (one.text("id") for one in related) if alias not in ("", name)))
    links = [link for one in (told, *related) for link in (one.text("dataSource"), *one.texts("urls"))]
    is_malicious = any(one.startswith("MAL-") for one in (name, *aliases))
    description = next((text for one in (told, *related) if (text := one.text("description"))), "")
    for component in named.of(match.part("artifact").needed("purl")):
        yield Finding(
            name,
            component.name,
            component.version,
            Severity.MALICIOUS if is_malicious else _severity([told, *related]),
            aliases,
            component.purl,
            component.location,
            component.is_bundled,
            _vector([told, *related]),
            smallest_above(component, told.part("fix").texts("versions"), ORDERS),
            description[:200],
            tuple(dict.fromkeys(link for link in links if link.startswith(("http://", "https://"))))[:LINKS],
        )


def _severity(records: Iterable[Part]) -> Severity:
    """What the record says, else what one that it is related to does: distributors often rate, authors seldom."""
    for record in records:
        try:
            found = Severity.parse(record.text("severity"))
        except InvalidName:
            continue
        if found is not Severity.UNKNOWN:
            return found
    return Severity.UNKNOWN


def _vector(records: Iterable[Part]) -> str | None:
    """Of the first record that has any, the vector of the newest version of CVSS."""
    for record in records:
        told = sorted(record.parts("cvss"), key=lambda one: one.text("version"), reverse=True)
        vectors = (one.text("vector").strip("/") for one in told)
        found = next((vector for vector in vectors if ":" in vector and "/" in vector and " " not in vector), None)
        if found is not None:
            return found
    return None

"""Files judged by the name and version of their package."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orbitalreg.interfaces import Capability, Scanner, Surroundings, Target
from orbitalreg.model import Component, Database, Finding, Microseconds, Report, ReportStatus, Scan, now
from orbitalreg_osv import __version__, ecosystems, settings
from orbitalreg_osv.index import Index, Known
from orbitalreg_osv.matching import fixed_in
from orbitalreg_osv.store import Store


class Osv(Scanner):
    """Known vulnerabilities and malicious packages, by OSV's records."""

    name = "osv"
    vendor = "OSV"
    capabilities = frozenset({Capability.VULNERABILITY, Capability.MALWARE})

    def __init__(self, surroundings: Surroundings) -> None:
        self._settings = settings.read(surroundings.options, surroundings.base)
        self._store = Store(surroundings.folder, self._settings)

    @property
    def deep(self) -> bool:
        return self._settings.deep

    @property
    def judges_names(self) -> bool:
        return self._settings.has_dump

    def database(self) -> Database | None:
        return self._store.index().meta.database

    def judge(self, components: Sequence[Component]) -> Sequence[Report]:
        index = self._store.index()
        return [self._report(index, [component]) for component in components]

    def scan(self, target: Target) -> Scan:
        return Scan(self._report(self._store.index(), target.components))

    def _report(self, index: Index, components: Sequence[Component]) -> Report:
        judged = [judgement(index, component) for component in components]
        findings = tuple(finding for one in judged for finding in one.findings)
        seen = tuple(one.component.purl for one in judged if one.reason is None)
        report = Report(self.name, ReportStatus.OK, findings, seen, index.meta.database, __version__, scanned_at=0)
        if judged[0].reason is not None:
            return replace(report, status=ReportStatus.NOT_SCANNED, reason=judged[0].reason)
        if (age := stale(index.meta.built_at, self._settings.max_age, now())) is not None:
            reason = f"the newest record of the dump is {age}: {self._settings.remedy}"
            return replace(report, status=ReportStatus.DB_STALE, reason=reason)
        return report


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of one component; `reason` is why its silence proves nothing, None where it does."""

    component: Component
    findings: tuple[Finding, ...] = ()
    reason: str | None = None


def judgement(index: Index, component: Component) -> Judgement:
    ecosystem = ecosystems.of_purl(component.purl)
    if ecosystem is None:
        return Judgement(component, (), f"packages such as {component.purl} are not known to osv")
    known = index.of(ecosystem, component.name)
    found = tuple(finding(one, component) for one in known if one.affects(component.version))
    if known and not found and ecosystem.order(component.version) is None:
        return Judgement(component, (), f"{component.version!r} is no version of {ecosystem.name} that can be compared")
    return Judgement(component, found)


def finding(known: Known, component: Component) -> Finding:
    about = known.advisory
    return Finding(
        id=about.id,
        package=component.name,
        version=component.version,
        severity=about.severity,
        aliases=about.aliases,
        purl=component.purl,
        location=component.location,
        is_bundled=component.is_bundled,
        cvss=about.cvss,
        fixed_in=fixed_in(known.affected, component.version),
        title=about.title,
        links=about.links,
        published_at=about.published_at,
    )


def stale(built_at: Microseconds | None, max_age: int, at: Microseconds) -> str | None:
    """How old a dump is that is too old, None where it is not."""
    if built_at is not None and at - built_at <= max_age * 1_000_000:
        return None
    return "of no known date" if built_at is None else f"{(at - built_at) // 86_400_000_000} days old"

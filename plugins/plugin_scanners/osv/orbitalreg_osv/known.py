"""What one record says of one package, and the finding that comes of it."""

from dataclasses import dataclass

from orbitalreg.model import Component, Finding
from orbitalreg_osv.matching import Affected, fixed_in
from orbitalreg_osv.records import Advisory


@dataclass(frozen=True, slots=True)
class Known:
    """What one record says of one package."""

    advisory: Advisory
    affected: tuple[Affected, ...]

    def affects(self, version: str) -> bool:
        return any(part.affects(version) for part in self.affected)

    def finding(self, component: Component) -> Finding:
        """For a component that is affected."""
        about = self.advisory
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
            fixed_in=fixed_in(self.affected, component.version),
            title=about.title,
            links=about.links,
            published_at=about.published_at,
        )

"""What one record says of one package, and the finding that comes of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from orbitalreg.model import Component, Finding
from orbitalreg_osv.matching import Affected, Asked, Fix, fixed_in, mended
from orbitalreg_osv.records import Advisory


@dataclass(frozen=True, slots=True)
class Known:
    """What one record says of one package."""

    advisory: Advisory
    affected: tuple[Affected, ...]
    fixes: tuple[Fix, ...]
    """As `matching.mended`."""

    @classmethod
    def of(cls, advisory: Advisory, affected: Iterable[Affected]) -> Self:
        parts = tuple(affected)
        return cls(advisory, parts, mended(parts))

    def affects(self, asked: Asked) -> bool:
        return any(part.affects(asked) for part in self.affected)

    def finding(self, component: Component, asked: Asked) -> Finding:
        """For a component that is affected; `asked` is its version."""
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
            fixed_in=fixed_in(self.fixes, asked),
            title=about.title,
            links=about.links,
            published_at=about.published_at,
        )

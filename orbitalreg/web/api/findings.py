"""What scanners found in packages: as JSON, or as a document for other programs."""

from typing import Literal

import falcon
from pydantic import Field

from orbitalreg.assembly import Registry
from orbitalreg.exports import EXPORTS
from orbitalreg.inventory import FIRST, Sought
from orbitalreg.model import Right, Severity
from orbitalreg.summaries import Page, SeverityName, VersionFindings
from orbitalreg.web.api.exporting import Exporter
from orbitalreg.web.api.paging import Paging, id_key, page
from orbitalreg.web.api.resource import Kept, RepositoryResource, Sent, caller, operation
from orbitalreg.web.auth import may_read

_SEVERITY = "Only findings that are at least so bad; the versions without one are told all the same."
_EXPOSURES = "Whether what comes with dependencies is told too."
_FORMAT = (
    "`sarif` (2.1.0) and `vex` (CycloneDX 1.6) are one document of everything at that address, "
    "whatever `limit` and `cursor` say."
)
_MEDIA_TYPES = tuple(export.media_type for export in EXPORTS.values())


class Chosen(Sent):
    """Which findings, and as what."""

    severity: SeverityName = Field(default="unknown", description=_SEVERITY)
    format: Literal["json", "sarif", "vex"] = Field(default="json", description=_FORMAT)

    exposures: bool = Field(default=True, description=_EXPOSURES)

    @property
    def sought(self) -> Sought:
        return Sought(Severity.parse(self.severity), self.exposures)


class ChosenPart(Paging, Chosen):
    """Which part of a list, and which findings."""

    limit: int = Field(default=20, ge=1, le=100, description="How many versions at most.")


class FindingsResource(RepositoryResource):
    """What is below `/findings`."""

    def __init__(self, registry: Registry, exporter: Exporter) -> None:
        super().__init__(registry)
        self._exporter = exporter

    def _document(
        self, req: falcon.Request, query: Chosen, package: str | None = None, version: str | None = None
    ) -> Kept:
        """All that the caller may read of the repository, or the package, or the version. Raises `NotFound`."""
        repository = self._repository(req)
        versions = self._inventory(req).whole_findings(
            package, version, query.sought, lambda name: may_read(caller(req), repository, name)
        )
        return self._exporter.document(query.format, repository.address, versions, package, version)


class RepositoryFindings(FindingsResource):
    """`/findings`, of a repository."""

    @operation("GET", Right.READ, Page[VersionFindings], query=ChosenPart, media_types=_MEDIA_TYPES)
    def list(self, req: falcon.Request, query: ChosenPart) -> Page[VersionFindings] | Kept:
        """List what scanners found, version by version, and which files none has looked at, of what you may read."""
        if query.format != "json":
            return self._document(req, query)
        repository, inventory = self._repository(req), self._inventory(req)

        def may_see(package: str) -> bool:
            return may_read(caller(req), repository, package)

        return page(
            query,
            FIRST,
            id_key,
            lambda key, limit: inventory.all_findings(key, limit, query.sought, may_see),
            lambda found: (found.package, found.version),
        )


class PackageFindings(FindingsResource):
    """`/findings`, of a package."""

    @operation("GET", Right.READ, Page[VersionFindings], query=ChosenPart, media_types=_MEDIA_TYPES)
    def list(self, req: falcon.Request, package: str, query: ChosenPart) -> Page[VersionFindings] | Kept:
        """List what scanners found in a package, version by version, and which files none has looked at."""
        if query.format != "json":
            return self._document(req, query, package)
        inventory = self._inventory(req)
        return page(
            query,
            FIRST,
            id_key,
            lambda key, limit: inventory.findings(package, key[1] if key[0] else None, limit, query.sought),
            lambda found: (found.package, found.version),
        )


class VersionFindingsItem(FindingsResource):
    """`/findings`, of a version."""

    @operation("GET", Right.READ, VersionFindings, query=Chosen, media_types=_MEDIA_TYPES)
    def show(self, req: falcon.Request, package: str, version: str, query: Chosen) -> VersionFindings | Kept:
        """Show what scanners found in a version, and which of its files none has looked at."""
        if query.format != "json":
            return self._document(req, query, package, version)
        return self._inventory(req).version_findings(package, version, query.sought)

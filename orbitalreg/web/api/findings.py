"""What scanners found in packages."""

import falcon
from pydantic import Field

from orbitalreg.inventory import FIRST
from orbitalreg.model import Right, Severity
from orbitalreg.summaries import Page, SeverityName, VersionFindings
from orbitalreg.web.api.paging import Paging, id_key, page
from orbitalreg.web.api.resource import RepositoryResource, Sent, caller, operation
from orbitalreg.web.auth import may_read

_SEVERITY = "Only findings that are at least so bad; the versions without one are told all the same."


class Severities(Sent):
    """Which findings."""

    severity: SeverityName = Field(default="unknown", description=_SEVERITY)

    @property
    def at_least(self) -> Severity:
        return Severity.parse(self.severity)


class SomeFindings(Paging, Severities):
    """Which part of a list, and which findings."""

    limit: int = Field(default=20, ge=1, le=100, description="How many versions at most.")


class RepositoryFindings(RepositoryResource):
    """`/findings`, of a repository."""

    @operation("GET", Right.READ, Page[VersionFindings], query=SomeFindings)
    def list(self, req: falcon.Request, query: SomeFindings) -> Page[VersionFindings]:
        """List what scanners found, version by version, and which files none has looked at, of what you may read."""
        repository, inventory = self._repository(req), self._inventory(req)

        def may_see(package: str) -> bool:
            return may_read(caller(req), repository, package)

        return page(
            query,
            FIRST,
            id_key,
            lambda key, limit: inventory.all_findings(key, limit, query.at_least, may_see),
            lambda found: (found.package, found.version),
        )


class PackageFindings(RepositoryResource):
    """`/findings`, of a package."""

    @operation("GET", Right.READ, Page[VersionFindings], query=SomeFindings)
    def list(self, req: falcon.Request, package: str, query: SomeFindings) -> Page[VersionFindings]:
        """List what scanners found in a package, version by version, and which files none has looked at."""
        inventory = self._inventory(req)
        return page(
            query,
            FIRST,
            id_key,
            lambda key, limit: inventory.findings(package, key[1] if key[0] else None, limit, query.at_least),
            lambda found: (found.package, found.version),
        )


class VersionFindingsItem(RepositoryResource):
    """`/findings`, of a version."""

    @operation("GET", Right.READ, VersionFindings, query=Severities)
    def show(self, req: falcon.Request, package: str, version: str, query: Severities) -> VersionFindings:
        """Show what scanners found in a version, and which of its files none has looked at."""
        return self._inventory(req).version_findings(package, version, query.at_least)

"""Packages and their status."""

import falcon
from pydantic import Field

from orbitalreg.model import Right, Status, StatusName
from orbitalreg.summaries import PackageDetail, PackageSummary, Page, StatusSummary
from orbitalreg.web.api.paging import Paging, name_key, page
from orbitalreg.web.api.resource import RepositoryResource, Sent, caller, operation
from orbitalreg.web.auth import actor_of, may_read

PLAIN = r"^[^\x00-\x1f\x7f]*$"
REASON_LENGTH = 1000


class StatusChange(Sent):
    """The part of its life in which a package is."""

    status: StatusName = Field(description="archived takes no uploads, quarantined offers no files either.")
    reason: str | None = Field(
        default=None, max_length=REASON_LENGTH, pattern=PLAIN, description="Shown on the package's page."
    )


class Packages(RepositoryResource):
    """`/packages`."""

    @operation("GET", Right.READ, Page[PackageSummary], query=Paging)
    def list(self, req: falcon.Request, query: Paging) -> Page[PackageSummary]:
        """List the packages that you may read, by name."""
        repository = self._repository(req)
        return page(
            query,
            "",
            name_key,
            self._inventory(req).packages,
            lambda package: package.name,
            lambda package: may_read(caller(req), repository, package.name),
        )


class PackageItem(RepositoryResource):
    """`/packages/{package}`."""

    @operation("GET", Right.READ, PackageDetail)
    def show(self, req: falcon.Request, package: str) -> PackageDetail:
        """Show a package and the names of its versions."""
        return self._inventory(req).package(package)


class PackageStatus(RepositoryResource):
    """`/packages/{package}/status`."""

    @operation("PUT", Right.MAINTAIN, StatusSummary, body=StatusChange)
    def put(self, req: falcon.Request, package: str, body: StatusChange) -> StatusSummary:
        """Say in which part of its life a package is."""
        status = Status(body.status, body.reason)
        self._registry.curator.set_status(self._repository(req), package, status, actor_of(req))
        return StatusSummary(package, status.name, status.reason)

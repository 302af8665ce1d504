"""Packages and their status."""

import falcon
from pydantic import Field

from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.model import Right, Status, StatusName
from orbitalreg.sources.explaining import explain
from orbitalreg.sources.opening import LONGEST, allow
from orbitalreg.summaries import Explanation, Opening, PackageDetail, PackageSummary, Page, Release, StatusSummary
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


class NewException(Sent):
    """A version that is to be opened for a time, over what the repository's rules by time withhold."""

    version: str = Field(max_length=200, pattern=PLAIN, description="In any spelling that its format allows.")
    expires_in: int = Field(ge=1, le=LONGEST, description="For how many seconds from now.")
    reason: str = Field(min_length=1, max_length=REASON_LENGTH, pattern=PLAIN, description="For the audit log.")


class Packages(RepositoryResource):
    """`/packages`."""

    @operation("GET", Right.READ, Page[PackageSummary], query=Paging)
    def list(self, req: falcon.Request, query: Paging) -> Page[PackageSummary]:
        """List the packages that you may read, by name; of an upstream's, those that were asked for before."""
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

    @operation("PUT", Right.MAINTAIN, StatusSummary, body=StatusChange, action="package.status")
    def put(self, req: falcon.Request, package: str, body: StatusChange) -> StatusSummary:
        """Say in which part of its life a package is."""
        status = Status(body.status, body.reason)
        self._registry.curator.set_status(self._repository(req), package, status, actor_of(req))
        return StatusSummary(package, status.name, status.reason)


class PackageExplanation(RepositoryResource):
    """`/packages/{package}/explanation`."""

    @operation("GET", Right.READ, Explanation)
    def show(self, req: falcon.Request, package: str) -> Explanation:
        """Explain, version by version, which member provides it, what hid the others, and what is withheld."""
        source = self._registry.sources.governed[self._repository(req).address]
        return explain(source, package, lambda repository: caller(req).may(Right.ADMIN, repository.address))


class PackageExceptions(RepositoryResource):
    """`/packages/{package}/exceptions`."""

    @operation("POST", Right.MAINTAIN, Opening, body=NewException, action="version.allow")
    def allow(self, req: falcon.Request, package: str, body: NewException) -> Opening:
        """Open one version for a time, over the `min_age` and `freeze` of this repository."""
        repository = self._repository(req)
        adapter = self._registry.formats[repository.format]
        try:
            package, version = adapter.normalize(package), adapter.normalize_version(body.version)
        except InvalidName as error:
            raise NotFound(str(error)) from error
        source = self._registry.sources.governed[repository.address]
        return allow(self._registry.curator, source, package, version, body.expires_in, body.reason, actor_of(req))


class PackageReservation(RepositoryResource):
    """`/packages/{package}/reservation`."""

    @operation("DELETE", Right.MAINTAIN, Release, action="package.release")
    def release(self, req: falcon.Request, package: str) -> Release:
        """Let go of a name that this repository held and has no file of, so that upstreams may serve it."""
        repository = self._repository(req)
        self._registry.curator.release_name(repository, package, actor_of(req))
        return Release(str(repository.address), package)

"""Versions: what there is of a package, yanked or not."""

import falcon
from pydantic import Field

from orbitalreg.inventory import START
from orbitalreg.model import Right
from orbitalreg.summaries import Change, Page, VersionSummary
from orbitalreg.times import microseconds
from orbitalreg.web.api.packages import PLAIN, REASON_LENGTH
from orbitalreg.web.api.paging import Paging, page, time_key
from orbitalreg.web.api.resource import RepositoryResource, Sent, operation
from orbitalreg.web.auth import actor_of


class Yank(Sent):
    """Why a version is to be passed over."""

    reason: str = Field(
        default="", max_length=REASON_LENGTH, pattern=PLAIN, description="What installers tell those who pinned it."
    )


class Versions(RepositoryResource):
    """`/versions`."""

    @operation("GET", Right.READ, Page[VersionSummary], query=Paging)
    def list(self, req: falcon.Request, package: str, query: Paging) -> Page[VersionSummary]:
        """List the versions of a package in the order in which they appeared."""
        inventory = self._inventory(req)
        return page(
            query,
            START,
            time_key,
            lambda key, limit: inventory.versions(package, key, limit),
            lambda version: (microseconds(version.published_at), version.version),
        )


class VersionItem(RepositoryResource):
    """`/versions/{version}`."""

    @operation("GET", Right.READ, VersionSummary)
    def show(self, req: falcon.Request, package: str, version: str) -> VersionSummary:
        """Show a version."""
        return self._inventory(req).version(package, version)

    @operation("DELETE", Right.MAINTAIN, Change, action="file.delete")
    def delete(self, req: falcon.Request, package: str, version: str) -> Change:
        """Delete a version. Its filenames are not used again for other bytes."""
        done = self._registry.curator.delete(self._repository(req), package, version, None, actor_of(req))
        return Change(package, version, [file.filename for file in done])


class VersionYank(RepositoryResource):
    """`/versions/{version}/yank`."""

    @operation("POST", Right.MAINTAIN, Change, body=Yank, action="version.yank")
    def yank(self, req: falcon.Request, package: str, version: str, body: Yank) -> Change:
        """Have installers pass over a version unless it is pinned. Again, it changes the reason."""
        done = self._registry.curator.yank(self._repository(req), package, version, body.reason, actor_of(req))
        return Change(package, version, [file.filename for file in done])

    @operation("DELETE", Right.MAINTAIN, Change, action="version.unyank")
    def unyank(self, req: falcon.Request, package: str, version: str) -> Change:
        """Take a yank back. Without one, nothing changes."""
        done = self._registry.curator.unyank(self._repository(req), package, version, actor_of(req))
        return Change(package, version, [file.filename for file in done])

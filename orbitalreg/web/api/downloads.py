"""How often things were fetched. Counts are written every few seconds: the last of them may be missing."""

import falcon
from pydantic import Field

from orbitalreg.inventory import FIRST
from orbitalreg.model import Right
from orbitalreg.summaries import Downloads, Page, TokenDownloads
from orbitalreg.web.api.paging import Paging, id_key, page
from orbitalreg.web.api.resource import RepositoryResource, Sent, operation


class Span(Sent):
    """Which days."""

    days: int = Field(default=30, ge=1, le=366, description="How many days up to today, UTC, are told one by one.")


class OfVersion(Paging):
    """Which part of a list, and of which version."""

    version: str | None = Field(
        default=None, max_length=200, description="Of this version alone, in any spelling that its format allows."
    )


class PackageDownloads(RepositoryResource):
    """`/downloads`, of a package, a version or a file."""

    @operation("GET", Right.READ, Downloads, query=Span)
    def show(
        self,
        req: falcon.Request,
        package: str,
        query: Span,
        version: str | None = None,
        filename: str | None = None,
    ) -> Downloads:
        """Count the downloads of what is there now: ever, and by day. Days without one are left out."""
        return self._inventory(req).downloads(package, version, filename, query.days)


class DownloadsByToken(RepositoryResource):
    """`/downloads/tokens`."""

    @operation("GET", Right.MAINTAIN, Page[TokenDownloads], query=OfVersion)
    def list(self, req: falcon.Request, package: str, query: OfVersion) -> Page[TokenDownloads]:
        """List which tokens fetched which files: of what is held here, and of what an upstream took back."""
        version = self._normal_version(req, query.version)
        inventory = self._inventory(req)
        return page(
            query,
            FIRST,
            id_key,
            lambda key, limit: inventory.downloads_by_token(package, version, key, limit),
            lambda found: (found.file_id, found.token or ""),
        )

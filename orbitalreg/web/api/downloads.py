"""How often things were fetched. Counts are written every few seconds: the last of them may be missing."""

import falcon
from pydantic import Field

from orbitalreg.model import Right
from orbitalreg.summaries import Downloads
from orbitalreg.web.api.resource import RepositoryResource, Sent, operation


class Span(Sent):
    """Which days."""

    days: int = Field(default=30, ge=1, le=366, description="How many days up to today, UTC, are told one by one.")


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

"""Files."""

from dataclasses import replace

import falcon

from orbitalreg.inventory import START
from orbitalreg.model import Right
from orbitalreg.summaries import Change, FileSummary, Page
from orbitalreg.times import microseconds
from orbitalreg.web.api.paging import Paging, page, time_key
from orbitalreg.web.api.resource import RepositoryResource, caller, operation
from orbitalreg.web.auth import actor_of


class Files(RepositoryResource):
    """`/files`, of a package or of a version."""

    @operation("GET", Right.READ, Page[FileSummary], query=Paging)
    def list(self, req: falcon.Request, package: str, query: Paging, version: str | None = None) -> Page[FileSummary]:
        """List files in the order in which they were published."""
        inventory = self._inventory(req)
        found = page(
            query,
            START,
            time_key,
            lambda key, limit: inventory.files(package, version, key, limit),
            lambda file: (microseconds(file.published_at), file.id),
        )
        return Page([_shown(req, file) for file in found.items], found.next)


class FileItem(RepositoryResource):
    """`/files/{filename}`."""

    @operation("GET", Right.READ, FileSummary)
    def show(self, req: falcon.Request, package: str, version: str, filename: str) -> FileSummary:
        """Show a file."""
        return _shown(req, self._inventory(req).file(package, version, filename))

    @operation("DELETE", Right.MAINTAIN, Change, action="file.delete")
    def delete(self, req: falcon.Request, package: str, version: str, filename: str) -> Change:
        """Delete one file of a version. Its name is not used again for other bytes."""
        done = self._registry.curator.delete(self._repository(req), package, version, filename, actor_of(req))
        return Change(package, version, [file.filename for file in done])


def _shown(req: falcon.Request, file: FileSummary) -> FileSummary:
    """Names of accounts are not for everybody."""
    return replace(file, published_by=None, published_from=None) if caller(req).is_anonymous else file

"""Repositories."""

import falcon

from orbitalreg.model import Repository, Right
from orbitalreg.summaries import Page, RepositorySummary
from orbitalreg.web.api.paging import Paging, name_key, page
from orbitalreg.web.api.resource import ProjectResource, RepositoryResource, caller, operation
from orbitalreg.web.auth import sees


class Repositories(ProjectResource):
    """`/repositories`."""

    @operation("GET", Right.READ, Page[RepositorySummary], query=Paging)
    def list(self, req: falcon.Request, query: Paging) -> Page[RepositorySummary]:
        """List the project's repositories in which you may read something, by name."""
        seen = [_summary(found) for found in req.context.target.repositories if sees(caller(req), found)]

        def after(name: str, limit: int) -> list[RepositorySummary]:
            return [repository for repository in seen if repository.name > name][:limit]

        return page(query, "", name_key, after, lambda repository: repository.name)


class RepositoryItem(RepositoryResource):
    """`/repositories/{repository}`."""

    @operation("GET", Right.READ, RepositorySummary)
    def show(self, req: falcon.Request) -> RepositorySummary:
        """Show a repository."""
        return _summary(self._repository(req))


def _summary(found: Repository) -> RepositorySummary:
    address = found.address
    return RepositorySummary(address.project, address.repository, found.format, found.kind, found.anonymous_read)

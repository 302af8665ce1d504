"""Projects."""

import falcon

from orbitalreg.assembly import Registry
from orbitalreg.model import Right
from orbitalreg.summaries import Page, ProjectSummary
from orbitalreg.web.api.paging import Paging, name_key, page
from orbitalreg.web.api.resource import ApiResource, ProjectResource, caller, operation
from orbitalreg.web.auth import Access, sees


class Projects(ApiResource):
    """`/projects`."""

    @operation("GET", Access.PUBLIC, Page[ProjectSummary], query=Paging)
    def list(self, req: falcon.Request, query: Paging) -> Page[ProjectSummary]:
        """List the projects in which you may read something, by name."""
        seen = _seen(self._registry, req)

        def after(name: str, limit: int) -> list[ProjectSummary]:
            return [ProjectSummary(project) for project in seen if project > name][:limit]

        return page(query, "", name_key, after, lambda project: project.name)


class ProjectItem(ProjectResource):
    """`/projects/{project}`."""

    @operation("GET", Right.READ, ProjectSummary)
    def show(self, req: falcon.Request) -> ProjectSummary:
        """Show a project."""
        return ProjectSummary(req.context.target.project)


def _seen(registry: Registry, req: falcon.Request) -> list[str]:
    found = (address.project for address, repository in registry.repositories.items() if sees(caller(req), repository))
    return sorted(set(found))

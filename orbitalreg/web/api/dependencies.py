"""What versions bring along, who asks for a package, and whom a vulnerability hits."""

from typing import Literal

import falcon
from pydantic import Field

from orbitalreg.exports.graphs import DRAWINGS, POLICY
from orbitalreg.graph.trees import DEPTH, NODES
from orbitalreg.inventory.dependencies import dependent_key, download_key, hit_key
from orbitalreg.model import Right
from orbitalreg.summaries import Affected, Dependent, Page, TokenDownloads, VersionGraph
from orbitalreg.web.api.downloads import Span
from orbitalreg.web.api.paging import START, Paging, page, part, texts_key
from orbitalreg.web.api.resource import Drawn, RepositoryResource, Sent, caller, operation
from orbitalreg.web.auth import may_read

_MEDIA_TYPES = tuple(media_type for _, media_type in DRAWINGS.values())
_FORMAT = "`svg` is a picture, `dot` the language of Graphviz."


class Shape(Sent):
    """How much of a graph, and as what."""

    format: Literal["json", "svg", "dot"] = Field(default="json", description=_FORMAT)
    environment: str | None = Field(default=None, max_length=200, description="Of this environment alone.")
    depth: int = Field(default=DEPTH, ge=1, le=DEPTH, description="How many steps from the version at most.")
    limit: int = Field(default=NODES, ge=1, le=1000, description="How many versions at most, the nearest first.")


class Asked(Paging):
    """Which part of a list of dependents, and of what."""

    version: str | None = Field(
        default=None, max_length=200, description="Of this version alone, in any spelling that its format allows."
    )
    transitive: bool = Field(default=False, description="Also those that get it by others, each version once.")


class Vulnerable(Paging):
    """Which part of a list, and of what is hit by which vulnerability."""

    vulnerability: str = Field(min_length=1, max_length=100, description="Its id: CVE, GHSA or any other.")


class Fetched(Vulnerable, Span):
    """Which part of a list of downloads: of what is hit by which vulnerability, and of which days."""


class VersionGraphItem(RepositoryResource):
    """`/graph`, of a version."""

    @operation(
        "GET",
        Right.READ,
        VersionGraph,
        query=Shape,
        media_types=_MEDIA_TYPES,
    )
    def show(self, req: falcon.Request, package: str, version: str, query: Shape) -> VersionGraph | Drawn:
        """Show what a version brings along: what installers would choose today, and what is wrong with it."""
        dependencies = self._inventory(req).dependencies
        graph = dependencies.tree(package, version, query.environment, query.depth, query.limit)
        if query.format == "json":
            return graph
        draw, media_type = DRAWINGS[query.format]
        return Drawn(draw(graph), media_type, POLICY)


class PackageDependents(RepositoryResource):
    """`/dependents`, of a package."""

    @operation("GET", Right.READ, Page[Dependent], query=Asked)
    def list(self, req: falcon.Request, package: str, query: Asked) -> Page[Dependent]:
        """List which versions ask for a package, of those that you may read, and what installers would choose."""
        repository = self._repository(req)
        version = self._normal_version(req, query.version)
        found = self._inventory(req).dependencies.dependents(package, version, query.transitive)
        return part(query, [one for one in found if may_read(caller(req), repository, one.package)], dependent_key)


class RepositoryAffected(RepositoryResource):
    """`/affected`, of a repository."""

    @operation("GET", Right.READ, Page[Affected], query=Vulnerable)
    def list(self, req: falcon.Request, query: Vulnerable) -> Page[Affected]:
        """List whom a vulnerability hits, of what you may read: what has it, and what gets it by its dependencies."""
        repository = self._repository(req)
        dependencies = self._inventory(req).dependencies
        hits = [one for one in dependencies.hits(query.vulnerability) if may_read(caller(req), repository, one.package)]
        chosen = part(query, hits, hit_key)
        return Page([dependencies.affected(hit) for hit in chosen.items], chosen.next)


class AffectedDownloads(RepositoryResource):
    """`/affected/downloads`, of a repository."""

    @operation("GET", Right.MAINTAIN, Page[TokenDownloads], query=Fetched)
    def list(self, req: falcon.Request, query: Fetched) -> Page[TokenDownloads]:
        """List which tokens fetched files of what a vulnerability hits, of the packages that you maintain."""
        address, dependencies = self._repository(req).address, self._inventory(req).dependencies
        return page(
            query,
            START,
            texts_key,
            lambda key, limit: dependencies.hit_downloads(query.vulnerability, query.days, key, limit),
            download_key,
            lambda found: caller(req).may(Right.MAINTAIN, address, found.package),
        )

"""Vulnerabilities that come with dependencies, read from the graphs in the catalog.

In a graph every requirement of a version leads to what an installer would choose for it today. A version is *exposed*
to what the versions are affected by that can be reached so, with the extras that are asked for on the way.
"""

from collections.abc import Mapping

from orbitalreg.catalog import Catalog
from orbitalreg.findings import Exposure


class KnownExposures:
    """Thread-safe. Every call sees every commit before it; asks no upstream, and judges nothing anew."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def revision(self, repository_id: str, package: str) -> str:
        """Changes whenever `of` may. One small query."""
        raise NotImplementedError

    def of(self, repository_id: str, package: str) -> Mapping[str, tuple[Exposure, ...]]:
        """In the view of a repository, by version of the package in normal form, the worst first.

        A version that is affected itself by what a dependency brings too is exposed to it all the same.
        """
        raise NotImplementedError

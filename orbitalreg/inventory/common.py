"""What is told of a repository whatever its kind."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

from orbitalreg.catalog import Catalog, downloads
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Address, Microseconds
from orbitalreg.summaries import (
    DayCount,
    Downloads,
    FileSummary,
    PackageDetail,
    PackageSummary,
    TokenDownloads,
    VersionSummary,
    at,
)

TimeKey = tuple[Microseconds, str]
IdKey = tuple[str, str]

START: TimeKey = (-(1 << 62), "")
FIRST: IdKey = ("", "")
EVERYTHING = 1 << 30
ANONYMOUS = "anonymous"


class Inventory(ABC):
    """The things of one repository. Made for each request; every call sees every commit before it.

    Names and versions are in normal form. Each method raises `UpstreamFailed` too, but for `packages` and
    `downloads_by_token`, which ask nobody.
    """

    def __init__(self, catalog: Catalog, adapter: FormatAdapter) -> None:
        self._catalog = catalog
        self._adapter = adapter

    @property
    @abstractmethod
    def holders(self) -> Mapping[str, Address]:
        """The local and remote repositories whose files are shown here, by their ids."""

    @abstractmethod
    def packages(self, after: str = "", limit: int = EVERYTHING) -> list[PackageSummary]:
        """Those whose names come after `after`, in byte order. Of an upstream's packages, those asked for before."""

    @abstractmethod
    def package(self, name: str) -> PackageDetail:
        """Raises `NotFound`."""

    @abstractmethod
    def versions(self, package: str, after: TimeKey = START, limit: int = EVERYTHING) -> list[VersionSummary]:
        """Those after (published at, version), in the order in which they appeared. Raises `NotFound`."""

    @abstractmethod
    def version(self, package: str, version: str) -> VersionSummary:
        """Raises `NotFound`."""

    @abstractmethod
    def files(
        self, package: str, version: str | None = None, after: TimeKey = START, limit: int = EVERYTHING
    ) -> list[FileSummary]:
        """Those after (published at, id), oldest first. Raises `NotFound`, for a `version` that is not there too."""

    @abstractmethod
    def file(self, package: str, version: str, filename: str) -> FileSummary:
        """Raises `NotFound`."""

    @abstractmethod
    def downloads(self, package: str, version: str | None, filename: str | None, days: int) -> Downloads:
        """Of a package, one version or one file; by day for the last so many, today's included. Raises `NotFound`."""

    def downloads_by_token(
        self, package: str, version: str | None = None, after: IdKey = FIRST, limit: int = EVERYTHING
    ) -> list[TokenDownloads]:
        """Who fetched what, after (file id, token id): files held here, and those that an upstream took back."""
        db, holders = self._catalog.read(), self.holders
        spelt = None
        if version is not None:
            known = downloads.known_versions(db, list(holders), package)
            spelt = [other for other in known if self._is_same(other, version)]
        rows = downloads.by_token_after(db, list(holders), package, spelt, after, limit)
        return [
            TokenDownloads(
                str(holders[row.repository_id]),
                package,
                row.version,
                row.filename,
                row.file_id,
                row.sha256,
                row.recalled,
                None if row.recalled_at is None else at(row.recalled_at),
                row.token_id or None,
                row.token_name,
                row.account or ANONYMOUS,
                row.count,
                date.fromisoformat(row.first_day),
                date.fromisoformat(row.last_day),
            )
            for row in rows
        ]

    def _is_same(self, known: str, version: str) -> bool:
        """Whether they are spellings of one version. One that an upstream's filename does not tell is none."""
        if not known:
            return False
        try:
            return bool(self._adapter.version_key(known) == self._adapter.version_key(version))
        except ValueError:
            return False


def since(days: int) -> str:
    """The first of the last `days` days (`2026-01-31`, UTC), today's included."""
    return (datetime.now(UTC).date() - timedelta(days=days - 1)).isoformat()


def counted(total: int, by_day: Iterable[tuple[str, int]]) -> Downloads:
    return Downloads(total, [DayCount(date.fromisoformat(day), count) for day, count in by_day])

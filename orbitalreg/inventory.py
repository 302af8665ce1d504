"""What one repository holds, told page by page: what the API and the command line show of it.

Every list takes the key of the last thing told, and goes on after it: a key never changes while its thing exists, so
that what is published or deleted meanwhile makes nobody miss what was there before.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from orbitalreg.catalog import Catalog, downloads, files, versions
from orbitalreg.errors import NotFound
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import File, Microseconds
from orbitalreg.sources import LocalSource
from orbitalreg.summaries import (
    DayCount,
    Downloads,
    FileSummary,
    PackageDetail,
    PackageSummary,
    RepositorySummary,
    VersionSummary,
    at,
)

TimeKey = tuple[Microseconds, str]

START: TimeKey = versions.START
EVERYTHING = 1 << 30


class Inventory:
    """The things of one repository. Made for each request; every call sees every commit before it."""

    def __init__(self, catalog: Catalog, source: LocalSource, adapter: FormatAdapter) -> None:
        self._catalog = catalog
        self._source = source
        self._adapter = adapter

    def repository(self) -> RepositorySummary:
        found = self._source.repository
        address = found.address
        return RepositorySummary(address.project, address.repository, found.format, found.kind, found.anonymous_read)

    def packages(self, after: str = "", limit: int = EVERYTHING) -> list[PackageSummary]:
        """Those whose names come after `after`, in byte order."""
        rows = self._source.packages_after(after, limit)
        counts = versions.file_counts(self._catalog.read(), [row.id for row in rows if row.status.offers_files])
        return [
            PackageSummary(
                row.name,
                row.status.name,
                row.status.reason,
                max(shown, key=self._adapter.version_key, default=None),
                len(shown),
                sum(shown.values()),
            )
            for row in rows
            for shown in [counts.get(row.id, {})]
        ]

    def package(self, name: str) -> PackageDetail:
        """Raises `NotFound`."""
        row = self._source.package(name)
        shown = versions.file_counts(self._catalog.read(), [row.id])[row.id] if row.status.offers_files else {}
        ordered = sorted(shown, key=self._adapter.version_key)
        newest = ordered[-1] if ordered else None
        return PackageDetail(
            row.name, row.status.name, row.status.reason, newest, len(ordered), sum(shown.values()), ordered
        )

    def versions(self, package: str, after: TimeKey = START, limit: int = EVERYTHING) -> list[VersionSummary]:
        """Those after (published at, version), in the order in which they appeared. Raises `NotFound`."""
        return [_version(row) for row in self._source.versions_after(package, after, limit)]

    def version(self, package: str, version: str) -> VersionSummary:
        """Raises `NotFound`."""
        return _version(self._source.version(package, version))

    def files(
        self, package: str, version: str | None = None, after: TimeKey = START, limit: int = EVERYTHING
    ) -> list[FileSummary]:
        """Those after (published at, id), oldest first. Raises `NotFound`, for a `version` that is not there too."""
        if version is not None:
            self._source.version(package, version)
        return self._files(self._source.files_after(package, version, after, limit))

    def file(self, package: str, version: str, filename: str) -> FileSummary:
        """Raises `NotFound`."""
        file = self._source.file(package, filename)
        if file.version != version:
            raise NotFound(f"{self._source.repository.address}/{package}=={version} has no file {filename!a}")
        return self._files([file])[0]

    def downloads(self, package: str, version: str | None, filename: str | None, days: int) -> Downloads:
        """Of a package, one version or one file; by day for the last so many, today's included. Raises `NotFound`."""
        row = self._source.package(package)
        if filename is not None and version is not None:
            self.file(package, version, filename)
        elif version is not None:
            self._source.version(package, version)
        db = self._catalog.read()
        since = (datetime.now(UTC).date() - timedelta(days=days - 1)).isoformat()
        return Downloads(
            downloads.total(db, row.id, version, filename),
            [
                DayCount(date.fromisoformat(day), count)
                for day, count in downloads.by_day(db, row.id, version, filename, since)
            ],
        )

    def _files(self, chosen: Sequence[File]) -> list[FileSummary]:
        db, ids = self._catalog.read(), [file.id for file in chosen]
        counts, publishers = downloads.of_files(db, ids), files.uploaders(db, ids)
        return [
            FileSummary(
                file.id,
                file.filename,
                file.version,
                file.size,
                file.sha256,
                at(file.uploaded_at),
                publishers.get(file.id),
                counts.get(file.id, 0),
                file.yanked,
                list(file.requirements),
            )
            for file in chosen
        ]


def _version(row: versions.VersionRow) -> VersionSummary:
    yanked = (row.reason or "") if row.yanked_count == row.file_count else None
    return VersionSummary(row.version, at(row.published_at), row.file_count, row.size, yanked)

"""The inventory of a local repository: rows, asked for by their keys."""

from collections.abc import Collection, Mapping, Sequence

from orbitalreg.catalog import Catalog, downloads, files, versions
from orbitalreg.errors import NotFound
from orbitalreg.graph.views import View
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.inventory.common import EVERYTHING, START, Inventory, TimeKey, counted
from orbitalreg.inventory.dependencies import since
from orbitalreg.model import Address, File
from orbitalreg.sources import LocalSource
from orbitalreg.summaries import Downloads, FileSummary, PackageDetail, PackageSummary, VersionSummary
from orbitalreg.times import at


class LocalInventory(Inventory):
    """`Inventory` over the catalog."""

    def __init__(
        self,
        catalog: Catalog,
        source: LocalSource,
        adapter: FormatAdapter,
        judges: Collection[str],
        views: Sequence[View],
    ) -> None:
        super().__init__(catalog, adapter, source.repository, judges, views)
        self._source = source

    @property
    def holders(self) -> Mapping[str, Address]:
        return {self._source.repository.id: self._source.repository.address}

    def names(self, after: str = "", limit: int = EVERYTHING) -> list[str]:
        return [row.name for row in self._source.packages_after(after, limit)]

    def held(self, package: str) -> Sequence[File]:
        return self._source.listing(package).files

    def packages(self, after: str = "", limit: int = EVERYTHING) -> list[PackageSummary]:
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
        row = self._source.package(name)
        shown = versions.file_counts(self._catalog.read(), [row.id])[row.id] if row.status.offers_files else {}
        ordered = sorted(shown, key=self._adapter.version_key)
        newest = ordered[-1] if ordered else None
        return PackageDetail(
            row.name, row.status.name, row.status.reason, newest, len(ordered), sum(shown.values()), ordered
        )

    def versions(self, package: str, after: TimeKey = START, limit: int = EVERYTHING) -> list[VersionSummary]:
        return [_version(row) for row in self._source.versions_after(package, after, limit)]

    def version(self, package: str, version: str) -> VersionSummary:
        return _version(self._source.version(package, version))

    def files(
        self, package: str, version: str | None = None, after: TimeKey = START, limit: int = EVERYTHING
    ) -> list[FileSummary]:
        if version is not None:
            self._source.version(package, version)
        return self._files(self._source.files_after(package, version, after, limit))

    def file(self, package: str, version: str, filename: str) -> FileSummary:
        file = self._source.file(package, filename)
        if file.version != version:
            raise NotFound(f"{self._source.repository.address}/{package}=={version} has no file {filename!r}")
        return self._files([file])[0]

    def downloads(self, package: str, version: str | None, filename: str | None, days: int) -> Downloads:
        row = self._source.package(package)
        if filename is not None and version is not None:
            self.file(package, version, filename)
        elif version is not None:
            self._source.version(package, version)
        db = self._catalog.read()
        return counted(
            downloads.total(db, row.id, version, filename),
            downloads.by_day(db, row.id, version, filename, since(days)),
        )

    def _files(self, chosen: Sequence[File]) -> list[FileSummary]:
        db, ids = self._catalog.read(), [file.id for file in chosen]
        counts, publishers = downloads.of_files(db, ids), files.publishers(db, ids)
        said = self._report_summaries(chosen)
        return [
            FileSummary(
                file.id,
                file.filename,
                file.version,
                file.size,
                file.sha256,
                at(file.uploaded_at),
                publishers[file.id].account if file.id in publishers else None,
                publishers[file.id].origin if file.id in publishers else None,
                counts.get(file.id, 0),
                file.yanked,
                list(file.requirements),
                str(self._source.repository.address),
                None,
                said[file.id],
            )
            for file in chosen
        ]


def _version(row: versions.VersionRow) -> VersionSummary:
    yanked = (row.reason or "") if row.yanked_count == row.file_count else None
    return VersionSummary(row.version, at(row.published_at), row.file_count, row.size, yanked, 0)

"""The inventory of a remote or virtual repository: what its source shows, and what that says it withholds."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from orbitalreg.catalog import Catalog, downloads, files
from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.graph.views import View
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.inventory.common import EVERYTHING, START, Inventory, TimeKey, counted
from orbitalreg.inventory.dependencies import since
from orbitalreg.model import Address, File, Kind, Status, Withholding
from orbitalreg.sources import GovernedSource
from orbitalreg.sources.patience import asking_nobody
from orbitalreg.sources.virtual import VirtualSource
from orbitalreg.summaries import Downloads, FileSummary, PackageDetail, PackageSummary, VersionSummary, WithheldSummary
from orbitalreg.times import at, at_or_none


@dataclass(frozen=True, slots=True)
class _Package:
    """A package as it is shown: `files` are those offered and those in `withheld`."""

    status: Status
    files: Sequence[File]
    withheld: Mapping[str, Withholding]

    @property
    def offered(self) -> Iterator[File]:
        return (file for file in self.files if file.filename not in self.withheld)


class ShownInventory(Inventory):
    """`Inventory` over a source, and the catalog for what the source does not tell."""

    def __init__(self, catalog: Catalog, source: GovernedSource, adapter: FormatAdapter, views: Sequence[View]) -> None:
        super().__init__(catalog, adapter, source.repository, source.judges, views)
        self._source = source
        raw = source.raw
        leaves = [leaf.repository for leaf in (raw.leaves if isinstance(raw, VirtualSource) else [raw])]
        self._holders = {leaf.id: leaf.address for leaf in leaves}
        self._local = frozenset(leaf.id for leaf in leaves if leaf.kind is Kind.LOCAL)

    @property
    def holders(self) -> Mapping[str, Address]:
        return self._holders

    def names(self, after: str = "", limit: int = EVERYTHING) -> list[str]:
        with asking_nobody():
            names = self._source.names()
        place = bisect_right(names, after)
        return list(names[place : place + limit])

    def held(self, package: str) -> Sequence[File]:
        return self._package(package).files

    def packages(self, after: str = "", limit: int = EVERYTHING) -> list[PackageSummary]:
        found: list[PackageSummary] = []
        with asking_nobody():
            names = self._source.names()
            for place in range(bisect_right(names, after), len(names)):
                if len(found) == limit:
                    break
                with suppress(NotFound):  # it went away just now
                    found.append(self._summary(names[place]))
        return found

    def package(self, name: str) -> PackageDetail:
        shown = self._package(name)
        told, ordered = self._told(name, shown), self._ordered(shown)
        return PackageDetail(
            told.name, told.status, told.reason, told.newest, told.version_count, told.file_count, ordered
        )

    def versions(self, package: str, after: TimeKey = START, limit: int = EVERYTHING) -> list[VersionSummary]:
        shown = self._package(package)
        groups = {_version_key(chosen): chosen for chosen in self._by_version(shown.files).values()}
        later = sorted(key for key in groups if key > after)
        return [self._version(shown, groups[key]) for key in later[:limit]]

    def version(self, package: str, version: str) -> VersionSummary:
        shown = self._package(package)
        return self._version(shown, self._of_version(package, shown, version))

    def files(
        self, package: str, version: str | None = None, after: TimeKey = START, limit: int = EVERYTHING
    ) -> list[FileSummary]:
        shown = self._package(package)
        chosen = shown.files if version is None else self._of_version(package, shown, version)
        later = sorted((file for file in chosen if _key(file) > after), key=_key)
        return self._files(shown, later[:limit])

    def file(self, package: str, version: str, filename: str) -> FileSummary:
        shown = self._package(package)
        chosen = [file for file in self._of_version(package, shown, version) if file.filename == filename]
        if not chosen:
            raise NotFound(f"{self._source.repository.address}/{package}=={version} has no file {filename}")
        return self._files(shown, chosen)[0]

    def downloads(self, package: str, version: str | None, filename: str | None, days: int) -> Downloads:
        shown = self._package(package)
        chosen = shown.files if version is None else self._of_version(package, shown, version)
        if filename is not None and version is not None:
            chosen = [file for file in chosen if file.filename == filename]
            if not chosen:
                raise NotFound(f"{self._source.repository.address}/{package}=={version} has no file {filename}")
        db, ids = self._catalog.read(), [file.id for file in chosen]
        return counted(
            sum(downloads.of_files(db, ids).values()),
            downloads.of_files_by_day(db, ids, since(days)),
        )

    def _package(self, name: str) -> _Package:
        """Raises `NotFound`."""
        listing = self._source.listing(name)
        offered = {file.filename: file for file in listing.files}
        held = [file for file in self._source.raw.listing(name).files if file.filename in listing.withheld]
        withheld = {file.filename: listing.withheld[file.filename] for file in held if file.filename not in offered}
        return _Package(listing.status, [*listing.files, *held], withheld)

    def _summary(self, name: str) -> PackageSummary:
        listing = self._source.listing(name)
        return self._told(name, _Package(listing.status, listing.files, {}))

    def _told(self, name: str, shown: _Package) -> PackageSummary:
        ordered, count = self._ordered(shown), sum(1 for _ in shown.offered)
        newest = ordered[-1] if ordered else None
        return PackageSummary(name, shown.status.name, shown.status.reason, newest, len(ordered), count)

    def _ordered(self, shown: _Package) -> list[str]:
        """The versions offered, in their format's order."""
        found = self._by_version(shown.files)
        offered = self._by_version(shown.offered)
        return [_spelt(found[key]) for key in sorted(offered)]

    def _by_version(self, files: Iterable[File]) -> dict[Any, list[File]]:
        """By the key of their version, which its spellings share; those whose name tells none are left out."""
        found: dict[Any, list[File]] = {}
        for file in files:
            if file.version:
                found.setdefault(self._adapter.version_key(file.version), []).append(file)
        return found

    def _of_version(self, package: str, shown: _Package, version: str) -> list[File]:
        """Raises `NotFound`."""
        with suppress(InvalidName):
            key = self._adapter.version_key(self._adapter.normalize_version(version))
            if found := self._by_version(shown.files).get(key):
                return found
        raise NotFound(f"{self._source.repository.address} has no {package}=={version}")

    def _version(self, shown: _Package, chosen: Sequence[File]) -> VersionSummary:
        offered = [file for file in chosen if file.filename not in shown.withheld]
        sizes = [file.size for file in offered]
        reasons = [file.yanked for file in offered or chosen]
        return VersionSummary(
            _spelt(chosen),
            at(_version_key(chosen)[0]),
            len(offered),
            None if None in sizes else sum(size or 0 for size in sizes),
            None if None in reasons else max(reason or "" for reason in reasons),
            len(chosen) - len(offered),
        )

    def _files(self, shown: _Package, chosen: Sequence[File]) -> list[FileSummary]:
        db = self._catalog.read()
        counts = downloads.of_files(db, [file.id for file in chosen])
        publishers = files.publishers(db, [file.id for file in chosen if file.holder in self._local])
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
                str(self._holders[file.holder]),
                _withheld(file, shown.withheld.get(file.filename)),
                said[file.id],
            )
            for file in chosen
        ]


def _key(file: File) -> TimeKey:
    return file.uploaded_at, file.id


def _version_key(chosen: Sequence[File]) -> TimeKey:
    return min(file.uploaded_at for file in chosen), _spelt(chosen)


def _spelt(chosen: Sequence[File]) -> str:
    """One of the spellings of a version, the same whatever is withheld."""
    return min(file.version for file in chosen)


def _withheld(file: File, why: Withholding | None) -> WithheldSummary | None:
    return None if why is None else WithheldSummary(file.filename, why.by, why.reason, at_or_none(why.until))

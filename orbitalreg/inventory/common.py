"""What is told of a repository whatever its kind."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import cached_property
from itertools import islice

from orbitalreg.catalog import Catalog, downloads, reports
from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.graph.views import View
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.inventory.dependencies import ALL, Dependencies, Sought, told_of_tokens
from orbitalreg.inventory.findings import Said, by_version, detail, said_of, summary, version_findings
from orbitalreg.model import Address, File, Microseconds, Repository
from orbitalreg.sources.patience import asking_nobody
from orbitalreg.summaries import (
    DayCount,
    Downloads,
    FileReports,
    FileSummary,
    PackageDetail,
    PackageSummary,
    ReportSummary,
    TokenDownloads,
    VersionFindings,
    VersionSummary,
)

TimeKey = tuple[Microseconds, str]
IdKey = tuple[str, str]

START: TimeKey = (-(1 << 62), "")
FIRST: IdKey = ("", "")
EVERYTHING = 1 << 30
_NAMES = 100
"""As many packages' names are read at a time."""
_PART = 100
"""As many versions' findings are read at a time."""
_AT_ONCE = 25
"""As many of one package."""
SBOMS = ("cyclonedx", "spdx")
"""The kinds of documents of scanners that are bills of materials."""


class Inventory(ABC):
    """The things of one repository. Made for each request; every call sees every commit before it.

    Names and versions are in normal form. Each method raises `UpstreamFailed` too, but for `names`, `packages`,
    `all_findings` and `downloads_by_token`, which ask nobody.
    """

    def __init__(
        self,
        catalog: Catalog,
        adapter: FormatAdapter,
        repository: Repository,
        judges: Collection[str],
        views: Sequence[View],
    ) -> None:
        """`judges` are the scanners whose word on mere versions counts, `views` what the repository's graphs show."""
        self._catalog = catalog
        self._adapter = adapter
        self._repository = repository
        self._address = repository.address
        self._judges = judges
        self._views = views

    @property
    @abstractmethod
    def holders(self) -> Mapping[str, Address]:
        """The local and remote repositories whose files are shown here, by their ids."""

    @abstractmethod
    def names(self, after: str = "", limit: int = EVERYTHING) -> Sequence[str]:
        """Of the same packages as `packages`, in the same order."""

    @abstractmethod
    def held(self, package: str) -> Sequence[File]:
        """Its files, those that are withheld too. Raises `NotFound`."""

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
        return [told_of_tokens(row, package, holders) for row in rows]

    def all_findings(
        self,
        after: IdKey = FIRST,
        limit: int = EVERYTHING,
        sought: Sought = ALL,
        may_see: Callable[[str], bool] = lambda package: True,
    ) -> list[VersionFindings]:
        """Of every package that the caller `may_see`, version by version, after (package, version) in byte order."""
        with asking_nobody():
            return list(islice(self._each_version(after, sought, may_see), limit))

    def findings(
        self, package: str, after: str | None = None, limit: int = EVERYTHING, sought: Sought = ALL
    ) -> list[VersionFindings]:
        """Of a package, version by version, after the version `after` in byte order. Raises `NotFound`."""
        found = by_version(self._adapter, self.held(package))
        chosen = sorted(version for version in found if after is None or version > after)[:limit]
        said = self._said_of([file for one in chosen for file in found[one]])
        exposed = self.dependencies.exposures(package, chosen, sought)
        return [
            version_findings(
                self._adapter,
                package,
                version,
                {file.filename: said[file.id] for file in found[version]},
                exposed.get(version, ()),
                sought.at_least,
            )
            for version in chosen
        ]

    def version_findings(self, package: str, version: str, sought: Sought = ALL) -> VersionFindings:
        """Raises `NotFound`."""
        files = self._held_of_version(package, version)
        said = self._said_of(files)
        by_filename = {file.filename: said[file.id] for file in files}
        spelt = min(file.version for file in files)
        exposed = self.dependencies.exposures(package, [spelt], sought).get(spelt, ())
        return version_findings(self._adapter, package, spelt, by_filename, exposed, sought.at_least)

    def whole_findings(
        self,
        package: str | None = None,
        version: str | None = None,
        sought: Sought = ALL,
        may_see: Callable[[str], bool] = lambda package: True,
    ) -> Iterator[VersionFindings]:
        """Of a package, of one version, or without either of all that `all_findings` has, which is read in parts.

        Raises `NotFound`.
        """
        if package is None:
            after = FIRST
            while some := self.all_findings(after, _PART, sought, may_see):
                yield from some
                after = (some[-1].package, some[-1].version)
        elif version is None:
            yield from self._versions_of(package, None, sought)
        else:
            yield self.version_findings(package, version, sought)

    def reports(self, package: str, version: str, filename: str) -> FileReports:
        """What each scanner said last of a file. Raises `NotFound`."""
        db, file = self._catalog.read(), self._held_file(package, version, filename)
        said = self._said_of([file])[file.id]
        raw = {scanner for one in said if reports.raw_digest(db, file.id, scanner := one.report.scanner)}
        kinds = {row.kind for row in reports.documents(db, file.id)}
        return FileReports(
            file.filename,
            file.version,
            file.sha256,
            [detail(one, one.report.scanner in raw) for one in said],
            [kind for kind in SBOMS if kind in kinds],
        )

    def raw_report(self, package: str, version: str, filename: str, scanner: str) -> str:
        """The digest of what the scanner's tool put out, which is a blob packed by gzip. Raises `NotFound`."""
        file = self._held_file(package, version, filename)
        digest = reports.raw_digest(self._catalog.read(), file.id, scanner)
        if digest is None:
            raise NotFound(f"there is no output of {scanner} on {file.filename}")
        return digest

    def sbom(self, package: str, version: str, filename: str, kind: str) -> str:
        """The digest of the file's bill of materials of a kind in `SBOMS`, which is a blob. Raises `NotFound`."""
        file = self._held_file(package, version, filename)
        for row in reports.documents(self._catalog.read(), file.id):
            if row.kind == kind:
                return row.sha256
        raise NotFound(f"no scanner has left a bill of materials ({kind}) of {file.filename}")

    def _each_version(self, after: IdKey, sought: Sought, may_see: Callable[[str], bool]) -> Iterator[VersionFindings]:
        """One package at a time; one that goes away meanwhile is passed over."""
        package, version = after
        if package and may_see(package):
            with suppress(NotFound):
                yield from self._versions_of(package, version, sought)
        while names := self.names(package, _NAMES):
            for package in names:
                if may_see(package):
                    with suppress(NotFound):
                        yield from self._versions_of(package, None, sought)

    def _versions_of(self, package: str, after: str | None, sought: Sought) -> Iterator[VersionFindings]:
        """As `findings`, some at a time: who wants a few asks for no more."""
        while some := self.findings(package, after, _AT_ONCE, sought):
            yield from some
            if len(some) < _AT_ONCE:
                return
            after = some[-1].version

    def _held_of_version(self, package: str, version: str) -> list[File]:
        """Raises `NotFound`."""
        files = self.held(package)
        with suppress(InvalidName):
            normal = self._adapter.normalize_version(version)
            if found := [file for file in files if self._is_same(file.version, normal)]:
                return found
        raise NotFound(f"{self._address} has no {package}=={version}")

    def _held_file(self, package: str, version: str, filename: str) -> File:
        """Raises `NotFound`."""
        for file in self._held_of_version(package, version):
            if file.filename == filename:
                return file
        raise NotFound(f"{self._address}/{package}=={version} has no file {filename}")

    def _report_summaries(self, files: Sequence[File]) -> dict[str, list[ReportSummary]]:
        """By the files' ids."""
        said = self._said_of(files)
        return {file_id: [summary(one) for one in some] for file_id, some in said.items()}

    @cached_property
    def dependencies(self) -> Dependencies:
        """What its versions bring along, and whom that hits."""
        return Dependencies(self._catalog, self._repository, self._adapter, self.holders, self._views)

    def _said_of(self, files: Sequence[File]) -> dict[str, list[Said]]:
        """By the files' ids."""
        return said_of(self._catalog.read(), self._adapter.name, files, self._judges)

    def _is_same(self, known: str, version: str) -> bool:
        """Whether they are spellings of one version. One that an upstream's filename does not tell is none."""
        if not known:
            return False
        try:
            return bool(self._adapter.version_key(known) == self._adapter.version_key(version))
        except ValueError:
            return False


def counted(total: int, by_day: Iterable[tuple[str, int]]) -> Downloads:
    return Downloads(total, [DayCount(date.fromisoformat(day), count) for day, count in by_day])

"""What is told of a repository whatever its kind."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from orbitalreg.catalog import Catalog, downloads, reports
from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.inventory.findings import Said, by_version, detail, said_of, summary, version_findings
from orbitalreg.model import Address, File, Microseconds, Severity
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
from orbitalreg.times import at

TimeKey = tuple[Microseconds, str]
IdKey = tuple[str, str]

START: TimeKey = (-(1 << 62), "")
FIRST: IdKey = ("", "")
EVERYTHING = 1 << 30
_NAMES = 100
"""As many packages' names are read at a time."""
_PART = 100
"""As many versions' findings are read at a time."""
ANONYMOUS = "anonymous"
SBOMS = ("cyclonedx", "spdx")
"""The kinds of documents of scanners that are bills of materials."""


class Inventory(ABC):
    """The things of one repository. Made for each request; every call sees every commit before it.

    Names and versions are in normal form. Each method raises `UpstreamFailed` too, but for `names`, `packages`,
    `all_findings` and `downloads_by_token`, which ask nobody.
    """

    def __init__(self, catalog: Catalog, adapter: FormatAdapter, address: Address, judges: Collection[str]) -> None:
        """`judges` are the scanners whose word on mere versions counts."""
        self._catalog = catalog
        self._adapter = adapter
        self._address = address
        self._judges = judges

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

    def all_findings(
        self,
        after: IdKey = FIRST,
        limit: int = EVERYTHING,
        at_least: Severity = Severity.UNKNOWN,
        may_see: Callable[[str], bool] = lambda package: True,
    ) -> list[VersionFindings]:
        """Of every package that the caller `may_see`, version by version, after (package, version) in byte order."""
        with asking_nobody():
            return list(islice(self._each_version(after, at_least, may_see), limit))

    def findings(
        self, package: str, after: str | None = None, limit: int = EVERYTHING, at_least: Severity = Severity.UNKNOWN
    ) -> list[VersionFindings]:
        """Of a package, version by version, after the version `after` in byte order. Raises `NotFound`."""
        found = by_version(self._adapter, self.held(package))
        chosen = sorted(version for version in found if after is None or version > after)[:limit]
        said = self._said_of([file for one in chosen for file in found[one]])
        return [
            version_findings(
                self._adapter,
                package,
                version,
                {file.filename: said[file.id] for file in found[version]},
                at_least,
            )
            for version in chosen
        ]

    def version_findings(self, package: str, version: str, at_least: Severity = Severity.UNKNOWN) -> VersionFindings:
        """Raises `NotFound`."""
        files = self._held_of_version(package, version)
        said = self._said_of(files)
        by_filename = {file.filename: said[file.id] for file in files}
        spelt = min(file.version for file in files)
        return version_findings(self._adapter, package, spelt, by_filename, at_least)

    def whole_findings(
        self,
        package: str | None = None,
        version: str | None = None,
        at_least: Severity = Severity.UNKNOWN,
        may_see: Callable[[str], bool] = lambda package: True,
    ) -> Iterator[VersionFindings]:
        """Of a package, of one version, or without either of all that `all_findings` has, which is read in parts.

        Raises `NotFound`.
        """
        if package is None:
            after = FIRST
            while some := self.all_findings(after, _PART, at_least, may_see):
                yield from some
                after = (some[-1].package, some[-1].version)
        elif version is None:
            yield from self.findings(package, at_least=at_least)
        else:
            yield self.version_findings(package, version, at_least)

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

    def _each_version(
        self, after: IdKey, at_least: Severity, may_see: Callable[[str], bool]
    ) -> Iterator[VersionFindings]:
        """One package at a time; one that goes away meanwhile is passed over."""
        package, version = after
        if package and may_see(package):
            with suppress(NotFound):
                yield from self.findings(package, version, at_least=at_least)
        while names := self.names(package, _NAMES):
            for package in names:
                if may_see(package):
                    with suppress(NotFound):
                        yield from self.findings(package, at_least=at_least)

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


def since(days: int) -> str:
    """The first of the last `days` days (`2026-01-31`, UTC), today's included."""
    return (datetime.now(UTC).date() - timedelta(days=days - 1)).isoformat()


def counted(total: int, by_day: Iterable[tuple[str, int]]) -> Downloads:
    return Downloads(total, [DayCount(date.fromisoformat(day), count) for day, count in by_day])

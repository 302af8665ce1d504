"""Raw sources without a catalog, a server or a disk, for tests of what stands on top of them."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from orbitalreg_toy import ToyFormat

from orbitalreg.errors import NotFound, UpstreamFailed
from orbitalreg.model import (
    Address,
    File,
    Finding,
    Kind,
    Listing,
    Report,
    ReportStatus,
    Repository,
    Severity,
    Status,
    Withholding,
)
from orbitalreg.sources.guard import NameGuard
from orbitalreg.sources.patterns import Patterns
from orbitalreg.sources.section import part
from orbitalreg.sources.virtual import VirtualSource


class LenientToy(ToyFormat):
    """1.0 and 1.0.0 are one version here."""

    def version_key(self, version: str) -> tuple[int, ...]:
        key = super().version_key(version)
        while len(key) > 1 and key[-1] == 0:
            key = key[:-1]
        return key


TOY = LenientToy()


def repository(name: str, kind: Kind, project: str = "acme") -> Repository:
    return Repository(f"id-{project}-{name}", Address(project, name), "toy", kind)


class FakeSource:
    """A local or remote repository. `asked` has the packages that it was asked for: a remote's upstream's log."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.repository = repository(name, kind)
        self.files: dict[str, dict[str, File]] = {}
        self.statuses: dict[str, Status] = {}
        self.withheld: dict[str, Withholding] = {}
        self.held: set[str] = set()
        self.failing: str | None = None
        self.stale: str | None = None
        self.valid_until: int | None = None
        self.asked: list[str] = []
        self._serial = 0

    def put(self, package: str, version: str, filename: str | None = None, at: int = 0, **fields: Any) -> File:
        """Offer a file from now on."""
        filename = filename or f"{package}@{version}.toy"
        body = self.body(filename)
        self._serial += 1
        file = File(
            f"{self.repository.id}-{self._serial}",
            package,
            version,
            filename,
            len(body),
            hashlib.sha256(body).hexdigest(),
            at,
            documents={"head": ""},
            holder=self.repository.id,
        )
        self.files.setdefault(package, {})[filename] = replace(file, **fields)
        if self.repository.kind is Kind.LOCAL:
            self.held.add(package)
        return file

    def drop(self, package: str, filename: str) -> None:
        self._serial += 1
        del self.files[package][filename]
        if not self.files[package]:
            del self.files[package]

    def body(self, filename: str) -> bytes:
        return f"{filename} of {self.repository.address}".encode()

    def reserves(self, package: str) -> bool:
        return package in self.held

    def reserved(self) -> Sequence[str]:
        return sorted(self.held)

    def names(self) -> Sequence[str]:
        self._fail()
        return sorted(self.files)

    def names_revision(self) -> str:
        self._fail()
        return f"{sorted(self.files)} {sorted(self.held)}"

    def revision(self, package: str, local_only: bool = False) -> str:
        return self.listing(package, local_only).revision

    def listing(self, package: str, local_only: bool = False) -> Listing:
        if local_only and self.repository.kind is Kind.REMOTE:
            raise NotFound("not asked")
        self.asked.append(package)
        self._fail()
        if package not in self.files:
            raise NotFound(f"{self.repository.address} has no package {package}")
        found = tuple(self.files[package].values())
        status = self.statuses.get(package, Status())
        if self.repository.kind is Kind.LOCAL and not status.offers_files:
            found = ()
        withheld = {name: reason for name, reason in self.withheld.items() if name in self.files[package]}
        said = repr((self.repository.id, found, status, withheld, self.stale))
        revision = hashlib.sha256(said.encode()).hexdigest()
        return Listing(package, found, revision, status, withheld, self.valid_until, self.stale)

    def sized(self, file: File) -> File:
        return replace(file, size=len(self.body(file.filename)))

    def open(self, file: File, start: int = 0, length: int | None = None) -> BinaryIO:
        self._own(file)
        body = self.body(file.filename)
        return part(io.BytesIO(body), start, length, len(body))

    def document(self, file: File, kind: str) -> bytes:
        self._own(file)
        return f"{kind} of {file.filename} of {self.repository.address}".encode()

    def _own(self, file: File) -> None:
        if file not in self.files.get(file.package, {}).values():
            raise NotFound(f"{self.repository.address} has no file {file.filename}")

    def _fail(self) -> None:
        if self.failing is not None:
            raise UpstreamFailed(self.failing)


class FakeKnown:
    """What scanners said: reports by the name of the file."""

    judges = False

    def __init__(self) -> None:
        self.reports: dict[str, list[Report]] = {}
        self.revisions: Counter[str] = Counter()
        self._mended: dict[str, list[str]] = {}

    def put(self, package: str, filename: str, *findings: Finding, scanner: str = "eye", **fields: Any) -> None:
        """What the scanner says of the file from now on."""
        said = Report(scanner, fields.pop("status", ReportStatus.OK), findings, **fields)
        others = [report for report in self.reports.get(filename, []) if report.scanner != scanner]
        self.reports[filename] = [*others, said]
        self.revisions[package] += 1

    def mends(self, package: str, versions: Iterable[str]) -> None:
        """Every lower version has a vulnerability that each of these mends."""
        self._mended[package] = sorted(versions)
        self.revisions[package] += 1

    def revision(self, format_name: str, package: str) -> str:
        return str(self.revisions[package])

    def of(self, format_name: str, listing: Listing) -> Mapping[str, tuple[Report, ...]]:
        return {file.id: (*self.reports.get(file.filename, []), *self._ill(file)) for file in listing.files}

    def _ill(self, file: File) -> list[Report]:
        found = [
            Finding(f"TOY-{version}", file.package, file.version, Severity.LOW, fixed_in=version)
            for version in self._mended.get(file.package, [])
            if file.version and TOY.version_key(file.version) < TOY.version_key(version)
        ]
        return [Report("doctor", ReportStatus.OK, tuple(found))] if found else []


def local(name: str = "internal") -> FakeSource:
    return FakeSource(name, Kind.LOCAL)


def remote(name: str = "public") -> FakeSource:
    return FakeSource(name, Kind.REMOTE)


def guard(private: Sequence[str] = (), lifted: Sequence[str] = (), enabled: bool = True) -> NameGuard:
    return NameGuard(Patterns(private, TOY.normalize), Patterns(lifted, TOY.normalize), enabled)


def virtual(
    *members: Any, name: str = "all-libs", guarded_by: NameGuard | None = None, tolerate: bool = False
) -> VirtualSource:
    return VirtualSource(repository(name, Kind.VIRTUAL), members, TOY, guarded_by or guard(), tolerate)


def shown(listing: Listing) -> Mapping[str, str]:
    """Which repository's id each filename is of."""
    return {file.filename: file.holder for file in listing.files}

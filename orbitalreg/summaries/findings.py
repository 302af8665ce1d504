"""What is told of scanners: their reports on a file, and what they found in a version."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast

from orbitalreg.model import ReportStatus, Severity

SeverityName = Literal["unknown", "negligible", "low", "medium", "high", "critical", "malicious"]


def severity_name(severity: Severity) -> SeverityName:
    return cast(SeverityName, str(severity))


@dataclass(frozen=True, slots=True)
class DatabaseSummary:
    """What a scanner knew vulnerabilities by. `built_at` is null where that is not known."""

    version: str
    digest: str
    built_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """What one scanner said last of a file, in short. Only the silence of a report that is `ok` proves something.

    `reason` says why, where the status is another. `by_name` where the file was not here: it was judged by its name and
    version. `database` is null for a scanner that has none.
    """

    scanner: str
    scanner_version: str
    status: ReportStatus
    reason: str | None
    database: DatabaseSummary | None
    scanned_at: datetime
    by_name: bool
    finding_count: int


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """One thing that one scanner found in one package: the file's own, or one that is bundled in it at `location`.

    `id` is the scanner's own, `aliases` other ids of the same vulnerability. `cvss` is a vector; `fixed_in` the
    smallest version that is mended, `published_at` when the vulnerability became known, each null where not told.
    """

    id: str
    aliases: list[str]
    package: str
    version: str
    purl: str
    location: str
    is_bundled: bool
    severity: SeverityName
    cvss: str | None
    fixed_in: str | None
    title: str
    links: list[str]
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReportDetail(ReportSummary):
    """A report with what it found. `packages_seen` are the package URLs that the scanner recognised.

    `has_raw` says whether the tool's own output is kept.
    """

    packages_seen: list[str]
    findings: list[ReportedFinding]
    has_raw: bool


@dataclass(frozen=True, slots=True)
class FileReports:
    """What each scanner said last of a file. `sboms` are the formats of which there is a bill of materials."""

    filename: str
    version: str
    sha256: str | None
    reports: list[ReportDetail]
    sboms: list[str]


@dataclass(frozen=True, slots=True)
class BundledSummary:
    """A package that is bundled in files of another; `location` is the path of its metadata in them."""

    package: str
    version: str
    purl: str
    location: str


@dataclass(frozen=True, slots=True)
class FindingSummary:
    """One vulnerability in the files of a version, whatever ids scanners have for it.

    `id` is the best known of `ids`: CVE, else GHSA, else PYSEC; of what is malicious, the record that says so.
    `severity` is the highest that a scanner gave, `by` has each scanner's own. `fixed_in` is a version that each
    scanner which names one takes for mended. `files` are those that it was found in. `bundled` is the package that
    has it, where it is not the version itself but something in its files.
    """

    id: str
    ids: list[str]
    severity: SeverityName
    by: dict[str, SeverityName]
    fixed_in: str | None
    title: str
    links: list[str]
    published_at: datetime | None
    files: list[str]
    bundled: BundledSummary | None


@dataclass(frozen=True, slots=True)
class NotScanned:
    """A file of which no scanner can say that nothing is known. `reports` say why: they failed, or there are none."""

    filename: str
    reports: list[ReportSummary]


@dataclass(frozen=True, slots=True)
class HopSummary:
    """One step of a path: the requirement in the words of whoever states it, and what is chosen for it today."""

    stated: str
    package: str
    version: str
    extras: list[str]


@dataclass(frozen=True, slots=True)
class UpgradeSummary:
    """The smallest change that clears an exposure: to that version of a package, and `text` says so.

    `change` is `itself` (of what is exposed), `allowed` or `widen` (of a dependency, which its asker allows, or must
    be changed to allow) or `hold` (a lower version, which is allowed). `asker` requires it in the words `stated`.
    Where it is not `is_proved`, nobody knows what that version brings along.
    """

    package: str
    version: str
    change: Literal["itself", "allowed", "widen", "hold"]
    asker: str | None
    stated: str
    is_proved: bool
    text: str


@dataclass(frozen=True, slots=True)
class ExposureSummary:
    """A vulnerability that comes with a version's dependencies: `finding` is of `version` of `package`.

    `path` is the shortest to there, and `environments` those in which it comes. It `is_unavoidable` where for some
    requirement on the way whatever is allowed has it. `upgrade` is null where no change would clear it.
    """

    finding: FindingSummary
    package: str
    version: str
    purl: str
    path: list[HopSummary]
    environments: list[str]
    is_unavoidable: bool
    upgrade: UpgradeSummary | None


@dataclass(frozen=True, slots=True)
class VersionFindings:
    """What is known of the files of one version, the worst first: it is told of versions without a finding too.

    Each of `file_count` files counts once: in `scanned_count`, in `outdated_count` (looked at by databases that are too
    old alone, whose silence proves nothing), or in `not_scanned`. `version` is empty for files whose name tells none.
    """

    package: str
    version: str
    purl: str
    file_count: int
    scanned_count: int
    outdated_count: int
    not_scanned: list[NotScanned]
    findings: list[FindingSummary]
    exposures: list[ExposureSummary] = field(default_factory=list)

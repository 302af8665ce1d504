"""What scanners know of what a repository holds: reports on files, and findings by version."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from orbitalreg.catalog import reports
from orbitalreg.findings import completed, finding_summary, order_of, told_at, vulnerabilities_of
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import File, Finding, Report, ReportStatus, Severity
from orbitalreg.summaries import (
    DatabaseSummary,
    ExposureSummary,
    NotScanned,
    ReportDetail,
    ReportedFinding,
    ReportSummary,
    VersionFindings,
    severity_name,
)
from orbitalreg.times import at


@dataclass(frozen=True, slots=True)
class Said:
    """A report on a file; `by_name` where the scanner judged the name and version alone."""

    report: Report
    by_name: bool = False


def said_of(db: Database, format_name: str, files: Sequence[File], judges: Collection[str]) -> dict[str, list[Said]]:
    """By the id of each of these files, what `findings.completed` makes of its own reports and those by name.

    Of reports by name those of `judges` count alone, as they do for policies: what others once said is not renewed.
    """
    own = reports.of_files(db, [file.id for file in files])
    by_name = {package: reports.listed(db, format_name, package) for package in {file.package for file in files}}
    found = {}
    for file in files:
        mine = own.get(file.id, ())
        known = {report.scanner for report in mine}
        named = by_name[file.package].get(file.version, ())
        said = completed(mine, (one for one in named if one.scanner in judges))
        found[file.id] = [Said(report, by_name=report.scanner not in known) for report in said]
    return found


def by_version(adapter: FormatAdapter, files: Iterable[File]) -> dict[str, list[File]]:
    """The files by their version, which is spelt as the least of its spellings; empty for those that tell none."""
    found: dict[Any, list[File]] = {}
    for file in files:
        found.setdefault(adapter.version_key(file.version) if file.version else None, []).append(file)
    return {min(file.version for file in some): some for some in found.values()}


def version_findings(
    adapter: FormatAdapter,
    package: str,
    version: str,
    said: Mapping[str, Sequence[Said]],
    exposures: Sequence[ExposureSummary] = (),
    at_least: Severity = Severity.UNKNOWN,
) -> VersionFindings:
    """Of the files of one version, by filename. Findings below `at_least` are left out."""
    found = vulnerabilities_of(
        {filename: [one.report for one in some] for filename, some in said.items()}, order_of(adapter)
    )
    statuses = {
        filename: {one.report.status for one in some if one.report.looks_for_faults} for filename, some in said.items()
    }
    scanned = {filename for filename, some in statuses.items() if ReportStatus.OK in some}
    outdated = {filename for filename, some in statuses.items() if ReportStatus.DB_STALE in some} - scanned
    missing = sorted(said.keys() - scanned - outdated)
    return VersionFindings(
        package,
        version,
        adapter.component(package, version).purl if version else "",
        len(said),
        len(scanned),
        len(outdated),
        [NotScanned(filename, [summary(one) for one in said[filename]]) for filename in missing],
        [finding_summary(one) for one in found if one.severity >= at_least],
        list(exposures),
    )


def summary(said: Said) -> ReportSummary:
    return ReportSummary(**_summed_up(said))


def detail(said: Said, has_raw: bool) -> ReportDetail:
    report = said.report
    return ReportDetail(
        **_summed_up(said),
        packages_seen=list(report.packages_seen),
        findings=[_reported(one) for one in report.findings],
        has_raw=has_raw,
    )


def _summed_up(said: Said) -> dict[str, Any]:
    """The fields of a `ReportSummary`."""
    report, database = said.report, said.report.database
    return {
        "scanner": report.scanner,
        "scanner_version": report.scanner_version,
        "status": report.status,
        "reason": report.reason,
        "database": database and DatabaseSummary(database.version, database.digest, told_at(database.built_at)),
        "scanned_at": at(report.scanned_at),
        "by_name": said.by_name,
        "finding_count": len(report.findings),
    }


def _reported(one: Finding) -> ReportedFinding:
    return ReportedFinding(
        one.id,
        list(one.aliases),
        one.package,
        one.version,
        one.purl,
        one.location,
        one.is_bundled,
        severity_name(one.severity),
        one.cvss,
        one.fixed_in,
        one.title,
        list(one.links),
        told_at(one.published_at),
    )

"""What a scanner said against what it was asked: only what is about the file counts, and only proof is `ok`. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from orbitalreg.errors import plain
from orbitalreg.findings import with_findings
from orbitalreg.model import Component, Database, Finding, Report, ReportStatus

REASON_LENGTH = 500
MAX_FINDINGS = 5000
"""Of one report, which is read whole whenever somebody asks for its file. The largest packages have some hundred."""


def checked(
    report: Report, scanner: str, components: Sequence[Component], database: Database | None, version: str
) -> Report:
    """The report as it is kept, but for its time; the first of `components` is the file's own package.

    What it says of a package that is not among these is dropped, and the report an `error`: it may have looked at
    something else. Of more than `MAX_FINDINGS` the worst are kept, and that is an `error` too. One that is `ok` and
    does not prove that it saw the file's own package is `not_scanned`.
    """
    purls = {component.purl for component in components}
    names = {(component.name, component.version) for component in components}
    own = tuple(_legible(finding) for finding in report.findings if _is_of(finding, names, purls))
    seen = tuple(dict.fromkeys(purl for purl in report.packages_seen if purl in purls))
    kept = replace(
        report,
        scanner=scanner,
        findings=_worst(own),
        packages_seen=seen,
        database=database,
        scanner_version=version or report.scanner_version,
        reason=plain(report.reason)[:REASON_LENGTH] if report.reason else None,
    )
    others = {f"{f.package} {f.version}" for f in report.findings if not _is_of(f, names, purls)}
    foreign = sorted(others | {*report.packages_seen} - purls)
    reason = None
    if report.scanner != scanner:
        reason = f"it answered as another scanner, {report.scanner!r}"
    elif foreign:
        reason = f"it speaks of what is not in the file: {', '.join(foreign[:3])}"
    elif len(own) > MAX_FINDINGS:
        reason = f"it found more than {MAX_FINDINGS} things in one file: the worst are kept"
    if reason is not None:
        return replace(kept, status=ReportStatus.ERROR, reason=plain(reason)[:REASON_LENGTH])
    if report.status.has_looked and components[0].purl not in seen:
        return replace(kept, status=ReportStatus.NOT_SCANNED, reason="it does not prove that it recognised the file")
    return kept


def _is_of(finding: Finding, names: set[tuple[str, str]], purls: set[str]) -> bool:
    return (finding.package, finding.version) in names and (not finding.purl or finding.purl in purls)


def _worst(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if len(findings) <= MAX_FINDINGS:
        return findings
    return tuple(sorted(findings, key=lambda finding: -finding.severity)[:MAX_FINDINGS])


def _legible(finding: Finding) -> Finding:
    """Each text on one line, without what a terminal would obey: these come to pages, tables and reason phrases."""
    return replace(
        finding,
        id=_line(finding.id),
        aliases=tuple(map(_line, finding.aliases)),
        location=_line(finding.location),
        cvss=_line(finding.cvss) if finding.cvss is not None else None,
        fixed_in=_line(finding.fixed_in) if finding.fixed_in is not None else None,
        title=_line(finding.title),
        links=tuple(map(_line, finding.links)),
    )


def _line(text: str) -> str:
    return text if text.isprintable() else " ".join("".join(c if c.isprintable() else " " for c in text).split())


def failed(scanner: str, reason: str, database: Database | None = None, version: str = "") -> Report:
    """An `error`."""
    return Report(scanner, ReportStatus.ERROR, (), (), database, version, plain(reason)[:REASON_LENGTH])


def after(former: Report | None, report: Report) -> Report:
    """The report in the place of the scanner's former one. What that found still counts where this one did not look: a
    failure must not free a file.
    """
    if report.status.has_looked or former is None:
        return report
    kept = with_findings(report, former.findings)
    if kept is report:
        return report
    reason = "; ".join(filter(None, (report.reason, "what it found before still counts")))
    return replace(kept, findings=_worst(kept.findings), reason=reason)

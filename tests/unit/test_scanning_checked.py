"""What a scanner says, against what it was asked, and in words that may be shown."""

from orbitalreg.model import Component, Finding, Report, ReportStatus, Severity
from orbitalreg.scanning.checked import MAX_FINDINGS, after, checked, failed

BALL = Component("ball", "1", "pkg:toy/ball@1")


def test_no_text_steers_a_terminal_or_ends_a_line() -> None:
    found = Finding(
        "CVE-1\x1b[2J\nX-Header: 1",
        "ball",
        "1",
        aliases=("GHSA-1\r\n",),
        fixed_in="2\n",
        title="It\tbursts \u202e",
        links=("https://example.com/\n",),
        cvss="CVSS\x00",
    )
    report = Report("eye", ReportStatus.OK, (found,), (BALL.purl,), reason="so\x07")
    [kept] = checked(report, "eye", [BALL], None, "1").findings
    assert (kept.id, kept.aliases, kept.fixed_in) == ("CVE-1 [2J X-Header: 1", ("GHSA-1",), "2")
    assert (kept.title, kept.links, kept.cvss) == ("It bursts", ("https://example.com/",), "CVSS")


def test_nor_do_the_names_of_strangers() -> None:
    report = Report("eye", ReportStatus.OK, (), (BALL.purl, "pkg:toy/\x1b[2Jother"))
    kept = checked(report, "eye", [BALL], None, "1")
    assert (kept.status, str(kept.reason).isprintable()) == (ReportStatus.ERROR, True)
    assert str(failed("eye", "\x1b[2J").reason).isprintable()


def found(count: int, severity: Severity, name: str) -> tuple[Finding, ...]:
    return tuple(Finding(f"{name}-{n}", "ball", "1", severity) for n in range(count))


def test_of_too_many_findings_the_worst_are_kept_and_no_silence_is_believed() -> None:
    many = (*found(MAX_FINDINGS, Severity.LOW, "LOW"), *found(2, Severity.MALICIOUS, "MAL"))
    kept = checked(Report("eye", ReportStatus.OK, many, (BALL.purl,)), "eye", [BALL], None, "1")
    assert kept.status is ReportStatus.ERROR and f"more than {MAX_FINDINGS} things" in str(kept.reason)
    assert len(kept.findings) == MAX_FINDINGS
    assert [finding.id for finding in kept.findings[:3]] == ["MAL-0", "MAL-1", "LOW-0"]
    as_many = checked(Report("eye", ReportStatus.OK, many[2:], (BALL.purl,)), "eye", [BALL], None, "1")
    assert (as_many.status, as_many.findings) == (ReportStatus.OK, many[2:])


def test_failures_that_find_other_things_each_time_do_not_make_a_report_grow() -> None:
    kept = Report("eye", ReportStatus.ERROR, found(3, Severity.HIGH, "OLD"))
    for attempt in range(3):
        more = found(MAX_FINDINGS - 10, Severity.LOW, f"LOW-{attempt}")
        kept = after(kept, Report("eye", ReportStatus.ERROR, more))
    assert len(kept.findings) == MAX_FINDINGS
    assert [finding.id for finding in kept.findings[:3]] == ["OLD-0", "OLD-1", "OLD-2"]

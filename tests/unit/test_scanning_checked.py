"""What a scanner says, against what it was asked, and in words that may be shown."""

from orbitalreg.model import Component, Finding, Report, ReportStatus
from orbitalreg.scanning.checked import checked, failed

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

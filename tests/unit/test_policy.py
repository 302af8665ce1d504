"""The function that decides: what breaks a policy, what excepts it, when time changes it; and laws that always hold."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg.errors import InvalidName
from orbitalreg.findings import Exposure, Hop, vulnerabilities
from orbitalreg.licenses import canonical, denied_by
from orbitalreg.model import Finding, Report, ReportStatus, Severity
from orbitalreg.policy import (
    CLEAN,
    Action,
    Evidence,
    Judgement,
    Policy,
    PolicyException,
    Rule,
    Scope,
    Show,
    Verdict,
    decide,
)
from orbitalreg.times import end_of

DAY = 86_400_000_000
NOON = 20_000 * DAY
JINJA = Finding(
    "PYSEC-2019-217", "jinja2", "2.10", Severity.HIGH, ("CVE-2019-10906",), fixed_in="2.10.1", published_at=NOON
)


def report(*findings: Finding, scanner: str = "osv", status: ReportStatus = ReportStatus.OK, **more: Any) -> Report:
    return Report(scanner, status, findings, **more)


def judged(policy: Policy, *reports: Report, package: str = "jinja2", at: int = NOON, **more: Any) -> Verdict:
    return decide(package, Evidence(reports, **more), [policy], at)


GATE = Policy("release-gate", severity=Severity.HIGH)


def test_the_verdict_says_what_to_do() -> None:
    said = judged(GATE, report(JINJA))
    assert said.is_blocked and not said.is_shown
    assert said.text == "blocked by policy release-gate: CVE-2019-10906 (high) in jinja2 2.10, fixed in 2.10.1"
    [breach] = said.breaches
    assert (breach.rule, breach.vulnerability) == (Rule.SEVERITY, vulnerabilities([report(JINJA)])[0])


def test_scanners_that_name_different_fixes_do_not_make_it_unfixed() -> None:
    """Both take the later one for mended."""
    other = report(replace(JINJA, id="GHSA-462w", fixed_in="2.9.9"), scanner="grype")
    said = judged(GATE, report(JINJA), other, order=lambda version: tuple(map(int, version.split("."))))
    assert said.text == "blocked by policy release-gate: CVE-2019-10906 (high) in jinja2 2.10, fixed in 2.10.1"


def test_what_no_policy_asks_of_is_clean() -> None:
    assert decide("jinja2", Evidence([report(JINJA)]), [], NOON) == CLEAN
    assert judged(Policy("any", severity=Severity.CRITICAL), report(JINJA)) == CLEAN
    assert judged(Policy("malware"), report(JINJA)) == CLEAN


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (replace(JINJA, fixed_in=None), "CVE-2019-10906 (high) in jinja2 2.10, no fix is known"),
        (
            replace(JINJA, severity=Severity.UNKNOWN),
            "CVE-2019-10906 (unknown severity) in jinja2 2.10, fixed in 2.10.1",
        ),
        (
            replace(JINJA, is_bundled=True),
            "CVE-2019-10906 (high) in jinja2 2.10, which is bundled, fixed in 2.10.1",
        ),
        (
            Finding("MAL-2025-1", "jinja2", "2.10", Severity.MALICIOUS),
            "MAL-2025-1 (malicious) in jinja2 2.10, no fix is known",
        ),
    ],
)
def test_each_kind_of_finding_breaks_it_and_is_told(finding: Finding, text: str) -> None:
    assert judged(GATE, report(finding)).text == f"blocked by policy release-gate: {text}"


def test_what_nobody_rated_counts_unless_it_is_allowed() -> None:
    unrated = replace(JINJA, severity=Severity.UNKNOWN)
    allowing = replace(GATE, unknown_severity=Judgement.ALLOW)
    assert [one.rule for one in judged(GATE, report(unrated)).breaches] == [Rule.UNKNOWN_SEVERITY]
    assert judged(allowing, report(unrated)) == CLEAN
    rated = Finding("GHSA-1", "jinja2", "2.10", Severity.HIGH, ("CVE-2019-10906",))
    assert judged(allowing, report(unrated), report(rated, scanner="trivy")).is_blocked
    low = replace(rated, severity=Severity.LOW)
    assert judged(GATE, report(unrated), report(low, scanner="trivy")) == CLEAN


def test_a_stale_database_counts_as_looked_and_its_findings_count() -> None:
    strict = replace(GATE, unscanned=Judgement.BLOCK)
    stale = report(JINJA, status=ReportStatus.DB_STALE)
    assert [one.rule for one in judged(strict, stale, scanners=["osv"]).breaches] == [Rule.SEVERITY]
    assert judged(strict, report(status=ReportStatus.DB_STALE), scanners=["osv"]) == CLEAN


@pytest.mark.parametrize(
    ("reports", "scanners", "why"),
    [
        ([], [], "it is not scanned: no scanner is enabled"),
        ([], ["osv"], "it is not scanned yet by osv"),
        ([report()], ["osv", "trivy"], "it is not scanned yet by trivy"),
        (
            [report(status=ReportStatus.NOT_SCANNED, reason="no metadata")],
            ["osv"],
            "osv did not scan it (not_scanned): no metadata",
        ),
        ([report(status=ReportStatus.ERROR)], ["osv"], "osv did not scan it (error)"),
    ],
)
def test_unscanned(reports: list[Report], scanners: list[str], why: str) -> None:
    strict = Policy("all-seen", unscanned=Judgement.BLOCK)
    assert judged(strict, *reports, scanners=scanners).text == f"blocked by policy all-seen: {why}"
    assert judged(Policy("lax"), *reports, scanners=scanners) == CLEAN


def test_grace_runs_from_the_publication_and_malware_has_none() -> None:
    patient = replace(GATE, grace=86400)
    assert judged(patient, report(JINJA)) == Verdict(changes_at=NOON + DAY)
    assert judged(patient, report(JINJA), at=NOON + DAY - 1) == Verdict(changes_at=NOON + DAY)
    assert judged(patient, report(JINJA), at=NOON + DAY).is_blocked
    assert judged(patient, report(replace(JINJA, published_at=None))).is_blocked
    assert judged(patient, report(replace(JINJA, severity=Severity.MALICIOUS))).is_blocked
    assert judged(GATE, report(replace(JINJA, published_at=NOON + DAY))).is_blocked, "without grace no date counts"


def test_an_exception_opens_its_id_until_its_day_is_over() -> None:
    until = end_of(date(2027, 1, 1))
    excepting = replace(GATE, exceptions=(PolicyException("cve-2019-10906", "not reachable", until),))
    said = judged(excepting, report(JINJA), at=until - 1)
    assert (said.breaches, said.changes_at) == ((), until)
    assert [one.exception.reason for one in said.excepted] == ["not reachable"]
    assert judged(excepting, report(JINJA), at=until).is_blocked
    assert judged(excepting, report(replace(JINJA, id="CVE-1", aliases=())), at=until - 1).is_blocked


def test_an_exception_for_a_package_opens_its_files_alone() -> None:
    excepting = replace(GATE, exceptions=(PolicyException("CVE-2019-10906", "why", NOON + DAY, "jinja2"),))
    assert not judged(excepting, report(JINJA)).is_blocked
    bundled = replace(JINJA, is_bundled=True)
    assert judged(excepting, report(bundled), package="other").is_blocked


def exposure(*through: str, found: Finding = JINJA) -> Exposure:
    """To what is in the last, by way of these: `mid-lib 1.0`."""
    [one] = vulnerabilities([report(found)])
    path = [*(pin.split() for pin in through), (found.package, found.version)]
    return Exposure(one, tuple(Hop(f"{package}=={version}", package, version) for package, version in path))


WIDE = replace(GATE, scope=Scope.TRANSITIVE)
FOUND = "blocked by policy release-gate: CVE-2019-10906 (high) in jinja2 2.10"


@pytest.mark.parametrize(
    ("through", "told"),
    [
        ((), ", which it requires, fixed in 2.10.1"),
        (("mid-lib 1.0",), ", which comes through mid-lib 1.0, fixed in 2.10.1"),
        (("a 1", "b 2"), ", which comes through a 1 and b 2, fixed in 2.10.1"),
        (("a 1", "b 2", "c 3", "d 4"), ", which comes through a 1, b 2, c 3 and d 4, fixed in 2.10.1"),
        (("a 1", "b 2", "c 3", "d 4", "e 5"), ", which comes through a 1, b 2, c 3 and 2 more, fixed in 2.10.1"),
    ],
)
def test_what_dependencies_bring_counts_in_the_transitive_scope_and_is_told_with_its_way(
    through: tuple[str, ...], told: str
) -> None:
    exposures = [exposure(*through)]
    assert judged(GATE, package="top-app", exposures=exposures) == CLEAN
    said = judged(WIDE, package="top-app", exposures=exposures)
    assert said.is_blocked and said.text == FOUND + told
    assert said.breaches[0].path == exposures[0].path


def test_what_a_dependency_bundles_is_told_as_such() -> None:
    [one] = vulnerabilities([report(replace(JINJA, is_bundled=True))])
    bundled = Exposure(one, (Hop("wrap", "wrap", "3"),))
    told = ", which is bundled in wrap 3, which it requires, fixed in 2.10.1"
    assert judged(WIDE, package="top-app", exposures=[bundled]).text == FOUND + told


def test_grace_and_exceptions_hold_for_what_dependencies_bring() -> None:
    exposures = [exposure("mid-lib 1.0")]
    young = judged(replace(WIDE, grace=86400), package="top-app", exposures=exposures)
    assert (young.breaches, young.changes_at) == ((), NOON + DAY)
    for package in (None, "top-app", "jinja2"):
        excepting = replace(WIDE, exceptions=(PolicyException("PYSEC-2019-217", "why", NOON + DAY, package),))
        said = judged(excepting, package="top-app", exposures=exposures)
        assert ([one.text for one in said.excepted], said.changes_at) == (
            ["CVE-2019-10906 (high) in jinja2 2.10, which comes through mid-lib 1.0, fixed in 2.10.1"],
            NOON + DAY,
        )
    between = replace(WIDE, exceptions=(PolicyException("PYSEC-2019-217", "why", NOON + DAY, "mid-lib"),))
    assert judged(between, package="top-app", exposures=exposures).is_blocked


def test_what_is_malicious_is_so_through_dependencies_too() -> None:
    bad = exposure(found=Finding("MAL-1", "jinja3", "1", Severity.MALICIOUS, published_at=NOON))
    only = Policy("no-malware", scope=Scope.TRANSITIVE, grace=86400)
    [breach] = judged(only, package="top-app", exposures=[bad]).breaches
    assert breach.rule is Rule.MALICIOUS
    assert judged(replace(only, malicious=False), package="top-app", exposures=[bad]) == CLEAN


def test_a_license_is_denied_where_it_cannot_be_avoided() -> None:
    free = Policy("free", licenses_denied=("AGPL-3.0-only",))
    assert judged(free, license="AGPL-3.0").text == "blocked by policy free: its license AGPL-3.0-only is denied"
    assert judged(free, license="MIT OR AGPL-3.0-only") == CLEAN
    assert judged(free, license="MIT AND AGPL-3.0-only").is_blocked
    assert judged(free) == CLEAN


def test_the_strictest_is_told_first_and_the_others_are_counted() -> None:
    warn = Policy("advice", Action.WARN, severity=Severity.LOW)
    low = Finding("CVE-2020-28493", "jinja2", "2.10", Severity.MEDIUM, fixed_in="2.11.3")
    said = decide("jinja2", Evidence([report(JINJA, low)]), [warn, GATE], NOON)
    assert [(one.policy, one.action) for one in said.breaches] == [
        ("release-gate", Action.BLOCK),
        ("advice", Action.WARN),
        ("advice", Action.WARN),
    ]
    assert said.text.endswith("fixed in 2.10.1")
    told = decide("jinja2", Evidence([report(JINJA, low)]), [replace(GATE, severity=Severity.LOW)], NOON).text
    assert told.endswith("fixed in 2.10.1 (and 1 more)")
    assert decide("jinja2", Evidence([report(low)]), [warn], NOON).text.startswith("warned of by policy advice: ")


def test_absent_is_stricter_than_yanked() -> None:
    yanked = Policy("b", severity=Severity.LOW, show=Show.YANKED)
    assert judged(yanked, report(JINJA)).is_shown
    assert not decide("jinja2", Evidence([report(JINJA)]), [yanked, GATE], NOON).is_shown
    warning = replace(GATE, action=Action.WARN)
    assert decide("jinja2", Evidence([report(JINJA)]), [yanked, warning], NOON).is_shown


# Laws

IDS = st.sampled_from(["CVE-1", "CVE-2", "GHSA-1", "MAL-1", "PYSEC-1"])
SEVERITIES = st.sampled_from(list(Severity))
TIMES = st.integers(0, 12).map(lambda day: NOON + day * DAY)
FINDINGS = st.builds(
    Finding,
    IDS,
    st.sampled_from(["ball", "net"]),
    st.just("1.0"),
    SEVERITIES,
    st.lists(IDS, max_size=2).map(tuple),
    is_bundled=st.booleans(),
    fixed_in=st.none() | st.just("2.0"),
    published_at=st.none() | TIMES,
)
REPORTS = st.lists(
    st.builds(
        Report,
        st.sampled_from(["osv", "trivy"]),
        st.sampled_from(list(ReportStatus)),
        st.lists(FINDINGS, max_size=3).map(tuple),
    ),
    max_size=2,
    unique_by=lambda one: one.scanner,
)
LICENSES = st.none() | st.sampled_from(["MIT", "AGPL-3.0-only", "MIT OR AGPL-3.0-only", "no idea"])
EVIDENCE = st.builds(
    Evidence,
    REPORTS,
    st.sets(st.sampled_from(["osv", "trivy"])),
    LICENSES,
    st.lists(
        st.builds(
            Exposure,
            FINDINGS.map(lambda found: vulnerabilities([report(found)])[0]),
            st.lists(st.builds(Hop, st.just("any"), st.sampled_from(["net", "kite"]), st.just("1")), min_size=1).map(
                tuple
            ),
        ),
        max_size=2,
    ),
)
EXCEPTIONS = st.builds(PolicyException, IDS, st.just("why"), TIMES, st.none() | st.sampled_from(["ball", "net"]))
POLICIES = st.builds(
    Policy,
    st.sampled_from("abc"),
    st.sampled_from(Action),
    st.none() | SEVERITIES.filter(lambda one: Severity.UNKNOWN < one < Severity.MALICIOUS),
    st.sampled_from(Judgement),
    st.sampled_from(Scope),
    st.booleans(),
    st.sampled_from([(), ("AGPL-3.0-only",)]),
    st.sampled_from(Judgement),
    st.integers(0, 3).map(lambda days: days * 86400),
    st.sampled_from(Show),
    st.lists(EXCEPTIONS, max_size=2).map(tuple),
)
SEVERAL = st.lists(POLICIES, max_size=3, unique_by=lambda one: one.name)


@given(EVIDENCE, SEVERAL, TIMES, FINDINGS, st.sampled_from(["osv", "trivy", "new"]))
def test_another_finding_opens_nothing(
    evidence: Evidence, policies: list[Policy], instant: int, finding: Finding, scanner: str
) -> None:
    """Unless it is the same vulnerability, rated or dated: what is known then may be less than what was feared."""
    finding = replace(finding, id="CVE-9", aliases=())
    more = replace(evidence, reports=[*evidence.reports, report(finding, scanner=f"{scanner}-2")])
    before, after = (decide("ball", one, policies, instant) for one in (evidence, more))
    assert {(one.policy, one.text) for one in before.breaches} <= {(one.policy, one.text) for one in after.breaches}
    assert after.is_blocked or not before.is_blocked


@given(EVIDENCE, SEVERAL, TIMES, EXCEPTIONS)
def test_an_exception_opens_its_id_alone(
    evidence: Evidence, policies: list[Policy], instant: int, exception: PolicyException
) -> None:
    excepting = [replace(one, exceptions=(*one.exceptions, exception)) for one in policies]
    before, after = (decide("ball", evidence, some, instant) for some in (policies, excepting))
    gone = {(one.policy, one.text): one for one in before.breaches}
    for one in after.breaches:
        gone.pop((one.policy, one.text))
    for one in gone.values():
        assert one.vulnerability is not None and exception.id in one.vulnerability.ids
        ends = {breach.path[-1].package for breach in before.breaches if breach.text == one.text and breach.path}
        assert instant < exception.until and exception.package in {None, "ball", *ends}


@given(EVIDENCE, SEVERAL, TIMES)
def test_the_strictest_wins_and_their_order_does_not_matter(
    evidence: Evidence, policies: list[Policy], instant: int
) -> None:
    said = decide("ball", evidence, policies, instant)
    alone = [decide("ball", evidence, [one], instant) for one in policies]
    assert said.is_blocked == any(one.is_blocked for one in alone)
    assert said.is_shown == all(one.is_shown for one in alone)
    assert len(said.breaches) == sum(len(one.breaches) for one in alone)
    assert decide("ball", evidence, policies[::-1], instant) == said


@given(EVIDENCE, SEVERAL, TIMES, st.data())
def test_time_changes_it_when_it_says_so_and_only_makes_it_stricter(
    evidence: Evidence, policies: list[Policy], instant: int, data: st.DataObject
) -> None:
    said = decide("ball", evidence, policies, instant)
    if said.changes_at is None:
        later = decide("ball", evidence, policies, data.draw(st.integers(instant, instant + 100 * DAY)))
        assert later == said
        return
    assert said.changes_at > instant
    before = decide("ball", evidence, policies, data.draw(st.integers(instant, said.changes_at - 1)))
    after = decide("ball", evidence, policies, said.changes_at)
    assert (before.breaches, before.excepted) == (said.breaches, said.excepted)
    assert (after.breaches, after.excepted) != (said.breaches, said.excepted)
    assert {(one.policy, one.text) for one in said.breaches} <= {(one.policy, one.text) for one in after.breaches}


# Licenses


@pytest.mark.parametrize(
    ("written", "meant"),
    [("agpl-3.0", "AGPL-3.0-only"), ("GPL-2.0+", "GPL-2.0-or-later"), ("LicenseRef-Ours", "LicenseRef-Ours")],
)
def test_ids_are_taken_in_their_older_spellings(written: str, meant: str) -> None:
    assert canonical(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "Foo",
        "GPL",
        "MIT OR ISC",
        "Classpath-exception-2.0",
        "LicenseRef-",
        "GPL-2.0-only WITH Classpath-exception-2.0",
    ],
)
def test_what_is_no_id_is_refused(written: str) -> None:
    with pytest.raises(InvalidName):
        canonical(written)


@pytest.mark.parametrize(
    ("expression", "denied"),
    [
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only"),
        ("AGPL-3.0-only OR GPL-2.0-only", "AGPL-3.0-only"),
        ("MIT AND (ISC OR GPL-2.0-only)", None),
        ("(MIT AND AGPL-3.0-only) OR GPL-2.0-only", "AGPL-3.0-only"),
        ("GPL-2.0-or-later", None),
        ("no idea", None),
        ("MIT AND", None),
        ("(" * 4000, None),
        ("MIT OR " * 2000 + "MIT", None),
    ],
)
def test_expressions(expression: str, denied: str | None) -> None:
    assert denied_by(expression, ["AGPL-3.0-only", "GPL-2.0-only"]) == denied

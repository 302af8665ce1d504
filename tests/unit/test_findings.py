"""Findings of several scanners as one view."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orbitalreg_toy import ToyFormat

from orbitalreg.findings import Vulnerability, order_of, vulnerabilities, vulnerabilities_of
from orbitalreg.model import Finding, Report, ReportStatus, Severity

ORDER = order_of(ToyFormat())


def report(scanner: str, *findings: Finding) -> Report:
    return Report(scanner, ReportStatus.OK, findings)


def found(name: str, *aliases: str, **more: Any) -> Finding:
    return Finding(name, "jinja2", "2.10", aliases=aliases, **more)


def test_one_vulnerability_is_told_once_however_many_ids_it_has() -> None:
    [told] = vulnerabilities(
        [
            report("osv", found("PYSEC-2019-217", "CVE-2019-10906", published_at=7)),
            report(
                "grype",
                found(
                    "GHSA-462w-v97r-4m45",
                    "CVE-2019-10906",
                    severity=Severity.HIGH,
                    fixed_in="2.10.1",
                    title="Sandbox escape",
                    links=("https://b.example", "https://a.example"),
                    published_at=9,
                ),
            ),
            report("trivy", found("CVE-2019-10906", severity=Severity.MEDIUM, fixed_in="2.10.1")),
        ],
        ORDER,
    )
    assert told == Vulnerability(
        "CVE-2019-10906",
        ("CVE-2019-10906", "GHSA-462w-v97r-4m45", "PYSEC-2019-217"),
        "jinja2",
        "2.10",
        Severity.HIGH,
        {"grype": Severity.HIGH, "osv": Severity.UNKNOWN, "trivy": Severity.MEDIUM},
        "2.10.1",
        "Sandbox escape",
        ("https://a.example", "https://b.example"),
        7,
    )


def test_ids_are_joined_by_way_of_a_record_that_comes_last() -> None:
    apart = [found("A-1", "B-1"), found("C-1", "D-1")]
    assert len(vulnerabilities([report("osv", *apart)])) == 2
    [told] = vulnerabilities([report("osv", *apart, found("D-1", "B-1"))])
    assert told.ids == ("A-1", "B-1", "C-1", "D-1")


@pytest.mark.parametrize(
    ("ids", "best"),
    [
        (["PYSEC-2019-217", "GHSA-462w-v97r-4m45", "CVE-2019-10906"], "CVE-2019-10906"),
        (["PYSEC-2019-217", "GHSA-462w-v97r-4m45", "OSV-1"], "GHSA-462w-v97r-4m45"),
        (["SNYK-1", "PYSEC-2019-217"], "PYSEC-2019-217"),
        (["CVE-2020-10000", "CVE-2020-9999"], "CVE-2020-9999"),
        (["X-01", "X-1"], "X-01"),
    ],
)
def test_the_best_known_id_is_shown(ids: list[str], best: str) -> None:
    for names in (ids, ids[::-1]):
        [told] = vulnerabilities([report("osv", found(*names))])
        assert told.id == best


def test_what_is_malicious_is_shown_by_the_record_that_says_so() -> None:
    [told] = vulnerabilities(
        [report("osv", found("CVE-2024-1", "MAL-2024-1"), found("MAL-2024-1", severity=Severity.MALICIOUS))]
    )
    assert (told.id, told.severity, told.by) == ("MAL-2024-1", Severity.MALICIOUS, {"osv": Severity.MALICIOUS})


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ([], None),
        (["3"], "3"),
        (["2.9", "2.10"], "2.10"),
        (["2.9", "2.10", "no version"], "2.10"),
        (["no version"], "no version"),
        (["none at all", "no version"], None),
        (["2.0", "2"], "2.0"),
    ],
)
def test_the_fixed_version_is_one_that_all_take_for_mended(named: list[str], told: str | None) -> None:
    reports = [report(f"s{number}", found("CVE-1", fixed_in=version)) for number, version in enumerate(named)]
    reports.append(report("silent", found("CVE-1")))
    assert vulnerabilities(reports, ORDER)[0].fixed_in == told
    assert vulnerabilities(reports[::-1], ORDER)[0].fixed_in == told


def test_versions_without_an_order_are_not_compared() -> None:
    reports = [report("a", found("CVE-1", fixed_in="2.9")), report("b", found("CVE-1", fixed_in="2.10"))]
    assert vulnerabilities(reports)[0].fixed_in is None
    assert vulnerabilities(reports[:1])[0].fixed_in == "2.9"


def test_one_for_each_package_and_what_is_bundled_for_each_place() -> None:
    own = Finding("CVE-1", "pip", "20.0", location="pip-20.0.dist-info/METADATA")
    bundled = Finding("CVE-1", "urllib3", "1.25", location="pip/_vendor/urllib3", is_bundled=True)
    told = vulnerabilities(
        [
            report("trivy", own, bundled, replace(bundled, location="pip/_other/urllib3")),
            report("grype", replace(own, location="elsewhere"), bundled),
        ]
    )
    assert [(one.package, one.is_bundled, one.locations, sorted(one.by)) for one in told] == [
        ("pip", False, (), ["grype", "trivy"]),
        ("urllib3", True, ("pip/_other/urllib3",), ["trivy"]),
        ("urllib3", True, ("pip/_vendor/urllib3",), ["grype", "trivy"]),
    ]


def test_the_worst_comes_first() -> None:
    told = vulnerabilities(
        [
            report(
                "osv", found("B"), found("C", severity=Severity.CRITICAL), found("A"), found("M", severity=Severity(6))
            )
        ]
    )
    assert [one.id for one in told] == ["M", "C", "A", "B"]


def test_of_several_files_it_says_which() -> None:
    told = vulnerabilities_of(
        {
            "b.whl": [report("osv", found("PYSEC-1", "CVE-1"))],
            "a.tar.gz": [report("grype", found("GHSA-1", "CVE-1"), found("CVE-2"))],
            "c.whl": [],
        }
    )
    assert [(one.id, one.files) for one in told] == [("CVE-1", ("a.tar.gz", "b.whl")), ("CVE-2", ("a.tar.gz",))]


# By its properties.

IDS = st.sampled_from(["CVE-2020-1", "CVE-2020-02", "GHSA-a", "GHSA-b", "PYSEC-1", "PYSEC-10", "MAL-1", "X", "Y", "Z"])
FINDINGS = st.builds(
    Finding,
    id=IDS,
    package=st.sampled_from(["ball", "kite"]),
    version=st.sampled_from(["1", "2"]),
    severity=st.sampled_from(Severity),
    aliases=st.lists(IDS, max_size=3).map(tuple),
    location=st.sampled_from(["", "x", "y"]),
    is_bundled=st.booleans(),
    fixed_in=st.sampled_from([None, "", "1", "2.9", "2.10", "2.10.0", "junk"]),
    title=st.sampled_from(["", "a title", "another"]),
    links=st.lists(st.sampled_from(["l1", "l2"]), max_size=2).map(tuple),
    published_at=st.sampled_from([None, 1, 2]),
    purl=st.sampled_from(["", "pkg:toy/ball@1", "pkg:toy/Ball@1"]),
)
REPORTS = st.lists(
    st.builds(
        Report, st.sampled_from(["grype", "osv", "trivy"]), st.just(ReportStatus.OK), st.lists(FINDINGS).map(tuple)
    ),
    max_size=4,
)


@given(REPORTS, st.randoms(use_true_random=False))
def test_no_order_of_reports_or_findings_matters(reports: list[Report], shuffle: random.Random) -> None:
    mixed = [replace(one, findings=tuple(shuffle.sample(one.findings, len(one.findings)))) for one in reports]
    shuffle.shuffle(mixed)
    assert vulnerabilities(mixed, ORDER) == vulnerabilities(reports, ORDER)


def place(one: Finding | Vulnerability) -> tuple[str, str, bool, str]:
    location = one.location if isinstance(one, Finding) else "".join(one.locations)
    return one.package, one.version, one.is_bundled, location if one.is_bundled else ""


def partition(findings: Sequence[Finding]) -> set[frozenset[str]]:
    """The plain way: join sets that meet until none do."""
    sets = [{one.id, *one.aliases} for one in findings]
    while pair := next(((a, b) for a in sets for b in sets if a is not b and a & b), None):
        sets = [one for one in sets if one not in pair and one is not pair[0]] + [pair[0] | pair[1]]
    return set(map(frozenset, sets))


@given(REPORTS)
def test_the_ids_of_each_package_are_parted_as_the_plain_way_parts_them(reports: list[Report]) -> None:
    everything = [one for each in reports for one in each.findings]
    told = vulnerabilities(reports, ORDER)
    for where in set(map(place, everything)):
        wanted = partition([one for one in everything if place(one) == where])
        here = [one.ids for one in told if place(one) == where]
        assert len(here) == len(wanted) and set(map(frozenset, here)) == wanted
    assert set(map(place, told)) == set(map(place, everything))


@given(REPORTS)
def test_each_vulnerability_says_what_its_findings_say(reports: list[Report]) -> None:
    for one in vulnerabilities(reports, ORDER):
        own = [
            (each.scanner, finding)
            for each in reports
            for finding in each.findings
            if place(finding) == place(one) and finding.id in one.ids
        ]
        assert one.id in one.ids
        assert one.severity == max(finding.severity for _, finding in own) == max(one.by.values())
        for scanner, severity in one.by.items():
            assert severity == max(finding.severity for name, finding in own if name == scanner)
        versions = [finding.fixed_in for _, finding in own if finding.fixed_in not in (None, "", "junk")]
        assert one.fixed_in is None or one.fixed_in in {finding.fixed_in for _, finding in own}
        if versions and one.fixed_in:
            assert ORDER(one.fixed_in) == max(map(ORDER, filter(None, versions)))
        assert set(one.by) == {scanner for scanner, _ in own}


def test_ten_thousand_findings_in_one_chain_are_one_and_take_steps_in_proportion() -> None:
    count = 10_000
    chain = [found(f"X-{number}", f"X-{number + 1}", fixed_in=str(number + 1)) for number in range(count)]
    random.Random(1).shuffle(chain)
    keyed = []
    [told] = vulnerabilities([report("osv", *chain)], lambda version: keyed.append(version) or int(version))
    assert (len(told.ids), told.fixed_in, len(keyed)) == (count + 1, str(count), count)
    assert len(vulnerabilities([report("osv", *(found(f"X-{number}") for number in range(count)))])) == count

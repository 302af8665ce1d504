"""Records as they are, and as somebody who means harm writes them."""

import json
from typing import Any

import pytest
from asked_of_osv import lenient
from hypothesis import given
from hypothesis import strategies as st
from orbitalreg_osv.records import LINKS, TITLE, Unusable, moment, parse, read
from orbitalreg_osv.vectors import best
from records_made import V3_HIGH, affected, record

from orbitalreg.model import Severity

V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
V2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
V3_NONE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"
V3_CRITICAL = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


# Severities


@pytest.mark.parametrize(
    ("vectors", "severity", "vector"),
    [
        ([V3_HIGH], Severity.HIGH, V3_HIGH),
        ([V3_HIGH + "/"], Severity.HIGH, V3_HIGH),
        ([V3_CRITICAL, V3_HIGH], Severity.CRITICAL, V3_CRITICAL),
        ([V2, V3_HIGH], Severity.HIGH, V3_HIGH),
        ([V3_CRITICAL, V4], Severity.CRITICAL, V4),
        ([V2], Severity.HIGH, V2),
        (["AV:N/AC:L/Au:N/C:C/I:C/A:C"], Severity.HIGH, "AV:N/AC:L/Au:N/C:C/I:C/A:C"),  # CVSS 2 knows no critical
        ([V3_NONE], Severity.NEGLIGIBLE, V3_NONE),
        (["CVSS:4.0/AV:N", V3_HIGH], Severity.HIGH, V3_HIGH),
        (["CVSS:3.1/AV:X/AC:L", V2], Severity.HIGH, V2),
    ],
)
def test_the_best_vector_counts(vectors: list[str], severity: Severity, vector: str) -> None:
    assert best(vectors) == (severity, vector)


@pytest.mark.parametrize("vector", ["", "7.5", "high", "CVSS:3.1/", "CVSS:9.0/AV:N", "/" * 100, "CVSS:3.1/" * 1000])
def test_what_is_no_vector_counts_for_nothing(vector: str) -> None:
    assert best([vector]) is None


@lenient
@given(st.text(alphabet="CVSS:3.140/ANLPRUIHXE", max_size=60))
def test_any_text_is_a_vector_or_none(text: str) -> None:
    best([text])


@pytest.mark.parametrize(
    ("more", "severity", "cvss"),
    [
        ({}, Severity.UNKNOWN, None),
        ({"severity": [{"type": "CVSS_V3", "score": V3_HIGH}]}, Severity.HIGH, V3_HIGH),
        ({"affected": [affected(severity=[{"type": "CVSS_V3", "score": V3_HIGH}])]}, Severity.HIGH, V3_HIGH),
        ({"database_specific": {"severity": "MODERATE"}}, Severity.MEDIUM, None),
        ({"database_specific": {"severity": "low"}}, Severity.LOW, None),
        ({"database_specific": {"severity": "dire"}}, Severity.UNKNOWN, None),
        ({"database_specific": {"severity": "malicious"}}, Severity.CRITICAL, None),  # not a word of theirs
        ({"database_specific": {"severity": 3}, "severity": "high"}, Severity.UNKNOWN, None),
        (
            {"database_specific": {"severity": "LOW"}, "severity": [{"type": "CVSS_V3", "score": V3_HIGH}]},
            Severity.HIGH,
            V3_HIGH,
        ),
        (
            {"database_specific": {"severity": "LOW"}, "severity": [7, {}, {"score": 1}, {"score": "x"}]},
            Severity.LOW,
            None,
        ),
    ],
)
def test_a_records_severity(more: dict[str, Any], severity: Severity, cvss: str | None) -> None:
    about = read(record(**more)).advisory
    assert (about.severity, about.cvss) == (severity, cvss)


def test_malicious_packages_are_a_class_of_their_own() -> None:
    assert read(record("MAL-2024-1")).advisory.severity is Severity.MALICIOUS
    rated = record("GHSA-1111-2222-3333", aliases=["MAL-2024-1"], severity=[{"type": "CVSS_V3", "score": V3_HIGH}])
    assert read(rated).advisory.severity is Severity.MALICIOUS
    assert read(record("NORMAL-1")).advisory.severity is Severity.UNKNOWN


# What is shown


def test_what_a_record_says() -> None:
    references = [
        {"type": "WEB", "url": "https://example.com/web"},
        {"type": "ADVISORY", "url": "https://example.com/advisory"},
        {"type": "WEB", "url": "javascript:alert(1)"},
        {"type": "WEB", "url": "https://example.com/with a blank"},
        {"type": "WEB", "url": "https://example.com/web"},
        "nonsense",
        {"url": 3},
    ]
    found = read(record(aliases=["CVE-2020-1", "CVE-2020-1", 7, "../x"], references=references, summary="One line"))
    assert found.advisory.aliases == ("CVE-2020-1",)
    assert found.advisory.links == ("https://example.com/advisory", "https://example.com/web")
    assert found.advisory.title == "One line"
    assert found.advisory.published_at == 1_577_836_800_000_000


@pytest.mark.parametrize(
    ("details", "title"),
    [
        ("First.\nSecond.", "First."),
        ("\n\n### Impact\n\nThings.", "Impact"),
        ("\x1b[31mred\x07 \u202etext", "[31mred text"),
        ("x" * 300, "x" * (TITLE - 3) + "..."),
        ("", ""),
        (7, ""),
        (None, ""),
    ],
)
def test_a_title_is_one_plain_line(details: Any, title: str) -> None:
    assert read(record(details=details)).advisory.title == title


def test_of_many_links_some_are_kept() -> None:
    references = [{"type": "WEB", "url": f"https://example.com/{number}"} for number in range(1000)]
    assert len(read(record(references=references)).advisory.links) == LINKS


@pytest.mark.parametrize("published", ["0001-01-01T00:00:00Z", "1989-12-31T00:00:00Z", "9999-01-01T00:00:00Z", 7])
def test_a_time_of_publication_that_cannot_be_is_none(published: Any) -> None:
    assert read(record(published=published)).advisory.published_at is None


def test_no_id_is_its_own_alias() -> None:
    assert read(record("GHSA-1", aliases=["GHSA-1", "CVE-2020-1"])).advisory.aliases == ("CVE-2020-1",)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01T00:00:00.1234567Z", 123_456),
        ("1970-01-01T01:00:00+01:00", 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("0001-01-01T00:00:00+14:00", None),
        ("2020-13-01T00:00:00Z", None),
        ("2020-01-01", None),
        ("", None),
        (7, None),
    ],
)
def test_a_moment(text: Any, micros: int | None) -> None:
    assert moment(text) == micros


# What is affected


def test_ranges_of_commits_and_other_ecosystems_are_passed_over() -> None:
    entry = affected()
    commits = {"type": "GIT", "repo": "https://example.com/x", "events": [{"introduced": "0"}, {"fixed": "abc"}]}
    entry["ranges"].insert(0, commits)
    other = {"package": {"ecosystem": "npm", "name": "demo"}, "ranges": [{"nonsense": 1}]}
    (package,) = read(record(affected=[entry, other, {"ranges": [commits]}])).packages
    assert package.ranges == (({"introduced": "0"}, {"fixed": "2.0"}),)


def test_a_name_is_kept_in_its_normal_form() -> None:
    (package,) = read(record("PYSEC-2020-1", "Some_Package.Name")).packages
    assert package.name == "some-package-name"


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"{",
    "deep": b"[" * 200_000,
    "deep tables": b'{"a":' * 100_000,
    "a huge number": b'{"id": ' + b"9" * 10_000 + b"}",
    "no UTF-8": b'{"id": "\xff\xfe"}',
    "no table": b"[1]",
    "no id": json.dumps({"affected": []}).encode(),
    "an id that climbs": json.dumps(record("../../etc/passwd")).encode(),
    "an id with a line": json.dumps(record("CVE-1\nx")).encode(),
    "affected is no list": json.dumps(record(affected={"a": 1})).encode(),
    "affected has no tables": json.dumps(record(affected=[1])).encode(),
    "a package without a name": json.dumps(record(affected=[{"package": {"ecosystem": "PyPI"}}])).encode(),
    "a name that is a list": json.dumps(record(affected=[{"package": {"ecosystem": "PyPI", "name": []}}])).encode(),
    "versions that are numbers": json.dumps(record(affected=[affected(versions=[1])])).encode(),
    "ranges that are texts": json.dumps(record(affected=[affected() | {"ranges": ["x"]}])).encode(),
    "events that are texts": json.dumps(
        record(affected=[affected() | {"ranges": [{"type": "ECOSYSTEM", "events": ["x"]}]}])
    ).encode(),
    "an event of another kind": json.dumps(record(affected=[affected("demo", {"opened": "1"})])).encode(),
    "an event without anything": json.dumps(record(affected=[affected("demo", {})])).encode(),
    "half a sign in a version": json.dumps(record(affected=[affected(versions=["\ud800"])])).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_record_is_told_as_such(name: str) -> None:
    with pytest.raises(Unusable):
        parse(HOSTILE[name])


@lenient
@given(st.dictionaries(st.sampled_from(sorted(record(severity=[], references=[], withdrawn="x"))), json_values))
def test_whatever_stands_in_a_record_it_is_read_or_unusable(changes: dict[str, Any]) -> None:
    try:
        read({**record(), **changes})
    except Unusable:
        return


@lenient
@given(json_values)
def test_whatever_stands_in_a_package_it_is_read_or_unusable(value: Any) -> None:
    for entry in ({"package": value}, {**affected(), "ranges": [value]}, {**affected(), "versions": value}):
        try:
            read(record(affected=[entry]))
        except Unusable:
            continue

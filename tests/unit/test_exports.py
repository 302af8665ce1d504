"""Findings as SARIF and as VEX, held against the schemas of both."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitalreg.exports import sarif, vex
from orbitalreg.exports.links import is_web
from orbitalreg.model import Address
from orbitalreg.summaries import BundledSummary, FindingSummary, NotScanned, VersionFindings

from ..documents import valid_sarif, valid_vex

TOYS = Address("acme", "toys")
MOMENT = datetime(2026, 11, 28, 10, 0, 0, 5, tzinfo=UTC)


def finding(name: str = "CVE-2020-1", severity: Any = "high", **more: Any) -> FindingSummary:
    facts: dict[str, Any] = {
        "ids": [name, "GHSA-1"],
        "by": {"grype": severity, "osv": "unknown"},
        "fixed_in": "2",
        "title": "It bursts.",
        "links": ["no address", "https://example.com/CVE-2020-1"],
        "published_at": MOMENT,
        "files": ["ball@1.toy"],
        "bundled": None,
        **more,
    }
    return FindingSummary(name, severity=severity, **facts)


def version(*found: FindingSummary, package: str = "ball", number: str = "1", missing: int = 0) -> VersionFindings:
    not_scanned = [NotScanned(f"{package}-{place}.toy", []) for place in range(missing)]
    return VersionFindings(package, number, f"pkg:toy/{package}@{number}", 3, 3 - missing, 0, not_scanned, list(found))


def as_sarif(*versions: VersionFindings) -> dict[str, Any]:
    return valid_sarif("".join(sarif(TOYS, versions)))


def as_vex(*versions: VersionFindings) -> dict[str, Any]:
    return valid_vex("".join(vex(TOYS, versions)))


def test_the_schemas_bite() -> None:
    wrong = as_sarif(version(finding()))
    wrong["runs"][0]["results"][0]["level"] = "awful"
    with pytest.raises(ValueError, match="level"):
        valid_sarif(json.dumps(wrong))
    wrong = as_vex(version(finding()))
    wrong["vulnerabilities"][0]["analysis"]["state"] = "awful"
    with pytest.raises(ValueError, match="awful"):
        valid_vex(json.dumps(wrong))


def test_sarif_has_a_rule_for_each_vulnerability_and_a_result_for_each_version() -> None:
    told = as_sarif(
        version(finding(), finding("CVE-2", "unknown", links=[])), version(finding(severity="critical"), number="2")
    )
    [run] = told["runs"]
    first, second = run["tool"]["driver"]["rules"]
    assert (first["id"], first["properties"]["security-severity"]) == ("CVE-2020-1", "9.5")
    assert first["helpUri"] == "https://example.com/CVE-2020-1"
    assert "security-severity" not in second["properties"] and "helpUri" not in second
    assert [(one["ruleId"], one["ruleIndex"], one["level"]) for one in run["results"]] == [
        ("CVE-2020-1", 0, "error"),
        ("CVE-2", 1, "warning"),
        ("CVE-2020-1", 0, "error"),
    ]
    assert run["results"][0]["message"]["text"] == (
        "ball 1 has CVE-2020-1 (high): It bursts. Fixed in 2. Seen by grype, osv."
    )
    [place] = run["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "acme/toys/ball/ball%401.toy"
    prints = [one["partialFingerprints"]["vulnerability/v1"] for one in run["results"]]
    assert len(set(prints)) == 3
    again = as_sarif(version(finding(title="Otherwise told")))["runs"][0]["results"][0]
    assert again["partialFingerprints"]["vulnerability/v1"] == prints[0]


def test_sarif_warns_of_what_was_not_scanned() -> None:
    told = as_sarif(version(missing=2))
    [invocation] = told["runs"][0]["invocations"]
    assert [one["message"]["text"] for one in invocation["toolExecutionNotifications"]] == [
        "ball 1: not scanned by any scanner: ball-0.toy, ball-1.toy"
    ]
    assert told["runs"][0]["results"] == []


def test_vex_names_what_is_affected_and_who_says_so() -> None:
    told = as_vex(version(finding(), missing=1))
    assert told["components"] == [
        {"type": "library", "bom-ref": "pkg:toy/ball@1", "name": "ball", "version": "1", "purl": "pkg:toy/ball@1"}
    ]
    [one] = told["vulnerabilities"]
    assert (one["id"], one["analysis"], one["recommendation"]) == (
        "CVE-2020-1",
        {"state": "in_triage"},
        "Upgrade ball to 2",
    )
    assert one["affects"] == [{"ref": "pkg:toy/ball@1", "versions": [{"version": "1", "status": "affected"}]}]
    assert [(rating["source"]["name"], rating["severity"]) for rating in one["ratings"]] == [
        ("grype", "high"),
        ("osv", "unknown"),
    ]
    assert [reference["id"] for reference in one["references"]] == ["GHSA-1"]
    assert one["advisories"] == [{"url": "https://example.com/CVE-2020-1"}]
    assert told["metadata"]["properties"] == [{"name": "orbitalreg:not_scanned", "value": "ball 1: ball-0.toy"}]


def test_what_is_bundled_is_a_component_of_its_own_for_each_place() -> None:
    places = [finding(bundled=BundledSummary("string", "3", "pkg:toy/string@3", place)) for place in "xy"]
    told = as_vex(version(finding(), *places))
    assert [(one["name"], one["version"]) for one in told["components"]] == [
        ("ball", "1"),
        ("string", "3"),
        ("string", "3"),
    ]
    assert len({one["bom-ref"] for one in told["vulnerabilities"]}) == 3
    results = as_sarif(version(finding(), *places))["runs"][0]["results"]
    assert "string 3, bundled in ball 1, has" in results[1]["message"]["text"]
    assert len({one["partialFingerprints"]["vulnerability/v1"] for one in results}) == 3


def test_nothing_found_is_a_document_too() -> None:
    assert as_sarif()["runs"][0]["results"] == as_vex()["vulnerabilities"] == []


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com",
        "http://10.1.2.3:8080/a?b=c#d",
        "HTTPS://a-b.example/x%20y",
        "https://osv.dev/vulnerability/X-1",
    ],
)
def test_what_a_person_can_open_is_told_as_a_link(link: str) -> None:
    assert is_web(link)
    assert as_sarif(version(finding(links=[link])))["runs"][0]["tool"]["driver"]["rules"][0]["helpUri"] == link
    assert as_vex(version(finding(links=[link])))["vulnerabilities"][0]["advisories"] == [{"url": link}]


@pytest.mark.parametrize(
    "link",
    [
        "",
        "x",
        "ftp://e/",
        "http://",
        "http://[",
        "http://e/a b",
        "http://e/\x1f",
        "HTTP://0\x1f",
        "http://e/%zz",
        "http://e/\n",
    ],
)
def test_what_is_no_address_is_told_nowhere(link: str) -> None:
    assert not is_web(link)
    assert "helpUri" not in as_sarif(version(finding(links=[link])))["runs"][0]["tool"]["driver"]["rules"][0]
    assert "advisories" not in as_vex(version(finding(links=[link])))["vulnerabilities"][0]


SEVERITIES = st.sampled_from(["unknown", "negligible", "low", "medium", "high", "critical", "malicious"])
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FOUND = st.builds(
    FindingSummary,
    id=WORDS.filter(bool),
    ids=st.lists(WORDS, max_size=2, unique=True),
    severity=SEVERITIES,
    by=st.dictionaries(WORDS, SEVERITIES, min_size=1, max_size=2),
    fixed_in=st.none() | WORDS,
    title=WORDS,
    links=st.lists(WORDS | st.just("https://example.com/a b") | st.just("https://[") | WORDS.map("http://e/{}".format)),
    published_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    files=st.lists(WORDS, min_size=1, max_size=2),
    bundled=st.none() | st.builds(BundledSummary, WORDS, WORDS, st.sampled_from(["", "pkg:a/b@1"]), WORDS),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(FOUND, max_size=3, unique_by=lambda one: (one.id, str(one.bundled))))
def test_whatever_scanners_write_the_documents_are_valid(found: list[FindingSummary]) -> None:
    as_sarif(version(*found, missing=1))
    as_vex(version(*found, missing=1))

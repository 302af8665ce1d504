"""Findings, reports and bills of materials through the API."""

import json
from typing import Any

import pytest

from orbitalreg.model import Database, Severity

from .. import scanner_plugin
from ..reported import BLANK, CLEAN, HIGH, SAME, STALE, finding, put, report
from .conftest import BALL, TOYS, Api

RAW = b'{"matches": []}'
NAMED = 'name = "probe"'
SBOM = b'{"bomFormat": "CycloneDX"}'


@pytest.fixture
def seen(stocked: Any, api: Any) -> Any:
    """ball: 1 is bad, 2 has too old a report, 10 none; kite: 1 is clean, 2 was not recognised."""
    put(stocked.registry, "acme/toys", "ball@1.toy", HIGH, SAME, raw=RAW, documents={"cyclonedx": SBOM})
    put(stocked.registry, "acme/toys", "ball@2.toy", STALE)
    put(stocked.registry, "acme/toys", "kite@1.toy", CLEAN)
    put(stocked.registry, "acme/toys", "kite@2.toy", BLANK)
    return api


def test_one_vulnerability_is_told_once_with_who_saw_it(seen: Any) -> None:
    told = seen.get(f"{BALL}/versions/1/findings")
    assert told == {
        "package": "ball",
        "version": "1",
        "purl": "pkg:toy/ball@1",
        "file_count": 1,
        "scanned_count": 1,
        "outdated_count": 0,
        "exposures": [],
        "not_scanned": [],
        "findings": [
            {
                "id": "CVE-2020-1",
                "ids": ["CVE-2020-1", "GHSA-1", "PYSEC-1"],
                "severity": "high",
                "by": {"grype": "high", "osv": "unknown"},
                "fixed_in": "2",
                "title": "It bursts",
                "links": ["https://example.com/CVE-2020-1"],
                "published_at": "2023-11-14T22:13:20Z",
                "files": ["ball@1.toy"],
                "bundled": None,
            }
        ],
    }


def test_versions_without_a_finding_say_what_that_is_worth(seen: Any) -> None:
    [one, ten, two] = seen.get(f"{BALL}/findings")["items"]
    assert [one["version"], ten["version"], two["version"]] == ["1", "10", "2"]
    assert (two["scanned_count"], two["outdated_count"], two["not_scanned"], two["findings"]) == (0, 1, [], [])
    assert (ten["scanned_count"], ten["outdated_count"], ten["findings"]) == (0, 0, [])
    assert ten["not_scanned"] == [{"filename": "ball@10.toy", "reports": []}]
    kites = seen.get(f"{TOYS}/packages/kite/findings")["items"]
    assert [kite["scanned_count"] for kite in kites] == [1, 0, 0]
    [blank] = kites[2]["not_scanned"]
    assert (blank["reports"][0]["status"], blank["reports"][0]["reason"]) == (
        "not_scanned",
        "it did not recognise the file",
    )


@pytest.mark.parametrize("limit", [1, 2, 4, 100])
def test_lists_come_in_parts_that_leave_nothing_out(limit: int, seen: Any) -> None:
    every = [("ball", "1"), ("ball", "10"), ("ball", "2"), ("kite", "1"), ("kite", "10"), ("kite", "2")]
    packages = seen.names(f"{TOYS}/findings", "package", limit=limit)
    versions = seen.names(f"{TOYS}/findings", "version", limit=limit)
    assert list(zip(packages, versions, strict=True)) == every
    assert seen.names(f"{BALL}/findings", "version", limit=limit) == ["1", "10", "2"]


def test_a_package_that_goes_away_between_two_parts_hides_no_other(seen: Any) -> None:
    first = seen.get(f"{TOYS}/findings", limit=2)
    for version in ("1", "2", "10"):
        assert seen("DELETE", f"{BALL}/versions/{version}").status_code == 200
    rest = seen.get(f"{TOYS}/findings", cursor=first["next"])
    assert [item["package"] for item in rest["items"]] == ["kite"] * 3 and rest["next"] is None


def test_findings_below_a_severity_are_left_out_and_the_versions_are_not(seen: Any) -> None:
    for severity, count in (("unknown", 1), ("high", 1), ("critical", 0)):
        assert len(seen.get(f"{BALL}/versions/1/findings", severity=severity)["findings"]) == count
        assert len(seen.get(f"{TOYS}/findings", severity=severity)["items"]) == 6
    assert seen("GET", f"{TOYS}/findings", params={"severity": "awful"}).status_code == 422


def test_callers_are_told_of_what_they_may_read(seen: Any) -> None:
    reader = seen.site.token("acme/toys/k*:read", name="reader")
    assert set(seen.names(f"{TOYS}/findings", "package", token=reader, limit=1)) == {"kite"}
    assert seen("GET", f"{BALL}/findings", token=reader).status_code == 404
    assert seen("GET", f"{BALL}/versions/1/files/ball@1.toy/sbom", token=reader).status_code == 404


def test_what_is_not_there_has_no_findings(seen: Any) -> None:
    assert seen("GET", f"{TOYS}/packages/absent/findings").status_code == 404
    assert seen("GET", f"{BALL}/versions/7/findings").status_code == 404
    assert seen("GET", f"{BALL}/versions/none/findings").status_code == 404
    assert seen.get("/api/v1/projects/acme/repositories/again/findings") == {"items": [], "next": None}


def test_what_is_bundled_is_told_apart_by_its_place(seen: Any) -> None:
    bundled = {"is_bundled": True, "purl": "pkg:toy/string@3", "severity": Severity.CRITICAL}
    places = [finding("CVE-9", "string", "3", location=place, **bundled) for place in ("x/string", "y/string")]
    put(seen.site.registry, "acme/toys", "ball@10.toy", report("trivy", *places, finding("CVE-9", version="10")))
    found = seen.get(f"{BALL}/versions/10/findings")["findings"]
    assert [one["bundled"] and one["bundled"]["location"] for one in found] == ["x/string", "y/string", None]
    assert found[0]["bundled"] == {
        "package": "string",
        "version": "3",
        "purl": "pkg:toy/string@3",
        "location": "x/string",
    }


def test_the_files_list_their_reports(seen: Any) -> None:
    [first, _, last] = seen.get(f"{BALL}/files")["items"]
    assert last["reports"] == []
    assert first["reports"][1] == {
        "scanner": "osv",
        "scanner_version": "1.0",
        "status": "ok",
        "reason": None,
        "database": {"version": "5", "digest": "sha256:d5", "built_at": "2023-11-14T22:13:20Z"},
        "scanned_at": "2023-11-14T23:13:20Z",
        "by_name": False,
        "finding_count": 1,
    }
    assert seen.get(f"{BALL}/versions/1/files/ball@1.toy")["reports"] == first["reports"]


def test_a_files_reports_are_told_in_full(seen: Any) -> None:
    told = seen.get(f"{BALL}/versions/1/files/ball@1.toy/reports")
    assert (told["filename"], told["version"], told["sboms"]) == ("ball@1.toy", "1", ["cyclonedx"])
    grype, osv = told["reports"]
    assert grype["findings"][0]["id"] == "GHSA-1" and grype["findings"][0]["severity"] == "high"
    assert (osv["findings"][0]["aliases"], osv["has_raw"]) == (["CVE-2020-1"], True)
    assert seen.get(f"{BALL}/versions/10/files/ball@10.toy/reports")["reports"] == []
    assert seen("GET", f"{BALL}/versions/10/files/ball@1.toy/reports").status_code == 404


def test_raw_output_is_served_as_it_is_and_never_shown(seen: Any) -> None:
    raw = f"{BALL}/versions/1/files/ball@1.toy/reports/grype/raw"
    answer = seen("GET", raw)
    assert (answer.status_code, answer.content) == (200, RAW)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    head = seen("HEAD", raw)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(RAW)))
    assert seen("GET", raw.replace("grype", "trivy")).status_code == 404
    assert "no output of grype" in seen("GET", f"{BALL}/versions/2/files/ball@2.toy/reports/grype/raw").json["detail"]


def test_bills_of_materials_are_served_by_their_format(seen: Any) -> None:
    sbom = f"{BALL}/versions/1/files/ball@1.toy/sbom"
    answer = seen("GET", sbom)
    assert (answer.content, answer.headers["Content-Type"]) == (SBOM, "application/vnd.cyclonedx+json")
    assert seen("GET", sbom, params={"format": "cyclonedx"}).content == SBOM
    missing = seen("GET", sbom, params={"format": "spdx"})
    assert (missing.status_code, missing.json["detail"]) == (
        404,
        "no scanner has left a bill of materials (spdx) of ball@1.toy",
    )
    assert seen("GET", sbom, params={"format": "swid"}).status_code == 400


def test_a_blob_that_is_lost_is_a_fault_of_the_store(seen: Any) -> None:
    registry = seen.site.registry
    [row] = registry.catalog.read().execute("SELECT key FROM blob WHERE size = ?", (len(SBOM),)).fetchall()
    registry.store.delete(row[0])
    assert seen("GET", f"{BALL}/versions/1/files/ball@1.toy/sbom").status_code == 500


def test_a_scanner_that_looks_for_no_fault_proves_nothing(make_site: Any, install: Any) -> None:
    """Its report is `ok` where it made a bill of materials: its silence says nothing, after it was switched off too."""
    install("probe", scanner_plugin.SOURCE.replace(NAMED, f'{NAMED}\n    capabilities = frozenset({{"sbom"}})'))
    api = Api(make_site("[plugins.probe]"))
    scanner_plugin.put(api.site, "good")
    scanner_plugin.work(api.site)
    for enabled in (api, Api(make_site())):
        told = enabled.get(f"{BALL}/versions/1/findings")
        assert (told["scanned_count"], [one["filename"] for one in told["not_scanned"]]) == (0, ["ball@1.toy"])
        assert [one["status"] for one in told["not_scanned"][0]["reports"]] == ["ok"]
    put(api.site.registry, "acme/toys", "ball@1.toy", CLEAN)
    assert api.get(f"{BALL}/versions/1/findings")["scanned_count"] == 1


def test_output_that_cannot_be_unpacked_is_a_fault_of_the_store(seen: Any) -> None:
    registry = seen.site.registry
    with registry.catalog.write() as db:
        db.execute("UPDATE report SET raw_sha256 = (SELECT sha256 FROM report_document LIMIT 1)")
    answer = seen("GET", f"{BALL}/versions/1/files/ball@1.toy/reports/grype/raw")
    assert answer.status_code == 500 and seen.site.staged() == []


def test_ten_thousand_findings_are_one_answer(seen: Any) -> None:
    many = [finding(f"X-{number}") for number in range(10_000)]
    put(seen.site.registry, "acme/toys", "ball@10.toy", report("evil", *many))
    assert len(seen.get(f"{BALL}/versions/10/findings")["findings"]) == 10_000


@pytest.mark.parametrize("instant", [10**18, 10**30, -(10**18)])
def test_a_time_that_no_calendar_has_hides_nothing(instant: int, seen: Any) -> None:
    """As of a scanner that counts in nanoseconds."""
    odd = report("osv", finding("X-1", version="10", published_at=instant), database=Database("1", "d", instant))
    put(seen.site.registry, "acme/toys", "ball@10.toy", odd)
    [found] = seen.get(f"{BALL}/versions/10/findings")["findings"]
    assert (found["id"], found["published_at"]) == ("X-1", None)
    [told] = seen.get(f"{BALL}/versions/10/files/ball@10.toy/reports")["reports"]
    assert told["database"]["built_at"] is None


def test_the_document_says_what_comes(seen: Any) -> None:
    paths = seen.get("/api/v1/openapi.json")["paths"]
    file = "/api/v1/projects/{project}/repositories/{repository}/packages/{package}/versions/{version}/files/{filename}"
    sbom = paths[f"{file}/sbom"]["get"]["responses"]["200"]["content"]
    assert list(sbom) == ["application/vnd.cyclonedx+json", "application/spdx+json"]
    assert list(paths[f"{file}/reports/{{scanner}}/raw"]["get"]["responses"]["200"]["content"]) == [
        "application/octet-stream"
    ]
    assert "critical" in json.dumps(paths)


def test_what_a_scanner_at_work_finds_is_told_with_all_it_left(make_site: Any, install: Any) -> None:
    """From the upload through the queue and a child process to the answer."""
    install("probe", scanner_plugin.SOURCE)
    api = Api(make_site("[plugins.probe]"))
    scanner_plugin.put(api.site, "bad")
    before = api.get(f"{BALL}/versions/1/findings")
    assert (before["scanned_count"], before["findings"], len(before["not_scanned"])) == (0, [], 1)
    scanner_plugin.work(api.site)
    after = api.get(f"{BALL}/versions/1/findings")
    assert (after["scanned_count"], after["not_scanned"]) == (1, [])
    assert [(one["id"], one["by"]) for one in after["findings"]] == [("CVE-1", {"probe": "high"})]
    file = f"{BALL}/versions/1/files/ball@1.toy"
    assert api("GET", f"{file}/reports/probe/raw").content == b"raw of bad"
    [told] = api.get(f"{file}/reports")["reports"]
    assert (told["status"], told["has_raw"], told["packages_seen"]) == ("ok", True, ["pkg:toy/ball@1"])

"""Policies on the wire: the refusal that a client prints, pages and their tags, and every process alike."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from orbitalreg.catalog import Catalog, reports
from orbitalreg.model import Finding, Report, ReportStatus, Severity

TOYS = "/toy/acme/toys"

GATE = """
[[policies]]
name = "gate"
repositories = ["acme/toys"]
severity = "high"
{more}

[projects.acme.repositories.all]
format = "toy"
kind = "virtual"
members = ["toys", "open"]

[[policies]]
name = "of-all"
repositories = ["acme/all"]
licenses_denied = ["AGPL-3.0-only"]
malicious = false
"""
HOLE = Finding("PYSEC-1", "ball", "1", Severity.HIGH, ("CVE-2019-10906",), fixed_in="2")
TOLD = "blocked by policy gate: CVE-2019-10906 (high) in ball 1, fixed in 2"
GET = f"{TOYS}/get/ball/ball@1.toy"


def found(catalog: Catalog, filename: str, *findings: Finding, package: str = "ball") -> None:
    """What a scanner reports, as the worker writes it."""
    with catalog.write() as db:
        [file_id] = [row[0] for row in db.execute("SELECT id FROM file WHERE filename = ?", (filename,)).fetchall()]
        reports.put(db, file_id, Report("eye", ReportStatus.OK, findings))
        reports.changed(db, "toy", package)


@pytest.fixture
def guarded(make_site: Callable[..., Any]) -> Callable[..., Any]:
    def make(more: str = "") -> Any:
        site = make_site(GATE.format(more=more))
        for version in ("1", "2"):
            assert site.put(f"ball@{version}.toy", f"ball {version}".encode()).status_code == 200
        return site

    return make


def test_a_blocked_file_is_off_the_pages_and_answers_403_with_the_reason(guarded: Callable[..., Any]) -> None:
    site = guarded()
    before = site.get(f"{TOYS}/of/ball/")
    assert set(before.json) == {"ball@1.toy", "ball@2.toy"}
    assert site.get(GET).headers["Cache-Control"] == "private, max-age=0, must-revalidate"
    tag = site.get(GET).headers["ETag"]
    found(site.registry.catalog, "ball@1.toy", HOLE)
    for path in (GET, f"{GET}.head"):
        for method in ("GET", "HEAD"):
            refused = site.request(method, path, headers={"If-None-Match": tag, "Range": "bytes=0-1"})
            assert (refused.status, refused.headers["Cache-Control"]) == (f"403 {TOLD}", "no-store")
    assert site.get(GET).text == f"{TOLD}\n"
    after = site.get(f"{TOYS}/of/ball/", If_None_Match=before.headers["ETag"])
    assert (after.status_code, set(after.json)) == (200, {"ball@2.toy"})
    assert site.get(f"{TOYS}/names/").text == "ball\n"
    assert "ball@1.toy" not in site.get(f"{TOYS}/about/ball").text
    assert site.get(GET.replace("@1", "@2")).status_code == 200


def test_a_package_of_which_all_is_blocked_has_an_empty_page_and_keeps_its_name(guarded: Callable[..., Any]) -> None:
    site = guarded()
    for version in "12":
        found(site.registry.catalog, f"ball@{version}.toy", HOLE)
    assert (site.page(), site.get(f"{TOYS}/names/").text) == ({}, "ball\n")


def test_lifting_the_cause_lifts_the_block(guarded: Callable[..., Any], make_site: Callable[..., Any]) -> None:
    site = guarded()
    found(site.registry.catalog, "ball@1.toy", HOLE)
    assert site.get(GET).status_code == 403
    found(site.registry.catalog, "ball@1.toy")
    assert (site.get(GET).status_code, set(site.page())) == (200, {"ball@1.toy", "ball@2.toy"})
    found(site.registry.catalog, "ball@1.toy", HOLE)
    assert site.get(GET).status_code == 403
    assert make_site().get(GET, token=site.publisher).content == b"ball 1", "nothing was deleted"


def test_an_exception_opens_it(guarded: Callable[..., Any]) -> None:
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3 * 86400))
    site = guarded(f'exceptions = [{{ id = "CVE-2019-10906", reason = "not reachable", until = {day} }}]')
    found(site.registry.catalog, "ball@1.toy", HOLE)
    assert site.get(GET).status_code == 200
    [version] = [one for one in explained(site)["versions"] if one["version"] == "1"]
    assert [(one["action"], one["reason"]) for one in version["verdicts"]] == [
        ("except", f"CVE-2019-10906 (high) in ball 1, fixed in 2: excepted until {day}, not reachable")
    ]


def explained(site: Any, repository: str = "toys") -> Any:
    answer = site.get(f"/api/v1/projects/acme/repositories/{repository}/packages/ball/explanation")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_shown_as_yanked(guarded: Callable[..., Any]) -> None:
    site = guarded('show = "yanked"')
    found(site.registry.catalog, "ball@1.toy", HOLE)
    assert site.page()["ball@1.toy"][1] == TOLD
    assert site.get(GET).status == f"403 {TOLD}"


def test_a_warning_is_told_by_the_api_and_the_file_is_there(guarded: Callable[..., Any]) -> None:
    site = guarded('action = "warn"')
    found(site.registry.catalog, "ball@1.toy", HOLE)
    assert site.get(GET).status_code == 200
    [version] = [one for one in explained(site)["versions"] if one["version"] == "1"]
    assert version["withheld"] == [] and version["files"] == ["ball@1.toy"]
    assert version["verdicts"] == [
        {
            "filename": "ball@1.toy",
            "policy": "gate",
            "action": "warn",
            "rule": "severity",
            "reason": "CVE-2019-10906 (high) in ball 1, fixed in 2",
            "vulnerability": "CVE-2019-10906",
            "severity": "high",
            "fixed_in": "2",
        }
    ]


def test_a_local_repositorys_lists_tell_of_what_is_withheld(guarded: Callable[..., Any]) -> None:
    site = guarded()
    found(site.registry.catalog, "ball@1.toy", HOLE)
    place = "/api/v1/projects/acme/repositories/toys/packages/ball"
    assert site.get(place).json["versions"] == ["2"]
    files = {one["filename"]: one for one in site.get(f"{place}/files").json["items"]}
    assert files["ball@2.toy"]["withheld"] is None
    assert files["ball@1.toy"]["withheld"] == {
        "filename": "ball@1.toy",
        "by": "acme/toys",
        "reason": TOLD,
        "until": None,
    }
    assert files["ball@1.toy"]["published_by"] == "service:publisher"


def test_a_virtual_repository_applies_both(guarded: Callable[..., Any]) -> None:
    site = guarded()
    site.put("ball@3.toy", b"license: AGPL-3.0-only")
    found(site.registry.catalog, "ball@1.toy", HOLE)
    get = "/toy/acme/all/get/ball/ball@{}.toy".format
    assert site.get(get(1)).status == f"403 {TOLD}"
    assert site.get(get(2)).status_code == 200
    assert site.get(get(3)).status == "403 blocked by policy of-all: its license AGPL-3.0-only is denied"
    assert site.get(f"{TOYS}/get/ball/ball@3.toy").status_code == 200
    assert set(site.get("/toy/acme/all/of/ball/").json) == {"ball@2.toy"}


def test_every_process_blocks_and_opens_alike(
    guarded: Callable[..., Any], serve: Callable[..., Any], tmp_path: Path
) -> None:
    site = guarded()
    servers = [serve("--config", str(tmp_path / "orbitalreg.toml")) for _ in range(2)]
    headers = {"Authorization": f"Bearer {site.publisher}"}

    def said(path: str) -> list[requests.Response]:
        return [requests.get(server.url + path, headers=headers, timeout=30) for server in servers]

    for _ in range(3):
        assert [answer.status_code for answer in said(GET)] == [200, 200]
        found(site.registry.catalog, "ball@1.toy", HOLE)
        assert [(answer.status_code, answer.reason) for answer in said(GET)] == [(403, TOLD)] * 2
        pages = said(f"{TOYS}/of/ball/")
        assert len({(answer.headers["ETag"], answer.text) for answer in pages}) == 1
        assert "ball@1.toy" not in json.loads(pages[0].text)
        found(site.registry.catalog, "ball@1.toy")


def test_a_registry_without_policies_asks_nothing_of_reports(make_site: Callable[..., Any]) -> None:
    """What is read directly has nothing of policies on its way."""
    site = make_site()
    site.put("ball@1.toy")
    found(site.registry.catalog, "ball@1.toy", HOLE)
    source = site.registry.source(site.repository())
    assert source is site.registry.sources.raw[site.repository().address]
    assert site.get(GET).headers["Cache-Control"].endswith("immutable")


def test_what_comes_with_dependencies_in_the_transitive_scope(guarded: Callable[..., Any]) -> None:
    """From the upload to the page: what is found in one package blocks those that need it, until a version mends it."""
    site = guarded('scope = "transitive"')
    for filename, body in {"net@1.toy": b"needs: ball<2", "kite@1.toy": b"needs: net"}.items():
        assert site.put(filename, body).status_code == 200
    kept_in_step(site)
    found(site.registry.catalog, "ball@1.toy", HOLE)
    kept_in_step(site)
    told = "blocked by policy gate: CVE-2019-10906 (high) in ball 1, which comes through net 1, fixed in 2"
    assert site.get(f"{TOYS}/get/kite/kite@1.toy").status == f"403 {told}"
    assert (site.get(f"{TOYS}/of/kite/").json, set(site.page())) == ({}, {"ball@2.toy"})
    answer = site.get("/api/v1/projects/acme/repositories/toys/packages/kite/explanation")
    assert [one["reason"] for one in answer.json["versions"][0]["verdicts"]] == [told.partition(": ")[2]]
    assert site.put("net@1.1.toy", b"needs: ball>=2").status_code == 200
    kept_in_step(site)
    assert site.get(f"{TOYS}/get/kite/kite@1.toy").status_code == 200
    assert site.get(f"{TOYS}/get/net/net@1.toy").status_code == 403


def kept_in_step(site: Any) -> None:
    """As a worker does it, here and now."""
    site.registry.graph.updater.reconcile()
    assert site.registry.graph.updater.update()

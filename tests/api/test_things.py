"""Packages, versions and files through the API: what is told of them, and what is done to them."""

import json
import time
from typing import Any

import pytest

from .conftest import BALL, ROOT, TOYS


def audited(site: Any) -> list[tuple[str, str, str]]:
    rows = site.registry.catalog.read().execute("SELECT action, target, actor FROM audit_entry ORDER BY id")
    return [tuple(row) for row in rows]


def test_a_project_and_a_repository(site: Any, api: Any) -> None:
    assert api.get(f"{ROOT}/projects/acme") == {"name": "acme"}
    assert api.get(TOYS) == {
        "project": "acme",
        "name": "toys",
        "format": "toy",
        "kind": "local",
        "anonymous_read": False,
    }


def test_a_package_tells_its_newest_version_in_its_formats_order(stocked: Any, api: Any) -> None:
    summary = {"name": "ball", "status": "active", "reason": None, "newest": "10", "version_count": 3, "file_count": 3}
    assert api.get(BALL) == {**summary, "versions": ["1", "2", "10"]}
    assert api.get(f"{TOYS}/packages")["items"][0] == summary


def test_names_may_be_spelt_as_the_format_allows(stocked: Any, api: Any) -> None:
    assert api.get(f"{TOYS}/packages/BALL/versions/1")["version"] == "1"


def test_a_version_and_a_file(stocked: Any, api: Any) -> None:
    version = api.get(f"{BALL}/versions/1")
    assert {key: version[key] for key in ("version", "file_count", "size", "yanked")} == {
        "version": "1",
        "file_count": 1,
        "size": 5,
        "yanked": None,
    }
    file = api.get(f"{BALL}/versions/1/files/ball@1.toy")
    assert file["published_at"] == version["published_at"] and file["published_at"].endswith("Z")
    assert file["sha256"] == "11dd2c39a5de626a883120c9ee97099963798828590c22b6e9c72224b6ed63c9"
    assert (file["published_by"], file["downloads"], file["requirements"]) == ("service:publisher", 0, [])


@pytest.mark.parametrize(
    "path",
    [
        f"{TOYS}/packages/absent",
        f"{TOYS}/packages/absent/versions",
        f"{TOYS}/packages/absent/files",
        f"{TOYS}/packages/absent/downloads",
        f"{BALL}/versions/9",
        f"{BALL}/versions/nonsense",
        f"{BALL}/versions/9/files",
        f"{BALL}/versions/9/downloads",
        f"{BALL}/versions/1/files/ball@2.toy",
        f"{BALL}/versions/1/files/kite@1.toy",
        f"{BALL}/versions/1/files/absent/downloads",
    ],
)
def test_what_is_not_there_is_404(path: str, stocked: Any, api: Any) -> None:
    assert api("GET", path).status_code == 404


def test_head_is_get_without_a_body(stocked: Any, api: Any) -> None:
    answer = api("HEAD", BALL)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_yank_and_its_way_back(stocked: Any, api: Any) -> None:
    answer = api("POST", f"{BALL}/versions/1/yank", {"reason": "it rolls away"})
    assert answer.json == {"package": "ball", "version": "1", "filenames": ["ball@1.toy"]}
    assert stocked.page()["ball@1.toy"][1] == "it rolls away"
    assert api.get(f"{BALL}/versions/1")["yanked"] == "it rolls away"
    assert api("DELETE", f"{BALL}/versions/1/yank").status_code == 200
    assert stocked.page()["ball@1.toy"][1] is None
    assert audited(stocked)[-2:] == [
        ("version.yank", "acme/toys/ball==1", "service:publisher"),
        ("version.unyank", "acme/toys/ball==1", "service:publisher"),
    ]


def test_a_yank_needs_no_reason(stocked: Any, api: Any) -> None:
    api("POST", f"{BALL}/versions/1/yank", {})
    assert api.get(f"{BALL}/versions/1")["yanked"] == ""
    assert api.get(f"{BALL}/versions/2")["yanked"] is None


def test_a_deleted_version_is_gone_and_its_name_is_not_free(stocked: Any, api: Any) -> None:
    assert api("DELETE", f"{BALL}/versions/1").json["filenames"] == ["ball@1.toy"]
    assert "ball@1.toy" not in stocked.page()
    assert api("GET", f"{BALL}/versions/1").status_code == 404
    assert api("DELETE", f"{BALL}/versions/1").status_code == 404
    assert stocked.put("ball@1.toy", b"other bytes").status_code == 400


def test_one_file_is_deleted(stocked: Any, api: Any) -> None:
    assert api("DELETE", f"{BALL}/versions/1/files/ball@1.toy").json["filenames"] == ["ball@1.toy"]
    assert api("DELETE", f"{BALL}/versions/2/files/ball@10.toy").status_code == 404
    assert set(stocked.page()) == {"ball@2.toy", "ball@10.toy"}


def test_a_status(stocked: Any, api: Any) -> None:
    answer = api("PUT", f"{BALL}/status", {"status": "archived", "reason": "see kite"})
    assert answer.json == {"package": "ball", "status": "archived", "reason": "see kite"}
    assert api.get(BALL)["reason"] == "see kite"
    assert stocked.put("ball@11.toy").status_code == 400


def test_a_quarantined_package_shows_no_file_here_either(stocked: Any, api: Any) -> None:
    api("PUT", f"{BALL}/status", {"status": "quarantined"})
    assert api.get(BALL)["versions"] == []
    assert api.get(f"{BALL}/files")["items"] == api.get(f"{BALL}/versions")["items"] == []
    assert api("GET", f"{BALL}/versions/1").status_code == 404
    assert api("GET", f"{BALL}/versions/1/files/ball@1.toy").status_code == 404
    assert api.get(f"{TOYS}/packages")["items"][0]["file_count"] == 0


def test_downloads_are_counted_in_all_and_by_day(stocked: Any, api: Any) -> None:
    today = time.strftime("%Y-%m-%d", time.gmtime())
    for filename, times in (("ball@1.toy", 3), ("ball@2.toy", 1), ("kite@1.toy", 1)):
        for _ in range(times):
            stocked.get(f"/toy/acme/toys/get/{filename[:4]}/{filename}")
    stocked.registry.usage.flush()
    with stocked.registry.catalog.write() as db:
        db.execute("INSERT INTO download SELECT id, '', '2020-01-31', 10 FROM file WHERE filename = 'ball@1.toy'")
    for path, total, present in (
        (BALL, 14, 4),
        (f"{BALL}/versions/1", 13, 3),
        (f"{BALL}/versions/1/files/ball@1.toy", 13, 3),
        (f"{BALL}/versions/2", 1, 1),
    ):
        assert api.get(f"{path}/downloads") == {"total": total, "days": [{"day": today, "count": present}]}
    assert api.get(f"{BALL}/versions/10/downloads", days=1) == {"total": 0, "days": []}
    assert api.get(f"{BALL}/versions/1/files/ball@1.toy")["downloads"] == 13


@pytest.mark.parametrize("days", [0, 367, "x"])
def test_days_have_bounds(days: Any, stocked: Any, api: Any) -> None:
    assert api("GET", f"{BALL}/downloads", params={"days": days}).status_code == 422


def test_a_change_is_seen_by_the_next_request_of_another_process(make_site: Any, tmp_path: Any) -> None:
    one, other = make_site(), make_site()
    one.put("ball@1.toy")
    path = f"{BALL}/versions/1"
    assert other.get(path, one.publisher).status_code == 200
    headers = {"Content-Type": "application/json"}
    one.request("POST", f"{path}/yank", headers=headers, body=json.dumps({"reason": "x"}))
    assert other.get(path, one.publisher).json["yanked"] == "x"

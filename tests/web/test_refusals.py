"""Changes that are refused: an entry of the audit log each, with who, whence, what and why; reads are none."""

import json
from typing import Any

import pytest

from orbitalreg.errors import StorageFailed
from orbitalreg.model import now

TOYS = "/toy/acme/toys"
BALL = "/api/v1/projects/acme/repositories/toys/packages/ball"
JSON = {"Content-Type": "application/json"}


def refused(site: Any) -> list[dict[str, Any]]:
    columns = "actor, token_id, address, request_id, action, target, detail, project, reason"
    rows = site.registry.catalog.read().execute(
        f"SELECT {columns} FROM audit_entry WHERE outcome = 'refused' ORDER BY at, id"
    )
    names = columns.split(", ")
    found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    return [{**entry, "detail": json.loads(entry["detail"])} for entry in found]


def test_a_refused_upload_is_recorded_with_everything_that_is_known(site: Any) -> None:
    reader = site.token("acme:read", name="reader")
    answer = site.put("ball@1.toy", token=reader)
    assert answer.status_code == 403
    [entry] = refused(site)
    assert entry == {
        "actor": "service:reader",
        "token_id": reader[6:14],
        "address": "127.0.0.1",
        "request_id": answer.headers["X-Request-ID"],
        "action": "file.publish",
        "target": "acme/toys",
        "detail": {"status": 403, "method": "POST", "path": f"{TOYS}/put/ball@1.toy"},
        "project": "acme",
        "reason": answer.text.strip(),
    }


def test_other_bytes_under_a_name_are_a_refused_change(site: Any) -> None:
    assert site.put("ball@1.toy").status_code == 200
    assert site.put("ball@1.toy", b"other").status_code == 400
    assert site.put("ball@1.toy").status_code == 200  # the same again changes nothing and is refused nothing
    [entry] = refused(site)
    assert entry["reason"].startswith("File already exists")


CHANGES = [
    ("POST", f"{TOYS}/put/ball@2.toy", None, "file.publish", "acme/toys"),
    ("DELETE", f"{BALL}/versions/1", None, "file.delete", "acme/toys/ball==1"),
    ("DELETE", f"{BALL}/versions/1/files/ball@1.toy", None, "file.delete", "acme/toys/ball==1"),
    ("POST", f"{BALL}/versions/1/yank", {"reason": ""}, "version.yank", "acme/toys/ball==1"),
    ("DELETE", f"{BALL}/versions/1/yank", None, "version.unyank", "acme/toys/ball==1"),
    ("PUT", f"{BALL}/status", {"status": "archived", "reason": None}, "package.status", "acme/toys/ball"),
    ("DELETE", f"{BALL}/reservation", None, "package.release", "acme/toys/ball"),
    ("POST", "/api/v1/tokens", {"name": "x", "grants": ["acme:admin"]}, "token.create", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/abcdefgh", None, "token.revoke", "abcdefgh"),
    ("POST", "/api/v1/tokens/abcdefgh/rotate", {}, "token.rotate", "abcdefgh"),
    ("DELETE", "/api/v1/projects/acme/tokens/abcdefgh", None, "token.revoke", "abcdefgh"),
]


@pytest.mark.parametrize(("method", "path", "body", "action", "target"), CHANGES)
@pytest.mark.parametrize("who", ["nobody", "reader", "a broken token"])
def test_every_kind_of_change_is_recorded_under_its_own_name(
    method: str, path: str, body: Any, action: str, target: str, who: str, site: Any
) -> None:
    site.put("ball@1.toy")
    reader = site.token("acme:read", name="reader")
    token = {"nobody": None, "reader": reader, "a broken token": reader[:-1] + "!"}[who]
    options = {} if body is None else {"body": json.dumps(body)}
    answer = site.request(method, path, token, JSON if body is not None else {}, **options)
    assert 400 <= answer.status_code < 500
    [entry] = refused(site)
    assert (entry["action"], entry["target"]) == (action, target)
    assert entry["actor"] == ("service:reader" if who == "reader" else "anonymous")
    assert entry["project"] == ("acme" if "acme" in path else None)


def test_reads_that_are_refused_are_counted_and_logged_and_no_entries(site: Any) -> None:
    assert site.get(f"{TOYS}/of/ball/", token=None).status_code == 401
    assert site.get(f"{TOYS}/of/absent/").status_code == 404
    assert refused(site) == []
    assert [line["status"] for line in site.log] == [401, 404]
    told = site.get("/metrics", site.token("acme:admin")).text
    for status in (401, 404):
        assert f'orbitalreg_refused_total{{status="{status}",what="read"}} 1.0' in told


def test_what_is_no_route_or_no_method_is_no_refused_change(site: Any) -> None:
    for path in ("/nowhere", f"{TOYS}/names/", "/healthz"):
        assert site.request("POST", path).status_code in (404, 405)
    assert refused(site) == []


def test_a_token_that_is_revoked_or_unknown_is_named_by_its_id_as_a_claim(site: Any) -> None:
    token = site.token("acme:publish", name="robot")
    site.registry.accounts.revoke("robot", site.actor)
    assert site.put("ball@1.toy", token=token).status_code == 401
    [entry] = refused(site)
    assert (entry["actor"], entry["token_id"]) == ("anonymous", None)
    assert entry["detail"]["claimed_token"] == token[6:14]


def test_an_expired_token_too(site: Any) -> None:
    token = site.token("acme:publish", name="robot", expires_at=now() - 1)
    assert site.put("ball@1.toy", token=token).status_code == 401
    assert refused(site)[0]["detail"]["claimed_token"] == token[6:14]


def test_the_secret_of_a_token_in_an_address_is_not_kept(site: Any) -> None:
    token = site.token("acme:publish", name="robot")
    assert site.request("DELETE", f"/api/v1/tokens/{token}").status_code == 404
    row = site.registry.catalog.read().execute("SELECT * FROM audit_entry WHERE outcome = 'refused'").fetchone()
    assert token not in repr(row) and token[14:-6] not in repr(row)
    assert token[6:14] in repr(row)


def test_a_project_that_is_not_configured_is_nobodys(site: Any) -> None:
    assert site.request("POST", "/toy/made-up/toys/put/ball@1.toy").status_code == 403
    [entry] = refused(site)
    assert (entry["project"], entry["target"]) == (None, "made-up/toys")


def test_a_long_address_is_kept_in_part(site: Any) -> None:
    assert site.put("x" * 5000).status_code == 400
    [entry] = refused(site)
    assert len(entry["detail"]["path"]) == 300


def test_a_refusal_that_cannot_be_written_does_not_change_the_answer(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise StorageFailed("the disk is gone")

    reader = site.token("acme:read", name="reader")
    before = site.put("ball@1.toy", token=reader)
    monkeypatch.setattr("orbitalreg.audit.refusals.record_refusal", fail)
    after = site.put("ball@1.toy", token=reader)
    assert (after.status, after.text) == (before.status, before.text)


def test_a_flood_costs_a_bounded_number_of_rows(site: Any) -> None:
    for _ in range(200):
        assert site.put("ball@1.toy", token=None).status_code == 401
    site.registry.refusals.stop()
    found = refused(site)
    assert len(found) < 40
    assert sum(entry["detail"].get("count", 1) for entry in found) == 200


def test_a_large_body_that_is_refused_from_its_head_is_one_entry(server: Any, cli: Any, configured: Any) -> None:
    import requests

    answer = requests.post(f"{server.url}{TOYS}/put/ball@1.toy", data=b"x" * 300_000, timeout=30)
    assert answer.status_code == 401
    listed = cli("audit", "--outcome", "refused", "--json", "--config", str(configured))
    [entry] = json.loads(listed.stdout)
    assert (entry["action"], entry["detail"]["status"]) == ("file.publish", 401)

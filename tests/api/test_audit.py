"""The audit log of a project, for its admins."""

import json
from typing import Any

import pytest
from falcon import testing

AUDIT = "/api/v1/projects/acme/audit"


@pytest.fixture
def admin(stocked: Any) -> str:
    return str(stocked.token("acme:admin", name="admin"))


def test_an_admin_of_the_project_sees_what_is_about_it(stocked: Any, api: Any, admin: str) -> None:
    stocked.put("ball@1.toy", b"other")
    stocked.request("POST", "/toy/other/toys/put/kite@1.toy", body=b"x")
    items = api.get(AUDIT, admin)["items"]
    assert [item["action"] for item in items].count("file.publish") == 7
    assert {item["project"] for item in items} == {"acme"}
    assert items[-1]["outcome"] == "refused" and items[-1]["reason"].startswith("File already exists")
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)


def test_it_comes_in_parts(stocked: Any, api: Any, admin: str) -> None:
    whole = [item["id"] for item in api.get(AUDIT, admin)["items"]]
    assert api.names(AUDIT, "id", admin, limit=2) == whole


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"action": "file.publish"}, 6),
        ({"action": "file.*", "target": "acme/toys/kite*"}, 3),
        ({"outcome": "refused"}, 0),
        ({"actor": "local:test"}, 1),
        ({"since": "2999-01-01T00:00:00Z"}, 0),
        ({"until": "2999-01-01T00:00:00Z", "action": "file.publish"}, 6),
        ({"token": "absent12"}, 0),
    ],
)
def test_it_is_chosen_from(query: dict[str, str], count: int, stocked: Any, api: Any, admin: str) -> None:
    answer = api("GET", AUDIT, token=admin, params=query)
    assert answer.status_code == 200
    assert len(answer.json["items"]) == count


@pytest.mark.parametrize("query", [{"since": "yesterday"}, {"outcome": "maybe"}, {"other": "1"}])
def test_a_query_that_is_none_is_refused(query: dict[str, str], api: Any, admin: str) -> None:
    assert api("GET", AUDIT, token=admin, params=query).status_code == 422


@pytest.mark.parametrize("grant", ["acme:maintain", "acme/toys:admin", "other:admin"])
def test_others_see_nothing(grant: str, stocked: Any, api: Any) -> None:
    token = stocked.token(grant, name="other")
    assert api("GET", AUDIT, token=token).status_code in (403, 404)
    assert api("GET", AUDIT, token=None).status_code == 401


def lines(answer: testing.Result) -> list[str]:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/jsonl"
    return [json.loads(line)["id"] for line in answer.text.splitlines()]


def test_it_is_told_as_json_lines_where_that_is_asked_for(stocked: Any, api: Any, admin: str) -> None:
    whole = [item["id"] for item in api.get(AUDIT, admin)["items"]]
    assert lines(api("GET", AUDIT, token=admin, headers={"Accept": "application/jsonl"})) == whole
    seen, query = [], "format=jsonl&limit=2&action=file.*"
    while True:
        answer = api("GET", AUDIT, token=admin, query_string=query)
        seen += lines(answer)
        if "Link" not in answer.headers:
            break
        assert answer.headers["Link"].endswith("; rel=next")
        query = answer.headers["Link"].partition(">")[0].removeprefix("<?")
    assert seen == [item["id"] for item in api.get(AUDIT, admin, action="file.*")["items"]]
    assert api("GET", AUDIT, token=admin, params={"format": "json"}, headers={"Accept": "application/jsonl"}).json


def test_the_client_reads_it(served: Any) -> None:
    served.put("ball@1.toy")
    with served.client(served.token("auditor", "acme:admin")) as client:
        assert [entry.target for entry in client.audit("acme", action="file.*")] == ["acme/toys/ball==1"]
        assert {entry.action for entry in client.audit("acme")} == {"file.publish", "token.create"}


def test_every_change_in_the_api_says_what_the_audit_log_calls_it(registry: Any) -> None:
    from orbitalreg.web import api as all_of_it

    unnamed = [
        f"{stated.method} {template}"
        for template, resource in all_of_it.routes(registry)
        for stated in resource.operations.values()
        if stated.method != "GET" and stated.action is None
    ]
    assert unnamed == []

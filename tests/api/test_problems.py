"""Refusals are problem documents, whatever refuses; bodies are small, and JSON, or are not taken."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from .conftest import BALL, ROOT, TOYS

YANK = f"{BALL}/versions/1/yank"
MEMBERS = {"type", "title", "status", "detail", "request"}


def check(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    problem = answer.json
    assert set(problem) == MEMBERS
    assert problem["status"] == status
    assert problem["request"] == answer.headers["X-Request-ID"]
    assert problem["type"] == "about:blank"
    return problem


@pytest.mark.parametrize("path", ["/api/", "/api/v1", "/api/v2/projects", f"{ROOT}/nothing", f"{BALL}/x/y"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_such_address(method: str, path: str, stocked: Any, api: Any) -> None:
    check(api(method, path), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", BALL), ("POST", f"{ROOT}/projects"), ("GET", YANK), ("PUT", f"{ROOT}/tokens")]
)
def test_no_such_method(method: str, path: str, stocked: Any, api: Any) -> None:
    answer = api(method, path)
    check(answer, 405)
    assert "Allow" in answer.headers


def test_no_credentials(stocked: Any, api: Any) -> None:
    answer = api("GET", BALL, token=None)
    check(answer, 401)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="OrbitalReg"'


def test_elsewhere_a_problem_is_told_as_text(stocked: Any) -> None:
    assert stocked.get("/toy/acme/toys/of/absent/").headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
    ],
)
@pytest.mark.parametrize("body", [b"", b"{}", b'{"reason": "x"}'])
def test_a_body_that_another_site_could_send_is_not_taken(
    content_type: str | None, body: bytes, stocked: Any, api: Any
) -> None:
    """A form of a foreign page, sent by a browser that is signed in, can have none but these types."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    check(stocked.request("POST", YANK, headers=headers, body=body), 415)
    assert stocked.page()["ball@1.toy"][1] is None


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_said_in_more_words(content_type: str, stocked: Any, api: Any) -> None:
    assert stocked.request("POST", YANK, headers={"Content-Type": content_type}, body=b"{}").status_code == 200


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'{"reason": 5}', "reason: Input should be a valid string"),
        (b'{"reason": null}', "reason"),
        (b'{"raeson": "x"}', "raeson: Extra inputs are not permitted"),
        (b'{"reason": "\xff"}', "Invalid JSON"),
        (b'{"reason": "\\ud800"}', "Invalid JSON"),
        (b'{"reason": "two\\nlines"}', "reason: String should match"),
        (b'{"reason": "nul\\u0000"}', "reason: String should match"),
        (json.dumps({"reason": "x" * 1001}).encode(), "at most 1000"),
        (b"[" * 60_000, "Invalid JSON"),
        (b'{"' + b"x" * 60_000 + b'": 1}', "Extra inputs"),
    ],
    ids=range(14),
)
def test_a_malformed_body(body: bytes, fault: str, stocked: Any, api: Any) -> None:
    problem = check(api("POST", YANK, body), 422)
    assert fault in problem["detail"] or len(problem["detail"]) > 190
    assert problem["detail"].startswith("the body: ") and len(problem["detail"]) < 1500
    assert stocked.page()["ball@1.toy"][1] is None


def test_what_is_wrong_is_told_without_what_was_sent(stocked: Any, api: Any) -> None:
    secret = "orbsa_hunter2"
    body = {"name": secret, "grants": [secret], "expires_in": secret}
    assert secret not in api("POST", f"{ROOT}/tokens", body).text
    assert secret not in json.dumps(stocked.log)


def test_more_than_64_kib_is_too_much(stocked: Any, api: Any) -> None:
    problem = check(api("POST", YANK, {"reason": "x" * (64 << 10)}), 413)
    assert "65536" in problem["detail"]


@pytest.mark.parametrize("right", ["read", "publish", "maintain"])
def test_a_large_body_is_refused_before_it_is_sent(right: str, served: Any) -> None:
    """Over a socket: the head alone says it."""
    token = served.token(f"robot-{right}", f"acme:{right}")
    served.put("ball@1.toy")
    place = urlsplit(served.url)
    for path, status in ((YANK, {"maintain": 413}.get(right, 403)), (f"{ROOT}/tokens", 413)):
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
        connection.putrequest("POST", path)
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(200 << 20))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.loads(answer.read())["status"] == status
        connection.close()


def test_a_body_of_unknown_length_is_refused_before_it_is_sent(served: Any) -> None:
    place = urlsplit(served.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        head = f"POST {ROOT}/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.keeper}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 411
        assert json.loads(answer.read())["detail"] == "a body must be sent with its Content-Length here"


@pytest.mark.parametrize("path", [f"{ROOT}/projects", TOYS, BALL, f"{ROOT}/tokens", f"{ROOT}/openapi.json"])
def test_answers_are_not_kept_and_not_guessed_at(path: str, stocked: Any, api: Any) -> None:
    headers = api("GET", path).headers
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, no-store"
    assert "Access-Control-Allow-Origin" not in headers


def test_a_full_disk_does_not_keep_anybody_from_yanking(stocked: Any, api: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(stocked.registry.store), "free_bytes", lambda self: 0)
    assert api("POST", YANK, {}).status_code == 200


def test_an_error_of_our_own_is_a_problem_too(stocked: Any, api: Any, monkeypatch: Any, caplog: Any) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("something with a secret")

    monkeypatch.setattr(type(stocked.registry.curator), "yank", fail)
    problem = check(api("POST", YANK, {}), 500)
    assert problem["detail"] == "the server failed; its log says why"

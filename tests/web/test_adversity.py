"""What goes wrong around a request: the log, the store, odd methods, bodies that break off."""

import io
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from falcon import testing

from orbitalreg.serving.admission import ADMISSION_KEY, Admission
from orbitalreg.web.app import create_app
from orbitalreg.web.context import AccessLog


class DeadLog(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError("nobody reads it")


def test_an_answer_does_not_depend_on_the_log(site: Any) -> None:
    client = testing.TestClient(create_app(site.registry, log=AccessLog(DeadLog())))
    headers = {"Authorization": f"Bearer {site.publisher}"}
    assert client.simulate_post("/toy/acme/toys/put/ball@1.toy", headers=headers, body=b"a toy").status_code == 200
    assert client.simulate_get("/healthz").status_code == 200


def test_words_that_are_no_method_are_counted_as_one(server: Any, configured: Path, cli: Any) -> None:
    token = cli("token", "create", "watcher", "--grant", "acme:admin", "--config", str(configured)).stdout.strip()
    for number in range(5):
        requests.request(f"M{number}", f"{server.url}/healthz", timeout=10)
    shown = requests.get(f"{server.url}/metrics", auth=("__token__", token), timeout=10).text
    assert 'method="other"' in shown
    assert 'method="M1"' not in shown


def test_a_lost_blob_is_a_failure_of_the_server_with_none_of_the_files_headers(site: Any) -> None:
    site.put("ball@1.toy")
    [key] = site.blobs()
    site.registry.store.delete(key)
    answer = site.get("/toy/acme/toys/get/ball/ball@1.toy", Range="bytes=0-1")
    assert answer.status_code == 500
    assert "ball@1.toy" in answer.text
    assert key not in answer.text
    assert not {"etag", "content-range", "accept-ranges", "content-encoding"} & set(answer.headers)


def test_a_chunked_upload_is_given_only_room_that_is_there(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    free = site.registry.desk.max_upload  # less than twice the largest that may come
    monkeypatch.setattr(type(site.registry.store), "free_bytes", lambda self: free)
    admission = Admission(None, lambda: 0)
    answer = site.request(
        "POST",
        "/toy/acme/toys/put/ball@1.toy",
        headers={"Transfer-Encoding": "chunked"},
        extras={ADMISSION_KEY: admission},
    )
    assert answer.status_code == 507
    assert not admission.granted


def test_equal_versions_are_one_however_they_are_spelt(site: Any) -> None:
    """The toy's 1.0 and 1.00 have one sort key: a yank of the version takes both files."""
    site.put("ball@1.0.toy")
    site.put("ball@1.00.toy", b"another")
    repository = site.repository()
    yanked = site.registry.curator.yank(repository, "ball", "1.0", "broken", site.actor)
    assert {file.filename for file in yanked} == {"ball@1.0.toy", "ball@1.00.toy"}


def _lines(server: Any, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first log line that is wanted; it may take a moment."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for line in server.stderr.splitlines():
            if line.startswith("{") and wanted(json.loads(line)):
                return dict(json.loads(line))
        time.sleep(0.05)
    raise AssertionError(server.stderr)


def _dial(server: Any) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_what_is_no_request_has_an_id_and_a_line_in_the_log(server: Any) -> None:
    with _dial(server) as connection:
        connection.sendall(b"THIS IS NO REQUEST\r\n\r\n")
        head = connection.recv(4096).decode().lower()
    assert head.startswith(("http/1.0 400", "http/1.1 400"))
    request_id = next(line.split(": ")[1] for line in head.splitlines() if line.startswith("x-request-id"))
    assert _lines(server, lambda line: line.get("request") == request_id)["status"] == 400


def test_an_upload_whose_client_goes_away_is_in_the_log(server: Any, configured: Path, cli: Any) -> None:
    token = cli("token", "create", "robot", "--grant", "acme:maintain", "--config", str(configured)).stdout.strip()
    with _dial(server) as connection:
        head = f"POST /toy/acme/toys/put/ball@1.toy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        connection.sendall(f"{head}Content-Length: 500000\r\nExpect: 100-continue\r\n\r\n".encode())
        assert b"100 Continue" in connection.recv(4096)
        connection.sendall(b"x" * 1000)
    assert _lines(server, lambda line: line.get("status") == 499)["path"] == "/toy/acme/toys/put/ball@1.toy"


def test_a_reload_raises_the_largest_upload(configured: Path, serve: Any, cli: Any) -> None:
    written = configured.read_text()
    configured.write_text('[server]\nmax_upload = "1MiB"\n' + written)
    server = serve("--config", str(configured))
    token = cli("token", "create", "robot", "--grant", "acme:maintain", "--config", str(configured)).stdout.strip()
    url, auth = f"{server.url}/toy/acme/toys/put/ball@1.toy", ("__token__", token)
    body = bytes(40 << 20)
    assert requests.post(url, data=body, auth=auth, timeout=30).status_code == 413
    configured.write_text(written)
    server.reload("reloaded")
    assert requests.post(url, data=body, auth=auth, timeout=30).status_code == 200


def test_a_reload_cannot_move_the_data(configured: Path, serve: Any) -> None:
    server = serve("--config", str(configured))
    configured.write_text(configured.read_text().replace('path = "data"', 'path = "elsewhere"'))
    server.reload("data.path: cannot change")
    assert requests.get(f"{server.url}/readyz", timeout=10).status_code == 200

"""`/metrics`: what is counted, who may see it, and that several processes count together."""

import re

import pytest
import requests

TOY = b"a ball\n"


def _values(text):
    return {
        match[1] + (match[2] or ""): float(match[3])
        for match in re.finditer(r"^(\w+)(\{.*\})? (\S+)$", text, re.MULTILINE)
    }


@pytest.fixture
def counted(configured, serve, cli):
    """A function that starts a server and gives its address and tokens of an admin and a publisher."""

    def start(*arguments):
        server = serve("--config", str(configured), *arguments)
        grants = {"admin": "acme:admin", "publish": "acme/toys:publish"}
        tokens = {
            name: cli("token", "create", name, "--grant", grant, "--config", str(configured)).stdout.strip()
            for name, grant in grants.items()
        }
        return server, tokens

    return start


def _scrape(server, token):
    answer = requests.get(f"{server.url}/metrics", auth=("__token__", token), timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return _values(answer.text)


def _put(server, token, name, body=TOY):
    return requests.post(f"{server.url}/toy/acme/toys/put/{name}", data=body, auth=("__token__", token), timeout=10)


def test_uploads_requests_bytes_and_refusals_are_counted(counted):
    server, tokens = counted()
    assert _put(server, tokens["publish"], "ball@1.toy").status_code == 200
    assert _put(server, tokens["publish"], "ball@1.toy").status_code == 200
    assert _put(server, tokens["publish"], "ball@1.toy", b"other").status_code == 400
    values = _scrape(server, tokens["admin"])
    assert values['orbitalreg_uploads_total{outcome="created"}'] == 1
    assert values['orbitalreg_refused_total{status="400",what="change"}'] == 1
    assert values['orbitalreg_uploads_total{outcome="unchanged"}'] == 1
    assert values["orbitalreg_received_bytes_total"] == len(TOY)
    assert values['orbitalreg_failures_total{kind="FileExists"}'] == 1
    route = "/toy/{project}/{repository}/put/{filename}"
    assert values[f'orbitalreg_requests_total{{method="POST",route="{route}",status="200"}}'] == 2
    assert values[f'orbitalreg_request_seconds_count{{route="{route}"}}'] == 3
    assert values["orbitalreg_files"] == values["orbitalreg_blobs"] == 1
    assert values["orbitalreg_blob_bytes"] == len(TOY)
    assert values["orbitalreg_free_bytes"] > 0
    assert values["orbitalreg_jobs_waiting"] == 0


def test_it_needs_admin_on_a_project_by_basic_or_bearer(counted):
    server, tokens = counted()
    url = f"{server.url}/metrics"
    assert requests.get(url, timeout=10).status_code == 401
    assert requests.get(url, auth=("__token__", tokens["publish"]), timeout=10).status_code == 403
    bearer = {"Authorization": f"Bearer {tokens['admin']}"}
    assert requests.get(url, headers=bearer, timeout=10).status_code == 200


def test_listed_addresses_need_no_token(configured, counted):
    configured.write_text('[server]\nmetrics_from = ["127.0.0.0/8"]\n' + configured.read_text())
    server, _ = counted()
    assert requests.get(f"{server.url}/metrics", timeout=10).status_code == 200


def test_processes_on_one_port_count_together(counted):
    server, tokens = counted("--processes", "2")
    for _ in range(40):
        requests.get(f"{server.url}/healthz", timeout=10)
    for _ in range(6):  # whichever answers
        values = _scrape(server, tokens["admin"])
        assert values['orbitalreg_requests_total{method="GET",route="/healthz",status="200"}'] == 40


def test_counts_outlive_a_reload(counted):
    server, tokens = counted()
    requests.get(f"{server.url}/healthz", timeout=10)
    server.reload("reloaded")
    assert (
        _scrape(server, tokens["admin"])['orbitalreg_requests_total{method="GET",route="/healthz",status="200"}'] == 1
    )

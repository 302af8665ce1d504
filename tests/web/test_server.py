"""`orbitalreg serve` as a process: its start, its signals, several of it on one folder."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

Serve = Callable[..., Any]
BODY = bytes(range(256)) * 1000


@pytest.fixture
def token(configured: Path, cli: Callable[..., Any]) -> str:
    return str(cli("token", "create", "robot", "--grant", "acme:maintain").stdout.strip())


def call(server: Any, method: str, path: str, token: str | None = None, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        auth = ("__token__", token) if token else None
        return session.request(method, server.url + path, auth=auth, timeout=30, **options)


def put(server: Any, filename: str, token: str, body: bytes = BODY) -> requests.Response:
    return call(server, "POST", f"/toy/acme/toys/put/{filename}", token, data=body)


def page(server: Any, token: str) -> dict[str, Any]:
    return dict(call(server, "GET", "/toy/acme/toys/of/ball/", token).json())


def test_an_upload_is_downloaded_over_a_socket(server: Any, token: str) -> None:
    assert put(server, "ball@1.toy", token).text == "made\n"
    answer = call(server, "GET", "/toy/acme/toys/get/ball/ball@1.toy", token)
    assert (answer.status_code, answer.content) == (200, BODY)
    part = call(server, "GET", "/toy/acme/toys/get/ball/ball@1.toy", token, headers={"Range": "bytes=-5"})
    assert (part.status_code, part.content) == (206, BODY[-5:])


def test_a_refusals_reason_is_in_the_status_line(server: Any, token: str) -> None:
    put(server, "ball@1.toy", token)
    answer = put(server, "ball@1.toy", token, b"other")
    assert answer.status_code == 400
    assert answer.reason.startswith("File already exists: ball@1.toy")


def test_exactly_one_line_is_on_stdout(server: Any) -> None:
    assert re.fullmatch(r"orbitalreg: listening on http://127\.0\.0\.1:[1-9][0-9]*\n", server.ready)
    call(server, "GET", "/")
    assert server.stop() == (0, "")


def test_the_line_is_json_where_that_is_asked_for(configured: Path, serve: Serve, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "orbitalreg", "serve", "--listen", "127.0.0.1:0", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    ready = process.stdout.readline()
    process.terminate()
    process.communicate(timeout=30)
    assert json.loads(ready)["listening"].startswith("http://127.0.0.1:")


def test_every_request_is_one_json_line_on_stderr_without_secrets(server: Any, token: str) -> None:
    put(server, "ball@1.toy", token)
    call(server, "GET", "/toy/acme/toys/names/?password=hunter2", token)
    server.stop()
    logged = [json.loads(line) for line in server.stderr.splitlines() if line.startswith("{")]
    assert [line["path"] for line in logged if "path" in line] == [
        "/toy/acme/toys/put/ball@1.toy",
        "/toy/acme/toys/names/",
    ]
    assert "hunter2" not in server.stderr
    assert token.partition("_")[2][8:40] not in server.stderr


def first_tokens(server: Any) -> list[str]:
    return re.findall(r"orb(?:sa|pat)_[0-9A-Za-z]{46}", server.stderr)


def test_the_first_start_on_the_default_prints_a_token_that_works_once(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    [token] = set(first_tokens(server))
    assert put(server, "ball@1.toy", token).status_code == 200
    assert "export ORBITALREG_TOKEN=" in server.stderr
    assert f"{server.url}/toy/acme/toys/put" in server.stderr
    assert server.stop()[0] == 0
    assert first_tokens(serve()) == []
    assert (tmp_path / "orbitalreg-data").stat().st_mode & 0o077 == 0


def test_a_start_with_a_configuration_makes_no_token(server: Any, cli: Callable[..., Any]) -> None:
    assert first_tokens(server) == []
    assert "no token yet: orbitalreg token create" in server.stderr
    assert json.loads(cli("token", "list", "--json").stdout) == []


def test_a_stop_lets_an_upload_in_flight_finish(server: Any, token: str) -> None:
    stopped = []

    def body() -> Any:
        yield BODY
        stopper = threading.Thread(target=lambda: stopped.append(server.stop()))
        stopper.start()
        stoppers.append(stopper)
        stopper.join(0.5)
        yield BODY

    stoppers: list[threading.Thread] = []
    headers = {"Content-Length": str(2 * len(BODY))}
    with requests.Session() as session:
        session.trust_env = False
        request = requests.Request(
            "POST", f"{server.url}/toy/acme/toys/put/ball@1.toy", data=body(), auth=("__token__", token)
        )
        prepared = session.prepare_request(request)
        del prepared.headers["Transfer-Encoding"]
        prepared.headers.update(headers)
        answer = session.send(prepared, timeout=30)
    for stopper in stoppers:
        stopper.join(30)
    assert (answer.status_code, answer.text) == (200, "made\n")
    assert stopped == [(0, "")]


def test_a_stop_writes_the_last_counts(server: Any, token: str, cli: Callable[..., Any]) -> None:
    put(server, "ball@1.toy", token)
    call(server, "GET", "/toy/acme/toys/get/ball/ball@1.toy", token)
    server.stop()
    [file] = json.loads(cli("show", "acme/toys/ball", "--json").stdout)["files"]
    assert file["downloads"] == 1
    assert json.loads(cli("token", "list", "--json").stdout)[0]["last used"] is not None


NEW = '\n[projects.acme.repositories.new]\nformat = "toy"\nkind = "local"\nanonymous_read = true\n'


def test_a_reload_picks_up_a_new_repository(server: Any, configured: Path) -> None:
    assert call(server, "GET", "/toy/acme/new/names/").status_code == 401
    configured.write_text(configured.read_text() + NEW)
    server.reload(until="reloaded")
    assert call(server, "GET", "/toy/acme/new/names/").status_code == 200


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("[server]\nlistn = 1\n", "server.listn"),
        ('\n[projects.acme.repositories.x]\nformat = "klingon"\nkind = "local"\n', "pip install orbitalreg-klingon"),
        ("nonsense", "is not TOML"),
    ],
)
def test_a_faulty_reload_keeps_the_old_configuration_and_says_why(
    fault: str, says: str, server: Any, configured: Path, token: str
) -> None:
    good = configured.read_text()
    configured.write_text(good + NEW + fault)
    server.reload(until=says)
    assert call(server, "GET", "/toy/acme/new/names/").status_code == 401
    assert put(server, "ball@1.toy", token).status_code == 200
    configured.write_text(good + NEW)
    server.reload(until="reloaded")
    assert call(server, "GET", "/toy/acme/new/names/").status_code == 200


def test_a_change_in_one_process_is_seen_by_the_very_next_request_in_another(
    cli: Callable[..., Any], serve: Serve, token: str
) -> None:
    one, two = serve(), serve()
    for number in range(5):
        assert put(one, f"ball@{number}.toy", token, b"%d" % number).status_code == 200
        assert f"ball@{number}.toy" in page(two, token)
    cli("yank", "acme/toys/ball==1", "--reason", "leaks")
    assert page(one, token)["ball@1.toy"][1] == page(two, token)["ball@1.toy"][1] == "leaks"
    cli("token", "revoke", "robot")
    assert [call(server, "GET", "/toy/acme/toys/names/", token).status_code for server in (one, two)] == [401, 401]


def test_uploads_through_several_processes_at_once_all_arrive(configured: Path, serve: Serve, token: str) -> None:
    servers = [serve(), serve()]
    answers: list[int] = []

    def upload(number: int) -> None:
        for turn in range(5):
            filename = f"ball@{number}.{turn}.toy"
            answers.append(put(servers[turn % 2], filename, token, filename.encode()).status_code)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 20
    assert len(page(servers[0], token)) == len(page(servers[1], token)) == 20


def test_an_address_that_is_taken_is_told_in_one_line(server: Any, configured: Path) -> None:
    listen = server.url.removeprefix("http://")
    result = subprocess.run(
        [sys.executable, "-m", "orbitalreg", "serve", "--config", str(configured), "--listen", listen],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert len([line for line in result.stderr.splitlines() if line.startswith("orbitalreg: ")]) == 1


def test_a_module_for_other_servers_has_the_application(configured: Path, tmp_path: Path) -> None:
    script = (
        "from falcon import testing; from orbitalreg.wsgi import application;"
        "print(testing.TestClient(application).simulate_get('/healthz').text, end='')"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (0, "ok\n"), ended.stderr

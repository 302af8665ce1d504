"""The command that a job runs: against a registry's answers over TLS, and with nothing installed but Python."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import orbitalreg_oidc_gitlab
import pytest
import trustme
from orbitalreg_oidc_gitlab.job import variable_of

ID_TOKEN = "eyJ0.the-jobs-id-token.c2ln"
MINTED = "orboi_the-short-lived-one"
NOT_IN_LOG = (ID_TOKEN, MINTED)


class Registry:
    """Answers as it is told to, by path; `came` is what was posted."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, tuple[int, Any, dict[str, str]]] = {
            "/_/oidc/audience": (200, {"audience": "orbitalreg"}, {}),
            "/_/oidc/mint-token": (200, {"success": True, "token": MINTED, "expires": 1}, {}),
            "/_/oidc/burn-token": (200, {"success": True}, {}),
        }
        self.came: list[tuple[str, Any]] = []
        authority = trustme.CA()
        self.ca_file = folder / "registry-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body, headers = registry.answers.get(self.path, (404, "nothing here", {}))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                registry.came.append((self.path, json.loads(body)))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(tmp_path)
    yield registry
    registry.server.shutdown()
    registry.server.server_close()


Done = subprocess.CompletedProcess
Run = Callable[..., "Done[str]"]


@pytest.fixture
def run(registry: Registry, tmp_path: Path) -> Run:
    """The command in a copy of the package, with the standard library and nothing else to import."""
    alone = tmp_path / "alone"
    shutil.copytree(
        Path(orbitalreg_oidc_gitlab.__file__).parent,
        alone / "orbitalreg_oidc_gitlab",
        ignore=shutil.ignore_patterns("__pycache__"),
    )

    def run(*arguments: str, stdin: str = "", **environment: str) -> "Done[str]":
        code = f"import sys; sys.path.insert(0, {str(alone)!r}); import orbitalreg_oidc_gitlab.__main__"
        variables = {"SSL_CERT_FILE": str(registry.ca_file), "ORBITALREG_ID_TOKEN": ID_TOKEN} | environment
        variables = {key: value for key, value in variables.items() if value}
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-W", "error", "-c", code, *arguments],
            input=stdin,
            env=variables | {"PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert not any(secret in done.stderr for secret in NOT_IN_LOG)
        assert "Traceback" not in done.stderr
        return done

    return run


def refused(done: "Done[str]", says: str) -> None:
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("orbitalreg-oidc-gitlab: ") and done.stderr.count("\n") == 1
    assert says in done.stderr


def test_the_short_lived_token_alone_is_printed(run: Run, registry: Registry) -> None:
    done = run("token", "--url", registry.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{MINTED}\n", "")
    assert registry.came == [("/_/oidc/mint-token", {"token": ID_TOKEN})]


@pytest.mark.parametrize(
    ("audience", "variable"),
    [
        ("orbitalreg", "ORBITALREG_ID_TOKEN"),
        ("reg.example-1", "REG_EXAMPLE_1_ID_TOKEN"),
        ("https://reg.example.com", "HTTPS___REG_EXAMPLE_COM_ID_TOKEN"),
    ],
)
def test_the_variable_is_named_after_the_audience(audience: str, variable: str) -> None:
    assert variable_of(audience) == variable


def test_an_audience_that_is_given_is_not_asked_for(run: Run, registry: Registry) -> None:
    registry.answers.pop("/_/oidc/audience")
    assert run("token", "--url", f"{registry.url}/", "--audience", "staging", STAGING_ID_TOKEN="x.y.z").returncode == 0
    assert registry.came == [("/_/oidc/mint-token", {"token": "x.y.z"})]


def test_a_variable_that_is_given(run: Run, registry: Registry) -> None:
    assert run("token", "--url", registry.url, "--variable", "MINE", MINE="x.y.z").stdout == f"{MINTED}\n"
    assert registry.came == [("/_/oidc/mint-token", {"token": "x.y.z"})]


def test_a_job_without_an_id_token_is_told_how_to_get_one(run: Run, registry: Registry) -> None:
    done = run("token", "--url", registry.url, ORBITALREG_ID_TOKEN="")
    refused(done, "give it one in .gitlab-ci.yml: id_tokens: {ORBITALREG_ID_TOKEN: {aud: orbitalreg}}")


def test_what_the_registry_refuses_is_told_in_its_words(run: Run, registry: Registry) -> None:
    errors = [{"code": "invalid-publisher", "description": "no publisher matches:\nref_protected is 'false'"}]
    registry.answers["/_/oidc/mint-token"] = (422, {"message": "Token request failed", "errors": errors}, {})
    done = run("token", "--url", registry.url)
    refused(done, r"refuses: no publisher matches:\nref_protected is 'false' (invalid-publisher)")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, "no", {}), "is not there: is --url a registry's address, and is an exchange of tokens enabled in it?"),
        ((429, {}, {"Retry-After": "7"}), "answers 429 Too Many Requests; try again in 7 s"),
        ((502, b"<html>", {}), "answers 502 Bad Gateway"),
        ((302, b"", {"Location": "https://other.example.com/"}), "redirects to https://other.example.com/: give that"),
        ((200, b"<html>", {}), "answers, but not as a registry that exchanges tokens: its answer has no token"),
        ((200, {"token": "two\nlines"}, {}), "its answer has no token"),
        ((200, ["token"], {}), "its answer has no token"),
        ((422, {"errors": "odd"}, {}), "answers 422 "),
        ((422, {"errors": ["odd", {}]}, {}), "refuses: no reason given (no code)"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_other_answers(run: Run, registry: Registry, answer: Any, says: str) -> None:
    registry.answers["/_/oidc/mint-token"] = answer
    refused(run("token", "--url", registry.url), says)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates(run: Run, registry: Registry, variable: str, tmp_path: Path) -> None:
    assert run("token", "--url", registry.url, **{"SSL_CERT_FILE": "", variable: str(registry.ca_file)}).returncode == 0
    refused(run("token", "--url", registry.url, SSL_CERT_FILE=""), "its certificate is not trusted")
    refused(
        run("token", "--url", registry.url, **{variable: str(tmp_path / "no")}), "no cannot be used: it holds no cert"
    )
    assert all(path.endswith("mint-token") for path, _ in registry.came)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://registry.example.com", "without TLS, and tokens would be readable on the way"),
        ("registry.example.com", "is no address of a registry"),
        ("https://", "is no address of a registry"),
        ("https://u:p@registry.example.com", "is no address of a registry"),
        ("https://registry.example.com:port", "is no address of a registry"),
        ("file:///etc/passwd", "is no address of a registry"),
        ("https://localhost:1", "https://localhost:1 cannot be reached: "),
    ],
)
def test_addresses(run: Run, url: str, says: str) -> None:
    refused(run("token", "--url", url), says)


def test_burning_a_token(run: Run, registry: Registry) -> None:
    done = run("burn", "--url", registry.url, stdin=f"{MINTED}\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert registry.came == [("/_/oidc/burn-token", {"token": MINTED})]
    refused(run("burn", "--url", registry.url), "nothing came on stdin")


def test_wrong_usage(run: Run) -> None:
    for arguments in ([], ["token"], ["mint", "--url", "x"]):
        assert run(*arguments).returncode == 2

"""The client against a real server: typed in, typed out, and every refusal an error of this project."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from orbitalreg import client as module
from orbitalreg import errors
from orbitalreg.client import BY_STATUS, Client
from orbitalreg.model import Address, Grant, Kind, Status, StatusName
from orbitalreg.summaries import Change, DayCount, ProjectSummary, RepositorySummary, StatusSummary
from orbitalreg.tokens import mint
from orbitalreg.web.problems import TABLE

from ..reported import HIGH, SAME, put_beside

TOYS = Address("acme", "toys")


@pytest.fixture
def full(served: Any) -> Any:
    for filename in ("ball@1.toy", "ball@2.toy", "ball@10.toy", "kite@1.toy"):
        served.put(filename)
    return served


def test_what_is_there(full: Any) -> None:
    with full.client() as client:
        assert list(client.projects()) == [ProjectSummary("acme")]
        assert client.project("acme") == ProjectSummary("acme")
        assert [repository.name for repository in client.repositories("acme")] == ["again", "open", "toys"]
        assert client.repository(TOYS) == RepositorySummary("acme", "toys", "toy", Kind.LOCAL, False)
        assert [package.name for package in client.packages(TOYS)] == ["ball", "kite"]
        assert client.package(TOYS, "BALL").versions == ["1", "2", "10"]
        assert [version.version for version in client.versions(TOYS, "ball")] == ["1", "2", "10"]
        assert [file.filename for file in client.files(TOYS, "ball", "2")] == ["ball@2.toy"]
        assert len(list(client.files(TOYS, "ball"))) == 3
        file = client.file(TOYS, "ball", "1", "ball@1.toy")
        assert (file.size, file.published_by) == (5, "service:keeper")
        assert timedelta(0) <= datetime.now(UTC) - file.published_at < timedelta(minutes=1)
        assert client.version(TOYS, "ball", "1").published_at == file.published_at


def test_changes(full: Any) -> None:
    with full.client() as client:
        assert client.yank(TOYS, "ball", "1", "no air") == Change("ball", "1", ["ball@1.toy"])
        assert client.version(TOYS, "ball", "1").yanked == "no air"
        client.unyank(TOYS, "ball", "1")
        assert client.version(TOYS, "ball", "1").yanked is None
        assert client.delete(TOYS, "ball", "1", "ball@1.toy").filenames == ["ball@1.toy"]
        assert client.delete(TOYS, "ball", "2").filenames == ["ball@2.toy"]
        assert client.package(TOYS, "ball").versions == ["10"]
        deprecated = Status(StatusName.DEPRECATED, "see kite")
        assert client.set_status(TOYS, "ball", deprecated) == StatusSummary("ball", deprecated.name, "see kite")
        assert client.package(TOYS, "ball").status is StatusName.DEPRECATED


def test_findings_and_reports(full: Any) -> None:
    put_beside(full.config, "acme/toys", "ball@1.toy", HIGH, SAME, raw=b"raw", documents={"spdx": b"{}"})
    with full.client() as client:
        every = list(client.findings(TOYS))
        assert [(one.package, one.version) for one in every] == [
            ("ball", "1"),
            ("ball", "10"),
            ("ball", "2"),
            ("kite", "1"),
        ]
        assert list(client.findings(TOYS, "BALL")) == every[:3]
        assert list(client.findings(TOYS, "ball", "1")) == every[:1]
        [found] = every[0].findings
        assert (found.id, found.severity, found.by) == ("CVE-2020-1", "high", {"grype": "high", "osv": "unknown"})
        assert next(client.findings(TOYS, "ball", "1", "critical")).findings == []
        for place in ((), ("ball",), ("BALL", "1")):
            sarif = json.loads(client.findings_document(TOYS, *place))
            vex = json.loads(client.findings_document(TOYS, *place, kind="vex"))
            assert len(sarif["runs"][0]["results"]) == len(vex["vulnerabilities"]) == 1
        assert json.loads(client.findings_document(TOYS, severity="critical"))["runs"][0]["results"] == []
        told = client.reports(TOYS, "ball", "1", "ball@1.toy")
        assert ([one.scanner for one in told.reports], told.sboms) == (["grype", "osv"], ["spdx"])
        assert client.file(TOYS, "ball", "1", "ball@1.toy").reports[1].finding_count == 1
        assert client.raw_report(TOYS, "ball", "1", "ball@1.toy", "osv") == b"raw"
        assert client.sbom(TOYS, "ball", "1", "ball@1.toy", "spdx") == b"{}"
        with pytest.raises(errors.NotFound, match="no scanner has left a bill of materials"):
            client.sbom(TOYS, "ball", "1", "ball@1.toy")
        with pytest.raises(errors.NotFound, match="acme/toys has no ball==7"):
            list(client.findings(TOYS, "ball", "7"))
        with pytest.raises(errors.NotFound, match="acme/toys has no ball==7"):
            client.findings_document(TOYS, "ball", "7")
        with pytest.raises(errors.InvalidName, match="'sarif' or 'vex'"):
            client.findings_document(TOYS, kind="table")  # type: ignore[arg-type]


def test_downloads(full: Any) -> None:
    with full.client() as client:
        assert client.downloads(TOYS, "ball", "1", "ball@1.toy", days=7).days == []
        assert all(isinstance(day, DayCount) for day in client.downloads(TOYS, "ball").days)


def test_tokens_and_the_overlap_of_a_rotation(full: Any) -> None:
    with full.client() as client:
        made = client.create_token("job", [Grant.parse("acme/toys:read")], 3600)
        assert made.grants == ["acme/toys:read"] and made.expires_at is not None
        assert [token.name for token in client.tokens()] == ["keeper", "job"]
        assert client.token(made.id).state == "active"
        new = client.rotate_token(made.id, 2)
    with full.client(made.token) as old, full.client(new.token) as successor:
        assert old.token_id == made.id and successor.token_id == new.id
        assert old.project("acme") == successor.project("acme")
        time.sleep(2.1)
        with pytest.raises(errors.Unauthenticated, match="'job' is expired"):
            old.project("acme")
        assert successor.project("acme")
        assert successor.revoke_token(new.id).state == "revoked"
        with pytest.raises(errors.Unauthenticated, match="'job' is revoked"):
            successor.project("acme")


def test_lists_are_read_part_by_part_and_only_as_far_as_wanted(full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 1)
    asked: list[str] = []
    with full.client() as client:
        request = client._session.request

        def counting(method: str, url: str, **options: Any) -> Any:
            asked.append(url)
            return request(method, url, **options)

        monkeypatch.setattr(client._session, "request", counting)
        assert next(client.files(TOYS, "ball")).filename == "ball@1.toy"
        assert len(asked) == 1
        assert len(list(client.files(TOYS, "ball"))) == 3
        assert len(asked) == 4


def test_refusals_are_errors_of_this_project(full: Any) -> None:
    reader = full.token("reader", "acme:read")
    with full.client(reader) as client:
        with pytest.raises(errors.NotFound, match="has no package absent"):
            client.package(TOYS, "absent")
        with pytest.raises(errors.Forbidden, match="no right to maintain in acme/toys"):
            client.yank(TOYS, "ball", "1")
        with pytest.raises(errors.Malformed, match="days"):
            client.downloads(TOYS, "ball", days=0)
        with pytest.raises(errors.Forbidden, match="acme:admin"):
            client.create_token("x", [Grant.parse("acme:admin")])
        with pytest.raises(errors.TooLarge):
            client.create_token("x", [Grant.parse("acme:read")] * 10_000)
    with full.client("orbsa_nonsense") as stranger, pytest.raises(errors.Unauthenticated, match="is no token"):
        stranger.project("acme")


def test_without_a_token_what_anybody_may_read_is_read(full: Any) -> None:
    with Client(full.url) as client:
        assert [repository.name for repository in client.repositories("acme")] == ["open"]
        with pytest.raises(errors.Unauthenticated):
            client.package(TOYS, "ball")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../tokens"])
def test_a_name_leads_nowhere_else(name: str, full: Any) -> None:
    with full.client() as client:
        for call in (client.package, client.versions, client.files):
            with pytest.raises(errors.InvalidName, match="is no name"):
                list(call(TOYS, name))  # type: ignore[call-overload]
        with pytest.raises(errors.InvalidName):
            client.delete(TOYS, "ball", name)
        assert client.package(TOYS, "ball").file_count == 3


@pytest.mark.parametrize("name", ["100%", "a b", "a?b=c", "a#b", "a;b", "\u00e9", "%2e%2e"])
def test_odd_names_arrive_as_they_are(name: str, full: Any) -> None:
    with full.client() as client, pytest.raises(errors.NotFound, match="has no package"):
        client.package(TOYS, name)


@pytest.mark.parametrize(
    "url",
    [
        *("", "registry.example.com", "ftp://registry.example.com", "https://", "https://x:port", "https://x/?a=b"),
        *("https://x/#a", "file:///etc/passwd", "https://[", "https://x:0"),
    ],
)
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(errors.InvalidName, match="no address of a server"):
        Client(url)


def test_credentials_in_the_address_are_not_repeated() -> None:
    with pytest.raises(errors.InvalidName, match="ORBITALREG_TOKEN") as caught:
        Client("https://__token__:hunter2@registry.example.com")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_token_is_told(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORBITALREG_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("ORBITALREG_TOKEN", value)
    with pytest.raises(errors.Unauthenticated, match="ORBITALREG_TOKEN is not set: put a token for"):
        Client.from_environment("http://127.0.0.1:9")


@pytest.mark.parametrize("value", ["orbsa_\u00e9", "two\nlines"])
def test_what_can_be_no_token_is_told_without_it(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITALREG_TOKEN", value)
    with pytest.raises(errors.Unauthenticated, match="holds no token") as caught:
        Client.from_environment("http://127.0.0.1:9")
    assert value not in str(caught.value)


def test_the_token_is_in_no_text_of_the_client() -> None:
    for token in ("hunter2", "orbsa_hunter2", mint("service").text):
        client = Client("http://127.0.0.1:9", token)
        assert token[-7:] not in repr(client) + repr(vars(client)) + repr(client._session.auth)


def test_every_status_stands_for_the_error_that_made_it() -> None:
    of_two_kinds = {
        errors.UploadRefused: errors.InvalidName,
        errors.Withheld: errors.Forbidden,
        errors.ExchangeRefused: errors.Malformed,
        errors.ScannerFailed: errors.Busy,
        errors.Unresolved: errors.Misplaced,
    }
    for kind, status in TABLE:
        found = BY_STATUS.get(status.value, errors.Unreachable)
        assert issubclass(found, kind) or issubclass(kind, found) or of_two_kinds[kind] is found


class Strange(BaseHTTPRequestHandler):
    """Answers as it is told, and keeps what it was sent."""

    answer: ClassVar[tuple[int, dict[str, str], bytes]]
    seen: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        status, headers, body = self.answer
        self.seen.append(dict(self.headers))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def strange() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Strange)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    Strange.seen.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {}, b"<html>"), "none of this API's answers"),
        ((200, {}, b'{"items": [{"name": 5}], "next": null}'), "none of this API's answers"),
        ((502, {}, b"<html>bad gateway"), "answered 502 Bad Gateway, and no API's answer"),
        ((418, {}, b'{"detail": "a teapot"}'), "a teapot"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), "answered 302 Found"),
        ((404, {}, b"[]"), "answered 404 Not Found"),
    ],
)
def test_what_is_not_understood_is_told(answer: Any, message: str, strange: str) -> None:
    Strange.answer = answer
    with Client(strange, "orbsa_secret") as client, pytest.raises(errors.Unreachable, match=message):
        list(client.projects())


def test_a_list_that_does_not_end_is_left(strange: str) -> None:
    Strange.answer = (200, {}, json.dumps({"items": [], "next": "again"}).encode())
    with Client(strange) as client, pytest.raises(errors.Unreachable, match="does not end"):
        list(client.projects())


def test_more_than_is_known_is_passed_over(strange: str) -> None:
    """A newer server may tell more."""
    Strange.answer = (200, {}, b'{"name": "acme", "colour": "red"}')
    with Client(strange) as client:
        assert client.project("acme") == ProjectSummary("acme")


def test_a_netrc_file_is_not_asked(strange: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    Strange.answer = (200, {}, b'{"name": "acme"}')
    for token in ("orbsa_mine", None):
        with Client(strange, token) as client:
            client.project("acme")
    assert [headers.get("Authorization") for headers in Strange.seen] == ["Bearer orbsa_mine", None]


def test_nobody_there_is_told_in_one_plain_line() -> None:
    with Client("http://127.0.0.1:9", timeout=(2, 2)) as client, pytest.raises(errors.Unreachable) as caught:
        client.project("acme")
    assert str(caught.value) == "http://127.0.0.1:9/api/v1 cannot be reached: Connection refused"


def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), Strange)  # listens, and never accepts
    try:
        with (
            Client(f"http://127.0.0.1:{server.server_port}", timeout=(2, 0.2)) as client,
            pytest.raises(errors.Unreachable, match="did not answer in time"),
        ):
            client.project("acme")
    finally:
        server.server_close()


@pytest.mark.parametrize(("variable", "used"), [("SSL_CERT_FILE", True), (None, False)])
def test_certificates_are_checked_by_the_environment(
    variable: str | None, used: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
    with Client("https://127.0.0.1:9") as client:
        assert client._session.verify == (str(tmp_path / "ca.pem") if used else True)


def test_no_other_command_waits_for_the_http_client() -> None:
    script = "import sys, orbitalreg.cli, orbitalreg.web.app; print('requests' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.strip() == "False"

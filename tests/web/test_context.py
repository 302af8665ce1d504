"""What every request carries: its id, its client as far as proxies are believed, and its line in the log."""

import json
import logging
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import falcon
import pytest
from falcon import testing
from hypothesis import given
from hypothesis import strategies as st
from orbitalreg_toy import ToyFormat

from orbitalreg.web.context import JsonFormatter, RequestContext

PROXIES = '[server]\ntrusted_proxies = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]\n'


@pytest.fixture
def proxied(make_site: Callable[..., Any]) -> Any:
    return make_site(PROXIES)


def ask(site: Any, path: str = "/", remote: str = "127.0.0.1", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return site.request("GET", path, None, named, remote_addr=remote)


def test_every_answer_has_a_request_id_and_the_log_has_it_too(site: Any) -> None:
    seen = [
        site.get(path, None).headers["X-Request-ID"] for path in ("/", "/healthz", "/nowhere", "/toy/acme/toys/names/")
    ]
    assert len(set(seen)) == 4
    assert [line["request"] for line in site.log] == seen


def test_a_request_id_is_taken_from_a_trusted_proxy(proxied: Any) -> None:
    assert ask(proxied, X_Request_ID="from-proxy.1").headers["X-Request-ID"] == "from-proxy.1"


def test_a_request_id_is_not_taken_from_anybody(site: Any, proxied: Any) -> None:
    assert ask(site, X_Request_ID="mine").headers["X-Request-ID"] != "mine"
    assert ask(proxied, remote="192.0.2.1", X_Request_ID="mine").headers["X-Request-ID"] != "mine"


@pytest.mark.parametrize("value", ["", "a b", "x" * 65, 'quote"', "ä", "new;line"])
def test_a_request_id_that_is_no_plain_word_is_not_taken(value: str, proxied: Any) -> None:
    assert ask(proxied, X_Request_ID=value).headers["X-Request-ID"] != value


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("127.0.0.1", "10.1.1.1, 10.1.2.3", "10.1.1.1"),
        ("127.0.0.1", "203.0.113.9:1, 198.51.100.7:40312, 10.1.2.3:9", "198.51.100.7"),
        ("127.0.0.1", "[2001:db8::7]:40312", "2001:db8::7"),
        ("127.0.0.1", "198.51.100.7, [fd00::1]", "198.51.100.7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "2001:db8::7:8080", "2001:db8::7:8080"),
        ("127.0.0.1", "::1", "::1"),
        ("127.0.0.1", "[]:1", "[]:1"),
        ("127.0.0.1", "198.51.100.7:port", "198.51.100.7:port"),
        ("127.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("fd00::1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", " , ", "127.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_vouches_for(
    remote: str, forwarded: str, client: str, proxied: Any
) -> None:
    ask(proxied, remote=remote, X_Forwarded_For=forwarded)
    assert proxied.log[-1]["from"] == client


def test_without_trusted_proxies_nobody_is_believed(site: Any) -> None:
    page = ask(site, X_Forwarded_For="198.51.100.7", X_Forwarded_Proto="https", X_Forwarded_Host="evil.example").text
    assert site.log[-1]["from"] == "127.0.0.1"
    assert "evil.example" not in page
    assert "https://" not in page


def open_page(site: Any, **options: Any) -> str:
    """The front page shows absolute addresses of the open repository."""
    return str(ask(site, **options).text)


def test_scheme_and_host_are_the_proxys(proxied: Any) -> None:
    page = open_page(proxied, X_Forwarded_Proto="https", X_Forwarded_Host="registry.example.com")
    assert "https://registry.example.com/toy/acme/open" in page


def test_scheme_and_host_are_not_anybodys(proxied: Any) -> None:
    page = open_page(proxied, remote="192.0.2.1", X_Forwarded_Proto="https", X_Forwarded_Host="evil.example")
    assert "evil.example" not in page
    assert "https://" not in page


def test_a_scheme_that_is_none_is_not_believed(proxied: Any) -> None:
    assert "javascript" not in open_page(proxied, X_Forwarded_Proto="javascript")


def test_the_configured_address_comes_before_the_requests(make_site: Callable[..., Any]) -> None:
    site = make_site('[server]\nurl = "https://registry.example.com/here/"\n')
    assert "https://registry.example.com/here/toy/acme/open/put" in open_page(site)


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])))
def test_any_forwarded_header_is_survived(value: str) -> None:
    proxies = [ip_network("127.0.0.1")]
    environ = testing.create_environ(remote_addr="127.0.0.1", headers={"X-Forwarded-For": value})
    request = falcon.Request(environ)
    RequestContext(proxies, None, None).process_request(request, falcon.Response())  # type: ignore[arg-type]
    assert len(request.context.remote_addr) <= 64


def test_a_log_line_says_who_asked_for_what_and_what_came_of_it(site: Any) -> None:
    site.put("ball@1.toy", b"bytes")
    site.get("/toy/acme/toys/get/ball/ball@1.toy", User_Agent="tester/1")
    line = site.log[-1]
    row = site.registry.accounts.tokens()[0]
    assert {key: line[key] for key in ("method", "path", "status", "bytes", "who", "token", "from", "agent")} == {
        "method": "GET",
        "path": "/toy/acme/toys/get/ball/ball@1.toy",
        "status": 200,
        "bytes": 5,
        "who": "service:publisher",
        "token": row.id,
        "from": "127.0.0.1",
        "agent": "tester/1",
    }
    assert line["ms"] >= 0
    assert line["at"].endswith("Z")
    assert "reason" not in line


def test_a_refusal_is_logged_with_its_reason(site: Any) -> None:
    answer = site.get("/toy/acme/toys/of/absent/")
    assert (site.log[-1]["status"], f"404 {site.log[-1]['reason']}") == (404, answer.status)


@pytest.mark.parametrize("path", ["/", "/healthz", "/toy/acme/toys/names/"])
def test_the_bytes_of_an_answer_are_logged(path: str, site: Any) -> None:
    site.put("ball@1.toy")
    answer = site.get(path)
    assert site.log[-1]["bytes"] == len(answer.content) > 0


def test_no_request_is_logged_twice_and_none_is_missed(site: Any) -> None:
    for path in ("/", "/nowhere", "/toy/acme/toys/names/"):
        site.get(path, None)
    assert [line["path"] for line in site.log] == ["/", "/nowhere", "/toy/acme/toys/names/"]


def test_no_secret_and_no_query_is_logged(site: Any) -> None:
    site.put("ball@1.toy", X_Note="hunter2")
    for token in (site.publisher, site.publisher + "x", f"{site.publisher[:-1]}x"):
        site.request("GET", "/toy/acme/toys/names/", token, query_string="password=hunter2")
        site.request("GET", "/healthz", token, query_string="password=hunter2")
    logged = json.dumps(site.log)
    assert "hunter2" not in logged
    assert site.publisher.partition("_")[2][8:40] not in logged


def test_odd_characters_stay_within_their_line(site: Any) -> None:
    site.request("GET", "/a%0ab%22c", None, {"User-Agent": 'x"y' * 100})
    [line] = site.log
    assert line["path"] == '/a\nb"c'
    assert len(line["agent"]) == 120


def test_everything_else_is_logged_as_json_too() -> None:
    record = logging.LogRecord("orbitalreg.x", logging.WARNING, "f", 1, "two\nlines %s", ("more",), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert {key: json.loads(line)[key] for key in ("level", "logger", "message")} == {
        "level": "warning",
        "logger": "orbitalreg.x",
        "message": "two\nlines more",
    }


def test_a_traceback_is_one_line_of_json() -> None:
    try:
        raise ValueError("inside")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), (type(error), error, error.__traceback__))
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "ValueError: inside" in json.loads(line)["traceback"]


@pytest.mark.parametrize(
    ("more", "base"),
    [
        ("", None),
        ("[server]\nurl = 'https://registry.example.com/here/'\n", "https://registry.example.com/here/toy/acme/toys"),
    ],
)
def test_a_handler_knows_the_repositorys_address_where_it_is_configured(
    make_site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, more: str, base: str | None
) -> None:
    """And not by what the caller says of the host: what it renders is kept for all."""
    seen = []
    plain = ToyFormat.get

    def get(self: ToyFormat, request: falcon.Request, filename: str) -> Any:
        seen.append(request.context.get("base"))
        return plain(self, request, filename)

    monkeypatch.setattr(ToyFormat, "get", get)
    make_site(more).get("/toy/acme/toys/get/ball/ball@1.toy", Host="elsewhere.example")
    assert seen == [base]

"""Identity headers: believed from listed proxies, over real sockets too, and from nobody else."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.errors import ConfigError
from orbitalreg.interfaces import Surroundings
from orbitalreg.proxy_headers import ProxyHeaders

NAMES = "/toy/acme/toys/names/"
GRANTS = """
[[grants]]
to = "user:ann"
grants = ["acme/toys:publish"]
"""
PLUGIN = f"""
[plugins.proxy-headers]
from = ["192.0.2.10", "fd00::/8"]
{GRANTS}"""


@pytest.fixture
def site(make_site: Callable[..., Any]) -> Any:
    return make_site(PLUGIN)


def who(site: Any, peer: str = "192.0.2.10", **headers: str) -> tuple[int, str | None]:
    """The status, and whom the log names."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status = site.request("GET", NAMES, None, named, remote_addr=peer).status_code
    return status, site.log[-1]["who"]


@pytest.mark.parametrize("peer", ["192.0.2.10", "fd00::1"])
def test_a_listed_proxys_header_names_the_user(peer: str, site: Any) -> None:
    assert who(site, peer, X_Forwarded_User="ann") == (200, "user:ann")


@pytest.mark.parametrize("peer", ["127.0.0.1", "192.0.2.11", "", "fe80::1", "192.0.2.10.evil.example"])
def test_anybody_elses_header_says_nothing(peer: str, site: Any) -> None:
    assert who(site, peer, X_Forwarded_User="ann")[0] == 401
    assert site.request("GET", "/", None, {"X-Forwarded-User": "ann"}, remote_addr=peer).status_code == 200
    assert site.log[-1]["who"] == "anonymous"


def test_the_peer_counts_and_not_the_client_that_is_told_of(make_site: Callable[..., Any]) -> None:
    site = make_site('[server]\ntrusted_proxies = ["198.51.100.1"]\n' + PLUGIN)
    assert who(site, "198.51.100.1", X_Forwarded_User="ann", X_Forwarded_For="192.0.2.10")[0] == 401
    assert who(site, "203.0.113.5", X_Forwarded_User="ann", X_Forwarded_For="192.0.2.10")[0] == 401


def test_a_proxys_client_stays_in_the_log(make_site: Callable[..., Any]) -> None:
    site = make_site('[server]\ntrusted_proxies = ["192.0.2.10"]\n' + PLUGIN)
    assert who(site, X_Forwarded_User="ann", X_Forwarded_For="203.0.113.5") == (200, "user:ann")
    assert site.log[-1]["from"] == "203.0.113.5"


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_header_says_nothing(value: str, site: Any) -> None:
    assert site.request("GET", "/", None, {"X-Forwarded-User": value}, remote_addr="192.0.2.10").status_code == 200
    assert site.log[-1]["who"] == "anonymous"


@pytest.mark.parametrize(
    "value", ["ann, bob", "ann,ann", "Ann", "ann@example.com", "user:ann", "../ann", "a" * 65, "-"]
)
def test_what_is_no_name_is_refused_and_said_so(value: str, site: Any) -> None:
    answer = site.request("GET", NAMES, None, {"X-Forwarded-User": value}, remote_addr="192.0.2.10")
    assert (answer.status_code, "X-Forwarded-User" in answer.text) == (401, True)


def test_another_header_is_configured(make_site: Callable[..., Any]) -> None:
    site = make_site(f'[plugins.proxy-headers]\nheader = "Remote-User"\nfrom = ["192.0.2.10"]\n{GRANTS}')
    assert who(site, Remote_User="ann") == (200, "user:ann")
    assert who(site, X_Forwarded_User="ann")[0] == 401


def test_a_token_comes_before_the_header(site: Any) -> None:
    sent = {"X-Forwarded-User": "ann"}
    site.request("GET", NAMES, site.publisher, sent, remote_addr="192.0.2.10")
    assert site.log[-1]["who"] == "service:publisher"
    assert site.request("GET", NAMES, "orbsa_wrong", sent, remote_addr="192.0.2.10").status_code == 401


def test_without_the_table_the_header_says_nothing(make_site: Callable[..., Any]) -> None:
    assert who(make_site(GRANTS), "127.0.0.1", X_Forwarded_User="ann")[0] == 401


# Over a socket, as the server reads headers


@pytest.fixture
def url(configured: Path, serve: Callable[..., Any]) -> str:
    more = f'[plugins.proxy-headers]\nfrom = ["127.0.0.1"]\n{GRANTS}'
    configured.write_text(configured.read_text() + more)
    return str(serve("--config", str(configured)).url)


def raw(url: str, *headers: str) -> int:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = [f"GET {NAMES} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
        connection.sendall("\r\n".join(head).encode())
        answer = b""
        while data := connection.recv(65536):
            answer += data
    match = re.match(rb"HTTP/1\.1 ([0-9]{3})", answer)
    assert match is not None
    return int(match[1])


def test_a_header_that_came_twice_names_nobody(url: str) -> None:
    assert raw(url, "X-Forwarded-User: ann") == 200
    assert raw(url, "X-Forwarded-User: ann", "X-Forwarded-User: ann") == 401
    assert raw(url, "X-Forwarded-User: ann", "x-forwarded-user: bob") == 401
    assert raw(url, "X-Forwarded-User: bob", "X-FORWARDED-USER: ann") == 401


@pytest.mark.parametrize(
    "header", ["X_Forwarded_User: ann", "X-Forwarded_User: ann", "X-Forwarded-User-: ann", "Forwarded-User: ann"]
)
def test_a_header_that_is_spelt_otherwise_is_another(header: str, url: str) -> None:
    """A proxy that overwrites one spelling passes the others on."""
    assert raw(url, header) == 401
    assert raw(url, header, "X-Forwarded-User: bob") == 404  # bob, who may not read


# The configuration


def made(folder: Path, **options: Any) -> ProxyHeaders:
    return ProxyHeaders(
        Surroundings(options, folder, folder, lambda server, ca_bundle=None: pytest.fail("asks no server"))
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "from: is missing"),
        ({"from": []}, "from: is missing"),
        ({"from": "127.0.0.1"}, "from: is missing"),
        ({"from": ["proxy"]}, "from.0: found 'proxy'"),
        ({"from": ["127.0.0.1", 1]}, "from.1: found 1"),
        ({"from": ["127.0.0.1"], "header": "X User"}, "header: found 'X User'"),
        ({"from": ["127.0.0.1"], "header": "X_User"}, "header: found 'X_User'"),
        ({"from": ["127.0.0.1"], "header": 1}, "header: found 1"),
        ({"from": ["127.0.0.1"], "headers": "X"}, "headers: there is no such key"),
    ],
)
def test_a_faulty_table_is_told(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        made(tmp_path, **options)


def test_a_faulty_table_is_told_by_check(configured: Path, cli: Callable[..., Any]) -> None:
    configured.write_text(configured.read_text() + "[plugins.proxy-headers]\n")
    result = cli("check")
    assert result.exit_code != 0
    assert "plugins.proxy-headers: from: is missing" in result.stderr

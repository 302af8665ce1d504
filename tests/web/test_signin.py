"""Who is asked about a caller, in which order; passwords, the limit on failures; and writes of other sites."""

import base64
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from orbitalreg_toy_signin import ToyAuthenticator

from orbitalreg.errors import Busy, UpstreamFailed
from orbitalreg.model import Grant
from orbitalreg.tokens import mint

NAMES = "/toy/acme/toys/names/"
PLUGIN = """
[plugins.toy-signin.words]
ann = "hunter2"
bob = "hunter3"

[[grants]]
to = "user:ann"
grants = ["acme/toys:publish"]
"""


@pytest.fixture
def site(make_site: Callable[..., Any]) -> Any:
    return make_site(PLUGIN)


@pytest.fixture
def plain_site(make_site: Callable[..., Any]) -> Any:
    return make_site()


def basic(user: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def ask(site: Any, user: str, secret: str, method: str = "GET", path: str = NAMES, **options: Any) -> Any:
    return site.request(method, path, None, {**basic(user, secret), **options.pop("headers", {})}, **options)


def authenticating(monkeypatch: pytest.MonkeyPatch, told: Callable[..., Any]) -> list[Any]:
    """Has the toy's authenticator do as `told`; the credentials that it was shown."""
    shown: list[Any] = []

    def authenticate(self: object, credentials: Any) -> Any:
        shown.append(credentials)
        return told()

    monkeypatch.setattr(ToyAuthenticator, "authenticate", authenticate)
    return shown


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


# Who is asked


def test_a_user_known_by_a_password_has_the_users_rights(site: Any) -> None:
    assert ask(site, "ann", "hunter2").status_code == 200
    assert (site.log[-1]["who"], site.log[-1]["token"]) == ("user:ann", None)
    assert ask(site, "ann", "hunter2", "POST", "/toy/acme/toys/put/ball@1.toy", body=b"x").status_code == 200
    assert ask(site, "bob", "hunter3").status_code == 404  # signed in, with no right to read


def test_a_user_known_by_a_password_makes_tokens_within_the_users_rights(site: Any) -> None:
    def make(*grants: str) -> Any:
        sent = {"name": "laptop", "grants": grants}
        headers = {"Content-Type": "application/json"}
        return ask(site, "ann", "hunter2", "POST", "/api/v1/tokens", headers=headers, body=json.dumps(sent).encode())

    made = make("acme/toys:read")
    assert made.status_code == 201
    assert site.get(NAMES, made.json["token"]).status_code == 200
    assert site.log[-1]["who"] == "user:ann"
    assert make("acme:admin").status_code == 403


def test_rights_are_as_they_are_at_each_request(site: Any) -> None:
    grant = Grant.parse("acme:read")
    site.registry.accounts.add_user("bob", site.actor)
    site.registry.accounts.grant("user:bob", [grant], site.actor)
    assert ask(site, "bob", "hunter3").status_code == 200
    site.registry.accounts.revoke_grant("user:bob", grant, site.actor)
    assert ask(site, "bob", "hunter3").status_code == 404
    site.registry.accounts.set_disabled("user:bob", True, site.actor)
    answer = ask(site, "bob", "hunter3")
    assert (answer.status_code, "disabled" in answer.text) == (401, True)


@pytest.mark.parametrize(("user", "secret"), [("ann", "wrong"), ("nobody", "hunter2"), ("nobody", "")])
def test_a_wrong_password_says_not_whether_there_is_the_user(user: str, secret: str, site: Any) -> None:
    answer = ask(site, user, secret)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    if user == "nobody":
        assert answer.text == "the user name or the password is wrong; with a token the user name is __token__\n"


def test_a_token_is_shown_to_no_authenticator(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = authenticating(monkeypatch, lambda: "ann")
    assert site.get(NAMES).status_code == 200
    assert site.log[-1]["who"] == "service:publisher"
    assert site.get(NAMES, mint("user").text).status_code == 401
    assert site.get(NAMES, "orbpat_nonsense").status_code == 401
    assert ask(site, "ann", "orbsa_").status_code == 401
    assert shown == []


@pytest.mark.parametrize("user", ["__token__", "oidc"])
def test_what_is_said_to_be_a_token_and_is_none_is_told_so(user: str, site: Any) -> None:
    assert "is no token" in ask(site, user, "hunter2").text
    assert "is no token" in site.get(NAMES, "hunter2").text


def test_without_authenticators_a_password_is_told_to_be_no_token(plain_site: Any) -> None:
    for _ in range(30):  # none can be guessed, and none is counted
        answer = ask(plain_site, "ann", "hunter2")
        assert (answer.status_code, "is no token" in answer.text) == (401, True)


def test_an_authenticator_is_shown_the_request(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = authenticating(monkeypatch, lambda: None)
    ask(site, "Ann", "a:b", headers={"X-Thing": "Value"}, remote_addr="192.0.2.1")
    site.request("GET", "/", None, {"Authorization": "Bearer abc"})
    site.request("GET", "/", None)
    assert [(it.user, it.secret, it.peer, it.address) for it in shown] == [
        ("Ann", "a:b", "192.0.2.1", "192.0.2.1"),
        (None, "abc", "127.0.0.1", "127.0.0.1"),
        (None, None, "127.0.0.1", "127.0.0.1"),
    ]
    assert shown[0].headers["x-thing"] == "Value"
    assert "a:b" not in repr(shown[0]) and "Value" not in repr(shown[0])


def test_behind_a_trusted_proxy_peer_and_client_differ(
    make_site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site('[server]\ntrusted_proxies = ["127.0.0.1"]\n' + PLUGIN)
    shown = authenticating(monkeypatch, lambda: None)
    site.request("GET", "/", None, {"X-Forwarded-For": "192.0.2.7"})
    assert (shown[0].peer, shown[0].address) == ("127.0.0.1", "192.0.2.7")


def test_the_first_that_knows_the_caller_counts(site: Any) -> None:
    class Other(ToyAuthenticator):
        def authenticate(self, credentials: Any) -> str | None:
            return "zoe" if credentials.secret == "both" else None

    known = site.registry.authenticators
    known["zz"] = Other.__new__(Other)
    assert ask(site, "x", "both", path="/").status_code == 200
    assert site.log[-1]["who"] == "user:zoe"
    assert ask(site, "ann", "both", path="/").status_code == 401  # the toy knows ann, and that it is wrong


def test_probes_ask_nobody(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = authenticating(monkeypatch, raising(RuntimeError()))
    assert ask(site, "ann", "wrong", path="/healthz").status_code == 200
    assert shown == []


@pytest.mark.parametrize("header", ["Negotiate abc", "Basic !", "Basic YQ=="])
def test_a_header_that_nobody_reads_is_refused_unless_the_caller_is_known_otherwise(
    header: str, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {"Authorization": header}
    assert site.request("GET", NAMES, None, sent).status_code == 401
    assert "Authorization header" in site.request("GET", "/", None, sent).text
    authenticating(monkeypatch, lambda: "ann")
    assert site.request("GET", NAMES, None, sent).status_code == 200


# Faults of authenticators


@pytest.mark.parametrize("error", [RuntimeError("hunter2"), UpstreamFailed("hunter2"), KeyError()])
def test_a_fault_lets_nobody_in_and_is_logged(
    error: Exception, site: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    authenticating(monkeypatch, raising(error))
    answer = ask(site, "ann", "hunter2")
    assert (answer.status_code, "log" in answer.text, "hunter2" in answer.text) == (401, True, False)
    assert "authenticator toy-words failed" in caplog.text
    assert site.request("GET", "/", None).status_code == 200


@pytest.mark.parametrize("name", ["", "No Name", "a/b", 7, b"ann", "x" * 65, "anonymous/../x"])
def test_a_name_that_is_none_lets_nobody_in(name: Any, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    authenticating(monkeypatch, lambda: name)
    assert ask(site, "ann", "hunter2").status_code == 401


def test_one_that_is_busy_is_asked_again_later(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    authenticating(monkeypatch, raising(Busy("too many at once")))
    answer = ask(site, "ann", "hunter2")
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


# The limit


def test_the_twenty_first_wrong_password_of_a_minute_is_told_to_wait(site: Any) -> None:
    assert [ask(site, "ann", "wrong").status_code for _ in range(20)] == [401] * 20
    answer = ask(site, "ann", "wrong")
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert ask(site, "ann", "hunter2").status_code == 200  # who is right is never slowed
    assert ask(site, "ann", "wrong").status_code == 429  # and does not free the others
    assert ask(site, "bob", "wrong").status_code == 401
    assert ask(site, "ann", "wrong", remote_addr="192.0.2.1").status_code == 401


def test_the_port_that_a_proxy_tells_makes_no_other_address(make_site: Callable[..., Any]) -> None:
    site = make_site('[server]\ntrusted_proxies = ["127.0.0.1"]\n' + PLUGIN)

    def guess(client: str) -> int:
        return int(ask(site, "ann", "wrong", headers={"X-Forwarded-For": client}).status_code)

    assert [guess(f"198.51.100.7:{port}") for port in range(40000, 40021)] == [401] * 20 + [429]
    assert [guess(f"[2001:db8::{port}]:{port}") for port in range(4000, 4021)] == [401] * 20 + [429]


def test_an_unknown_users_failures_are_counted_alike(site: Any) -> None:
    assert [ask(site, "nobody", "wrong").status_code for _ in range(21)] == [401] * 20 + [429]


def test_tokens_are_not_limited(site: Any) -> None:
    assert {site.get(NAMES, mint("user").text).status_code for _ in range(30)} == {401}


def test_failures_at_once_are_no_more(site: Any) -> None:
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.extend(ask(site, "ann", "wrong").status_code for _ in range(5)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [401] * 20 + [429] * 20


def test_failures_are_counted_by_kind(site: Any) -> None:
    ask(site, "ann", "wrong")
    ask(site, "nobody", "wrong")
    site.get(NAMES, "orbsa_nonsense")
    metrics = site.get("/metrics", site.token("acme:admin")).text
    for kind in ("toy-words", "password", "token"):
        assert f'orbitalreg_failed_sign_ins_total{{kind="{kind}"}} 1.0' in metrics


# What is shown


def test_what_a_user_is_shown_is_for_that_user_alone(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    authenticating(monkeypatch, lambda: "ann")
    site.put("ball@1.toy")
    for path in ("/", NAMES, "/toy/acme/toys/of/ball/", "/toy/acme/toys/get/ball/ball@1.toy", "/api/v1/projects"):
        answer = site.request("GET", path, None)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"].startswith("private"), path


# Writes of other sites

PUT = "/toy/acme/toys/put/ball@1.toy"
SELF = "http://registry.example.com"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://behind.example.com"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "nonsense"}, 403),
        ({"Origin": SELF}, 200),
        ({"Origin": "https://registry.example.com"}, 200),
        ({"Origin": "http://registry.example.com:8080"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://registry.example.com.evil.example"}, 403),
        ({"Origin": "https://registry.example.com@evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://[x"}, 403),
    ],
)
@pytest.mark.parametrize("by", ["password", "header"])
def test_a_write_that_another_site_has_a_browser_send_is_refused(
    by: str, headers: dict[str, str], status: int, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "header":
        authenticating(monkeypatch, lambda: "ann")
    sent = {**headers, "Host": "registry.example.com", **(basic("ann", "hunter2") if by == "password" else {})}
    answer = site.request("POST", PUT, None, sent, body=b"x")
    assert answer.status_code == status, answer.text
    assert site.request("GET", NAMES, None, {**sent, "Host": "registry.example.com"}).status_code == 200


def test_the_configured_address_is_the_servers_own_too(make_site: Callable[..., Any]) -> None:
    site = make_site('[server]\nurl = "https://registry.example.com/here"\n' + PLUGIN)
    sent = {"Origin": "https://registry.example.com", "Host": "127.0.0.1:8080"}
    assert ask(site, "ann", "hunter2", "POST", PUT, headers=sent, body=b"x").status_code == 200


def test_the_api_refuses_writes_of_other_sites_too(site: Any) -> None:
    sent = {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}
    answer = ask(site, "ann", "hunter2", "POST", "/api/v1/tokens", headers=sent, body=b"{}")
    assert (answer.status_code, "another site" in answer.text) == (403, True)

"""The exchange of others' tokens: its wire, its one use, what is had by it and for how long."""

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests
from orbitalreg_toy_signin import ToyAuthenticator, ToyExchanger, toy_token

from orbitalreg.catalog import accounts as rows
from orbitalreg.interfaces import Exchange
from orbitalreg.model import Grant, now
from orbitalreg.tokens import TOKEN_PATTERN

KEY = "a key that two share"
PLUGIN = f"""
[plugins.toy-signin]
key = "{KEY}"
"""
PUBLISHER = """
[[plugins.toy-signin.publishers]]
subject = "acme/ball"
grants = ["acme/toys/ball:publish"]
"""
AUDIENCE, MINT, BURN = "/_/oidc/audience", "/_/oidc/mint-token", "/_/oidc/burn-token"
DISCOVERY = "/.well-known/pytp"


@pytest.fixture
def trusting(make_site: Callable[..., Any]) -> Any:
    return make_site(PLUGIN + PUBLISHER)


def post(site: Any, path: str, body: Any, **options: Any) -> Any:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return site.request("POST", path, None, body=sent, **options)


def mint(site: Any, token: str | None = None, **options: Any) -> Any:
    return post(site, MINT, {"token": toy_token(KEY) if token is None else token}, **options)


def codes(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.json["message"] == "Token request failed"
    assert all(error["description"].isascii() for error in answer.json["errors"])
    return [error["code"] for error in answer.json["errors"]]


def entries(site: Any, action: str) -> list[dict[str, Any]]:
    """Of what was done; with `refused` ahead of the action, of what was not."""
    outcome = "refused" if action.startswith("refused ") else "done"
    found = site.registry.catalog.read().query(
        "SELECT * FROM audit_entry WHERE action = ? AND outcome = ? ORDER BY id",
        (action.removeprefix("refused "), outcome),
    )
    return [
        {**row, "detail": json.loads(row["detail"]), "origin": json.loads(row["origin"] or "null")} for row in found
    ]


# Foreign code and the catalog


def test_authenticators_and_exchangers_are_never_called_within_a_transaction(
    make_site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks another server must hold up no writer. Each call has another thread write meanwhile."""
    site = make_site(
        PLUGIN.replace("key =", 'words = {ann = "hunter2"}\nkey =')
        + PUBLISHER.replace("acme/toys/ball:publish", "acme:admin")
        + '[[grants]]\nto = "user:ann"\ngrants = ["acme:admin"]\n'
    )
    catalog, called, within = site.registry.catalog, Counter[str](), Counter[str]()

    def write() -> None:
        with catalog.write():
            pass

    def watch(cls: Any, method: str) -> None:
        real = getattr(cls, method)

        def watched(self: Any, *arguments: Any) -> Any:
            called[method] += 1
            within[method] += catalog.read().conn.in_transaction
            writer = threading.Thread(target=write, daemon=True)
            writer.start()
            writer.join(20)
            within[method] += writer.is_alive()
            return real(self, *arguments)

        monkeypatch.setattr(cls, method, watched)

    watch(ToyAuthenticator, "authenticate")
    watch(ToyExchanger, "exchange")
    watch(ToyExchanger, "grants")
    by_word = {"Authorization": "Basic " + base64.b64encode(b"ann:hunter2").decode()}
    token = mint(site).json["token"]
    by_token = {"Authorization": f"Bearer {token}"}
    sent = json.dumps({"name": "x", "grants": ["acme:read"]}).encode()
    grants = "/api/v1/projects/acme/grants"
    given = json.dumps({"principal": "user:ann", "grants": ["acme:read"]}).encode()
    statuses = []
    for who in (by_word, by_token):
        for method, path, body in (
            ("GET", "/toy/acme/toys/names/", b""),
            ("POST", "/toy/acme/toys/put/ball@1.toy", b"a toy"),
            ("POST", "/api/v1/tokens", sent),
            ("POST", grants, given),
            ("DELETE", f"{grants}?principal=user:ann&grant=acme:read", b""),
            ("GET", "/api/v1/tokens", b""),
        ):
            headers = {**who, "Content-Type": "application/json"}
            site.registry.accounts.grant("user:ann", [Grant.parse("acme:read")], site.actor)  # nothing is remembered
            path, _, query = path.partition("?")
            statuses.append(site.request(method, path, None, headers, body=body, query_string=query).status_code)
    assert post(site, BURN, {"token": token}).status_code == 200
    assert mint(site, toy_token("another key")).status_code == 422
    assert statuses == [200, 200, 201, 200, 200, 200, 200, 200, 403, 403, 403, 200]
    assert set(called) == {"authenticate", "exchange", "grants"}
    assert within.total() == 0, within


# The wire


def test_the_audience_is_told_to_everybody(trusting: Any) -> None:
    answer = trusting.get(AUDIENCE, None)
    assert (answer.status_code, answer.json) == (200, {"audience": "orbitalreg-toy"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert trusting.request("HEAD", AUDIENCE, None).status_code == 200


def test_a_token_is_had_for_the_publishers_rights_and_a_quarter_of_an_hour(trusting: Any) -> None:
    before = now()
    answer = mint(trusting)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json) == {"success", "token", "expires"}
    assert answer.json["success"] is True
    assert TOKEN_PATTERN.fullmatch(answer.json["token"]) and answer.json["token"].startswith("orboi_")
    assert before // 1_000_000 + 900 <= answer.json["expires"] <= now() // 1_000_000 + 900
    assert trusting.put("ball@1.toy", token=answer.json["token"]).status_code == 200
    assert trusting.put("kite@1.toy", token=answer.json["token"]).status_code == 403


def test_the_lifetime_is_configured(make_site: Callable[..., Any]) -> None:
    site = make_site(f'[tokens]\nexchanged_lifetime = "2m"\n{PLUGIN}{PUBLISHER}')
    assert mint(site).json["expires"] <= now() // 1_000_000 + 120


def test_what_is_told_of_its_end_is_what_counts(make_site: Callable[..., Any]) -> None:
    site = make_site(f'[tokens]\nmax_lifetime = "1m"\n{PLUGIN}{PUBLISHER}')
    assert mint(site).json["expires"] <= now() // 1_000_000 + 60


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "", "multipart/form-data"])
def test_the_body_is_json_whatever_it_is_said_to_be(kind: str, trusting: Any) -> None:
    assert mint(trusting, headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"token=x", b"[]", b"{}", b'{"token": 1}', b'{"token": ""}', b"\xff", b"[" * 60000, b'"x"', b"null"]
)
@pytest.mark.parametrize("path", [MINT, BURN])
def test_a_body_without_a_token_is_an_invalid_payload(body: bytes, path: str, trusting: Any) -> None:
    assert codes(post(trusting, path, body)) == ["invalid-payload"]
    assert entries(trusting, "refused token.exchange") == []


def test_a_body_is_bounded(trusting: Any) -> None:
    answer = post(trusting, MINT, b" " * (64 << 10) + b"{}")
    assert (answer.status_code, answer.json["message"]) == (413, "Token request failed")


def test_what_is_sent_along_as_credentials_is_not_looked_at(trusting: Any) -> None:
    assert mint(trusting, headers={"Authorization": "Bearer nonsense"}).status_code == 200


def test_without_an_exchanger_nothing_is_taken(site: Any) -> None:
    assert codes(site.get(AUDIENCE, None)) == ["not-enabled"]
    assert codes(mint(site)) == ["not-enabled"]
    assert codes(post(site, MINT, b"")) == ["not-enabled"]
    assert site.get(f"{DISCOVERY}?discover=/toy/acme/toys/", None).status_code == 404


@pytest.mark.parametrize("url", [None, "https://registry.example.com/here"])
def test_the_addresses_are_found_from_that_of_the_upload(url: str | None, make_site: Callable[..., Any]) -> None:
    site = make_site((f'[server]\nurl = "{url}"\n' if url else "") + PLUGIN)
    base = url or "http://falconframework.org"
    answer = site.get(f"{DISCOVERY}?discover=%2Ftoy%2Facme%2Ftoys%2F", None)
    assert answer.json == {"audience-endpoint": f"{base}{AUDIENCE}", "token-mint-endpoint": f"{base}{MINT}"}


def test_a_discovery_without_an_address_is_refused(trusting: Any) -> None:
    assert trusting.get(DISCOVERY, None).status_code == 400


# What is refused


@pytest.mark.parametrize(
    ("signed", "code"),
    [
        (None, "invalid-token"),
        ({"key": "another key"}, "invalid-token"),
        ({"iss": "others"}, "invalid-token"),
        ({"lasts": -1}, "invalid-token"),
        ({"subject": "acme/kite"}, "invalid-publisher"),
    ],
)
def test_a_refused_exchange_says_why_and_is_in_the_audit_log(
    signed: dict[str, Any] | None, code: str, trusting: Any
) -> None:
    token = "nonsense" if signed is None else toy_token(**{"key": KEY, **signed})
    assert codes(mint(trusting, token)) == [code]
    [entry] = entries(trusting, "refused token.exchange")
    assert entry["detail"]["code"] == code and entry["reason"]
    assert (entry["actor"], entry["address"]) == ("anonymous", "127.0.0.1")
    assert entry["request_id"]
    assert token not in json.dumps(entry)
    assert trusting.count("token") == 1  # the publisher's


def test_a_fault_of_an_exchanger_lets_nobody_in(trusting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, token: str) -> Exchange:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(ToyExchanger, "exchange", fail)
    answer = mint(trusting)
    assert codes(answer) == ["invalid-token"]
    assert "log" in answer.text and "hunter2" not in answer.text


@pytest.mark.parametrize(
    "told",
    [
        {"subject": ""},
        {"subject": "x" * 256},
        {"subject": "a\nb"},
        {"replay_key": ""},
    ],
)
def test_an_exchange_that_cannot_be_kept_is_a_fault(
    told: dict[str, Any], trusting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = trusting.registry.exchangers["toy"].exchange(toy_token(KEY))
    values = {name: getattr(good, name) for name in Exchange.__dataclass_fields__}
    monkeypatch.setattr(ToyExchanger, "exchange", lambda self, token: Exchange(**{**values, **told}))
    assert codes(mint(trusting)) == ["invalid-token"]


def test_an_exchange_without_grants_gives_no_token(trusting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyExchanger, "exchange", lambda self, token: Exchange("a", (), "k", now() + 1_000_000))
    assert codes(mint(trusting)) == ["invalid-publisher"]


def test_a_token_whose_use_may_be_forgotten_already_is_refused(trusting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grants = trusting.registry.exchangers["toy"].grants({"project": "acme/ball"})
    monkeypatch.setattr(ToyExchanger, "exchange", lambda self, token: Exchange("a", grants, "k", now()))
    for _ in range(2):
        assert codes(mint(trusting)) == ["invalid-token"]
    assert trusting.count("exchange_use") == 0


def test_the_twenty_first_failure_of_a_minute_is_told_to_wait(trusting: Any) -> None:
    assert [mint(trusting, "nonsense").status_code for _ in range(20)] == [422] * 20
    answer = mint(trusting, "nonsense")
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json["errors"][0]["code"] == "too-many-requests"
    trusting.registry.refusals.flush()
    summed_up = sum(entry["detail"]["count"] for entry in entries(trusting, "refused several"))
    assert len(entries(trusting, "refused token.exchange")) + summed_up == 21
    assert mint(trusting).status_code == 200  # what is right is never slowed
    assert mint(trusting, "nonsense", remote_addr="192.0.2.9").status_code == 422
    assert (
        'orbitalreg_failed_sign_ins_total{kind="exchange"} 22.0'
        in trusting.get("/metrics", trusting.token("acme:admin")).text
    )


# One use


def test_another_job_does_not_use_a_token_a_second_time(trusting: Any) -> None:
    assert mint(trusting, toy_token(KEY, jti="1", job="7")).status_code == 200
    assert codes(mint(trusting, toy_token(KEY, jti="1", job="8"))) == ["invalid-reuse-token"]
    [entry] = entries(trusting, "refused token.exchange")
    assert entry["target"] == "toy:acme/ball"
    assert entry["origin"] == {"project": "acme/ball", "job": "8"}


def test_without_a_holder_a_token_is_used_once(trusting: Any) -> None:
    token = toy_token(KEY, job="")
    assert mint(trusting, token).status_code == 200
    assert codes(mint(trusting, token)) == ["invalid-reuse-token"]


def test_the_same_job_uses_its_token_again_and_it_is_told_in_the_audit_log(trusting: Any) -> None:
    token = toy_token(KEY)
    first, second = mint(trusting, token).json["token"], mint(trusting, token).json["token"]
    assert first != second
    assert [entry["detail"]["again"] for entry in entries(trusting, "token.exchange")] == [False, True]


def together(count: int, call: Callable[[int], Any]) -> list[Any]:
    """What each of so many threads, which begin at once, was answered."""
    answers: list[Any] = []
    start = threading.Barrier(count)

    def work(number: int) -> None:
        start.wait()
        answers.append(call(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.fixture
def two(trusting: Any, make_site: Callable[..., Any]) -> list[Any]:
    """Two registries on one folder, as two processes have them."""
    return [trusting, make_site(PLUGIN + PUBLISHER)]


def test_of_fifty_replays_from_other_jobs_at_once_none_succeeds(two: list[Any]) -> None:
    assert mint(two[0], toy_token(KEY, jti="1", job="own")).status_code == 200

    def replay(number: int) -> int:
        address = f"192.0.2.{number}"  # one each: none is refused for the number of its failures
        return int(mint(two[number % 2], toy_token(KEY, jti="1", job=f"{number}"), remote_addr=address).status_code)

    assert Counter(together(50, replay)) == {422: 50}
    assert len(entries(two[0], "token.exchange")) == 1


def test_of_fifty_jobs_at_once_one_has_the_token(two: list[Any]) -> None:
    def use(number: int) -> int:
        address = f"192.0.2.{number}"
        return int(mint(two[number % 2], toy_token(KEY, jti="1", job=f"{number}"), remote_addr=address).status_code)

    assert Counter(together(50, use)) == {200: 1, 422: 49}


def test_fifty_times_at_once_the_same_job_has_a_token_each_time(two: list[Any]) -> None:
    token = toy_token(KEY)
    answers = together(50, lambda number: mint(two[number % 2], token).json)
    assert len({answer["token"] for answer in answers}) == 50
    assert Counter(entry["detail"]["again"] for entry in entries(two[0], "token.exchange")) == {True: 49, False: 1}


def test_a_use_is_forgotten_after_its_time(trusting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mint(trusting, toy_token(KEY, jti="1", lasts=60))
    assert trusting.count("exchange_use") == 1
    later = now() + 61_000_000
    monkeypatch.setattr(rows, "now", lambda: later)
    mint(trusting, toy_token(KEY, jti="2", lasts=600))
    assert trusting.count("exchange_use") == 1


# What is had


def test_an_exchange_is_in_the_audit_log_with_its_origin(trusting: Any) -> None:
    token_id = mint(trusting).json["token"][len("orboi_") :][:8]
    [entry] = entries(trusting, "token.exchange")
    assert (entry["actor"], entry["target"], entry["address"]) == ("toy:acme/ball", token_id, "127.0.0.1")
    assert entry["origin"] == {"project": "acme/ball", "job": "7"}
    assert entry["detail"]["grants"] == ["acme/toys/ball:publish"]


def test_a_file_keeps_where_it_was_published_from(trusting: Any, cli: Callable[..., Any]) -> None:
    trusting.put("ball@1.toy", token=mint(trusting).json["token"])
    origin = {"project": "acme/ball", "job": "7"}
    [told] = json.loads(cli("show", "acme/toys/ball", "--json").stdout)["files"]
    assert (told["by"], told["published_from"]) == ("toy:acme/ball", origin)
    assert "job 7, project acme/ball" in cli("show", "acme/toys/ball").stdout
    [entry] = entries(trusting, "file.publish")
    assert entry["origin"] == origin
    assert trusting.log[-1]["origin"] == origin
    api = trusting.get("/api/v1/projects/acme/repositories/toys/packages/ball/files").json
    assert api["items"][0]["published_from"] == origin


def test_of_a_file_published_otherwise_nothing_of_the_kind_is_shown(trusting: Any, cli: Callable[..., Any]) -> None:
    trusting.put("ball@1.toy")
    assert "published from" not in cli("show", "acme/toys/ball").stdout
    assert "origin" not in trusting.log[-1]


@pytest.mark.parametrize("user", ["__token__", "oidc", "acme/ball"])
def test_the_token_is_good_as_a_password(user: str, trusting: Any) -> None:
    headers = {"Authorization": requests.auth._basic_auth_str(user, mint(trusting).json["token"])}
    assert trusting.request("POST", "/toy/acme/toys/put/ball@1.toy", None, headers, body=b"x").status_code == 200


def test_the_token_expires(trusting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    minted = mint(trusting).json
    later = (minted["expires"] + 1) * 1_000_000
    for module in ("orbitalreg.identity", "orbitalreg.catalog.accounts"):
        monkeypatch.setattr(f"{module}.now", lambda: later)
    answer = trusting.put("ball@1.toy", token=minted["token"])
    assert (answer.status_code, "expired" in answer.text) == (401, True)


def test_a_rule_that_is_gone_after_a_reload_is_gone_for_its_tokens(make_site: Callable[..., Any]) -> None:
    token = mint(make_site(PLUGIN + PUBLISHER)).json["token"]
    assert make_site(PLUGIN + PUBLISHER).put("ball@1.toy", token=token).status_code == 200
    assert make_site(PLUGIN).put("ball@2.toy", token=token).status_code == 403
    assert make_site("").put("ball@2.toy", token=token).status_code == 403


def test_a_fault_of_an_exchanger_takes_its_tokens_their_rights(trusting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    token = mint(trusting).json["token"]

    def fail(self: object, origin: object) -> tuple[()]:
        raise RuntimeError

    monkeypatch.setattr(ToyExchanger, "grants", fail)
    assert trusting.put("ball@1.toy", token=token).status_code == 403


# Burning


def test_a_burnt_token_is_refused_by_the_next_request(two: list[Any]) -> None:
    token = mint(two[0]).json["token"]
    assert two[1].put("ball@1.toy", token=token).status_code == 200
    assert post(two[0], BURN, {"token": token}).status_code == 200
    assert two[1].put("ball@2.toy", token=token).status_code == 401
    [entry] = entries(two[0], "token.burn")
    assert (entry["actor"], entry["target"]) == ("toy:acme/ball", token[len("orboi_") :][:8])


def test_burning_tells_nobody_what_was_burnt(trusting: Any) -> None:
    token = mint(trusting).json["token"]
    wrong = token[:14] + ("a" if token[14] != "a" else "b") + token[15:]
    answers = [post(trusting, BURN, {"token": text}) for text in (token, token, "nonsense", wrong, trusting.publisher)]
    assert {(answer.status, answer.content) for answer in answers} == {("200 OK", b'{"success": true}')}
    assert len(entries(trusting, "token.burn")) == 1


def test_only_what_was_had_in_exchange_can_be_burnt(trusting: Any) -> None:
    post(trusting, BURN, {"token": trusting.publisher})
    assert trusting.put("ball@1.toy").status_code == 200


def test_no_token_is_in_the_log(trusting: Any) -> None:
    foreign = toy_token(KEY)
    token = mint(trusting, foreign).json["token"]
    post(trusting, BURN, {"token": token})
    logged = json.dumps(trusting.log) + json.dumps(entries(trusting, "token.exchange"))
    assert foreign not in logged and token not in logged


# Two processes


def test_two_processes_share_what_was_used_and_burnt(
    configured: Any, serve: Callable[..., Any], cli: Callable[..., Any]
) -> None:
    configured.write_text(configured.read_text() + PLUGIN + PUBLISHER)
    urls = [serve("--config", str(configured)).url for _ in range(2)]

    def send(url: str, path: str, token: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(url + path, data=json.dumps({"token": token}), timeout=30)

    minted = send(urls[0], MINT, toy_token(KEY, job="7"))
    assert send(urls[1], MINT, toy_token(KEY, job="8")).json()["errors"][0]["code"] == "invalid-reuse-token"

    def put(url: str, filename: str) -> int:
        with requests.Session() as session:
            session.trust_env = False
            auth = ("oidc", minted.json()["token"])
            return session.post(f"{url}/toy/acme/toys/put/{filename}", b"x", auth=auth, timeout=30).status_code

    assert put(urls[1], "ball@1.toy") == 200
    assert send(urls[0], BURN, minted.json()["token"]).status_code == 200
    assert put(urls[1], "ball@2.toy") == 401


def test_a_token_that_was_had_in_exchange_is_forgotten_a_month_after_its_end(trusting: Any) -> None:
    assert mint(trusting, toy_token(KEY, jti="1")).status_code == 200
    assert mint(trusting, toy_token(KEY, jti="2")).status_code == 200
    with trusting.registry.catalog.write() as db:
        [(first,), (second,)] = db.execute("SELECT id FROM token WHERE origin IS NOT NULL ORDER BY rowid").fetchall()
        for token_id, days in ((first, 31), (second, 29)):
            db.execute("UPDATE token SET expires_at = ? WHERE id = ?", (now() - days * 86400 * 1_000_000, token_id))
    assert mint(trusting, toy_token(KEY, jti="3")).status_code == 200
    left = [row.id for row in trusting.registry.accounts.tokens() if row.origin is not None]
    assert first not in left and second in left and len(left) == 2

"""The keys by which tokens are checked: when they are fetched, for how long they last, and which are keys at all."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fake_gitlab import DISCOVERY, KEYS, Clock, FakeGitLab, Make, jwk_of, key, kid_of
from jwt.algorithms import RSAAlgorithm
from orbitalreg_oidc_gitlab import keys
from orbitalreg_oidc_gitlab.keys import FRESH, LASTS, PAUSE, STRANGERS, read_keys

from orbitalreg.errors import ConfigError, ExchangeRefused, UpstreamFailed
from orbitalreg.interfaces import Clients

ONE_FETCH = [DISCOVERY, KEYS]


def test_nothing_is_fetched_before_a_token_needs_it_and_then_once(make: Make, gitlab: FakeGitLab, clock: Clock) -> None:
    exchanger = make()
    assert gitlab.asked == []
    for _ in range(5):
        assert exchanger.exchange(gitlab.token()) is not None
    clock.now += FRESH
    assert exchanger.exchange(gitlab.token()) is not None
    assert gitlab.asked == ONE_FETCH
    clock.now += 1
    assert exchanger.exchange(gitlab.token()) is not None
    assert gitlab.asked == ONE_FETCH * 2


def test_a_thousand_unknown_key_ids_are_one_fetch_a_minute(make: Make, gitlab: FakeGitLab, clock: Clock) -> None:
    exchanger = make()
    assert exchanger.exchange(gitlab.token()) is not None
    assert gitlab.asked == ONE_FETCH
    for number in range(1000):
        clock.now += 180 / 1000
        with pytest.raises(ExchangeRefused, match="kid"):
            exchanger.exchange(gitlab.token(headers={"kid": f"made-up-{number}"}))
    assert gitlab.asked == ONE_FETCH * 3
    assert exchanger.exchange(gitlab.token()) is not None


@pytest.mark.parametrize("known", [True, False])
def test_many_threads_are_one_fetch_for_which_all_wait(make: Make, gitlab: FakeGitLab, known: bool) -> None:
    exchanger = make()
    gitlab.slow.clear()
    start = threading.Barrier(17)
    tokens = [gitlab.token(headers={} if known else {"kid": f"made-up-{number}"}) for number in range(16)]

    def ask(token: str) -> bool:
        start.wait()
        try:
            return exchanger.exchange(token) is not None
        except ExchangeRefused:
            return False

    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask, token) for token in tokens]
        start.wait()
        while not gitlab.asked:
            pass
        time.sleep(0.3)  # so that most of the others wait by now
        gitlab.slow.set()
        assert [call.result() for call in asked] == [known] * 16
    assert gitlab.asked == ONE_FETCH


def test_of_those_who_name_unknown_keys_few_wait(make: Make, gitlab: FakeGitLab, clock: Clock) -> None:
    """Anybody can name one: while GitLab is slow, that holds two threads and no more."""
    exchanger = make()
    assert exchanger.exchange(gitlab.token()) is not None
    clock.now += 60
    gitlab.slow.clear()

    def ask(number: int) -> None:
        with pytest.raises(ExchangeRefused, match="kid"):
            exchanger.exchange(gitlab.token(headers={"kid": f"made-up-{number}"}))

    with ThreadPoolExecutor(STRANGERS) as pool:
        waiting = [pool.submit(ask, number) for number in range(STRANGERS)]
        while len(gitlab.asked) < len(ONE_FETCH) + 1 or exchanger._keys[gitlab.url]._strangers._value:
            time.sleep(0.01)
        for number in range(100):
            ask(100 + number)  # at once: nothing goes on before `slow` is set
        assert exchanger.exchange(gitlab.token()) is not None
        gitlab.slow.set()
        for call in waiting:
            call.result()


def test_a_key_that_gitlab_has_changed_is_found_after_a_minute_at_most(
    make: Make, gitlab: FakeGitLab, clock: Clock
) -> None:
    exchanger = make()
    assert exchanger.exchange(gitlab.token()) is not None
    gitlab.keys = [1]
    with pytest.raises(ExchangeRefused, match="try again in a minute"):
        exchanger.exchange(gitlab.token(1))
    clock.now += PAUSE
    assert exchanger.exchange(gitlab.token(1)) is not None
    with pytest.raises(ExchangeRefused, match="has no key"):
        exchanger.exchange(gitlab.token(0))
    assert gitlab.asked == ONE_FETCH * 2


def test_a_set_stays_in_use_for_a_day_while_gitlab_cannot_be_reached(
    make: Make, gitlab: FakeGitLab, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    exchanger = make()
    assert exchanger.exchange(gitlab.token()) is not None
    gitlab.failing = True
    clock.now += LASTS
    assert exchanger.exchange(gitlab.token()) is not None
    assert f"the keys of {gitlab.url} cannot be fetched" in caplog.text
    clock.now += 1
    with pytest.raises(ExchangeRefused, match="cannot be had at the moment"):
        exchanger.exchange(gitlab.token())
    gitlab.failing = False
    clock.now += PAUSE
    assert exchanger.exchange(gitlab.token()) is not None


def test_an_unreachable_issuer_is_asked_once_a_minute_too(make: Make, gitlab: FakeGitLab, clock: Clock) -> None:
    exchanger = make()
    gitlab.failing = True
    for _ in range(20):
        with pytest.raises(ExchangeRefused, match="cannot be had at the moment"):
            exchanger.exchange(gitlab.token())
    assert gitlab.asked == [DISCOVERY]
    gitlab.failing = False
    clock.now += PAUSE
    assert exchanger.exchange(gitlab.token()) is not None


def test_a_thread_that_knows_its_key_does_not_wait_for_one_that_fetches(
    make: Make, gitlab: FakeGitLab, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PATIENCE", 3600.0)
    exchanger = make()
    assert exchanger.exchange(gitlab.token()) is not None
    clock.now += FRESH + 1
    gitlab.slow.clear()
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(exchanger.exchange, gitlab.token())
        while len(gitlab.asked) < 3:
            pass
        assert exchanger.exchange(gitlab.token()) is not None
        assert not fetching.done()
        gitlab.slow.set()
        assert fetching.result() is not None


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://elsewhere.example.com"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "http://localhost:1/keys"},
        {"jwks_uri": "https://127.0.0.1:1/keys"},
        {"jwks_uri": "https://[::1"},
        {"jwks_uri": "file:///etc/passwd"},
    ],
    ids=str,
)
def test_discovery_that_is_of_somebody_else(make: Make, gitlab: FakeGitLab, discovery: dict[str, Any]) -> None:
    gitlab.discovery = discovery
    with pytest.raises(ExchangeRefused, match="cannot be had at the moment"):
        make().exchange(gitlab.token())
    assert gitlab.asked == [DISCOVERY]


def test_an_authority_that_is_not_trusted(make: Make, options: Any, gitlab: FakeGitLab) -> None:
    del options["issuers"][0]["ca_bundle"]
    with pytest.raises(ExchangeRefused, match="cannot be had at the moment"):
        make().exchange(gitlab.token())
    assert gitlab.asked == []


@pytest.mark.parametrize(("slowness", "left"), [(0, 10.0), (7.5, 2.5), (11, -1.0)])
def test_both_documents_have_one_deadline(slowness: float, left: float, clock: Clock) -> None:
    given = []

    class Slow:
        def get(self, url: str, *, max_bytes: int, accept: str, seconds: float) -> bytes:
            given.append(seconds)
            clock.now += slowness
            if seconds <= 0:
                raise UpstreamFailed("took too long")
            told = {"issuer": "https://g.example", "jwks_uri": "https://g.example/keys", "keys": [jwk_of(0)]}
            return json.dumps(told).encode()

    found = keys.FetchedKeys("https://g.example", Slow(), clock)
    if left > 0:
        assert found.find(kid_of(0))
    else:
        with pytest.raises(ExchangeRefused, match="cannot be had"):
            found.find(kid_of(0))
    assert given == [10.0, left]


def test_no_call_begins_when_its_time_is_up(clients: Clients, gitlab: FakeGitLab) -> None:
    with pytest.raises(UpstreamFailed, match="took too long"):
        clients(gitlab.url, gitlab.ca_file).get(f"{gitlab.url}{DISCOVERY}", max_bytes=1000, seconds=0.0)
    assert gitlab.asked == []


def test_a_call_ends_when_its_time_is_up(clients: Clients, gitlab: FakeGitLab) -> None:
    gitlab.slow.clear()
    with pytest.raises(UpstreamFailed):
        clients(gitlab.url, gitlab.ca_file).get(f"{gitlab.url}{DISCOVERY}", max_bytes=1000, seconds=0.2)
    gitlab.slow.set()


def test_keys_from_a_file_are_read_at_the_start_and_gitlab_is_not_asked(
    make: Make, options: Any, gitlab: FakeGitLab, tmp_path: Path
) -> None:
    (tmp_path / "gitlab-jwks.json").write_text(json.dumps(gitlab.jwks()))
    options["issuers"][0] = {"url": gitlab.url, "jwks_file": "gitlab-jwks.json"}
    exchanger = make()
    (tmp_path / "gitlab-jwks.json").unlink()
    assert exchanger.exchange(gitlab.token()) is not None
    with pytest.raises(ExchangeRefused, match=r"there is no key .* in gitlab-jwks.json"):
        exchanger.exchange(gitlab.token(1))
    assert gitlab.asked == []


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"keys": {}}', '{"keys": []}', "[" * 100_000, "\xff"])
def test_a_file_that_is_none_stops_the_start(make: Make, options: Any, tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "gitlab-jwks.json").write_text(text, "latin-1")
    options["issuers"][0]["jwks_file"] = "gitlab-jwks.json"
    with pytest.raises(ConfigError, match=r"^issuers\.0\.jwks_file: .*gitlab-jwks.json cannot be used: "):
        make()


@pytest.mark.parametrize(
    "wrong",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC"},
        {"use": "enc"},
        {"alg": "HS256"},
        {"kid": None},
        {"kid": ""},
        {"n": 7},
        {"n": "!"},
        {"e": None},
        jwk_of(2, 1024),
        RSAAlgorithm.to_jwk(key(1), as_dict=True) | {"kid": kid_of(1)},
        "no table",
    ],
    ids=[*"abcdefghij", "private", "text"],
)
def test_what_is_no_key_is_left_out(wrong: Any) -> None:
    bad = jwk_of(1) | wrong if isinstance(wrong, dict) else wrong
    assert read_keys(json.dumps({"keys": [bad, jwk_of(0)]})).keys() == {kid_of(0)}
    with pytest.raises(ValueError, match="no RSA key"):
        read_keys(json.dumps({"keys": [bad]}))

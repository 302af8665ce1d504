"""Whatever comes as a token, and whatever GitLab signs: an exchange, a refusal, or not ours."""

import base64
import json
from typing import Any

import jwt
import pytest
from fake_gitlab import FakeGitLab, Make, claims_of_a_job, key, kid_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orbitalreg_oidc_gitlab.exchanger import GitLabExchanger

from orbitalreg.errors import ExchangeRefused
from orbitalreg.interfaces import Exchange

FEW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**400, "true", "42", "\ud800", "acme/my-lib", "x" * 2000, 1 << 63])
)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner))
CLAIMS = st.dictionaries(st.sampled_from(list(claims_of_a_job("x"))), JSON, max_size=4)
HEADERS = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "jwk", "jku", "crit", "b64", "x5c", "cty"]), JSON)


def attempt(exchanger: GitLabExchanger, token: str) -> None:
    try:
        exchange = exchanger.exchange(token)
    except ExchangeRefused as refused:
        text = str(refused)
        assert text.isascii() and text.isprintable() and len(text) < 2000
        return
    if exchange is not None:
        assert isinstance(exchange, Exchange) and exchange.grants
        assert all(type(value) is str for value in exchange.origin.values())


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture
def exchanger(make: Make, gitlab: FakeGitLab) -> GitLabExchanger:
    made = make()
    assert made.exchange(gitlab.token()) is not None
    return made


@FEW
@given(token=st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text(exchanger: GitLabExchanger, token: str) -> None:
    attempt(exchanger, token)


@FEW
@given(parts=st.lists(st.binary(max_size=60), min_size=3, max_size=3))
def test_any_bytes_in_the_form_of_a_token(exchanger: GitLabExchanger, parts: list[bytes]) -> None:
    attempt(exchanger, ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts))


@FEW
@given(header=HEADERS | JSON, payload=CLAIMS | JSON)
def test_any_json_in_the_form_of_a_token(
    exchanger: GitLabExchanger, gitlab: FakeGitLab, header: Any, payload: Any
) -> None:
    if isinstance(payload, dict):
        payload = {"iss": gitlab.url} | payload
    attempt(exchanger, f"{encoded(header)}.{encoded(payload)}.{encoded('signature')}")


@FEW
@given(header=HEADERS)
def test_any_header_before_good_claims(exchanger: GitLabExchanger, gitlab: FakeGitLab, header: dict[str, Any]) -> None:
    _, payload, signature = gitlab.token().split(".")
    changed = {"alg": "RS256", "kid": kid_of(0)} | header
    attempt(exchanger, f"{encoded(changed)}.{payload}.{signature}")


@FEW
@given(claims=CLAIMS)
def test_any_claims_that_are_signed(exchanger: GitLabExchanger, gitlab: FakeGitLab, claims: dict[str, Any]) -> None:
    payload = json.dumps(claims_of_a_job(gitlab.url) | claims).encode()
    attempt(exchanger, jwt.api_jws.encode(payload, key(0), "RS256", {"kid": kid_of(0)}))


@FEW
@given(place=st.integers(0, 2000), sign=st.characters(), fewer=st.integers(0, 3))
def test_a_good_token_with_one_place_changed(
    exchanger: GitLabExchanger, gitlab: FakeGitLab, place: int, sign: str, fewer: int
) -> None:
    token = gitlab.token()
    place %= len(token)
    attempt(exchanger, token[:place] + sign + token[place + fewer :])


@pytest.mark.parametrize("deep", ["[", '{"a":'])
def test_what_is_nested_or_long_without_end(exchanger: GitLabExchanger, gitlab: FakeGitLab, deep: str) -> None:
    header, _, signature = gitlab.token().split(".")
    for length in (5_000, 40_000, 400_000):
        nested = base64.urlsafe_b64encode((deep * length).encode()).rstrip(b"=").decode()
        assert exchanger.exchange(f"{header}.{nested}.{signature}") is None
        assert exchanger.exchange(f"{nested}.{encoded({'iss': gitlab.url})}.{signature}") is None


def test_a_number_that_is_too_long_to_be_read(exchanger: GitLabExchanger, gitlab: FakeGitLab) -> None:
    header, _, signature = gitlab.token().split(".")
    payload = base64.urlsafe_b64encode(f'{{"iss": "{gitlab.url}", "exp": {"9" * 9000}}}'.encode()).decode().rstrip("=")
    assert exchanger.exchange(f"{header}.{payload}.{signature}") is None

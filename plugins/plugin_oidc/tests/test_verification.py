"""Which tokens are believed. Each rule has a token that breaks it alone."""

import base64
import hashlib
import hmac
import json
import re
import time
from typing import Any

import pytest
from fake_gitlab import FakeGitLab, Make, jwk_of, kid_of, public_pem

from orbitalreg.errors import ExchangeRefused

NOW = int(time.time())


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def refusal(make: Make, token: str) -> str:
    with pytest.raises(ExchangeRefused) as caught:
        make().exchange(token)
    assert caught.value.code == "invalid-token"
    text = str(caught.value)
    assert text.isascii() and text.isprintable()
    assert not any(piece and piece in text for piece in token.split("."))
    return text


def test_a_good_token_is_good_for_the_grants_of_its_publisher(make: Make, gitlab: FakeGitLab) -> None:
    exchange = make().exchange(gitlab.token(jti="1f-9", exp=NOW + 600))
    assert exchange is not None
    assert list(map(str, exchange.grants)) == ["acme/internal/my-lib:publish"]
    assert exchange.subject == "acme/my-lib"
    assert exchange.replay_key == f"{gitlab.url} 1f-9"
    assert exchange.replay_until > (NOW + 600 + 30) * 1_000_000
    assert exchange.holder == "302"


def test_the_origin_says_where_a_token_comes_from(make: Make, gitlab: FakeGitLab) -> None:
    exchange = make().exchange(gitlab.token())
    assert exchange is not None
    origin = dict(exchange.origin)
    assert origin.pop("summary") == "acme/my-lib, job 302, commit 714a629c0b40, protected ref v1.2"
    assert origin == {
        "iss": gitlab.url,
        "project_path": "acme/my-lib",
        "project_id": "42",
        "namespace_path": "acme",
        "namespace_id": "72",
        "ref": "v1.2",
        "ref_type": "tag",
        "ref_protected": "true",
        "pipeline_source": "push",
        "pipeline_id": "574",
        "job_id": "302",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "ci_config_ref_uri": "gitlab.example.com/acme/my-lib//.gitlab-ci.yml@refs/tags/v1.2",
        "user_id": "1",
        "user_login": "ada",
    }


@pytest.mark.parametrize("issuer", ["https://elsewhere.example.com", "{url}/", "{url}/.", None, 7, ["{url}"]])
def test_another_issuer_is_not_ours_and_nothing_is_fetched(make: Make, gitlab: FakeGitLab, issuer: Any) -> None:
    if isinstance(issuer, str):
        issuer = issuer.format(url=gitlab.url)
    token = gitlab.token(sub="x") if issuer is None else _unsigned({"alg": "RS256", "kid": kid_of(0)}, iss=issuer)
    if issuer is None:
        token = _unsigned({"alg": "RS256", "kid": kid_of(0)})
    assert make().exchange(token) is None
    assert gitlab.asked == []


def _unsigned(header: dict[str, Any], **claims: Any) -> str:
    return f"{part(header)}.{part(claims)}.{part('signature')}"


@pytest.mark.parametrize(
    "audience", ["other", ["orbitalreg", "other"], ["orbitalreg"], [], 7, "Orbitalreg", "orbitalreg "]
)
def test_the_audience_is_one_string_and_ours(make: Make, gitlab: FakeGitLab, audience: Any) -> None:
    assert refusal(make, gitlab.token(aud=audience)).startswith("aud: found ")


@pytest.mark.parametrize("claim", ["aud", "iat", "exp", "jti", "project_path"])
def test_a_claim_that_is_needed(make: Make, gitlab: FakeGitLab, claim: str) -> None:
    assert refusal(make, gitlab.token(**{claim: None})) == f"{claim}: the token has no such claim"


def test_hs256_signed_with_the_public_key(make: Make, gitlab: FakeGitLab) -> None:
    text = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid_of(0)})}.{gitlab.token().split('.')[1]}"
    signature = hmac.new(public_pem(), text.encode(), hashlib.sha256).digest()
    token = f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert refusal(make, token) == "alg: found 'HS256'; tokens are signed with RS256 here"
    assert gitlab.asked == []


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "RS512", "PS256", "ES256", None, 7, ["RS256"]])
@pytest.mark.parametrize("signed", [True, False])
def test_other_ways_of_signing(make: Make, gitlab: FakeGitLab, alg: Any, signed: bool) -> None:
    _, payload, signature = gitlab.token().split(".")
    token = f"{part({'alg': alg, 'kid': kid_of(0)})}.{payload}.{signature if signed else ''}"
    assert refusal(make, token).startswith("alg: found ")


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": jwk_of(1)},
        {"jku": "https://elsewhere.example.com/keys"},
        {"x5u": "https://elsewhere.example.com/chain"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"b64": False},
    ],
    ids=lambda header: next(iter(header)),
)
def test_a_token_that_brings_its_own_key(make: Make, gitlab: FakeGitLab, header: dict[str, Any]) -> None:
    """Signed with that key, and again with GitLab's own."""
    for number in (1, 0):
        forged = gitlab.token(number, headers={"kid": kid_of(0)})
        _, payload, signature = forged.split(".")
        token = f"{part({'alg': 'RS256', 'kid': kid_of(0)} | header)}.{payload}.{signature}"
        assert refusal(make, token) == f"{next(iter(header))}: the token brings a header that is not accepted here"
    assert gitlab.asked == []


def test_a_signature_by_another_key(make: Make, gitlab: FakeGitLab) -> None:
    assert "the signature is not by the key" in refusal(make, gitlab.token(1, headers={"kid": kid_of(0)}))


@pytest.mark.parametrize("kid", [None, "", 7])
def test_a_token_that_names_no_key(make: Make, gitlab: FakeGitLab, kid: Any) -> None:
    _, payload, signature = gitlab.token().split(".")
    header = {"alg": "RS256"} | ({} if kid is None else {"kid": kid})
    assert "has no kid" in refusal(make, f"{part(header)}.{payload}.{signature}")


def test_a_claim_that_is_changed_after_signing(make: Make, gitlab: FakeGitLab) -> None:
    header, payload, signature = gitlab.token(project_id="43").split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = f"{header}.{part(claims | {'project_id': '42'})}.{signature}"
    assert "the signature is not by the key" in refusal(make, forged)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"exp": NOW - 31}, "exp: the token has expired"),
        ({"nbf": NOW + 300}, "nbf: the token is not valid yet"),
        ({"iat": NOW + 300}, "iat: the token is not valid yet"),
    ],
)
def test_a_token_is_good_for_its_time(make: Make, gitlab: FakeGitLab, claims: dict[str, int], says: str) -> None:
    assert refusal(make, gitlab.token(**claims)).startswith(says)


def test_clocks_may_differ_by_half_a_minute(make: Make, gitlab: FakeGitLab) -> None:
    now = int(time.time())
    exchanger = make()
    assert exchanger.exchange(gitlab.token(exp=now - 15)) is not None
    assert exchanger.exchange(gitlab.token(iat=now + 25, nbf=now + 25)) is not None


@pytest.mark.parametrize("claim", ["iat", "nbf", "exp"])
@pytest.mark.parametrize("value", ["soon", 1.5, float("inf"), float("nan"), True, -1, 1 << 62, [], {}])
def test_a_time_that_is_none(make: Make, gitlab: FakeGitLab, claim: str, value: Any) -> None:
    header, payload, signature = gitlab.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | {claim: value}
    assert re.match(f"{claim}: found .*, which is no time$", refusal(make, f"{header}.{part(claims)}.{signature}"))


def test_a_good_token_lacks_nothing_but_what_is_optional(make: Make, gitlab: FakeGitLab) -> None:
    exchange = make().exchange(gitlab.token(nbf=None, job_id=None))
    assert exchange is not None
    assert exchange.holder is None


def test_projects_of_one_path_on_two_gitlabs_are_two_subjects(make: Make, options: Any, gitlab: FakeGitLab) -> None:
    (issuer,) = options["issuers"]
    two = make({"issuers": [issuer, issuer | {"url": "https://gitlab.example.com"}]})
    exchange = two.exchange(gitlab.token())
    assert exchange is not None
    assert exchange.subject == f"{gitlab.url.removeprefix('https://')}/acme/my-lib"

"""The toys that know callers, and the built-in authenticator, pass the kit."""

from pathlib import Path
from typing import Any

import pytest
from orbitalreg_toy_signin import ToyAuthenticator, ToyExchanger, toy_token

from orbitalreg.interfaces import Authenticator, Credentials, TokenExchanger
from orbitalreg.proxy_headers import ProxyHeaders
from orbitalreg.testing import (
    AuthenticatorUnderTest,
    BaseAuthenticatorContract,
    BaseTokenExchangerContract,
    TokenExchangerUnderTest,
)

pytest_plugins = ["orbitalreg.testing"]

KEY = "a key that two share"
PUBLISHERS = [{"subject": "acme/ball", "grants": ["acme/toys/ball:publish"]}]


def shown(user: str | None, secret: str | None, peer: str = "192.0.2.1", **headers: str) -> Credentials:
    return Credentials(user, secret, {name.replace("_", "-"): told for name, told in headers.items()}, peer, peer)


def words(cls: type[Authenticator], base: Path) -> AuthenticatorUnderTest:
    """What is true of the words, whoever judges them."""
    return AuthenticatorUnderTest(
        cls,
        base,
        options={"words": {"ann": "hunter2", "bob": "hunter3"}},
        bad_options=[{"words": {"ann": 7}}],
        good=[(shown("ann", "hunter2"), "ann"), (shown("bob", "hunter3"), "bob")],
        wrong=[shown("ann", "hunter3"), shown("ann", ""), shown("bob", "HUNTER3")],
        others=[shown("zoe", "hunter2"), shown(None, "hunter2"), shown("ann", None), shown("", "")],
    )


def signed(cls: type[TokenExchanger], base: Path) -> TokenExchangerUnderTest:
    """What is true of the toys' tokens, whoever exchanges them."""
    return TokenExchangerUnderTest(
        cls,
        base,
        options={"key": KEY, "publishers": PUBLISHERS},
        options_without_rules={"key": KEY},
        bad_options=[{"publishers": [{"subject": "a"}]}, {"publishers": [{"subject": "a", "grants": ["x"]}]}],
        good=[toy_token(KEY, jti="1"), toy_token(KEY, jti="2", job="")],
        bad={
            toy_token("another"): "invalid-token",
            toy_token(KEY, lasts=-1): "invalid-token",
            toy_token(KEY, subject="x/y"): "invalid-publisher",
        },
        others=[toy_token(KEY, iss="elsewhere")],
    )


class TestToyAuthenticator(BaseAuthenticatorContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> AuthenticatorUnderTest:
        return words(ToyAuthenticator, tmp_path)


class TestToyExchanger(BaseTokenExchangerContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> TokenExchangerUnderTest:
        return signed(ToyExchanger, tmp_path)


class TestProxyHeaders(BaseAuthenticatorContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> AuthenticatorUnderTest:
        proxy: dict[str, Any] = {"peer": "192.0.2.10"}
        return AuthenticatorUnderTest(
            ProxyHeaders,
            tmp_path,
            options={"from": ["192.0.2.10"]},
            bad_options=[{}, {"from": ["nobody"]}, {"from": ["127.0.0.1"], "header": ""}, {"form": []}],
            good=[
                (shown(None, None, **proxy, x_forwarded_user="ann"), "ann"),
                (shown("bob", "x", **proxy, x_forwarded_user="ann"), "ann"),
            ],
            wrong=[
                shown(None, None, **proxy, x_forwarded_user="ann, bob"),
                shown(None, None, **proxy, x_forwarded_user="Ann"),
            ],
            others=[
                shown(None, None, x_forwarded_user="ann"),
                shown(None, None, **proxy, x_forwarded_user=""),
                shown("ann", "x", **proxy, x_user="ann"),
            ],
        )

"""A signed token (JWT, RFC 7519): what it says of itself, and whether that is true."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from orbitalreg.errors import ExchangeRefused

LEEWAY = 30
"""Seconds by which clocks may differ."""

REQUIRED = ("iss", "aud", "iat", "exp")
TIMES = ("iat", "nbf", "exp")
LONGEST = 64 << 10
_LAST_TIME = 1 << 40
_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")

_FOREIGN = ("jwk", "jku", "x5u", "x5c", "crit", "b64")
"""Headers by which a token would bring its own key, or be read in another way."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """What anybody may have written. `text` is the token."""

    text: str = field(repr=False)
    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def issuer(self) -> object:
        return self.claims.get("iss")

    @property
    def kid(self) -> str:
        """Raises `ExchangeRefused`."""
        kid = self.header.get("kid")
        if not isinstance(kid, str) or not kid:
            raise ExchangeRefused("the token's header has no kid: it does not say by which key it is signed")
        return kid


def read(text: str) -> Unverified | None:
    """`text` taken apart, nothing of it believed; None where it is no JWT."""
    form = _FORM.fullmatch(text) if len(text) <= LONGEST else None
    header, claims = (_object(form[1]), _object(form[2])) if form else (None, None)
    return None if header is None or claims is None else Unverified(text, header, claims)


def _object(part: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def check_header(token: Unverified) -> None:
    """Raises `ExchangeRefused` for all but RS256 by a key that the issuer published."""
    if token.header.get("alg") != "RS256":
        raise ExchangeRefused(f"alg: found {_shown(token.header.get('alg'))}; tokens are signed with RS256 here")
    foreign = [name for name in _FOREIGN if name in token.header]
    if foreign:
        raise ExchangeRefused(f"{foreign[0]}: the token brings a header that is not accepted here")


def check_form(token: Unverified) -> None:
    """Raises `ExchangeRefused` where a claim that is needed is missing, or cannot be what it is."""
    for claim in REQUIRED:
        if claim not in token.claims:
            raise ExchangeRefused(f"{claim}: the token has no such claim")
    for claim in TIMES:
        value = token.claims.get(claim, 0)
        if type(value) is not int or not 0 <= value < _LAST_TIME:
            raise ExchangeRefused(f"{claim}: found {_shown(value)}, which is no time")
    if not isinstance(token.claims["aud"], str):
        raise ExchangeRefused(f"aud: found {_shown(token.claims['aud'])}; it must be one string")


def verify(token: Unverified, key: RSAPublicKey, issuer: str, audience: str) -> None:
    """Raises `ExchangeRefused` unless `key` signed it, and it is for `audience` and good now.

    The claims that were read are then true: the same text is what is verified.
    """
    try:
        jwt.decode(
            token.text,
            key,
            algorithms=["RS256"],
            issuer=issuer,
            audience=audience,
            leeway=LEEWAY,
            options={"require": list(REQUIRED), "strict_aud": True},
        )
    except jwt.PyJWTError as error:
        raise ExchangeRefused(_reason(error, token, issuer, audience)) from None
    except (ValueError, TypeError, OverflowError, RecursionError):  # of forms that the library does not expect
        raise ExchangeRefused("the token has a form that cannot be verified") from None


def _reason(error: jwt.PyJWTError, token: Unverified, issuer: str, audience: str) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "exp: the token has expired; the job must have a new one made, by running again"
        case jwt.ImmatureSignatureError():
            claim = "nbf" if "nbf" in str(error) else "iat"
            return f"{claim}: the token is not valid yet; do the clocks of {issuer} and of this registry agree?"
        case jwt.InvalidAudienceError():
            return f"aud: found {_shown(token.claims['aud'])}; it must be {audience!r}"
        case jwt.InvalidSignatureError():
            return f"the signature is not by the key of {issuer} that the token names"
    return "the token cannot be verified"


def _shown(value: object) -> str:
    return ascii(value)[:80]

"""How tokens look: made, told apart and hashed, without a look at the catalog.

A token is `<prefix>_<id><secret><check>`, all base 62: 8 characters of public id, 32 of secret (190 bits) and 6 of
CRC-32 over what stands before, so that a typing error is told from a revoked token without a look at the catalog and
secret scanners find tokens by pattern. The catalog holds a SHA-256: a secret of this size needs no slow hash.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

from orbitalreg.errors import Unauthenticated

PREFIXES = {"service": "orbsa", "user": "orbpat"}
EXCHANGED = "orboi"
"""Of tokens whose account is of any other kind: they were had for another's token, and are good for a short while."""

TOKEN_PATTERN = re.compile(r"orb(?:sa|pat|oi)_([0-9A-Za-z]{8})([0-9A-Za-z]{32})([0-9A-Za-z]{6})")
TOKEN_USERS = ("__token__", "oidc")
"""The user names that go with every token, beside its owner's."""

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made: the only moment at which its text is known."""

    id: str
    text: str


def mint(account_kind: str) -> NewToken:
    """A fresh token for a `service`, a `user`, or an account of an exchanger."""
    token_id = _random(8)
    body = f"{PREFIXES.get(account_kind, EXCHANGED)}_{token_id}{_random(32)}"
    return NewToken(token_id, body + _check(body))


def token_id_of(text: str) -> str:
    """The public id within a token. Raises `Unauthenticated` for what was never a token of ours."""
    match = TOKEN_PATTERN.fullmatch(text)
    if match is None:
        raise Unauthenticated("the password is no token: it must begin with orbsa_, orbpat_ or orboi_")
    if not hmac.compare_digest(_check(text[:-6]), match[3]):
        raise Unauthenticated("the token has a typing error: its checksum does not fit; copy it again")
    return match[1]


def looks_like_token(secret: str) -> bool:
    """Whether `secret` is meant to be a token of this registry, right or wrong: such a text is no password."""
    return secret.startswith(("orbsa_", "orbpat_", "orboi_"))


def masked(text: str) -> str:
    """`text` with the public id alone of each token in it: somebody may paste one into an address or a name."""
    return TOKEN_PATTERN.sub(lambda found: found[0][:-38] + "...", text) if "orb" in text else text


def token_hash(text: str) -> str:
    """What the catalog keeps of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _check(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits

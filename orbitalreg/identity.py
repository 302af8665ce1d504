"""Tokens: how they look, how they are kept, and whom they stand for.

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
from collections.abc import Sequence
from dataclasses import dataclass

from orbitalreg import audit
from orbitalreg.catalog import Catalog, accounts
from orbitalreg.errors import InvalidName, NotFound, Unauthenticated
from orbitalreg.model import Actor, Grant, Identity, Microseconds, now, valid_name

PREFIXES = {"service": "orbsa", "user": "orbpat"}
TOKEN_PATTERN = re.compile(r"orb(?:sa|pat)_([0-9A-Za-z]{8})([0-9A-Za-z]{32})([0-9A-Za-z]{6})")
TOKEN_USERS = ("__token__",)

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made: the only moment at which its text is known."""

    id: str
    text: str


def mint(account_kind: str) -> NewToken:
    """A fresh token for a `service` or a `user`."""
    token_id = _random(8)
    body = f"{PREFIXES[account_kind]}_{token_id}{_random(32)}"
    return NewToken(token_id, body + _check(body))


def token_id_of(text: str) -> str:
    """The public id within a token. Raises `Unauthenticated` for what was never a token of ours."""
    match = TOKEN_PATTERN.fullmatch(text)
    if match is None:
        raise Unauthenticated("the password is no token: it must begin with orbsa_ or orbpat_")
    if not hmac.compare_digest(_check(text[:-6]), match[3]):
        raise Unauthenticated("the token has a typing error: its checksum does not fit; copy it again")
    return match[1]


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


class Accounts:
    """Accounts and their tokens in one catalog. Thread-safe; what one process changes the next request of any sees."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def authenticate(self, user: str | None, secret: str) -> Identity:
        """Whose token `secret` is. `user` is `__token__`, the account's name, or None for Bearer.

        Raises `Unauthenticated`, which says what is wrong with it.
        """
        row = accounts.token(self._catalog.read(), token_id_of(secret))
        if row is None or not hmac.compare_digest(row.hash, token_hash(secret)):
            raise Unauthenticated("the token is not known here; was it made by another server?")
        if row.state != "active":
            raise Unauthenticated(f"the token {row.name!r} is {row.state}; make a new one")
        owner = row.account.partition(":")[2]
        if user is not None and user not in (*TOKEN_USERS, owner):
            raise Unauthenticated("the user name does not belong to the token: use __token__ or the owner's name")
        return Identity(row.account, row.id, row.account_grants, row.grants)

    def create_token(
        self, name: str, user: str | None, grants: Sequence[Grant], expires_at: Microseconds | None, actor: Actor
    ) -> NewToken:
        """A token of the service account `name`, or one called `name` of `user`; the account is made if absent.

        The account gets the grants, and the token has these alone. Raises `InvalidName`.
        """
        kind, owner = ("service", name) if user is None else ("user", user)
        valid_name(owner, "account name")
        valid_name(name, "token name")
        if not grants:
            raise InvalidName("a token without a grant may do nothing: give at least one PROJECT[/REPO]:RIGHT")
        token = mint(kind)
        with self._catalog.write() as db:
            account_id = accounts.ensure_account(db, kind, owner)
            accounts.add_account_grants(db, account_id, grants)
            accounts.insert_token(db, token.id, account_id, name, token_hash(token.text), expires_at, grants)
            detail = {"grants": [str(grant) for grant in grants], "account": f"{kind}:{owner}", "expires": expires_at}
            audit.record(db, actor, "token.create", token.id, detail)
        return token

    def tokens(self) -> list[accounts.TokenRow]:
        return accounts.tokens(self._catalog.read())

    def has_tokens(self) -> bool:
        return accounts.any_token(self._catalog.read())

    def revoke(self, id_or_name: str, actor: Actor) -> list[str]:
        """Revoke the token of this id, or every active one of this name; their ids. Raises `NotFound`."""
        with self._catalog.write() as db:
            chosen = [
                row.id for row in accounts.tokens(db) if row.revoked_at is None and id_or_name in (row.id, row.name)
            ]
            if not chosen:
                raise NotFound(f"no token that could be revoked is called {id_or_name!r}; see: orbitalreg token list")
            for token_id in chosen:
                accounts.revoke_token(db, token_id)
                audit.record(db, actor, "token.revoke", token_id, {"at": now()})
        return chosen

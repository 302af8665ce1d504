"""Accounts and their tokens, and whom a token stands for."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlite_utils import Database

from orbitalreg import audit
from orbitalreg.catalog import MARK_SECONDS, Catalog, accounts
from orbitalreg.catalog.accounts import AccountRow, TokenRow
from orbitalreg.errors import InvalidName, Malformed, Misplaced, NotFound, Unauthenticated
from orbitalreg.model import Actor, Grant, Identity, Microseconds, now, valid_name
from orbitalreg.rights import PRINCIPALS, Rights, valid_principal
from orbitalreg.tokens import TOKEN_USERS, NewToken, mint, token_hash, token_id_of

SECOND = 1_000_000
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Known:
    """Whom a token, or a user's name, stood for at one revision of identities."""

    revision: int
    identity: Identity
    owner: str
    expires_at: Microseconds | None
    is_sure: bool = True
    """Not where what it may could not be found out: it is asked for again by the next request."""


class Accounts:
    """Accounts and their tokens in one catalog. Thread-safe; what one process changes the next request of any sees.

    What a token stands for is remembered until anything changes in tokens, accounts or grants; a change of the
    configuration makes a new instance.
    """

    def __init__(self, catalog: Catalog, rights: Rights | None = None, max_lifetime: int | None = None) -> None:
        """`max_lifetime` are the seconds after its making for which a token is good at most."""
        self._catalog = catalog
        self._max_lifetime = max_lifetime
        self._known: dict[bytes, _Known] = {}
        self._users: dict[str, _Known] = {}
        self._salt = secrets.token_bytes(32)
        self._asked: tuple[int, bytes | None, float] = (0, None, 0.0)
        self.rights = rights or Rights()

    def recall(self, header: str) -> Identity | None:
        """Whom an Authorization header stood for when it was last `authenticate`d, if nothing has changed since."""
        known = self._known.get(self._digest(header))
        if known is None or (known.expires_at is not None and known.expires_at <= now()):
            return None
        return known.identity if known.revision == self._revision() else None

    def _revision(self) -> int:
        """The revision of identities, outside any transaction.

        The catalog is asked only where anything was committed since it was asked before, or that is a second ago.
        """
        revision, seen, until = self._asked
        mark, moment = self._catalog.mark(), time.monotonic()
        if mark is None or mark != seen or moment >= until:
            revision = accounts.identity_revision(self._catalog.read())
            self._asked = (revision, mark, moment + MARK_SECONDS)
        return revision

    def authenticate(self, user: str | None, secret: str, header: str | None = None) -> Identity:
        """Whose token `secret` is. `user` is `__token__`, `oidc`, the account's name, or None for Bearer.

        Where `header` is given, from which both were read, it is remembered, for `recall`. Raises `Unauthenticated`,
        which says what is wrong with the token.
        """
        token_id = token_id_of(secret)  # a typing error is told without a look at the catalog
        db = self._catalog.read()
        known = self._look_up(db, token_id, secret, self._revision())
        if user is not None and user not in TOKEN_USERS and user != known.owner:
            raise Unauthenticated("the user name does not belong to the token: use __token__ or the owner's name")
        if header is not None and known.is_sure:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[self._digest(header)] = known
        return known.identity

    def _digest(self, header: str) -> bytes:
        """What is remembered of a header: nobody learns a token from it."""
        return hashlib.blake2b(header.encode("utf-8", "surrogateescape"), key=self._salt, digest_size=32).digest()

    def _look_up(self, db: Database, token_id: str, secret: str, revision: int) -> _Known:
        row = self.token(db, token_id)
        if row is None or not hmac.compare_digest(row.hash, token_hash(secret)):
            raise Unauthenticated("the token is not known here; was it made by another server?")
        if row.state == "disabled":
            raise _disabled(row.account)
        if row.state != "active":
            raise Unauthenticated(f"the token {row.name!r} is {row.state}; make a new one")
        kind, _, owner = row.account.partition(":")
        if kind in PRINCIPALS:
            return _Known(revision, self._identity(db, row), owner, row.expires_at)
        granted = self.rights.exchanged(kind, row.origin or {})
        identity = Identity(row.account, row.id, granted or (), row.grants, origin=row.origin)
        return _Known(revision, identity, owner, row.expires_at, granted is not None)

    def _identity(self, db: Database, row: TokenRow) -> Identity:
        return Identity(row.account, row.id, self.rights.of(db, row.account), row.grants, origin=row.origin)

    def user(self, name: str) -> Identity:
        """The user of this name, who is known by something else than a token. Raises `Unauthenticated`."""
        revision = self._revision()
        known = self._users.get(name)
        if known is None or known.revision != revision:
            known = _Known(revision, self._user(self._catalog.read(), _principal("user", name)), name, None)
            if len(self._users) >= REMEMBERED:
                self._users.clear()
            self._users[name] = known
        return known.identity

    def _user(self, db: Database, principal: str) -> Identity:
        row = accounts.account(db, principal)
        if row is not None and row.disabled_at is not None:
            raise _disabled(principal)
        granted = self.rights.of(db, principal)
        return Identity(principal, None, granted, granted)

    def renewed(self, db: Database, identity: Identity) -> Identity:
        """The same caller, as it is within a transaction. Raises `Unauthenticated` for one that is good no more.

        One whose token was had in exchange has no rights here: its exchanger is not asked within a transaction.
        """
        if identity.token_id is None:
            return self._user(db, identity.name)
        row = self.token(db, identity.token_id)
        if row is None or row.state != "active":
            raise Unauthenticated("the token was revoked just now")
        return self._identity(db, row)

    def token(self, db: Database, token_id: str) -> TokenRow | None:
        """The token of this id, as it counts: good for no longer than the configuration allows."""
        row = accounts.token(db, token_id)
        return None if row is None else self.bounded(row)

    def bounded(self, row: TokenRow) -> TokenRow:
        """`row`, good for no longer than the configuration allows."""
        if self._max_lifetime is None:
            return row
        limit = row.created_at + self._max_lifetime * SECOND
        return row if row.expires_at is not None and row.expires_at <= limit else replace(row, expires_at=limit)

    def last_moment(self, wanted: Microseconds | None) -> Microseconds | None:
        """Until when a token made now is good, where `wanted` was asked for; None is for ever.

        Raises `Malformed` for what is longer than the configuration allows.
        """
        if self._max_lifetime is None:
            return wanted
        limit = now() + self._max_lifetime * SECOND
        if wanted is not None and wanted > limit:
            raise Malformed(
                f"a token is good for at most {_days(self._max_lifetime)} here ([tokens] max_lifetime); ask for less"
            )
        return limit if wanted is None else wanted

    def create_token(
        self, name: str, user: str | None, grants: Sequence[Grant], expires_at: Microseconds | None, actor: Actor
    ) -> NewToken:
        """A token of the service account `name`, or one called `name` of `user`.

        A service account is made if absent, and is given the grants; the token has these alone. With `user`, who must
        exist, they narrow what the user has. Raises `InvalidName`, `Malformed` for a longer life than is allowed,
        `NotFound` for the user, and `Misplaced` where the account is disabled.
        """
        kind, owner = ("service", name) if user is None else ("user", user)
        principal = _principal(kind, owner)
        valid_name(name, "token name")
        if not grants:
            raise InvalidName("a token without a grant may do nothing: give at least one PROJECT[/REPO]:RIGHT")
        expires_at = self.last_moment(expires_at)
        token = mint(kind)
        with self._catalog.write() as db:
            if user is not None and not self._exists(db, principal):
                raise NotFound(f"there is no user {user!r}; add them: orbitalreg user add {user}")
            account_id = accounts.ensure_account(db, kind, owner)
            row = accounts.account(db, principal)
            if row is not None and row.disabled_at is not None:
                raise Misplaced(f"{principal} is disabled: a token would be refused; orbitalreg {kind} enable {owner}")
            if user is None:
                accounts.add_account_grants(db, account_id, grants)
            accounts.insert_token(db, token.id, account_id, name, token_hash(token.text), expires_at, grants)
            detail = {"grants": [str(grant) for grant in grants], "account": principal, "expires": expires_at}
            audit.record(db, actor, "token.create", token.id, detail, audit.project_of(grants))
        return token

    def mint_exchanged(
        self,
        db: Database,
        account: str,
        grants: Sequence[Grant],
        expires_at: Microseconds,
        origin: Mapping[str, str],
    ) -> NewToken:
        """Writes a short-lived token of `<exchanger>:<subject>`, which says where it comes from."""
        kind, _, subject = account.partition(":")
        account_id = accounts.ensure_account(db, kind, subject)
        token = mint(kind)
        name = f"exchanged-{token.id}".lower()
        accounts.insert_token(db, token.id, account_id, name, token_hash(token.text), expires_at, grants, origin)
        return token

    def tokens(self) -> list[TokenRow]:
        return [self.bounded(row) for row in accounts.tokens(self._catalog.read())]

    def has_tokens(self) -> bool:
        return accounts.any_token(self._catalog.read())

    def revoke(self, id_or_name: str, actor: Actor) -> list[str]:
        """Revoke the token of this id, or every active one of this name; their ids. Raises `NotFound`."""
        with self._catalog.write() as db:
            chosen = [row for row in accounts.tokens_called(db, id_or_name) if row.revoked_at is None]
            if not chosen:
                raise NotFound(f"no token that could be revoked is called {id_or_name!r}; see: orbitalreg token list")
            for row in chosen:
                accounts.revoke_token(db, row.id)
                record_revocation(db, actor, row)
        return [row.id for row in chosen]

    def users(self) -> list[AccountRow]:
        """Everybody who was added, by name."""
        return accounts.accounts_of_kind(self._catalog.read(), "user")

    def add_user(self, name: str, actor: Actor) -> bool:
        """Whether the user is new. Raises `InvalidName`."""
        principal = _principal("user", name)
        with self._catalog.write() as db:
            if accounts.account(db, principal) is not None:
                return False
            accounts.ensure_account(db, "user", name)
            audit.record(db, actor, "user.add", principal, {})
        return True

    def set_disabled(self, principal: str, disabled: bool, actor: Actor) -> None:
        """From now on nothing of a user or service account is accepted, or all of it again.

        Raises `NotFound`, `InvalidName`.
        """
        kind, _, name = valid_principal(principal).partition(":")
        with self._catalog.write() as db:
            if kind == "group" or not self._exists(db, principal):
                listed = "user" if kind == "group" else kind
                raise NotFound(f"there is no account {principal}; see: orbitalreg {listed} list")
            accounts.ensure_account(db, kind, name)  # one that only the configuration names can be disabled too
            row = accounts.account(db, principal)
            assert row is not None
            if (row.disabled_at is not None) != disabled:
                accounts.set_disabled(db, row.id, now() if disabled else None)
                action = "account.disable" if disabled else "account.enable"
                audit.record(db, actor, action, principal, {"before": not disabled, "after": disabled})

    def grant(self, principal: str, grants: Sequence[Grant], actor: Actor) -> None:
        """Give `grants`; what the principal has already stays. Raises `InvalidName`, and `NotFound` for nobody."""
        with self._catalog.write() as db:
            self.write_grants(db, principal, grants, actor)

    def write_grants(self, db: Database, principal: str, grants: Sequence[Grant], actor: Actor) -> None:
        """Writes what `grant` gives."""
        kind, _, name = valid_principal(principal).partition(":")
        if not self._exists(db, principal):
            raise NotFound(f"there is no {kind} {name!r}; {_HOW[kind].format(name=name)}")
        before = accounts.grants_of(db, [principal])
        accounts.add_account_grants(db, accounts.ensure_account(db, kind, name), grants)
        after = accounts.grants_of(db, [principal])
        if after != before:
            audit.record(db, actor, "grant.add", principal, _change(grants, before, after), audit.project_of(grants))

    def revoke_grant(self, principal: str, grant: Grant, actor: Actor) -> None:
        """Take `grant` back, from every token too.

        Raises `InvalidName`, `NotFound` where it was never given, and `Misplaced` where the configuration gives it.
        """
        with self._catalog.write() as db:
            self.remove_grant(db, principal, grant, actor)

    def remove_grant(self, db: Database, principal: str, grant: Grant, actor: Actor) -> None:
        """Writes what `revoke_grant` takes back."""
        row = accounts.account(db, valid_principal(principal))
        before = accounts.grants_of(db, [principal])
        if row is None or not accounts.remove_account_grant(db, row.id, grant):
            if grant in self.rights.configured.get(principal, ()):
                raise Misplaced(f"{principal} has {grant} by [[grants]] of the configuration: take it back there")
            raise NotFound(f"{principal} was not given {grant}; see: orbitalreg grant list {principal}")
        after = accounts.grants_of(db, [principal])
        audit.record(db, actor, "grant.remove", principal, _change([grant], before, after), audit.project_of([grant]))

    def _exists(self, db: Database, principal: str) -> bool:
        return self.rights.names(principal) or accounts.account(db, principal) is not None


_HOW = {
    "user": "add them: orbitalreg user add {name}",
    "service": "it begins with a token: orbitalreg token create {name} --grant PROJECT/REPO:RIGHT",
    "group": "its users stand in the table [groups] of the configuration",
}


def record_revocation(db: Database, actor: Actor, row: TokenRow) -> None:
    """Writes to the audit log that the token, which was as `row` says, is revoked."""
    detail = {"name": row.name, "account": row.account, "before": row.state, "after": "revoked"}
    audit.record(db, actor, "token.revoke", row.id, detail, audit.project_of(row.grants))


def _disabled(principal: str) -> Unauthenticated:
    return Unauthenticated(f"the account {principal} is disabled; ask who runs this registry")


def _principal(kind: str, name: str) -> str:
    return f"{kind}:{valid_name(name, 'account name')}"


def _change(changed: Sequence[Grant], before: Sequence[Grant], after: Sequence[Grant]) -> dict[str, list[str]]:
    """What somebody had and has in the projects concerned: admins of these read it, who are not to learn of others."""
    projects = {grant.project for grant in changed}
    return {
        "before": [str(grant) for grant in before if grant.project in projects],
        "after": [str(grant) for grant in after if grant.project in projects],
    }


def _days(seconds: int) -> str:
    return f"{seconds // 86400}d" if seconds >= 86400 else f"{seconds}s"

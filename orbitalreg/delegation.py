"""What an account does with its own tokens, and how one token takes another's place.

A token that another made gives nothing that its maker does not: its grants lie within the maker's, it ends no later,
and it belongs to the same account, so that a right taken from the account is gone from all of them. The same holds for
rotating and revoking: a token that leaked cannot be used to get, or to end, a stronger one. A user who is known by
something else than a token may do with their own what they may.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlite_utils import Database

from orbitalreg import audit
from orbitalreg.catalog import Catalog, accounts
from orbitalreg.catalog.accounts import TokenRow
from orbitalreg.errors import Forbidden, InvalidName, NotFound
from orbitalreg.identity import SECOND, Accounts, record_revocation
from orbitalreg.model import Actor, Grant, Identity, Microseconds, now, valid_name
from orbitalreg.summaries import TokenSecret, TokenSummary
from orbitalreg.times import at, at_or_none
from orbitalreg.tokens import mint, token_hash

DEFAULT_OVERLAP = 24 * 3600
MAX_OVERLAP = 7 * 24 * 3600
"""Seconds for which a token that was rotated stays good."""

TimeKey = tuple[Microseconds, str]


def summary(row: TokenRow) -> TokenSummary:
    """What is told of a token."""
    return TokenSummary(
        row.id,
        row.name,
        row.account,
        row.state,
        [str(grant) for grant in row.grants],
        at(row.created_at),
        at_or_none(row.expires_at),
        at_or_none(row.last_used_at),
        row.successor_id,
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Who makes, rotates and revokes, as it is within a transaction."""

    grants: Sequence[Grant]
    """Of the token used; a user's own where none is."""
    account_grants: Sequence[Grant]
    expires_at: Microseconds | None


class OwnTokens:
    """The tokens of one caller's account, within what the caller's own token gives. Made for each request."""

    def __init__(self, catalog: Catalog, accounts: Accounts, identity: Identity, actor: Actor) -> None:
        self._catalog = catalog
        self._accounts = accounts
        self._identity = identity
        self._actor = actor

    def after(self, key: TimeKey, limit: int) -> list[TokenSummary]:
        """Those after (created at, id), oldest first, whatever their state."""
        rows = accounts.tokens_of_account_after(self._catalog.read(), self._identity.name, key, limit)
        return [summary(self._accounts.bounded(row)) for row in rows]

    def get(self, token_id: str) -> TokenSummary:
        """Raises `NotFound`."""
        return summary(self._own(self._catalog.read(), token_id))

    def make(self, name: str, grants: Sequence[Grant], seconds: int | None) -> TokenSecret:
        """A token of the same account, good for `seconds`, or as long as the caller's own.

        Raises `InvalidName`; `Forbidden` where it would be stronger than the caller's; `Malformed` where it would be
        good for longer than the configuration allows.
        """
        valid_name(name, "token name")
        with self._catalog.write() as db:
            maker = self._maker(db)
            _check_within(grants, maker.grants, "be given")
            _check_within(grants, maker.account_grants, "be given")
            expires_at = maker.expires_at if seconds is None else now() + seconds * SECOND
            if _later(expires_at, maker.expires_at):
                raise Forbidden("a token cannot make one that is good for longer than itself")
            expires_at = self._accounts.last_moment(expires_at)
            made = _insert(db, self._identity.name, name, grants, expires_at)
            detail = {"grants": made.grants, "account": made.account, "expires": expires_at}
            audit.record(db, self._actor, "token.create", made.id, detail, audit.project_of(grants))
        return made

    def rotate(self, token_id: str, overlap: int) -> TokenSecret:
        """See `rotate`. Raises `NotFound`; `Forbidden` for a token that gives more than the caller's."""
        with self._catalog.write() as db:
            maker, row = self._maker(db), self._own(db, token_id)
            self._check_power(row, maker, "rotated")
            return rotate(db, row, overlap, maker.expires_at, self._actor)

    def revoke(self, token_id: str) -> TokenSummary:
        """The token as it is then, also where it was revoked before. Raises as `rotate`."""
        with self._catalog.write() as db:
            maker, row = self._maker(db), self._own(db, token_id)
            self._check_power(row, maker, "revoked")
            return revoke(db, self._accounts, row, self._actor)

    def _check_power(self, row: TokenRow, maker: _Maker, what: str) -> None:
        """A token that leaked ends no stronger one, nor one that is good for longer. Raises `Forbidden`."""
        _check_within(row.grants, maker.grants, f"be {what}")
        if row.id != self._identity.token_id and row.state == "active" and _later(row.expires_at, maker.expires_at):
            raise Forbidden(f"a token cannot be {what} by one that is good for a shorter time")

    def _own(self, db: Database, token_id: str) -> TokenRow:
        row = self._accounts.token(db, token_id)
        if row is None or row.account != self._identity.name:
            raise NotFound(f"{self._identity.name} has no token {token_id!r}")
        return row

    def _maker(self, db: Database) -> _Maker:
        """What the caller may do within this transaction."""
        caller = self._accounts.renewed(db, self._identity)
        if caller.origin is not None:
            raise Forbidden("a token that was had in exchange for another's makes and changes none")
        row = None if caller.token_id is None else self._accounts.token(db, caller.token_id)
        return _Maker(caller.token, caller.owner, None if row is None else row.expires_at)


class ProjectTokens:
    """Service accounts' tokens that have no grant outside of a project, for its admins."""

    def __init__(self, catalog: Catalog, accounts: Accounts, project: str, actor: Actor) -> None:
        self._catalog = catalog
        self._accounts = accounts
        self._project = project
        self._actor = actor

    def after(self, key: TimeKey, limit: int) -> list[TokenSummary]:
        """Those after (created at, id), oldest first, whatever their state."""
        rows = accounts.tokens_within_after(self._catalog.read(), self._project, self._elsewhere(), key, limit)
        return [summary(self._accounts.bounded(row)) for row in rows]

    def revoke(self, token_id: str) -> TokenSummary:
        """The token as it is then, also where it was revoked before. Raises `NotFound`."""
        with self._catalog.write() as db:
            row = accounts.token_within(db, self._project, self._elsewhere(), token_id)
            if row is None:
                raise NotFound(f"the service accounts of {self._project} have no token {token_id!r}")
            return revoke(db, self._accounts, row, self._actor)

    def _elsewhere(self) -> list[str]:
        return self._accounts.rights.configured_outside("service", self._project)


def rotate_any(catalog: Catalog, known: Accounts, id_or_name: str, overlap: int, actor: Actor) -> TokenSecret:
    """For the operator: rotate the active token of this id, or the one of this name that has no successor yet.

    Raises `NotFound`, `InvalidName`.
    """
    with catalog.write() as db:
        token_id = chosen([summary(known.bounded(row)) for row in accounts.tokens_called(db, id_or_name)], id_or_name)
        row = known.token(db, token_id)
        assert row is not None
        return rotate(db, row, overlap, None, actor)


def chosen(tokens: Sequence[TokenSummary], id_or_name: str) -> str:
    """The id of the active token that is meant; by its name, one that has no successor yet.

    Raises `NotFound`, and `InvalidName` where it may be more than one.
    """
    active = [token for token in tokens if token.state == "active"]
    named = [token.id for token in active if token.id == id_or_name]
    named = named or [token.id for token in active if token.name == id_or_name and token.successor is None]
    if not named:
        raise NotFound(f"no token that could be rotated is called {id_or_name!r}; see: orbitalreg token list")
    if len(named) > 1:
        raise InvalidName(f"several tokens are called {id_or_name!r}; give the id of one: {', '.join(named)}")
    return named[0]


def rotate(db: Database, row: TokenRow, overlap: int, not_after: Microseconds | None, actor: Actor) -> TokenSecret:
    """Writes: a token like `row`, which itself stays good for `overlap` seconds more, if it was good for so long.

    The new one is good for as long as the old one was made for, but not after `not_after`. Raises `NotFound`.
    """
    if row.state != "active":
        raise NotFound(f"the token {row.id} is {row.state}; make a new one")
    if row.origin is not None:
        raise Forbidden(f"the token {row.id} was had in exchange for another's: exchange again")
    present = now()
    expires_at = None if row.expires_at is None else present + row.expires_at - row.created_at
    expires_at = not_after if _later(expires_at, not_after) else expires_at
    made = _insert(db, row.account, row.name, row.grants, expires_at)
    accounts.supersede_token(db, row.id, made.id, present + overlap * SECOND)
    detail = {
        "successor": made.id,
        "overlap": overlap,
        "account": row.account,
        "before": {"expires": row.expires_at},
        "after": {"expires": expires_at},
    }
    audit.record(db, actor, "token.rotate", row.id, detail, audit.project_of(row.grants))
    return made


def revoke(db: Database, known: Accounts, row: TokenRow, actor: Actor) -> TokenSummary:
    """Writes: the token is refused from the next request on."""
    if accounts.revoke_token(db, row.id):
        record_revocation(db, actor, row)
    after = known.token(db, row.id)
    assert after is not None
    return summary(after)


def _insert(
    db: Database, account: str, name: str, grants: Sequence[Grant], expires_at: Microseconds | None
) -> TokenSecret:
    """Writes a token of the account `KIND:NAME`."""
    kind, _, owner = account.partition(":")
    account_id = accounts.ensure_account(db, kind, owner)
    token = mint(kind)
    accounts.insert_token(db, token.id, account_id, name, token_hash(token.text), expires_at, grants)
    row = accounts.token(db, token.id)
    assert row is not None
    return TokenSecret(**asdict(summary(row)), token=token.text)


def _check_within(wanted: Sequence[Grant], held: Sequence[Grant], what: str) -> None:
    for grant in wanted:
        if not any(grant.within(other) for other in held):
            raise Forbidden(f"{grant} cannot {what} by a token that does not hold it")


def _later(wanted: Microseconds | None, limit: Microseconds | None) -> bool:
    return limit is not None and (wanted is None or wanted > limit)

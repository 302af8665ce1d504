"""Rows of `account`, `token` and their grants.

Everything that changes who may do what raises the revision of identities, so that what was looked up can be kept.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.model import Grant, Microseconds, now


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token without its secret. `account` is `service:NAME`, `user:NAME` or `<exchanger>:<subject>`.

    `origin` is where a token that was exchanged comes from.
    """

    id: str
    name: str
    account: str
    hash: str
    created_at: Microseconds
    expires_at: Microseconds | None
    revoked_at: Microseconds | None
    last_used_at: Microseconds | None
    grants: tuple[Grant, ...]
    account_id: str
    successor_id: str | None = None
    disabled_at: Microseconds | None = None
    origin: Mapping[str, str] | None = None

    @property
    def state(self) -> str:
        """`active`, `revoked`, `disabled` (its account is), or `expired`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.disabled_at is not None:
            return "disabled"
        return "expired" if self.expires_at is not None and self.expires_at <= now() else "active"


_TOKEN = (
    "SELECT t.id, t.name, a.kind || ':' || a.name, t.hash, t.created_at, t.expires_at, t.revoked_at, t.last_used_at,"
    " a.id, t.successor_id, a.disabled_at, t.origin FROM token AS t JOIN account AS a ON a.id = t.account_id"
)


def token(db: Database, token_id: str) -> TokenRow | None:
    row = db.execute(f"{_TOKEN} WHERE t.id = ?", (token_id,)).fetchone()
    return _token(db, row) if row else None


def tokens(db: Database) -> list[TokenRow]:
    """Every token, oldest first."""
    return [_token(db, row) for row in db.execute(f"{_TOKEN} ORDER BY t.created_at, t.id").fetchall()]


def tokens_called(db: Database, id_or_name: str) -> list[TokenRow]:
    """Those of this id or name, oldest first."""
    rows = db.execute(f"{_TOKEN} WHERE t.id = ? OR t.name = ? ORDER BY t.created_at, t.id", (id_or_name, id_or_name))
    return [_token(db, row) for row in rows.fetchall()]


def tokens_of_account_after(db: Database, account: str, after: tuple[Microseconds, str], limit: int) -> list[TokenRow]:
    """The tokens of `service:NAME` or `user:NAME` that come after (created at, id), oldest first."""
    kind, _, name = account.partition(":")
    rows = db.execute(
        f"{_TOKEN} WHERE a.kind = ? AND a.name = ? AND (t.created_at, t.id) > (?, ?)"
        " ORDER BY t.created_at, t.id LIMIT ?",
        (kind, name, *after, limit),
    )
    return [_token(db, row) for row in rows.fetchall()]


def tokens_within_after(
    db: Database, project: str, elsewhere: Sequence[str], after: tuple[Microseconds, str], limit: int
) -> list[TokenRow]:
    """The tokens of the project's own service accounts that come after (created at, id), oldest first.

    Its own are those all of whose grants lie in it; `elsewhere` are the names of those that have others by the
    configuration.
    """
    condition, parameters = _within(project, elsewhere)
    rows = db.execute(
        f"{_TOKEN} WHERE {condition} AND (t.created_at, t.id) > (?, ?) ORDER BY t.created_at, t.id LIMIT ?",
        (*parameters, *after, limit),
    )
    return [_token(db, row) for row in rows.fetchall()]


def token_within(db: Database, project: str, elsewhere: Sequence[str], token_id: str) -> TokenRow | None:
    """The token of this id, if it is one of the project's own service accounts'. `elsewhere` is as above."""
    condition, parameters = _within(project, elsewhere)
    row = db.execute(f"{_TOKEN} WHERE {condition} AND t.id = ?", (*parameters, token_id)).fetchone()
    return _token(db, row) if row else None


def _within(project: str, elsewhere: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """A condition on tokens of service accounts, and its parameters.

    A token's own grants count: what its account is given elsewhere later takes it out of nobody's hands.
    """
    other = "substr(g.target, 1, length(?)) <> ?"
    condition = (
        "a.kind = 'service' AND EXISTS (SELECT 1 FROM token_grant AS g WHERE g.token_id = t.id)"
        f" AND NOT EXISTS (SELECT 1 FROM token_grant AS g WHERE g.token_id = t.id AND {other} AND {other})"
        + (f" AND a.name NOT IN ({_places(elsewhere)})" if elsewhere else "")
    )
    return condition, (f"{project}/", f"{project}/", f"{project}:", f"{project}:", *elsewhere)


def _places(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def any_token(db: Database) -> bool:
    return db.execute("SELECT 1 FROM token LIMIT 1").fetchone() is not None


def _token(db: Database, row: Sequence[Any]) -> TokenRow:
    own = db.execute("SELECT target FROM token_grant WHERE token_id = ? ORDER BY target", (row[0],))
    token_id, name, account, token_hash, created_at, expires_at, revoked_at, last_used_at = row[:8]
    return TokenRow(
        token_id,
        name,
        account,
        token_hash,
        created_at,
        expires_at,
        revoked_at,
        last_used_at,
        tuple(parsed(target) for (target,) in own),
        row[8],
        row[9],
        row[10],
        json.loads(row[11]) if row[11] else None,
    )


@cache
def parsed(target: str) -> Grant:
    """A grant as it was written to the catalog."""
    return Grant.parse(target)


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A user, a service account, a group that was given grants here, or what an exchanger's tokens belong to."""

    id: str
    kind: str
    name: str
    created_at: Microseconds
    disabled_at: Microseconds | None

    @property
    def principal(self) -> str:
        return f"{self.kind}:{self.name}"


_ACCOUNT = "SELECT id, kind, name, created_at, disabled_at FROM account"


def account(db: Database, principal: str) -> AccountRow | None:
    """The account `KIND:NAME`."""
    kind, _, name = principal.partition(":")
    row = db.execute(f"{_ACCOUNT} WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    return AccountRow(*row) if row else None


def accounts_of_kind(db: Database, kind: str) -> list[AccountRow]:
    """By name."""
    return [AccountRow(*row) for row in db.execute(f"{_ACCOUNT} WHERE kind = ? ORDER BY name", (kind,)).fetchall()]


def use_of_accounts(db: Database, kind: str) -> dict[str, tuple[int, Microseconds | None]]:
    """By `KIND:NAME`, how many tokens that are not revoked an account has, and when any of its was last used."""
    rows = db.execute(
        "SELECT a.kind || ':' || a.name, SUM(CASE WHEN t.revoked_at IS NULL THEN 1 ELSE 0 END), MAX(t.last_used_at)"
        " FROM token AS t JOIN account AS a ON a.id = t.account_id WHERE a.kind = ? GROUP BY a.kind, a.name",
        (kind,),
    )
    return {principal: (count, last_used_at) for principal, count, last_used_at in rows.fetchall()}


def set_disabled(db: Database, account_id: str, at: Microseconds | None) -> None:
    """Writes: from `at` on nothing of the account is accepted; None enables it again."""
    db.execute("UPDATE account SET disabled_at = ? WHERE id = ?", (at, account_id))
    _changed(db)


def identity_revision(db: Database) -> int:
    """Changes with every token, account and grant. Every request asks: past the wrapper, which costs a microsecond."""
    row = db.conn.execute("SELECT number FROM revision WHERE subject = 'identity'").fetchone()
    return int(row[0])


def _changed(db: Database) -> None:
    db.execute("UPDATE revision SET number = number + 1 WHERE subject = 'identity'")


def ensure_account(db: Database, kind: str, name: str) -> str:
    """Writes: the account's id, made if absent. `kind` is `service`, `user`, `group` or an exchanger's name."""
    db.execute(
        "INSERT INTO account (id, kind, name, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (kind, name) DO NOTHING",
        (str(ULID()), kind, name, now()),
    )
    row = db.execute("SELECT id FROM account WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    return str(row[0])


def add_account_grants(db: Database, account_id: str, grants: Iterable[Grant]) -> None:
    """Writes; what the account has already stays."""
    db.conn.executemany(
        "INSERT INTO account_grant (account_id, target) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(account_id, str(grant)) for grant in grants],
    )
    _changed(db)


def remove_account_grant(db: Database, account_id: str, grant: Grant) -> bool:
    """Writes. Whether the account had it."""
    gone = db.execute("DELETE FROM account_grant WHERE account_id = ? AND target = ?", (account_id, str(grant)))
    _changed(db)
    return gone.rowcount > 0


def grants_of(db: Database, principals: Sequence[str]) -> tuple[Grant, ...]:
    """The grants that the catalog has for any of the accounts `KIND:NAME`."""
    pairs = [principal.partition(":") for principal in principals]
    rows = db.execute(
        "SELECT DISTINCT g.target FROM account_grant AS g JOIN account AS a ON a.id = g.account_id"
        f" WHERE {' OR '.join(['(a.kind = ? AND a.name = ?)'] * len(pairs))} ORDER BY g.target",
        tuple(part for kind, _, name in pairs for part in (kind, name)),
    )
    return tuple(parsed(target) for (target,) in rows.fetchall())


def all_grants(db: Database) -> list[tuple[str, Grant]]:
    """Every (`KIND:NAME`, grant) of the catalog, in their order."""
    rows = db.execute(
        "SELECT a.kind || ':' || a.name, g.target FROM account_grant AS g JOIN account AS a ON a.id = g.account_id"
        " ORDER BY 1, 2"
    )
    return [(principal, parsed(target)) for principal, target in rows.fetchall()]


def insert_token(
    db: Database,
    token_id: str,
    account_id: str,
    name: str,
    token_hash: str,
    expires_at: Microseconds | None,
    grants: Iterable[Grant],
    origin: Mapping[str, str] | None = None,
) -> None:
    """Writes a token with the grants that narrow its account's."""
    db.execute(
        "INSERT INTO token (id, account_id, name, hash, created_at, expires_at, origin) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (token_id, account_id, name, token_hash, now(), expires_at, as_json(origin)),
    )
    db.conn.executemany(
        "INSERT INTO token_grant (token_id, target) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(token_id, str(grant)) for grant in grants],
    )
    _changed(db)


def as_json(origin: Mapping[str, str] | None) -> str | None:
    """An origin as the catalog keeps it."""
    return None if origin is None else json.dumps(dict(origin), sort_keys=True, separators=(",", ":"))


def revoke_token(db: Database, token_id: str) -> bool:
    """Writes. Whether there was such a token that was not revoked yet."""
    changed = db.execute("UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (now(), token_id))
    _changed(db)
    return changed.rowcount > 0


def supersede_token(db: Database, token_id: str, successor_id: str, expires_at: Microseconds) -> None:
    """Writes: the token is good until `expires_at` at the latest, and then its successor alone."""
    db.execute(
        "UPDATE token SET successor_id = ?, expires_at = CASE WHEN expires_at < ? THEN expires_at ELSE ? END"
        " WHERE id = ?",
        (successor_id, expires_at, expires_at, token_id),
    )
    _changed(db)


KEPT_AFTER_ITS_END = 30 * 86400 * 1_000_000
"""Microseconds for which a token that was had in exchange is still listed. Files and the audit log keep what it did."""


def use_exchange(db: Database, key: str, holder: str | None, until: Microseconds) -> str | None:
    """Writes: the foreign token `key` is used by `holder`. None where this is its first use, else who used it first.

    What may be forgotten is forgotten on the way.
    """
    db.execute("DELETE FROM exchange_use WHERE until < ?", (now(),))
    db.execute(
        "DELETE FROM token WHERE id IN"
        " (SELECT id FROM token WHERE origin IS NOT NULL AND expires_at < ? ORDER BY expires_at LIMIT 100)",
        (now() - KEPT_AFTER_ITS_END,),
    )
    row = db.execute("SELECT holder FROM exchange_use WHERE key = ?", (key,)).fetchone()
    if row is not None:
        return str(row[0])
    db.execute("INSERT INTO exchange_use (key, holder, until) VALUES (?, ?, ?)", (key, holder or "", until))
    return None


def set_last_used(db: Database, used: Mapping[str, Microseconds]) -> None:
    """Writes a batch of token ids with when they were last used."""
    db.conn.executemany(
        "UPDATE token SET last_used_at = ? WHERE id = ?", [(at, token_id) for token_id, at in used.items()]
    )

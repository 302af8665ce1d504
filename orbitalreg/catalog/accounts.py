"""Rows of `account`, `token` and their grants."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.model import Grant, Microseconds, now


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token without its secret. `account` is `service:NAME` or `user:NAME`."""

    id: str
    name: str
    account: str
    hash: str
    created_at: Microseconds
    expires_at: Microseconds | None
    revoked_at: Microseconds | None
    last_used_at: Microseconds | None
    grants: tuple[Grant, ...]
    account_grants: tuple[Grant, ...]
    successor_id: str | None = None

    @property
    def state(self) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now() else "active"


_TOKEN = (
    "SELECT t.id, t.name, a.kind || ':' || a.name, t.hash, t.created_at, t.expires_at, t.revoked_at, t.last_used_at,"
    " a.id, t.successor_id FROM token AS t JOIN account AS a ON a.id = t.account_id"
)


def token(db: Database, token_id: str) -> TokenRow | None:
    row = db.execute(f"{_TOKEN} WHERE t.id = ?", (token_id,)).fetchone()
    return _token(db, row) if row else None


def tokens(db: Database) -> list[TokenRow]:
    """Every token, oldest first."""
    return [_token(db, row) for row in db.execute(f"{_TOKEN} ORDER BY t.created_at, t.id").fetchall()]


def tokens_of_account_after(db: Database, account: str, after: tuple[Microseconds, str], limit: int) -> list[TokenRow]:
    """The tokens of `service:NAME` or `user:NAME` that come after (created at, id), oldest first."""
    kind, _, name = account.partition(":")
    rows = db.execute(
        f"{_TOKEN} WHERE a.kind = ? AND a.name = ? AND (t.created_at, t.id) > (?, ?)"
        " ORDER BY t.created_at, t.id LIMIT ?",
        (kind, name, *after, limit),
    )
    return [_token(db, row) for row in rows.fetchall()]


_WITHIN = (
    "a.kind = 'service' AND EXISTS (SELECT 1 FROM account_grant AS g WHERE g.account_id = a.id) AND NOT EXISTS"
    " (SELECT 1 FROM account_grant AS g WHERE g.account_id = a.id AND substr(g.target, 1, length(?)) <> ?"
    " AND substr(g.target, 1, length(?)) <> ?)"
)
"""Service accounts all of whose grants lie in one project, given twice each as `PROJECT/` and `PROJECT:`."""


def tokens_within_after(db: Database, project: str, after: tuple[Microseconds, str], limit: int) -> list[TokenRow]:
    """The tokens of the project's own service accounts that come after (created at, id), oldest first."""
    rows = db.execute(
        f"{_TOKEN} WHERE {_WITHIN} AND (t.created_at, t.id) > (?, ?) ORDER BY t.created_at, t.id LIMIT ?",
        (*_prefixes(project), *after, limit),
    )
    return [_token(db, row) for row in rows.fetchall()]


def token_within(db: Database, project: str, token_id: str) -> TokenRow | None:
    """The token of this id, if it is one of the project's own service accounts'."""
    row = db.execute(f"{_TOKEN} WHERE {_WITHIN} AND t.id = ?", (*_prefixes(project), token_id)).fetchone()
    return _token(db, row) if row else None


def _prefixes(project: str) -> tuple[str, str, str, str]:
    return f"{project}/", f"{project}/", f"{project}:", f"{project}:"


def any_token(db: Database) -> bool:
    return db.execute("SELECT 1 FROM token LIMIT 1").fetchone() is not None


def _token(db: Database, row: Sequence[Any]) -> TokenRow:
    own = db.execute("SELECT target FROM token_grant WHERE token_id = ? ORDER BY target", (row[0],))
    owners = db.execute("SELECT target FROM account_grant WHERE account_id = ? ORDER BY target", (row[8],))
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
        tuple(_grant(target) for (target,) in own),
        tuple(_grant(target) for (target,) in owners),
        row[9],
    )


@cache
def _grant(target: str) -> Grant:
    return Grant.parse(target)


def ensure_account(db: Database, kind: str, name: str) -> str:
    """Writes: the account's id, made if absent. `kind` is `service` or `user`."""
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


def insert_token(
    db: Database,
    token_id: str,
    account_id: str,
    name: str,
    token_hash: str,
    expires_at: Microseconds | None,
    grants: Iterable[Grant],
) -> None:
    """Writes a token with the grants that narrow its account's."""
    db.execute(
        "INSERT INTO token (id, account_id, name, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        (token_id, account_id, name, token_hash, now(), expires_at),
    )
    db.conn.executemany(
        "INSERT INTO token_grant (token_id, target) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(token_id, str(grant)) for grant in grants],
    )


def revoke_token(db: Database, token_id: str) -> bool:
    """Writes. Whether there was such a token that was not revoked yet."""
    changed = db.execute("UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (now(), token_id))
    return changed.rowcount > 0


def supersede_token(db: Database, token_id: str, successor_id: str, expires_at: Microseconds) -> None:
    """Writes: the token is good until `expires_at` at the latest, and then its successor alone."""
    db.execute(
        "UPDATE token SET successor_id = ?, expires_at = CASE WHEN expires_at < ? THEN expires_at ELSE ? END"
        " WHERE id = ?",
        (successor_id, expires_at, expires_at, token_id),
    )


def account_of_token(db: Database, token_id: str) -> str | None:
    """The id of the account that a token belongs to."""
    row = db.execute("SELECT account_id FROM token WHERE id = ?", (token_id,)).fetchone()
    return row[0] if row else None


def set_last_used(db: Database, used: Mapping[str, Microseconds]) -> None:
    """Writes a batch of token ids with when they were last used."""
    db.conn.executemany(
        "UPDATE token SET last_used_at = ? WHERE id = ?", [(at, token_id) for token_id, at in used.items()]
    )

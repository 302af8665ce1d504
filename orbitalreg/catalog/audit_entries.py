"""Rows of `audit_entry`."""

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.catalog.accounts import as_json
from orbitalreg.model import Actor, now


def insert(db: Database, actor: Actor, action: str, target: str, detail: str) -> None:
    """Writes one entry; `detail` is JSON."""
    db.execute(
        "INSERT INTO audit_entry (id, at, actor, token_id, address, request_id, action, target, detail, origin)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(ULID()),
            now(),
            actor.name,
            actor.token_id,
            actor.address,
            actor.request_id,
            action,
            target,
            detail,
            as_json(actor.origin),
        ),
    )

"""Writing entries, and how they are told."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlite_utils import Database

from orbitalreg import jobs
from orbitalreg.catalog import audit_entries
from orbitalreg.catalog.accounts import as_json
from orbitalreg.catalog.audit_entries import EntryRow, new_id
from orbitalreg.model import Actor, Grant, now
from orbitalreg.summaries import AuditEntry
from orbitalreg.times import at

CHAIN = "audit.chain"
"""The job that links entries."""
CHAIN_SECONDS = 1.0
"""So long after an entry it is linked: what happens meanwhile is linked in the same go."""

DONE, REFUSED = "done", "refused"


def record(
    db: Database, actor: Actor, action: str, target: str, detail: Mapping[str, Any], project: str | None = None
) -> None:
    """Writes, within the caller's transaction. `detail` is JSON without secrets; before and after where both exist.

    `project` is the one that the change is about, whose admins may see the entry; None where it is about several.
    """
    _insert(db, actor, action, target, detail, project, DONE, None)


def record_refusal(
    db: Database,
    actor: Actor,
    action: str,
    target: str,
    detail: Mapping[str, Any],
    project: str | None,
    reason: str,
) -> None:
    """Writes, in a transaction of its own: there is none of a change that was refused."""
    _insert(db, actor, action, target, detail, project, REFUSED, reason)


def _insert(
    db: Database,
    actor: Actor,
    action: str,
    target: str,
    detail: Mapping[str, Any],
    project: str | None,
    outcome: str,
    reason: str | None,
) -> None:
    row = EntryRow(
        new_id(),
        now(),
        actor.name,
        actor.token_id,
        actor.address,
        actor.request_id,
        action,
        target,
        json.dumps(dict(detail), sort_keys=True, separators=(",", ":")),
        as_json(actor.origin),
        outcome,
        reason,
        project,
    )
    audit_entries.insert(db, row)
    jobs.enqueue(db, CHAIN, unique=True, delay=CHAIN_SECONDS)


def project_of(grants: Iterable[Grant]) -> str | None:
    """The project of which all of them speak; None where they speak of several, or there are none."""
    projects = {grant.project for grant in grants}
    return projects.pop() if len(projects) == 1 else None


def told(row: EntryRow, number: int | None = None, digest: str | None = None) -> AuditEntry:
    """An entry as commands, API and webhooks tell it."""
    return AuditEntry(
        row.id,
        at(row.at),
        row.action,
        row.target,
        row.project,
        row.outcome,
        row.reason,
        row.actor,
        row.token_id,
        row.address,
        row.request_id,
        None if row.origin is None else json.loads(row.origin),
        json.loads(row.detail),
        number,
        digest,
    )

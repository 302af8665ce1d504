"""The audit log: one entry for each change, in the transaction of the change."""

import json
from collections.abc import Mapping
from typing import Any

from sqlite_utils import Database

from orbitalreg.catalog import audit_entries
from orbitalreg.model import Actor


def record(db: Database, actor: Actor, action: str, target: str, detail: Mapping[str, Any]) -> None:
    """Writes, within the caller's transaction. `detail` is JSON without secrets; before and after where both exist."""
    audit_entries.insert(db, actor, action, target, json.dumps(dict(detail), sort_keys=True, separators=(",", ":")))

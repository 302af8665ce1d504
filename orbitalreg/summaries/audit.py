"""What is told of the audit log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody changed, or was refused (`outcome` is `done` or `refused`, `reason` why it was refused).

    `actor` is an account, `local:` and a user of the server's machine, `anonymous`, or `several` where an entry sums up
    what was refused in a short time. `token` is the id of the token used, `address` where the request came from,
    `request` its line in the server's log, and `origin` where an exchanged token comes from. `project` is the one that
    it is about, where that is one. `number` and `link_hash` are of its link in the chain; null until it is linked, a
    second or so later.
    """

    id: str
    at: datetime
    action: str
    target: str
    project: str | None
    outcome: str
    reason: str | None
    actor: str
    token: str | None
    address: str | None
    request: str | None
    origin: dict[str, str] | None
    detail: dict[str, Any]
    number: int | None
    link_hash: str | None

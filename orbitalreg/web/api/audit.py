"""The audit log of a project."""

from datetime import UTC, datetime
from typing import Any, Literal

import falcon
from pydantic import AwareDatetime, Field

from orbitalreg.audit import told
from orbitalreg.catalog import audit_entries
from orbitalreg.catalog.audit_entries import Search
from orbitalreg.inventory import START
from orbitalreg.model import Right
from orbitalreg.summaries import AuditEntry, Page
from orbitalreg.times import microseconds
from orbitalreg.web.api.paging import Paging, TimeKey, page, time_key
from orbitalreg.web.api.resource import LINES_FORMAT, ProjectResource, operation

_WORD: dict[str, Any] = {"min_length": 1, "max_length": 300}


class Chosen(Paging):
    """Which entries. In actor, action and target a `*` stands for any characters."""

    since: AwareDatetime | None = Field(default=None, description="From then on, for example 2026-11-28T00:00:00Z.")
    until: AwareDatetime | None = Field(default=None, description="Before then.")
    actor: str | None = Field(default=None, description="Who, for example service:ci.", **_WORD)
    action: str | None = Field(default=None, description="What, for example file.publish or token.*.", **_WORD)
    target: str | None = Field(default=None, description="On what, for example acme/internal/my-pkg*.", **_WORD)
    outcome: Literal["done", "refused"] | None = Field(default=None, description="Only these.")
    token: str | None = Field(default=None, description="With the token of this id.", **_WORD)
    format: Literal["json", "jsonl"] | None = Field(default=None, description=LINES_FORMAT)


class Audit(ProjectResource):
    """`/projects/{project}/audit`."""

    @operation("GET", Right.ADMIN, Page[AuditEntry], query=Chosen, lines=True)
    def list(self, req: falcon.Request, query: Chosen) -> Page[AuditEntry]:
        """List who changed what in the project, or was refused, oldest first. What is about several is not told."""
        search = Search(
            _instant(query.since),
            _instant(query.until),
            query.actor,
            query.action,
            query.target,
            req.context.target.project,
            query.outcome,
            query.token,
        )

        def after(key: TimeKey, limit: int) -> list[AuditEntry]:
            return [told(*row) for row in audit_entries.after(self._registry.catalog.read(), search, key, limit)]

        return page(query, START, time_key, after, lambda entry: (microseconds(entry.at), entry.id))


def _instant(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment.astimezone(UTC))

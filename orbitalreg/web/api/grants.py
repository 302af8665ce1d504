"""Grants: those of a project for its admins, and what the caller may do."""

from typing import Annotated

import falcon
from pydantic import AfterValidator, Field

from orbitalreg.delegation import OwnTokens
from orbitalreg.errors import InvalidName
from orbitalreg.granting import GrantKey, ProjectGrants
from orbitalreg.model import Grant, Right
from orbitalreg.summaries import Caller, Granted, GrantSummary, Page
from orbitalreg.web.api.paging import Paging, id_key, page
from orbitalreg.web.api.resource import ApiResource, ProjectResource, Sent, caller, operation
from orbitalreg.web.auth import Access, actor_of

NAME = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"
_PRINCIPAL = rf"^(user|service|group):{NAME}$"
_GRANT = rf"^{NAME}(/{NAME}(/[A-Za-z0-9._*?-]{{1,128}})?)?:(read|publish|maintain|admin)$"


def _grant(text: str) -> str:
    try:
        Grant.parse(text)
    except InvalidName as error:
        raise ValueError(str(error)) from None
    return text


GrantText = Annotated[str, Field(pattern=_GRANT), AfterValidator(_grant)]
Principal = Annotated[str, Field(pattern=_PRINCIPAL)]


class GrantQuery(Paging):
    """Whose grants are told."""

    principal: Principal | None = Field(
        default=None, description="user:NAME (with the groups of that user), service:NAME or group:NAME; else all."
    )


class NewGrants(Sent):
    """What somebody is to be given, beside what they have."""

    principal: Principal = Field(description="user:NAME, service:NAME or group:NAME, who must exist.")
    grants: list[GrantText] = Field(
        min_length=1, max_length=100, description="PROJECT[/REPO[/PATTERN]]:RIGHT, each in this project."
    )


class OneGrant(Sent):
    """A grant that is to be taken back."""

    principal: Principal = Field(description="user:NAME, service:NAME or group:NAME.")
    grant: GrantText = Field(description="PROJECT[/REPO[/PATTERN]]:RIGHT, as it was given.")


class ProjectGrantList(ProjectResource):
    """`/projects/{project}/grants`."""

    @operation("GET", Right.ADMIN, Page[GrantSummary], query=GrantQuery)
    def list(self, req: falcon.Request, query: GrantQuery) -> Page[GrantSummary]:
        """List who was given what in the project, by principal and grant."""
        grants = self._grants(req)
        return page(query, ("", ""), id_key, lambda key, limit: grants.after(key, limit, query.principal), _key)

    @operation("POST", Right.ADMIN, Granted, body=NewGrants, action="grant.add")
    def add(self, req: falcon.Request, body: NewGrants) -> Granted:
        """Give grants that lie in the project. What is there already stays."""
        return self._grants(req).add(body.principal, [Grant.parse(text) for text in body.grants])

    @operation("DELETE", Right.ADMIN, Granted, query=OneGrant, action="grant.remove")
    def remove(self, req: falcon.Request, query: OneGrant) -> Granted:
        """Take a grant back, from every token too. One of the configuration is taken back there."""
        return self._grants(req).remove(query.principal, Grant.parse(query.grant))

    def _grants(self, req: falcon.Request) -> ProjectGrants:
        registry = self._registry
        return ProjectGrants(
            registry.catalog, registry.accounts, req.context.target.project, caller(req), actor_of(req)
        )


class Me(ApiResource):
    """`/me`."""

    @operation("GET", Access.SIGNED_IN, Caller)
    def show(self, req: falcon.Request) -> Caller:
        """Show who you are, what your account and your token may do, and until when the token is good."""
        registry, identity = self._registry, caller(req)
        own = OwnTokens(registry.catalog, registry.accounts, identity, actor_of(req))
        return Caller(
            identity.name,
            [group.partition(":")[2] for group in registry.accounts.rights.groups_of(identity.name)],
            sorted(map(str, identity.owner)),
            None if identity.token_id is None else own.get(identity.token_id),
            None if identity.origin is None else dict(identity.origin),
        )


def _key(grant: GrantSummary) -> GrantKey:
    return grant.principal, grant.grant

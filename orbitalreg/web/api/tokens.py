"""Tokens: the caller's own, and those of a project's service accounts for its admins."""

from http import HTTPStatus

import falcon
from pydantic import Field

from orbitalreg.assembly import Registry
from orbitalreg.delegation import DEFAULT_OVERLAP, MAX_OVERLAP, OwnTokens, ProjectTokens
from orbitalreg.inventory import START
from orbitalreg.model import Grant, Right
from orbitalreg.summaries import Page, TokenSecret, TokenSummary
from orbitalreg.times import microseconds
from orbitalreg.web.api.grants import NAME, GrantText
from orbitalreg.web.api.paging import Paging, TimeKey, page, time_key
from orbitalreg.web.api.resource import ApiResource, ProjectResource, Sent, caller, operation
from orbitalreg.web.auth import Access, actor_of

MAX_SECONDS = 10 * 366 * 24 * 3600


class NewToken(Sent):
    """A token to be made for the caller's own account."""

    name: str = Field(pattern=f"^{NAME}$", description="What it is called; several may be called alike.")
    grants: list[GrantText] = Field(
        min_length=1, max_length=100, description="PROJECT[/REPO[/PATTERN]]:RIGHT, each within what your token holds."
    )
    expires_in: int | None = Field(
        default=None,
        ge=1,
        le=MAX_SECONDS,
        description="Seconds for which it is good, no longer than your token; without it, as long as your token.",
    )


class Rotation(Sent):
    """How a token is to be rotated."""

    overlap: int = Field(
        default=DEFAULT_OVERLAP, ge=0, le=MAX_OVERLAP, description="Seconds for which the old token stays good."
    )


class Tokens(ApiResource):
    """`/tokens`."""

    @operation("GET", Access.SIGNED_IN, Page[TokenSummary], query=Paging)
    def list(self, req: falcon.Request, query: Paging) -> Page[TokenSummary]:
        """List the tokens of your account, revoked and expired ones too, oldest first."""
        return page(query, START, time_key, _own(self._registry, req).after, _key)

    @operation("POST", Access.SIGNED_IN, TokenSecret, body=NewToken, status=HTTPStatus.CREATED, action="token.create")
    def make(self, req: falcon.Request, body: NewToken) -> TokenSecret:
        """Make a token for your account. It never has more than the token that makes it."""
        return _own(self._registry, req).make(body.name, [Grant.parse(text) for text in body.grants], body.expires_in)


class TokenItem(ApiResource):
    """`/tokens/{token}`."""

    @operation("GET", Access.SIGNED_IN, TokenSummary)
    def show(self, req: falcon.Request, token: str) -> TokenSummary:
        """Show a token of your account."""
        return _own(self._registry, req).get(token)

    @operation("DELETE", Access.SIGNED_IN, TokenSummary, action="token.revoke")
    def revoke(self, req: falcon.Request, token: str) -> TokenSummary:
        """Revoke a token of your account that holds no more than the one you use. The next request is refused."""
        return _own(self._registry, req).revoke(token)


class TokenRotation(ApiResource):
    """`/tokens/{token}/rotate`."""

    @operation("POST", Access.SIGNED_IN, TokenSecret, body=Rotation, status=HTTPStatus.CREATED, action="token.rotate")
    def rotate(self, req: falcon.Request, token: str, body: Rotation) -> TokenSecret:
        """Make a token in the place of one that holds no more than the one you use; the old stays good for a while."""
        return _own(self._registry, req).rotate(token, body.overlap)


class ProjectTokenList(ProjectResource):
    """`/projects/{project}/tokens`."""

    @operation("GET", Right.ADMIN, Page[TokenSummary], query=Paging)
    def list(self, req: falcon.Request, query: Paging) -> Page[TokenSummary]:
        """List the service accounts' tokens all of whose grants lie in the project, oldest first."""
        tokens = _of_project(self._registry, req)
        return page(query, START, time_key, tokens.after, _key)


class ProjectTokenItem(ProjectResource):
    """`/projects/{project}/tokens/{token}`."""

    @operation("DELETE", Right.ADMIN, TokenSummary, action="token.revoke")
    def revoke(self, req: falcon.Request, token: str) -> TokenSummary:
        """Revoke a service account's token all of whose grants lie in the project."""
        return _of_project(self._registry, req).revoke(token)


def _own(registry: Registry, req: falcon.Request) -> OwnTokens:
    return OwnTokens(registry.catalog, registry.accounts, caller(req), actor_of(req))


def _of_project(registry: Registry, req: falcon.Request) -> ProjectTokens:
    return ProjectTokens(registry.catalog, registry.accounts, req.context.target.project, actor_of(req))


def _key(token: TokenSummary) -> TimeKey:
    return microseconds(token.created_at), token.id

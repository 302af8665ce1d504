"""Who is calling, and may they: asked once for each request, before a resource sees it."""

import base64
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol
from urllib.parse import urlsplit

import falcon

from orbitalreg.config import Network, within
from orbitalreg.errors import Forbidden, NotFound, TooLarge, Unauthenticated
from orbitalreg.interfaces import Credentials
from orbitalreg.model import ANONYMOUS, Actor, Address, Identity, Repository, Right
from orbitalreg.publishing import Desk
from orbitalreg.serving.admission import ADMISSION_KEY
from orbitalreg.serving.limits import ASK_ABOVE
from orbitalreg.signin import SignIn
from orbitalreg.usage import UsageRecorder

FORM_ALLOWANCE = 32 << 20  # what an upload's form may hold beside its file
WRITES = frozenset(("POST", "PUT", "PATCH", "DELETE"))
NEEDED = "credentials are needed: user name __token__ and a token as password"


class Access(Enum):
    """What an address asks for that is not about a repository."""

    OPEN = "open"
    """Nothing, and credentials are not looked at: whatever comes with a probe is no fault of the server's."""

    PUBLIC = "public"
    """Nothing: anybody may call, and is shown what they may see."""

    SIGNED_IN = "signed-in"
    """A token, of whatever rights: for what is the caller's own."""

    MONITORING = "monitoring"
    """A token with `admin` on any project, or an address in `[server] metrics_from`."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about: a repository, or one package in it. `repository` is None where there is no such.

    `discreet`: a write too is answered as though nothing were there, to a caller who may not read it.
    `receiver` is the repository that takes what is written here, where that is another: the rights on it count.
    `refusal` is why nobody may write here, which is told to those who have the right.
    """

    address: Address | None
    repository: Repository | None
    package: str | None = None
    discreet: bool = False
    receiver: Repository | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectTarget:
    """A request about a project: those of its repositories that are configured, none where there is no such."""

    project: str
    repositories: tuple[Repository, ...]


class GuardedResource(Protocol):
    """A resource that states the right of each method. The tests refuse a route to any other."""

    rights: Mapping[str, Right | Access]

    body_limit: int
    """Bytes of a body that are taken, where the method takes one."""

    def target(self, params: dict[str, Any]) -> Target | ProjectTarget:
        """What the address is about; takes from `params` what the responder is not to see.

        Not asked where no more than `Access` is needed.
        """


class Gate:
    """Falcon middleware: authenticates, authorises, and judges from the head alone whether a body may come in."""

    def __init__(
        self,
        sign_in: SignIn,
        usage: UsageRecorder,
        desk: Desk,
        monitors: Sequence[Network] = (),
        url: str | None = None,
    ) -> None:
        """`monitors` are the addresses that may see the metrics without a token; `url` is the server's own."""
        self._sign_in = sign_in
        self._host = _host(url) if url else None
        self._usage = usage
        self._desk = desk
        self._monitors = monitors
        self._admitting = threading.Lock()

    def process_resource(self, req: falcon.Request, resp: falcon.Response, resource: Any, params: Any) -> None:
        """Raises `Unauthenticated`, `Forbidden`, `NotFound`, `TooLarge`, `NoSpace`, 411."""
        right = resource.rights.get("GET" if req.method == "HEAD" else req.method)
        if right is None:
            return
        identity = req.context.identity = ANONYMOUS if right is Access.OPEN else self._identify(req)
        if req.method in WRITES and not identity.is_anonymous and self._is_foreign(req):
            raise Forbidden("a page of another site sent this with your browser; nothing was done")
        if isinstance(right, Right):
            target = req.context.target = _addressed(resource.target(params), right)
            authorize(identity, right, target)
            if right is not Right.READ and isinstance(target, Target) and target.refusal is not None:
                raise Forbidden(target.refusal)
        elif right is Access.SIGNED_IN and identity.is_anonymous:
            raise Unauthenticated(NEEDED)
        elif right is Access.MONITORING:
            self._authorize_monitor(req, identity)
        takes_body = req.method in WRITES and right not in (Access.PUBLIC, Access.MONITORING, Right.READ)
        self._judge_body(req, resp, resource.body_limit if takes_body else 0)

    def _authorize_monitor(self, req: falcon.Request, identity: Identity) -> None:
        if within(req.context.remote_addr, self._monitors) or identity.is_admin_somewhere:
            return
        if identity.is_anonymous:
            raise Unauthenticated(NEEDED)
        raise Forbidden("the metrics need admin on a project, or an address in [server] metrics_from")

    def _identify(self, req: falcon.Request) -> Identity:
        header = req.env.get("HTTP_AUTHORIZATION")
        if not header and not self._sign_in.authenticators:
            return ANONYMOUS
        identity = self._sign_in.recall(header) if header else None
        if identity is None:
            shown = _shown(req, header, bool(self._sign_in.authenticators))
            identity = self._sign_in.identify(shown, header)
        if identity.token_id is not None:
            self._usage.used(identity.token_id)
        elif identity.is_anonymous and header:
            credentials(header)  # of a scheme that nobody here knows
        return identity

    def _is_foreign(self, req: falcon.Request) -> bool:
        """Whether a browser says that it was sent here from another site; programs do not say whence.

        A browser keeps a password, or is known at the proxy before this server: it is signed in wherever it comes from.
        """
        site, origin = req.env.get("HTTP_SEC_FETCH_SITE"), req.env.get("HTTP_ORIGIN")
        if site is not None:
            return site.strip().lower() not in ("same-origin", "none")
        return origin is not None and _host(origin) not in (_host(f"//{req.netloc}"), self._host)

    def _judge_body(self, req: falcon.Request, resp: falcon.Response, limit: int) -> None:
        length = req.content_length or 0
        admission = req.env.get(ADMISSION_KEY)
        if admission is None and not (limit and length):
            return
        if length > limit:
            raise TooLarge(
                f"{length} bytes are more than the {limit} that are taken here" if limit else "no body is taken here"
            )
        if limit <= ASK_ABOVE:  # held in memory: it needs no room, but its length has to be known
            if admission is not None:
                raise falcon.HTTPLengthRequired(description="a body must be sent with its Content-Length here")
            return
        if admission is None:
            return self._desk.room_for(length)
        if admission.length is None:
            length = limit  # chunked: nobody knows
        with self._admitting:  # what is granted counts for the next: two may not both be promised the last room
            self._desk.room_for(2 * length + admission.pending_bytes)  # once while it is received, once as the file
            admission.grant()
        resp.complete = True


def _addressed(target: Target | ProjectTarget, right: Right) -> Target | ProjectTarget:
    """Whom the request concerns: on a write the repository that takes what is written."""
    if right is Right.READ or isinstance(target, ProjectTarget) or target.receiver is None:
        return target
    return replace(target, repository=target.receiver)


def credentials(header: str) -> tuple[str | None, str]:
    """User and secret of an Authorization header; no user for Bearer (RFC 6750 and 7617). Raises `Unauthenticated`."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return None, value.strip()
    if scheme.lower() != "basic":
        raise Unauthenticated("the Authorization header must be Basic or Bearer")
    try:
        user, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:  # of base64, which takes ASCII alone, or of UTF-8
        raise Unauthenticated("the Authorization header is broken: it must be base64 of USER:TOKEN") from None
    if not colon:
        raise Unauthenticated("the Authorization header is broken: it must be base64 of USER:TOKEN")
    return user, secret


def _read(header: str | None, others: bool) -> tuple[str | None, str | None]:
    """User and secret, both None where nobody is named.

    With `others` that may know the caller by something else, a header that cannot be read says nothing. Raises
    `Unauthenticated`.
    """
    if not header:
        return None, None
    try:
        user, secret = credentials(header)
    except Unauthenticated:
        if others:
            return None, None
        raise
    return (user, secret) if user or secret else (None, None)


def _shown(req: falcon.Request, header: str | None, others: bool) -> Credentials:
    user, secret = _read(header, others)
    headers = _headers(req) if others else {}
    return Credentials(user, secret, headers, req.env.get("REMOTE_ADDR", ""), req.context.remote_addr)


def _headers(req: falcon.Request) -> dict[str, str]:
    return {key[5:].replace("_", "-").lower(): value for key, value in req.env.items() if key.startswith("HTTP_")}


def _host(url: str) -> str:
    """Host and port as browsers write them: none that the scheme implies."""
    try:
        parts = urlsplit(url.lower())
        port = "" if parts.port in (None, 80, 443) else f":{parts.port}"
        return f"{parts.hostname}{port}"
    except ValueError:
        return ""


def authorize(identity: Identity, right: Right, target: Target | ProjectTarget) -> None:
    """Raises where `right` is not held: nobody is told of what they may not read.

    `Unauthenticated` (401) for the anonymous, `NotFound` (404) on reads and for what is not there, `Forbidden` (403)
    on writes, also to a repository of a project that the caller has nothing to do with, there or not, unless the
    target is discreet.
    """
    if isinstance(target, ProjectTarget):
        return _authorize_project(identity, right, target)
    repository = target.repository
    if repository is not None:
        if right is Right.READ and repository.anonymous_read:
            return
        if identity.may(right, repository.address, target.package):
            return
        if target.package is None and identity.may_somewhere(right, repository.address):
            return
    if identity.is_anonymous:
        raise Unauthenticated(NEEDED)
    hidden = target.discreet and (repository is None or not sees(identity, repository, target.package))
    if right is Right.READ or hidden or (repository is None and _knows_project(identity, target.address)):
        raise NotFound(f"there is no {target.address}{f'/{target.package}' if target.package else ''} for this token")
    raise Forbidden(f"this token has no right to {right} in {_place(identity, target)}")


def _place(identity: Identity, target: Target) -> str:
    """Where the right is missing: who may read a virtual repository is told which other takes its uploads."""
    receiver, address = target.receiver, target.address
    if receiver is None or address is None or not identity.may_somewhere(Right.READ, address):
        return str(address)
    return f"{receiver.address}, which takes the uploads to {address}"


def _authorize_project(identity: Identity, right: Right, target: ProjectTarget) -> None:
    visible = any(sees(identity, repository) for repository in target.repositories)
    throughout = bool(target.repositories) and identity.may_throughout(right, target.project)
    if throughout or (visible and right is Right.READ):
        return
    if identity.is_anonymous:
        raise Unauthenticated(NEEDED)
    if not visible:
        raise NotFound(f"there is no project {target.project} for this token")
    raise Forbidden(f"this token has no right to {right} in all of {target.project}")


def sees(identity: Identity, repository: Repository, package: str | None = None) -> bool:
    """Whether the caller may read a package, or (None) may read anything there."""
    if repository.anonymous_read or identity.may(Right.READ, repository.address, package):
        return True
    return package is None and identity.may_somewhere(Right.READ, repository.address)


def _knows_project(identity: Identity, address: Address | None) -> bool:
    """Whether the caller has anything there: neither a token alone counts, nor an account alone."""
    return address is None or all(
        any(grant.project == address.project for grant in grants) for grants in (identity.owner, identity.token)
    )


def may_read(identity: Identity, repository: Repository, package: str | None) -> bool:
    """Whether the caller may see a package, or (None) all of them."""
    return repository.anonymous_read or identity.may(Right.READ, repository.address, package)


def actor_of(req: falcon.Request) -> Actor:
    """Whom the audit log names for this request."""
    identity: Identity = req.context.identity
    return Actor(identity.name, identity.token_id, req.context.remote_addr, req.context.request_id, identity.origin)

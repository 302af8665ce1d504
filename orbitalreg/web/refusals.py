"""Changes that are refused go to the audit log: in one place, whoever refused them and why."""

from collections.abc import Collection, Mapping
from typing import Any

import falcon

from orbitalreg.audit import Refusals
from orbitalreg.errors import Unauthenticated
from orbitalreg.model import ANONYMOUS, Actor, Address
from orbitalreg.serving.admission import ADMISSION_KEY
from orbitalreg.tokens import masked, token_id_of
from orbitalreg.web.auth import WRITES, ProjectTarget, Target, credentials

LENGTH = 300
"""So much of an address or a reason is kept."""


class RefusedChanges:
    """Falcon middleware, outside of the gate: what ends with 4xx on a route that changes something is recorded.

    Reads that are refused are in the server's log and its metrics alone.
    """

    def __init__(self, refusals: Refusals, projects: Collection[str]) -> None:
        """`projects` are those configured: no stranger's word is taken for one."""
        self._refusals = refusals
        self._projects = frozenset(projects)

    def process_resource(self, req: falcon.Request, resp: falcon.Response, resource: Any, params: Any) -> None:
        req.context.fields = params
        req.context.asked = dict(params)

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: Any, succeeded: bool) -> None:
        if req.method not in WRITES or req.method not in getattr(resource, "rights", ()):
            return
        if getattr(resource, "records_refusals", False):
            return
        admission = req.env.get(ADMISSION_KEY)
        if admission is not None and admission.granted:
            return  # a granted head is judged again with its body
        status, _, reason = str(resp.status).partition(" ")
        if not status.startswith("4"):
            return
        action = getattr(resource, "actions", {}).get(req.method, f"request.{req.method.lower()}")
        project, target = self._about(req)
        detail = {"status": int(status), "method": req.method, "path": _short(req.path), **_claimed(req)}
        self._refusals.record(_actor(req), action, _short(target), detail, project, _short(reason))

    def _about(self, req: falcon.Request) -> tuple[str | None, str]:
        """The project and the target of the request, as entries of what was done have them."""
        asked: Mapping[str, str] = req.context.asked
        project = asked.get("project")
        known = project if project in self._projects else None
        match getattr(req.context, "target", None):
            case Target(address=Address() as address, package=package):
                return known, _below(str(address), package, req.context.fields)
            case ProjectTarget(project=name):
                return known, asked.get("token") or name
        if project and "repository" in asked:  # refused before anybody asked what it is about
            return known, _below(f"{project}/{asked['repository']}", asked.get("package"), asked)
        return known, asked.get("token") or req.path


def _below(address: str, package: str | None, fields: Mapping[str, str]) -> str:
    if package is None:
        return address
    version = fields.get("version")
    return f"{address}/{package}" + (f"=={version}" if version else "")


def _actor(req: falcon.Request) -> Actor:
    identity = req.context.identity or ANONYMOUS
    return Actor(identity.name, identity.token_id, req.context.remote_addr, req.context.request_id, identity.origin)


def _claimed(req: falcon.Request) -> dict[str, str]:
    """The id of the token that was sent where it was not accepted: it is whole, and for all that need not be real."""
    header = req.env.get("HTTP_AUTHORIZATION")
    if req.context.identity is not None or not header:
        return {}
    try:
        return {"claimed_token": token_id_of(credentials(header)[1])}
    except Unauthenticated:
        return {}


def _short(text: str) -> str:
    return masked(text)[:LENGTH]

"""`/_/oidc/...` and `/.well-known/pytp`: jobs elsewhere exchange their own tokens for short-lived ones.

The addresses stand at the root, without a repository: what a token may do comes from whom it was made for. None looks
at credentials; what counts is in the body.
"""

import json
from collections.abc import Mapping
from typing import Any

import falcon

from orbitalreg.assembly import Registry
from orbitalreg.errors import ExchangeRefused, NotFound
from orbitalreg.exchanging import ExchangeDesk
from orbitalreg.model import NOBODY, Actor, Right
from orbitalreg.serving.limits import ASK_ABOVE
from orbitalreg.web.auth import Access, Target
from orbitalreg.web.home import public_base
from orbitalreg.web.problems import EXCHANGE


class _Counter:
    """What all of them share."""

    body_limit = 0
    records_refusals = True
    """The desk does: it knows for whom the token was that it refused, and where that came from."""

    def __init__(self, desk: ExchangeDesk) -> None:
        self._desk = desk

    def target(self, params: dict[str, Any]) -> Target:
        return Target(None, None)


class Audience(_Counter):
    """`/_/oidc/audience`."""

    rights: Mapping[str, Right | Access] = {"GET": Access.OPEN}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _send(resp, {"audience": self._desk.audience})

    on_head = on_get


class Mint(_Counter):
    """`/_/oidc/mint-token`."""

    rights: Mapping[str, Right | Access] = {"POST": Access.OPEN}
    body_limit = ASK_ABOVE

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        minted = self._desk.mint(req.bounded_stream.read(ASK_ABOVE), _stranger(req))
        _send(resp, {"success": True, "token": minted.token, "expires": minted.expires_at // 1_000_000})


class Burn(_Counter):
    """`/_/oidc/burn-token`."""

    rights: Mapping[str, Right | Access] = {"POST": Access.OPEN}
    body_limit = ASK_ABOVE

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._desk.burn(req.bounded_stream.read(ASK_ABOVE), _stranger(req))
        _send(resp, {"success": True})


class Discovery(_Counter):
    """`/.well-known/pytp`: where the two addresses are, for whatever address is uploaded to."""

    rights: Mapping[str, Right | Access] = {"GET": Access.OPEN}

    def __init__(self, desk: ExchangeDesk, registry: Registry) -> None:
        super().__init__(desk)
        self._registry = registry

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        try:
            self._desk.require_exchanger()
        except ExchangeRefused as error:
            raise NotFound(str(error)) from None
        if not req.get_param("discover"):
            raise falcon.HTTPBadRequest(description="say ?discover= with the path that is uploaded to")
        base = public_base(self._registry, req)
        places = {
            "audience-endpoint": f"{base}{EXCHANGE}audience",
            "token-mint-endpoint": f"{base}{EXCHANGE}mint-token",
        }
        _send(resp, places)

    on_head = on_get


def routes(desk: ExchangeDesk, registry: Registry) -> list[tuple[str, Any]]:
    return [
        (f"{EXCHANGE}audience", Audience(desk)),
        (f"{EXCHANGE}mint-token", Mint(desk)),
        (f"{EXCHANGE}burn-token", Burn(desk)),
        ("/.well-known/pytp", Discovery(desk, registry)),
    ]


def _stranger(req: falcon.Request) -> Actor:
    """Whom the audit log names before it is known for whom the token was made."""
    return Actor(NOBODY, None, req.context.remote_addr, req.context.request_id)


def _send(resp: falcon.Response, value: Mapping[str, object]) -> None:
    resp.content_type = "application/json"
    resp.set_header("Cache-Control", "no-store")
    resp.set_header("X-Content-Type-Options", "nosniff")
    resp.data = json.dumps(value).encode()

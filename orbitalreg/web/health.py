"""`/healthz`: the process answers. `/readyz`: it can also read its catalog and has room to write."""

from collections.abc import Mapping
from typing import Any

import falcon

from orbitalreg.catalog import Catalog
from orbitalreg.model import Right
from orbitalreg.publishing import Desk
from orbitalreg.web.auth import Access, Target


class _Probe:
    rights: Mapping[str, Right | Access] = {"GET": Access.OPEN}
    body_limit = 0

    def target(self, params: dict[str, Any]) -> Target:
        return Target(None, None)

    def _say(self, resp: falcon.Response, word: str) -> None:
        resp.content_type = "text/plain"
        resp.set_header("Cache-Control", "no-store")
        resp.data = f"{word}\n".encode()


class Health(_Probe):
    """Answers 200 as long as the process serves."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._say(resp, "ok")

    on_head = on_get


class Readiness(_Probe):
    """Answers 200 where requests can be served, 500 or 507 with the reason where they can not."""

    def __init__(self, catalog: Catalog, desk: Desk) -> None:
        self._catalog = catalog
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._catalog.check()
        self._desk.room_for(0)
        self._say(resp, "ready")

    on_head = on_get

"""Mounts what format adapters route: the host's side of every address below `/<format>/<project>/<repository>`."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import falcon

from orbitalreg.assembly import Registry
from orbitalreg.errors import InvalidName, NotFound, PluginError
from orbitalreg.interfaces import (
    DetailPage,
    FileReply,
    FormatAdapter,
    NamesPage,
    PackagePage,
    Reply,
    Route,
    TextReply,
)
from orbitalreg.metrics import Metrics
from orbitalreg.model import Address, Kind, Repository, Right
from orbitalreg.publishing import LocalPublisher
from orbitalreg.sources.once import asking_once
from orbitalreg.waiting import VISIT_KEY, visiting
from orbitalreg.web import replies
from orbitalreg.web.auth import FORM_ALLOWANCE, Access, Target, actor_of
from orbitalreg.web.home import public_base
from orbitalreg.web.replies import Presenter

Responder = Callable[..., None]

PATH_AS_SENT = "orbitalreg.path"
"""In the environ where the path had several slashes in a row: relative addresses count from it."""

_BEFORE = len(["format", "project", "repository"])  # segments of a path ahead of what an adapter routes


class FormatResource:
    """One address of one format: asks the adapter what to show, and shows it."""

    def __init__(
        self,
        registry: Registry,
        presenter: Presenter,
        metrics: Metrics,
        adapter: FormatAdapter,
        routes: Sequence[Route],
    ) -> None:
        self._registry = registry
        self._presenter = presenter
        self._metrics = metrics
        self._adapter = adapter
        self._routes = {route.method: route for route in routes}
        self.rights: Mapping[str, Right | Access] = {route.method: route.right for route in routes}
        self.actions = {route.method: "file.publish" for route in routes if not route.reads}
        self.body_limit = registry.desk.max_upload + FORM_ALLOWANCE
        for route in routes:
            setattr(self, f"on_{route.method.lower()}", self._read if route.reads else self._write)
        if "GET" in self._routes:
            setattr(self, "on_head", self._read)

    def target(self, params: dict[str, Any]) -> Target:
        """Raises `NotFound` for a package name that cannot be one."""
        try:
            address = Address(params.pop("project"), params.pop("repository"))
            package = self._adapter.normalize(params["package"]) if "package" in params else None
        except InvalidName as error:
            raise NotFound(str(error)) from error
        repository = self._registry.repositories.get(address)
        if repository is not None and repository.format != self._adapter.name:
            repository = None
        if repository is None or repository.kind is Kind.LOCAL:
            return Target(address, repository, package)
        receiver = self._registry.receiver(repository)
        refusal = None if receiver else _refusal(repository)
        return Target(address, repository, package, receiver=receiver, refusal=refusal)

    def _read(self, req: falcon.Request, resp: falcon.Response, **fields: str) -> None:
        target: Target = req.context.target
        assert target.repository is not None
        written = fields.pop("package", None)
        if target.package != written:
            assert target.package is not None and written is not None
            return _redirect(req, resp, _renamed(_path_as_sent(req), written, target.package))
        if url := self._registry.settings.server.url:
            req.context["base"] = f"{url}/{self._adapter.name}/{target.address}"
        reply = self._routes["GET"].handler(req, **fields)
        with visiting(req.env.get(VISIT_KEY)), asking_once(time.perf_counter() - req.context.started):
            self._show(req, resp, reply, target.repository)

    def _show(self, req: falcon.Request, resp: falcon.Response, reply: Reply, repository: Repository) -> None:
        source = self._registry.source(repository)
        match reply:
            case PackagePage():
                self._presenter.package_page(req, resp, reply, source)
            case DetailPage():
                base = f"{public_base(self._registry, req)}/{self._adapter.name}/{repository.address}"
                self._presenter.detail_page(req, resp, reply, source, base)
            case NamesPage():
                self._presenter.names_page(req, resp, reply, source)
            case FileReply():
                self._presenter.file(req, resp, reply, source)
            case TextReply():
                replies.text(resp, reply)

    def _write(self, req: falcon.Request, resp: falcon.Response, **fields: str) -> None:
        publisher = self._publisher(req)
        with self._registry.desk.place():
            reply = self._routes[req.method].handler(req, publisher, **fields)
        for publication in publisher.publications:
            self._metrics.uploaded("created" if publication.created else "unchanged", publication.file.size or 0)
        assert isinstance(reply, TextReply)
        replies.text(resp, reply)

    def _publisher(self, req: falcon.Request) -> LocalPublisher:
        target: Target = req.context.target
        assert target.repository is not None
        return LocalPublisher(
            self._registry.desk, self._adapter, target.repository, req.context.identity, actor_of(req)
        )


class SlashRedirect(FormatResource):
    """The address without its last slash: reads are sent on, nothing else is taken (a POST is never redirected)."""

    def _read(self, req: falcon.Request, resp: falcon.Response, **fields: str) -> None:
        _redirect(req, resp, f"./{req.path.rsplit('/', 1)[1]}/")


@dataclass(frozen=True, slots=True)
class Mount:
    """A Falcon template and the resource that serves it."""

    template: str
    resource: FormatResource


def mounts(registry: Registry, presenter: Presenter, metrics: Metrics) -> list[Mount]:
    """Every route of every enabled format. Raises `PluginError` for a route that states no right."""
    return [
        mount
        for adapter in registry.formats.values()
        for template, routes in _by_template(adapter).items()
        for mount in _mounts_of(registry, presenter, metrics, adapter, template, routes)
    ]


def _mounts_of(
    registry: Registry,
    presenter: Presenter,
    metrics: Metrics,
    adapter: FormatAdapter,
    template: str,
    routes: Sequence[Route],
) -> list[Mount]:
    prefix = f"/{adapter.name}/{{project}}/{{repository}}"
    found = [Mount(prefix + template, FormatResource(registry, presenter, metrics, adapter, routes))]
    bare = template.rstrip("/")
    reads = [route for route in routes if route.method == "GET"]
    if bare != template and reads and bare not in _by_template(adapter):
        found.append(Mount(prefix + bare, SlashRedirect(registry, presenter, metrics, adapter, reads)))
    return found


def _by_template(adapter: FormatAdapter) -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for route in adapter.routes():
        if not isinstance(route.right, Right):
            raise PluginError(f"format {adapter.name!r}: {route.method} {route.template} states no right")
        if (route.method == "GET") != route.reads:
            raise PluginError(f"format {adapter.name!r}: {route.template}: GET reads, and nothing else does")
        found.setdefault(route.template, []).append(route)
    return found


def _refusal(repository: Repository) -> str:
    return f"{repository.address} is {repository.kind} and takes no uploads; send them to a local repository"


def _redirect(req: falcon.Request, resp: falcon.Response, location: str) -> None:
    """301 to a relative address, so that neither Host nor a proxy's prefix matters."""
    resp.status = falcon.HTTP_301
    resp.set_header("Location", falcon.uri.encode(location) + (f"?{req.query_string}" if req.query_string else ""))
    resp.set_header("Cache-Control", "no-store")


def _path_as_sent(req: falcon.Request) -> str:
    raw: str | None = req.env.get(PATH_AS_SENT)
    return req.path if raw is None else raw.encode("latin-1").decode("utf-8", "replace")


def _renamed(path: str, written: str, normal: str) -> str:
    """The relative address of the same place with the package's name in its normal form."""
    segments = path.split("/")
    filled = [place for place, segment in enumerate(segments) if segment]
    after = segments[next(place for place in filled[_BEFORE:] if segments[place] == written) + 1 :]
    return "/".join([*([".."] * len(after) or ["."]), normal, *after])

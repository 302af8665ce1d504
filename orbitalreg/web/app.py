"""The wiring: every route on one screen."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import falcon

from orbitalreg.assembly import Registry
from orbitalreg.errors import PluginError
from orbitalreg.exchanging import ExchangeDesk
from orbitalreg.failures import FailureLimit
from orbitalreg.metrics import Metrics
from orbitalreg.signin import SignIn
from orbitalreg.web import api, exchange, problems
from orbitalreg.web.auth import Gate
from orbitalreg.web.context import AccessLog, RequestContext
from orbitalreg.web.formats import PATH_AS_SENT, mounts
from orbitalreg.web.health import Health, Readiness
from orbitalreg.web.home import Home
from orbitalreg.web.monitoring import Exposition
from orbitalreg.web.pages import PageCache
from orbitalreg.web.refusals import RefusedChanges
from orbitalreg.web.replies import Presenter

_SLASHES = re.compile(r"/{2,}")

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def create_app(
    registry: Registry,
    metrics: Metrics | None = None,
    log: AccessLog | None = None,
    failures: FailureLimit | None = None,
) -> WSGIApplication:
    """The WSGI application over one registry. Raises `PluginError` for a route without a right.

    `metrics` are the process's own, and `failures` those of all processes; both outlive a reload.
    """
    metrics = metrics or Metrics()
    failures = failures or FailureLimit()
    server = registry.settings.server
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    app.add_middleware(RequestContext(server.trusted_proxies, log or AccessLog(), metrics))
    app.add_middleware(RefusedChanges(registry.refusals, registry.settings.projects))
    sign_in = SignIn(registry.accounts, registry.authenticators, failures, metrics.sign_in_failed)
    app.add_middleware(Gate(sign_in, registry.usage, registry.desk, server.metrics_from, server.url))
    app.resp_options.default_media_type = "text/plain"
    problems.install(app)
    registry.sources.fetches.observe(metrics)
    registry.sources.relay.listener = metrics
    registry.scanning.observe(metrics.scanned)
    for template, resource in routes(registry, metrics, failures):
        if not (hasattr(resource, "rights") and hasattr(resource, "body_limit")):
            raise PluginError(f"the route {template} states no right, or no limit of a body")
        app.add_route(template, resource)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "//" in environ["PATH_INFO"]:
            environ[PATH_AS_SENT] = environ["PATH_INFO"]
            environ["PATH_INFO"] = _SLASHES.sub("/", environ["PATH_INFO"])
        return app(environ, start_response)

    return application


def routes(registry: Registry, metrics: Metrics, failures: FailureLimit) -> list[tuple[str, Any]]:
    """Every template with the resource that serves it."""
    desk = _exchange_desk(registry, failures, metrics)
    presenter = Presenter(PageCache(), registry.usage, metrics)
    return [
        ("/", Home(registry)),
        ("/healthz", Health()),
        ("/readyz", Readiness(registry.catalog, registry.desk)),
        ("/metrics", Exposition(registry.catalog, registry.store, metrics, registry.scanning.queue.scanners)),
        *exchange.routes(desk, registry),
        *api.routes(registry),
        *((mount.template, mount.resource) for mount in mounts(registry, presenter, metrics)),
    ]


def _exchange_desk(registry: Registry, failures: FailureLimit, metrics: Metrics) -> ExchangeDesk:
    return ExchangeDesk(
        registry.catalog,
        registry.accounts,
        registry.exchangers,
        registry.settings.tokens.exchanged_lifetime,
        failures,
        registry.refusals,
        lambda: metrics.sign_in_failed("exchange"),
    )

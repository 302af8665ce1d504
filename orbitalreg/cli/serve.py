"""`orbitalreg serve`."""

import gc
import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import click

from orbitalreg import config, metrics
from orbitalreg.assembly import Registry, assemble, read_settings
from orbitalreg.cli.common import config_option, json_option, local_actor
from orbitalreg.errors import ConfigError
from orbitalreg.failures import FailureLimit
from orbitalreg.jobs import Worker
from orbitalreg.model import Grant, Right
from orbitalreg.serving import Server, authority, bind, install_signals, supervise
from orbitalreg.web.app import create_app
from orbitalreg.web.auth import FORM_ALLOWANCE
from orbitalreg.web.context import configure_logging

FIRST_ACCOUNT = "first"

logger = logging.getLogger(__name__)


@click.command()
@config_option
@json_option
@click.option("--listen", metavar="HOST:PORT", help="Instead of [server] listen; port 0 picks one.")
@click.option(
    "--processes", type=click.IntRange(1, 256), default=1, help="How many processes share the port; else one."
)
def serve(config_file: str | None, listen: str | None, processes: int, as_json: bool) -> None:
    """Run the server until SIGTERM or Ctrl-C; SIGHUP reads the configuration again."""
    configure_logging()
    registry = assemble(read_settings(config_file))
    _warn(registry)
    listener = bind(*(_listen(listen) if listen else registry.settings.server.listen))
    url = f"http://{authority(*listener.getsockname()[:2])}"
    _welcome(registry, url, config.find_file(config_file))

    failures = FailureLimit()

    def say_ready() -> None:
        click.echo(json.dumps({"listening": url}) if as_json else f"orbitalreg: listening on {url}")

    if processes == 1:
        _serve(registry, listener, config_file, failures, say_ready)
    else:
        registry.close()
        registry.catalog.close()  # no connection may cross a fork
        metrics.share(registry.settings.data.path / "metrics")
        supervise(
            processes,
            lambda ready: _serve(
                assemble(read_settings(config_file)), listener, config_file, failures, ready, supervised=True
            ),
            say_ready,
            listener.close,
        )


def _serve(
    registry: Registry,
    listener: socket.socket,
    config_file: str | None,
    failures: FailureLimit,
    ready: Callable[[], None],
    supervised: bool = False,
) -> None:
    """Serve in this process until a signal ends it."""
    counts = metrics.Metrics()
    running = _Running(registry, counts, failures, config_file)
    server = Server(
        create_app(registry, counts, failures=failures),
        listener=listener,
        spool=registry.settings.data.path / "spool",
        threads=registry.settings.server.threads,
        max_body=registry.settings.server.max_upload + FORM_ALLOWANCE,
    )
    install_signals(server, lambda: running.reload(server), supervised=supervised)
    ready()
    server.run()
    running.close()


class _Running:
    """The registry that is served now."""

    def __init__(
        self, registry: Registry, counts: metrics.Metrics, failures: FailureLimit, config_file: str | None
    ) -> None:
        self.registry = registry
        self._counts = counts
        self._failures = failures
        self._config_file = config_file
        self._worker = Worker(registry.catalog, registry.handlers)
        self._worker.start()

    def close(self) -> None:
        self._worker.stop()
        self.registry.close()

    def reload(self, server: Server) -> None:
        """Serve by the configuration as it is now; where that is faulty, say so and go on by the old one."""
        try:
            registry = assemble(read_settings(self._config_file))
        except ConfigError as error:
            for problem in error.problems:
                logger.error("reload refused: %s", problem)
            return
        if registry.settings.data.path.resolve() != self.registry.settings.data.path.resolve():
            logger.error("reload refused: data.path: cannot change while the server runs; restart it")
            return registry.close()
        server.application = create_app(registry, self._counts, failures=self._failures)
        server.max_body = registry.settings.server.max_upload + FORM_ALLOWANCE
        former, self.registry = self.registry, registry
        worker, self._worker = self._worker, Worker(registry.catalog, registry.handlers)
        self._worker.start()
        worker.stop()
        former.close()
        del former, worker
        gc.collect()  # the former application is one great cycle, which would keep its connections and pages for long
        _warn(registry)
        logger.info("reloaded")


def _warn(registry: Registry) -> None:
    is_scanned = any(scanner.looks_for_faults for scanner in registry.scanning.scanners.values())
    for warning in registry.settings.warnings(is_scanned):
        logger.warning("%s", warning)


def _listen(text: str) -> tuple[str, int]:
    try:
        return config.parse_listen(text)
    except ValueError:
        raise click.BadParameter('write HOST:PORT, for example "127.0.0.1:8080"', param_hint="--listen") from None


def _welcome(registry: Registry, url: str, file: Path | None) -> None:
    """For a person at a terminal. The first start on the built-in default makes a token and shows it, once."""
    for line in (f"data: {registry.settings.data.path.resolve()}", f"configuration: {file or 'built-in default'}"):
        click.echo(line, err=True)
    if registry.accounts.has_tokens():
        return
    if file is not None:
        click.echo("no token yet: orbitalreg token create NAME --grant PROJECT/REPO:publish", err=True)
        return
    grants = [Grant(config.DEFAULT_PROJECT, None, None, Right.MAINTAIN)]
    token = registry.accounts.create_token(FIRST_ACCOUNT, None, grants, None, local_actor())
    click.echo(f"\nThe first token; it is shown this once:\n\n    export ORBITALREG_TOKEN={token.text}\n", err=True)
    for repository in registry.repositories.values():
        adapter = registry.formats[repository.format]
        takes_uploads = registry.receiver(repository) is not None
        for heading, lines in adapter.usage(f"{url}/{repository.format}/{repository.address}", takes_uploads):
            indented = lines.replace("\n", "\n    ")
            click.echo(f"{heading} ({repository.address}, {repository.kind}):\n\n    {indented}\n", err=True)

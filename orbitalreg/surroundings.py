"""Makes the instances of plugins that know callers, look at files or bring commands, and what each is handed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar

from orbitalreg import upstream
from orbitalreg.config import Settings
from orbitalreg.errors import ConfigError, InvalidName, PluginError, UpstreamFailed
from orbitalreg.interfaces import (
    Authenticator,
    Commands,
    Download,
    HttpClient,
    Scanner,
    Surroundings,
    TokenExchanger,
)
from orbitalreg.model import valid_name
from orbitalreg.plugins import Brought, Plugins

T = TypeVar("T", Authenticator, TokenExchanger, Commands, Scanner)


class ServerClient:
    """`interfaces.HttpClient`. Connections are kept between calls, and shared by threads."""

    def __init__(self, server: upstream.Upstream) -> None:
        self._server = server
        self._client = upstream.Client([server.origin])

    def get(self, url: str, *, max_bytes: int, accept: str = "*/*", seconds: float = 10.0) -> bytes:
        if seconds <= 0:
            raise UpstreamFailed(f"{self._server.origin} took too long")
        answer = self._client.fetch(self._server, url, max_bytes=max_bytes, accept=accept, seconds=seconds)
        if answer.status != 200:
            raise UpstreamFailed(f"{self._server.origin} answered {answer.status}", status=answer.status)
        return answer.body

    def post(self, url: str, body: bytes, *, max_bytes: int, content_type: str = "application/json") -> bytes:
        return self._client.ask(self._server, url, body, max_bytes=max_bytes, content_type=content_type).body

    def download(
        self,
        url: str,
        into: BinaryIO,
        *,
        max_bytes: int,
        etag: str | None = None,
        told: Callable[[int, int | None], None] = lambda received, length: None,
    ) -> Download:
        with self._client.stream(self._server, url, etag=etag) as stream:
            if stream.status == 304:
                return Download(False, etag=etag)
            if stream.status != 200:
                raise UpstreamFailed(f"{self._server.origin} answered {stream.status}", status=stream.status)
            received = 0
            for piece in stream:
                received += len(piece)
                if received > max_bytes:
                    raise UpstreamFailed(f"{self._server.origin} sent more than {max_bytes} bytes")
                into.write(piece)
                told(received, stream.length)
            return Download(True, received, stream.etag)


def client_of(server: str, ca_bundle: Path | None = None) -> HttpClient:
    """`interfaces.Clients`."""
    try:
        return ServerClient(upstream.Upstream(server, ca_bundle=ca_bundle, connect_seconds=5.0))
    except InvalidName as error:
        raise ConfigError([str(error)]) from error


def authenticators(settings: Settings, plugins: Plugins) -> Mapping[str, Authenticator]:
    """By name, in the order of the names. Raises `ConfigError`, `PluginError`."""
    return _instances(settings, plugins.authenticators)


def exchangers(settings: Settings, plugins: Plugins) -> Mapping[str, TokenExchanger]:
    """By name, in the order of the names. Raises `ConfigError`, `PluginError`."""
    made = _instances(settings, plugins.token_exchangers)
    if clash := {"user", "service", "group"} & made.keys():
        raise PluginError(f"a token exchanger cannot be called {min(clash)!r}: accounts of the host's are")
    audiences = {exchanger.audience: name for name, exchanger in made.items()}
    if len(audiences) > 1:
        told = ", ".join(f"{name}: {audience!r}" for audience, name in audiences.items())
        raise ConfigError([f"plugins: token exchangers must have one audience between them; found {told}"])
    return made


def commands(settings: Settings, plugins: Plugins) -> Mapping[str, Commands]:
    """By name, in the order of the names. Raises `ConfigError`, `PluginError`."""
    return _instances(settings, plugins.commands)


def scanners(settings: Settings, plugins: Plugins) -> Mapping[str, Scanner]:
    """By name, in the order of the names. Raises `ConfigError`, `PluginError`."""
    for name, brought in plugins.scanners.items():
        try:
            valid_name(name, "name of a scanner")
        except InvalidName as error:
            raise PluginError(f"plugin {brought.plugin!r}: {error}") from error
    return _instances(settings, plugins.scanners)


def _instances(settings: Settings, brought: Mapping[str, Brought[T]]) -> dict[str, T]:
    made: dict[str, T] = {}
    problems: list[str] = []
    for name, found in sorted(brought.items()):
        try:
            made[name] = _made(found.cls, found.plugin, settings)
        except ConfigError as error:
            problems += [f"plugins.{found.plugin}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return made


def _made(cls: Callable[[Surroundings], T], plugin: str, settings: Settings) -> T:
    options = settings.plugins.get(plugin, {})
    folder = settings.data.path / "plugins" / plugin
    try:
        return cls(Surroundings(options, settings.base, folder, client_of))
    except ConfigError:
        raise
    except Exception as error:  # foreign code: whatever it raises, the operator must learn which plugin it was
        raise PluginError(f"plugin {plugin!r} cannot be started: {error}") from error

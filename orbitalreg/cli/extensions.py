"""The host's own commands, imported where they are asked for, and those of the plugins that are enabled."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from typing import Any

import click

from orbitalreg import surroundings
from orbitalreg.assembly import read_settings
from orbitalreg.cli.common import Group, config_option
from orbitalreg.errors import ConfigError, OrbitalError, PluginError
from orbitalreg.plugins import Plugins


class Own(MutableMapping[str, click.Command]):
    """The host's commands by name. A command's module is imported when it is first asked for."""

    def __init__(self, package: str, places: Sequence[str]) -> None:
        """Each of `places` is MODULE.FUNCTION below `package`; a command is called like its function, `-` for `_`."""
        self._places = {place.rpartition(".")[2].replace("_", "-"): f"{package}.{place}" for place in places}
        self._imported: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._imported:
            module, _, function = self._places[name].rpartition(".")
            self._imported[name] = getattr(import_module(module), function)
        return self._imported[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._places.setdefault(name, "")
        self._imported[name] = command

    def __delitem__(self, name: str) -> None:
        del self._places[name]
        self._imported.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class ExtensibleGroup(Group):
    """The host's own commands, and beside them the plugins'. A configuration is read only where it matters."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._brought(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or self._brought(ctx).get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            ctx.obj = brought(_config_file(args), self.commands)
        return super().resolve_command(ctx, args)

    def _brought(self, ctx: click.Context) -> Mapping[str, click.Command]:
        """Without a word that asks for one of them: help is shown whatever the configuration is like."""
        if not isinstance(ctx.obj, dict):
            try:
                ctx.obj = brought(None, self.commands)
            except OrbitalError as error:
                ctx.obj = {}
                for problem in error.problems if isinstance(error, ConfigError) else [error]:
                    click.echo(f"orbitalreg: plugins' commands are not shown: {problem}", err=True)
        return dict(ctx.obj)


def brought(config_file: str | None, own: Iterable[str]) -> dict[str, click.Command]:
    """The commands of the enabled plugins by name. Raises `OrbitalError`."""
    settings = read_settings(config_file)
    plugins = Plugins.load(settings.enabled_plugins)
    for name in sorted(plugins.commands.keys() & set(own)):
        raise PluginError(f"plugin {plugins.commands[name].plugin!r} brings a command {name!r}, which is the host's")
    made = surroundings.commands(settings, plugins)
    return {name: with_config(commands.command()) for name, commands in made.items()}


def with_config(command: click.Command) -> click.Command:
    """`--config` is read here, before the command is made, and is part of its usage."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_config(below)
    elif not any("--config" in option.opts for option in command.params):
        command.callback = _without_config(command.callback)
        config_option(command)
    return command


def _without_config(callback: Any) -> Any:
    return lambda *args, config_file=None, **options: callback(*args, **options)


def _config_file(args: Sequence[str]) -> str | None:
    """What `--config` says among words that no command has parsed yet."""
    for number, word in enumerate(args):
        if word == "--":
            return None
        if word == "--config":
            return args[number + 1] if number + 1 < len(args) else None
        if word.startswith("--config="):
            return word.removeprefix("--config=")
    return None

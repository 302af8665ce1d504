"""Commands that plugins bring: those of the plugins that the configuration enables."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from orbitalreg import surroundings
from orbitalreg.assembly import read_settings
from orbitalreg.cli.common import Group, config_option
from orbitalreg.errors import ConfigError, OrbitalError, PluginError
from orbitalreg.plugins import Plugins


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


def brought(config_file: str | None, own: Mapping[str, click.Command]) -> dict[str, click.Command]:
    """The commands of the enabled plugins by name. Raises `OrbitalError`."""
    settings = read_settings(config_file)
    plugins = Plugins.load(settings.enabled_plugins)
    for name in sorted(plugins.commands.keys() & own.keys()):
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

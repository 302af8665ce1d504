"""What every command shares: its options, its exit codes, how it prints.

Exit 0: done, an empty answer too. 1: refused or failed, with one line on stderr for each reason. 2: wrong usage.
"""

import getpass
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, TypeVar

import click
from tabulate import tabulate

from orbitalreg.assembly import Registry, assemble, read_settings
from orbitalreg.errors import ConfigError, InvalidName, OrbitalError
from orbitalreg.model import Actor
from orbitalreg.times import to_the_second

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Group(click.Group):
    """Turns the project's errors into exit code 1 and lines on stderr."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(f"orbitalreg: {problem}", err=True)
        except OrbitalError as error:
            click.echo(f"orbitalreg: {error}", err=True)
        ctx.exit(1)


def config_option(command: F) -> F:
    """`--config FILE`."""
    return click.option(
        "--config",
        "config_file",
        metavar="FILE",
        help="The configuration; else $ORBITALREG_CONFIG, ./orbitalreg.toml, or the built-in default.",
    )(command)


def unicode_text(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """An option's callback: what the terminal sent that is no text could neither be kept nor shown."""
    if value is not None and any("\ud800" <= char <= "\udfff" for char in value):
        raise click.BadParameter("it is not UTF-8", context, option)
    return value


def usage(parse: Callable[[str], T], text: str, option: str) -> T:
    """`parse(text)`; what it refuses is wrong usage of `option`."""
    try:
        return parse(text)
    except InvalidName as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def json_option(command: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


@contextmanager
def opened(config_file: str | None) -> Iterator[Registry]:
    """The configured registry, beside a running server or not. Raises `OrbitalError`."""
    registry = assemble(read_settings(config_file))
    try:
        yield registry
    finally:
        registry.close()


def local_actor() -> Actor:
    """Whom the audit log names for what is done at the machine."""
    try:
        return Actor(f"local:{getpass.getuser()}")
    except (KeyError, OSError):  # a container's user without a name
        return Actor("local:unknown")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def plain_json(value: Any) -> Any:
    """What JSON has no types for, as text: times to the second, and days."""
    if isinstance(value, dict):
        return {key: plain_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain_json(part) for part in value]
    if isinstance(value, datetime):
        return to_the_second(value)
    return value.isoformat() if isinstance(value, date) else value


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, nothing: str) -> None:
    """A table for people, a list for programs; `nothing` is what people read where there is no row."""
    if as_json:
        print_json([dict(row) for row in rows])
    elif rows:
        shown = [{key: visible(value) for key, value in row.items()} for row in rows]
        click.echo(tabulate(shown, headers="keys", tablefmt="simple", disable_numparse=True))
    else:
        click.echo(nothing, err=True)


def visible(value: Any) -> Any:
    """As a table has it: nothing for None, and no character that would steer a terminal, since others wrote it."""
    if isinstance(value, str) and not value.isprintable():
        return "".join(char if char.isprintable() else " " for char in value)
    return "" if value is None else value

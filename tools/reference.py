"""Writes the parts of the reference pages that follow from the code; the tests hold the pages against it.

python tools/reference.py        rewrites docs/reference/*.md between their markers
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from orbitalreg import config
from orbitalreg.cli import main

PAGES = Path(__file__).parent.parent / "docs" / "reference"
BLOCK = re.compile(r"(<!-- generated: (?P<name>\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

UNITS = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]


def settings_table(model: type[BaseModel]) -> str:
    """The keys of one table of the configuration."""
    rows = [
        f"| `{name}` | {_default(name, field)} | {str(field.description).replace('<', chr(92) + '<')} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(["", "| key | default | meaning |", "|---|---|---|", *rows, "", ""])


def _default(name: str, field: Any) -> str:
    if field.is_required():
        return "must be given"
    value = field.default
    if value is None:
        return "none"
    if name == "listen":
        value = "{}:{}".format(*value)
    elif name == "max_upload":
        value = next(f"{value // size}{unit}" for size, unit in UNITS if value % size == 0)
    if isinstance(value, bool | int):
        return f"`{str(value).lower()}`"
    return f"`{list(value)}`" if isinstance(value, tuple) else f'`"{value}"`'


def commands() -> str:
    """Every command with its help, as a terminal of 100 columns shows it."""
    return "\n" + "\n".join(
        f"## {path}\n\n```text\n{help_text.rstrip()}\n```\n" for path, help_text in _commands(main, "orbitalreg", None)
    )


def _commands(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    name = path.split()[-1]
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            child = command.get_command(context, below)
            assert child is not None
            yield from _commands(child, f"{path} {below}", context)
    else:
        yield path, command.get_help(context)


GENERATED: dict[str, Callable[[], str]] = {
    "server": lambda: settings_table(config.ServerSettings),
    "data": lambda: settings_table(config.DataSettings),
    "storage": lambda: settings_table(config.StorageSettings),
    "repository": lambda: settings_table(config.RepositorySettings),
    "commands": commands,
}


def rewritten(text: str) -> str:
    """A page with its generated parts as the code has them now."""
    return BLOCK.sub(lambda match: match[1] + GENERATED[match["name"]]() + match[4], text)


if __name__ == "__main__":
    for page in sorted(PAGES.glob("*.md")):
        page.write_text(rewritten(page.read_text("utf-8")), "utf-8")
        sys.stdout.write(f"{page.name}\n")

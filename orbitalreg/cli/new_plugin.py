"""`orbitalreg new-plugin`: a plugin to begin with, from the templates of this package."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

from orbitalreg import __version__
from orbitalreg.cli.common import json_option, print_json, usage
from orbitalreg.errors import ConfigError, InvalidName

KINDS = ("scanner",)
PREFIX = "orbitalreg-"
MAX_NAME = 40
_TEMPLATES = files("orbitalreg") / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SUFFIX = ".in"


@click.command("new-plugin")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.argument("folder", required=False, metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path))
@json_option
def new_plugin(kind: str, name: str, folder: Path | None, as_json: bool) -> None:
    """Write a package with a plugin that works, into DIR (./NAME). Nothing that is there is touched."""
    words = usage(_words, name, "NAME")
    folder = folder or Path(words["name"])
    _refuse_full(folder)
    wrote = [_write(folder / path, text) for path, text in _texts(kind, words)]
    if as_json:
        return print_json({"plugin": words["name"], "wrote": [str(path) for path in wrote]})
    click.echo(_filled((_TEMPLATES / f"{kind}.next").read_text(), words | {"folder": str(folder)}), nl=False)


def _words(name: str) -> dict[str, str]:
    """What stands in the templates for `$name` and what follows from it. Raises `InvalidName`."""
    name = name.removeprefix(PREFIX)
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise InvalidName(
            f"{name!r} cannot name a plugin: use up to {MAX_NAME} of a-z, 0-9 and single '-', with a letter first"
        )
    camel = "".join(part.capitalize() for part in name.split("-"))
    return {
        "name": name,
        "distribution": f"{PREFIX}{name}",
        "module": f"{PREFIX}{name}".replace("-", "_"),
        "cls": camel if re.search(".Scanner$", camel) else f"{camel}Scanner",
        "series": ".".join(__version__.split(".")[:2]),
    }


def _refuse_full(folder: Path) -> None:
    """Raises `ConfigError` where something is in the folder's place."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError([f"{folder}: is there already; remove it first, or give another folder after the name"])


def _texts(kind: str, words: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Each file's place in the folder, and what it says."""
    for path, template in _templates(_TEMPLATES / kind, Path()):
        yield Path(_filled(str(path), words).removesuffix(_SUFFIX)), _filled(template.read_text("utf-8"), words)


def _templates(folder: Traversable, below: Path) -> Iterator[tuple[Path, Traversable]]:
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        if part.is_dir():
            yield from _templates(part, below / part.name)
        elif part.name.endswith(_SUFFIX):
            yield below / part.name, part


def _filled(text: str, words: Mapping[str, str]) -> str:
    return Template(text).substitute(words)


def _write(target: Path, text: str) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror}"]) from error
    return target

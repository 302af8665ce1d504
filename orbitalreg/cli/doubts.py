"""Warnings of grants that speak of nothing, as the configuration is now."""

from collections.abc import Sequence
from difflib import get_close_matches
from string import ascii_lowercase

import click

from orbitalreg.assembly import Registry
from orbitalreg.errors import InvalidName
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Address, Grant


def doubts(registry: Registry, grants: Sequence[Grant]) -> list[str]:
    """One line for each grant that speaks of nothing, as the configuration is now."""
    return [f"{grant}: {doubt}" for grant in grants if (doubt := _doubt(registry, grant))]


def warn(lines: Sequence[str]) -> None:
    """On stderr; what was asked for is done."""
    for line in lines:
        click.echo(f"orbitalreg: warning: {line}", err=True)


def _doubt(registry: Registry, grant: Grant) -> str | None:
    """Why there is nothing of which `grant` speaks, as the configuration is now; None where there may be."""
    if not any(grant.touches(address) for address in registry.repositories):
        return _unknown(registry, grant)
    if grant.repository is None or grant.pattern is None:
        return None
    adapter = registry.formats[registry.repositories[Address(grant.project, grant.repository)].format]
    try:
        normal = _normal(adapter, grant.pattern)
    except InvalidName:
        return f"{grant.pattern} matches no package: there are no such names in format {adapter.name}"
    if normal == grant.pattern:
        return None
    return f"{grant.pattern} matches no package; format {adapter.name} writes it {normal}"


def _unknown(registry: Registry, grant: Grant) -> str:
    what, wanted = "repository", f"{grant.project}/{grant.repository}"
    known = sorted(map(str, registry.repositories))
    if grant.repository is None:
        what, wanted = "project", grant.project
        known = sorted({address.project for address in registry.repositories})
    near = get_close_matches(wanted, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"configured are: {', '.join(known) or 'none'}"
    return f"there is no {what} {wanted}; {hint}"


def _normal(adapter: FormatAdapter, pattern: str) -> str:
    """`pattern` as the format writes names: letters that are not in it stand for its wildcards meanwhile.

    Raises `InvalidName` where no name can be like it.
    """
    unused = [letter for letter in ascii_lowercase if letter not in pattern.lower()]
    pairs = list(zip(unused, "*?", strict=False))
    for letter, wildcard in pairs:
        pattern = pattern.replace(wildcard, letter)
    normal = adapter.normalize(pattern)
    for letter, wildcard in pairs:
        normal = normal.replace(letter, wildcard)
    return normal

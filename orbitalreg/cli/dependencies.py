"""`orbitalreg graph`, `dependents` and `affected`: what comes with what, and who is hit by it."""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from orbitalreg.cli.backends import Backend, backend, server_option
from orbitalreg.cli.common import config_option, json_option, plain_json, print_json, print_rows, usage
from orbitalreg.cli.packages import Named, parse_package
from orbitalreg.cli.sources import download_rows
from orbitalreg.errors import Busy, Forbidden, NotFound
from orbitalreg.exports.graphs import DRAWINGS, summed_up, tree, worst_path
from orbitalreg.exports.paths import instead, path_words
from orbitalreg.model import Address
from orbitalreg.summaries import Affected, Dependent, TokenDownloads

_COLOURS = {"malicious": "magenta", "critical": "red", "high": "red", "medium": "yellow", "low": "blue"}


@click.command()
@click.argument("version", metavar="PROJECT/REPO/NAME[==VERSION]")
@click.option("--environment", metavar="TEXT", help="In this environment alone, as graphs name it.")
@click.option("--depth", type=click.IntRange(1, 100), help="How many steps from the version at most.")
@click.option("--svg", "form", flag_value="svg", help="Print a picture.")
@click.option("--dot", "form", flag_value="dot", help="Print the language of Graphviz.")
@config_option
@server_option
@json_option
def graph(
    version: str,
    environment: str | None,
    depth: int | None,
    form: str | None,
    config_file: str | None,
    server: str | None,
    as_json: bool,
) -> None:
    """What a version brings along, as a tree: what installers would choose today, and what is wrong with it.

    Without ==VERSION, of the newest. Each version is told once, and referred to where it comes again.
    """
    if as_json and form:
        raise click.UsageError(f"--json and --{form} are two things: give one of them")
    named = parse_package(version)
    with backend(config_file, server) as registry:
        found = registry.graph(named.address, named.package, _chosen(registry, named), environment, depth)
    if as_json:
        return print_json(plain_json(asdict(found)))
    if form:
        draw, _ = DRAWINGS[form]
        return click.echo(draw(found), nl=False)
    for line in tree(found, _coloured if _has_colours() else lambda words, severity: words):
        click.echo(line, color=_has_colours())
    click.echo("\n" + "; ".join([summed_up(found), *([worst_path(found)] if found.nodes[0].exposed else [])]))


def _chosen(registry: Backend, named: Named) -> str:
    """The version that is named, else the newest. Raises `NotFound`."""
    if named.version is not None:
        return named.version
    newest = registry.package(named.address, named.package).newest
    if newest is None:
        place = f"{named.address}/{named.package}"
        raise NotFound(
            f"{place} shows no version: name one by ==VERSION; orbitalreg explain {place} says which there are"
        )
    return newest


def _has_colours() -> bool:
    """On a terminal, unless its user wants none (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _coloured(words: str, severity: str) -> str:
    return click.style(words, fg=_COLOURS.get(severity), bold=severity in ("malicious", "critical") or None)


@click.command()
@click.argument("package", metavar="PROJECT/REPO/NAME[==VERSION]")
@click.option("--transitive", is_flag=True, help="Also who gets it by others, each version once.")
@config_option
@server_option
@json_option
def dependents(package: str, transitive: bool, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Who asks for a package, in what words, and what installers would choose for that today.

    With ==VERSION, only those for which that version is chosen.
    """
    named = parse_package(package)
    with backend(config_file, server) as registry:
        found = list(registry.dependents(named.address, named.package, named.version, transitive))
    if as_json:
        return print_json([plain_json(asdict(one)) for one in found])
    _print(map(_dependent, found), f"nobody asks for {package}")


def _dependent(one: Dependent) -> dict[str, Any]:
    extras = f"[{','.join(one.extras)}]" if one.extras else ""
    row = {
        "package": one.package + extras,
        "version": one.version,
        "asks for": one.stated,
        "gets": one.chosen or one.reason or "nothing yet",
    }
    if len(one.path) > 1:
        row["gets"] = path_words(one.path)
    return {**row, **_where(one)}


def _where(one: Affected | Dependent) -> dict[str, str]:
    return {"held": "here" if one.is_held else "upstream", "in": ", ".join(one.environments)}


def _print(rows: Iterable[dict[str, Any]], nothing: str) -> None:
    """Where something is held is told where that is not here for all of them, and what to take where there is any.
    In which environments is told where that is not the same for all.
    """
    told = list(rows)
    for key, usual in (("held", "here"), ("instead", ""), ("in", told[0]["in"] if told else "")):
        if all(row.get(key, usual) == usual for row in told):
            for row in told:
                row.pop(key, None)
    print_rows(told, False, nothing)


@click.command()
@click.argument("vulnerability", metavar="ID")
@click.option("--repo", "repository", metavar="PROJECT/REPO", help="In this repository alone.")
@click.option(
    "--days",
    type=click.IntRange(0, 366),
    default=30,
    show_default=True,
    help="Also say who fetched it, on so many days up to today; 0 says nothing of it.",
)
@config_option
@server_option
@json_option
def affected(
    vulnerability: str, repository: str | None, days: int, config_file: str | None, server: str | None, as_json: bool
) -> None:
    """Who is hit by a vulnerability (CVE, GHSA or any other id) in which repository, by what, and who fetched it.

    Exit 0 also where nobody has it.
    """
    if not vulnerability.strip():
        raise click.UsageError("ID is empty: give that of a vulnerability, such as CVE-2019-10906")
    address = None if repository is None else usage(Address.parse, repository, "--repo")
    with backend(config_file, server) as registry:
        places = [address] if address is not None else list(registry.may_have(vulnerability))
        hits = _hits(registry, places, vulnerability)
        fetched = _fetched(registry, places, vulnerability, days) if hits and days else []
    if as_json:
        found = {
            "vulnerability": vulnerability,
            "affected": [asdict(hit) for hit in hits],
            "days": days,
            "downloads": None if fetched is None else [asdict(row) for row in fetched],
        }
        return print_json(plain_json(found))
    _print(map(_hit, hits), f"nobody here has {vulnerability}")
    if hits and days:
        _tell_downloads(fetched, days)


def _hits(registry: Backend, places: Sequence[Address], vulnerability: str) -> list[Affected]:
    """Where one of several places cannot be looked into, that is told beside. Raises `NotFound` or `Busy` where none
    can.
    """
    hits: list[Affected] = []
    faults: list[NotFound | Busy] = []
    for place in places:
        try:
            hits += registry.affected(place, vulnerability)
        except (NotFound, Busy) as error:
            faults.append(error)
    if faults and len(faults) == len(places):
        raise faults[0]
    for fault in faults:
        click.echo(f"not looked into: {fault}", err=True)
    return hits


def _fetched(
    registry: Backend, places: Iterable[Address], vulnerability: str, days: int
) -> list[TokenDownloads] | None:
    """Each download once, in however many views its file is; None where this token may not be told."""
    found: dict[tuple[str, str | None], TokenDownloads] = {}
    try:
        for place in places:
            for row in registry.affected_downloads(place, vulnerability, days):
                found.setdefault((row.file_id, row.token), row)
    except (Busy, Forbidden, NotFound):
        return None
    return list(found.values())


def _hit(hit: Affected) -> dict[str, Any]:
    return {
        "repository": hit.repository,
        "package": hit.package,
        "version": hit.version,
        "severity": hit.finding.severity,
        "by": path_words(hit.path) or "itself",
        "fixed in": hit.finding.fixed_in,
        "instead": instead(hit.is_unavoidable, hit.upgrade),
        **_where(hit),
    }


def _tell_downloads(fetched: Sequence[TokenDownloads] | None, days: int) -> None:
    if fetched is None:
        return click.echo("who fetched it is told to those who may maintain the repository", err=True)
    if not fetched:
        return click.echo(f"\nnobody fetched any of it in the last {days} days")
    click.echo(f"\nfetched in the last {days} days:")
    print_rows(download_rows(fetched), False, "")

"""`orbitalreg grant`."""

from dataclasses import asdict
from typing import Any

import click

from orbitalreg.cli.backends import backend, server_option
from orbitalreg.cli.common import config_option, json_option, print_json, print_rows, usage
from orbitalreg.model import Grant
from orbitalreg.rights import valid_principal
from orbitalreg.summaries import Granted, GrantSummary

GRANT = "PROJECT[/REPO[/PATTERN]]:RIGHT"


@click.group()
def grant() -> None:
    """Give users, service accounts and groups their rights, list them, and take them back."""


@grant.command("add")
@click.argument("principal", metavar="PRINCIPAL")
@click.argument("grants", metavar=f"{GRANT}...", nargs=-1, required=True)
@config_option
@server_option
@json_option
def add(principal: str, grants: tuple[str, ...], config_file: str | None, server: str | None, as_json: bool) -> None:
    """Give user:NAME, service:NAME or group:NAME a right: read, publish, maintain or admin. What they have stays."""
    usage(valid_principal, principal, "PRINCIPAL")
    parsed = [usage(Grant.parse, text, "GRANT") for text in grants]
    with backend(config_file, server) as registry:
        has = registry.give(principal, parsed)
    _tell(has, as_json)


@grant.command("list")
@click.argument("principal", metavar="[PRINCIPAL]", required=False)
@click.option("--project", metavar="P", help="Only grants in this project; through a server it must be given.")
@config_option
@server_option
@json_option
def list_grants(
    principal: str | None, project: str | None, config_file: str | None, server: str | None, as_json: bool
) -> None:
    """Who was given what and where that stands: in the configuration, or in the catalog, where `grant add` puts it.

    Of user:NAME, with what the groups have that the user is in.
    """
    if principal is not None:
        usage(valid_principal, principal, "PRINCIPAL")
    if server is not None and project is None:
        raise click.UsageError("--server tells of one project, whose admin you are: give --project too")
    with backend(config_file, server) as registry:
        rows = [_row(found, as_json) for found in registry.grants_listed(project, principal)]
    print_rows(rows, as_json, "no grant was given yet" if principal is None else f"{principal} has no grant")


def _row(found: GrantSummary, in_full: bool) -> dict[str, Any]:
    sources = found.sources if in_full else ", ".join(found.sources)
    return {"principal": found.principal, "grant": found.grant, "from": sources}


@grant.command("remove")
@click.argument("principal", metavar="PRINCIPAL")
@click.argument("text", metavar=GRANT)
@config_option
@server_option
@json_option
def remove(principal: str, text: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Take a grant back, from every token too. One of the configuration is taken back there."""
    usage(valid_principal, principal, "PRINCIPAL")
    parsed = usage(Grant.parse, text, "GRANT")
    with backend(config_file, server) as registry:
        has = registry.take_back(principal, parsed)
    _tell(has, as_json)


def _tell(has: Granted, as_json: bool) -> None:
    if as_json:
        print_json(asdict(has))
    else:
        click.echo(f"{has.principal} has there now: {' '.join(has.grants) or 'nothing'}")

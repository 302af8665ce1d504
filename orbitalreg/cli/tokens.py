"""`orbitalreg token`."""

from collections.abc import Callable
from typing import TypeVar

import click

from orbitalreg.cli.common import config_option, json_option, local_actor, moment, opened, print_json, print_rows
from orbitalreg.config import parse_duration
from orbitalreg.errors import InvalidName
from orbitalreg.model import Grant, Microseconds, now

T = TypeVar("T")


@click.group()
def token() -> None:
    """Make, list and revoke tokens."""


@token.command("create")
@click.argument("name")
@click.option("--user", help="Whose token it is; without this, NAME is a service account, made if absent.")
@click.option(
    "--grant",
    "grants",
    multiple=True,
    required=True,
    metavar="PROJECT[/REPO[/PATTERN]]:RIGHT",
    help="What it may do: read, publish, maintain or admin. May be given several times.",
)
@click.option("--expires", metavar="DURATION", help="For how long it is good, for example 90d; else for ever.")
@config_option
@json_option
def create(
    name: str, user: str | None, grants: tuple[str, ...], expires: str | None, config_file: str | None, as_json: bool
) -> None:
    """Make a token; it alone is printed, and never again."""
    parsed = [_usage(Grant.parse, text, "--grant") for text in grants]
    expires_at = _usage(_expiry, expires, "--expires") if expires else None
    with opened(config_file) as registry:
        made = registry.accounts.create_token(name, user, parsed, expires_at, local_actor())
    if as_json:
        print_json({"id": made.id, "token": made.text, "expires": moment(expires_at)})
    else:
        click.echo(made.text)


@token.command("list")
@config_option
@json_option
def list_tokens(config_file: str | None, as_json: bool) -> None:
    """Every token, without its secret."""
    with opened(config_file) as registry:
        rows = [
            {
                "id": row.id,
                "name": row.name,
                "account": row.account,
                "state": row.state,
                "grants": " ".join(map(str, row.grants)),
                "created": moment(row.created_at),
                "expires": moment(row.expires_at),
                "last used": moment(row.last_used_at),
            }
            for row in registry.accounts.tokens()
        ]
    print_rows(rows, as_json, "there is no token yet")


@token.command("revoke")
@click.argument("name")
@config_option
@json_option
def revoke(name: str, config_file: str | None, as_json: bool) -> None:
    """Revoke the token of this id, or every one of this NAME; the next request with it is refused."""
    with opened(config_file) as registry:
        revoked = registry.accounts.revoke(name, local_actor())
    if as_json:
        print_json({"revoked": revoked})
    else:
        click.echo(f"revoked: {', '.join(revoked)}")


def _expiry(text: str) -> Microseconds:
    return now() + parse_duration(text) * 1_000_000


def _usage(parse: Callable[[str], T], text: str, option: str) -> T:
    """`parse(text)`; what it refuses is wrong usage of `option`."""
    try:
        return parse(text)
    except InvalidName as error:
        raise click.BadParameter(str(error), param_hint=option) from None

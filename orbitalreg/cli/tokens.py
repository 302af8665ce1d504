"""`orbitalreg token`."""

from collections.abc import Sequence
from typing import Any

import click

from orbitalreg.assembly import Registry
from orbitalreg.cli.backends import backend, server_option
from orbitalreg.cli.common import config_option, json_option, local_actor, opened, print_json, print_rows, usage
from orbitalreg.cli.doubts import doubts, warn
from orbitalreg.config import parse_duration
from orbitalreg.delegation import MAX_OVERLAP
from orbitalreg.errors import InvalidName
from orbitalreg.granting import beyond
from orbitalreg.model import Grant, Microseconds, now
from orbitalreg.summaries import TokenSummary
from orbitalreg.times import moment, to_the_second

MAX_SECONDS = 100 * 366 * 24 * 3600  # what lies far beyond is no date that could be told


@click.group()
def token() -> None:
    """Make, list, rotate and revoke tokens."""


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
    parsed = [usage(Grant.parse, text, "--grant") for text in grants]
    expires_at = usage(_expiry, expires, "--expires") if expires else None
    with opened(config_file) as registry:
        expires_at = registry.accounts.last_moment(expires_at)
        made = registry.accounts.create_token(name, user, parsed, expires_at, local_actor())
        warn([*doubts(registry, parsed), *_beyond(registry, user, parsed)])
    if as_json:
        print_json({"id": made.id, "token": made.text, "expires": moment(expires_at)})
    else:
        click.echo(made.text)


def _beyond(registry: Registry, user: str | None, grants: Sequence[Grant]) -> list[str]:
    """One line for each grant of a personal token that its user does not have."""
    if user is None:
        return []
    lacking = beyond(registry.catalog.read(), registry.accounts.rights, f"user:{user}", grants)
    return [
        f"{grant}: {user} does not have it, and a token never has more than its user; "
        f"give it: orbitalreg grant add user:{user} {grant}"
        for grant in lacking
    ]


@token.command("list")
@config_option
@server_option
@json_option
def list_tokens(config_file: str | None, server: str | None, as_json: bool) -> None:
    """Every token, without its secret; through a server, those of your own account."""
    with backend(config_file, server) as registry:
        rows = [_row(found) for found in registry.tokens()]
    print_rows(rows, as_json, "there is no token yet")


def _row(found: TokenSummary) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "account": found.account,
        "state": found.state,
        "grants": " ".join(found.grants),
        "created": to_the_second(found.created_at),
        "expires": to_the_second(found.expires_at),
        "last used": to_the_second(found.last_used_at),
    }


@token.command("revoke")
@click.argument("name")
@config_option
@server_option
@json_option
def revoke(name: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Revoke the token of this id, or every one of this NAME; the next request with it is refused."""
    with backend(config_file, server) as registry:
        revoked = registry.revoke(name)
    if as_json:
        print_json({"revoked": list(revoked)})
    else:
        click.echo(f"revoked: {', '.join(revoked)}")


@token.command("rotate")
@click.argument("name", metavar="NAME|ID")
@click.option(
    "--overlap",
    metavar="DURATION",
    default="24h",
    show_default=True,
    help="For how long the old one stays good beside the new one; at most 7d.",
)
@config_option
@server_option
@json_option
def rotate(name: str, overlap: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Make a token with the same grants in the place of another; the new one alone is printed, and never again."""
    seconds = usage(_overlap, overlap, "--overlap")
    with backend(config_file, server) as registry:
        made = registry.rotate(name, seconds)
    if as_json:
        print_json({"id": made.id, "token": made.token, "expires": to_the_second(made.expires_at)})
    else:
        click.echo(made.token)


def _overlap(text: str) -> int:
    seconds = parse_duration(text)
    if seconds > MAX_OVERLAP:
        raise InvalidName(f"{text!r} is more than 7d")
    return seconds


def _expiry(text: str) -> Microseconds:
    seconds = parse_duration(text)
    if seconds > MAX_SECONDS:
        raise InvalidName(f"{text!r} is longer than a hundred years; leave it out for ever")
    return now() + seconds * 1_000_000

"""`orbitalreg user` and `orbitalreg service`: who there is, and whose tokens are refused."""

from typing import Any

import click

from orbitalreg.cli.common import config_option, json_option, local_actor, opened, print_json, print_rows
from orbitalreg.granting import accounts_listed
from orbitalreg.summaries import AccountSummary
from orbitalreg.times import to_the_second


@click.group()
def user() -> None:
    """Add, list, disable and enable users."""


@click.group()
def service() -> None:
    """List, disable and enable service accounts; the first token makes one."""


@user.command("add")
@click.argument("name")
@config_option
@json_option
def add(name: str, config_file: str | None, as_json: bool) -> None:
    """Add a user, who may do what they are then given: orbitalreg grant add user:NAME ..."""
    with opened(config_file) as registry:
        added = registry.accounts.add_user(name, local_actor())
    if as_json:
        print_json({"user": name, "added": added})
    else:
        click.echo(f"added user {name}" if added else f"user {name} is there already")


def _listing(group: click.Group, kind: str, what: str) -> None:
    def show(config_file: str | None, as_json: bool) -> None:
        with opened(config_file) as registry:
            found = accounts_listed(registry.catalog.read(), registry.accounts.rights, kind)
        print_rows([_row(account, kind, as_json) for account in found], as_json, f"there is no {what} yet")

    help_text = f"Every {what}: whether it is disabled, its grants and tokens, and when a token was last used."
    group.command("list", help=help_text)(config_option(json_option(show)))


def _row(account: AccountSummary, kind: str, in_full: bool) -> dict[str, Any]:
    """People are told how many grants there are, programs which."""
    row = {
        kind: account.name,
        "state": account.state,
        "groups": account.groups if in_full else " ".join(account.groups),
        "grants": account.grants if in_full else len(account.grants),
        "tokens": account.tokens,
        "added": to_the_second(account.added_at),
        "last used": to_the_second(account.last_used_at),
    }
    return row if kind == "user" else {key: value for key, value in row.items() if key != "groups"}


def _switch(group: click.Group, kind: str, verb: str, disabled: bool, help_text: str) -> None:
    def switch(name: str, config_file: str | None, as_json: bool) -> None:
        with opened(config_file) as registry:
            registry.accounts.set_disabled(f"{kind}:{name}", disabled, local_actor())
        if as_json:
            print_json({kind: name, "state": "disabled" if disabled else "active"})
        else:
            click.echo(f"{verb}d {kind} {name}")

    group.command(verb, help=help_text)(click.argument("name")(config_option(json_option(switch))))


for _group, _kind, _what in ((user, "user", "user"), (service, "service", "service account")):
    _listing(_group, _kind, _what)
    _switch(_group, _kind, "disable", True, "Refuse every token of NAME, and a password, from the next request on.")
    _switch(_group, _kind, "enable", False, "Take back a disable: what NAME was given counts again.")

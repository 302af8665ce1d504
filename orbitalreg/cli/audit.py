"""`orbitalreg audit`: who changed what, who was refused, and whether the log is as it was written."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

import click
from pydantic import TypeAdapter

from orbitalreg.audit import chain, told
from orbitalreg.audit.chain import Anchor, Fault, Verdict
from orbitalreg.catalog import audit_entries
from orbitalreg.catalog.audit_entries import Search
from orbitalreg.cli.common import config_option, json_option, opened, plain_json, print_json, print_rows, usage
from orbitalreg.config import parse_duration
from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.model import Microseconds, now
from orbitalreg.summaries import AuditEntry
from orbitalreg.times import microseconds, moment

F = TypeVar("F", bound=Callable[..., Any])

_ENTRY = TypeAdapter(AuditEntry)


class _Audit(click.Group):
    """`orbitalreg audit` alone, and with options at once, is `orbitalreg audit list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Audit)
def audit() -> None:
    """Who changed what, and who was refused; without a command, `list`."""


def _search_options(command: F) -> F:
    """The options that choose entries; the command gets them as one `Search`."""

    @wraps(command)
    def chosen(*arguments: Any, **options: Any) -> Any:
        given = {name: options.pop(name) for name in ("actor", "action", "target", "project", "outcome", "token_id")}
        since, until = (options.pop(name) for name in ("since", "until"))
        search = Search(
            usage(_instant, since, "--since") if since else None,
            usage(_instant, until, "--until") if until else None,
            **given,
        )
        return command(*arguments, search=search, **options)

    for option in reversed(_OPTIONS):
        option(chosen)
    return chosen  # type: ignore[return-value]


_OPTIONS = [
    click.option("--since", metavar="TIME", help="From then on: a day, a time (UTC), or a duration before now (24h)."),
    click.option("--until", metavar="TIME", help="Before then."),
    click.option("--actor", help="Who: service:ci, user:ann, anonymous, local:root; * for any characters."),
    click.option("--action", help="What: file.publish, token.revoke; * for any characters."),
    click.option("--target", help="On what: acme/internal/my-pkg==1.0, a token's id; * for any characters."),
    click.option("--project", help="What is about this project."),
    click.option("--outcome", type=click.Choice(["done", "refused"]), help="Only what was done, or what was refused."),
    click.option("--token", "token_id", metavar="ID", help="With this token."),
]


def _instant(text: str) -> Microseconds:
    """Raises `InvalidName`."""
    if text[-1:].isalpha() and text[:-1].isdigit():
        return now() - parse_duration(text) * 1_000_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidName(f"{text!r} is no time: write 2026-11-28, 2026-11-28T10:00:00Z or 24h") from None
    return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@audit.command("list")
@_search_options
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@config_option
@json_option
def list_entries(search: Search, limit: int, config_file: str | None, as_json: bool) -> None:
    """The last entries that match, oldest first."""
    with opened(config_file) as registry:
        found = [told(*row) for row in audit_entries.latest(registry.catalog.read(), search, limit)]
    if as_json:
        return print_json([plain_json(asdict(entry)) for entry in found])
    print_rows([_row(entry) for entry in found], False, "there is no such entry")


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": plain_json(entry.at),
        "actor": entry.actor,
        "token": entry.token,
        "from": entry.address,
        "action": entry.action,
        "target": entry.target,
        "outcome": entry.outcome if entry.reason is None else f"{entry.outcome}: {entry.reason}",
    }


@audit.command("export")
@_search_options
@config_option
@json_option
def export(search: Search, config_file: str | None, as_json: bool) -> None:
    """Every entry that matches as JSON lines, in the order of the chain; those not linked yet come last."""
    with opened(config_file) as registry:
        for row in audit_entries.in_order(registry.catalog.read(), search):
            click.echo(_ENTRY.dump_json(told(*row)))


@audit.command("head")
@config_option
@json_option
def head(config_file: str | None, as_json: bool) -> None:
    """The anchor: keep it elsewhere, and `verify --anchor` tells whether the log up to it is the same."""
    with opened(config_file) as registry:
        last = chain.head(registry.catalog.read())
    if last is None:
        raise NotFound("no entry is linked yet; orbitalreg serve, or orbitalreg worker --once, links them")
    if as_json:
        return print_json({"number": last.number, "hash": last.hash, "at": moment(last.linked_at)})
    click.echo(f"{Anchor(last.number, last.hash)} {moment(last.linked_at)}")


@audit.command("verify")
@click.option("--anchor", metavar="NUMBER:HASH", help="What `audit head` printed once.")
@config_option
@json_option
def verify(anchor: str | None, config_file: str | None, as_json: bool) -> None:
    """Whether an entry was removed or edited since it was linked; exit 1 where one was."""
    parsed = usage(Anchor.parse, anchor, "--anchor") if anchor else None
    with opened(config_file) as registry:
        found = chain.verify(registry.catalog, parsed)
    if as_json:
        print_json(_told(found))
    else:
        _say(found, parsed)
    if found.faults:
        raise click.exceptions.Exit(1)


def _told(found: Verdict) -> dict[str, Any]:
    return {
        "ok": not found.faults,
        "linked": found.linked,
        "head": found.head and {"number": found.head.number, "hash": found.head.hash},
        "not_linked": found.unlinked,
        "oldest_not_linked": moment(found.oldest_unlinked),
        "faults": [{**asdict(fault), "at": moment(fault.at)} for fault in found.faults],
    }


def _say(found: Verdict, anchor: Anchor | None) -> None:
    for fault in found.faults:
        click.echo(f"orbitalreg: {_place(fault)}: {fault.says}", err=True)
    if found.unlinked:
        click.echo(f"not linked yet: {found.unlinked}, the oldest of {moment(found.oldest_unlinked)}")
    if found.faults:
        return
    until = f", and the anchor {anchor.number} holds" if anchor else ""
    click.echo(f"the log is as it was written: {found.linked} entries linked{until}")


def _place(fault: Fault) -> str:
    known = [
        f"number {fault.number}" if fault.number is not None else None,
        f"entry {fault.entry}" if fault.entry else None,
        f"of {moment(fault.at)}" if fault.at else None,
    ]
    return ", ".join(filter(None, known))

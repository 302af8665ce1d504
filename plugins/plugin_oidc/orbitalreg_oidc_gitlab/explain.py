"""`orbitalreg oidc explain`: why a job's token is taken or refused."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from orbitalreg.errors import ExchangeRefused, NotFound
from orbitalreg.interfaces import Commands, Surroundings
from orbitalreg_oidc_gitlab import rules, tokens
from orbitalreg_oidc_gitlab.exchanger import GitLabExchanger


class OidcCommands(Commands):
    name = "oidc"

    def __init__(self, surroundings: Surroundings) -> None:
        self._exchanger = GitLabExchanger(surroundings)

    def command(self) -> click.Command:
        explain = explain_command(self._exchanger)
        return click.Group(self.name, commands=[explain], help="Look at the ID tokens of GitLab jobs.")


def explain_command(exchanger: GitLabExchanger | None) -> click.Command:
    """`explain` over this exchanger; without one there is its help alone."""

    @click.command()
    @click.option(
        "--token-file", metavar="FILE", required=True, help="A file with the job's ID token; - reads it from stdin."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    def explain(token_file: str, as_json: bool) -> None:
        """Say whether a token would be taken, which publishers match it, and which claims failed in the others.

        Whether it was used before is not looked at. Exit 1 where it would be refused.
        """
        assert exchanger is not None
        found = explanation(exchanger, _text_of(token_file))
        click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))
        if found["refused"] is not None or not found["grants"]:
            raise click.exceptions.Exit(1)

    return explain


def explanation(exchanger: GitLabExchanger, text: str) -> dict[str, Any]:
    """What `explain --json` prints. Publishers are judged also for a token that has expired. Nothing shows the token.

    Raises `ExchangeRefused` where it is no token at all.
    """
    token = tokens.read(text)
    if token is None:
        raise ExchangeRefused("what came is no signed token (JWT): write the job's variable into the file as it is")
    claims = rules.plain_claims(token.claims)
    publishers = exchanger.settings.publishers
    judged = [(publisher, rules.failures(publisher, claims)) for publisher in publishers]
    return {
        "issuer": str(token.issuer),
        "job": rules.summary(claims),
        "refused": _refusal(exchanger, token),
        "grants": list(map(str, exchanger.grants(claims))),
        "publishers": [
            {
                "publisher": f"publishers.{number}",
                "matches": not failed,
                "failed": list(map(str, failed)),
                "grants": list(map(str, publisher.grants)),
                "note": _note(publisher.project_path is not None, publisher.project_id is not None),
            }
            for number, (publisher, failed) in enumerate(judged)
        ],
    }


def _refusal(exchanger: GitLabExchanger, token: tokens.Unverified) -> str | None:
    """Why the token itself is refused, whatever the publishers say."""
    if not exchanger.knows(token.issuer):
        known = ", ".join(repr(issuer.url) for issuer in exchanger.settings.issuers)
        return f"iss: found {ascii(token.issuer)[:200]}; the issuers are {known}, letter for letter"
    try:
        claims = exchanger.verified(token)
    except ExchangeRefused as refused:
        return str(refused)
    missing = [name for name in ("jti", "project_path") if rules.plain_claim(claims.get(name)) is None]
    return f"{missing[0]}: the token has no such claim" if missing else None


def _note(has_path: bool, has_id: bool) -> str | None:
    if has_path and not has_id:
        return "without project_id, a project that is made under this path later matches too"
    return None


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"issuer: {ascii(found['issuer'])[1:-1]}", f"job: {ascii(found['job'])[1:-1]}"]
    lines.append("token: good" if found["refused"] is None else f"token: refused; {found['refused']}")
    for told in found["publishers"]:
        says = "matches" if told["matches"] else "; ".join(told["failed"])
        lines.append(f"plugins.oidc-gitlab.{told['publisher']}: {says}")
        lines += [f"  note: {told['note']}"] * (told["note"] is not None)
    return [*lines, f"grants: {', '.join(found['grants']) or 'none'}"]


def _text_of(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}") from error
    return data.decode("ascii", "replace").strip()

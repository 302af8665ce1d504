"""`orbitalreg explain`, `allow`, `release-name` and `downloads`: where things come from, and where they went."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

import click

from orbitalreg.cli.backends import backend, server_option
from orbitalreg.cli.common import config_option, json_option, plain_json, print_json, print_rows, unicode_text
from orbitalreg.cli.packages import holding, parse_package
from orbitalreg.config import parse_duration
from orbitalreg.errors import InvalidName
from orbitalreg.summaries import Explanation, TokenDownloads, VerdictSummary, VersionExplanation
from orbitalreg.times import to_the_second


@click.command()
@click.argument("package", metavar="PROJECT/REPO/NAME")
@config_option
@server_option
@json_option
def explain(package: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Say of each version which member provides it, what hid the others and why, and what is withheld until when."""
    named = parse_package(package)
    with backend(config_file, server) as registry:
        found = registry.explanation(named.address, named.package)
    if as_json:
        return print_json(plain_json(asdict(found)))
    _tell(found)


def _tell(found: Explanation) -> None:
    status = f" ({found.status})" if found.status not in (None, "active") else ""
    click.echo(f"{found.repository}/{found.package}{status}")
    if found.guarded:
        click.echo(f"local members alone serve it, by {found.guarded}")
    if found.failure:
        click.echo(f"there is no page: {found.failure}")
    for member in found.members:
        click.echo(f"{member.repository} {member.answer}" + (f": {member.detail}" if member.detail else ""))
    click.echo()
    print_rows([row for version in found.versions for row in _rows(version)], False, "no version is known")


def _rows(version: VersionExplanation) -> Iterator[dict[str, Any]]:
    """One for the version itself, and one for each reason beyond the first."""
    said = [*_reasons(version)] or [""]
    provider = version.provided_by or "nobody"
    yield {
        "version": version.version or "(none)",
        "provided by": provider,
        "files": len(version.files),
        "remarks": said[0],
    }
    for reason in said[1:]:
        yield {"version": "", "provided by": "", "files": "", "remarks": reason}


def _said(verdict: VerdictSummary) -> str:
    told = {"block": "blocked by", "warn": "warned of by", "except": "passed by"}[verdict.action]
    return f"{told} policy {verdict.policy}: {verdict.reason}"


def _reasons(version: VersionExplanation) -> Iterator[str]:
    for reason, files in groupby(sorted(version.withheld, key=holding), key=holding):
        count = len(list(files))
        yield f"{count} {'file' if count == 1 else 'files'} withheld {reason}"
    blocked = {file.filename for file in version.withheld}
    said = [one for one in version.verdicts if one.filename not in blocked]
    for verdict, same in groupby(sorted(said, key=_said), key=_said):
        count = len(list(same))
        yield f"{count} {'file' if count == 1 else 'files'} {verdict}"
    if version.remedy:
        yield f"let through although it is young: {version.remedy}"
    for hidden in version.hidden:
        yield f"that of {hidden.repository} is hidden: {hidden.reason}"


@click.command()
@click.argument("version", metavar="PROJECT/REPO/NAME==VERSION")
@click.option("--for", "duration", required=True, metavar="DURATION", help="For how long, for example 24h.")
@click.option("--reason", required=True, callback=unicode_text, help="For the audit log.")
@config_option
@server_option
@json_option
def allow(version: str, duration: str, reason: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Open one version for a time, over the min_age and freeze of the repository that withholds it."""
    named = parse_package(version)
    seconds = parse_duration(duration)
    if not reason.strip():
        raise InvalidName("the reason is empty; say why, for those who read the audit log")
    with backend(config_file, server) as registry:
        done = registry.allow(named.address, named.package, named.wanted, seconds, reason)
    if as_json:
        return print_json(plain_json(asdict(done)))
    click.echo(f"{done.repository}/{done.package}=={done.version} is allowed until {to_the_second(done.until)}")


@click.command("release-name")
@click.argument("package", metavar="PROJECT/REPO/NAME")
@config_option
@server_option
@json_option
def release_name(package: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Let go of a name that a local repository held and has no file of: upstreams may serve it from then on."""
    named = parse_package(package)
    if named.version is not None:
        raise InvalidName(f"a name is released as a whole: write {named.address}/{named.package}")
    with backend(config_file, server) as registry:
        done = registry.release_name(named.address, named.package)
    if as_json:
        return print_json(asdict(done))
    click.echo(f"{done.repository} does not hold {done.package} any more")


@click.command()
@click.argument("package", metavar="PROJECT/REPO/NAME[==VERSION]")
@config_option
@server_option
@json_option
def downloads(package: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Which tokens fetched which files of a package, also files that an upstream took back."""
    named = parse_package(package)
    with backend(config_file, server) as registry:
        found = list(registry.downloads_by_token(named.address, named.package, named.version))
    if as_json:
        return print_json([plain_json(asdict(row)) for row in found])
    print_rows(download_rows(found), False, f"nobody has fetched {package}")


def download_rows(found: Iterable[TokenDownloads]) -> list[dict[str, Any]]:
    """A table of who fetched what, by file."""
    rows = [
        {
            "filename": row.filename,
            "account": row.account,
            "token": row.token_name and f"{row.token_name} ({row.token})",
            "downloads": row.count,
            "first": row.first_day.isoformat(),
            "last": row.last_day.isoformat(),
            "recalled": row.recalled and f"{to_the_second(row.recalled_at)}: {row.recalled}",
        }
        for row in sorted(found, key=lambda row: (row.filename, row.account, row.token or ""))
    ]
    if not any(row["recalled"] for row in rows):
        for row in rows:
            del row["recalled"]
    return rows

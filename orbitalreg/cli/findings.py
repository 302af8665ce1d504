"""`orbitalreg findings`: what scanners found, and whether that lets a build go on."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import click

from orbitalreg.cli.backends import backend, server_option
from orbitalreg.cli.common import config_option, json_option, plain_json, print_rows, visible
from orbitalreg.cli.packages import parse_place
from orbitalreg.errors import plain
from orbitalreg.exports import EXPORTS, Export
from orbitalreg.exports.paths import instead, path_words
from orbitalreg.model import Address, Severity
from orbitalreg.summaries import ExposureSummary, FindingSummary, NotScanned, VersionFindings, severity_name

TITLE = 60
"""So much of a title is in a table."""

SEVERITIES = click.Choice([str(severity) for severity in Severity])


@dataclass(slots=True)
class Tally:
    """What went by: how much was scanned, and what was as bad as a build may not have it."""

    limit: Severity | None
    shown: Severity = Severity.UNKNOWN
    files: int = 0
    scanned: int = 0
    outdated: int = 0
    missing: int = 0
    why: Counter[str] = field(default_factory=Counter)
    """How many files were not scanned for which reasons."""
    met: int = 0
    came: int = 0
    """How many exposures are so bad."""
    worst: tuple[Severity, str] = (Severity.UNKNOWN, "")

    def counted(self, versions: Iterable[VersionFindings]) -> Iterator[VersionFindings]:
        """The same, counted."""
        for version in versions:
            self.files += version.file_count
            self.scanned += version.scanned_count
            self.outdated += version.outdated_count
            self.missing += len(version.not_scanned)
            self.why.update(map(_why, version.not_scanned))
            for finding in version.findings:
                self.met += self._weigh(finding, f"in {version.package} {version.version}")
            for one in version.exposures:
                place = f"in {one.package} {one.version}, which {version.package} {version.version} brings along"
                self.came += self._weigh(one.finding, place)
            yield version

    def _weigh(self, finding: FindingSummary, place: str) -> bool:
        """Whether it is as bad as a build may not have it."""
        severity = Severity.parse(finding.severity)
        if self.limit is None or severity < self.limit:
            return False
        if not self.worst[1] or severity > self.worst[0]:
            self.worst = severity, f"{finding.id} ({severity}) {place}"
        return True


@click.command()
@click.argument("place", metavar="PROJECT/REPO[/NAME[==VERSION]]")
@click.option("--severity", type=SEVERITIES, default="unknown", help="Only findings that are at least so bad.")
@click.option("--fail-on", type=SEVERITIES, help="Exit 1 where a finding or an exposure is at least so bad.")
@click.option("--no-exposures", is_flag=True, help="Without what comes with dependencies.")
@click.option("--fail-unscanned", is_flag=True, help="Exit 1 where no scanner has looked at a file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", *EXPORTS]),
    help="What to print: SARIF 2.1.0 and VEX (CycloneDX 1.6) are for other programs.",
)
@config_option
@server_option
@json_option
def findings(
    place: str,
    severity: str,
    fail_on: str | None,
    no_exposures: bool,
    fail_unscanned: bool,
    form: str | None,
    config_file: str | None,
    server: str | None,
    as_json: bool,
) -> None:
    """What scanners found in a repository, a package or a version, and how many files none has looked at.

    One line for each vulnerability, whatever ids it has: who saw it, the highest severity, and the version that is
    mended. What a version is exposed to by its dependencies is told with the path, and with what to take instead.
    """
    named = parse_place(place)
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} are two things: give one of them")
    shown, limit = Severity.parse(severity), Severity.parse(fail_on) if fail_on else None
    form = "json" if as_json else form or "table"
    asked = min(shown, limit) if limit is not None else shown
    tally = Tally(limit, shown)
    with backend(config_file, server) as registry:
        told = registry.findings(named.address, named.package, named.version, severity_name(asked), not no_exposures)
        counted = tally.counted(_with_progress(told, form))
        PRINTERS[form](named.address, (_at_least(shown, version) for version in counted), tally)
    judge(tally, fail_unscanned)


def _at_least(shown: Severity, version: VersionFindings) -> VersionFindings:
    return replace(
        version,
        findings=[one for one in version.findings if Severity.parse(one.severity) >= shown],
        exposures=[one for one in version.exposures if Severity.parse(one.finding.severity) >= shown],
    )


def _with_progress(versions: Iterable[VersionFindings], form: str) -> Iterator[VersionFindings]:
    """On a terminal, how far it has come; not in the midst of what is printed meanwhile."""
    if not sys.stderr.isatty() or (form == "json" and sys.stdout.isatty()):
        yield from versions
        return
    with click.progressbar(versions, label="versions", show_pos=True, file=sys.stderr) as shown:
        yield from shown


def judge(tally: Tally, fail_unscanned: bool) -> None:
    """Raises `Exit` with 1 for what the caller does not accept."""
    reasons = []
    if tally.met or tally.came:
        counts = [(tally.met, "finding"), (tally.came, "exposure")]
        what = " and ".join(_count(count, noun) for count, noun in counts if count)
        verb = "is" if tally.met + tally.came == 1 else "are"
        reasons.append(f"{what} {verb} {tally.limit} or worse; the worst: {tally.worst[1]}")
    if fail_unscanned and tally.missing:
        reasons.append(f"{_count(tally.missing, 'file')} not scanned by any scanner")
    if reasons:
        click.echo(plain(f"orbitalreg: {'; '.join(reasons)}"), err=True)
        raise click.exceptions.Exit(1)


def print_table(address: Address, versions: Iterable[VersionFindings], tally: Tally) -> None:
    """The worst first, and below what it is worth."""
    found, came = [], []
    for version in versions:
        found += [(version.package, version.version, one) for one in version.findings]
        came += [(version.package, version.version, one) for one in version.exposures]
    rows = [_row(*row) for row in found] + [_exposure_row(*row) for row in came]
    rows.sort(key=lambda row: (-Severity.parse(row["severity"]), row["package"], row["version"], row["id"], row["by"]))
    rows = _telling(rows)
    if rows:
        print_rows(rows, False, "")
        click.echo()
    elif not tally.files:
        return click.echo(f"{address} has no file yet", err=True)
    counts = Counter(one.severity for *_, one in found)
    told = ", ".join(f"{counts[severity_name(one)]} {one}" for one in reversed(Severity) if counts[severity_name(one)])
    left_out = "" if tally.shown is Severity.UNKNOWN else f"; what is less than {tally.shown} is not shown"
    summed = f"{_count(len(found), 'finding')} in {_count(tally.files, 'file')}" + (f": {told}" if told else "")
    exposed = f"; {_count(len(came), 'exposure')} by dependencies" if came else ""
    click.echo(summed + exposed + left_out)
    if tally.outdated:
        told = f"{_count(tally.outdated, 'file')} scanned with too old a database"
        click.echo(f"{told}: that it finds no more proves nothing; orbitalreg doctor says how to renew it")
    if tally.missing:
        click.echo(f"{_count(tally.missing, 'file')} not scanned by any scanner")
        for reason, count in sorted(tally.why.items()):
            click.echo(f"  {count}: {visible(reason)}")


def print_findings(address: Address, versions: Iterable[VersionFindings], tally: Tally) -> None:
    """One JSON object, printed as it comes."""
    click.echo(f'{{\n"repository": {json.dumps(str(address))},\n"findings": [', nl=False)
    between, missing, came = "\n", [], []
    for version in versions:
        place = {"package": version.package, "version": version.version, "purl": version.purl}
        for finding in version.findings:
            click.echo(between + json.dumps(plain_json({**place, **asdict(finding)})), nl=False)
            between = ",\n"
        came += [plain_json({**place, "exposure": asdict(one)}) for one in version.exposures]
        missing += [plain_json({**place, **asdict(file)}) for file in version.not_scanned]
    rest = {
        "files": tally.files,
        "scanned": tally.scanned,
        "outdated": tally.outdated,
        "not_scanned": missing,
        "exposures": came,
    }
    click.echo("\n],\n" + json.dumps(rest, indent=2)[2:])


Printer = Callable[[Address, Iterable[VersionFindings], Tally], None]


def _printer(export: Export) -> Printer:
    """The whole or nothing: a part of such a document would be taken for one."""
    return lambda address, versions, tally: click.echo("".join(export.write(address, versions)))


PRINTERS: Mapping[str, Printer] = {
    "table": print_table,
    "json": print_findings,
    **{name: _printer(export) for name, export in EXPORTS.items()},
}


def _telling(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the columns that tell nothing: the empty ones, and the environments where they are all the same."""
    keys = {key for row in rows for key in row if row[key]}
    if len({row["in"] for row in rows if row["by"]}) == 1:
        keys.discard("in")
    return [{key: value for key, value in row.items() if key in keys} for row in rows]


def _row(package: str, version: str, finding: FindingSummary) -> dict[str, Any]:
    bundled = finding.bundled
    return {
        "severity": finding.severity,
        "id": finding.id,
        "package": package,
        "version": version,
        "bundled": f"{bundled.package} {bundled.version}" if bundled else "",
        "by": "",
        "in": "",
        "fixed in": finding.fixed_in or "",
        "instead": "",
        "seen by": seen_by(finding),
        "title": finding.title if len(finding.title) <= TITLE else f"{finding.title[: TITLE - 3]}...",
    }


def _exposure_row(package: str, version: str, one: ExposureSummary) -> dict[str, Any]:
    """`by` is the path, `in` the environments, and `instead` what to take so that it does not come along."""
    return {
        **_row(package, version, one.finding),
        "bundled": "",
        "by": path_words(one.path),
        "in": ", ".join(one.environments),
        "fixed in": "",
        "instead": instead(one.is_unavoidable, one.upgrade),
    }


def seen_by(finding: FindingSummary) -> str:
    """The scanners, each with its own severity where that is another than the highest."""
    return ", ".join(
        scanner if severity == finding.severity else f"{scanner} ({severity})"
        for scanner, severity in finding.by.items()
    )


def _why(file: NotScanned) -> str:
    said = [f"{one.scanner} {one.status}" + (f" ({one.reason})" if one.reason else "") for one in file.reports]
    return "; ".join(said) or "no scanner has a report"


def _count(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}" + ("" if count == 1 else "s")

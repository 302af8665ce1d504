"""`orbitalreg audit-install`: what an installation would bring, before it is made."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from orbitalreg.assembly import Registry
from orbitalreg.cli.common import config_option, json_option, opened, plain_json, print_json, print_rows, usage, visible
from orbitalreg.cli.findings import SEVERITIES, Tally, judge, seen_by
from orbitalreg.errors import InvalidName, Malformed
from orbitalreg.inventory.installs import InstallAuditor, Wanted
from orbitalreg.model import Address, Severity
from orbitalreg.summaries import ChangedVersion, InstallAudit, InstalledVersion, UpgradeSet, severity_name


@click.command("audit-install")
@click.argument("repository", metavar="PROJECT/REPO")
@click.argument("requirements", nargs=-1, metavar="[REQUIREMENT]...")
@click.option(
    "--lock",
    "locks",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What a lock file pins; may be given several times.",
)
@click.option(
    "--environment",
    "environments",
    multiple=True,
    metavar="NAME",
    help="Where it would be installed; may be given several times; else as [graph] says.",
)
@click.option("--fail-on", type=SEVERITIES, help="Exit 1 where a finding is at least so bad.")
@click.option("--fail-unscanned", is_flag=True, help="Exit 1 where no scanner has looked at a file.")
@config_option
@json_option
def audit_install(
    repository: str,
    requirements: tuple[str, ...],
    locks: tuple[Path, ...],
    environments: tuple[str, ...],
    fail_on: str | None,
    fail_unscanned: bool,
    config_file: str | None,
    as_json: bool,
) -> None:
    """What an installer would take for requirements or a lock file, what is known of it, and the fewest upgrades.

    Versions are chosen as installers choose them, from what the repository shows now.
    """
    address = usage(Address.parse, repository, "PROJECT/REPO")
    if not requirements and not locks:
        raise click.UsageError("nothing is asked for: give requirements, such as 'my-app==1.0', or --lock FILE")
    bodies = [(lock.name, _body(lock)) for lock in locks]
    with opened(config_file) as registry, _progress() as told:
        try:
            found = list(_audited(registry, address, Wanted(requirements, bodies), environments, told))
        except InvalidName as error:
            raise click.UsageError(str(error)) from None
    tally = Tally(Severity.parse(fail_on) if fail_on else None)
    for one in found:
        for _ in tally.counted([package.found for package in one.packages]):
            pass
    if as_json:
        print_json([plain_json(asdict(one)) for one in found])
    else:
        _tell(found, [*requirements, *(lock.name for lock in locks)])
    judge(tally, fail_unscanned)


def _audited(
    registry: Registry, address: Address, wanted: Wanted, environments: Sequence[str], told: Callable[[int], None]
) -> Iterator[InstallAudit]:
    adapter = registry.formats[registry.repository(address).format]
    source = registry.sources.governed[address]
    auditor = InstallAuditor(source, adapter, registry.known, registry.catalog.close, told)
    for environment in auditor.environments(environments, registry.settings.graph.environments):
        yield auditor.audit(wanted, environment)


def _body(lock: Path) -> bytes:
    try:
        return lock.read_bytes()
    except OSError as error:
        raise Malformed(f"{lock}: cannot be read: {error.strerror}") from error


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """On a terminal, how many packages were read so far."""
    if not sys.stderr.isatty():
        yield lambda packages: None
        return
    try:
        yield lambda packages: click.echo(f"\r{packages} packages read", err=True, nl=False)
    finally:
        click.echo("\r\033[K", err=True, nl=False)


def _tell(found: Sequence[InstallAudit], wanted: Sequence[str]) -> None:
    for number, one in enumerate(found):
        if number:
            click.echo()
        brings = _packages(one.packages)
        click.echo(f"{visible(', '.join(wanted))} from {one.repository}, {one.environment}: {brings}\n")
        _tree(one.packages)
        if unknown := [package.package for package in one.packages if not package.requirements_known]:
            names = ", ".join(unknown)
            click.echo(visible(f"\nwhat these need is known only when they are built, so more may come: {names}"))
        for left_out in one.not_installed:
            by = f"{left_out.by} asks for " if left_out.by else ""
            click.echo(visible(f"\nnot looked into: {by}{left_out.stated}: {left_out.reason}"))
        _findings(one.packages)
        if one.upgrades is not None:
            _upgrades(one.upgrades)


def _tree(packages: Sequence[InstalledVersion]) -> None:
    """Each once, below the first that asks for it on the shortest way."""
    below: dict[tuple[str, ...], list[InstalledVersion]] = {}
    for one in packages:
        below.setdefault(tuple(step.package for step in one.path[:-1]), []).append(one)
    is_scanned = any(not one.found.not_scanned for one in packages)
    waiting = [(one, 0) for one in reversed(below.get((), ()))]
    while waiting:
        one, depth = waiting.pop()
        click.echo("  " * depth + visible(_line(one, is_scanned)))
        children = below.get(tuple(step.package for step in one.path), ())
        waiting += [(child, depth + 1) for child in reversed(children)]


def _line(one: InstalledVersion, is_scanned: bool) -> str:
    """Where nothing was scanned, no line says so of itself."""
    extras = f"[{','.join(one.extras)}]" if one.extras else ""
    counts = Counter(finding.severity for finding in one.found.findings)
    told = [f"{counts[severity_name(some)]} {some}" for some in reversed(Severity) if counts[severity_name(some)]]
    remarks = [*([f"found: {', '.join(told)}"] if told else []), *one.warnings]
    if is_scanned and one.found.not_scanned:
        remarks.append("not scanned" if len(one.found.not_scanned) == one.found.file_count else "not scanned in full")
    return f"{one.package}{extras} {one.version}" + (f"  ({'; '.join(remarks)})" if remarks else "")


def _findings(packages: Sequence[InstalledVersion]) -> None:
    found = [(one, finding) for one in packages for finding in one.found.findings]
    found.sort(key=lambda pair: (-Severity.parse(pair[1].severity), pair[0].package, pair[1].id))
    rows = [
        {
            "severity": finding.severity,
            "id": finding.id,
            "package": one.package,
            "version": one.version,
            "fixed in": finding.fixed_in or "",
            "seen by": seen_by(finding),
            "path": " > ".join(f"{step.package} {step.version}" for step in one.path),
        }
        for one, finding in found
    ]
    if rows:
        click.echo()
        print_rows(rows, False, "")
    files = sum(one.found.file_count for one in packages)
    missing = sum(len(one.found.not_scanned) for one in packages)
    click.echo(f"\n{len(rows) or 'no'} {'finding' if len(rows) == 1 else 'findings'} in {_packages(packages)}")
    if missing:
        click.echo(f"{missing} of {files} files not scanned by any scanner: orbitalreg findings says why")


def _packages(packages: Sequence[InstalledVersion]) -> str:
    return f"{len(packages)} {'package' if len(packages) == 1 else 'packages'}"


def _upgrades(upgrades: UpgradeSet) -> None:
    if upgrades.changes:
        fewest = "the fewest changes" if upgrades.is_smallest else "few changes, though fewer may do"
        click.echo(f"\nto clear {'what can be' if upgrades.left else 'all of it'}, {fewest}:")
        for one in upgrades.changes:
            wider = f"  (beyond {' and '.join(one.widens)})" if one.widens else ""
            click.echo(visible(f"  {_change(one)}{wider}"))
        for one in upgrades.follows:
            click.echo(visible(f"  {_change(one)}  (follows)"))
    if upgrades.left:
        click.echo("\nno change of versions clears:")
        for left in upgrades.left:
            click.echo(visible(f"  {left.id} ({left.severity}) of {left.package} {left.version}: {left.reason}"))


def _change(one: ChangedVersion) -> str:
    if one.before is None:
        return f"{one.package} {one.after} comes in"
    return (
        f"{one.package} {one.before} is not needed"
        if one.after is None
        else f"{one.package} {one.before} -> {one.after}"
    )

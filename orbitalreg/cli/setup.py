"""`orbitalreg init`, `check`, `doctor` and `plugins`."""

import tempfile
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import click

from orbitalreg import config, machine, surroundings
from orbitalreg import plugins as plugin_registry
from orbitalreg.assembly import check_plugins, conflicts, detached, lookouts, read_settings
from orbitalreg.catalog import FILENAME, Catalog, blobs, graph_changes, jobs, scans, upkeep
from orbitalreg.cli.common import config_option, json_option, print_json, print_rows
from orbitalreg.cli.template import starting_file
from orbitalreg.collection.backup import TASK as BACKUP
from orbitalreg.collection.keeping import VERIFY
from orbitalreg.config import Settings
from orbitalreg.errors import ConfigError, ScannerFailed, StorageFailed
from orbitalreg.model import now
from orbitalreg.plugins import Plugins
from orbitalreg.scanning.looking import Enabled
from orbitalreg.scanning.scans import enabled
from orbitalreg.sourcing import ask_upstreams, remote_bases
from orbitalreg.times import moment


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="Write this file instead."
)
@json_option
def init(folder: Path, config_file: Path | None, as_json: bool) -> None:
    """Write a commented orbitalreg.toml into a folder (this one). An existing file is never touched."""
    target = config_file or folder / config.DEFAULT_FILE
    text = starting_file(Plugins.load_all())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError([f"{target}: is there already; edit it, or remove it first"]) from None
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror}"]) from error
    if as_json:
        return print_json({"wrote": str(target)})
    click.echo(f"wrote {target}; next: orbitalreg check --config {target}")


@click.command()
@config_option
@json_option
def check(config_file: str | None, as_json: bool) -> None:
    """Say whether the configuration can be served; the data is looked at and not changed."""
    settings = read_settings(config_file)
    enabled_plugins = check_plugins(settings)
    remotes = remote_bases(settings, enabled_plugins.formats)
    left: list[str] = []
    if (settings.data.path / FILENAME).exists():
        catalog = Catalog(settings.data.path, look_only=True)
        catalog.check()
        catalog.refuse_newer()
        if problems := conflicts(catalog, settings):
            raise ConfigError(problems)
        left = [str(row.address) for row in detached(catalog, settings)]
    warnings = settings.warnings(is_scanned=bool(lookouts(enabled_plugins)))
    if as_json:
        upstreams = {str(address): base for address, base in remotes.items()}
        return print_json({"ok": True, "detached": left, "warnings": warnings, "upstreams": upstreams})
    for remote, base in remotes.items():
        offline = settings.projects[remote.project].repositories[remote.repository].offline
        click.echo(f"upstream: {remote} serves its cache alone" if offline else f"upstream: {remote} asks {base}")
    for warning in warnings:
        click.echo(f"warning: {warning}")
    for address in left:
        click.echo(f"detached: {address} is configured no more; its data is kept")
    click.echo("the configuration is good")


@click.command()
@click.option("--upstreams", is_flag=True, help="Ask the upstream of each remote repository too.")
@config_option
@json_option
def doctor(upstreams: bool, config_file: str | None, as_json: bool) -> None:
    """Look at SQLite, disk, permissions, clock, scanners, and jobs given up. Exit 1 where something must be mended."""
    settings = read_settings(config_file)
    found = machine.examine(settings.data.path)
    try:
        catalog = _catalog(settings)
    except StorageFailed as error:
        catalog = None
        found.append(machine.Finding("catalog", machine.BAD, str(error)))
    if catalog is not None:
        found += [*_jobs(catalog), _graph(catalog), *_upkeep(catalog)]
    scanners = _scanners(settings)
    found += scanners
    if catalog is not None:
        found += _former_scanners(catalog, {one.subject for one in scanners})
    if upstreams:
        found += [
            machine.Finding(f"upstream of {address}", machine.WARNING if fault else machine.GOOD, fault or base)
            for address, base, fault in ask_upstreams(settings, check_plugins(settings).formats)
        ]
    if as_json:
        print_json([{"subject": f.subject, "state": f.state, "says": f.says} for f in found])
    else:
        for finding in found:
            click.echo(f"{finding.state:>5}  {finding.subject}: {finding.says}")
    if any(finding.state == machine.BAD for finding in found):
        raise click.exceptions.Exit(1)


def _catalog(settings: Settings) -> Catalog | None:
    """None where there is none, or one that this version has not opened yet. Raises `StorageFailed`: a newer one."""
    if not (settings.data.path / FILENAME).exists():
        return None
    catalog = Catalog(settings.data.path, look_only=True)
    catalog.refuse_newer()
    return catalog if catalog.is_current() else None


def _jobs(catalog: Catalog) -> list[machine.Finding]:
    """What was given up of the work beside requests."""
    given_up = jobs.given_up(catalog.read())
    if not given_up:
        return [machine.Finding("jobs", machine.GOOD, "none was given up")]
    return [
        machine.Finding(
            f"jobs {kind}",
            machine.WARNING,
            f"{count} given up, the last: {failure}; once that is mended: orbitalreg worker --once --retry",
        )
        for kind, count, failure in given_up
    ]


def _upkeep(catalog: Catalog) -> list[machine.Finding]:
    """What is wrong with the bytes, and when they were looked at and copied last."""
    db = catalog.read()
    found = [machine.Finding("blobs", machine.GOOD, "none is known to be damaged or missing")]
    if faulty := blobs.faulty(db):
        names = [holder.name for blob in faulty for holder in blobs.holders(db, blob.sha256)]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        says = (
            f"the bytes of {names[0] if names else 'what scanners left'}{more} are damaged or missing, and are not "
            "given out: upload those files again, or restore a backup; orbitalreg verify lists them"
        )
        found = [machine.Finding("blobs", machine.BAD, says)]
    verified = upkeep.get(db, VERIFY)
    for problem in verified.told.get("problems", []) if verified else []:
        found.append(machine.Finding("catalog", machine.BAD, f"{problem}: restore a backup"))
    return [*found, _last("verification", verified, "none has ended yet"), _last_backup(upkeep.get(db, BACKUP))]


def _last(subject: str, row: upkeep.UpkeepRow | None, never: str) -> machine.Finding:
    if row is None or row.ended_at is None:
        return machine.Finding(subject, machine.GOOD, never)
    return machine.Finding(subject, machine.GOOD, f"the last ended at {moment(row.ended_at)}")


def _last_backup(row: upkeep.UpkeepRow | None) -> machine.Finding:
    """By `orbitalreg backup`: of copies that are made otherwise nothing is known here."""
    if row is not None and row.told.get("damaged"):
        says = f"the last, of {moment(row.begun_at)}, lacks {len(row.told['damaged'])} blobs: run orbitalreg verify"
        return machine.Finding("backup", machine.BAD, says)
    return _last("backup", row, "none was made by orbitalreg backup")


def _graph(catalog: Catalog) -> machine.Finding:
    """How far behind the graphs of dependencies are."""
    count = graph_changes.waiting(catalog.read())
    says = f"{count} packages wait to be looked at" if count else "the graphs are in step"
    return machine.Finding("dependencies", machine.GOOD, says)


def _scanners(settings: Settings) -> list[machine.Finding]:
    """What each enabled scanner judges by; nothing where no plugin has settings."""
    if not settings.plugins:
        return []
    plugins = check_plugins(settings)
    with tempfile.TemporaryDirectory() as folder:
        scanners = enabled(settings, plugins, surroundings.scanners(settings, plugins), Path(folder)).values()
        try:
            return [_scanner(scanner) for scanner in scanners]
        finally:
            for scanner in scanners:
                scanner.children.close()


def _former_scanners(catalog: Catalog, subjects: Collection[str]) -> list[machine.Finding]:
    """Those that have reports and are none of `subjects`."""
    files: Counter[str] = Counter()
    for scanner, _, count in scans.counts(catalog.read()):
        files[f"scanner {scanner}"] += count
    return [
        machine.Finding(
            subject,
            machine.WARNING,
            f"is not enabled any more; its {count} reports go on counting, and are not renewed until it is; "
            f"to drop them: orbitalreg scan --forget {subject.removeprefix('scanner ')}",
        )
        for subject, count in sorted(files.items())
        if subject not in subjects
    ]


def _scanner(scanner: Enabled) -> machine.Finding:
    subject = f"scanner {scanner.name}"
    try:
        state = scanner.state()
    except ScannerFailed as error:
        return machine.Finding(subject, machine.WARNING, str(error))
    says = f"version {state.version or 'not told'}"
    if state.database is None:
        return machine.Finding(subject, machine.GOOD, f"{says}, without a database")
    says += f", database {state.database.version}"
    if state.database.built_at is not None:
        days = (now() - state.database.built_at) / 86_400_000_000
        says += f" of {moment(state.database.built_at)}, {days:.1f} days old"
    if state.database.is_stale:
        return machine.Finding(subject, machine.WARNING, f"{says}: too old to prove anything; renew it")
    return machine.Finding(subject, machine.GOOD, says)


@click.command()
@config_option
@json_option
def plugins(config_file: str | None, as_json: bool) -> None:
    """The plugins that are installed, and which of them the configuration enables."""
    settings = read_settings(config_file)
    rows = [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "state": "enabled" if plugin.enabled else "installed",
        }
        for plugin in plugin_registry.installed(settings.enabled_plugins)
    ]
    print_rows(rows, as_json, "no plugin is installed")

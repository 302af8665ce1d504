"""`orbitalreg scan`."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from orbitalreg import audit
from orbitalreg.assembly import Registry
from orbitalreg.catalog import jobs, reports, scans
from orbitalreg.cli.common import config_option, json_option, local_actor, opened, print_json, print_rows
from orbitalreg.cli.packages import Named, parse_package
from orbitalreg.errors import ConfigError, InvalidName, Misplaced, NotFound, ScannerFailed
from orbitalreg.jobs import Worker
from orbitalreg.model import Address, Kind, Report, ReportStatus
from orbitalreg.scanning.queue import ScanQueue, kind_of
from orbitalreg.scanning.scans import rescan_kind
from orbitalreg.times import moment

BATCH = 200
"""Files in one transaction, so that nobody waits for it."""
LOOK_SECONDS = 0.5


@click.command()
@click.argument("what", metavar="PROJECT/REPO[/NAME[==VERSION]]", required=False)
@click.option("--scanner", "wanted", multiple=True, metavar="NAME", help="Only this one; may be given again.")
@click.option("--wait/--no-wait", default=True, help="Wait for the reports and help to make them; it is the default.")
@click.option("--forget", metavar="NAME", help="Instead, drop all reports of a scanner that is not enabled any more.")
@config_option
@json_option
def scan(
    what: str | None, wanted: Sequence[str], wait: bool, forget: str | None, config_file: str | None, as_json: bool
) -> None:
    """Have files scanned now: those of a repository, a package or a version, by each enabled scanner.

    Exit 1 where a scan failed.
    """
    if (what is None) == (forget is None):
        raise click.UsageError("say what to scan, PROJECT/REPO[/NAME[==VERSION]], or --forget a scanner")
    if forget is not None:
        return _forget(forget, config_file, as_json)
    assert what is not None
    _scan(what, wanted, wait, config_file, as_json)


def _forget(scanner: str, config_file: str | None, as_json: bool) -> None:
    with opened(config_file) as registry:
        if scanner in registry.scanning.scanners:
            raise Misplaced(
                f"scanner {scanner} is enabled and would say it again; take it out of the configuration first"
            )
        with registry.catalog.write() as db:
            dropped = reports.forget(db, scanner)
            jobs.drop(db, [kind_of(scanner), rescan_kind(scanner)])
            audit.record(db, local_actor(), "scanner.forget", scanner, {"reports": dropped})
    if as_json:
        return print_json({"scanner": scanner, "reports": dropped})
    click.echo(f"dropped {dropped} reports of {scanner}")


def _scan(what: str, wanted: Sequence[str], wait: bool, config_file: str | None, as_json: bool) -> None:
    named = _parsed(what)
    with opened(config_file) as registry:
        names = _scanners(registry, wanted)
        files = _files(registry, named)
        faults: list[str] = []
        if wait:
            names, faults = _ready(registry, names)
        _enqueue(registry, names, files)
        if not wait:
            if as_json:
                return print_json({"queued": len(files) * len(names)})
            return click.echo(f"queued {len(files)} files for {', '.join(names)}")
        _wait(registry, names, [file_id for file_id, _ in files], quiet=as_json)
        rows = list(_rows(registry, names, files))
    if as_json:
        print_json(rows)
    elif named.package:
        print_rows(rows, False, "no such version is here")
    else:
        print_rows(_summary(rows), False, f"{what} has no file yet")
    if failed := sum(row["status"] == ReportStatus.ERROR for row in rows):
        faults.append(f"{failed} of {len(rows)} scans failed; orbitalreg doctor may say why")
    if faults:
        raise ScannerFailed("; ".join(faults))


def _parsed(what: str) -> Named:
    """An empty package stands for all. Raises `InvalidName`."""
    return parse_package(what) if what.count("/") != 1 or "==" in what else Named(Address.parse(what), "", None)


def _scanners(registry: Registry, wanted: Sequence[str]) -> list[str]:
    known = registry.scanning.scanners
    if not known:
        raise ConfigError(["plugins: no scanner is enabled; install one, and enable it by its table, [plugins.NAME]"])
    for name in wanted:
        if name not in known:
            raise InvalidName(f"there is no scanner {name!r}; enabled are: {', '.join(known)}")
    return [name for name in known if not wanted or name in wanted]


def _ready(registry: Registry, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those that can scan now, and what the others say: nobody waits for a scanner that has no database.

    Raises `ScannerFailed` where none can.
    """
    ready, faults = [], []
    for name in names:
        try:
            registry.scanning.scanners[name].state()
            ready.append(name)
        except ScannerFailed as error:
            faults.append(f"scanner {name} cannot scan: {error}")
    if not ready:
        raise ScannerFailed("; ".join(faults))
    return ready, faults


def _files(registry: Registry, named: Named) -> list[tuple[str, str]]:
    """(id, filename) of each. Raises `NotFound`, `Misplaced`, `InvalidName`."""
    repository = registry.repository(named.address)
    if repository.kind is Kind.VIRTUAL:
        raise Misplaced(f"{named.address} is virtual and holds no file of its own; name the member that does")
    adapter = registry.formats[repository.format]
    package = adapter.normalize(named.package) if named.package else None
    version = adapter.normalize_version(named.version) if named.version else None
    found = scans.of_repository(registry.catalog.read(), repository.id, package, version)
    if named.package and not found:
        raise NotFound(f"{named.address} holds no file of {named.package}{f'=={version}' if version else ''}")
    return found


def _enqueue(registry: Registry, names: Sequence[str], files: Sequence[tuple[str, str]]) -> None:
    queue = ScanQueue(tuple(names))
    for start in range(0, len(files), BATCH):
        with registry.catalog.write() as db:
            for file_id, _ in files[start : start + BATCH]:
                queue.add(db, file_id)


def _wait(registry: Registry, names: Sequence[str], file_ids: Sequence[str], quiet: bool) -> None:
    """Until there is no job of these left; a server beside this process may do some of them."""
    kinds = {kind_of(name) for name in names}
    handlers = {kind: handler for kind, handler in registry.scanning.handlers.items() if kind in kinds}
    worker = Worker(registry.catalog, handlers)
    worker.start()
    try:
        total = len(file_ids) * len(names)
        with _progress(total, quiet) as done:
            while left := sum(scans.waiting(registry.catalog.read(), kind, file_ids) for kind in kinds):
                done(total - left)
                time.sleep(LOOK_SECONDS)
            done(total)
    finally:
        worker.stop()


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    with click.progressbar(length=total, label="scanning", file=sys.stderr) as bar:
        yield lambda done: bar.update(done - bar.pos)


def _rows(registry: Registry, names: Sequence[str], files: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    known = reports.of_files(registry.catalog.read(), [file_id for file_id, _ in files])
    for file_id, filename in files:
        for report in known.get(file_id, ()):
            if report.scanner in names:
                yield {"filename": filename, **_told(report)}


def _told(report: Report) -> dict[str, Any]:
    return {
        "scanner": report.scanner,
        "status": str(report.status),
        "findings": len(report.findings),
        "scanned": moment(report.scanned_at),
        "database": report.database.version if report.database else None,
        "reason": report.reason,
    }


def _summary(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    files: Counter[tuple[str, str]] = Counter()
    findings: Counter[tuple[str, str]] = Counter()
    for row in rows:
        key = row["scanner"], row["status"]
        files[key] += 1
        findings[key] += row["findings"]
    return [
        {"scanner": scanner, "status": status, "files": count, "findings": findings[scanner, status]}
        for (scanner, status), count in sorted(files.items())
    ]

"""Puts reports into a catalog as the engine would: with their raw output and documents as blobs."""

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ulid import ULID

from orbitalreg import config
from orbitalreg.assembly import Registry, assemble
from orbitalreg.catalog import blobs, reports
from orbitalreg.inventory import inventory_of
from orbitalreg.model import Address, Database, Finding, Report, ReportStatus, Severity

BUILT_AT = 1_700_000_000_000_000
SCANNED_AT = 1_700_003_600_000_000
DATABASE = Database("5", "sha256:d5", BUILT_AT)


def finding(name: str, package: str = "ball", version: str = "1", **more: Any) -> Finding:
    return Finding(name, package, version, **more)


def report(scanner: str, *findings: Finding, status: ReportStatus = ReportStatus.OK, **more: Any) -> Report:
    more = {"database": DATABASE, "scanned_at": SCANNED_AT, "scanner_version": "1.0", **more}
    return Report(scanner, status, findings, **more)


def put(
    registry: Registry,
    repository: str,
    filename: str,
    *said: Report,
    raw: bytes | None = None,
    documents: Mapping[str, bytes] | None = None,
) -> None:
    """Those are what each scanner says of the file from now on."""
    address = Address.parse(repository)
    adapter = registry.formats[registry.repository(address).format]
    named = adapter.parse_filename(filename)
    inventory = inventory_of(registry.catalog, registry.sources.governed[address], adapter)
    [file] = [file for file in inventory.held(named.package) if file.filename == filename]
    kept = {kind: _blob(registry, body) for kind, body in (documents or {}).items()}
    digest = None if raw is None else _blob(registry, gzip.compress(raw, mtime=0))
    with registry.catalog.write() as db:
        for one in said:
            reports.put(db, file.id, one, digest, kept)
        reports.changed(db, adapter.name, named.package)


def put_beside(config_file: Path, repository: str, filename: str, *said: Report, **more: Any) -> None:
    """The same on the data of a server that runs."""
    registry = assemble(config.load(config_file))
    try:
        put(registry, repository, filename, *said, **more)
    finally:
        registry.close()
        registry.catalog.close()


def put_listed(registry: Registry, format_name: str, package: str, version: str, *said: Report) -> None:
    """What scanners say of a version by its name alone."""
    with registry.catalog.write() as db:
        for one in said:
            reports.put_listed(db, format_name, package, {version: one})
        reports.changed(db, format_name, package)


def _blob(registry: Registry, body: bytes) -> str:
    sha256 = hashlib.sha256(body).hexdigest()
    key = f"{sha256}.{ULID()}"
    staged = registry.store.staging / key
    staged.write_bytes(body)
    registry.store.keep(staged, key)
    with registry.catalog.write() as db:
        blobs.hold(db, sha256, key, len(body))
    return sha256


HIGH = report(
    "grype",
    finding(
        "GHSA-1",
        aliases=("CVE-2020-1",),
        severity=Severity.HIGH,
        fixed_in="2",
        title="It bursts",
        links=("https://example.com/CVE-2020-1",),
        published_at=BUILT_AT,
    ),
)
SAME = report("osv", finding("PYSEC-1", aliases=("CVE-2020-1",), fixed_in="1.5"))
"""The same vulnerability by another scanner, which does not rate it."""

CLEAN = report("grype")
STALE = report("grype", status=ReportStatus.DB_STALE, reason="the database is 9 days old")
BLANK = report("grype", status=ReportStatus.NOT_SCANNED, reason="it did not recognise the file", database=None)

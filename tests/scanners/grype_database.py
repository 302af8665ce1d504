"""Grype's database of the shared advisories, schema 6: SQLite, whose tables Grype itself makes from a seed.

As in the database that Anchore builds, an advisory goes by its GHSA id where it has one, and each CVE is a record of
its own, by which it is related.
"""

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from advisories import Affected, Span

SEED = """
CREATE TABLE db_metadata (
    build_timestamp datetime NOT NULL, model integer NOT NULL, revision integer NOT NULL, addition integer NOT NULL
)
"""
ADVISORIES, CVES = "github", "nvd"


def build(program: Path, folder: Path, advisories: Iterable[Affected], built: datetime | None = None) -> None:
    """Make `folder`, as GRYPE_DB_CACHE_DIR has it, with `program`."""
    folder.mkdir(parents=True)
    made = folder / "made.db"
    when = f"{built or datetime.now(UTC):%Y-%m-%d %H:%M:%S}+00:00"
    with closing(sqlite3.connect(made)) as seed, seed:
        seed.execute(SEED)
        seed.execute("INSERT INTO db_metadata VALUES (?, 6, 1, 9)", (when,))
    _import(program, folder, made)
    made.write_bytes((folder / "6" / "vulnerability.db").read_bytes())
    with closing(sqlite3.connect(made)) as database, database:
        _fill(database, advisories, when)
    _import(program, folder, made)
    made.unlink()


def _import(program: Path, folder: Path, database: Path) -> None:
    told = {"GRYPE_DB_CACHE_DIR": str(folder), "GRYPE_DB_AUTO_UPDATE": "false", "GRYPE_CHECK_FOR_APP_UPDATE": "false"}
    subprocess.run([program, "db", "import", "--quiet", database], check=True, env=os.environ | told, timeout=100)


def _fill(database: sqlite3.Connection, advisories: Iterable[Affected], when: str) -> None:
    for name in (ADVISORIES, CVES):
        row = (name, "1", "tests", when, "sha256:0")
        database.execute("INSERT INTO providers VALUES (?, ?, ?, ?, ?)", row)
    packages: dict[str, int] = {}
    records: dict[tuple[str, str], int] = {}
    for affected in advisories:
        names = [affected.id, *affected.aliases]
        name = next((alias for alias in names if alias.startswith("GHSA-")), affected.id)
        cves = [alias for alias in names if alias.startswith("CVE-")]
        for provider, told in ((ADVISORIES, name), *((CVES, cve) for cve in cves)):
            if (provider, told) not in records:
                others = [alias for alias in names if alias != told] if provider == ADVISORIES else []
                records[provider, told] = _record(database, provider, told, others, affected)
        if affected.package not in packages:
            row = ("python", affected.package)
            packages[affected.package] = _insert(database, "packages (ecosystem, name)", row)
        blob = _insert(database, "blobs (value)", (json.dumps(_package(affected, cves)),))
        row = (records[ADVISORIES, name], packages[affected.package], blob)
        _insert(database, "affected_package_handles (vulnerability_id, package_id, blob_id)", row)


def _record(database: sqlite3.Connection, provider: str, name: str, aliases: list[str], affected: Affected) -> int:
    record = affected.record
    vectors = [one["score"] for one in record.get("severity", ()) if one["type"].startswith("CVSS_V3")]
    blob = {
        "id": name,
        "description": record["details"],
        "refs": [{"url": link["url"]} for link in record.get("references", ())[:5]],
        "aliases": aliases,
        "severities": [
            {"scheme": "CVSS", "value": {"vector": vector.strip("/"), "version": vector[5:8]}, "rank": 1}
            for vector in vectors
        ],
    }
    blob_id = _insert(database, "blobs (value)", (json.dumps(blob),))
    row = (name, "active", record.get("published"), provider, blob_id)
    return _insert(database, "vulnerability_handles (name, status, published_date, provider_id, blob_id)", row)


def _package(affected: Affected, cves: list[str]) -> dict[str, Any]:
    ranges: list[dict[str, Any]] = [
        {
            "version": {"type": "python", "constraint": _constraint(span)},
            "fix": {"version": span.fixed, "state": "fixed"} if span.fixed else {"state": "not-fixed"},
        }
        for span in affected.spans
    ]
    ranges += [
        {"version": {"type": "python", "constraint": f"={version}"}, "fix": {"state": "unknown"}}
        for version in affected.versions
    ]
    return {"cves": cves, "ranges": ranges}


def _constraint(span: Span) -> str:
    start = [f">={span.introduced}"] if span.introduced != "0" else []
    end = [f"<{span.fixed}"] if span.fixed else [f"<={span.last}"] if span.last else []
    return ",".join(start + end)


def _insert(database: sqlite3.Connection, into: str, row: tuple[Any, ...]) -> int:
    places = ", ".join("?" * len(row))
    found = database.execute(f"INSERT INTO {into} VALUES ({places})", row).lastrowid
    assert found is not None
    return found

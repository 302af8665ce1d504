"""Trivy's database of the shared advisories, in the layout of github.com/aquasecurity/trivy-db, schema 2.

As its own builder does, an advisory is filed under its CVE where it has one, and its own id is among `VendorIDs`.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bolt
from advisories import Affected, Span

SOURCE = "pip::Python Packaging Advisory Database"


def build(cache: Path, advisories: Iterable[Affected], built: datetime | None = None) -> None:
    """Write `cache`/db, as `--cache-dir` has it; two records of one CVE on one package become one."""
    by_package: dict[str, dict[str, dict[str, Any]]] = {}
    details: dict[str, dict[str, Any]] = {}
    for affected in advisories:
        name = affected.cve or affected.id
        found = by_package.setdefault(affected.package, {}).setdefault(
            name, {"VendorIDs": [], "PatchedVersions": [], "VulnerableVersions": []}
        )
        found["VendorIDs"] += [affected.id] if affected.id != name else []
        found["PatchedVersions"] += [span.fixed for span in affected.spans if span.fixed]
        found["VulnerableVersions"] += [*map(_constraint, affected.spans), *(f"=={v}" for v in affected.versions)]
        details.setdefault(name, _detail(affected))
    source = {
        "ID": "pypa",
        "Name": "Python Packaging Advisory Database",
        "URL": "https://github.com/pypa/advisory-database",
    }
    folder = cache / "db"
    folder.mkdir(parents=True)
    advisory_bucket = {
        package: {name: json.dumps(advisory).encode() for name, advisory in found.items()}
        for package, found in by_package.items()
    }
    bolt.write(
        folder / "trivy.db",
        {
            SOURCE: advisory_bucket,
            "data-source": {SOURCE: json.dumps(source).encode()},
            "vulnerability": {name: json.dumps(detail).encode() for name, detail in details.items()},
        },
    )
    when = (built or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    metadata = {"Version": 2, "NextUpdate": when, "UpdatedAt": when, "DownloadedAt": when}
    (folder / "metadata.json").write_text(json.dumps(metadata))


def _constraint(span: Span) -> str:
    end = f", <{span.fixed}" if span.fixed else f", <={span.last}" if span.last else ""
    return f">={span.introduced}{end}"


def _detail(affected: Affected) -> dict[str, Any]:
    record = affected.record
    vectors = [one["score"] for one in record.get("severity", ()) if one["type"] == "CVSS_V3"]
    return {
        "Title": record.get("summary") or record["details"].splitlines()[0][:120],
        "Description": record["details"],
        "Severity": "HIGH" if vectors else "UNKNOWN",
        "CVSS": {"ghsa": {"V3Vector": vectors[0]}} if vectors else {},
        "References": [link["url"] for link in record.get("references", ())][:5],
        "PublishedDate": record.get("published"),
    }

"""Records and dumps that tests make."""

import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

BESIDE = os.path.normpath(f"{__file__}/../../../../../../shared")
SHARED = Path(os.environ.get("ORBITALREG_SHARED", BESIDE))
REAL = SHARED / "data" / "pypa-osv.zip"
"""A real dump, where it lies beside the project."""
NO_REAL = f"needs {REAL.name} in ../shared/data, or in $ORBITALREG_SHARED/data"
V3_HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"


def record(id_: str = "PYSEC-2020-1", package: str = "demo", /, **more: Any) -> dict[str, Any]:
    """One that says that the package is affected below 2.0."""
    made = {
        "id": id_,
        "modified": "2020-02-01T00:00:00Z",
        "published": "2020-01-01T00:00:00Z",
        "aliases": [],
        "details": "It does what it should not.",
        "affected": [affected(package)],
    }
    return {key: value for key, value in {**made, **more}.items() if value is not None}


def affected(package: str = "demo", *events: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """What is affected: below 2.0, unless `events` say otherwise."""
    told = list(events) or [{"introduced": "0"}, {"fixed": "2.0"}]
    ranges = [{"type": "ECOSYSTEM", "events": told}]
    return {"package": {"ecosystem": "PyPI", "name": package}, "ranges": ranges, **more}


def dump(path: Path, records: Iterable[Any]) -> Path:
    """A zip as OSV publishes it. What is bytes goes in as it is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, one in enumerate(records):
            name = one["id"] if isinstance(one, dict) and isinstance(one.get("id"), str) else f"odd-{number}"
            archive.writestr(f"{name}.json", one if isinstance(one, bytes) else json.dumps(one))
    return path


def today() -> str:
    """As a record's `modified`, of one that is fresh."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

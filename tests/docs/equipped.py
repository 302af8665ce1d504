"""What the pages on scanners with tools start from: the real tool, and a database that knows `my-pkg` 1.0."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import grype_database
import pytest
import trivy_database
from advisories import Affected, Span
from archives_corpus import make_wheel
from pages import TREE

BIN = TREE / ".tools" / "bin"
RECORD = {
    "details": "It fails where it should not.",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
    "published": "2020-01-01T00:00:00Z",
}
KNOWN = Affected("PYSEC-2020-1", ("CVE-2020-1",), "my-pkg", (Span("0", "1.1"),), (), RECORD)


def equip(tool: str, folder: Path) -> Mapping[str, str]:
    """The environment of a page on `tool`; what is carried there lies in `srv/usb`, and what is published in `dist`."""
    if not (BIN / tool).exists():
        pytest.skip(f"there is no {tool} in .tools/bin: run make scanners")
    usb, dist = folder / "srv" / "usb", folder / "dist"
    usb.mkdir()
    if tool == "trivy":
        trivy_database.build(usb / "trivy", [KNOWN])
    if tool == "grype":
        grype_database.build(BIN / "grype", folder / "made", [KNOWN])
        shutil.move(folder / "made" / "6" / "vulnerability.db", usb / "grype.db")
    dist.mkdir()
    filename, data = make_wheel("my-pkg", "1.0")
    (dist / filename).write_bytes(data)
    return {"PATH": os.pathsep.join([str(BIN), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}

"""Recorded runs of the real tool, played again. `tests/scanners/recording.py` in the tree records them."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.testing import RecordedTool


@pytest.fixture
def recorded() -> RecordedTool:
    return RecordedTool(Path(__file__).parent / "recorded")


@pytest.fixture
def installed() -> Callable[[Path], Mapping[str, Any]]:
    """Puts a program that nobody runs, and a database that nobody opens, into a folder; the table that names them."""

    def install(folder: Path) -> Mapping[str, Any]:
        (folder / "trivy").write_text("#!/bin/sh\nexit 3\n")
        (folder / "trivy").chmod(0o755)
        (folder / "cache" / "db").mkdir(parents=True)
        (folder / "cache" / "db" / "trivy.db").write_bytes(b"bolt")
        metadata = {"Version": 2, "UpdatedAt": datetime.now(UTC).isoformat(), "NextUpdate": "0001-01-01T00:00:00Z"}
        (folder / "cache" / "db" / "metadata.json").write_text(json.dumps(metadata))
        return {"binary": "trivy", "cache": "cache"}

    return install

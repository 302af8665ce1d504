"""What is recorded for the plugins' own tests is what the real tools write today."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from real import cases, recorded
from recording import outputs, printed_version, trimmed

from orbitalreg.interfaces import Scanner

CHANGES = {
    "ArtifactName", "CreatedAt", "ReportID", "timestamp", "serialNumber", "captured", "built", "path", "target",
    "documentNamespace", "documentDescribes", "created", "db", "bom-ref", "SPDXID", "spdxElementId",
    "relatedSpdxElement",
}  # fmt: skip
"""Times, ids that are random or of a place, and places."""


@pytest.mark.parametrize("tool", ["trivy", "grype", "syft"])
def test_the_records_are_true(tool: str, real: Callable[..., Scanner], tmp_path: Path) -> None:
    for case, staged, kept in cases(tool):
        written = outputs(real(tool), staged, tmp_path / case)
        assert {path.name for path in kept.iterdir()} == set(written), case
        for name, data in written.items():
            assert _lasting((kept / name).read_bytes()) == _lasting(trimmed(data)), f"{tool}: {case}/{name}"


@pytest.mark.parametrize("tool", ["trivy", "grype", "syft"])
def test_the_recorded_version_is_true(tool: str, real: Callable[..., Scanner], tmp_path: Path) -> None:
    assert (recorded(tool) / "version").read_bytes() == printed_version(real(tool), tmp_path)


def _lasting(data: bytes) -> Any:
    return _without(json.loads(data)) if data else None


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without(item) for name, item in value.items() if name not in CHANGES}
    return [_without(item) for item in value] if isinstance(value, list) else value

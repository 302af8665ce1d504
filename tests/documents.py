"""Documents of findings, held against their schemas: SARIF 2.1.0 and CycloneDX 1.6."""

import functools
import json
from typing import Any

import pytest


# Seconds to import, so only where a test of these runs.
@functools.cache
def _sarif_model() -> Any:
    return pytest.importorskip("fluidattacks_core.sarif").SarifLog


@functools.cache
def _vex_schema() -> Any:
    cyclonedx = pytest.importorskip("cyclonedx.validation.json")
    return cyclonedx.JsonStrictValidator(pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6)


def valid_sarif(text: str) -> dict[str, Any]:
    """What it says. Raises `ValueError` where it is none."""
    told = json.loads(text)
    _sarif_model().model_validate(told, by_alias=True, by_name=False)
    return dict(told)


def valid_vex(text: str) -> dict[str, Any]:
    """What it says. Raises `ValueError` where it is none."""
    if (fault := _vex_schema().validate_str(text)) is not None:
        raise ValueError(str(fault))
    return dict(json.loads(text))


VALID = {"sarif": valid_sarif, "vex": valid_vex}


def lasting(kind: str, text: str) -> dict[str, Any]:
    """What a valid document says, but for what no two of them have alike."""
    told = VALID[kind](text)
    if kind == "vex":
        del told["serialNumber"], told["metadata"]["timestamp"]
    return told

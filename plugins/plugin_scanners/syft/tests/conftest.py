"""Recorded runs of the real tool, played again. `tests/scanners/recording.py` in the tree records them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.testing import RecordedTool


@pytest.fixture
def recorded() -> RecordedTool:
    return RecordedTool(Path(__file__).parent / "recorded")


@pytest.fixture
def installed() -> Callable[[Path], Mapping[str, Any]]:
    """Puts a program that nobody runs into a folder; the table that names it."""

    def install(folder: Path) -> Mapping[str, Any]:
        (folder / "syft").write_text("#!/bin/sh\nexit 3\n")
        (folder / "syft").chmod(0o755)
        return {"binary": "syft"}

    return install

"""These tests run one server for long. Run them alone: make soak-short, make soak"""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TREE = HERE.parent.parent
# The server's harness is that of the tests beside these; the builders of archives are the plugin's.
sys.path[:0] = [str(HERE), str(TREE / "tests" / "e2e"), str(TREE / "plugins" / "plugin_pypi" / "tests")]

SECONDS = float(os.environ.get("ORBITALREG_SOAK_SECONDS", "3600"))


@pytest.fixture(scope="session")
def seconds() -> float:
    """For which the mixed work goes on, in all tests together."""
    return SECONDS


@pytest.fixture(scope="session")
def output() -> Path:
    """Where samples and pictures are kept."""
    folder = TREE / ".soak"
    folder.mkdir(exist_ok=True)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(SECONDS + 600))
            item.add_marker(pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"))

"""Other people's servers as upstreams of a real one. Run them alone: make test-upstreams"""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TREE = HERE.parent.parent
# The harness is that of the tests beside these, servers are installed as clients are, the archives are the plugin's.
sys.path[:0] = [
    str(folder)
    for folder in (HERE, TREE / "tests" / "e2e", TREE / "tests" / "clients", TREE / "plugins" / "plugin_pypi" / "tests")
]

from harness import Shell  # noqa: E402  # from the paths above


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test may have to install a server."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(280))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A user's shell in an empty home folder."""
    home = tmp_path / "home"
    home.mkdir()
    return Shell(home)

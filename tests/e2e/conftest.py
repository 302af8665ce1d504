"""These tests run real processes over real sockets. Run them alone: python -m pytest tests/e2e"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The builders of archives, hostile ones too, are the plugin's; the harness is ours.
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "plugins" / "plugin_pypi" / "tests")]

from harness import Registry, Shell  # noqa: E402  # from the path above


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A running server, one for each module; `token` may maintain the repository."""
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        running.token = running.new_token("e2e", "acme/internal:maintain")
        yield running
        assert running.faults() == []


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A user's shell in an empty home folder."""
    home = tmp_path / "home"
    home.mkdir()
    return Shell(home)

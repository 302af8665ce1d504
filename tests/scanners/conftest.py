"""Needs what `make scanners` installs, and the shared advisories; what is not there is skipped, and said."""

import functools
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(TESTS.parent / "plugins" / "plugin_pypi" / "tests")]

from advisories import DATA  # noqa: E402
from real import build_databases, is_here, scanner  # noqa: E402

from orbitalreg.interfaces import Scanner, ToolRun  # noqa: E402
from orbitalreg.testing.targets import run_tool  # noqa: E402

Real = Callable[..., Scanner]


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trivy's and Grype's, of the shared advisories."""
    if not DATA.exists():
        pytest.skip(f"there is no {DATA.name} in the shared data")
    folder = tmp_path_factory.mktemp("databases")
    build_databases(folder)
    return folder


@pytest.fixture
def real(databases: Path) -> Real:
    """A plugin over the real tool, by its name and further options."""

    def make(name: str, **options: Any) -> Scanner:
        if not is_here(name):
            pytest.skip(f"there is no {name} in .tools/bin: run make scanners")
        return scanner(name, databases, **options)

    return make


@functools.cache
def can_be_alone() -> bool:
    done = subprocess.run(["unshare", "--map-root-user", "--net", "true"], capture_output=True, check=False)
    return done.returncode == 0


def run_alone(arguments: Sequence[str], **more: Any) -> ToolRun:
    """`interfaces.Runner` without any network, not even loopback, where the machine can do that."""
    alone = ["unshare", "--map-root-user", "--net"] if can_be_alone() else []
    return run_tool([*alone, *arguments], **more)


@pytest.fixture
def alone() -> Callable[..., ToolRun]:
    return run_alone


def ids(reported: Any) -> Mapping[str, frozenset[str]]:
    """Of each finding the id, and all names that it goes by."""
    return {found.id: frozenset((found.id, *found.aliases)) for found in reported.findings}

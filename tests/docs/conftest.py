"""The pages' tests use the harness of tests/e2e, its builders of archives, the clients of tests/clients, and the
databases of tests/scanners."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [
    str(folder)
    for folder in (
        Path(__file__).parent,
        TESTS / "e2e",
        TESTS / "clients",
        TESTS / "scanners",
        TESTS.parent / "plugins" / "plugin_pypi" / "tests",
    )
]

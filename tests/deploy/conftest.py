"""What is in deploy/ is run as far as a machine has the programs for it; the harness is that of tests/e2e."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS.parent / "plugins" / "plugin_pypi" / "tests")]

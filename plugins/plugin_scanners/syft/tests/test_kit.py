"""The plugin passes the kit, over runs of the real Syft that were recorded."""

from pathlib import Path
from typing import Any

import pytest
from orbitalreg_syft.plugin import Syft

from orbitalreg.testing import BaseScannerContract, GoodTarget, Lacking, ScannerUnderTest

pytest_plugins = ["orbitalreg.testing"]


class TestSyft(BaseScannerContract):
    @pytest.fixture
    def subject(self, tmp_path: Path, recorded: Any, installed: Any) -> ScannerUnderTest:
        options = installed(tmp_path)
        cases = recorded.cases
        return ScannerUnderTest(
            Syft,
            tmp_path,
            options,
            bad_options=[{**options, "binary": "absent"}, {**options, "deep": 1}, {**options, "max_age": "7d"}],
            good=[GoodTarget(cases[name]) for name in ("jinja2-2.10", "products-cmfplone-4.3", "pyyaml-5.3")],
            unknown=[cases["nothing-0"]],
            without_tool=Lacking({}, "install Syft"),
            run=recorded.run,
        )

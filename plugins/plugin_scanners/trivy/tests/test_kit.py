"""The plugin passes the kit, over runs of the real Trivy that were recorded."""

from pathlib import Path
from typing import Any

import pytest
from orbitalreg_trivy.plugin import Trivy

from orbitalreg.testing import BaseScannerContract, GoodTarget, Lacking, ScannerUnderTest

pytest_plugins = ["orbitalreg.testing"]

JINJA2 = ["CVE-2019-10906", "PYSEC-2019-217", "CVE-2020-28493", "PYSEC-2021-66"]


class TestTrivy(BaseScannerContract):
    @pytest.fixture
    def subject(self, tmp_path: Path, recorded: Any, installed: Any) -> ScannerUnderTest:
        options = installed(tmp_path)
        cases = recorded.cases
        return ScannerUnderTest(
            Trivy,
            tmp_path,
            options,
            bad_options=[
                {**options, "binary": "absent"},
                {**options, "binary": 7},
                {**options, "max_age": "soon"},
                {**options, "offline": "no"},
                {**options, "cashe": "x"},
            ],
            good=[
                GoodTarget(cases["jinja2-2.10"], JINJA2),
                GoodTarget(cases["products-cmfplone-4.3"], ["CVE-2013-7060", "PYSEC-2014-68"]),
                GoodTarget(cases["pyyaml-5.3"], ["CVE-2020-14343", *JINJA2]),
                GoodTarget(cases["attrs-24.2.0"]),
            ],
            unknown=[cases["nothing-0"], cases["pytz-2004d-old"]],
            without_tool=Lacking({"cache": options["cache"]}, "install Trivy"),
            without_database=Lacking({**options, "cache": "empty"}, "trivy image --download-db-only"),
            run=recorded.run,
        )

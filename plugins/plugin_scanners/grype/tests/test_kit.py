"""The plugin passes the kit, over runs of the real Grype that were recorded."""

from pathlib import Path
from typing import Any

import pytest
from orbitalreg_grype.plugin import Grype

from orbitalreg.testing import BaseScannerContract, GoodTarget, Lacking, ScannerUnderTest

pytest_plugins = ["orbitalreg.testing"]

JINJA2 = ["GHSA-462w-v97r-4m45", "CVE-2019-10906", "GHSA-g3rq-g295-4j3m", "CVE-2020-28493"]


class TestGrype(BaseScannerContract):
    @pytest.fixture
    def subject(self, tmp_path: Path, recorded: Any, installed: Any) -> ScannerUnderTest:
        options = installed(tmp_path)
        cases = recorded.cases
        return ScannerUnderTest(
            Grype,
            tmp_path,
            options,
            bad_options=[
                {**options, "binary": "absent"},
                {**options, "binary": 7},
                {**options, "max_age": "soon"},
                {**options, "offline": "no"},
                {**options, "cache": "x"},
            ],
            good=[
                GoodTarget(cases["jinja2-2.10"], JINJA2),
                GoodTarget(cases["products-cmfplone-4.3"], ["CVE-2013-7060", "PYSEC-2014-68"]),
                GoodTarget(cases["pyyaml-5.3"], ["CVE-2020-14343", *JINJA2]),
                GoodTarget(cases["attrs-24.2.0"]),
            ],
            unknown=[cases["nothing-0"], cases["pytz-2004d-old"]],
            without_tool=Lacking({"database": options["database"]}, "install Grype"),
            without_database=Lacking({**options, "database": "empty"}, "grype db import"),
            run=recorded.run,
        )

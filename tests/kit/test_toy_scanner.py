"""The toy scanner passes the kit."""

import json
from pathlib import Path

import pytest
from orbitalreg_toy_scanner import ToyScanner

from orbitalreg.interfaces import Scanner
from orbitalreg.model import Component, Staged
from orbitalreg.testing import BaseScannerContract, GoodTarget, Lacking, ScannerUnderTest

pytest_plugins = ["orbitalreg.testing"]

PRINTED_AT = 1_700_000_000_000_000
RECALLS = {
    "RECALL-1": {
        "toy": "ball",
        "versions": ["1.2"],
        "severity": "high",
        "fixed_in": "1.3",
        "aliases": ["EAN-77"],
        "published_at": PRINTED_AT,
        "title": "it bursts",
    },
    "RECALL-2": {"toy": "ball", "versions": ["1.1", "1.2"], "severity": "odd"},
    "RECALL-3": {"toy": "pump", "versions": ["1"], "severity": "low"},
}
SHAKER = """\
#!/bin/sh
printf '{"shaken": [%s]}' "$(grep -o '"pkg:toy/[^"]*"' "$1" | paste -s -d, -)"
"""


def toy(name: str, version: str, location: str = "", is_bundled: bool = False) -> Component:
    return Component(name, version, f"pkg:toy/{name}@{version}", location, is_bundled, (name.upper(),))


BALL = Staged((toy("ball", "1.2"),), {"head": b"round"})
BALL_AND_PUMP = Staged((toy("ball", "1.10"), toy("pump", "1", "parts/pump", True)), {"parts/pump": b"blows"})
PAPER = Staged((Component("paper", "1", "pkg:paper/paper@1"),))


def shaken(cls: type[Scanner], base: Path) -> ScannerUnderTest:
    """What is true of the toys, whoever shakes them."""
    (base / "recalls.json").write_text(json.dumps({"issue": 7, "printed_at": PRINTED_AT, "recalls": RECALLS}))
    (base / "shaker").write_text(SHAKER)
    (base / "shaker").chmod(0o755)
    options = {"tool": str(base / "shaker")}
    return ScannerUnderTest(
        cls,
        base,
        options,
        bad_options=[{**options, "recalls": 7}, {**options, "list": "recalls.json"}],
        good=[
            GoodTarget(BALL, ["RECALL-1", "RECALL-2"]),
            GoodTarget(BALL_AND_PUMP, ["RECALL-3"], "ball@1.10.toy"),
            GoodTarget(Staged((toy("tea-set", "3"),))),
        ],
        unknown=[PAPER],
        without_tool=Lacking({}, "toy shop"),
        without_database=Lacking({**options, "recalls": "none.json"}, "ask the toy maker"),
    )


class TestToyScanner(BaseScannerContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> ScannerUnderTest:
        return shaken(ToyScanner, tmp_path)

"""The toy format passes the kit."""

import pytest
from orbitalreg_toy import ToyFormat

from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Locked, Requirement
from orbitalreg.testing import (
    AdapterUnderTest,
    BadFile,
    BaseFormatAdapterContract,
    GoodFile,
    GoodLock,
    GoodRequirement,
)

pytest_plugins = ["orbitalreg.testing"]


def toys(adapter: FormatAdapter) -> AdapterUnderTest:
    """What is true of the toys, whoever speaks for them."""
    return AdapterUnderTest(
        adapter=adapter,
        good_files=[
            GoodFile("ball@1.2.toy", b"needs: net pump\nround", "ball", "1.2", claims={"note": "bounces"}),
            GoodFile("Ball@1.10.toy", b"", "ball", "1.10"),
            GoodFile("tea-set@3.toy", b"four cups", "tea-set", "3"),
            GoodFile("kite@1.toy", b"license: MIT OR Zlib\npaper \xe9", "kite", "1", license="MIT OR Zlib"),
        ],
        bad_files=[
            BadFile("ball.toy", b"round", says="no toy version"),
            BadFile("9ball@1.toy", b"round", says="no toy"),
            BadFile("../ball@1.toy", b"round", says="no toy"),
        ],
        names={"Ball": "ball", "tea-set": "tea-set"},
        bad_names=["", "9ball", "../ball", "ball/set", "ball\n"],
        versions={"1.2": "1.2", "3": "3"},
        bad_versions=["", "1.", "v1", "1.2\n"],
        ordered_versions=["1", "1.2", "1.10", "2", "10"],
        locks=[
            GoodLock(
                "toys.lock",
                b"Ball@1.2\nkite@1 " + b"a" * 64,
                [Locked("ball", "1.2", place="line 1"), Locked("kite", "1", frozenset(["a" * 64]), "line 2")],
            )
        ],
        environments={"toybox": "toybox", "ToyBox": "toybox"},
        bad_environments=["toybox\n", "shelf"],
        requirements=[
            GoodRequirement(Requirement("ball", "", (), "Ball"), chosen=["1.10", "1.2"]),
            GoodRequirement(Requirement("ball", "<1.10", (), "ball<1.10"), chosen=["1.2"]),
            GoodRequirement(Requirement("ball", "==2", ("big", "red"), "ball[Red,big]==2"), chosen=[]),
            GoodRequirement(Requirement("pump", ">=3", (), "Big?pump>=3"), extra="big", chosen=[]),
        ],
    )


class TestToy(BaseFormatAdapterContract):
    @pytest.fixture
    def subject(self) -> AdapterUnderTest:
        return toys(ToyFormat())

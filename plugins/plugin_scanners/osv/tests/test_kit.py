"""The plugin passes the kit: the scanner over a dump and over a server, and its commands."""

from pathlib import Path

import pytest
from asked_of_osv import component
from fake_osv import FakeOsv
from orbitalreg_osv.commands import OsvCommands
from orbitalreg_osv.scanner import Osv
from records_made import V3_HIGH, affected, dump, record, today

from orbitalreg.interfaces import Clients, Surroundings
from orbitalreg.model import Component, Staged
from orbitalreg.testing import (
    BaseCommandsContract,
    BaseScannerContract,
    CommandsUnderTest,
    GoodTarget,
    Lacking,
    ScannerUnderTest,
)

RECORDS = [
    record("PYSEC-2020-1", "Demo", modified=today(), aliases=["CVE-2020-1"], summary="It does what it should not"),
    record("GHSA-1", severity=[{"type": "CVSS_V3", "score": V3_HIGH}], aliases=["CVE-2020-1", "GHSA-1"]),
    record("MAL-2024-1", "evil", affected=[affected("evil", {"introduced": "0"})]),
    record("PYSEC-2020-2", "unpublished", published="9999-01-01T00:00:00Z"),
]
BUNDLED = Component("evil", "1.0", "pkg:pypi/evil@1.0", "demo/_vendor/evil-1.0.dist-info/METADATA", True)
GOOD = [
    GoodTarget(Staged((component(),)), ["CVE-2020-1", "GHSA-1", "PYSEC-2020-1"]),
    GoodTarget(Staged((component(version="2.0"),))),
    GoodTarget(Staged((component("unheard-of"),))),
    GoodTarget(Staged((component("unpublished", "1.9"),)), ["PYSEC-2020-2"]),
    GoodTarget(Staged((component(version="2.1"), BUNDLED)), ["MAL-2024-1"]),
]
UNKNOWN = [Staged((Component("demo", "1.0", "pkg:npm/demo@1.0"),)), Staged((Component("demo", "1.0", "nonsense"),))]
BAD = [{"dmup": "all.zip"}, {"dump": 7}, {"dump": ""}, {"max_age": "soon"}, {"server": "osv"}]


class TestOverADump(BaseScannerContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> ScannerUnderTest:
        dump(tmp_path / "all.zip", RECORDS)
        return ScannerUnderTest(
            Osv,
            tmp_path,
            options={"dump": "all.zip", "deep": True},
            bad_options=BAD,
            good=GOOD,
            unknown=[*UNKNOWN, Staged((component(version="2004d-final"),))],
            without_database=Lacking({"dump": "absent.zip"}, "put OSV's all.zip at "),
        )


class TestOverAServer(BaseScannerContract):
    @pytest.fixture
    def subject(self, tmp_path: Path, osv_dev: FakeOsv, clients: Clients) -> ScannerUnderTest:
        osv_dev.put(*RECORDS)
        return ScannerUnderTest(
            Osv,
            tmp_path,
            options={"server": osv_dev.url, "refresh": "5000w"},
            bad_options=BAD,
            good=GOOD,
            unknown=UNKNOWN,
            without_database=None,
            clients=clients,
        )


class TestCommands(BaseCommandsContract):
    @pytest.fixture
    def subject(self, tmp_path: Path, clients: Clients) -> CommandsUnderTest:
        def make() -> OsvCommands:
            return OsvCommands(Surroundings({"dump": "all.zip"}, tmp_path, tmp_path / "own", clients))

        return CommandsUnderTest(make, [["update"], ["update", "--from", "absent.zip"], ["status"]])

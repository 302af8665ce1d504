"""What is known of real packages, by the real records."""

import pytest
from asked_of_osv import Make, component, no_server
from orbitalreg_osv.scanner import Osv
from records_made import NO_REAL, REAL

from orbitalreg.interfaces import Surroundings
from orbitalreg.model import Finding, ReportStatus

pytestmark = pytest.mark.skipif(not REAL.exists(), reason=NO_REAL)


@pytest.fixture(scope="module")
def osv(tmp_path_factory: pytest.TempPathFactory) -> Osv:
    folder = tmp_path_factory.mktemp("osv")
    return Osv(Surroundings({"dump": str(REAL), "max_age": "5000w"}, folder, folder / "own", no_server))


def found(osv: Osv, name: str, version: str) -> dict[str, Finding]:
    (report,) = osv.judge([component(name, version)])
    assert report.status is ReportStatus.OK
    assert report.packages_seen == (f"pkg:pypi/{name}@{version}",)
    return {finding.id: finding for finding in report.findings}


def test_jinja2(osv: Osv) -> None:
    told = found(osv, "jinja2", "2.10")
    assert told.keys() == {"PYSEC-2019-217", "PYSEC-2021-66"}
    assert "CVE-2019-10906" in told["PYSEC-2019-217"].aliases
    assert told["PYSEC-2019-217"].fixed_in == "2.10.1"
    assert "CVE-2020-28493" in told["PYSEC-2021-66"].aliases
    assert told["PYSEC-2021-66"].fixed_in == "2.11.3"
    assert found(osv, "jinja2", "2.10.1").keys() == {"PYSEC-2021-66"}
    assert found(osv, "jinja2", "2.11.3") == {}


def test_pyyaml(osv: Osv) -> None:
    told = found(osv, "PyYAML", "5.3")
    assert {one.aliases[0]: one.fixed_in for one in told.values()} == {
        "CVE-2020-1747": "5.3.1",
        "CVE-2020-14343": "5.4",
    }


def test_django(osv: Osv) -> None:
    told = found(osv, "Django", "2.2")
    assert len(told) == 28
    assert told["PYSEC-2019-10"].fixed_in == "2.2.3"


@pytest.mark.parametrize("name", ["Products.CMFPlone", "products-cmfplone", "PRODUCTS__cmfplone"])
def test_names_are_folded(osv: Osv, name: str) -> None:
    assert {"PYSEC-2014-67", "PYSEC-2014-68"} <= found(osv, name, "4.3").keys()


def test_nothing_is_known_of_a_name_that_nobody_reported(osv: Osv) -> None:
    assert found(osv, "my-own-package", "1.0") == {}


def test_the_dump(osv: Osv) -> None:
    database = osv.database()
    assert database is not None
    assert database.version == "2651 records"  # of 2,661, of which 10 are withdrawn
    assert database.built_at == 1_728_580_920_587_279


def test_by_its_age_it_is_stale(make: Make) -> None:
    (report,) = make(dump=str(REAL)).judge([component("jinja2", "2.10")])
    assert report.status is ReportStatus.DB_STALE
    assert report.reason is not None and "days old" in report.reason
    assert len(report.findings) == 2  # they count like any others

"""In-process OSV, the real Trivy and the real Grype say the same of 300 packages, by the same advisories."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import agreement
import pytest
from advisories import DATA, read
from orbitalreg_osv.plugin import Osv
from real import no_clients

from orbitalreg.interfaces import Scanner, Surroundings, ToolRun
from orbitalreg.model import ReportStatus, Staged
from orbitalreg.testing.targets import make_target

EXPLAINED: Mapping[tuple[str, str], tuple[frozenset[str], str]] = {
    ("trivy", "pkg:pypi/wagtail@2.11.6"): (
        frozenset({"CVE-2021-29434"}),
        "PYSEC-2021-114 calls 2.11.6 mended and lists it as affected. By OSV's rules what is listed is affected, as "
        "the other two have it; Trivy takes whatever is called mended for safe.",
    ),
    ("trivy", "pkg:pypi/vantage6-server@0.0.0b0"): (
        frozenset({"CVE-2024-21653"}),
        "PYSEC-2024-34 is from 0 on. By OSV's rules 0 is before every version; Trivy compares it as PEP 440 has it, "
        "where a beta of 0.0.0 is before 0.",
    ),
}
"""Where a scanner does not find what the in-process matcher finds: what, and why."""


@pytest.fixture(scope="module")
def advisories(databases: Path) -> list[agreement.Affected]:
    return list(read())


@pytest.mark.parametrize("tool", ["trivy", "grype"])
def test_scanners_agree(
    tool: str, advisories: list[agreement.Affected], real: Callable[..., Scanner], tmp_path: Path,
    alone: Callable[..., ToolRun],
) -> None:  # fmt: skip
    components, by = agreement.sample(advisories), agreement.clusters(advisories)
    osv = Osv(Surroundings({"dump": str(DATA), "max_age": "9999d"}, tmp_path, tmp_path / "osv", no_clients))
    expected = agreement.found(osv.judge(components), by)
    report = real(tool).scan(replace(make_target(Staged(tuple(components)), tmp_path / "target"), run=alone)).report
    assert report.status is ReportStatus.OK
    assert len(report.packages_seen) == len(components) == agreement.COUNT
    assert sum(map(len, expected.values())) > 2000
    told = agreement.found([report], by)
    lacking = {purl: names - told.get(purl, frozenset()) for purl, names in expected.items()}
    more = {purl: names - expected.get(purl, frozenset()) for purl, names in told.items()}
    explained = {purl: names for (of, purl), (names, _) in EXPLAINED.items() if of == tool}
    assert {purl: names for purl, names in lacking.items() if names} == explained
    assert {purl: names for purl, names in more.items() if names} == {}

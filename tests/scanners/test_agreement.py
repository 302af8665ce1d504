"""In-process OSV, the real Trivy and the real Grype say the same of 300 packages, by the same advisories."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import agreement
import pytest
from advisories import DATA, read
from orbitalreg_osv.plugin import Osv
from real import BIN, is_here, no_clients

from orbitalreg.bom import cyclonedx
from orbitalreg.interfaces import Scanner, Surroundings, ToolRun
from orbitalreg.model import Component, ReportStatus, Staged
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
    expected = in_process(components, tmp_path, by)
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


def test_osv_scanner_finds_the_same_but_for_what_no_advisory_lists(
    advisories: list[agreement.Affected], tmp_path: Path, alone: Callable[..., ToolRun]
) -> None:
    """It judges by the versions that an advisory lists, where it lists any; the schema has the ranges count as well."""
    if not is_here("osv-scanner"):
        pytest.skip("there is no osv-scanner in .tools/bin: run make scanners")
    components, by = agreement.sample(advisories), agreement.clusters(advisories)
    told = osv_scanner(components, tmp_path, alone)
    assert len(told) == len(components)
    listed: dict[tuple[str, str], set[str]] = {}
    for one in advisories:
        for version in agreement.listed(one):
            listed.setdefault((one.package, version), set()).add(by.get(one.id, one.id))
    expected = in_process(components, tmp_path, by)
    for one in components:
        names = expected.get(one.purl, frozenset())
        found = {by.get(name, name) for name in told[one.name, one.version]}
        assert found <= names, one.purl
        assert (names - found).isdisjoint(listed.get((one.name, one.version), ())), one.purl


def in_process(components: Sequence[Component], folder: Path, by: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    """What the matcher finds in each."""
    osv = Osv(Surroundings({"dump": str(DATA), "max_age": "9999d"}, folder, folder / "osv", no_clients))
    return agreement.found(osv.judge(components), by)


def osv_scanner(
    components: Sequence[Component], folder: Path, alone: Callable[..., ToolRun]
) -> Mapping[tuple[str, str], list[str]]:
    """The ids of each package."""
    dump = folder / "dumps" / "osv-scalibr" / "PyPI" / "all.zip"
    dump.parent.mkdir(parents=True)
    dump.symlink_to(DATA)
    (folder / "bom.cdx.json").write_bytes(cyclonedx([replace(one, aliases=()) for one in components]))
    command = [str(BIN / "osv-scanner"), "scan", "source", "--offline", "--local-db-path", str(folder / "dumps")]
    done = alone([*command, "--format", "json", "--all-packages", "--lockfile", str(folder / "bom.cdx.json")])
    packages = [package for result in json.loads(done.stdout)["results"] for package in result["packages"]]
    return {
        (told["package"]["name"], told["package"]["version"]): [one["id"] for one in told.get("vulnerabilities", ())]
        for told in packages
    }

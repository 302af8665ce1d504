"""The real tools over files as people publish them: staged by the format, judged without a network."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grype_database
import pytest
import trivy_database
from advisories import read
from archives_corpus import make_sdist, make_wheel
from orbitalreg_pypi.staging import stage
from real import BIN, is_here, scanner
from scanner_plugin import put, watch, work
from scanner_plugin import report as reported

from orbitalreg.errors import ScannerFailed
from orbitalreg.interfaces import Scanner, ToolRun
from orbitalreg.interfaces.tools import version_of
from orbitalreg.model import Report, ReportStatus, Scan, Severity
from orbitalreg.testing.targets import make_target, run_tool

FINDERS = ("trivy", "grype")
TOOLS = (*FINDERS, "syft")

KNOWN = {
    ("Jinja2", "2.10"): {"CVE-2019-10906": "2.10.1", "CVE-2020-28493": "2.11.3"},
    ("PyYAML", "5.3"): {"CVE-2020-1747": "5.3.1", "CVE-2020-14343": "5.4"},
    ("Products.CMFPlone", "4.3"): {"CVE-2013-7060": "4.3.3", "CVE-2013-7061": "4.3.3"},
    ("attrs", "24.2.0"): {},
}
"""Packages, and what is known of them in the shared advisories: the CVE, and where it is mended."""

Run = Callable[..., ToolRun]


def scanned(made: Scanner, path: Path, folder: Path, run: Run, deep: bool = False) -> Scan:
    target = make_target(stage(path, path.name, deep), folder / "target", path.name)
    return made.scan(replace(target, run=run))


def fixes(report: Report) -> dict[str, str | None]:
    """Where each CVE is mended."""
    names = ((name, found) for found in report.findings for name in (found.id, *found.aliases))
    return {name: found.fixed_in for name, found in names if name.startswith("CVE-")}


@pytest.fixture(params=["wheel", "sdist"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], Path]:
    def build(name: str, version: str) -> Path:
        filename, data = (make_wheel if request.param == "wheel" else make_sdist)(name, version)
        (tmp_path / filename).write_bytes(data)
        return tmp_path / filename

    return build


@pytest.mark.parametrize("package", KNOWN, ids=lambda package: package[0])
@pytest.mark.parametrize("tool", FINDERS)
def test_what_is_known_of_a_file_is_found(
    tool: str,
    package: tuple[str, str],
    real: Callable[..., Scanner],
    build: Callable[[str, str], Path],
    tmp_path: Path,
    alone: Run,
) -> None:
    path = build(*package)
    report = scanned(real(tool), path, tmp_path, alone).report
    assert report.status is ReportStatus.OK
    assert report.packages_seen == (stage(path, path.name, False).components[0].purl,)
    assert fixes(report) == KNOWN[package]
    assert report.scanner_version and report.database is not None


@pytest.mark.parametrize("package", KNOWN, ids=lambda package: package[0])
def test_syft_makes_bills_of_materials(
    package: tuple[str, str],
    real: Callable[..., Scanner],
    build: Callable[[str, str], Path],
    tmp_path: Path,
    alone: Run,
) -> None:
    path = build(*package)
    made = scanned(real("syft"), path, tmp_path, alone)
    purl = stage(path, path.name, False).components[0].purl
    assert made.report.status is ReportStatus.OK and made.report.packages_seen == (purl,)
    assert purl.encode() in made.documents["cyclonedx"] and purl.encode() in made.documents["spdx"]
    assert made.report.scanner_version == "1.18.1"


@pytest.mark.parametrize("tool", FINDERS)
def test_what_is_found_in_a_stale_database_counts_and_silence_does_not(
    tool: str, tmp_path: Path, real: Callable[..., Scanner], alone: Run
) -> None:
    real(tool)
    old = datetime.now(UTC) - timedelta(days=8)
    some = [one for one in read() if one.package == "jinja2"]
    if tool == "trivy":
        trivy_database.build(tmp_path / "trivy", some, old)
    else:
        grype_database.build(BIN / "grype", tmp_path / "grype", some, old)
    for name, version, expected in (("jinja2", "2.10", KNOWN["Jinja2", "2.10"]), ("attrs", "24.2.0", {})):
        filename, data = make_wheel(name, version)
        (tmp_path / filename).write_bytes(data)
        for max_age, status in (("7d", ReportStatus.DB_STALE), ("30d", ReportStatus.OK)):
            made = scanner(tool, tmp_path, max_age=max_age)
            report = scanned(made, tmp_path / filename, tmp_path / f"{name}-{max_age}", alone).report
            assert report.status is status and fixes(report) == expected
            assert (report.reason is None) == (status is ReportStatus.OK)


@pytest.mark.parametrize("tool", FINDERS)
def test_a_damaged_database_is_a_failure_and_not_clean(
    tool: str, tmp_path: Path, real: Callable[..., Scanner], alone: Run
) -> None:
    real(tool)
    (tmp_path / "trivy" / "db").mkdir(parents=True)
    (tmp_path / "trivy" / "db" / "trivy.db").write_bytes(b"no bolt" * 2000)
    (tmp_path / "trivy" / "db" / "metadata.json").write_text(
        f'{{"Version": 2, "UpdatedAt": "{datetime.now(UTC):%FT%TZ}"}}'
    )
    (tmp_path / "grype" / "6").mkdir(parents=True)
    (tmp_path / "grype" / "6" / "vulnerability.db").write_bytes(b"no SQLite" * 2000)
    (tmp_path / "grype" / "6" / "import.json").write_text('{"digest": "xxh64:0", "client_version": "v6.1.10"}')
    filename, data = make_wheel("jinja2", "2.10")
    (tmp_path / filename).write_bytes(data)
    with pytest.raises(ScannerFailed, match=tool):
        scanned(scanner(tool, tmp_path), tmp_path / filename, tmp_path, alone)


def test_settings_that_come_with_a_file_are_not_read(real: Callable[..., Scanner], tmp_path: Path, alone: Run) -> None:
    """A file that could bring a .trivyignore would decide what is known of it."""
    filename, data = make_wheel("jinja2", "2.10")
    (tmp_path / filename).write_bytes(data)
    staged = stage(tmp_path / filename, filename, False)
    hostile = {
        ".trivyignore": b"CVE-2019-10906\nCVE-2020-28493\n",
        "trivy.yaml": b"scan:\n  scanners: []\n",
        ".grype.yaml": b"ignore:\n  - package: {name: jinja2}\n",
        ".syft.yaml": b"exclude: ['**']\n",
    }
    for tool in filter(is_here, TOOLS):
        target = make_target(replace(staged, documents={**staged.documents, **hostile}), tmp_path / tool, filename)
        report = real(tool).scan(replace(target, run=alone)).report
        assert report.status is ReportStatus.OK
        assert tool == "syft" or fixes(report) == KNOWN["Jinja2", "2.10"]


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_bundled_is_told_by_its_place_where_it_is_asked_for(
    tool: str, real: Callable[..., Scanner], tmp_path: Path, alone: Run
) -> None:
    vendored = "demo_pkg/_vendor/Jinja2-2.10.dist-info/METADATA"
    listed = "demo_pkg-1.0.dist-info/sboms/cargo.cdx.json"
    components = [{"type": "library", "name": "smallvec", "version": "1.6.0", "purl": "pkg:cargo/smallvec@1.6.0"}]
    files = {
        "demo_pkg/__init__.py": b"",
        vendored: b"Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.10\n",
        listed: json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}).encode(),
    }
    filename, data = make_wheel("demo-pkg", "1.0", files=files)
    (tmp_path / filename).write_bytes(data)
    deep = scanned(real(tool, deep=True), tmp_path / filename, tmp_path / "deep", alone, deep=True).report
    shallow = scanned(real(tool), tmp_path / filename, tmp_path / "shallow", alone).report
    assert deep.status is shallow.status is ReportStatus.OK
    assert {"pkg:pypi/demo-pkg@1.0", "pkg:pypi/jinja2@2.10"} <= set(deep.packages_seen)
    assert tool == "syft" or "pkg:cargo/smallvec@1.6.0" in deep.packages_seen
    assert shallow.packages_seen == ("pkg:pypi/demo-pkg@1.0",) and shallow.findings == ()
    if tool in FINDERS:
        assert fixes(deep) == KNOWN["Jinja2", "2.10"]
        assert {(one.location, one.is_bundled) for one in deep.findings} == {(vendored, True)}


@pytest.mark.online
@pytest.mark.timeout(300)
@pytest.mark.parametrize("option", ["--only-binary=:all:", "--no-binary=:all:"], ids=["wheels", "sdists"])
def test_published_files(
    option: str, tmp_path: Path, databases: Path, real: Callable[..., Scanner], alone: Run
) -> None:
    wanted = {"jinja2==2.10": 2, "urllib3==1.24.1": 3, "attrs==24.2.0": 0, "zope.interface==5.4.0": 0}
    if option.startswith("--only"):
        del wanted["zope.interface==5.4.0"]  # its wheels are of each Python's own
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", option]
    done = subprocess.run([*command, "--dest", str(tmp_path), *wanted], capture_output=True, text=True, timeout=280)
    if done.returncode:
        pytest.skip(f"pip could not fetch them: {done.stderr[-200:]}")
    files = sorted(path for path in tmp_path.iterdir() if path.is_file())
    assert len(files) == len(wanted)
    for path in files:
        for tool in filter(is_here, TOOLS):
            report = scanned(real(tool), path, tmp_path / f"{path.name}-{tool}", alone).report
            assert report.status is ReportStatus.OK, (path.name, report)
            if tool != "syft":
                name = next(name for name in wanted if path.name.lower().startswith(name.split("==")[0]))
                assert (len(report.findings) > 0) == (wanted[name] > 0), (path.name, report.findings)


def test_a_severity_is_read_where_an_advisory_has_one(real: Callable[..., Scanner], tmp_path: Path, alone: Run) -> None:
    filename, data = make_wheel("urllib3", "2.0.6")
    (tmp_path / filename).write_bytes(data)
    for tool in filter(is_here, FINDERS):
        found = scanned(real(tool), tmp_path / filename, tmp_path / tool, alone).report.findings
        rated = [one for one in found if one.cvss]
        assert rated and all(one.severity is not Severity.UNKNOWN for one in rated), tool


@pytest.mark.parametrize("tool", TOOLS)
def test_an_upgrade_in_place_has_files_looked_at_anew(
    tool: str, real: Callable[..., Scanner], make_site: Callable[..., Any], databases: Path, tmp_path: Path
) -> None:
    """By the server: the tool's program is another, its database the same."""
    told = version_of(real(tool).tool, run_tool, tmp_path)  # type: ignore[arg-type]
    program = tmp_path / "tool"
    program.symlink_to(BIN / tool)
    keys = {"trivy": "cache", "grype": "database"}
    database = f'{keys[tool]} = "{databases / tool}"\n' if tool in keys else ""
    site = make_site(f'[plugins.{tool}]\nbinary = "{program}"\n{database}')
    file_id = put(site, "some")
    work(site)
    assert reported(site, file_id, tool).scanner_version == told
    (tmp_path / "new").write_text(f'#!/bin/sh\n[ $1 = --version ] && echo 99.1.0 || exec {BIN / tool} "$@"\n')
    (tmp_path / "new").chmod(0o755)
    (tmp_path / "new").replace(program)
    watch(site)
    found = reported(site, file_id, tool)
    assert (found.scanner_version, found.status) == ("99.1.0", ReportStatus.NOT_SCANNED), found.reason

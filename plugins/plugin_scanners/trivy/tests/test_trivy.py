"""What the plugin makes of Trivy's output, and how it runs it."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orbitalreg_trivy.output import read
from orbitalreg_trivy.plugin import Trivy

from orbitalreg.errors import ScannerFailed
from orbitalreg.interfaces import Surroundings, ToolRun
from orbitalreg.interfaces.tools import Named, version_of
from orbitalreg.model import Component, ReportStatus, Severity
from orbitalreg.testing.targets import make_target, run_tool

RECORDED = Path(__file__).parent / "recorded"
JINJA2 = Component("jinja2", "2.10", "pkg:pypi/jinja2@2.10")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def document(**vulnerability: Any) -> bytes:
    """Trivy's output of jinja2 with one vulnerability, which has these keys beside what is needed."""
    told = json.loads((RECORDED / "jinja2-2.10" / "stdout").read_bytes())
    first = told["Results"][0]["Vulnerabilities"][0]
    told["Results"][0]["Vulnerabilities"] = [first | vulnerability]
    return json.dumps(told).encode()


def only(output: bytes) -> Any:
    (found,) = read(output, Named([JINJA2])).findings
    return found


@pytest.mark.parametrize(
    ("word", "severity"),
    [("CRITICAL", Severity.CRITICAL), ("LOW", Severity.LOW), ("UNKNOWN", Severity.UNKNOWN), ("DIRE", Severity.UNKNOWN)],
)
def test_severities(word: str, severity: Severity) -> None:
    assert only(document(Severity=word)).severity is severity


def test_what_is_malicious_is_above_critical() -> None:
    assert only(document(VulnerabilityID="MAL-2024-1", Severity="LOW")).severity is Severity.MALICIOUS
    assert only(document(VendorIDs=["MAL-2024-1"])).severity is Severity.MALICIOUS


def test_the_newest_kind_of_vector_from_who_gave_the_severity() -> None:
    three, four = "CVSS:3.1/AV:N/AC:L", "CVSS:4.0/AV:N/AC:L"
    told = {"nvd": {"V3Vector": three, "V2Vector": "AV:N/AC:L"}, "ghsa": {"V3Vector": "CVSS:3.0/AV:L/AC:L"}}
    assert only(document(CVSS=told, SeveritySource="nvd")).cvss == three
    assert only(document(CVSS=told)).cvss == "CVSS:3.0/AV:L/AC:L"
    assert only(document(CVSS={**told, "redhat": {"V40Vector": f"{four}/"}}, SeveritySource="nvd")).cvss == four
    assert only(document(CVSS={"nvd": {"V3Vector": "no vector"}})).cvss is None


def test_somebody_elses_package_is_not_ours() -> None:
    named = Named([JINJA2])
    stranger = document(PkgIdentifier={"PURL": "pkg:pypi/requests@2.10"})
    assert read(stranger, named).findings == ()
    assert read(document(PkgIdentifier={"PURL": "pkg:npm/jinja2@2.10"}), named).findings == ()
    assert read(document(PkgIdentifier={"PURL": "pkg:pypi/jinja2@2.11"}), named).findings == ()
    told = json.loads(document())
    told["Results"][0]["Packages"][0]["Identifier"]["PURL"] = "pkg:pypi/requests@2.10"
    assert read(json.dumps(told).encode(), named).seen == ()


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"clean",
        b"[]",
        b"{}",
        b'{"SchemaVersion": 3}',
        b'{"SchemaVersion": 2, "Results": {}}',
        b'{"SchemaVersion": 2, "Results": [7]}',
        b'{"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{}]}]}',
        document(VulnerabilityID=None),
        document(VulnerabilityID=7),
        document(PkgIdentifier={}),
        document(References="http://example.com"),
        b'{"bomFormat": "CycloneDX", "components": []}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_trivys_is_a_failure(output: bytes) -> None:
    with pytest.raises(ScannerFailed, match="trivy"):
        read(output, Named([JINJA2]))


@given(st.integers(0, 10_000), VALUES)
def test_whatever_is_changed_in_its_output_it_is_read_or_refused(seed: int, value: Any) -> None:
    told = json.loads((RECORDED / "jinja2-2.10" / "stdout").read_bytes())
    change(told, random.Random(seed), value)
    with suppress(ScannerFailed):
        found = read(json.dumps(told).encode(), Named([JINJA2]))
        assert set(found.seen) <= {JINJA2.purl} and {one.purl for one in found.findings} <= {JINJA2.purl}


def change(told: Any, draw: random.Random, value: Any) -> None:
    """Put `value` at some place within `told`."""
    keys = list(told) if isinstance(told, dict) else list(range(len(told)))
    key = draw.choice(keys)
    if isinstance(told[key], dict | list) and told[key] and draw.random() < 0.8:
        change(told[key], draw, value)
    else:
        told[key] = value


Install = Callable[[Path], Mapping[str, Any]]


def made(folder: Path, options: Mapping[str, Any]) -> Trivy:
    return Trivy(Surroundings(options, folder, folder / "own", lambda *_: None))  # type: ignore[arg-type, return-value]


def test_offline_it_is_told_to_stay_off_the_network(
    tmp_path: Path, recorded: Any, installed: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")
    target = make_target(recorded.cases["jinja2-2.10"], tmp_path / "target", "", recorded.run)
    assert made(tmp_path, installed(tmp_path)).scan(target).report.status is ReportStatus.OK
    (asked,) = recorded.asked
    assert {"--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check"} <= set(asked)
    assert "--disable-telemetry" in asked and "--list-all-pkgs" in asked


@pytest.mark.parametrize("is_updated", [True, False])
def test_online_it_updates_its_database_first_and_scans_offline(
    is_updated: bool, tmp_path: Path, recorded: Any, installed: Install
) -> None:
    def run(arguments: Sequence[str], **more: Any) -> ToolRun:
        if "--download-db-only" in arguments:
            recorded.asked.append(list(arguments))
            return ToolRun(0 if is_updated else 1, b"", b"no route to host")
        done: ToolRun = recorded.run(arguments, **more)
        return done

    target = make_target(recorded.cases["jinja2-2.10"], tmp_path / "target", "", run)
    report = made(tmp_path, {**installed(tmp_path), "offline": False}).scan(target).report
    assert report.status is ReportStatus.OK
    update, scan = recorded.asked
    assert "image" in update and "sbom" in scan and "--skip-db-update" in scan


def test_online_without_a_database_nothing_is_clean(tmp_path: Path, recorded: Any, installed: Install) -> None:
    scanner = made(tmp_path, {**installed(tmp_path), "offline": False, "cache": "none"})
    assert scanner.database() is None
    target = make_target(recorded.cases["attrs-24.2.0"], tmp_path / "target", "", lambda *_, **__: ToolRun(1, b"", b""))
    with pytest.raises(ScannerFailed, match="could not fetch"):
        scanner.scan(target)


def test_an_old_database_makes_a_stale_report_whose_findings_count(
    tmp_path: Path, recorded: Any, installed: Install
) -> None:
    options = installed(tmp_path)
    metadata = tmp_path / "cache" / "db" / "metadata.json"
    first = made(tmp_path, options).database()
    metadata.write_text('{"Version": 2, "UpdatedAt": "2024-10-10T06:00:00.123456789Z"}')
    target = make_target(recorded.cases["jinja2-2.10"], tmp_path / "target", "", recorded.run)
    report = made(tmp_path, options).scan(target).report
    assert report.status is ReportStatus.DB_STALE and len(report.findings) == 2
    assert report.reason is not None and "2024-10-10" in report.reason
    assert report.database is not None and first is not None and report.database.digest != first.digest


def test_a_finding_that_comes_by_two_spellings_is_told_once(tmp_path: Path, recorded: Any, installed: Install) -> None:
    staged = recorded.cases["products-cmfplone-4.3"]
    target = make_target(staged, tmp_path / "target", "", recorded.run)
    told = json.loads(recorded.output("products-cmfplone-4.3"))
    first = told["Results"][0]["Vulnerabilities"][0]
    again = first | {"PkgIdentifier": {"PURL": "pkg:pypi/products.cmfplone@4.3"}, "PkgName": "products.cmfplone"}
    told["Results"][0]["Vulnerabilities"].append(again)
    doubled = replace(target, run=lambda *_, **__: ToolRun(0, json.dumps(told).encode(), b""))
    report = made(tmp_path, installed(tmp_path)).scan(doubled).report
    assert sorted(one.id for one in report.findings) == ["CVE-2013-7060", "CVE-2013-7061"]
    assert {one.package for one in report.findings} == {"products-cmfplone"}


def test_what_trivy_says_last_is_told(tmp_path: Path, recorded: Any, installed: Install) -> None:
    words = b"INFO starting\nFATAL\tdatabase is \xff broken\n"
    target = make_target(
        recorded.cases["jinja2-2.10"], tmp_path / "target", "", lambda *_, **__: ToolRun(1, b"", words)
    )
    with pytest.raises(ScannerFailed, match="trivy ended with 1: FATAL"):
        made(tmp_path, installed(tmp_path)).scan(target)


def test_a_database_that_becomes_too_old_is_another_one(tmp_path: Path, installed: Install) -> None:
    """So that what was looked at before is looked at anew, and is `ok` no more."""
    options = installed(tmp_path)
    metadata = tmp_path / "cache" / "db" / "metadata.json"
    metadata.write_text('{"Version": 2, "UpdatedAt": "2024-10-10T06:00:00Z"}')
    fresh = made(tmp_path, {**options, "max_age": "9999d"}).database()
    stale = made(tmp_path, {**options, "max_age": "1s"}).database()
    assert fresh is not None and stale is not None and stale.digest != fresh.digest
    assert (stale.version, stale.built_at) == (fresh.version, fresh.built_at)
    assert (fresh.is_stale, stale.is_stale) == (False, True)


def test_its_version_is_that_of_the_program_that_is_there_now(tmp_path: Path, installed: Install) -> None:
    scanner = made(tmp_path, installed(tmp_path))
    for number in ("0.99.1", "0.100.0"):
        (tmp_path / "trivy").write_text(f"#!/bin/sh\n[ $* = --version ] && echo 'Version: {number}'\n")
        assert version_of(scanner.tool, run_tool, tmp_path) == number

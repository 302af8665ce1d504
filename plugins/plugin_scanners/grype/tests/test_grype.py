"""What the plugin makes of Grype's output, and how it runs it."""

import json
import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orbitalreg_grype.output import read
from orbitalreg_grype.plugin import Grype

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


COVERAGE = (RECORDED / "jinja2-2.10" / "coverage.json").read_bytes()


def document(related: Any = None, artifact: Any = None, **vulnerability: Any) -> bytes:
    """Grype's output of jinja2 with one match, whose vulnerability has these keys beside what is needed."""
    told = json.loads((RECORDED / "jinja2-2.10" / "stdout").read_bytes())
    first = told["matches"][0]
    first["vulnerability"] |= vulnerability
    first["relatedVulnerabilities"] = first["relatedVulnerabilities"] if related is None else related
    first["artifact"] = first["artifact"] if artifact is None else artifact
    told["matches"] = [first]
    return json.dumps(told).encode()


def only(output: bytes) -> Any:
    (found,) = read(output, COVERAGE, Named([JINJA2])).findings
    return found


@pytest.mark.parametrize(
    ("word", "severity"),
    [("Critical", Severity.CRITICAL), ("Negligible", Severity.NEGLIGIBLE), ("Dire", Severity.UNKNOWN)],
)
def test_severities(word: str, severity: Severity) -> None:
    assert only(document(severity=word)).severity is severity


def test_a_severity_and_a_vector_may_come_from_a_record_that_is_related() -> None:
    vector = "CVSS:3.1/AV:N/AC:L"
    related = [{"id": "CVE-2019-10906", "severity": "High", "cvss": [{"version": "3.1", "vector": vector}]}]
    found = only(document(related, severity="Unknown"))
    assert (found.id, found.aliases) == ("GHSA-462w-v97r-4m45", ("CVE-2019-10906",))
    assert (found.severity, found.cvss) == (Severity.HIGH, vector)


def test_the_newest_kind_of_vector() -> None:
    two, four = {"version": "2.0", "vector": "AV:N/AC:L"}, {"version": "4.0", "vector": "CVSS:4.0/AV:N/AC:L/"}
    assert only(document(cvss=[two, four])).cvss == "CVSS:4.0/AV:N/AC:L"
    assert only(document(cvss=[two, {"version": "9", "vector": "no vector"}])).cvss == "AV:N/AC:L"


def test_what_is_malicious_is_above_critical() -> None:
    assert only(document(id="MAL-2024-1", severity="Low")).severity is Severity.MALICIOUS


def test_somebody_elses_package_is_not_ours() -> None:
    named = Named([JINJA2])
    for purl in ("pkg:pypi/requests@2.10", "pkg:npm/jinja2@2.10", "pkg:pypi/jinja2@2.11"):
        assert read(document(artifact={"purl": purl}), COVERAGE, named).findings == ()
        assert read(document(), COVERAGE.replace(b"pkg:pypi/jinja2@2.10", purl.encode()), named).seen == ()


def test_a_package_of_a_kind_that_grype_knows_nothing_of_is_not_seen() -> None:
    """Grype lists it all the same, and exits with 0."""
    nothing = Component("nothing", "0", "pkg:generic/nothing@0")
    kept = RECORDED / "nothing-0"
    coverage = (kept / "coverage.json").read_bytes()
    assert b"pkg:generic/nothing@0" in coverage
    assert read((kept / "stdout").read_bytes(), coverage, Named([nothing])).seen == ()


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"clean",
        b"[]",
        b"{}",
        b'{"matches": []}',
        b'{"matches": {}, "descriptor": {"name": "grype"}}',
        b'{"matches": [7], "descriptor": {"name": "grype"}}',
        b'{"matches": [{}], "descriptor": {"name": "grype"}}',
        b'{"matches": [], "descriptor": {"name": "another"}}',
        document(id=None),
        document(id=7),
        document(artifact={}),
        document(urls="http://example.com"),
        b"[" * 100_000,
    ],
)
def test_what_is_not_grypes_is_a_failure(output: bytes) -> None:
    with pytest.raises(ScannerFailed, match="grype"):
        read(output, COVERAGE, Named([JINJA2]))


@pytest.mark.parametrize("coverage", [b"", b"{}", b"[]", b'{"bomFormat": "CycloneDX", "components": 7}'])
def test_without_proof_of_coverage_it_is_a_failure(coverage: bytes) -> None:
    with pytest.raises(ScannerFailed, match="grype"):
        read(document(), coverage, Named([JINJA2]))


@given(st.integers(0, 10_000), VALUES, st.booleans())
def test_whatever_is_changed_in_its_output_it_is_read_or_refused(seed: int, value: Any, in_coverage: bool) -> None:
    output, coverage = json.loads((RECORDED / "jinja2-2.10" / "stdout").read_bytes()), json.loads(COVERAGE)
    change(coverage if in_coverage else output, random.Random(seed), value)
    with suppress(ScannerFailed):
        found = read(json.dumps(output).encode(), json.dumps(coverage).encode(), Named([JINJA2]))
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


def made(folder: Path, options: Mapping[str, Any]) -> Grype:
    return Grype(Surroundings(options, folder, folder / "own", lambda *_: None))  # type: ignore[arg-type, return-value]


def test_offline_it_is_told_to_stay_off_the_network(
    tmp_path: Path, recorded: Any, installed: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")
    told: dict[str, str] = {}

    def run(arguments: Sequence[str], **more: Any) -> ToolRun:
        told.update(more["environment"])
        done: ToolRun = recorded.run(arguments, **more)
        return done

    target = make_target(recorded.cases["jinja2-2.10"], tmp_path / "target", "", run)
    assert made(tmp_path, installed(tmp_path)).scan(target).report.status is ReportStatus.OK
    assert len(recorded.asked) == 1 and "HTTPS_PROXY" not in told
    assert told["GRYPE_DB_AUTO_UPDATE"] == told["GRYPE_CHECK_FOR_APP_UPDATE"] == "false"
    assert told["GRYPE_DB_CACHE_DIR"] == str(tmp_path / "database")


@pytest.mark.parametrize("is_updated", [True, False])
def test_online_it_updates_its_database_first_and_scans_offline(
    is_updated: bool, tmp_path: Path, recorded: Any, installed: Install
) -> None:
    updates: list[str] = []

    def run(arguments: Sequence[str], **more: Any) -> ToolRun:
        updates.append(more["environment"]["GRYPE_DB_AUTO_UPDATE"])
        if "update" in arguments:
            return ToolRun(0 if is_updated else 1, b"", b"no route to host")
        done: ToolRun = recorded.run(arguments, **more)
        return done

    target = make_target(recorded.cases["jinja2-2.10"], tmp_path / "target", "", run)
    report = made(tmp_path, {**installed(tmp_path), "offline": False}).scan(target).report
    assert report.status is ReportStatus.OK and updates == ["true", "false"]


def test_online_without_a_database_nothing_is_clean(tmp_path: Path, recorded: Any, installed: Install) -> None:
    scanner = made(tmp_path, {**installed(tmp_path), "offline": False, "database": "none"})
    assert scanner.database() is None
    target = make_target(recorded.cases["attrs-24.2.0"], tmp_path / "target", "", lambda *_, **__: ToolRun(1, b"", b""))
    with pytest.raises(ScannerFailed, match="could not fetch"):
        scanner.scan(target)


@pytest.mark.parametrize(
    "written", ["2024-10-10 06:00:00+00:00", "2024-10-10T06:00:00Z", "2024-10-10 06:00:00 +0000 UTC"]
)
def test_an_old_database_makes_a_stale_report_whose_findings_count(
    written: str, tmp_path: Path, recorded: Any, installed: Install
) -> None:
    options = installed(tmp_path)
    with closing(sqlite3.connect(tmp_path / "database" / "6" / "vulnerability.db")) as database, database:
        database.execute("UPDATE db_metadata SET build_timestamp = ?", (written,))
    target = make_target(recorded.cases["jinja2-2.10"], tmp_path / "target", "", recorded.run)
    report = made(tmp_path, options).scan(target).report
    assert report.status is ReportStatus.DB_STALE and len(report.findings) == 2
    assert report.reason is not None and "2024-10-10" in report.reason


def test_another_database_has_another_digest(tmp_path: Path, installed: Install) -> None:
    scanner = made(tmp_path, installed(tmp_path))
    first = scanner.database()
    (tmp_path / "database" / "6" / "import.json").write_text('{"digest": "xxh64:other"}')
    second = scanner.database()
    assert first is not None and second is not None and first.digest != second.digest == "xxh64:other"


def test_a_database_that_is_none_is_a_failure(tmp_path: Path, installed: Install) -> None:
    scanner = made(tmp_path, installed(tmp_path))
    (tmp_path / "database" / "6" / "vulnerability.db").write_bytes(b"no SQLite" * 1000)
    with pytest.raises(ScannerFailed, match="grype db import"):
        scanner.database()


def test_what_grype_says_last_is_told(tmp_path: Path, recorded: Any, installed: Install) -> None:
    words = b"INFO starting\nFATAL\tdatabase is \xff broken\n"
    target = make_target(
        recorded.cases["jinja2-2.10"], tmp_path / "target", "", lambda *_, **__: ToolRun(1, b"", words)
    )
    with pytest.raises(ScannerFailed, match="grype ended with 1: FATAL"):
        made(tmp_path, installed(tmp_path)).scan(target)


def test_a_database_that_becomes_too_old_is_another_one(tmp_path: Path, installed: Install) -> None:
    """So that what was looked at before is looked at anew, and is `ok` no more."""
    options = installed(tmp_path)
    with closing(sqlite3.connect(tmp_path / "database" / "6" / "vulnerability.db")) as database, database:
        database.execute("UPDATE db_metadata SET build_timestamp = '2024-10-10 06:00:00+00:00'")
    fresh = made(tmp_path, {**options, "max_age": "9999d"}).database()
    stale = made(tmp_path, {**options, "max_age": "1s"}).database()
    assert fresh is not None and stale is not None and stale.digest != fresh.digest
    assert (stale.version, stale.built_at) == (fresh.version, fresh.built_at)
    assert (fresh.is_stale, stale.is_stale) == (False, True)


def test_its_version_is_that_of_the_program_that_is_there_now(tmp_path: Path, installed: Install) -> None:
    scanner = made(tmp_path, installed(tmp_path))
    for number in ("0.99.1", "0.100.0"):
        (tmp_path / "grype").write_text(f"#!/bin/sh\n[ $* = --version ] && echo 'grype {number}'\n")
        assert version_of(scanner.tool, run_tool, tmp_path) == number

"""Dumps: read within bounds, whoever wrote them; an index of each, which takes the former one's place as a whole."""

import json
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from asked_of_osv import Make, component, lenient
from hypothesis import given
from hypothesis import strategies as st
from orbitalreg_osv import dumps, index, store
from orbitalreg_osv.scanner import Osv
from records_made import NO_REAL, REAL, V3_HIGH, affected, dump, record, today
from test_records import HOSTILE

from orbitalreg.errors import ScannerFailed
from orbitalreg.model import Component, ReportStatus, Severity

Over = Callable[..., Osv]


def ids(osv: Osv, name: str = "demo", version: str = "1.0") -> list[str]:
    (report,) = osv.judge([component(name, version)])
    return [finding.id for finding in report.findings]


@pytest.fixture
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(store, "FOLDER_SECONDS", 0.0)


# Reports


def test_a_report(over: Over) -> None:
    osv = over([record(modified=today(), aliases=["CVE-2020-1"], severity=[{"type": "CVSS_V3", "score": V3_HIGH}])])
    one, other, strange = osv.judge([component(), component(version="2.0"), component("other")])
    (finding,) = one.findings
    assert (finding.id, finding.package, finding.version, finding.purl) == (
        "PYSEC-2020-1",
        "demo",
        "1.0",
        "pkg:pypi/demo@1.0",
    )
    assert (finding.severity, finding.cvss, finding.fixed_in, finding.aliases) == (
        Severity.HIGH,
        V3_HIGH,
        "2.0",
        ("CVE-2020-1",),
    )
    for report in (one, other, strange):
        assert (report.status, report.reason, len(report.packages_seen)) == (ReportStatus.OK, None, 1)
        assert report.database == osv.database() and report.scanner == "osv"
        assert report.scanner_version == osv.version != ""
    assert other.findings == strange.findings == ()
    assert osv.judges_names and not osv.deep


def test_what_it_does_not_know_is_not_called_clean(over: Over) -> None:
    osv = over([record()])
    npm, legacy = osv.judge(
        [
            Component("demo", "1.0", "pkg:npm/demo@1.0"),
            component(version="2004d-final"),
        ]
    )
    for report in (npm, legacy):
        assert (report.status, report.packages_seen, report.findings) == (ReportStatus.NOT_SCANNED, (), ())
        assert report.reason
    (unknown,) = osv.judge([component("other", "2004d-final")])
    assert unknown.status is ReportStatus.OK  # of that package nothing is known, whatever its version


def test_a_legacy_version_that_is_listed_is_found(over: Over) -> None:
    assert ids(over([record(affected=[affected(versions=["2004d-final"])])]), version="2004d-final") == ["PYSEC-2020-1"]


def test_withdrawn_records_count_for_nothing(over: Over) -> None:
    withdrawn = record("PYSEC-2020-2", withdrawn="2021-01-01T00:00:00Z")
    assert ids(over([record(), withdrawn])) == ["PYSEC-2020-1"]


def test_a_record_without_a_severity_has_that_of_githubs(over: Over) -> None:
    severe = {"severity": [{"type": "CVSS_V3", "score": V3_HIGH}]}
    records = [
        record("PYSEC-2020-1", aliases=["CVE-2020-1"]),
        record("GHSA-aaaa-bbbb-cccc", aliases=["CVE-2020-1"], **severe),
        record("PYSEC-2020-2", aliases=["GHSA-dddd-eeee-ffff"], related=["CVE-2020-1"]),
        record("GHSA-dddd-eeee-ffff", "elsewhere", database_specific={"severity": "LOW"}),
        record("PYSEC-2020-3", related=["CVE-2020-1"]),
        record("PYSEC-2020-4", aliases=["OSV-2020-1"]),
        record("OSV-2020-1", "elsewhere", **severe),
    ]
    (report,) = over(records).judge([component()])
    assert {finding.id: (finding.severity, finding.cvss) for finding in report.findings} == {
        "PYSEC-2020-1": (Severity.HIGH, V3_HIGH),
        "GHSA-aaaa-bbbb-cccc": (Severity.HIGH, V3_HIGH),
        "PYSEC-2020-2": (Severity.LOW, None),
        "PYSEC-2020-3": (Severity.UNKNOWN, None),
        "PYSEC-2020-4": (Severity.UNKNOWN, None),
    }


def test_several_parts_of_one_record_are_one_finding(over: Over) -> None:
    parts = [
        affected("Demo", {"introduced": "0"}, {"fixed": "1.5"}),
        affected("demo", {"introduced": "1.5"}, {"fixed": "1.8"}),
        affected("other"),
    ]
    osv = over([record(affected=parts)])
    (report,) = osv.judge([component()])
    assert [finding.fixed_in for finding in report.findings] == ["1.8"]
    assert ids(osv, "OTHER") == ["PYSEC-2020-1"]


# The age


@pytest.mark.parametrize("modified", ["2020-01-01T00:00:00Z", None, "soon", "9999-01-01T00:00:00Z"])
def test_an_old_dump_is_stale_and_its_findings_count(make: Make, tmp_path: Path, modified: str | None) -> None:
    """A date of the future proves nothing either."""
    dump(tmp_path / "all.zip", [record(modified=modified)])
    (report,) = make(dump="all.zip").judge([component()])
    assert (report.status, len(report.findings), len(report.packages_seen)) == (ReportStatus.DB_STALE, 1, 1)
    assert report.reason is not None and "put OSV's all.zip at " in report.reason


def test_a_dump_that_becomes_too_old_is_another_database(make: Make, tmp_path: Path) -> None:
    """So that what was looked at before is looked at anew, and is `ok` no more."""
    dump(tmp_path / "all.zip", [record(modified="2020-01-01T00:00:00Z")])
    stale, fresh = make(dump="all.zip"), make(dump="all.zip", max_age="5000w")
    assert stale.database().digest != fresh.database().digest
    for osv in (stale, fresh):
        (report,) = osv.judge([component()])
        assert report.database == osv.database()


# Hostile dumps


def test_what_is_no_record_is_skipped_and_counted(make: Make, tmp_path: Path) -> None:
    twin = json.dumps(record(aliases=["CVE-2020-9"])).encode()
    dump(tmp_path / "all.zip", [*HOSTILE.values(), record(), twin, record("PYSEC-2020-2")])
    osv = make(dump="all.zip", max_age="5000w")
    assert ids(osv) == ["PYSEC-2020-1", "PYSEC-2020-2"]
    meta = index.Index(tmp_path / "own" / "index.sqlite").meta
    assert (meta.records, meta.skipped) == (2, len(HOSTILE) + 1)  # and one that was there twice


def test_a_members_name_is_never_a_path(make: Make, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        names = ("../../up.json", "/root.json", "a/b/c.json", "\x1b[31m.json", "con\\..\\x.json")
        for number, name in enumerate(names):
            archive.writestr(name, json.dumps(record(f"PYSEC-2020-{number}")))
        archive.writestr("README.txt", "no record")
    osv = make(dump="all.zip", max_age="5000w")
    assert len(ids(osv)) == 5
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["all.zip", "index.sqlite", "lock", "own"]


def test_a_member_that_is_too_large_is_not_read(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumps, "RECORD_BYTES", 10_000)
    bomb = json.dumps(record("PYSEC-2020-2", details="x" * 10_000_000)).encode()
    dump(tmp_path / "all.zip", [bomb, record()])
    assert ids(make(dump="all.zip", max_age="5000w")) == ["PYSEC-2020-1"]


def test_a_dump_that_is_too_large_is_refused(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump(tmp_path / "all.zip", [record(f"PYSEC-2020-{number}") for number in range(20)])
    monkeypatch.setattr(dumps, "RECORDS", 10)
    with pytest.raises(ScannerFailed, match="holds more than any dump"):
        make(dump="all.zip").database()
    monkeypatch.setattr(dumps, "RECORDS", 100)
    monkeypatch.setattr(dumps, "TOTAL_BYTES", 1000)
    with pytest.raises(ScannerFailed, match="holds more than any dump"):
        make(dump="all.zip").database()


def broken(path: Path, change: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def test_a_broken_member_is_skipped(make: Make, tmp_path: Path) -> None:
    path = dump(tmp_path / "all.zip", [record("PYSEC-2020-2"), record()])
    broken(path, lambda content: content.__setitem__(slice(60, 70), b"\0" * 10))
    assert ids(make(dump="all.zip", max_age="5000w")) == ["PYSEC-2020-1"]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + b"\0" * 18, b"PK\x03\x04" + b"\xff" * 100])
def test_what_is_no_dump_is_told(make: Make, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "all.zip").write_bytes(content)
    with pytest.raises(ScannerFailed, match=r"all\.zip (is no whole zip|has no record)"):
        make(dump="all.zip").database()


@pytest.mark.parametrize("at", [6, 8, 10])  # the version that is needed, the flags, the packing
def test_a_zip_of_another_kind_is_read_or_refused(make: Make, tmp_path: Path, at: int) -> None:
    path = dump(tmp_path / "all.zip", [record()])
    directory = path.read_bytes().index(b"PK\x01\x02")
    broken(path, lambda content: content.__setitem__(directory + at, 255))
    with pytest.raises(ScannerFailed, match=r"is no whole zip|has no record"):
        make(dump="all.zip").database()


@lenient
@given(data=st.data())
def test_whatever_is_changed_in_a_zip_it_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = dump(tmp_path_factory.mktemp("zip") / "all.zip", [record(), record("PYSEC-2020-2")])
    at = data.draw(st.integers(0, path.stat().st_size - 1))
    broken(path, lambda content: content.__setitem__(at, data.draw(st.integers(0, 255))))
    try:
        for text in dumps.texts(path):
            assert text is None or isinstance(text, bytes)
    except ScannerFailed:
        return


def test_without_a_dump_it_says_what_to_do(make: Make) -> None:
    with pytest.raises(ScannerFailed, match=r"there is no dump: put OSV's all\.zip at .*all\.zip$"):
        make(dump="all.zip").database()
    with pytest.raises(ScannerFailed, match="no dump was fetched yet: get one with: orbitalreg osv update"):
        make(dump="osv.dev").judge([component()])


def test_a_dump_of_other_ecosystems_alone_is_refused(make: Make, tmp_path: Path) -> None:
    dump(tmp_path / "all.zip", [record(affected=[{"package": {"ecosystem": "npm", "name": "demo"}}])])
    with pytest.raises(ScannerFailed, match="has no record of a kind of package that is known here"):
        make(dump="all.zip").database()


# Folders


def folder(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    path.mkdir(exist_ok=True)
    for one in records:
        (path / f"{one['id']}.json").write_text(json.dumps(one))
    return path


def test_a_folder_is_a_dump_too_with_the_same_digest_as_its_zip(make: Make, tmp_path: Path) -> None:
    records = [record(), record("PYSEC-2020-2")]
    folder(tmp_path / "PyPI", records)
    (tmp_path / "PyPI" / "link.json").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "PyPI" / "pipe.json")
    osv = make(dump="PyPI", max_age="5000w")
    assert ids(osv) == ["PYSEC-2020-1", "PYSEC-2020-2"]
    of_folder = osv.database()
    dump(tmp_path / "all.zip", reversed(records))
    assert make(dump="all.zip", max_age="5000w").database() == of_folder


@pytest.mark.usefixtures("always_look")
def test_a_changed_folder_is_read_again(make: Make, tmp_path: Path) -> None:
    folder(tmp_path / "PyPI", [record()])
    osv = make(dump="PyPI", max_age="5000w")
    assert ids(osv) == ["PYSEC-2020-1"]
    folder(tmp_path / "PyPI", [record("PYSEC-2020-2")])
    assert ids(osv) == ["PYSEC-2020-1", "PYSEC-2020-2"]


# Changes


@pytest.mark.usefixtures("always_look")
def test_a_changed_file_is_read_again_and_its_digest_is_another(over: Over, tmp_path: Path) -> None:
    osv = over([record()])
    before = osv.database()
    assert ids(osv) == ["PYSEC-2020-1"]
    dump(tmp_path / "all.zip", [record("PYSEC-2020-2")])
    assert ids(osv) == ["PYSEC-2020-2"]
    assert osv.database().digest != before.digest


@pytest.mark.usefixtures("always_look")
def test_what_is_merely_packed_anew_has_the_same_digest(over: Over, tmp_path: Path) -> None:
    osv = over([record(), record("PYSEC-2020-2")])
    before = osv.database()
    dump(tmp_path / "all.zip", [record("PYSEC-2020-2", modified="2021-01-01T00:00:00Z"), record()])
    after = osv.database()
    assert after.digest == before.digest and after.built_at != before.built_at


@pytest.mark.usefixtures("always_look")
def test_a_bad_dump_leaves_the_former_one(over: Over, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    osv = over([record()])
    before = osv.database()
    (tmp_path / "all.zip").write_bytes(b"half a dump")
    for _ in range(3):
        assert osv.database() == before
        assert ids(osv) == ["PYSEC-2020-1"]
    assert caplog.text.count("the former one counts") == 1
    (tmp_path / "all.zip").unlink()
    assert ids(osv) == ["PYSEC-2020-1"]


def test_a_second_process_builds_nothing(over: Over, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    database = over([record()]).database()
    monkeypatch.setattr(store, "build", lambda *_: pytest.fail("built again"))
    assert make(dump="all.zip", max_age="5000w").database() == database


def test_an_index_of_another_dump_or_form_is_not_used(
    over: Over, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = over([record()]).database()
    dump(tmp_path / "other.zip", [record("PYSEC-2020-2")])
    assert make(dump="other.zip", max_age="5000w").database().digest != first.digest
    monkeypatch.setattr(store, "FORM", "0")
    monkeypatch.setattr(index, "FORM", "0")
    assert make(dump="other.zip", max_age="5000w").database().digest != first.digest
    (tmp_path / "own" / "index.sqlite").write_bytes(b"no index")
    assert ids(make(dump="other.zip")) == ["PYSEC-2020-2"]


def test_a_folder_that_cannot_be_written_to_is_told(over: Over, tmp_path: Path) -> None:
    (tmp_path / "own").write_text("in the way")
    with pytest.raises(ScannerFailed, match="cannot be written to"):
        over([record()]).database()


@pytest.mark.skipif(not REAL.exists(), reason=NO_REAL)
def test_the_real_dump_skips_nothing(make: Make, tmp_path: Path) -> None:
    make(dump=str(REAL)).database()
    meta = index.Index(tmp_path / "own" / "index.sqlite").meta
    assert (meta.records, meta.skipped) == (2651, 0)

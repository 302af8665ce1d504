"""Scanning: a job for each file and scanner, reports in the catalog, and what hostile scanners cannot do."""

import gzip
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scanner_plugin import PATIENCE, SOURCE, TWO, blob, put, report, waiting, watch, work

from orbitalreg.catalog import blobs, files, reports
from orbitalreg.errors import PluginError, UploadRefused
from orbitalreg.jobs import Worker
from orbitalreg.model import Actor, Finding, Report, ReportStatus, Severity
from orbitalreg.scanning import scans

LIMITS = '\n[scanning]\ntime_limit = "{time}"\nmemory_limit = "200MiB"\ndisk_limit = "128MiB"\n'


@pytest.fixture
def probed(install: Callable[..., None], make_site: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """A site with the scanner; `options` are lines of its table."""
    install("probe", SOURCE)

    def make(*options: str, seconds: str = "20s", **more: Any) -> Any:
        tag = f'tag = "{tmp_path}"'
        return make_site(LIMITS.format(time=seconds) + "\n".join(["[plugins.probe]", tag, *options]) + "\n", **more)

    return make


def running(tag: str) -> list[str]:
    """The command lines in which a tag stands."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if tag in text and "pytest" not in text:
            found.append(text)
    return found


def none_running(tag: str) -> bool:
    end = time.monotonic() + PATIENCE
    while running(tag) and time.monotonic() < end:
        time.sleep(0.05)
    return not running(tag)


def scratch(site: Any) -> list[Path]:
    """What is left of targets; the folders of idle children stay with them."""
    return list((site.data / "scanning").glob("*/target"))


def test_a_file_is_scanned_and_the_report_kept_with_all_that_came_of_it(probed: Any) -> None:
    site = probed()
    file_id = put(site, "bad")
    assert waiting(site) == [(file_id, 0, None)]
    work(site)
    found = report(site, file_id)
    assert (found.status, found.reason) == (ReportStatus.OK, None)
    [finding] = found.findings
    assert (finding.id, finding.package, finding.severity) == ("CVE-1", "ball", Severity.HIGH)
    assert found.database is not None
    assert (found.database.digest, found.scanner_version, found.packages_seen) == ("one", "1.0", ("pkg:toy/ball@1",))
    assert found.scanned_at > 0
    db = site.registry.catalog.read()
    raw = reports.raw_digest(db, file_id, "probe")
    assert raw is not None and gzip.decompress(blob(site, raw)) == b"raw of bad"
    [document] = reports.documents(db, file_id)
    assert (document.kind, blob(site, document.sha256)) == ("sbom", b"{}")
    assert reports.revision(db, "toy", "ball") == 1
    assert waiting(site) == []
    assert scratch(site) == []
    assert site.staged() == []


def test_a_file_and_its_job_are_there_together_or_not_at_all(probed: Any) -> None:
    site = probed()
    with site.registry.catalog.write() as db:
        db.execute(
            "CREATE TRIGGER no_scan BEFORE INSERT ON job WHEN NEW.kind = 'scan.probe'"
            " BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    assert site.put("ball@1.toy", b"bad").status_code >= 500
    assert (site.count("file"), site.count("blob")) == (0, 0)
    with site.registry.catalog.write() as db:
        db.execute("DROP TRIGGER no_scan")
    file_id = put(site, "bad")
    assert waiting(site) == [(file_id, 0, None)]


def test_without_scanners_there_is_no_job(site: Any) -> None:
    site.put("ball@1.toy")
    assert not any(kind.startswith("scan") for kind in site.registry.handlers)
    rows = site.registry.catalog.read().execute("SELECT kind FROM job WHERE kind LIKE '%scan%'").fetchall()
    assert rows == []


def test_deleting_a_file_drops_its_reports_and_a_job_of_it_does_nothing(probed: Any) -> None:
    site = probed()
    file_id = put(site, "bad")
    work(site)
    site.registry.curator.delete(site.repository(), "ball", "1", None, Actor("local:test"))
    assert site.count("report") == site.count("report_document") == 0
    with site.registry.catalog.write() as db:
        site.registry.scanning.queue.add(db, file_id)
    work(site)
    assert site.count("report") == 0
    assert waiting(site) == []


def test_the_same_bytes_of_output_are_held_once_and_scanning_again_adds_nothing(probed: Any) -> None:
    site = probed()
    first = put(site, "bad")
    put(site, "bad", "kite@1.toy")
    work(site)
    held = sorted(site.blobs())
    with site.registry.catalog.write() as db:
        site.registry.scanning.queue.add(db, first)
    work(site)
    assert sorted(site.blobs()) == held
    assert site.count("report") == 2


@pytest.mark.parametrize(
    ("word", "status", "reason", "findings"),
    [
        ("silent", ReportStatus.NOT_SCANNED, "it does not prove that it recognised the file", 0),
        ("foreign", ReportStatus.ERROR, "it speaks of what is not in the file: pkg:toy/other@1", 1),
        ("foreign finding", ReportStatus.ERROR, "it speaks of what is not in the file: other 1", 1),
        ("other scanner", ReportStatus.ERROR, "it answered as another scanner, 'trusted'", 0),
        ("stale", ReportStatus.DB_STALE, "old", 1),
        ("devour", ReportStatus.ERROR, "it took more than 209715200 bytes of memory", 0),
        ("tool hoard", ReportStatus.ERROR, "it took more than 209715200 bytes of memory", 0),
        ("print", ReportStatus.ERROR, "it printed more than 16777216 bytes", 0),
        ("many", ReportStatus.ERROR, "it found more than 5000 things in one file: the worst are kept", 5000),
        ("fill target", ReportStatus.ERROR, "it wrote more than 134217728 bytes into its scratch folders", 0),
        ("fill own", ReportStatus.ERROR, "it wrote more than 134217728 bytes into its scratch folders", 0),
        ("tool fill", ReportStatus.ERROR, "it wrote more than 134217728 bytes into its scratch folders", 0),
        ("no report", ReportStatus.ERROR, "it answered nonsense; the log of that time says more", 0),
        ("long", ReportStatus.ERROR, "it answered with more than 33554432 bytes", 0),
    ],
)
def test_what_a_scanner_says_or_does_beyond_its_limits_is_told_at_once(
    word: str, status: ReportStatus, reason: str, findings: int, probed: Any
) -> None:
    site = probed()
    file_id = put(site, word)
    work(site)
    found = report(site, file_id)
    assert (found.status, found.reason, len(found.findings)) == (status, reason, findings)
    assert waiting(site) == []
    assert scratch(site) == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("raise", "it failed with ValueError; the log of that time says more"),
        ("fail", "the tool is not well"),
        ("exit", "its process ended"),
        ("segfault", "its process ended"),
        ("much", "its process ended"),
        ("wrong types", "it failed with"),
        ("tool print", f"{Path(sys.executable).name} printed more than 1048576 bytes"),
        ("tool write", "the tool could not write"),
        ("tool absent", "tool cannot be started: No such file or directory"),
        ("tool hang", f"{Path(sys.executable).name} took more than 1 seconds"),
    ],
)
def test_what_fails_is_tried_again_and_becomes_an_error_in_the_end(
    word: str, reason: str, probed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: Any
) -> None:
    site = probed()
    file_id = put(site, word)
    work(site)
    [(subject, attempts, failure)] = waiting(site)
    assert (subject, attempts) == (file_id, 1)
    assert reason in str(failure)
    assert site.count("report") == 0
    monkeypatch.setattr(scans, "ATTEMPTS", 1)
    with site.registry.catalog.write() as db:
        site.registry.scanning.queue.add(db, file_id)
    work(site)
    found = report(site, file_id)
    assert found.status is ReportStatus.ERROR
    assert reason in str(found.reason)
    assert found.database is not None and found.database.digest == "one"
    assert waiting(site) == []
    assert none_running(f"# {tmp_path}")
    assert "hunter2" not in str(found.reason)


def test_others_go_on_beside_one_that_hangs_and_all_that_it_started_is_killed(
    probed: Any, tmp_path: Path, install: Callable[..., None]
) -> None:
    site = probed(seconds="2s")
    hanging = [put(site, word, f"ball@{n}.toy") for n, word in enumerate(["fork", "tool forever", "spin"], 1)]
    good = put(site, "bad", "kite@1.toy")
    work(site)
    for file_id in hanging:
        assert report(site, file_id).reason == "it took more than 2 seconds"
    assert report(site, good).status is ReportStatus.OK
    assert none_running(f"# {tmp_path}")


def test_what_a_child_leaves_behind_as_a_daemon_is_killed_too(probed: Any, tmp_path: Path) -> None:
    site = probed()
    put(site, "daemon")
    work(site)
    assert none_running(f"# {tmp_path}")


def test_a_hanging_scanner_holds_neither_another_nor_other_jobs(
    install: Callable[..., None], make_site: Callable[..., Any], tmp_path: Path
) -> None:
    names = [f"second{n}" for n in range(6)]
    classes = "".join(f"class S{n}(Probe):\n    name = 'second{n}'\n\n" for n in range(6))
    hang = "        if self.name != 'probe': time.sleep(1000)\n        word = (target"
    source = SOURCE.replace("class Second", f"{classes}\nclass Second").replace("        word = (target", hang, 1)
    install("probe", source.replace("return [Probe]", "return [Probe, S0, S1, S2, S3, S4, S5]"))
    site = make_site(LIMITS.format(time="300s") + "[plugins.probe]\n")
    worker = Worker(site.registry.catalog, site.registry.handlers)
    worker.start()
    try:
        file_id = put(site, "bad")
        end = time.monotonic() + PATIENCE
        while site.count("report") < 1 or not _is_linked(site):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert report(site, file_id).status is ReportStatus.OK
        began = time.monotonic()
    finally:
        worker.stop()
    assert time.monotonic() - began < 10, "what runs is broken off when the worker stops"
    attempts = [waiting(site, f"scan.{name}")[0][1] for name in names]
    assert attempts == [0] * 6, "and counts for nothing"


def _is_linked(site: Any) -> bool:
    return not site.registry.catalog.read().execute("SELECT 1 FROM audit_entry WHERE linked = 0").fetchone()


def test_a_tool_gets_what_programs_need_and_nothing_else(probed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITALREG_TOKEN", "hunter2")
    site = probed()
    put(site, "tool says")
    work(site)
    [(_, _, failure)] = waiting(site)
    code, _, rest = str(failure).partition(" ")
    assert code == "4"
    assert "'MORE'" in rest and "'PATH'" in rest and "/target" in rest
    assert "ORBITALREG_TOKEN" not in rest


def test_a_tool_that_may_use_the_network_is_told_of_proxies_and_no_other_is(
    probed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    site = probed()
    put(site, "tool online")
    put(site, "tool says", "ball@2.toy")
    work(site)
    online, other = (failure for _, _, failure in waiting(site))
    assert online == "http://proxy.example.com:3128\\n"
    assert "https_proxy" not in str(other)


def test_what_a_scanner_prints_is_logged_and_does_not_break_its_answer(probed: Any, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    site = probed()
    file_id = put(site, "chatter")
    work(site)
    assert report(site, file_id).status is ReportStatus.OK
    assert "scanner probe says: {}" in caplog.text


def test_findings_of_a_former_report_survive_a_failure(probed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = probed()
    file_id = put(site, "bad")
    work(site)
    site.registry.scanning._looker.fail(site.registry.scanning.scanners["probe"], file_id, "it broke")
    found = report(site, file_id)
    assert (found.status, len(found.findings), found.packages_seen) == (ReportStatus.ERROR, 1, ())
    assert found.reason == "it broke; what it found before still counts"


@pytest.mark.parametrize(
    ("word", "status"), [("silent", ReportStatus.NOT_SCANNED), ("other scanner", ReportStatus.ERROR)]
)
def test_they_survive_a_look_that_proves_nothing_and_end_with_one_that_does(
    word: str, status: ReportStatus, probed: Any
) -> None:
    site = probed()
    file_id = put(site, word)
    db = site.registry.catalog
    former = Report("probe", ReportStatus.OK, (Finding("CVE-9", "ball", "1"),))
    with db.write() as writing:
        reports.put(writing, file_id, former)
    work(site)
    found = report(site, file_id)
    assert (found.status, found.findings) == (status, former.findings)
    assert str(found.reason).endswith("; what it found before still counts")
    site = probed()
    file_id = put(site, "fine", "ball@2.toy")
    with site.registry.catalog.write() as writing:
        reports.put(writing, file_id, former)
    work(site)
    assert (report(site, file_id).status, report(site, file_id).findings) == (ReportStatus.OK, ())


def test_they_survive_an_archive_that_cannot_be_read_this_time(probed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise UploadRefused("ball@1.toy: reading it takes more time or memory than is allowed")

    site = probed()
    file_id = put(site, "bad")
    work(site)
    monkeypatch.setattr(site.registry.scanning._looker._inspector, "stage", refuse)
    with site.registry.catalog.write() as db:
        site.registry.scanning.queue.add(db, file_id)
    work(site)
    assert (report(site, file_id).status, len(report(site, file_id).findings)) == (ReportStatus.NOT_SCANNED, 1)


def test_a_worker_that_died_too_often_over_a_file_leaves_an_error(probed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "LAST_ATTEMPT", 0)
    site = probed()
    file_id = put(site, "bad")
    work(site)
    assert report(site, file_id).status is ReportStatus.ERROR


def test_what_scans_leave_in_a_childs_folder_is_no_later_files_fault(probed: Any) -> None:
    """A child that keeps much is not kept itself, and its folder goes with it."""
    site = probed()
    ids = [put(site, "leave 50", f"ball@{n}.toy") for n in range(1, 6)]
    ids.append(put(site, "sleep 3", "ball@6.toy"))
    work(site)
    assert {report(site, file_id).status for file_id in ids} == {ReportStatus.OK}
    left = [path.stat().st_size for path in (site.data / "scanning").glob("*/*.toy")]
    assert sum(left) <= 64 << 20


def test_a_file_that_cannot_be_read_is_not_scanned(probed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise UploadRefused("ball@1.toy: is broken")

    site = probed()
    monkeypatch.setattr(site.registry.scanning._looker._inspector, "stage", refuse)
    file_id = put(site, "bad")
    work(site)
    found = report(site, file_id)
    assert (found.status, found.reason) == (ReportStatus.NOT_SCANNED, "ball@1.toy: is broken")


def test_a_scanner_without_a_database_yet_says_so_and_a_later_one_brings_the_report(
    probed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "ATTEMPTS", 1)
    (tmp_path / "db").write_text("missing")
    site = probed(f'database = "{tmp_path}/db"')
    file_id = put(site, "bad")
    work(site)
    found = report(site, file_id)
    assert (found.status, found.reason) == (ReportStatus.ERROR, "there is no database yet: run probe update")
    assert found.database is None
    (tmp_path / "db").write_text("first")
    watch(site)
    assert report(site, file_id).status is ReportStatus.OK


def test_a_changed_database_has_every_file_looked_at_anew_important_ones_first(probed: Any, tmp_path: Path) -> None:
    (tmp_path / "db").write_text("one")
    (tmp_path / "notes").touch()
    site = probed(f'database = "{tmp_path}/db"', f'notes = "{tmp_path}/notes"')
    ids = [put(site, "bad", f"ball@{n}.toy") for n in range(1, 7)]
    work(site)
    (tmp_path / "notes").write_text("")
    watch(site)
    assert (tmp_path / "notes").read_text() == "", "the same database asks for nothing"
    today = time.strftime("%Y-%m-%d", time.gmtime())
    with site.registry.catalog.write() as db:
        files.add_downloads(db, {(ids[0], "", today): 9, (ids[1], "", today): 90})
    (tmp_path / "db").write_text("two")
    watch(site)
    scanned = (tmp_path / "notes").read_text().split()
    assert scanned == [f"ball@{n}.toy" for n in (6, 2, 5, 1, 4, 3)]
    assert {report(site, file_id).database.digest for file_id in ids} == {"two"}  # type: ignore[union-attr]
    assert site.count("report") == 6


def test_a_scanner_whose_database_is_always_another_looks_at_every_file_once(
    probed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were just looked at are outdated again already, and must not hide the others."""
    monkeypatch.setattr(scans, "BATCH", 2)
    (tmp_path / "notes").touch()
    site = probed('database = "restless"', f'notes = "{tmp_path}/notes"')
    for n in range(1, 8):
        put(site, "bad", f"ball@{n}.toy")
    work(site)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    with site.registry.catalog.write() as db:
        [file_id] = db.execute("SELECT id FROM file WHERE filename = 'ball@2.toy'").fetchone()
        files.add_downloads(db, {(file_id, "", today): 9})
    (tmp_path / "notes").write_text("")
    watch(site)
    assert (tmp_path / "notes").read_text().split() == [f"ball@{n}.toy" for n in (7, 2, 6, 5, 4, 3, 1)]


def test_a_new_scanner_and_another_version_look_at_what_is_there(
    install: Callable[..., None], make_site: Callable[..., Any], tmp_path: Path
) -> None:
    install("probe", TWO)
    ids = [put(make_site(), "bad", f"ball@{n}.toy") for n in (1, 2)]
    site = make_site("[plugins.probe]\n")
    work(site)
    assert {report(site, one, name).status for one in ids for name in ("probe", "second")} == {ReportStatus.OK}
    site = make_site('[plugins.probe]\nversion = "2.0"\n')
    work(site)
    assert {report(site, one, name).scanner_version for one in ids for name in ("probe", "second")} == {"2.0"}


def tool(path: Path, says: str, log: Path, exit_code: int = 0) -> None:
    """Puts a program there as a package manager does: a new file in the place of the old one."""
    new = path.with_suffix(".new")
    new.write_text(f"#!/bin/sh\necho run >> {log}\necho '{says}'\nexit {exit_code}\n")
    new.chmod(0o755)
    new.replace(path)


def test_a_tool_that_is_upgraded_in_place_has_every_file_looked_at_anew_important_ones_first(
    probed: Any, tmp_path: Path
) -> None:
    """It is asked once for all these scans, and again when its file is another."""
    log, notes = tmp_path / "log", tmp_path / "notes"
    tool(tmp_path / "tool", "probe 1.9.2", log)
    notes.touch()
    site = probed('version = ""', f'tool = "{tmp_path}/tool"', f'notes = "{notes}"', 'database = "none"')
    ids = [put(site, "bad", f"ball@{n}.toy") for n in range(1, 7)]
    work(site)
    assert {report(site, file_id).scanner_version for file_id in ids} == {"1.9.2"}
    watch(site)
    asked = len(log.read_text().split())
    assert asked <= 2, "once in the child that scans, once in one that the watch may have beside it"
    today = time.strftime("%Y-%m-%d", time.gmtime())
    with site.registry.catalog.write() as db:
        files.add_downloads(db, {(ids[0], "", today): 9, (ids[1], "", today): 90})
    notes.write_text("")
    tool(tmp_path / "tool", "probe 1.10.0 (built today)", log)
    watch(site)
    assert notes.read_text().split() == [f"ball@{n}.toy" for n in (6, 2, 5, 1, 4, 3)]
    assert {report(site, file_id).scanner_version for file_id in ids} == {"1.10.0"}
    notes.write_text("")
    watch(site)
    assert notes.read_text() == "", "the same version asks for nothing"


def test_a_tool_that_does_not_tell_its_version_any_more_is_a_failure_and_not_another_version(
    probed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "ATTEMPTS", 1)
    log = tmp_path / "log"
    tool(tmp_path / "tool", "probe 1.9.2", log)
    site = probed('version = ""', f'tool = "{tmp_path}/tool"')
    before = put(site, "bad")
    work(site)
    tool(tmp_path / "tool", "", log, exit_code=127)
    watch(site)
    assert waiting(site, "rescan.probe") == []
    after = put(site, "bad", "ball@2.toy")
    work(site)
    assert report(site, before).status is ReportStatus.OK
    assert report(site, after).reason == "tool ended with 127: it said nothing"
    (tmp_path / "tool").unlink()
    late = put(site, "bad", "ball@3.toy")
    work(site)
    assert report(site, late).reason == "tool is not there any more: No such file or directory"


def test_files_that_fail_anew_are_tried_later_and_a_scanner_that_always_fails_waits(
    probed: Any, tmp_path: Path
) -> None:
    (tmp_path / "db").write_text("one")
    site = probed(f'database = "{tmp_path}/db"')
    for n in range(1, 10):
        put(site, "fail", f"ball@{n}.toy")
    with site.registry.catalog.write() as db:
        db.execute("DELETE FROM job")
    watch(site)
    assert len(waiting(site)) == scans.FAILURES
    [(_, attempts, failure)] = waiting(site, "rescan.probe")
    assert attempts == 1
    assert "failed 5 times in a row" in str(failure)


def test_a_file_whose_bytes_are_lost_holds_up_no_other(probed: Any, tmp_path: Path) -> None:
    (tmp_path / "db").write_text("one")
    site = probed(f'database = "{tmp_path}/db"')
    lost, whole = put(site, "fine", "ball@1.toy"), put(site, "bad", "ball@2.toy")
    work(site)
    with site.registry.catalog.write() as db:
        db.execute("UPDATE file SET uploaded_at = 0 WHERE id = ?", (whole,))  # the lost one is looked at first
        (sha256,) = db.execute("SELECT sha256 FROM file WHERE id = ?", (lost,)).fetchone()
    row = blobs.get(site.registry.catalog.read(), sha256)
    assert row is not None
    site.registry.store.delete(row.key)
    (tmp_path / "db").write_text("two")
    watch(site)
    found = report(site, whole)
    assert found.database is not None and found.database.digest == "two"
    [(subject, _, _)] = waiting(site)
    assert subject == lost, "it is tried again by itself"
    assert waiting(site, "rescan.probe") == []


def test_a_scanner_that_cannot_be_made_stops_check_in_its_own_words(
    install: Callable[..., None], cli: Callable[..., Any], configured: Path
) -> None:
    install("probe", SOURCE)
    configured.write_text(configured.read_text() + '[plugins.probe]\nwrong = "yes"\n')
    result = cli("check", "--config", str(configured))
    assert result.exit_code == 1
    assert result.stderr == "orbitalreg: plugins.probe: wrong: is what it says\n"


def test_two_scanners_of_one_name_are_an_error_that_names_both(
    install: Callable[..., None], make_site: Callable[..., Any]
) -> None:
    install("probe", SOURCE)
    install("other", SOURCE)
    with pytest.raises(PluginError, match="'other' and 'probe' both bring Scanner 'probe'"):
        make_site("[plugins.probe]\n[plugins.other]\n")


def test_a_scanners_name_is_one(install: Callable[..., None], make_site: Callable[..., Any]) -> None:
    install("probe", SOURCE.replace('name = "probe"', 'name = "../probe"'))
    with pytest.raises(PluginError, match="is no name of a scanner"):
        make_site("[plugins.probe]\n")


RAISES = """
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Scanner

class Raises(Scanner):
    name = "raises"

    def __init__(self, surroundings): pass

    @property
    def version(self): raise LookupError("version")

    def database(self): raise LookupError("database")

    def scan(self, target): raise LookupError("scan")

    @property
    def judges_names(self): return True

    def judge(self, components): raise LookupError("judge")

@hookimpl
def scanners():
    return [Raises]
"""


def test_a_scanner_that_raises_in_every_method_disturbs_nothing_else(
    install: Callable[..., None], make_site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "ATTEMPTS", 1)
    install("raises", RAISES)
    install("probe", SOURCE)
    site = make_site("[plugins.raises]\n[plugins.probe]\n")
    file_id = put(site, "bad")
    work(site)
    assert report(site, file_id).status is ReportStatus.OK
    broken = report(site, file_id, "raises")
    assert broken.status is ReportStatus.ERROR
    assert broken.reason == "it failed with LookupError; the log of that time says more"
    site.registry.scanning.judge.ensure("toy", "ball", ["1"])
    [judged] = reports.listed(site.registry.catalog.read(), "toy", "ball")["1"]
    assert judged.status is ReportStatus.ERROR


def test_a_scanner_that_does_not_say_what_it_needs_is_an_error_of_its_plugin(
    install: Callable[..., None], make_site: Callable[..., Any]
) -> None:
    install("raises", RAISES.replace("return True", "raise LookupError('judges')"))
    with pytest.raises(PluginError, match="plugin 'raises': scanner 'raises' cannot be used: judges"):
        make_site("[plugins.raises]\n")


def test_a_scanner_that_cannot_be_made_is_an_error_of_its_plugin(
    install: Callable[..., None], make_site: Callable[..., Any]
) -> None:
    install("raises", RAISES.replace("surroundings): pass", "surroundings): raise LookupError('at once')"))
    with pytest.raises(PluginError, match="plugin 'raises' cannot be started: at once"):
        make_site("[plugins.raises]\n")


def test_files_that_come_in_go_first_and_none_waits_for_ever(probed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = probed()
    queue = site.registry.scanning.queue
    monkeypatch.setattr(type(queue), "is_quiet", False)
    worker = Worker(site.registry.catalog, site.registry.handlers)
    worker.start()
    try:
        file_id = put(site, "bad")
        end = time.monotonic() + PATIENCE
        while not waiting(site)[0][1]:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert not worker.wait_idle(0.5)
        assert site.count("report") == 0
        monkeypatch.setattr(scans, "PATIENCE_SECONDS", 0)
        assert worker.wait_idle(PATIENCE)
    finally:
        worker.stop()
    assert report(site, file_id).status is ReportStatus.OK

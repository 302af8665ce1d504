"""`orbitalreg scan`, and what `doctor` and the metrics say of scanners."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scanner_plugin import SOURCE, put, work

MakeSite = Callable[..., Any]


@pytest.fixture
def command(
    install: Callable[..., None], make_site: MakeSite, cli: Callable[..., Any], tmp_path: Path
) -> tuple[Any, Callable[..., Any]]:
    """A site with a scanner, and the command with its configuration."""
    install("probe", SOURCE)
    site = make_site("[plugins.probe]\n")
    return site, lambda *words: cli(*words, "--config", str(tmp_path / "orbitalreg.toml"))


def test_files_are_scanned_at_once_and_told_one_by_one(command: Any) -> None:
    site, run = command
    put(site, "bad")
    put(site, "fine", "ball@2.toy")
    put(site, "bad", "kite@1.toy")
    result = run("scan", "acme/toys/Ball", "--json")
    assert result.exit_code == 0, result.stderr
    told = [(row["filename"], row["status"], row["findings"], row["database"]) for row in json.loads(result.stdout)]
    assert told == [("ball@2.toy", "ok", 0, "db one"), ("ball@1.toy", "ok", 1, "db one")]
    shown = run("scan", "acme/toys/ball==1").stdout
    assert "ball@1.toy" in shown and "ball@2.toy" not in shown


def test_a_repository_is_summed_up_and_a_failure_is_exit_1(command: Any) -> None:
    site, run = command
    put(site, "bad")
    put(site, "foreign", "ball@2.toy")
    result = run("scan", "acme/toys")
    assert result.exit_code == 1
    assert result.stderr == "orbitalreg: 1 of 2 scans failed; orbitalreg doctor may say why\n"
    assert [line.split() for line in result.stdout.splitlines()[2:]] == [
        ["probe", "error", "1", "1"],
        ["probe", "ok", "1", "1"],
    ]


def test_without_waiting_the_work_is_the_workers(command: Any) -> None:
    site, run = command
    put(site, "bad")
    work(site)
    assert run("scan", "acme/toys/ball", "--no-wait", "--json").stdout == '{\n  "queued": 1\n}\n'
    assert site.registry.catalog.read().execute("SELECT kind FROM job WHERE kind LIKE 'scan.%'").fetchall() == [
        ("scan.probe",)
    ]


def test_nobody_waits_for_a_scanner_without_a_database(
    command: Any, install: Callable[..., None], make_site: MakeSite
) -> None:
    _, run = command
    site = make_site('[plugins.probe]\ndatabase = "missing"\n')
    put(site, "bad")
    result = run("scan", "acme/toys")
    assert result.exit_code == 1
    says = "orbitalreg: scanner probe cannot scan: there is no database yet: run probe update\n"
    assert (result.stdout, result.stderr) == ("", says)
    install("other", SOURCE.replace('name = "probe"', 'name = "other"'))
    make_site('[plugins.probe]\ndatabase = "missing"\n[plugins.other]\n')
    result = run("scan", "acme/toys")
    assert (result.exit_code, result.stderr) == (1, says)
    assert [line.split() for line in result.stdout.splitlines()[2:]] == [["other", "ok", "1", "1"]]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["acme/toys/kite"], "acme/toys holds no file of kite"),
        (["acme/toys/ball==9"], "acme/toys holds no file of ball==9"),
        (["acme/toys", "--scanner", "other"], "there is no scanner 'other'; enabled are: probe"),
        (["acme"], "'acme' is no package"),
        (["acme/none"], "there is no repository acme/none"),
    ],
)
def test_what_is_not_there_is_said(words: list[str], says: str, command: Any) -> None:
    site, run = command
    put(site, "bad")
    result = run("scan", *words)
    assert result.exit_code == 1
    assert says in result.stderr


def test_a_virtual_repository_names_its_members(
    install: Callable[..., None], make_site: MakeSite, cli: Callable[..., Any], tmp_path: Path
) -> None:
    install("probe", SOURCE)
    make_site(
        '[projects.acme.repositories.all]\nformat = "toy"\nkind = "virtual"\nmembers = ["toys"]\n[plugins.probe]\n'
    )
    result = cli("scan", "acme/all", "--config", str(tmp_path / "orbitalreg.toml"))
    assert "acme/all is virtual and holds no file of its own" in result.stderr


def test_without_a_scanner_it_says_how_to_get_one(site: Any, cli: Callable[..., Any], tmp_path: Path) -> None:
    result = cli("scan", "acme/toys", "--config", str(tmp_path / "orbitalreg.toml"))
    assert result.exit_code == 1
    assert "no scanner is enabled" in result.stderr


def test_doctor_tells_database_version_and_age(command: Any, make_site: MakeSite) -> None:
    _, run = command
    found = {one["subject"]: one for one in json.loads(run("doctor", "--json").stdout)}
    told = found["scanner probe"]
    assert told["state"] == "good"
    assert told["says"].startswith("version 1.0, database db one of 1970-01-01T00:00:00Z, ")
    assert told["says"].endswith(" days old")
    make_site('[plugins.probe]\ndatabase = "none"\n')
    found = {one["subject"]: one for one in json.loads(run("doctor", "--json").stdout)}
    assert found["scanner probe"]["says"] == "version 1.0, without a database"
    make_site('[plugins.probe]\ndatabase = "missing"\n')
    found = {one["subject"]: one for one in json.loads(run("doctor", "--json").stdout)}
    assert (found["scanner probe"]["state"], found["scanner probe"]["says"]) == (
        "warn",
        "there is no database yet: run probe update",
    )


def test_doctor_warns_of_a_database_that_is_too_old_before_any_report_was_made(
    command: Any, make_site: MakeSite
) -> None:
    _, run = command

    def told() -> tuple[str, str]:
        [found] = [one for one in json.loads(run("doctor", "--json").stdout) if one["subject"] == "scanner probe"]
        return found["state"], found["says"]

    make_site('[plugins.probe]\ndatabase = "one stale"\n')
    state, says = told()
    assert state == "warn"
    assert says.endswith(" days old: too old to prove anything; renew it")
    make_site('[plugins.probe]\ndatabase = "renewed"\n')
    assert told()[0] == "good"


def test_reports_of_a_scanner_that_is_enabled_no_more_go_on_counting_and_doctor_says_so(
    command: Any, make_site: MakeSite
) -> None:
    site, run = command
    put(site, "bad")
    put(site, "fine", "ball@2.toy")
    work(site)
    assert "any more" not in run("doctor").stdout
    make_site()
    assert "CVE-1" in run("findings", "acme/toys").stdout
    said = "scanner probe: is not enabled any more; its 2 reports go on counting, and are not renewed until it is; "
    assert f"{said}to drop them: orbitalreg scan --forget probe" in run("doctor").stdout


def test_scans_are_counted(command: Any) -> None:
    site, _ = command
    monitor = site.token("acme:admin", name="monitor")
    put(site, "bad")
    assert 'orbitalreg_scans_waiting{scanner="probe"} 1.0' in site.get("/metrics", monitor).text
    work(site)
    text = site.get("/metrics", monitor).text
    assert 'orbitalreg_scans_waiting{scanner="probe"} 0.0' in text
    assert 'orbitalreg_reports{scanner="probe",status="ok"} 1.0' in text
    assert 'orbitalreg_scans_total{scanner="probe",status="ok"} 1.0' in text


def test_what_a_former_scanner_said_can_be_dropped(command: Any, make_site: MakeSite) -> None:
    """A policy that its finding blocked the file by opens it at the next request."""
    site, run = command
    put(site, "bad")
    work(site)
    policy = '[[policies]]\nname = "gate"\nrepositories = ["acme/toys"]\naction = "block"\nseverity = "high"\n'
    refused = run("scan", "--forget", "probe")
    assert refused.exit_code == 1
    assert "scanner probe is enabled and would say it again" in refused.stderr
    former = make_site(policy)
    assert former.get("/toy/acme/toys/get/ball/ball@1.toy").status_code == 403
    result = run("scan", "--forget", "probe")
    assert (result.exit_code, result.stdout) == (0, "dropped 1 reports of probe\n")
    assert former.get("/toy/acme/toys/get/ball/ball@1.toy").status_code == 200
    [entry] = former.registry.catalog.read().execute("SELECT target FROM audit_entry WHERE action = 'scanner.forget'")
    assert entry[0] == "probe"


def test_scan_wants_something_to_scan_or_to_forget(command: Any) -> None:
    _, run = command
    for words in ((), ("acme/toys", "--forget", "probe")):
        assert run("scan", *words).exit_code == 2

"""`orbitalreg findings` and what `show` says of reports, on the data."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.model import Severity

from ..reported import BLANK, CLEAN, HIGH, SAME, STALE, finding, put, report

SEVERE = report("osv", finding("MAL-1", "kite", severity=Severity.MALICIOUS), finding("CVE-3", "kite"))


@pytest.fixture
def run(make_site: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """The command, on a repository whose ball 1 is bad; kite 1 is malicious, and three files prove nothing."""
    site = make_site()
    for name in ("ball@1", "ball@2", "kite@1", "kite@2", "kite@3"):
        assert site.put(f"{name}.toy").status_code == 200
    put(site.registry, "acme/toys", "ball@1.toy", HIGH, SAME)
    put(site.registry, "acme/toys", "ball@2.toy", STALE)
    put(site.registry, "acme/toys", "kite@1.toy", SEVERE)
    put(site.registry, "acme/toys", "kite@2.toy", BLANK)

    def command(*words: str, code: int = 0) -> Any:
        done = cli(*words, "--config", str(tmp_path / "orbitalreg.toml"))
        assert done.exit_code == code, done.output
        return done

    command.registry = site.registry  # type: ignore[attr-defined]
    return command


def test_the_table_has_the_worst_first_and_says_what_it_is_worth(run: Callable[..., Any]) -> None:
    done = run("findings", "acme/toys")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "severity id package version fixed in seen by title"
    assert lines[2:] == [
        "malicious MAL-1 kite 1 osv",
        "high CVE-2020-1 ball 1 2 grype, osv (unknown) It bursts",
        "unknown CVE-3 kite 1 osv",
        "",
        "3 findings in 5 files: 1 malicious, 1 high, 1 unknown",
        "1 file scanned with too old a database: that it finds no more proves nothing; "
        "orbitalreg doctor says how to renew it",
        "2 files not scanned by any scanner",
        "1: grype not_scanned (it did not recognise the file)",
        "1: no scanner has a report",
    ]
    assert done.stderr == ""


def test_nothing_found_is_never_told_as_clean_where_nothing_was_scanned(run: Callable[..., Any]) -> None:
    assert run("findings", "acme/toys/kite==3").stdout.splitlines() == [
        "no findings in 1 file",
        "1 file not scanned by any scanner",
        "  1: no scanner has a report",
    ]
    put(run.registry, "acme/toys", "kite@3.toy", CLEAN)  # type: ignore[attr-defined]
    assert run("findings", "acme/toys/Kite==3").stdout == "no findings in 1 file\n"


def test_a_repository_without_a_file_has_none_to_speak_of(run: Callable[..., Any]) -> None:
    done = run("findings", "acme/again")
    assert (done.stdout, done.stderr) == ("", "acme/again has no file yet\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("acme/toys", "--fail-on", "high"), "2 findings are high or worse; the worst: MAL-1 (malicious) in kite 1"),
        (("acme/toys/ball", "--fail-on", "high"), "1 finding is high or worse; the worst: CVE-2020-1 (high) in ball 1"),
        (("acme/toys/kite==2", "--fail-unscanned"), "1 file not scanned by any scanner"),
        (
            ("acme/toys/kite", "--fail-on", "unknown", "--severity", "critical", "--fail-unscanned"),
            "2 findings are unknown or worse; the worst: MAL-1 (malicious) in kite 1; "
            "2 files not scanned by any scanner",
        ),
    ],
)
@pytest.mark.parametrize("form", ["table", "json", "sarif", "vex"])
def test_a_gate_that_is_met_exits_1_with_one_line(
    words: tuple[str, ...], said: str, form: str, run: Callable[..., Any]
) -> None:
    done = run("findings", *words, "--format", form, code=1)
    assert done.stderr == f"orbitalreg: {said}\n"
    assert done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("acme/toys/ball", "--fail-on", "critical"),
        ("acme/toys/ball", "--fail-unscanned"),  # too old a report is no missing one
        ("acme/toys/kite==3", "--fail-on", "unknown"),
        ("acme/toys", "--severity", "critical"),
    ],
)
def test_a_gate_that_is_not_met_exits_0(words: tuple[str, ...], run: Callable[..., Any]) -> None:
    assert run("findings", *words).stderr == ""


def test_what_is_below_a_severity_is_not_shown(run: Callable[..., Any]) -> None:
    shown = run("findings", "acme/toys", "--severity", "high").stdout
    assert "MAL-1" in shown and "CVE-2020-1" in shown and "CVE-3" not in shown
    assert "2 findings in 5 files: 1 malicious, 1 high; what is less than high is not shown\n" in shown
    nothing = run("findings", "acme/toys/ball", "--severity", "critical").stdout
    assert nothing.startswith("no findings in 2 files; what is less than critical is not shown\n")


def test_json_is_one_object_with_what_was_not_scanned(run: Callable[..., Any]) -> None:
    told = json.loads(run("findings", "acme/toys", "--json").stdout)
    assert told == json.loads(run("findings", "acme/toys", "--format", "json").stdout)
    assert [(one["package"], one["version"], one["id"]) for one in told["findings"]] == [
        ("ball", "1", "CVE-2020-1"),
        ("kite", "1", "MAL-1"),
        ("kite", "1", "CVE-3"),
    ]
    assert told["findings"][0]["by"] == {"grype": "high", "osv": "unknown"}
    assert told["findings"][0]["published_at"] == "2023-11-14T22:13:20Z"
    assert (told["repository"], told["files"], told["scanned"], told["outdated"]) == ("acme/toys", 5, 2, 1)
    assert [(one["filename"], len(one["reports"])) for one in told["not_scanned"]] == [
        ("kite@2.toy", 1),
        ("kite@3.toy", 0),
    ]
    nothing = json.loads(run("findings", "acme/again", "--json").stdout)
    assert (nothing["findings"], nothing["files"]) == ([], 0)


def test_sarif_and_vex_are_what_they_say(run: Callable[..., Any]) -> None:
    assert len(json.loads(run("findings", "acme/toys", "--format", "sarif").stdout)["runs"][0]["results"]) == 3
    assert len(json.loads(run("findings", "acme/toys", "--format", "vex").stdout)["vulnerabilities"]) == 3


def test_what_scanners_write_steers_no_terminal(run: Callable[..., Any]) -> None:
    evil = finding("CVE-\x1b[2J1", version="2", title="\x1b]0;x\x07\u202e" + "long " * 40, severity=Severity.LOW)
    put(run.registry, "acme/toys", "ball@2.toy", report("grype\n", evil))  # type: ignore[attr-defined]
    done = run("findings", "acme/toys/ball==2", "--fail-on", "low", code=1)
    assert not set(done.stdout + done.stderr) & set("\x1b\x07\u202e")
    assert len(done.stdout.splitlines()) == 5 and len(done.stderr.splitlines()) == 1
    assert max(map(len, done.stdout.splitlines())) < 160


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("acme",), 1, "is no repository"),
        (("acme/nowhere",), 1, "there is no repository acme/nowhere"),
        (("acme/toys/absent",), 1, "has no package absent"),
        (("acme/toys/ball==7",), 1, "acme/toys has no ball==7"),
        (("acme/toys/ball==x",), 1, "is no toy version"),
        (("acme/toys==1",), 1, "is no package"),
        (("acme/toys", "--fail-on", "awful"), 2, "awful"),
        (("acme/toys", "--json", "--format", "vex"), 2, "give one of them"),
    ],
)
def test_wrong_words_are_refused_with_a_line(
    words: tuple[str, ...], code: int, said: str, run: Callable[..., Any]
) -> None:
    assert said in run("findings", *words, code=code).stderr


@pytest.mark.parametrize("form", ["table", "json"])
def test_on_a_terminal_it_says_how_far_it_has_come(form: str, run: Callable[..., Any]) -> None:
    """On stderr, and what it prints stays what it is."""
    folder = run.registry.settings.data.path.parent  # type: ignore[attr-defined]
    words = [sys.executable, "-m", "orbitalreg", "findings", "acme/toys", "--format", form]
    reader, writer = pty.openpty()
    try:
        done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=writer, text=True, timeout=60)
        shown = os.read(reader, 65536).decode()
    finally:
        os.close(writer)
        os.close(reader)
    assert "versions" in shown and "5" in shown
    assert done.stdout == run("findings", "acme/toys", "--format", form).stdout


def test_show_tells_of_each_files_reports(run: Callable[..., Any]) -> None:
    told = json.loads(run("show", "acme/toys/ball==1", "--json").stdout)["files"][0]["reports"]
    assert [one["scanner"] for one in told] == ["grype", "osv"]
    assert (told[0]["status"], told[0]["reason"], told[0]["scanned_at"]) == ("ok", None, "2023-11-14T23:13:20Z")
    assert told[0]["database"] == {"version": "5", "digest": "sha256:d5", "built_at": "2023-11-14T22:13:20Z"}
    assert "grype ok, osv ok" in run("show", "acme/toys/ball").stdout
    assert "grype not_scanned" in run("show", "acme/toys/kite==2").stdout
    assert "scanned" not in run("show", "acme/toys/kite==3").stdout

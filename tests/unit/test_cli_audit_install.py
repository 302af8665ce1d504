"""`orbitalreg audit-install` on the data."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.model import Severity

from ..reported import CLEAN, finding, put, report

BAD = report("grype", finding("CVE-1", "low", severity=Severity.HIGH, fixed_in="2", title="It burns"))
WORLD = {
    "top@1": "needs: mid<2",
    "top@2": "needs: mid",
    "mid@1": "needs: low<2",
    "mid@2": "needs: low>=2 extra[much]",
    "low@1": "a toy",
    "low@2": "a toy",
    "extra@1": "needs: much?more",
    "more@1": "a toy",
    "stuck@1": "needs: low==1",
    "torn@1": "needs: low>=2 stuck",
}


@pytest.fixture
def run(make_site: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """The command, on a repository where low 1 is bad, and everything but more 1 was scanned."""
    site = make_site()
    for name, body in WORLD.items():
        assert site.put(f"{name}.toy", body.encode()).status_code == 200
        if not name.startswith("more"):
            put(site.registry, "acme/toys", f"{name}.toy", BAD if name == "low@1" else CLEAN)

    def command(*words: str, code: int = 0) -> Any:
        done = cli("audit-install", *words, "--config", str(tmp_path / "orbitalreg.toml"))
        assert done.exit_code == code, done.output
        return done

    command.site = site  # type: ignore[attr-defined]
    return command


def lines(done: Any) -> list[str]:
    """Spaces that only align are one."""
    return [line if line.startswith(" ") else " ".join(line.split()) for line in done.stdout.splitlines()]


def test_it_tells_the_tree_the_findings_with_their_way_and_the_fewest_changes(run: Callable[..., Any]) -> None:
    done = run("acme/toys", "top<2")
    told = lines(done)
    assert told[:6] == [
        "top<2 from acme/toys, toybox: 3 packages",
        "",
        "top 1",
        "  mid 1",
        "    low 1  (found: 1 high)",
        "",
    ]
    assert told[6] == "severity id package version fixed in seen by path"
    assert told[8:] == [
        "high CVE-1 low 1 2 grype top 1 > mid 1 > low 1",
        "",
        "1 finding in 3 packages",
        "",
        "to clear all of it, the fewest changes:",
        "  top 1 -> 2  (beyond top<2)",
        "  extra 1 comes in  (follows)",
        "  low 1 -> 2  (follows)",
        "  mid 1 -> 2  (follows)",
        "  more 1 comes in  (follows)",
    ]
    assert done.stderr == ""


def test_what_is_clean_and_what_nobody_scanned_is_told(run: Callable[..., Any]) -> None:
    assert lines(run("acme/toys", "top")) == [
        "top from acme/toys, toybox: 5 packages",
        "",
        "top 2",
        "  mid 2",
        "    extra[much] 1",
        "      more 1  (not scanned)",
        "    low 2",
        "",
        "no findings in 5 packages",
        "1 of 5 files not scanned by any scanner: orbitalreg findings says why",
    ]


def test_programs_get_all_of_it(run: Callable[..., Any]) -> None:
    [told] = json.loads(run("acme/toys", "top<2", "--json", "--environment", "Toybox").stdout)
    assert (told["repository"], told["environment"], told["not_installed"]) == ("acme/toys", "toybox", [])
    low = next(one for one in told["packages"] if one["package"] == "low")
    assert (low["version"], low["filename"], low["asked_by"]) == ("1", "low@1.toy", ["mid"])
    assert [step["stated"] for step in low["path"]] == ["top<2", "mid<2", "low<2"]
    assert [one["id"] for one in low["found"]["findings"]] == ["CVE-1"]
    assert told["upgrades"]["changes"] == [{"package": "top", "before": "1", "after": "2", "widens": ["top<2"]}]
    assert (told["upgrades"]["left"], told["upgrades"]["is_smallest"]) == ([], True)


def test_a_lock_is_asked_by_its_pins_and_each_is_named_with_its_line(run: Callable[..., Any], tmp_path: Path) -> None:
    lock = tmp_path / "toys.lock"
    lock.write_text("top@1\nmid@1\nlow@1\n")
    told = run("acme/toys", "--lock", str(lock)).stdout
    for line, package in enumerate(("top", "mid", "low"), 1):
        assert f"  {package} 1 -> 2  (beyond {package}==1 (toys.lock line {line}))\n" in told
    lock.write_text("top@1\nnothing@7\n")
    done = run("acme/toys", "--lock", str(lock), code=1)
    assert done.stderr == "orbitalreg: toys.lock line 2: nothing==7: acme/toys has no package nothing\n"
    lock.write_text("top@1\nno\n")
    assert "line 2: " in run("acme/toys", "--lock", str(lock), code=1).stderr
    assert "gone.lock: cannot be read" in run("acme/toys", "--lock", "gone.lock", code=1).stderr


def test_what_no_change_clears_is_said_with_why(run: Callable[..., Any]) -> None:
    told = lines(run("acme/toys", "stuck"))
    assert told[-2:] == [
        "no change of versions clears:",
        "  CVE-1 (high) of low 1: no version of low fits that acme/toys offers: "
        "stuck 1 asks for low==1; the newest is 2",
    ]


def test_a_build_fails_on_what_it_may_not_have(run: Callable[..., Any]) -> None:
    done = run("acme/toys", "top<2", "--fail-on", "high", code=1)
    assert done.stderr == "orbitalreg: 1 finding is high or worse; the worst: CVE-1 (high) in low 1\n"
    assert run("acme/toys", "top<2", "--fail-on", "critical").stderr == ""
    assert "1 file not scanned" in run("acme/toys", "top", "--fail-unscanned", code=1).stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["acme/toys"], 2, "nothing is asked for: give requirements, such as 'my-app==1.0', or --lock FILE"),
        (["toys", "top"], 2, "'toys'"),
        (["acme/toys", "!"], 2, "'!' is no requirement that can be read"),
        (["acme/toys", "top", "--environment", "moon"], 2, "'moon' is no toybox"),
        (["acme/nowhere", "top"], 1, "there is no repository acme/nowhere"),
        (["acme/toys", "gone"], 1, "orbitalreg: acme/toys has no package gone: asked for is gone\n"),
        (["acme/toys", "torn"], 1, "torn 1 asks for low>=2 and stuck 1 asks for low==1; the newest is 2\n"),
    ],
)
def test_what_cannot_be_answered_says_why(run: Callable[..., Any], words: list[str], code: int, said: str) -> None:
    done = run(*words, code=code)
    assert said in done.stderr
    assert done.stdout == ""


def test_what_a_policy_holds_back_is_not_chosen(make_site: Callable[..., Any], run: Callable[..., Any]) -> None:
    rule = '\n[[policies]]\nname = "gate"\nrepositories = ["acme/toys"]\nseverity = "high"\naction = "{action}"\n'
    make_site(rule.format(action="block"))
    done = run("acme/toys", "top<2", code=1)
    assert "1 file is withheld: orbitalreg explain acme/toys/low" in done.stderr
    make_site(rule.format(action="warn"))
    assert "(found: 1 high; policy gate: CVE-1 (high) in low 1, fixed in 2)" in run("acme/toys", "top<2").stdout


def test_where_all_of_a_package_is_held_back_it_is_said_who_says_why(
    make_site: Callable[..., Any], run: Callable[..., Any]
) -> None:
    make_site('\n[[policies]]\nname = "gate"\nrepositories = ["acme/toys"]\nunscanned = "block"\n')
    done = run("acme/toys", "more", code=1)
    assert done.stderr.endswith(": asked for is more, and 1 file is withheld: orbitalreg explain acme/toys/more\n")


def test_one_package_is_one(run: Callable[..., Any]) -> None:
    assert "no findings in 1 package" in lines(run("acme/toys", "low"))

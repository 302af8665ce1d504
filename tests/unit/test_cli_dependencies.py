"""`orbitalreg graph`, `dependents` and `affected`, on the data."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from orbitalreg.model import Severity

from ..graphed import LINUX, put, vulnerability

NODES = {
    ("top-app", "1.0", ""): [("mid-lib", "mid-lib", "1.0", ""), ("gone>2", "gone", None, "")],
    ("mid-lib", "1.0", ""): [("jinja<2.11", "jinja", "2.10", "")],
    ("jinja", "2.10", ""): [],
    ("jinja", "2.10", "fast"): [],
    ("jinja", "3.1", ""): [],
    ("other", "1.0", ""): [("jinja[fast]", "jinja", "2.10", "fast")],
    ("newer", "1.0", ""): [("jinja>=3", "jinja", "3.1", "")],
}
CVE = vulnerability("CVE-2019-10906", "jinja", "2.10", Severity.HIGH, "GHSA-462w-v97r-4m45", fixed_in="2.10.1")


@pytest.fixture
def run(make_site: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    site = make_site()
    for name in ("jinja@2.10", "mid-lib@1.0", "top-app@1.0"):
        assert site.put(f"{name}.toy").status_code == 200
    with site.registry.catalog.write() as db:
        put(db, site.repository().id, NODES, [CVE], depths={("newer", "1.0", ""): 1})

    def command(*words: str, code: int = 0) -> Any:
        done = cli(*words, "--config", str(tmp_path / "orbitalreg.toml"))
        assert done.exit_code == code, done.output
        return done

    command.site = site  # type: ignore[attr-defined]
    return command


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_tree_ends_with_a_summary(run: Callable[..., Any]) -> None:
    assert run("graph", "acme/toys/top-app==1.0").stdout.splitlines() == [
        "top-app 1.0  exposed: high",
        "|-- gone for None: missing",
        "`-- mid-lib 1.0  exposed: high  <- mid-lib",
        "    `-- jinja 2.10  HIGH CVE-2019-10906 (fixed in 2.10.1)  <- jinja<2.11",
        "",
        "brings 2 versions with 1 vulnerability (1 high); "
        "the worst, CVE-2019-10906 (high), comes by top-app 1.0 -> mid-lib 1.0 -> jinja 2.10",
    ]


def test_without_a_version_it_is_of_the_newest(run: Callable[..., Any]) -> None:
    assert run("graph", "acme/toys/Mid-Lib").stdout.startswith("mid-lib 1.0")


def test_depth_cuts_the_tree_and_says_so(run: Callable[..., Any]) -> None:
    said = run("graph", "acme/toys/top-app==1.0", "--depth", "1").stdout
    assert "    `-- and 1 more" in said.splitlines()
    assert said.splitlines()[-1] == (
        "brings 1 version with no vulnerabilities known among them; 1 version further down not shown; "
        "what is high at worst comes from further down"
    )


def test_a_picture_dot_and_json_are_each_alone_on_stdout(run: Callable[..., Any]) -> None:
    picture = run("graph", "acme/toys/top-app==1.0", "--svg")
    assert ElementTree.fromstring(picture.stdout).tag.endswith("svg")
    assert run("graph", "acme/toys/top-app==1.0", "--dot").stdout.startswith("digraph {\n")
    told = json.loads(run("graph", "acme/toys/top-app==1.0", "--json").stdout)
    assert [node["package"] for node in told["nodes"]] == ["top-app", "mid-lib", "jinja"]
    assert [told["edges"][number]["stated"] for number in told["worst"]] == ["mid-lib", "jinja<2.11"]
    assert run("graph", "acme/toys/top-app==1.0", "--svg", "--json", code=2).stdout == ""


def test_colours_are_for_terminals_alone(run: Callable[..., Any], tmp_path: Path) -> None:
    def on_a_terminal(**more: str) -> str:
        leader, follower = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        subprocess.run(
            [sys.executable, "-m", "orbitalreg", "graph", "acme/toys/jinja==2.10", "--config", "orbitalreg.toml"],
            cwd=tmp_path,
            stdout=follower,
            env={**environment, "TERM": "xterm", **more},
            timeout=60,
            check=True,
        )
        os.close(follower)
        said = os.read(leader, 10_000).decode()
        os.close(leader)
        return said

    assert "\x1b[31mHIGH CVE-2019-10906" in on_a_terminal()
    assert "\x1b" not in on_a_terminal(NO_COLOR="1")
    assert "\x1b" not in run("graph", "acme/toys/jinja==2.10").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("graph", "acme/toys/top-app==9"), "the graph of acme/toys has no top-app==9: it is not there, or was not"),
        (("graph", "acme/toys/top-app==1.0", "--environment", "x"), "'x' is no toybox"),
        (("graph", "acme/toys/absent"), "acme/toys has no package absent"),
        (("dependents", "acme/toys/absent"), "no graph of acme/toys knows absent"),
        (("affected", "CVE-1", "--repo", "acme/nowhere"), "there is no repository acme/nowhere"),
    ],
)
def test_what_is_not_there_is_exit_code_1_and_one_line(
    words: tuple[str, ...], said: str, run: Callable[..., Any]
) -> None:
    done = run(*words, code=1)
    assert done.stderr.startswith(f"orbitalreg: {said}")
    assert len(done.stderr.splitlines()) == 1


def test_an_id_is_not_empty(run: Callable[..., Any]) -> None:
    done = run("affected", " ", code=2)
    assert "ID is empty: give that of a vulnerability" in done.stderr


def test_where_no_version_is_shown_it_is_said_how_to_name_one(
    run: Callable[..., Any], make_site: Callable[..., Any]
) -> None:
    make_site('\n[[policies]]\nname = "gate"\nrepositories = ["acme/toys"]\nunscanned = "block"\n')
    said = run("graph", "acme/toys/mid-lib", code=1).stderr
    assert said.startswith("orbitalreg: acme/toys/mid-lib shows no version: name one by ==VERSION; orbitalreg explain ")
    assert run("graph", "acme/toys/mid-lib==1.0").stdout.startswith("mid-lib 1.0")


def test_what_asks_in_vain_is_not_said_to_ask_for_nothing(run: Callable[..., Any]) -> None:
    site = run.site  # type: ignore[attr-defined]
    with site.registry.catalog.write() as db:
        vain = {("vain", "1", ""): [("gone", "gone", None, ""), ("lost", "lost", None, "")]}
        put(db, site.repository().id, vain, environment="toybox")
    told = run("graph", "acme/toys/vain==1").stdout.splitlines()
    assert told[-1] == "brings nothing along: nothing is chosen for 2 requirements"


def test_dependents_are_who_asks_and_what_they_get(run: Callable[..., Any]) -> None:
    assert rows(run("dependents", "acme/toys/jinja").stdout)[2:] == [
        "mid-lib 1.0 jinja<2.11 2.10 here",
        "newer 1.0 jinja>=3 3.1 upstream",
        "other 1.0 jinja[fast] 2.10 here",
    ]


def test_dependents_of_a_version_are_those_that_get_it(run: Callable[..., Any]) -> None:
    told = json.loads(run("dependents", "acme/toys/jinja==3.1", "--json").stdout)
    assert [(one["package"], one["stated"], one["chosen"], one["environments"]) for one in told] == [
        ("newer", "jinja>=3", "3.1", [LINUX])
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dependents", "acme/toys/jinja==02.10"), "mid-lib 1.0 jinja<2.11 2.10"),
        (("dependents", "acme/toys/jinja==02.10", "--transitive"), "top-app 1.0 mid-lib mid-lib 1.0 -> jinja 2.10"),
        (("graph", "acme/toys/jinja==02.10"), "jinja 2.10 HIGH CVE-2019-10906 (fixed in 2.10.1)"),
    ],
)
def test_a_version_may_be_spelt_otherwise(words: tuple[str, ...], said: str, run: Callable[..., Any]) -> None:
    assert said in rows(run(*words).stdout)


def test_what_is_asked_for_with_extras_is_held_as_its_version_is(run: Callable[..., Any]) -> None:
    nodes = {
        ("kit", "1", ""): [],
        ("kit", "1", "all"): [("kit[fast]", "kit", "1", "fast"), ("jinja", "jinja", "3.1", "")],
        ("kit", "1", "fast"): [],
        ("user", "1", ""): [("kit[all]", "kit", "1", "all")],
    }
    site = run.site  # type: ignore[attr-defined]
    with site.registry.catalog.write() as db:
        put(db, site.repository().id, nodes, environment="toybox", depths={("kit", "1", "all"): 1})
    found = json.loads(run("dependents", "acme/toys/jinja", "--json").stdout)
    assert [one["is_held"] for one in found if one["package"] == "kit"] == [True]
    assert [one["package"] for one in json.loads(run("dependents", "acme/toys/kit", "--json").stdout)] == ["user"]


def test_transitive_dependents_have_a_path(run: Callable[..., Any]) -> None:
    assert rows(run("dependents", "acme/toys/jinja==2.10", "--transitive").stdout)[2:] == [
        "mid-lib 1.0 jinja<2.11 2.10",
        "other 1.0 jinja[fast] 2.10",
        "top-app 1.0 mid-lib mid-lib 1.0 -> jinja 2.10",
    ]


def test_of_what_nobody_asks_for_that_is_said_and_all_is_well(run: Callable[..., Any]) -> None:
    done = run("dependents", "acme/toys/top-app")
    assert (done.stdout, done.stderr) == ("", "nobody asks for acme/toys/top-app\n")


@pytest.mark.parametrize("name", ["CVE-2019-10906", "cve-2019-10906", "GHSA-462w-v97r-4m45", "ghsa-462W-v97r-4m45"])
def test_affected_names_all_who_are_hit_by_any_id(name: str, run: Callable[..., Any]) -> None:
    assert rows(run("affected", name, "--days", "0").stdout)[2:] == [
        "acme/toys jinja 2.10 high itself 2.10.1",
        "acme/toys mid-lib 1.0 high jinja 2.10 2.10.1",
        "acme/toys other 1.0 high jinja[fast] 2.10 2.10.1",
        "acme/toys top-app 1.0 high mid-lib 1.0 -> jinja 2.10 2.10.1",
    ]


def test_in_which_environments_is_told_where_it_is_not_the_same_for_all(run: Callable[..., Any]) -> None:
    site = run.site  # type: ignore[attr-defined]
    only_there = {("jinja", "2.10", ""): [], ("odd", "1.0", ""): [("jinja==2.10", "jinja", "2.10", "")]}
    with site.registry.catalog.write() as db:
        put(db, site.repository().id, only_there, [CVE], environment="toybox")
    told = rows(run("affected", "CVE-2019-10906", "--days", "0").stdout)
    assert told[0].split()[-1] == "in"
    assert told[2].endswith(f"itself 2.10.1 {LINUX}, toybox")
    assert [line for line in told if " odd " in line] == ["acme/toys odd 1.0 high jinja 2.10 2.10.1 toybox"]
    asked = rows(run("dependents", "acme/toys/jinja").stdout)
    assert [line for line in asked if line.startswith("odd ")] == ["odd 1.0 jinja==2.10 2.10 here toybox"]


def test_findings_too_tell_in_which_environments_things_come(run: Callable[..., Any]) -> None:
    assert " in " not in rows(run("findings", "acme/toys").stdout)[0]
    site = run.site  # type: ignore[attr-defined]
    there = {("jinja", "2.10", ""): [], ("top-app", "1.0", ""): [("jinja==2.10", "jinja", "2.10", "")]}
    with site.registry.catalog.write() as db:
        put(db, site.repository().id, there, [CVE], environment="toybox")
    told = rows(run("findings", "acme/toys").stdout)
    assert " by in " in told[0]
    assert any(f"mid-lib 1.0 jinja 2.10 {LINUX}" in line for line in told)
    assert any(f"top-app 1.0 jinja 2.10 {LINUX}, toybox" in line for line in told)


def test_what_nobody_has_is_an_empty_answer(run: Callable[..., Any]) -> None:
    done = run("affected", "CVE-1999-0001")
    assert (done.stdout, done.stderr) == ("", "nobody here has CVE-1999-0001\n")
    assert json.loads(run("affected", "CVE-1999-0001", "--json", "--repo", "acme/toys").stdout) == {
        "vulnerability": "CVE-1999-0001",
        "affected": [],
        "days": 30,
        "downloads": [],
    }


ASKING = [
    ("affected", "CVE-2019-10906"),
    ("affected", "CVE-2019-10906", "--repo", "acme/toys"),
    ("dependents", "acme/toys/jinja"),
    ("graph", "acme/toys/jinja==2.10"),
]


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_where_a_graph_is_not_whole_yet_nobody_is_said_to_be_clear(
    words: tuple[str, ...], run: Callable[..., Any]
) -> None:
    with run.site.registry.catalog.write() as db:  # type: ignore[attr-defined]
        db.execute("DELETE FROM graph_finding")
        db.execute("UPDATE graph SET built_at = NULL")
    done = run(*words, code=1)
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)
    assert "the graph of dependencies of acme/toys is being made for the first time: ask again" in done.stderr


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_where_there_is_no_graph_nobody_is_said_to_be_clear(
    words: tuple[str, ...], run: Callable[..., Any], tmp_path: Path
) -> None:
    config = tmp_path / "orbitalreg.toml"
    config.write_text(f"{config.read_text()}\n[graph]\nenvironments = []\n")
    done = run(*words, code=1)
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)
    assert "has no graph of dependencies: [graph] environments turns it off, or names none that" in done.stderr


def test_who_fetched_what_is_hit_is_told_within_the_days(run: Callable[..., Any]) -> None:
    site = run.site  # type: ignore[attr-defined]
    assert "nobody fetched any of it in the last 30 days" in run("affected", "CVE-2019-10906").stdout
    fetched = ["jinja/jinja@2.10.toy", "top-app/top-app@1.0.toy"]
    for path in fetched:
        assert site.get(f"/toy/acme/toys/get/{path}").status_code == 200
    site.registry.usage.flush()
    told = rows(run("affected", "CVE-2019-10906").stdout)
    table = told[told.index("fetched in the last 30 days:") + 1 :]
    assert [line.split()[:2] for line in table[2:]] == [
        ["jinja@2.10.toy", "service:publisher"],
        ["top-app@1.0.toy", "service:publisher"],
    ]
    with site.registry.catalog.write() as db:
        db.execute(
            "UPDATE download SET day = '2001-01-01' WHERE file_id = (SELECT id FROM file WHERE filename LIKE 'j%')"
        )
    found = json.loads(run("affected", "CVE-2019-10906", "--json", "--days", "7").stdout)
    assert [row["filename"] for row in found["downloads"]] == ["top-app@1.0.toy"]

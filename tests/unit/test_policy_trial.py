"""`orbitalreg policy test`: whether policies would break a build, before they are switched on."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from orbitalreg.catalog import reports
from orbitalreg.model import Finding, Report, ReportStatus, Severity

RULES = """
[[policies]]
name = "gate"
severity = "high"
licenses_denied = ["AGPL-3.0-only"]

[[policies]]
name = "advice"
action = "warn"
severity = "low"
"""
BODIES = {
    "ball@1.toy": b"old ball",
    "ball@2.toy": b"new ball",
    "kite@1.toy": b"license: AGPL-3.0-only",
    "net@1.toy": b"",
}


@pytest.fixture
def stocked(make_site: Callable[..., Any], tmp_path: Path) -> Any:
    site = make_site()
    for filename, body in BODIES.items():
        assert site.put(filename, body).status_code == 200
    (tmp_path / "rules.toml").write_text(RULES)
    catalog = site.registry.catalog
    for filename, severity in {"ball@1.toy": Severity.HIGH, "ball@2.toy": Severity.LOW}.items():
        finding = Finding("CVE-1", "ball", filename[5], severity, fixed_in="3")
        with catalog.write() as db:
            [[file_id]] = db.execute("SELECT id FROM file WHERE filename = ?", (filename,)).fetchall()
            reports.put(db, file_id, Report("eye", ReportStatus.OK, (finding,)))
            reports.changed(db, "toy", "ball")
    return site


@pytest.fixture
def run(stocked: Any, cli: Callable[..., Result], tmp_path: Path) -> Callable[..., Result]:
    def run(*pins: str, repository: str = "acme/toys", arguments: tuple[str, ...] = ()) -> Result:
        (tmp_path / "toys.lock").write_text("\n".join(pins))
        fixed = (
            "policy",
            "test",
            "rules.toml",
            "--repo",
            repository,
            "--lock",
            "toys.lock",
            "--config",
            "orbitalreg.toml",
        )
        return cli(*fixed, *arguments)

    return run


def test_each_file_is_told_with_the_rule(run: Callable[..., Result]) -> None:
    result = run("ball@1", "ball@2", "kite@1", "net@1", "top@1")
    assert result.exit_code == 1
    lines = [line.split(maxsplit=4) for line in result.stdout.splitlines()[2:]]
    assert lines[:5] == [
        ["ball@1.toy", "block", "gate", "severity", "CVE-1 (high) in ball 1, fixed in 3"],
        ["ball@2.toy", "warn", "advice", "severity", "CVE-1 (low) in ball 2, fixed in 3"],
        ["kite@1.toy", "block", "gate", "licenses_denied", "its license AGPL-3.0-only is denied"],
        ["net@1.toy", "pass"],
        ["top==1", "missing", "acme/toys", "has", "no such file"],
    ]
    assert result.stdout.endswith("2 of 5 blocked, 1 warned of, 1 missing\n")


def test_a_build_that_is_let_through_exits_with_0(run: Callable[..., Result]) -> None:
    result = run("ball@2", "net@1")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "0 of 2 blocked, 1 warned of")


def test_json(run: Callable[..., Result]) -> None:
    result = run("ball@1", arguments=("--json",))
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {
            "package": "ball",
            "version": "1",
            "filename": "ball@1.toy",
            "place": "line 1",
            "verdict": "block",
            "policy": "gate",
            "rule": "severity",
            "reason": "CVE-1 (high) in ball 1, fixed in 3",
        }
    ]


def test_what_comes_with_dependencies_in_the_transitive_scope(
    run: Callable[..., Result], stocked: Any, tmp_path: Path
) -> None:
    assert stocked.put("rope@1.toy", b"needs: ball<2").status_code == 200
    stocked.registry.graph.updater.reconcile()
    assert stocked.registry.graph.updater.update()
    assert run("rope@1").exit_code == 0
    (tmp_path / "rules.toml").write_text(RULES.replace('name = "gate"', 'name = "gate"\nscope = "transitive"'))
    result = run("rope@1")
    assert (result.exit_code, "CVE-1 (high) in ball 1, which it requires, fixed in 3" in result.stdout) == (1, True)


def test_only_files_with_the_digests_of_the_lock_count(run: Callable[..., Result]) -> None:
    def pin(body: bytes) -> Any:
        return run(f"ball@1 {hashlib.sha256(body).hexdigest()}")

    assert pin(BODIES["ball@1.toy"]).exit_code == 1
    other = pin(b"another")
    assert (other.exit_code, "missing" in other.stdout) == (0, True)


def test_nothing_of_it_is_switched_on(run: Callable[..., Result], stocked: Any) -> None:
    assert run("ball@1").exit_code == 1
    assert stocked.get("/toy/acme/toys/get/ball/ball@1.toy").status_code == 200


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("", "rules.toml: policies: is missing; write each policy as a table [[policies]]"),
        ("[[policies]]", "rules.toml: policies.0.name: is missing; it must be given"),
        (
            '[[policies]]\nname = "a"\nseverity = "bad"',
            "rules.toml: policies.0.severity: found 'bad'; it must be one of",
        ),
        ('[[policies]]\nname = "a"\nmalicious = false', "rules.toml: policies.0: asks nothing of a file"),
        ("[data]", "rules.toml: data: there is no such key"),
        ("[", "rules.toml: is not TOML"),
    ],
)
def test_rules_that_are_none(run: Callable[..., Result], tmp_path: Path, rules: str, says: str) -> None:
    (tmp_path / "rules.toml").write_text(rules)
    result = run("ball@1")
    assert result.exit_code == 1 and says in result.stderr


def test_what_else_can_be_wrong(run: Callable[..., Result], cli: Callable[..., Result]) -> None:
    assert "toys.lock" in run("ball").stderr or "line 1" in run("ball").stderr
    assert "there is no repository acme/none" in run("ball@1", repository="acme/none").stderr
    assert run("ball@1", repository="none").exit_code == 2
    gone = cli("policy", "test", "rules.toml", "--repo", "acme/toys", "--lock", "gone", "--config", "orbitalreg.toml")
    assert (gone.exit_code, gone.stderr) == (1, "orbitalreg: gone: cannot be read: No such file or directory\n")

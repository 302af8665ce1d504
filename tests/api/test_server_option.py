"""`--server URL`: each command that takes it says through a server what it says on the data."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.cli import main
from orbitalreg.model import Address, Grant

from ..documents import lasting
from ..reported import BLANK, HIGH, SAME, put_beside

NAMES = ["packages", "show", "yank", "unyank", "delete", "status"]


@pytest.fixture
def full(served: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for filename in ("ball@1.toy", "ball@2.toy", "ball@10.toy", "kite@1.toy"):
        served.put(filename, b"needs: kite box" if filename.startswith("ball") else b"a toy")
    monkeypatch.setenv("ORBITALREG_TOKEN", served.keeper)
    return served


@pytest.fixture
def remote(full: Any, cli: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **options: cli(*arguments, "--server", full.url, **options)


READS = [
    ("packages", "acme/toys"),
    ("packages", "acme/open"),
    ("show", "acme/toys/ball"),
    ("show", "acme/toys/BALL"),
    ("show", "acme/toys/ball==2"),
    ("show", "acme/toys/ball==9"),
    ("findings", "acme/toys"),
    ("findings", "acme/open"),
    ("findings", "acme/toys/BALL", "--severity", "high"),
    ("findings", "acme/toys/ball==1"),
]


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_reads_say_the_same(command: tuple[str, ...], more: tuple[str, ...], full: Any, remote: Any) -> None:
    full.local("yank", "acme/toys/ball==1", "--reason", "no air")
    put_beside(full.config, "acme/toys", "ball@1.toy", HIGH, SAME)
    put_beside(full.config, "acme/toys", "kite@1.toy", BLANK)
    local, through = full.local(*command, *more), remote(*command, *more)
    assert through.exit_code == 0
    assert (through.stdout, through.stderr) == (local.stdout, local.stderr)


@pytest.mark.parametrize("kind", ["sarif", "vex"])
@pytest.mark.parametrize("place", ["acme/toys", "acme/toys/BALL", "acme/toys/ball==1", "acme/open"])
def test_documents_of_findings_say_the_same(kind: str, place: str, full: Any, remote: Any) -> None:
    put_beside(full.config, "acme/toys", "ball@1.toy", HIGH, SAME)
    put_beside(full.config, "acme/toys", "kite@1.toy", BLANK)
    command = ("findings", place, "--format", kind)
    local, through = full.local(*command), remote(*command)
    assert (through.exit_code, through.stderr) == (0, "")
    assert lasting(kind, through.stdout) == lasting(kind, local.stdout)
    with full.client() as client:
        repository, _, rest = place.replace("acme/", "").partition("/")
        named = [word for word in rest.split("==") if word]
        document = client.findings_document(Address("acme", repository), *named, kind=kind)
    assert lasting(kind, document.decode()) == lasting(kind, local.stdout)


# What is said of ball, and what undoes it.
CHANGES = [
    (("yank", "acme/toys/ball==1", "--reason", "no air"), ("unyank", "acme/toys/ball==1")),
    (("yank", "acme/toys/BALL==1"), ("unyank", "acme/toys/ball==1")),
    (("unyank", "acme/toys/ball==1"), ("packages", "acme/toys")),
    (("status", "acme/toys/ball", "archived", "--reason", "see kite"), ("status", "acme/toys/ball", "active")),
    (("delete", "acme/toys/ball==1", "--yes"), None),
    (("delete", "acme/toys/ball==1", "--file", "ball@1.toy", "--yes"), None),
]


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize(("command", "back"), CHANGES, ids=lambda value: " ".join(value or ()))
def test_changes_say_and_do_the_same(
    command: tuple[str, ...], back: tuple[str, ...] | None, more: tuple[str, ...], full: Any, remote: Any
) -> None:
    said, left = [], []
    for run in (remote, full.local):
        done = run(*command, *more)
        assert done.exit_code == 0, done.stderr
        said.append((done.stdout, done.stderr))
        shown = json.loads(full.local("show", "acme/toys/ball", "--json").stdout)
        left.append([{**file, "published": None} for file in shown["files"]] + [shown["status"], shown["reason"]])
        full.local(*back) if back else full.put("ball@1.toy", b"needs: kite box")
    assert said[0] == said[1] and said[0][0]
    assert left[0] == left[1]


REFUSED = [
    ("packages", "acme/nowhere"),
    ("show", "acme/toys/absent"),
    ("yank", "acme/toys/ball==9"),
    ("yank", "acme/toys/ball"),
    ("unyank", "acme/toys/absent==1"),
    ("delete", "acme/toys/ball==9", "--yes"),
    ("delete", "acme/toys/ball==1", "--file", "ball@2.toy", "--yes"),
    ("status", "acme/toys/absent", "active"),
    ("show", "acme/toys"),
    ("packages", "acme"),
    ("findings", "acme/toys/absent"),
    ("findings", "acme/toys/ball==9"),
    ("findings", "acme/nowhere"),
    ("token", "revoke", "nobody"),
    ("token", "rotate", "nobody"),
]


@pytest.mark.parametrize("command", REFUSED, ids=" ".join)
def test_refusals_are_exit_code_1_and_one_line(
    command: tuple[str, ...], remote: Any, cli: Callable[..., Any], configured: Path
) -> None:
    local, through = cli(*command, "--config", str(configured)), remote(*command)
    assert through.exit_code == local.exit_code == 1
    assert through.stderr.startswith("orbitalreg: ") and len(through.stderr.splitlines()) == 1
    assert through.stdout == ""


def test_a_deletion_is_asked_about(full: Any, remote: Any) -> None:
    asked = remote("delete", "acme/toys/ball==1", input="n\n")
    assert asked.exit_code == 1 and "Delete every file of acme/toys/ball==1?" in asked.stderr
    assert remote("delete", "acme/toys/ball==1", input="y\n").stdout == "deleted ball@1.toy\n"


def test_a_change_is_in_the_audit_log_as_the_tokens(full: Any, remote: Any, configured: Path) -> None:
    remote("yank", "acme/toys/ball==1")
    with sqlite3.connect(configured.parent / "data" / "catalog.sqlite3") as connection:
        row = connection.execute("SELECT actor, token_id FROM audit_entry WHERE action = 'version.yank'").fetchone()
    connection.close()
    assert row == ("service:keeper", full.keeper[6:14])


@pytest.mark.parametrize("command", [("yank", "acme/toys/ball==1"), ("token", "list"), ("packages", "acme/toys")])
def test_a_missing_token_says_what_to_do(
    command: tuple[str, ...], full: Any, remote: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORBITALREG_TOKEN")
    refused = remote(*command)
    assert refused.exit_code == 1
    assert refused.stderr == f"orbitalreg: ORBITALREG_TOKEN is not set: put a token for {full.url} into it\n"


def test_a_token_without_the_right_is_refused(full: Any, remote: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITALREG_TOKEN", full.token("reader", "acme:read"))
    refused = remote("yank", "acme/toys/ball==1")
    assert refused.exit_code == 1
    assert refused.stderr == "orbitalreg: this token has no right to maintain in acme/toys\n"


def test_both_a_server_and_a_configuration_are_wrong_usage(remote: Any, configured: Path) -> None:
    refused = remote("packages", "acme/toys", "--config", str(configured))
    assert refused.exit_code == 2 and "--server" in refused.stderr


def test_nobody_there_is_exit_code_1(full: Any, cli: Callable[..., Any]) -> None:
    refused = cli("packages", "acme/toys", "--server", "http://127.0.0.1:9")
    assert refused.exit_code == 1 and "cannot be reached: Connection refused" in refused.stderr


def test_no_data_folder_is_made(full: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process of its own, where nothing is: what a CI job has."""
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [sys.executable, "-m", "orbitalreg", "yank", "acme/toys/ball==1", "--server", full.url]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "yanked ball@1.toy\n", "")
    assert list(empty.iterdir()) == []


def test_ones_own_tokens_are_listed_rotated_and_revoked(
    full: Any, remote: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    full.token("other", "acme:read")
    with full.client() as client:
        job = client.create_token("job", [Grant.parse("acme/toys:read")])
    listed = json.loads(remote("token", "list", "--json").stdout)
    everybody = json.loads(full.local("token", "list", "--json").stdout)
    assert [row["name"] for row in listed] == ["keeper", "job"]
    assert [set(row) for row in listed] == [set(row) for row in everybody[:2]]
    new = remote("token", "rotate", "job", "--overlap", "0s").stdout.strip()
    assert new.startswith("orbsa_") and new != job.token
    assert remote("token", "revoke", "job").stdout == f"revoked: {job.id}, {new[6:14]}\n"
    states = {row["id"]: row["state"] for row in json.loads(remote("token", "list", "--json").stdout)}
    assert states == {full.keeper[6:14]: "active", job.id: "revoked", new[6:14]: "revoked"}


def test_a_job_rotates_the_token_that_it_has(full: Any, remote: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    new = remote("token", "rotate", "keeper").stdout.strip()
    assert remote("packages", "acme/toys").exit_code == 0  # the old one, in its overlap
    monkeypatch.setenv("ORBITALREG_TOKEN", new)
    assert remote("packages", "acme/toys").exit_code == 0
    assert remote("token", "revoke", "keeper").exit_code == 0  # both, and the one in use last
    assert remote("packages", "acme/toys").exit_code == 1


def test_the_token_of_another_account_is_not_there(full: Any, remote: Any) -> None:
    other = full.token("other", "acme:read")
    for action in ("revoke", "rotate"):
        assert remote("token", action, other[6:14]).exit_code == 1


def test_the_token_is_never_printed(full: Any, remote: Any) -> None:
    commands = [*READS, *(command for command, _ in CHANGES), *REFUSED, ("token", "list"), ("token", "list", "--json")]
    for command in commands:
        done = remote(*command)
        assert full.keeper not in done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_of_the_contract_take_it(name: str) -> None:
    assert "--server" in [option for parameter in main.commands[name].params for option in parameter.opts]


@pytest.mark.parametrize("name", ["list", "revoke", "rotate"])
def test_the_commands_of_tokens_take_it(name: str) -> None:
    group: Any = main.commands["token"]
    assert "--server" in [option for parameter in group.commands[name].params for option in parameter.opts]

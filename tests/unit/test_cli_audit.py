"""`orbitalreg audit` and `orbitalreg worker`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orbitalreg import jobs
from orbitalreg.audit import chain
from orbitalreg.catalog import jobs as rows

PATIENCE = 30


@pytest.fixture
def audited(site: Any) -> Any:
    """A site whose publisher changed a few things; nothing is linked yet."""
    for number in range(3):
        assert site.put(f"ball@{number}.toy").status_code == 200
    assert site.put("ball@0.toy", b"other").status_code == 400
    return site


def link(site: Any) -> None:
    with site.registry.catalog.write() as db:
        chain.link_some(db)


def ran(cli: Callable[..., Any], *arguments: str, code: int = 0) -> Any:
    result = cli("audit", *arguments)
    assert result.exit_code == code, result.output
    return result


def test_audit_alone_lists(audited: Any, cli: Callable[..., Any]) -> None:
    lines = ran(cli).stdout.splitlines()
    assert lines[0].split() == ["at", "actor", "token", "from", "action", "target", "outcome"]
    assert "file.publish" in lines[-1] and "refused: File already exists" in lines[-1]
    assert ran(cli, "list").stdout.splitlines() == lines
    assert len(ran(cli, "--limit", "2").stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--action", "file.*"], 4),
        (["--action", "file.*", "--outcome", "done"], 3),
        (["--outcome", "refused"], 1),
        (["--target", "acme/toys/ball==1"], 1),
        (["--actor", "service:publisher"], 4),
        (["--project", "acme", "--since", "1h"], 4),
        (["--until", "2020-01-01"], 0),
        (["--since", "2020-01-01T10:00:00Z", "--until", "2999-01-01T00:00:00+02:00", "--action", "file.publish"], 4),
        (["--token", "absent12"], 0),
    ],
)
def test_options_choose(options: list[str], count: int, audited: Any, cli: Callable[..., Any]) -> None:
    found = json.loads(ran(cli, "list", *options, "--json").stdout)
    assert len(found) == count


def test_a_listed_entry_says_everything(audited: Any, cli: Callable[..., Any]) -> None:
    [entry] = json.loads(ran(cli, "--target", "acme/toys/ball==1", "--json").stdout)
    assert entry["actor"] == "service:publisher"
    assert entry["token"] == audited.publisher[6:14]
    assert (entry["address"], entry["project"], entry["outcome"]) == ("127.0.0.1", "acme", "done")
    assert entry["detail"]["filename"] == "ball@1.toy"
    assert entry["number"] is None and entry["link_hash"] is None


@pytest.mark.parametrize("text", ["yesterday", "25:00", "5y"])
def test_a_time_that_is_none_is_wrong_usage(text: str, audited: Any, cli: Callable[..., Any]) -> None:
    assert "--since" in ran(cli, "--since", text, code=2).stderr


def test_export_is_json_lines_in_the_order_of_the_chain(audited: Any, cli: Callable[..., Any]) -> None:
    link(audited)
    found = [json.loads(line) for line in ran(cli, "export", "--project", "acme").stdout.splitlines()]
    assert [entry["number"] for entry in found] == sorted(entry["number"] for entry in found)
    assert {entry["outcome"] for entry in found} == {"done", "refused"}
    assert all(len(entry["link_hash"]) == 64 for entry in found)


def test_the_anchor_is_printed_and_checked(audited: Any, cli: Callable[..., Any]) -> None:
    assert "no entry is linked yet" in ran(cli, "head", code=1).stderr
    link(audited)
    anchor, at = ran(cli, "head").stdout.split()
    assert json.loads(ran(cli, "head", "--json").stdout)["hash"] == anchor.partition(":")[2]
    assert at.endswith("Z")
    said = ran(cli, "verify", "--anchor", anchor).stdout
    assert said == f"the log is as it was written: 5 entries linked, and the anchor {anchor.partition(':')[0]} holds\n"
    other = f"{anchor[:-1]}{'0' if anchor[-1] != '0' else '1'}"
    assert "another hash than the anchor's" in ran(cli, "verify", "--anchor", other, code=1).stderr
    assert "--anchor" in ran(cli, "verify", "--anchor", "nonsense", code=2).stderr


def test_verify_says_what_was_tampered_with_and_fails(audited: Any, cli: Callable[..., Any]) -> None:
    link(audited)
    assert audited.put("ball@7.toy").status_code == 200
    assert "not linked yet: 1, the oldest of 20" in ran(cli, "verify").stdout
    with audited.registry.catalog.write() as db:
        entry = db.execute("SELECT entry_id FROM audit_link WHERE number = 2").fetchone()[0]
        db.execute("UPDATE audit_entry SET target = 'acme/toys/other==1' WHERE id = ?", (entry,))
    said = ran(cli, "verify", code=1).stderr
    assert said.startswith(f"orbitalreg: number 2, entry {entry}, of 20")
    assert said.endswith(": the entry or its link was edited\n")
    told = json.loads(ran(cli, "verify", "--json", code=1).stdout)
    assert (told["ok"], told["linked"], told["not_linked"], told["faults"][0]["number"]) == (False, 5, 1, 2)


def test_doctor_tells_what_was_given_up_and_the_worker_tries_again(site: Any, cli: Callable[..., Any]) -> None:
    assert "jobs: none was given up" in cli("doctor").stdout
    with site.registry.catalog.write() as db:
        jobs.enqueue(db, "audit.chain", unique=True)
        db.execute("UPDATE job SET leased_by = 'x', leased_until = 1")
        rows.give_up(db, "x", 1, "the moon was wrong")
    result = cli("doctor")
    assert "warn  jobs audit.chain: 1 given up, the last: the moon was wrong" in result.stdout
    assert "orbitalreg worker --once --retry" in result.stdout
    assert cli("worker", "--once", "--retry").exit_code == 0
    assert "jobs: none was given up" in cli("doctor").stdout


def test_the_worker_once_links_what_is_there_and_ends(audited: Any, cli: Callable[..., Any]) -> None:
    result = cli("worker", "--once")
    assert (result.exit_code, result.stdout) == (0, "orbitalreg: working\n")
    assert ran(cli, "head").stdout.startswith("5:")


def test_the_worker_runs_until_it_is_told_to_stop(site: Any, configured: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "orbitalreg", "worker", "--config", str(configured)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "orbitalreg: working\n"
        os.kill(process.pid, signal.SIGTERM)
        _, stderr = process.communicate(timeout=PATIENCE)
        assert (process.returncode, stderr) == (0, "")
    finally:
        process.kill()

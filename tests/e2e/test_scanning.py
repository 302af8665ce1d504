"""Scanning with real processes: what twine uploads is scanned by the server; workers are killed in mid-scan, again and
again, and every file ends with its report.

So many kills as `ORBITALREG_SCAN_CRASHES` says.
"""

import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from archives_corpus import make_wheel
from harness import BIN, Registry, Shell, eventually, tell

CRASHES = int(os.environ.get("ORBITALREG_SCAN_CRASHES", "50"))
FILES = 30
SCANNERS = ("slow", "slower")

PLUGIN = """
import sys, time
from pathlib import Path
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Scanner
from orbitalreg.model import Database, Report, ReportStatus, Scan

class Slow(Scanner):
    name = "slow"

    def __init__(self, surroundings):
        self.options = surroundings.options

    def database(self):
        return Database("1", "one")

    def scan(self, target):
        with open(self.options["notes"], "a") as notes:
            notes.write(f"{self.name} {target.filename}\\n")
        seconds, tag = str(self.options["seconds"]), self.options["tag"]
        target.run([sys.executable, "-c", f"import time; time.sleep({seconds})  # {tag}"])
        seen = (target.component.purl,)
        return Scan(Report(self.name, ReportStatus.OK, (), seen), target.bom.read_bytes(), {"cyclonedx": b"{}"})

class Slower(Slow):
    name = "slower"

@hookimpl
def scanners():
    return [Slow, Slower]
"""


class Scanned:
    """A registry with two scanners that take a while over each file, and what they left."""

    def __init__(self, folder: Path, seconds: float) -> None:
        info = folder / "plugin" / "orbitalreg_slow-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: orbitalreg-slow\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[orbitalreg]\nslow = slow_scanner\n")
        (folder / "plugin" / "slow_scanner.py").write_text(PLUGIN)
        self.notes = folder / "notes"
        self.notes.touch()
        self.tag = f"tag of {folder.name}"
        self.registry = Registry(folder, environment={"PYTHONPATH": str(folder / "plugin")})
        self.plain = self.registry.config.read_text()
        self.table = f'\n[plugins.slow]\nnotes = "{self.notes}"\nseconds = {seconds}\ntag = "{self.tag}"\n'

    def enable(self) -> None:
        self.registry.config.write_text(self.plain + self.table)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.registry.data / "catalog.sqlite3", timeout=30)) as db:
            return db.execute(sql).fetchall()

    def jobs(self) -> int:
        return int(self.rows("SELECT COUNT(*) FROM job WHERE kind LIKE 'scan.%'")[0][0])

    def reports(self) -> list[tuple[str, str, str]]:
        """(filename, scanner, status)."""
        return self.rows(
            "SELECT f.filename, r.scanner, r.status FROM report AS r JOIN file AS f ON f.id = r.file_id"
            " ORDER BY f.filename, r.scanner"
        )

    def running(self) -> list[str]:
        """Of what scanners started: their tools, and the children themselves."""
        found = []
        mark = str(self.registry.data / "scanning").encode()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if mark in environment and command:
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
        return found

    def worker(self) -> "subprocess.Popen[bytes]":
        with (self.registry.data / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [BIN / "orbitalreg", "worker", "--config", self.registry.config],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self.registry.environment,
                start_new_session=True,
            )


def test_what_twine_uploads_is_scanned_by_the_server(tmp_path: Path, shell: Shell) -> None:
    scanned = Scanned(tmp_path / "served", seconds=0.0)
    scanned.enable()
    filename, data = make_wheel("ball")
    (tmp_path / filename).write_bytes(data)
    with scanned.registry as registry:
        registry.token = registry.new_token("ci")
        line = f"twine upload --repository-url {registry.repository}/legacy/ -u __token__ -p {registry.token}"
        done = shell.run(f"{line} {tmp_path / filename}")
        assert done.code == 0, done.output
        assert eventually(lambda: len(scanned.reports()) == 2, seconds=30.0)
        assert scanned.reports() == [(filename, name, "ok") for name in SCANNERS]
        raw = scanned.rows("SELECT COUNT(DISTINCT raw_sha256) FROM report JOIN blob ON sha256 = raw_sha256")
        assert raw == [(1,)]
        assert registry.stop() == 0
        assert registry.faults() == []
    assert scanned.running() == []
    assert list((registry.data / "scanning").iterdir()) == []


@pytest.mark.timeout(180 + 6 * CRASHES)
def test_workers_that_are_killed_in_mid_scan_leave_each_file_with_its_report(tmp_path: Path) -> None:
    scanned = Scanned(tmp_path / "killed", seconds=0.2)
    chance = random.Random(6)
    with scanned.registry as registry:
        registry.token = registry.new_token("ci")
        for number in range(FILES):
            assert registry.upload(*make_wheel("ball", f"1.{number}")).status == 200
        assert registry.stop() == 0
    scanned.enable()
    registry.cli("scan", "acme/internal", "--no-wait")
    assert scanned.jobs() == FILES * len(SCANNERS)
    began, killed = time.monotonic(), 0
    while killed < CRASHES:
        seen = scanned.notes.read_text()
        worker = scanned.worker()
        try:
            assert eventually(lambda seen=seen: scanned.notes.read_text() != seen, seconds=60.0), "no scan began"
            time.sleep(chance.uniform(0.0, 0.3))
        finally:
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
        killed += 1
        assert eventually(lambda: not scanned.running(), seconds=30.0), scanned.running()
        if not scanned.jobs():  # done too soon: from the beginning, with the reports that are there
            registry.cli("scan", "acme/internal", "--no-wait")
    worker = scanned.worker()
    try:
        assert eventually(lambda: not scanned.jobs(), seconds=150.0)
    finally:
        worker.terminate()
        assert worker.wait(40) == 0
    expected = sorted((make_wheel("ball", f"1.{n}")[0], name, "ok") for n in range(FILES) for name in SCANNERS)
    assert scanned.reports() == expected
    assert scanned.running() == []
    assert list((registry.data / "scanning").iterdir()) == []
    assert registry.staged() == []
    assert scanned.rows("PRAGMA foreign_key_check") == []
    tell(f"{CRASHES} workers killed in mid-scan in {time.monotonic() - began:.0f} s")

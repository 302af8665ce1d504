"""A scanner that does what the first line of a toy says, and what tests of scanning ask of a site.

`SOURCE` is the plugin's module, for the fixture `install`; `TWO` has a second scanner beside it.
"""

from typing import Any

from orbitalreg.catalog import blobs, files, reports
from orbitalreg.jobs import Worker
from orbitalreg.model import Report
from orbitalreg.scanning import scans

PATIENCE = 60.0

SOURCE = """
import json, os, subprocess, sys, time
from pathlib import Path
from orbitalreg.errors import ConfigError, ScannerFailed
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Scanner, Tool
from orbitalreg.interfaces.tools import proxies
from orbitalreg.model import Component, Database, Finding, Report, ReportStatus, Scan, Severity

PYTHON = [sys.executable, "-c"]

class Probe(Scanner):
    name = "probe"

    def __init__(self, surroundings):
        self.options = surroundings.options
        if "wrong" in self.options:
            raise ConfigError(["wrong: is what it says"])
        self.notes = Path(self.options.get("notes", "/nowhere"))

    @property
    def version(self):
        return self.options.get("version", "1.0")

    @property
    def tool(self):
        return Tool(Path(self.options["tool"])) if "tool" in self.options else None

    @property
    def judges_names(self):
        return bool(self.options.get("judges"))

    def database(self):
        told = self.options.get("database", "one")
        if told.startswith("/"):
            told = Path(told).read_text()
        if told == "restless":
            told = str(time.monotonic_ns())
        if told == "missing":
            raise ScannerFailed("there is no database yet: run probe update")
        return Database("db " + told, told, 5, is_stale=told.endswith(" stale")) if told != "none" else None

    def judge(self, components):
        if self.options["judges"] in ("hang", *(f"until {component.version}" for component in components)):
            time.sleep(1000)
        if self.options["judges"] == "few":
            return []
        return [self.report(component, "bad" if component.version == "6" else "fine") for component in components]

    def scan(self, target):
        word = (target.folder / "head").read_text().strip()
        if self.notes.exists():
            with self.notes.open("a") as notes:
                notes.write(f"{target.filename}\\n")
        self.do(word, target)
        return Scan(self.report(target.component, word), b"raw of " + word.encode(), {"sbom": b"{}"})

    def report(self, component, word):
        mine = Finding("CVE-1", component.name, component.version, Severity.HIGH, purl=component.purl)
        seen = (component.purl,)
        match word:
            case "bad": return Report(self.name, ReportStatus.OK, (mine,), seen)
            case "silent": return Report(self.name, ReportStatus.OK)
            case "foreign": return Report(self.name, ReportStatus.OK, (mine,), (*seen, "pkg:toy/other@1"))
            case "foreign finding":
                return Report(self.name, ReportStatus.OK, (mine, Finding("CVE-2", "other", "1")), seen)
            case "other scanner": return Report("trusted", ReportStatus.OK, (), seen)
            case "no report": return None
            case "wrong types": return Report(self.name, "excellent", 7, seen)
            case "many":
                others = (Finding(f"LOW-{n}", component.name, component.version, Severity.LOW) for n in range(5000))
                return Report(self.name, ReportStatus.OK, (*others, mine), seen)
            case "stale": return Report(self.name, ReportStatus.DB_STALE, (mine,), seen, reason="old")
        return Report(self.name, ReportStatus.OK, (), seen)

    def do(self, word, target):
        run = target.run
        match word.split():
            case ["raise"]: raise ValueError("password=hunter2")
            case ["fail"]: raise ScannerFailed("the tool is not well")
            case ["exit"]: os._exit(3)
            case ["segfault"]: os.kill(os.getpid(), 11)
            case ["sleep", seconds]: time.sleep(float(seconds))
            case ["spin"]:
                import re
                re.match(r"(a+)+$", "a" * 60 + "b")
            case ["devour"]:
                held = []
                while True:
                    held.append(bytearray(os.urandom(1) * (16 << 20)))
            case ["print"]:
                while True:
                    print("x" * 65536, flush=True)
            case ["fill", place]:
                place = target.folder if place == "target" else Path(os.environ["TMPDIR"])
                held = os.open(place / "much", os.O_CREAT | os.O_WRONLY)
                os.posix_fallocate(held, 0, 200 << 20)
                time.sleep(1000)
            case ["leave", size]:
                held = os.open(Path(os.environ["TMPDIR"]) / target.filename, os.O_CREAT | os.O_WRONLY)
                os.posix_fallocate(held, 0, int(size) << 20)
                os.close(held)
            case ["tool", "fill"]:
                run([*PYTHON, "import os, time; [os.posix_fallocate(os.open(str(n), os.O_CREAT | os.O_WRONLY), 0,"
                     " 50 << 20) for n in range(4)]; time.sleep(1000)"])
            case ["chatter"]: print("{}\\\\nready\\\\n", flush=True)
            case ["long"]: raise ScannerFailed("x" * (40 << 20))
            case ["much"]: raise SystemExit
            case ["fork"]:
                subprocess.Popen([*PYTHON, "import time; time.sleep(1000)  # " + self.options["tag"]],
                                 start_new_session=True)
                time.sleep(1000)
            case ["daemon"]:
                subprocess.Popen([*PYTHON, "import time; time.sleep(1000)  # " + self.options["tag"]],
                                 start_new_session=True)
                os._exit(1)
            case ["tool", "hang"]:
                run([*PYTHON, "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c',"
                     " 'import time; time.sleep(1000)  # " + self.options["tag"] + "']); time.sleep(1000)"], seconds=1)
            case ["tool", "forever"]: run([*PYTHON, "import time; time.sleep(1000)  # " + self.options["tag"]])
            case ["tool", "print"]:
                run([*PYTHON, "import os\\nwhile True: os.write(1, b'x' * 65536)"], max_output=1 << 20)
            case ["tool", "write"]:
                ended = run([*PYTHON, "open('big', 'wb').write(bytes(2 << 20))"], max_output=1 << 20)
                assert ended.exit_code, "the file was written"
                raise ScannerFailed("the tool could not write")
            case ["tool", "hoard"]:
                run([*PYTHON, "held = []\\nwhile True: held.append(bytearray(b'x' * (16 << 20)))"])
            case ["tool", "absent"]: run(["/nowhere/tool", "--password", "hunter2"])
            case ["tool", "says"]:
                ended = run([*PYTHON, "import os, sys; print(sorted(os.environ), os.getcwd()); sys.exit(4)"],
                            environment={"MORE": "1"})
                raise ScannerFailed(f"{ended.exit_code} {ended.stdout.decode()}")
            case ["tool", "online"]:
                ended = run([*PYTHON, "import os; print(os.environ.get('https_proxy'))"], environment=proxies())
                raise ScannerFailed(ended.stdout.decode())


class Second(Probe):
    name = "second"


@hookimpl
def scanners():
    return [Probe]
"""

TWO = SOURCE.replace("return [Probe]", "return [Probe, Second]")


def work(site: Any, seconds: float = PATIENCE) -> None:
    """Run every job that is due."""
    worker = Worker(site.registry.catalog, site.registry.handlers)
    worker.start()
    try:
        assert worker.wait_idle(seconds)
    finally:
        worker.stop()


def put(site: Any, word: str, filename: str = "ball@1.toy") -> str:
    """The id of the file."""
    assert site.put(filename, word.encode()).status_code == 200
    found = files.by_filename(site.registry.catalog.read(), site.repository().id, filename)
    assert found is not None
    return found.id


def report(site: Any, file_id: str, scanner: str = "probe") -> Report:
    known = reports.of_files(site.registry.catalog.read(), [file_id]).get(file_id, ())
    [found] = [one for one in known if one.scanner == scanner]
    return found


def waiting(site: Any, kind: str = "scan.probe") -> list[tuple[str, int, str | None]]:
    """(subject, attempts, failure)."""
    rows = site.registry.catalog.read().execute(
        "SELECT subject, attempts, failure FROM job WHERE kind = ? ORDER BY id", (kind,)
    )
    return [tuple(row) for row in rows.fetchall()]


def blob(site: Any, sha256: str) -> bytes:
    row = blobs.get(site.registry.catalog.read(), sha256)
    assert row is not None
    with site.registry.store.open(row.key) as stream:
        return bytes(stream.read())


def watch(site: Any) -> None:
    """Let the watch come round now, and do what follows from it."""
    with site.registry.catalog.write() as db:
        db.execute("UPDATE job SET due_at = 0 WHERE kind = ?", (scans.WATCH,))
    work(site)

"""SIGKILL at random moments of concurrent uploads, again and again on one folder.

What was acknowledged is there, byte for byte; what is listed is whole; the server comes back by itself. So many kills
as `ORBITALREG_CRASHES` says. The seed that is printed repeats the sequence of files and delays, though not the
threads' interleaving: `ORBITALREG_SEED`.
"""

import hashlib
import http.client
import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from archives_corpus import make_sdist, make_wheel, metadata, wheel_files, zipped
from harness import MIB, Answer, Registry, eventually, tell

CRASHES = int(os.environ.get("ORBITALREG_CRASHES", "12"))
SEED = int(os.environ.get("ORBITALREG_SEED", str(random.SystemRandom().randrange(1 << 32))))
UPLOADERS = 4
SAMPLE = 20


class Ledger:
    """What was sent, and what of it the server said that it had taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sent: dict[str, set[str]] = {}
        """Digests by filename: a listed file must be one of these."""
        self.acknowledged: dict[str, tuple[str, int]] = {}
        """Digest and size by filename."""
        self.wrong: list[str] = []
        self.interrupted = 0

    def sending(self, filename: str, sha256: str) -> None:
        with self._lock:
            self.sent.setdefault(filename, set()).add(sha256)

    def answered(self, filename: str, sha256: str, size: int, answer: Answer) -> None:
        with self._lock:
            held = self.acknowledged.get(filename)
            if answer.status == 200:
                if held not in (None, (sha256, size)):
                    self.wrong.append(f"{filename}: two different files were acknowledged")
                self.acknowledged[filename] = (sha256, size)
            elif not (answer.status == 400 and answer.reason.startswith("File already exists")):
                self.wrong.append(f"{filename}: {answer.status} {answer.reason}")
            elif held == (sha256, size):
                self.wrong.append(f"{filename}: the file that was acknowledged is refused")

    def lost_touch(self) -> None:
        with self._lock:
            self.interrupted += 1


class Round:
    """The uploads between one start and one kill: some files of one package, shared by all uploaders."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.package = f"crash-{number}"
        self._builds = [self._built(version, chance) for version in range(40)]
        self._seeds = [chance.randrange(1 << 32) for _ in range(UPLOADERS)]

    def _built(self, version: int, chance: random.Random) -> list[tuple[str, bytes]]:
        """Files of one version; several of one name differ, and at most one of them may be taken."""
        name, text = self.package, f"0.{version}"
        kind = chance.choice(["small", "small", "sdist", "large", "twins", "rivals"])
        noise = chance.randbytes(chance.randrange(2 * MIB, 5 * MIB) if kind == "large" else 1000)
        files = {"data.bin": noise}
        if kind == "sdist":
            return [make_sdist(name, text, files=files)]
        if kind == "rivals":
            return [make_wheel(name, text, files=files, description=word) for word in ("one", "two", "three")]
        if kind == "large":
            data = zipped(wheel_files(name, text, metadata(name, text), files), 0)
            return [(make_wheel(name, text)[0], data)]
        filename, data = make_wheel(name, text, files=files)
        twin = filename.replace("py3-none-any", "py2.py3-none-any")
        return [(filename, data), (twin, data)] if kind == "twins" else [(filename, data)]

    def upload(self, registry: Registry, ledger: Ledger, uploader: int, end: threading.Event) -> None:
        """Send them in an order of this uploader's own until the server is gone; the same file often twice."""
        chance = random.Random(self._seeds[uploader])
        while not end.is_set():
            filename, data = chance.choice(chance.choice(self._builds))
            sha256 = hashlib.sha256(data).hexdigest()
            ledger.sending(filename, sha256)
            try:
                answer = registry.upload(filename, data)
            except (OSError, http.client.HTTPException):
                ledger.lost_touch()
                continue
            ledger.answered(filename, sha256, len(data), answer)

    def retry(self, registry: Registry, ledger: Ledger) -> None:
        """Send again what was cut off, as a pipeline does that is run again: nothing left over is in its way."""
        for built in self._builds:
            for filename, data in built:
                if filename in ledger.sent and filename not in ledger.acknowledged:
                    sha256 = hashlib.sha256(data).hexdigest()
                    ledger.sending(filename, sha256)
                    ledger.answered(filename, sha256, len(data), registry.upload(filename, data))


def run_round(registry: Registry, ledger: Ledger, work: Round, delay: float) -> None:
    """Upload for so many seconds, and then kill."""
    end = threading.Event()
    threads = [
        threading.Thread(target=work.upload, args=(registry, ledger, uploader, end)) for uploader in range(UPLOADERS)
    ]
    for thread in threads:
        thread.start()
    try:
        time.sleep(delay)
        registry.kill()
    finally:
        end.set()
        for thread in threads:
            thread.join()


def package_of(filename: str) -> str:
    return filename.split("-")[0].replace("_", "-")


class Auditor:
    """Compares what the server shows with the ledger."""

    def __init__(self, registry: Registry, ledger: Ledger) -> None:
        self._registry = registry
        self._ledger = ledger
        self.downloads = 0

    def check(self, packages: set[str], older: list[str]) -> list[str]:
        """What is wrong with these packages, every file of theirs, and with some older files."""
        wrong = []
        with ThreadPoolExecutor(4) as pool:
            for package in sorted(packages):
                listed = self._registry.files(package)
                expected = {name for name in self._ledger.acknowledged if package_of(name) == package}
                wrong += [f"{name}: acknowledged and lost" for name in expected - set(listed)]
                wrong += filter(None, pool.map(self._file, listed, listed.values()))
            wrong += filter(None, pool.map(self._older, older))
        return wrong

    def _older(self, filename: str) -> str | None:
        listed = self._registry.files(package_of(filename))
        return self._file(filename, listed[filename]) if filename in listed else f"{filename}: acknowledged and lost"

    def _file(self, filename: str, listed: dict[str, object]) -> str | None:
        """What is wrong with one listed file: whether it was sent, is whole, and is what was acknowledged."""
        package = package_of(filename)
        sha256 = dict(listed["hashes"])["sha256"]  # type: ignore[call-overload]
        if sha256 not in self._ledger.sent.get(filename, ()):
            return f"{filename}: listed with a digest that was never sent"
        answer = self._registry.download(package, listed)
        found = (hashlib.sha256(answer.body).hexdigest(), len(answer.body))
        self.downloads += 1
        if answer.status != 200 or found != (sha256, listed["size"]):
            return f"{filename}: listed as {sha256} {listed['size']}, downloaded {answer.status} {found}"
        if self._ledger.acknowledged.get(filename, found) != found:
            return f"{filename}: other bytes than were acknowledged"
        if filename.endswith(".whl"):
            document = self._registry.download(package, {"url": f"{listed['url']}.metadata"})
            promised = dict(listed["core-metadata"])["sha256"]  # type: ignore[call-overload]
            if document.status != 200 or hashlib.sha256(document.body).hexdigest() != promised:
                return f"{filename}: its metadata is not what the page promises"
        return None


def check_store(registry: Registry) -> tuple[list[str], int]:
    """What is wrong between catalog and blobs, and how many blobs no row speaks of (garbage, not an error)."""
    with sqlite3.connect(registry.data / "catalog.sqlite3") as db:
        wrong = [str(row[0]) for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        wrong += [f"foreign key: {row}" for row in db.execute("PRAGMA foreign_key_check")]
        rows = db.execute("SELECT sha256, key, size FROM blob").fetchall()
        wrong += [
            f"{sha256}: used by no file"
            for (sha256,) in db.execute("SELECT sha256 FROM blob WHERE sha256 NOT IN (SELECT sha256 FROM file)")
        ]
        counts = db.execute(
            "SELECT (SELECT count(*) FROM file),"
            " (SELECT count(*) FROM audit_entry WHERE action = ? AND outcome = 'done')",
            ("file.publish",),
        ).fetchone()
    db.close()
    if counts[0] != counts[1]:
        wrong.append(f"{counts[0]} files, {counts[1]} entries in the audit log")
    for sha256, key, size in rows:
        path = registry.data / "blobs" / sha256[:2] / key
        if not path.is_file() or path.stat().st_size != size:
            wrong.append(f"{path.name}: missing, or not {size} bytes")
    keys = {key for _, key, _ in rows}
    return wrong, sum(path.name not in keys for path in (registry.data / "blobs").glob("*/*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "crashes"


@pytest.mark.timeout(120 + 6 * CRASHES)
def test_nothing_acknowledged_is_lost(folder: Path) -> None:
    tell(f"ORBITALREG_SEED={SEED}")
    chance = random.Random(SEED)
    registry, ledger = Registry(folder), Ledger()
    auditor = Auditor(registry, ledger)
    began, starts = time.monotonic(), []
    registry.start(ready=False)  # once before the catalog is there, or half
    time.sleep(chance.uniform(0.1, 0.6))
    registry.kill()
    try:
        touched: set[str] = set()
        work: Round | None = None
        for number in range(CRASHES):
            if chance.random() < 0.1:  # also while it starts, on the data that the last kill left
                registry.start(ready=False)
                time.sleep(chance.uniform(0.0, 0.8))
                registry.kill()
            at = time.monotonic()
            registry.start()
            starts.append(time.monotonic() - at)
            registry.token = registry.token or registry.new_token("crash")
            assert registry.staged() == []
            older = chance.sample(sorted(ledger.acknowledged), min(SAMPLE, len(ledger.acknowledged)))
            assert auditor.check(touched, older) == []
            if work is not None:
                work.retry(registry, ledger)
            work = Round(number, chance)
            touched = {work.package}
            run_round(registry, ledger, work, chance.choice([chance.uniform(0.0, 0.3), chance.uniform(0.3, 1.2)]))
            assert ledger.wrong == []
        registry.start()
        assert registry.staged() == []
        assert auditor.check({package_of(name) for name in ledger.sent}, []) == []
        for name, (sha256, size) in sorted(ledger.acknowledged.items()):
            assert registry.files(package_of(name))[name]["hashes"]["sha256"] == sha256, (name, size)
        answer = registry.upload(*make_wheel("afterwards"))
        assert answer.status == 200, answer
        assert registry.stop() == 0
        wrong, garbage = check_store(registry)
        assert wrong == []
        assert "the log is as it was written" in registry.cli("audit", "verify")
        assert registry.faults() == []
        tell(
            f"{CRASHES} crashes in {time.monotonic() - began:.0f} s: {len(ledger.acknowledged)} files acknowledged, "
            f"{ledger.interrupted} requests cut off, {auditor.downloads} downloads compared, {garbage} unused blobs; "
            f"slowest start {max(starts):.2f} s"
        )
    finally:
        registry.close()
    shutil.rmtree(folder)  # some gigabytes in the long form; after a failure they stay to be looked at


def test_children_do_not_outlive_the_server(folder: Path) -> None:
    """Also where the server alone is killed: an orphan ends with its pipe."""
    with Registry(folder) as registry:
        registry.token = registry.new_token("crash")
        assert registry.upload(*make_wheel("parent")).status == 200
        children = set(registry.peak_memory()) - {registry.pid}
        assert children
        os.kill(registry.pid, signal.SIGKILL)
        assert eventually(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in children))

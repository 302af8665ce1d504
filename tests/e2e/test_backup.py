"""Backups of a server that takes uploads, deletes and collects, killed at random moments; the last one is restored."""

import hashlib
import os
import random
import subprocess
import threading
import time
from pathlib import Path

import pytest
from archives_corpus import make_wheel
from harness import BIN, CONFIG, Registry, tell

KILLS = 6
SEED = int(os.environ.get("ORBITALREG_SEED", str(random.SystemRandom().randrange(1 << 32))))
UPKEEP = '\n[upkeep]\ngc_grace = "1s"\n'


class Uploads:
    """What is published and deleted in the background, and which of it must be there."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.acknowledged: dict[str, str] = {}
        """Digests by filename, of what is never deleted."""
        self.fleeting = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Uploads":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._end.is_set():
            number += 1
            filename, data = make_wheel(f"stays-{number % 3}", f"1.{number}", files={"data": b"%d" % number * 9000})
            if self.registry.upload(filename, data).status == 200:
                self.acknowledged[filename] = hashlib.sha256(data).hexdigest()
            if number % 3 == 0:
                filename, data = make_wheel("goes", f"1.{number}", files={"data": b"%d" % number * 9000})
                if self.registry.upload(filename, data).status == 200:
                    self.registry.cli("delete", f"acme/internal/goes==1.{number}", "--yes")
                    self.fleeting += 1


def backup(registry: Registry, folder: Path) -> "subprocess.Popen[bytes]":
    command = [BIN / "orbitalreg", "backup", folder, "--config", registry.config]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=registry.environment)


@pytest.mark.timeout(300)
def test_a_backup_of_a_server_at_work_is_whole_however_often_one_was_killed(tmp_path: Path) -> None:
    tell(f"ORBITALREG_SEED={SEED}")
    chance = random.Random(SEED)
    live, folder = tmp_path / "live", tmp_path / "copy"
    live.mkdir()
    (live / "orbitalreg.toml").write_text(CONFIG.format(max_upload="64MiB") + UPKEEP)
    broken_off = 0
    with Registry(live) as registry:
        registry.token = registry.new_token("uploads")
        with Uploads(registry) as uploads:
            end = time.monotonic() + 60
            while uploads.fleeting < 2 and time.monotonic() < end:
                time.sleep(0.05)
            for _ in range(KILLS):
                process = backup(registry, folder)
                try:
                    process.communicate(timeout=chance.uniform(0.5, 4.0))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
                    broken_off += 1
                if (folder / "backup.json").exists():
                    assert "0 not" in registry.cli("backup", str(folder), "--check")
            before = dict(uploads.acknowledged)
            last = backup(registry, folder)
            assert last.communicate(timeout=120)[1] == b"" and last.returncode == 0
        assert registry.faults() == []
    tell(f"{len(before)} files, {uploads.fleeting} deleted, {broken_off} of {KILLS} backups killed")
    assert before and uploads.fleeting >= 2
    restore_and_read(folder, before, tmp_path / "restored")


def restore_and_read(folder: Path, before: dict[str, str], target: Path) -> None:
    """A server on the restored data has all that was acknowledged before the backup began, and is sound."""
    target.mkdir()
    (target / "orbitalreg.toml").write_text(CONFIG.format(max_upload="64MiB"))
    registry = Registry(target)
    registry.cli("restore", str(folder))
    assert ": 0 faulty, 0 mended\nthe catalog is sound" in registry.cli("verify")
    with registry:
        registry.token = registry.new_token("reader", "acme/internal:publish")
        listed = {
            name: (package, file) for package in registry.packages() for name, file in registry.files(package).items()
        }
        assert before.keys() <= listed.keys()
        for name, (package, file) in listed.items():
            digest = hashlib.sha256(registry.download(package, file).body).hexdigest()
            assert digest == file["hashes"]["sha256"] == before.get(name, digest)
        assert registry.upload(*make_wheel("after-restore")).status == 200
        assert "the log is as it was written" in registry.cli("audit", "verify")
        assert registry.faults() == []

"""A backup by copying while uploads go on has every file that its catalog names; the commands are those of the page."""

import hashlib
import re
import shutil
import sqlite3
import subprocess
import threading
from pathlib import Path

from archives_corpus import make_wheel
from harness import BIN, CONFIG, Registry

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up-by-copying.md"
ROUNDS = 4


def commands(section: str) -> str:
    part = PAGE.read_text("utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return "".join(re.findall(r"^```sh\n(.*?)^```$", part, re.DOTALL | re.MULTILINE))


def copy(registry: Registry, target: Path, folder: Path) -> Path:
    """The page's commands with this test's folders; the copy is moved to `target`."""
    folder.mkdir()
    script = re.search(
        r"^```python file=copy_catalog.py.*?\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert script
    (folder / "copy_catalog.py").write_text(script[1])
    text = commands("Copy")
    for ours, here in {
        "/opt/orbitalreg/bin": str(BIN),
        "/var/lib/orbitalreg": str(registry.data),
        "/etc/orbitalreg/orbitalreg.toml": str(registry.config),
        "/srv/backup/$(date -u +%Y-%m-%d)": str(target),
        "/srv/backup": str(folder),
    }.items():
        assert ours in text
        text = text.replace(ours, here)
    done = subprocess.run(["sh", "-euc", text], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def named(catalog: Path) -> dict[str, str]:
    """Key and digest of each blob that this catalog has."""
    connection = sqlite3.connect(catalog)
    try:
        return dict(connection.execute("SELECT key, sha256 FROM blob"))
    finally:
        connection.close()


def test_every_copy_taken_during_uploads_is_whole(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()
    with Registry(tmp_path / "live") as registry:
        registry.token = registry.new_token("uploads")

        def work(number: int) -> None:
            turn = 0
            while not stop.is_set():
                turn += 1
                filename, data = make_wheel(f"pkg-{number}", f"1.{turn}", files={"data.bin": b"%d" % turn * 20_000})
                if registry.upload(filename, data).status == 200:
                    acknowledged.append(filename)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            copies = []
            for number in range(ROUNDS):
                before = set(acknowledged)
                copies.append((copy(registry, tmp_path / f"copy-{number}", tmp_path / f"work-{number}"), before))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert len(acknowledged) > len(copies[0][1])
    for folder, before in copies:
        blobs = {path.name: path for path in (folder / "blobs").rglob("*") if path.is_file()}
        keys = named(folder / "catalog.sqlite3")
        assert len(keys) >= len(before)
        for key, sha256 in keys.items():
            assert hashlib.sha256(blobs[key].read_bytes()).hexdigest() == sha256
    restore_and_read(*copies[-1], tmp_path / "restored")


def restore_and_read(folder: Path, before: set[str], target: Path) -> None:
    """A server on the copy has all that was acknowledged before the copy began, takes uploads, and knows the tokens."""
    shutil.copytree(folder, target / "data")
    (target / "orbitalreg.toml").write_text(CONFIG.format(max_upload="64MiB"))
    with Registry(target) as registry:
        registry.token = registry.new_token("reader", "acme/internal:publish")
        listed = {
            name: (package, file) for package in registry.packages() for name, file in registry.files(package).items()
        }
        assert before <= set(listed)
        for package, file in listed.values():
            body = registry.download(package, file).body
            assert hashlib.sha256(body).hexdigest() == file["hashes"]["sha256"]
        assert registry.upload(*make_wheel("after-restore")).status == 200
        assert registry.faults() == []

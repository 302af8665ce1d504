"""Backup and restore: what is in a backup whatever happens meanwhile, and that nothing less is ever taken for one."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.catalog import Catalog, blobs
from orbitalreg.collection import backup as module
from orbitalreg.collection.backup import BackedUp, BackupFolder
from orbitalreg.errors import Busy, Misplaced, NotFound, StorageFailed
from orbitalreg.model import Actor

ME = Actor("local:test")
PATIENCE = 60.0


def make(site: Any, folder: Path) -> BackedUp:
    done = site.registry.upkeep.backup.make(folder, ME)
    assert isinstance(done, BackedUp)
    return done


def bodies(site: Any) -> dict[str, bytes]:
    """Every file of every repository as it is downloaded."""
    rows = site.registry.catalog.read().execute(
        "SELECT r.project || '/' || r.name, p.name, f.filename FROM file AS f JOIN package AS p ON p.id = f.package_id"
        " JOIN repository AS r ON r.id = f.repository_id"
    )
    found = {}
    for address, package, filename in rows.fetchall():
        answer = site.get(f"/toy/{address}/get/{package}/{filename}")
        assert answer.status_code == 200, answer.text
        found[f"{address}/{filename}"] = answer.content
    return found


@pytest.fixture
def filled(site: Any) -> Any:
    for number in range(5):
        assert site.put(f"ball@{number}.toy", b"toy %d" % number).status_code == 200
    site.put("kite@1.toy", b"toy 1")
    plugins = site.data / "plugins" / "osv"
    plugins.mkdir(parents=True)
    (plugins / "dump").write_text("known")
    return site


@pytest.fixture
def restored(make_site: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """A site on the restored data of a backup."""

    def restore(folder: Path) -> Any:
        place = tmp_path / "elsewhere"
        place.mkdir(exist_ok=True)
        config = place / "orbitalreg.toml"
        config.write_text((tmp_path / "orbitalreg.toml").read_text())
        command = [sys.executable, "-m", "orbitalreg", "restore", str(folder), "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return make_site(folder=place)

    return restore


def test_a_restored_registry_has_everything_and_is_sound(
    filled: Any, restored: Callable[..., Any], tmp_path: Path
) -> None:
    before = bodies(filled)
    assert make(filled, tmp_path / "copy") == BackedUp(copied=5, copied_bytes=25)
    filled.put("late@1.toy", b"not in it")
    other = restored(tmp_path / "copy")
    other.publisher = filled.publisher
    assert bodies(other) == before and len(before) == 6
    verified = other.registry.upkeep.verifier.run("test", ME, lambda: False)
    assert (verified.checked, verified.faulty, verified.problems) == (5, 0, [])
    assert (other.data / "plugins" / "osv" / "dump").read_text() == "known"
    assert not (other.data / "restoring").exists()
    assert other.put("after@1.toy").status_code == 200
    actions = [row[0] for row in other.registry.catalog.read().execute("SELECT action FROM audit_entry").fetchall()]
    assert "backup.restore" in actions and "backup.make" not in actions


def test_what_is_there_is_not_copied_again_and_what_is_gone_goes(filled: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    make(filled, copy)
    times = {path.name: path.stat().st_mtime_ns for path in (copy / "blobs").glob("*/*")}
    filled.put("late@1.toy", b"late")
    filled.registry.curator.delete(filled.repository(), "ball", "0", None, ME)
    with filled.registry.catalog.write() as db:
        db.execute("DELETE FROM blob WHERE sha256 = ?", (hashlib.sha256(b"toy 0").hexdigest(),))
    (filled.data / "plugins" / "osv" / "dump").unlink()
    (filled.data / "plugins" / "osv" / "other").touch()
    assert make(filled, copy) == BackedUp(copied=1, copied_bytes=4, kept=4, removed=1)
    after = {path.name: path.stat().st_mtime_ns for path in (copy / "blobs").glob("*/*")}
    assert len(after) == 5 and len(times.items() & after.items()) == 4
    assert len(list(copy.glob("catalog-*"))) == 1
    assert [path.name for path in (copy / "plugins" / "osv").iterdir()] == ["other"]


def test_the_catalog_of_a_backup_is_that_of_one_moment(filled: Any, tmp_path: Path) -> None:
    """What is published while the blobs are copied is in none of it, and what is deleted is in all of it."""
    published = []

    def progress(done: BackedUp) -> None:
        if not published:
            published.append(filled.put("late@1.toy", b"late").status_code)
            filled.registry.curator.delete(filled.repository(), "ball", "4", None, ME)

    filled.registry.upkeep.backup.make(tmp_path / "copy", ME, progress)
    folder = BackupFolder(tmp_path / "copy")
    with folder.catalog(folder.manifest()) as catalog:
        names = [row[0] for row in catalog.read().execute("SELECT filename FROM file ORDER BY filename").fetchall()]
    assert names == [*(f"ball@{number}.toy" for number in range(5)), "kite@1.toy"]
    assert published == [200]


def test_nothing_is_collected_meanwhile_and_everything_afterwards(filled: Any, tmp_path: Path) -> None:
    filled.registry.curator.delete(filled.repository(), "ball", "0", None, ME)
    collector = filled.registry.upkeep.collector
    collector.run(lambda: False)
    with filled.registry.catalog.write() as db:
        db.execute("UPDATE blob SET unused_since = 1 WHERE unused_since IS NOT NULL")
    waited = []

    def progress(done: BackedUp) -> None:
        if not waited:
            with pytest.raises(Busy, match="a backup is running"), filled.registry.upkeep.lock.removing(0.0):
                pass
            waited.append(True)

    assert filled.registry.upkeep.backup.make(tmp_path / "copy", ME, progress).damaged == []
    assert waited
    assert collector.run(lambda: False).dropped == 1
    assert BackupFolder(tmp_path / "copy").check(lambda done: None).damaged == []


def test_damaged_bytes_do_not_come_into_a_backup_nor_over_good_ones(filled: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    make(filled, copy)
    row = blobs.get(filled.registry.catalog.read(), hashlib.sha256(b"toy 1").hexdigest())
    assert row is not None
    path = filled.data / "blobs" / row.key[:2] / row.key
    path.write_bytes(b"wrong")
    assert make(filled, copy).damaged == [], "an earlier run had them"
    done = make(filled, tmp_path / "another")
    assert done.damaged == [row.sha256] and done.copied == 4
    assert not BackupFolder(tmp_path / "another").blob(row.key).exists()


def test_a_restore_says_what_the_backup_lacks(filled: Any, tmp_path: Path, cli: Callable[..., Any]) -> None:
    row = blobs.get(filled.registry.catalog.read(), hashlib.sha256(b"toy 1").hexdigest())
    assert row is not None
    (filled.data / "blobs" / row.key[:2] / row.key).unlink()
    done = cli("backup", "copy")
    assert done.exit_code == 1
    assert (
        f"the blob {row.sha256} is damaged or missing, and is not in the backup: run orbitalreg verify" in done.stderr
    )
    filled.data.rename(tmp_path / "old")
    done = cli("restore", "copy")
    assert done.exit_code == 1
    assert "acme/toys/ball==1/ball@1.toy: its bytes are not in the backup" in done.stderr
    assert "acme/toys/kite==1/kite@1.toy: its bytes are not in the backup" in done.stderr
    found = json.loads(cli("verify", "--json").stdout)
    assert (found["checked"], found["faulty"], found["problems"]) == (5, 1, [])


def test_what_was_put_aside_comes_back_from_an_earlier_copy(
    filled: Any, restored: Callable[..., Any], tmp_path: Path
) -> None:
    make(filled, tmp_path / "copy")
    [path, *_] = (filled.data / "blobs").glob("*/*")
    path.write_bytes(b"wrong")
    filled.registry.upkeep.verifier.run("test", ME, lambda: False)
    assert len(blobs.faulty(filled.registry.catalog.read())) == 1
    make(filled, tmp_path / "copy")
    other = restored(tmp_path / "copy")
    assert blobs.faulty(other.registry.catalog.read()) == []
    assert other.registry.upkeep.verifier.run("test", ME, lambda: False).faulty == 0


def test_checking_finds_copies_that_rot_and_the_next_backup_has_them_anew(
    filled: Any, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    make(filled, tmp_path / "copy")
    assert cli("backup", "copy", "--check").stdout == "copy: 5 blobs as they should be, 0 not\n"
    [path, *_] = (tmp_path / "copy" / "blobs").glob("*/*")
    path.write_bytes(b"wrong")
    done = cli("backup", "copy", "--check")
    assert done.exit_code == 1 and "make the backup again" in done.stderr
    assert cli("backup", "copy").stdout == "copy: 5 blobs, 1 of them new, 5 B\n"
    assert cli("backup", "copy", "--check").exit_code == 0


def test_what_is_no_backup_is_refused(filled: Any, tmp_path: Path, cli: Callable[..., Any]) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear").touch()
    for folder, why in (("letters", "is neither empty nor a backup"), ("data/copy", "lie within one another")):
        with pytest.raises(Misplaced, match=why):
            make(filled, tmp_path / folder)
    assert cli("restore", "letters").stderr == (
        "orbitalreg: letters holds no whole backup: there is no backup.json in it\n"
    )
    make(filled, tmp_path / "copy")
    with pytest.raises(Busy, match="another backup into"), BackupFolder(tmp_path / "copy").alone():
        make(filled, tmp_path / "copy")
    assert "is not empty: move it away" in cli("restore", "copy").stderr
    filled.data.rename(tmp_path / "old")
    [catalog] = (tmp_path / "copy").glob("catalog-*/catalog.sqlite3")
    with catalog.open("ab") as file:
        file.write(b"more")
    assert "is not what the backup had" in cli("restore", "copy").stderr
    manifest = tmp_path / "copy" / "backup.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 2'))
    assert "is of a form that this version does not know" in cli("restore", "copy").stderr
    assert not filled.data.exists()


def test_a_catalog_that_is_not_sound_is_not_backed_up(filled: Any, tmp_path: Path) -> None:
    db = filled.registry.catalog.read()
    make(filled, tmp_path / "copy")
    before = BackupFolder(tmp_path / "copy").manifest()
    db.execute("PRAGMA foreign_keys=OFF")
    db.execute("DELETE FROM blob")
    db.execute("PRAGMA foreign_keys=ON")
    with pytest.raises(StorageFailed, match="the catalog is not sound, and is not backed up: file: row 1"):
        make(filled, tmp_path / "copy")
    assert BackupFolder(tmp_path / "copy").manifest() == before


class Killed(BaseException):
    """As SIGKILL: nothing after it is done."""


STEPS = ["copy", "mirror", "_commit", "_prune"]


@pytest.mark.parametrize("step", STEPS)
def test_a_backup_that_is_broken_off_leaves_the_one_before_it(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    copy = tmp_path / "copy"
    make(filled, copy)
    before = BackupFolder(copy).manifest()
    filled.put("late@1.toy", b"late")

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if step == "copy":
            patched.setattr(module.Backup, "_copy", killed)
        else:
            patched.setattr(module, step, killed)
        with pytest.raises(Killed):
            make(filled, copy)
    folder = BackupFolder(copy)
    assert (folder.manifest() == before) == (step != "_prune")
    assert folder.check(lambda done: None).damaged == []
    assert make(filled, copy).blobs == 6
    assert len(list(copy.glob("catalog-*"))) == 1


@pytest.mark.parametrize("after", range(0, 7, 2))
def test_a_restore_that_is_broken_off_is_no_registry_and_is_run_again(
    filled: Any, restored: Callable[..., Any], tmp_path: Path, cli: Callable[..., Any], after: int
) -> None:
    make(filled, tmp_path / "copy")
    place = tmp_path / "elsewhere"
    place.mkdir()
    config = place / "orbitalreg.toml"
    shutil.copy(tmp_path / "orbitalreg.toml", config)
    script = f"""
import os, signal, sys
from orbitalreg.collection import restoring
from orbitalreg.cli import main
left = [{after}]
def dying(call):
    def step(*arguments):
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return call(*arguments)
    return step
restoring._Restore.bring = dying(restoring._Restore.bring)
restoring._finish = dying(restoring._finish)
main(["restore", sys.argv[1], "--config", sys.argv[2]])
"""
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "copy"), str(config)], timeout=PATIENCE)
    assert (killed.returncode == -signal.SIGKILL) == (after < 6)
    if after < 6:
        refused = cli("packages", "acme/toys", "--config", str(config))
        assert refused.exit_code == 1 and "was broken off: run orbitalreg restore again" in refused.stderr
        other = restored(tmp_path / "copy")
        assert other.registry.upkeep.verifier.run("test", ME, lambda: False).checked == 5


def test_a_killed_backup_keeps_nobody_from_collecting(filled: Any, tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from orbitalreg.collection.lock import RemovalLock
with RemovalLock(Path(sys.argv[1])).staying():
    print("held", flush=True)
    time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", script, str(filled.data)], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    lock = filled.registry.upkeep.lock
    with pytest.raises(Busy), lock.removing(0.0):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(PATIENCE)
    holder.stdout.close()
    began = time.monotonic()
    with lock.removing(PATIENCE):
        assert time.monotonic() - began < PATIENCE


def test_there_is_no_manifest_before_there_is_a_backup(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        BackupFolder(tmp_path).manifest()


def test_a_copy_of_the_catalog_has_no_log_beside_it(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "one")
    (tmp_path / "other").mkdir()
    catalog.copy(tmp_path / "other" / "catalog.sqlite3")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["catalog.sqlite3"]
    copied = Catalog(tmp_path / "other", look_only=True)
    assert copied.is_current() and copied.problems() == []
    copied.close()

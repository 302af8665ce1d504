"""`orbitalreg osv`: a newer dump takes the former one's place as a whole, whoever reads, and whoever is killed."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asked_of_osv import component
from click.testing import CliRunner, Result
from fake_osv import FakeOsv, answers
from orbitalreg_osv import settings, updating
from orbitalreg_osv.index import Index
from orbitalreg_osv.scanner import Osv
from orbitalreg_osv.store import Store
from orbitalreg_osv.updating import Updated, update
from records_made import dump, record, today

from orbitalreg.cli import main
from orbitalreg.errors import ScannerFailed, UpstreamFailed
from orbitalreg.interfaces import Clients, Surroundings

HERE = Path(__file__).parent
OLD = [record(f"PYSEC-2020-{number}") for number in range(50)]
NEW = [record(f"PYSEC-2021-{number}", modified=today()) for number in range(50)]


def content(folder: Path, records: list[dict[str, Any]]) -> bytes:
    return dump(folder / "made.zip", records).read_bytes()


def silent(what: str, done: int, whole: int | None) -> None:
    return


@pytest.fixture
def updated(tmp_path: Path, osv_dev: FakeOsv, clients: Clients) -> Callable[..., Updated]:
    """Update the plugin's folder from the stand-in, or by other options."""

    def updated(source: Path | None = None, **options: Any) -> Updated:
        found = settings.read({"dump": osv_dev.dump_url} | options, tmp_path)
        return update(Store(tmp_path / "own", found), found, clients, source, silent)

    return updated


@pytest.fixture
def osv(tmp_path: Path, osv_dev: FakeOsv, clients: Clients) -> Osv:
    """The scanner beside it."""
    options = {"dump": osv_dev.dump_url, "max_age": "5000w"}
    return Osv(Surroundings(options, tmp_path, tmp_path / "own", clients))


def ids(osv: Osv) -> set[str]:
    (report,) = osv.judge([component()])
    return {finding.id for finding in report.findings}


def names(*records: dict[str, Any]) -> set[str]:
    return {one["id"] for one in records}


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitalreg_osv.store.LOOK_SECONDS", 0.0)


def test_the_dump_is_fetched_and_read(
    updated: Callable[..., Updated], osv: Osv, osv_dev: FakeOsv, tmp_path: Path
) -> None:
    osv_dev.dump = content(tmp_path, OLD)
    done = updated()
    assert (done.is_new, done.meta.records) == (True, 50)
    assert ids(osv) == names(*OLD)
    osv_dev.dump = content(tmp_path, NEW)
    assert ids(osv) == names(*OLD)  # nothing is fetched by who judges
    assert updated().is_new
    assert ids(osv) == names(*NEW)
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["dump.zip", "index.sqlite", "lock"]


def test_what_is_unchanged_is_not_fetched_again(
    updated: Callable[..., Updated], osv_dev: FakeOsv, tmp_path: Path
) -> None:
    osv_dev.dump = content(tmp_path, OLD)
    first = updated()
    again = updated()
    assert (again.is_new, again.meta) == (False, first.meta)
    (tmp_path / "own" / "index.sqlite").unlink()
    assert updated().is_new


def test_from_a_file_that_was_brought_here(
    updated: Callable[..., Updated], osv: Osv, osv_dev: FakeOsv, tmp_path: Path
) -> None:
    updated(dump(tmp_path / "brought.zip", OLD))
    assert ids(osv) == names(*OLD) and osv_dev.asked == []
    assert (tmp_path / "brought.zip").exists()
    osv_dev.dump = content(tmp_path, NEW)
    assert updated().is_new


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda osv_dev: setattr(osv_dev, "dump", b"no zip"), "is no whole zip"),
        (lambda osv_dev: setattr(osv_dev, "dump", b""), "answered 404"),
        (lambda osv_dev: setattr(osv_dev, "fault", answers(500, 9)), "answered 500"),
        (lambda osv_dev: setattr(osv_dev, "fault", answers(200, 9, b"PK")), "is no whole zip"),
    ],
)
def test_what_goes_wrong_leaves_the_former_dump(
    updated: Callable[..., Updated],
    osv: Osv,
    osv_dev: FakeOsv,
    tmp_path: Path,
    change: Callable[[FakeOsv], None],
    says: str,
) -> None:
    osv_dev.dump = content(tmp_path, OLD)
    before = updated().meta
    change(osv_dev)
    with pytest.raises((ScannerFailed, UpstreamFailed), match=says):
        updated()
    assert ids(osv) == names(*OLD)
    assert Index(tmp_path / "own" / "index.sqlite").meta == before
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["dump.zip", "index.sqlite", "lock"]


def test_more_than_a_dump_may_have_is_not_taken(
    updated: Callable[..., Updated], osv_dev: FakeOsv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    osv_dev.dump = content(tmp_path, OLD)
    monkeypatch.setattr(updating, "DUMP_BYTES", 100)
    with pytest.raises(UpstreamFailed, match="more than 100 bytes"):
        updated()


def test_what_cannot_be_updated_says_why(updated: Callable[..., Updated], tmp_path: Path) -> None:
    with pytest.raises(ScannerFailed, match=r'has no dump to update: set dump = "osv\.dev"'):
        updated(dump=None)
    with pytest.raises(ScannerFailed, match="put the new one there instead"):
        updated(dump(tmp_path / "all.zip", OLD), dump="all.zip")
    with pytest.raises(ScannerFailed, match=r"there is no dump at .*other\.zip"):
        updated(dump="other.zip")
    with pytest.raises(ScannerFailed, match="cannot be read: No such file"):
        updated(tmp_path / "absent.zip")
    with pytest.raises(ScannerFailed, match="cannot be read: Is a directory"):
        updated(tmp_path)
    assert updated(dump="all.zip").meta.records == 50


# Others at the same time

READER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from asked_of_osv import component
from orbitalreg_osv import store
from orbitalreg_osv.index import Index
from orbitalreg_osv.scanner import Osv
from orbitalreg.interfaces import Surroundings
store.LOOK_SECONDS = 0.0
folder = Path(sys.argv[2])
osv = Osv(Surroundings({"dump": sys.argv[3], "max_age": "5000w"}, folder, folder / "own", None))
while True:
    (report,) = osv.judge([component()])
    print(" ".join(sorted(finding.id for finding in report.findings)), flush=True)
"""


@pytest.fixture
def reader(tmp_path: Path, osv_dev: FakeOsv) -> Iterator[Callable[[], set[str]]]:
    """Another process that judges all the time; what it said next."""
    arguments = [sys.executable, "-c", READER, str(HERE), str(tmp_path), osv_dev.dump_url]
    started: list[subprocess.Popen[str]] = []

    def said() -> set[str]:
        if not started:
            started.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True))
        assert started[0].stdout is not None
        line = started[0].stdout.readline()
        assert line, "the reader ended"
        return set(line.split())

    yield said
    for process in started:
        process.kill()
        process.communicate()


def test_who_reads_meanwhile_sees_the_one_or_the_other(
    updated: Callable[..., Updated], reader: Callable[[], set[str]], osv_dev: FakeOsv, tmp_path: Path
) -> None:
    old, new = names(*OLD), names(*NEW)
    osv_dev.dump = content(tmp_path, OLD)
    updated()
    assert reader() == old
    for records, wanted in ((NEW, new), (OLD, old)) * 4:
        osv_dev.dump = content(tmp_path, records)
        updated()
        while (found := reader()) != wanted:  # what it said before the update, and had not been read yet
            assert found in (old, new)


KILLED = """
import os, signal, sys
from pathlib import Path
from orbitalreg.surroundings import client_of
from orbitalreg_osv import settings, store, updating
folder, url, point = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
genuine, renamed = os.replace, []

def at(what):
    if what == point:
        os.kill(os.getpid(), signal.SIGKILL)

def replace(source, target):
    at(f"before rename {len(renamed)}")
    genuine(source, target)
    at(f"after rename {len(renamed)}")
    renamed.append(target)

def told(what, done, whole):
    at(what)
    at(f"{what} {done}")

os.replace = replace
found = settings.read({"dump": url}, folder)
updating.update(store.Store(folder / "own", found), found, client_of, None, told)
at("the end")
"""
POINTS = {
    "fetched": OLD,
    "read 1": OLD,
    "read 50": OLD,
    "before rename 0": OLD,
    "after rename 0": NEW,  # the new dump is there: whoever judges next reads it
    "before rename 1": NEW,
    "after rename 1": NEW,
    "the end": NEW,
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_it_leaves_a_whole_dump(
    updated: Callable[..., Updated], osv: Osv, osv_dev: FakeOsv, tmp_path: Path, point: str
) -> None:
    osv_dev.dump = content(tmp_path, OLD)
    updated()
    assert ids(osv) == names(*OLD)
    osv_dev.dump = content(tmp_path, NEW)
    arguments = [sys.executable, "-c", KILLED, str(tmp_path), osv_dev.dump_url, point]
    assert subprocess.run(arguments, timeout=60, check=False).returncode == -signal.SIGKILL
    assert ids(osv) == names(*POINTS[point])
    assert updated().meta.records == 50
    assert ids(osv) == names(*NEW)
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["dump.zip", "index.sqlite", "lock"]


# The command line


CONFIGURATION = """
[data]
path = "data"

[plugins.osv]
dump = "{}"
"""


@pytest.fixture
def orbitalreg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The host's command line in the test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORBITALREG_CONFIG", raising=False)

    def orbitalreg(*words: str) -> Result:
        return CliRunner().invoke(main, list(words))

    return orbitalreg


def test_the_command_line(orbitalreg: Callable[..., Result], osv_dev: FakeOsv, tmp_path: Path) -> None:
    (tmp_path / "orbitalreg.toml").write_text(CONFIGURATION.format(osv_dev.dump_url))
    none = orbitalreg("osv", "status")
    assert (none.exit_code, none.stdout) == (1, "")
    assert none.stderr == "orbitalreg: no dump was fetched yet: get one with: orbitalreg osv update\n"
    osv_dev.dump = content(tmp_path, NEW)
    done = orbitalreg("osv", "update")
    newest = NEW[0]["modified"]
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"updated: 50 records, the newest of {newest}\n"
    assert orbitalreg("osv", "update").stdout == f"unchanged: 50 records, the newest of {newest}\n"
    assert orbitalreg("osv", "status").stdout == f"50 records, the newest of {newest}\n"
    shown = json.loads(orbitalreg("osv", "status", "--json").stdout)
    assert shown["source"] == osv_dev.dump_url and shown["records"] == 50 and shown["is_stale"] is False
    brought = dump(tmp_path / "brought.zip", [*OLD, b"nonsense"])
    done = orbitalreg("osv", "update", "--from", str(brought), "--json")
    told = json.loads(done.stdout)
    assert (told["is_new"], told["skipped"], told["is_stale"]) == (True, 1, True)
    line = orbitalreg("osv", "status").stdout
    assert line.startswith("50 records, the newest of 2020-02-01T00:00:00Z; 1 skipped, which are none; too old: ")


def test_the_server_that_is_asked_is_told(orbitalreg: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "orbitalreg.toml").write_text('[plugins.osv]\nserver = "http://127.0.0.1:1"\n')
    assert orbitalreg("osv", "status").stdout == "no dump: http://127.0.0.1:1 is asked\n"
    refused = orbitalreg("osv", "update")
    assert refused.exit_code == 1 and "has no dump to update" in refused.stderr

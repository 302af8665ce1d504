"""What scanners are handed: folders that hold what they should, nowhere else, and that do not stay."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg.errors import UploadRefused
from orbitalreg.model import Component, Staged
from orbitalreg.scanning import scratch

BALL = Component("my-ball", "1+x", "pkg:toy/my-ball@1%2Bx", "ball.info/META", aliases=("my.ball",))
INNER = Component("kite", "2", "pkg:toy/kite@2", "ball/_vendor/kite.info/META", is_bundled=True)


def test_documents_lie_at_their_paths_beside_a_bom(tmp_path: Path) -> None:
    staged = Staged((BALL, INNER), {"ball.info/META": b"ball", "ball/_vendor/kite.info/META": b"kite"})
    scratch.lay_out(tmp_path / "target", staged)
    assert (tmp_path / "target/ball/_vendor/kite.info/META").read_bytes() == b"kite"
    bom = json.loads((tmp_path / "target/bom.json").read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert [(one["name"], one["version"], one["purl"]) for one in bom["components"]] == [
        ("my-ball", "1+x", "pkg:toy/my-ball@1%2Bx"),
        ("my.ball", "1+x", "pkg:toy/my.ball@1%2Bx"),
        ("kite", "2", "pkg:toy/kite@2"),
    ]
    references = [one["bom-ref"] for one in bom["components"]]
    assert len(set(references)) == 3


@pytest.mark.parametrize(
    "paths",
    [
        ["../x"],
        ["/etc/x"],
        ["a/../../x"],
        [""],
        ["."],
        ["bom.json"],
        ["./bom.json"],
        ["a\0b"],
        ["a\nb"],
        ["x" * 256],
        ["a/" * 1200 + "b"],
        ["a", "a/b"],
        ["a/b", "a"],
    ],
    ids=ascii,
)
def test_a_path_that_is_none_is_refused(paths: list[str], tmp_path: Path) -> None:
    with pytest.raises(UploadRefused):
        scratch.lay_out(tmp_path / "target", Staged((BALL,), dict.fromkeys(paths, b"x")))
    assert list(tmp_path.rglob("x")) == []


@given(st.dictionaries(st.text(alphabet="ab./\\\0 \u00e9", max_size=12), st.binary(max_size=3), max_size=4))
def test_whatever_the_paths_nothing_is_written_elsewhere(
    tmp_path_factory: pytest.TempPathFactory, documents: dict[str, bytes]
) -> None:
    above = tmp_path_factory.mktemp("above")
    try:
        scratch.lay_out(above / "target", Staged((BALL,), documents))
    except UploadRefused:
        return
    assert [path.name for path in above.iterdir()] == ["target"]
    files = [path for path in (above / "target").rglob("*") if path.is_file()]
    assert len(files) == len(documents) + 1
    assert json.loads((above / "target/bom.json").read_text())["components"]


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MAX_BYTES", 10)
    with pytest.raises(UploadRefused, match="more than"):
        scratch.lay_out(tmp_path / "target", Staged((BALL,), {"a": bytes(6), "b": bytes(6)}))


def test_a_sweep_removes_what_the_dead_left_and_nothing_that_is_used(tmp_path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from orbitalreg.scanning.scratch import Scratch
folder = Scratch(Path({str(tmp_path)!r})).folder
(folder / "target").mkdir()
(folder / "target" / "x").write_text("x")
os.chmod(folder / "target", 0)
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=30)
    assert len(os.listdir(tmp_path)) == 1
    with scratch.Scratch(tmp_path) as used:
        scratch.sweep(tmp_path)
        assert os.listdir(tmp_path) == [used.folder.name]
    assert os.listdir(tmp_path) == []
    scratch.sweep(tmp_path / "absent")


def test_a_folder_that_a_sweep_takes_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, swept = fcntl.flock, []

    def late(descriptor: int, operation: int) -> None:
        if not swept:  # another process starts at this moment
            swept.extend(tmp_path.iterdir())
            monkeypatch.setattr(fcntl, "flock", lock)
            scratch.sweep(tmp_path)
            assert list(tmp_path.iterdir()) == []
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with scratch.Scratch(tmp_path) as made:
        assert made.folder.is_dir()
        assert [made.folder] != swept
        scratch.sweep(tmp_path)
        assert made.folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_measured_as_the_disk_has_it(tmp_path: Path) -> None:
    assert scratch.held(tmp_path, 1 << 30) == scratch.held(tmp_path / "absent", 1 << 30) == 0
    (tmp_path / "a" / "b").mkdir(parents=True)
    for n in range(10):
        (tmp_path / "a" / f"empty{n}").touch()
    (tmp_path / "a" / "b" / "full").write_bytes(os.urandom(1 << 20))
    (tmp_path / "out").symlink_to("/")
    sparse = os.open(tmp_path / "sparse", os.O_CREAT | os.O_WRONLY)
    os.ftruncate(sparse, 1 << 40)
    os.close(sparse)
    assert (1 << 20) + 14 * scratch.ENTRY <= scratch.held(tmp_path, 1 << 30) <= (1 << 20) + 20 * scratch.ENTRY
    assert scratch.held(tmp_path / "a", 20_000) < 1 << 20, "it looks no further than it must"

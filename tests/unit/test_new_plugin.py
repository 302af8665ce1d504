"""`orbitalreg new-plugin`: what it writes is whole, passes the kit as it is, and takes nothing's place."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import orbitalreg
from orbitalreg.cli import main
from orbitalreg.cli.new_plugin import KINDS

TEMPLATES = Path(orbitalreg.__file__).parent / "templates"


def new(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["new-plugin", *words])
    return done.exit_code, done.output


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def pytest_of(folder: Path) -> str:
    """What the project's own tests print, which must pass."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "PYTHON"))}
    environment |= {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_scanner_is_written_into_a_folder_of_its_name(empty: Path) -> None:
    code, output = new("scanner", "my-scanner")
    assert code == 0
    assert written(empty / "my-scanner") == [
        "README.md",
        "orbitalreg_my_scanner.py",
        "pyproject.toml",
        "tests/test_orbitalreg_my_scanner.py",
    ]
    assert output.startswith("wrote my-scanner: ")
    assert "install --editable 'my-scanner[test]'" in output and "[plugins.my-scanner]" in output


def test_it_is_one_plugin_under_its_name_for_this_series_of_the_host(empty: Path) -> None:
    new("scanner", "orbitalreg-seven", "elsewhere/deep")
    project = tomllib.loads((empty / "elsewhere" / "deep" / "pyproject.toml").read_text())["project"]
    assert project["name"] == "orbitalreg-seven"
    assert project["entry-points"] == {"orbitalreg": {"seven": "orbitalreg_seven"}}
    series = orbitalreg.__version__.rpartition(".")[0]
    assert project["dependencies"] == [f"orbitalreg=={series}.*"]


def test_what_is_written_passes_the_kit(empty: Path) -> None:
    new("scanner", "my-scanner")
    printed = pytest_of(empty / "my-scanner")
    assert re.search(r"\b1[5-9] passed", printed), printed


def test_what_is_there_is_not_touched(empty: Path) -> None:
    (empty / "full").mkdir()
    (empty / "full" / "mine.txt").write_text("mine")
    (empty / "file").write_text("mine")
    for place in ("full", "file/below"):
        code, output = new("scanner", "my-scanner", place)
        assert code == 1 and output.startswith(f"orbitalreg: {place}") and output.count("\n") == 1
    assert new("scanner", "my-scanner", "file")[0] == 2
    assert written(empty) == ["file", "full/mine.txt"]
    (empty / "ready").mkdir()
    assert new("scanner", "my-scanner", "ready")[0] == 0


@pytest.mark.parametrize("name", ["", "My-scanner", "7zip", "a--b", "-a", "a-", "a_b", "a.b", "../a", "a/b", "a" * 41])
def test_what_cannot_be_a_name_is_wrong_usage(empty: Path, name: str) -> None:
    code, output = new("scanner", "--", name)
    assert code == 2 and "cannot name a plugin" in output
    assert written(empty) == []


def test_an_unknown_kind_is_wrong_usage(empty: Path) -> None:
    assert new("blob", "x")[0] == 2


def test_programs_are_told_what_was_written(empty: Path) -> None:
    _, output = new("scanner", "my-scanner", "--json")
    assert '"plugin": "my-scanner"' in output and '"my-scanner/pyproject.toml"' in output


def test_nothing_is_left_to_fill_in(empty: Path) -> None:
    new("scanner", "my-scanner")
    texts = {path: (empty / "my-scanner" / path).read_text() for path in written(empty / "my-scanner")}
    assert [path for path, text in texts.items() if re.search(r"\$\w|\.in$", path + text)] == []


def test_every_kind_has_its_templates_and_no_other_file_lies_there() -> None:
    assert {path.name for path in TEMPLATES.iterdir()} == {name for kind in KINDS for name in (kind, f"{kind}.next")}
    assert [path for path in TEMPLATES.rglob("*.*") if path.suffix not in (".in", ".next")] == []

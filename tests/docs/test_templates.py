"""What `orbitalreg new-plugin` writes keeps the rules that this project keeps, whatever the name."""

import subprocess
import sys
from pathlib import Path

import pytest
from session import environment

LONG = "a-scanner-of-a-very-long-name-that-is-40"


def run(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["x", "scanner", "my-scanner", LONG])
def test_it_is_formatted_and_has_no_fault_that_a_linter_sees(tmp_path: Path, name: str) -> None:
    run(tmp_path, "orbitalreg", "new-plugin", "scanner", name)
    run(tmp_path / name, "ruff", "format", "--no-cache", "--check", ".")
    run(tmp_path / name, "ruff", "check", "--no-cache", "--extend-select", "B,I,N,RUF,SIM,UP,W", ".")


def test_its_types_are_strict(tmp_path: Path) -> None:
    run(tmp_path, "orbitalreg", "new-plugin", "scanner", "my-scanner")
    run(tmp_path / "my-scanner", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), ".")

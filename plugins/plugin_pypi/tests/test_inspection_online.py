"""Files as the world makes them: everything that pip fetches here is accepted."""

import subprocess
import sys
from pathlib import Path

import pytest
from orbitalreg_pypi.inspection import inspect

WHEELS = ("flask", "numpy", "setuptools", "hatchling", "ruff", "cryptography", "botocore", "pyyaml")
SDISTS = ("six", "click", "flask", "simplejson", "docutils")


@pytest.mark.online
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("names", "option"), [(WHEELS, "--only-binary=:all:"), (SDISTS, "--no-binary=:all:")], ids=["wheels", "sdists"]
)
def test_published_files_are_accepted(names: tuple[str, ...], option: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", option, "--dest", str(tmp_path), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        pytest.skip(f"pip could not fetch them: {done.stderr[-200:]}")
    files = sorted(tmp_path.iterdir())
    assert len(files) == len(names)
    for path in files:
        found = inspect(path, path.name, {})
        assert found.documents
        assert found.attributes["filetype"] == ("sdist" if path.name.endswith(".tar.gz") else "bdist_wheel")

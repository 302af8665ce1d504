"""Files as the world makes them: everything that pip fetches here is accepted."""

import subprocess
import sys
from pathlib import Path

import pytest
from orbitalreg_pypi.inspection import inspect
from orbitalreg_pypi.staging import stage

from orbitalreg.testing.checks import check_staged

WHEELS = ("flask", "numpy", "setuptools", "hatchling", "ruff", "cryptography", "botocore", "pyyaml")
BUNDLED = {"setuptools": ("pkg:pypi/", 10), "cryptography": ("pkg:cargo/", 20)}
"""What some are known to bundle: of setuptools' wheel vendored packages, of cryptography's a bill of materials."""

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
        staged = stage(path, path.name, deep=True)
        check_staged(staged)
        kind, least = BUNDLED.get(found.package, ("", 0)) if path.suffix == ".whl" else ("", 0)
        assert len([part for part in staged.components[1:] if part.purl.startswith(kind)]) >= least

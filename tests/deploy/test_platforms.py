"""The page on platforms against what the packages say, and wheels for each platform."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
PAGE = (TREE / "docs" / "reference" / "platforms.md").read_text("utf-8")
PROJECTS = [TREE / "pyproject.toml", *sorted(TREE.glob("plugins/*/pyproject.toml"))]
PLATFORMS = ["x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin", "x86_64-apple-darwin"]
PYTHONS = re.findall(r"\b3\.\d+\b", PAGE.split("CPython ")[1].split(". ")[0])


def test_the_oldest_python_is_the_one_that_the_packages_require() -> None:
    assert PYTHONS == ["3.11", "3.12", "3.13"]
    for project in PROJECTS:
        assert tomllib.loads(project.read_text())["project"]["requires-python"] == f">={PYTHONS[0]}"


def test_make_tries_the_same_pythons() -> None:
    assert f"VERSIONS = {tuple(PYTHONS)!r}".replace("'", '"') in (TREE / "tools" / "pythons.py").read_text()


@pytest.mark.online
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_dependency_has_a_wheel(platform: str, python: str, tmp_path: Path) -> None:
    told = [tomllib.loads(project.read_text())["project"] for project in PROJECTS]
    extras = [table.get("optional-dependencies", {}).get("registry", []) for table in told]
    needs = [need for needed in (*(table["dependencies"] for table in told), *extras) for need in needed]
    file = tmp_path / "requirements.in"
    file.write_text("\n".join(need for need in needs if not need.startswith("orbitalreg")))
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--only-binary", ":all:", "--python-platform"]
    done = subprocess.run([*command, platform, "--python-version", python, file], capture_output=True, text=True)
    if done.returncode != 0 and re.search(r"error sending request|Failed to fetch|timed out", done.stderr):
        pytest.skip("the package registries cannot be reached")
    assert done.returncode == 0, done.stderr

"""What real tools write as lock files is read, and says what a policy would make of the build."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Company

RULES = """
[[policies]]
name = "free"
malicious = false
licenses_denied = ["AGPL-3.0-only"]
"""
STRICT = "License: AGPL-3.0-only"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with Company(tmp_path_factory.mktemp("company") / "registry") as running:
        running.puts_inside("lib", "1.0", requires=f"free-part==2.0\n{STRICT}")
        running.puts_inside("free-part", "2.0")
        yield running


@pytest.fixture(scope="module")
def project(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that needs `lib`, and its locks as uv and pip write them."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["lib[extra]"]\n'
        f'[[tool.uv.index]]\nurl = "{company.index_url("internal")}"\ndefault = true\n'
    )
    uv = [sys.executable, "-m", "uv", "--no-cache"]
    for command in (
        [*uv, "lock"],
        [*uv, "export", "--format", "requirements.txt", "-o", "requirements.txt"],
        [*uv, "export", "--format", "pylock.toml", "-o", "pylock.toml"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
    (folder / "rules.toml").write_text(RULES)
    return folder


@pytest.mark.parametrize("lock", ["uv.lock", "requirements.txt", "pylock.toml"])
def test_what_uv_locks_is_judged(company: Company, project: Path, lock: str) -> None:
    command = [sys.executable, "-m", "orbitalreg", "policy", "test", str(project / "rules.toml")]
    where = ["--repo", "acme/internal", "--lock", str(project / lock), "--json"]
    done = subprocess.run(
        [*command, *where], cwd=company.registry.config.parent, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1, done.stderr
    told = {one["filename"]: (one["verdict"], one["rule"]) for one in json.loads(done.stdout)}
    assert told == {
        "free_part-2.0-py3-none-any.whl": ("pass", None),
        "free_part-2.0.tar.gz": ("pass", None),
        "lib-1.0-py3-none-any.whl": ("block", "licenses_denied"),
        "lib-1.0.tar.gz": ("pass", None),
    }

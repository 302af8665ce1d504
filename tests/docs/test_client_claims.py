"""What the page on clients says and does not show: where a way does *not* work, for example."""

from collections.abc import Iterator
from pathlib import Path

import environments
import pytest
from archives_corpus import make_wheel
from harness import BIN, CONFIG, Registry, Shell

PYPIRC = """\
[distutils]
index-servers = internal

[internal]
repository = {url}/legacy/
username = __token__
password = ${{ORBITALREG_TOKEN}}
"""
UV_PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["my-pkg"]

[[tool.uv.index]]
name = "internal"
url = "{url}/simple/"
default = true
"""
PYPROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["my-pkg"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "internal"
url = "{url}/simple/"
priority = "primary"
"""

CUT_OFF = """
[projects.acme.repositories.pypi-remote]
format = "pypi"
kind = "remote"
upstream = "http://127.0.0.1:9/simple/"

[projects.acme.repositories.all-libs]
format = "pypi"
kind = "virtual"
members = ["internal", "pypi-remote"]
anonymous_read = true
"""
"""Nobody listens there, which is what an outage looks like."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    (folder / "orbitalreg.toml").write_text(CONFIG.format(max_upload="1MiB") + CUT_OFF)
    with Registry(folder) as running:
        running.token = running.new_token("docs", "acme/internal:publish")
        assert running.upload(*make_wheel("my-pkg", "1.0")).status == 200
        yield running


@pytest.fixture
def shell(tmp_path: Path, registry: Registry) -> Shell:
    shell = Shell(tmp_path, ORBITALREG_TOKEN=registry.token, PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring")
    filename, data = make_wheel("my-app")
    shell.write(f"dist/{filename}", data)
    return shell


@pytest.fixture
def poetry(shell: Shell) -> Shell:
    try:
        programs = environments.environment("poetry")
    except environments.Unreachable as error:
        pytest.skip(str(error))
    shell.variables |= {"PATH": f"{programs}:{BIN}:/usr/bin:/bin", "POETRY_VIRTUALENVS_IN_PROJECT": "true"}
    return shell


def netrc(registry: Registry, shell: Shell) -> None:
    shell.write(".netrc", f"machine 127.0.0.1\nlogin __token__\npassword {registry.token}\n")


def test_twine_does_not_read_netrc(registry: Registry, shell: Shell) -> None:
    netrc(registry, shell)
    done = shell.run(f"twine upload --non-interactive --repository-url {registry.repository}/legacy/ dist/*")
    assert done.code != 0 and registry.files("my-app") == {}, done.output


def test_pypirc_expands_no_variables(registry: Registry, shell: Shell) -> None:
    shell.write(".pypirc", PYPIRC.format(url=registry.repository))
    done = shell.run("twine upload --repository internal dist/*")
    assert done.code != 0 and "the password is no token" in " ".join(done.output.split()), done.output


def test_poetry_reads_netrc(registry: Registry, poetry: Shell) -> None:
    netrc(registry, poetry)
    poetry.write("pyproject.toml", PYPROJECT.format(url=registry.repository))
    done = poetry.run("poetry install")
    assert done.code == 0 and "Installing my-pkg" in done.output, done.output


def test_poetry_expands_no_variables(registry: Registry, poetry: Shell) -> None:
    url = registry.repository.replace("://", "://__token__:${ORBITALREG_TOKEN}@")
    poetry.write("pyproject.toml", PYPROJECT.format(url=url))
    done = poetry.run("poetry install")
    assert done.code != 0, done.output


def test_pip_keeps_an_outage_of_the_upstream_to_itself(registry: Registry, shell: Shell) -> None:
    line = f"pip download --retries 1 --index-url {registry.url}/pypi/acme/all-libs/simple/ flask"
    said = shell.run(line)
    assert said.code != 0 and "No matching distribution found for flask" in said.output, said.output
    assert "502" not in said.output
    assert "too many 502 error responses" in shell.run(f"{line} -vv").output


def test_uv_and_poetry_tell_of_an_outage_of_the_upstream(registry: Registry, poetry: Shell) -> None:
    index = f"{registry.url}/pypi/acme/all-libs"
    poetry.write("pyproject.toml", PYPROJECT.format(url=index).replace("my-pkg", "flask"))
    for line in ("poetry lock", f"UV_HTTP_RETRIES=0 uv pip compile --default-index {index}/simple/ pyproject.toml"):
        said = poetry.run(line)
        assert said.code != 0 and "502" in said.output and "acme/pypi-remote: " in said.output, said.output


def moved(registry: Registry, shell: Shell, project: str, line: str, newer: str) -> str:
    """The lock file of a project that locked my-pkg 1.0, and locks again at the virtual address after a newer one."""
    variables = ("UV_INDEX_INTERNAL", "POETRY_HTTP_BASIC_INTERNAL")
    shell.variables |= {f"{start}_USERNAME": "__token__" for start in variables}
    shell.variables |= {f"{start}_PASSWORD": registry.token for start in variables}
    lock = _locked(shell, project.format(url=registry.repository), line)
    assert '"1.0"' in lock and registry.repository in lock
    assert registry.upload(*make_wheel("my-pkg", newer)).status == 200
    try:
        return _locked(shell, project.format(url=f"{registry.url}/pypi/acme/all-libs"), line)
    finally:
        registry.cli("delete", f"acme/internal/my-pkg=={newer}", "--yes")


def _locked(shell: Shell, project: str, line: str) -> str:
    shell.write("pyproject.toml", project)
    done = shell.run(line)
    assert done.code == 0, done.output
    return (shell.home / f"{line.split()[0]}.lock").read_text()


def test_uv_moves_a_lock_and_keeps_its_versions(registry: Registry, shell: Shell) -> None:
    lock = moved(registry, shell, UV_PROJECT, "uv lock", "1.1")
    assert '"1.0"' in lock and "my_pkg-1.1-" not in lock
    assert "/acme/all-libs/" in lock and "/acme/internal/" not in lock


def test_poetry_moves_a_lock_and_keeps_its_versions(registry: Registry, poetry: Shell) -> None:
    lock = moved(registry, poetry, PYPROJECT, "poetry lock", "1.2")
    assert '"1.0"' in lock and "my_pkg-1.2-" not in lock
    assert "/acme/all-libs" in lock and "/acme/internal" not in lock

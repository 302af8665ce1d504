"""A person who uses one client: an empty home, a project folder, and a repository set up as documented."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from archives_corpus import make_sdist, make_wheel
from environments import environment, packages
from harness import Environment, Finished, Shell
from repositories import Repository
from setups import SETUPS

NewUser = Callable[[str, str | None], "User"]
"""Makes the user of a client, with a token or without."""


NOWHERE = "http://127.0.0.1:9/"
"""The proxy for whatever is not on the loopback: nobody listens there."""

QUIET = {
    "TERM": "dumb",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
    "ALL_PROXY": NOWHERE,
    "NO_PROXY": "127.0.0.1,localhost",
    "PIP_NO_INPUT": "1",
    "UV_HTTP_RETRIES": "0",
    "POETRY_NO_INTERACTION": "1",
    "POETRY_VIRTUALENVS_IN_PROJECT": "1",
    "PDM_CHECK_UPDATE": "0",
    "PDM_NON_INTERACTIVE": "1",
    "FLIT_ROOT_INSTALL": "1",
    "PIPENV_VENV_IN_PROJECT": "1",
    "PIPENV_NOSPIN": "1",
    "PIPENV_YES": "1",
}

BUILD = {
    "uv": "uv build --quiet",
    "poetry": "poetry build",
    "pdm": "pdm build",
    "hatch": "hatch build",
}
"""How the client makes `dist`. Flit builds when it publishes, and twine builds nothing."""

PUBLISH = {
    "uv": "uv publish",
    "twine": "twine upload dist/*",
    "poetry": "poetry publish --repository internal",
    "pdm": "pdm publish --no-build",
    "hatch": "hatch publish",
    "flit": "flit publish",
}

BACKENDS = {
    "uv": ("uv_build", "uv_build"),
    "poetry": ("poetry-core", "poetry.core.masonry.api"),
    "pdm": ("pdm-backend", "pdm.backend"),
    "hatch": ("hatchling", "hatchling.build"),
    "flit": ("flit_core", "flit_core.buildapi"),
}

INSTALL = {
    "pip": "pip install -r requirements.txt",
    "uv": "uv sync",
    "poetry": "poetry install",
    "pdm": "pdm install",
    "hatch": "hatch env create",
    "flit": "flit install --python .venv/bin/python",
    "pipenv": "pipenv install",
}

LOCK = {
    "pip": "pip lock --quiet -r requirements.txt",
    "uv": "uv lock",
    "poetry": "poetry lock",
    "pdm": "pdm lock",
    "pipenv": "pipenv lock",
}

LOCK_FILES = {
    "pip": "pylock.toml",
    "uv": "uv.lock",
    "poetry": "poetry.lock",
    "pdm": "pdm.lock",
    "pipenv": "Pipfile.lock",
}

SYNC = {
    "pip": ["pip install -r pylock.toml"],
    "uv": ["uv sync --locked"],
    "poetry": ["poetry install", "poetry sync"],
    "pdm": ["pdm install --frozen-lockfile", "pdm sync"],
    "pipenv": ["pipenv sync", "pipenv install --deploy"],
}
"""From the lock alone; each into an empty environment."""


@dataclass(frozen=True)
class User:
    """One client in one project folder, signed in with `token` or, where that is None, not at all."""

    client: str
    shell: Shell
    repository: Repository
    token: str | None

    def run(self, line: str, **variables: str) -> Finished:
        """The line; in what it prints, colours, frames and line breaks are only spaces."""
        done = self.shell.run(line, **variables)
        return Finished(done.code, plain(done.output))

    def ok(self, line: str, **variables: str) -> str:
        done = self.run(line, **variables)
        assert done.code == 0, done.output
        return done.output

    def refused(self, line: str, **variables: str) -> str:
        done = self.run(line, **variables)
        assert done.code != 0, done.output
        return done.output

    @property
    def _addition(self) -> str:
        return SETUPS[self.client].addition(self.repository.url, self.token)

    # A project that installs.

    def wants(self, *requirements: str) -> None:
        """The project's file names these requirements; no lock, and nothing is installed."""
        if self.client == "pipenv":
            packages = "".join(map(_in_pipfile, requirements))
            self.shell.write("Pipfile", f"{self._addition}\n[packages]\n{packages}")
        else:
            self.shell.write("pyproject.toml", self._pyproject(requirements) + self._addition)
            self.shell.write("requirements.txt", "".join(f"{requirement}\n" for requirement in requirements))
            self.shell.write("consumer/__init__.py", '"""Consumes."""\n__version__ = "1.0"\n')
        for lock in LOCK_FILES.values():
            (self.shell.home / lock).unlink(missing_ok=True)
        self.empty()

    def _pyproject(self, requirements: tuple[str, ...]) -> str:
        project = (
            '[project]\nname = "consumer"\nversion = "1.0"\ndescription = "consumes"\nrequires-python = ">=3.11"\n'
            f"dependencies = {list(requirements)}\n\n"
        )
        return project + {
            "poetry": "[tool.poetry]\npackage-mode = false\n\n",
            "pdm": "[tool.pdm]\ndistribution = false\n\n",
            "hatch": (
                '[tool.hatch.envs.default]\nskip-install = true\npath = ".venv"\n'
                f"dependencies = {list(requirements)}\n\n"
            ),
            "flit": '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n\n',
        }.get(self.client, "")

    def empty(self) -> None:
        """A fresh environment to install into, and no cache. hatch makes its own; flit calls the pip within."""
        self.run("rm -rf .venv $HOME/.cache $UV_CACHE_DIR")
        if self.client == "hatch":
            return
        venv = self.shell.home / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        if self.client == "flit":
            folder = next(venv.glob("lib/python*/site-packages"))
            (folder / "pip.pth").write_text(f"{packages('pip')}\n")

    @property
    def installed(self) -> set[str]:
        """`name-version` of what is installed, without the client's own and the consumer."""
        own = ("pip-", "setuptools-", "consumer-", "uv-")
        return {name for name in Environment(self.shell.home / ".venv").installed if not name.startswith(own)}

    # A project that publishes.

    def writes(self, name: str, module: str = "") -> None:
        """A project called `name`, with this source, and no other in `dist`; built by the client if it can."""
        self._writes_project(name, module)
        if self.client == "twine":
            self.writes_dist(name, module)
        if self.client in BUILD:
            self.ok(BUILD[self.client])

    def writes_dist(self, name: str, module: str = "") -> None:
        """The same, built by hand; flit builds its own when it publishes."""
        self._writes_project(name, module)
        files = {f"{_stem(name)}.py": module.encode()}
        for filename, data in (make_wheel(name, files=files), make_sdist(name, files=files)):
            self.shell.write(f"dist/{filename}", data)

    def _writes_project(self, name: str, module: str) -> None:
        self.run("rm -rf dist")
        backend, entry = BACKENDS.get(self.client, ("setuptools", "setuptools.build_meta"))
        self.shell.write(
            "pyproject.toml",
            f'[project]\nname = "{name}"\nversion = "1.0"\ndescription = "published"\nrequires-python = ">=3.11"\n'
            'readme = "README.md"\nauthors = [{ name = "Ada", email = "ada@example.com" }]\n\n'
            f'[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{entry}"\n\n{self._addition}',
        )
        self.shell.write("README.md", "# Published\n")
        self.shell.write(f"src/{_stem(name)}/__init__.py", f'"""Published."""\n{module}')

    @property
    def built(self) -> dict[str, str]:
        """The SHA-256 of each file in `dist`."""
        files = [path for path in (self.shell.home / "dist").iterdir() if path.name.endswith((".whl", ".tar.gz"))]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _in_pipfile(requirement: str) -> str:
    name, _, address = requirement.partition(" @ ")
    if address:
        return f'{name} = {{ file = "{address}" }}\n'
    found = re.match(r"([a-z-]+)(.*)", requirement)
    assert found, requirement
    return f'{found[1]} = "{found[2] or "*"}"\n'


def _stem(name: str) -> str:
    return name.replace("-", "_")


def plain(output: str) -> str:
    """Words alone."""
    output = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output)
    return " ".join(re.sub(r"[│┃─━╭╮╰╯]", " ", output).split())


def new_user(client: str, repository: Repository, token: str | None, folder: Path) -> User:
    """Raises `environments.Unreachable`."""
    project, home = folder / "project", folder / "home"
    project.mkdir(parents=True)
    home.mkdir()
    variables = {
        **QUIET,
        "PATH": f"{environment(client)}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "UV_CACHE_DIR": str(home / "uv-cache"),
        "PIP_PYTHON": str(project / ".venv" / "bin" / "python"),
        **SETUPS[client].variables(repository.url, token),
    }
    if client != "pip":
        del variables["PIP_PYTHON"]
    return User(client, Shell(project, **variables), repository, token)

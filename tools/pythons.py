"""Runs the tests of the host, its web part and the plugins on each supported CPython that this machine has.

python tools/pythons.py [VERSION ...]        3.12, say; without one, all
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TREE = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13")
SCANNERS = tuple(
    sorted(f"plugins/plugin_scanners/{folder.name}" for folder in (TREE / "plugins/plugin_scanners").iterdir())
)
PLUGINS = ("plugins/plugin_pypi", "plugins/plugin_htpasswd", "plugins/plugin_oidc", *SCANNERS)
TESTS = ("tests/unit", "tests/web", *(f"{plugin}/tests" for plugin in PLUGINS))
PACKAGES = (
    "-e",
    ".",
    "-e",
    PLUGINS[0],
    "-e",
    PLUGINS[1],
    "-e",
    f"{PLUGINS[2]}[registry]",
    *(f"-e{path}" for path in SCANNERS),
)
NEEDED = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "requests", "trustme")
PARALLEL = ("-n", "auto", "--dist", "loadfile")


def main(versions: list[str]) -> int:
    """0 where the tests pass on each that is here, and at least one is."""
    codes = []
    for version in versions or VERSIONS:
        interpreter = find(version)
        if interpreter is None:
            say(f"CPython {version}: not on this machine, skipped")
            continue
        say(f"CPython {version}: {interpreter}")
        codes.append(run(version, interpreter))
        say(f"CPython {version}: {'passed' if codes[-1] == 0 else 'FAILED'}")
    return 0 if codes and not any(codes) else 1


def find(version: str) -> str | None:
    """The interpreter's path: what the shell finds, else the newest that pyenv has."""
    return next((path for path in _candidates(version) if _is(path, version)), None)


def _candidates(version: str) -> Iterator[str]:
    found = shutil.which(f"python{version}")
    if found:
        yield found
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = sorted(
        (root / "versions").glob(f"{version}.*"), key=lambda path: list(map(int, re.findall(r"\d+", path.name)))
    )
    yield from (str(folder / "bin" / "python") for folder in reversed(folders))


def _is(path: str, version: str) -> bool:
    """A pyenv shim is on the path for versions that are not chosen; it then fails."""
    code = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    done = subprocess.run([path, "-c", code], capture_output=True, text=True)
    return done.stdout.split() == ["cpython", version]


def run(version: str, interpreter: str) -> int:
    folder = TREE / f".venv-{version}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES, *pins()], cwd=TREE, check=True)
    return subprocess.run([python, "-m", "pytest", *PARALLEL, *TESTS], cwd=TREE).returncode


def pins() -> list[str]:
    """What the tests need, as requirements-dev.txt pins it."""
    lines = (TREE / "requirements-dev.txt").read_text().splitlines()
    return [line for line in lines if line.partition("==")[0] in NEEDED]


def say(text: str) -> None:
    sys.stdout.write(f"\n== {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

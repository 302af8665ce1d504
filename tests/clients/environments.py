"""The clients themselves: each at its pinned version, in a virtual environment of its own, made once and kept.

A folder is named by its pin file and carries a stamp of it and of the interpreter; another stamp makes it anew.
"""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PINS = Path(__file__).parent / "requirements"
SERVERS = Path(__file__).parents[2] / "benchmarks" / "environments"
KEPT = Path(__file__).parents[2] / ".venv-clients"
CLIENTS = ("pip", "uv", "twine", "poetry", "pdm", "hatch", "flit", "pipenv")

_STAMP = ".stamp"
_UNREACHABLE = re.compile(
    r"from versions: none|Connection|ConnectTimeout|Read timed out|Network is unreachable|ProxyError"
)
"""What pip says then: where no index answers, it knows no version at all of what is pinned."""


class Unreachable(Exception):
    """The package registries cannot be reached, and what was to be installed is not here."""


def environment(client: str) -> Path:
    """The folder of the client's programs. Raises `Unreachable`."""
    return _kept(client, _install) / "bin"


def server(name: str) -> Path:
    """The folder of the programs of a server that the benchmarks measure. Raises `Unreachable`."""
    return _kept(name, _install, SERVERS / f"{name}.txt") / "bin"


def packages(client: str) -> Path:
    """The folder of the client's modules. Raises `Unreachable`."""
    return next((environment(client).parent / "lib").glob("python*/site-packages"))


def backends() -> list[Path]:
    """The wheels of the build backends that the clients fetch from our server. Raises `Unreachable`."""
    return sorted(_kept("backends", _download).glob("*.whl"))


def pinned(client: str) -> str:
    """The version in the client's pin file."""
    match = re.search(rf"^{client}==(\S+)", _pins(client).read_text(), re.MULTILINE)
    assert match, client
    return match[1]


def _pins(name: str) -> Path:
    return PINS / f"{name}.txt"


def _kept(name: str, make: Callable[[Path, Path], None], pins: Path | None = None) -> Path:
    folder, pins = KEPT / name, pins or _pins(name)
    stamp = hashlib.sha256(f"{sys.version}\n{sys.prefix}\n".encode() + pins.read_bytes()).hexdigest()
    with _alone(name):
        if not (folder / _STAMP).exists() or (folder / _STAMP).read_text() != stamp:
            shutil.rmtree(folder, ignore_errors=True)
            make(folder, pins)
            (folder / _STAMP).write_text(stamp)
    return folder


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """No other process makes that folder meanwhile."""
    KEPT.mkdir(exist_ok=True)
    with (KEPT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(folder: Path, pins: Path) -> None:
    _run([sys.executable, "-m", "venv", folder])
    _run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", pins])


def _download(folder: Path, pins: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--no-deps", "--only-binary=:all:", "--dest", folder, "-r", pins])


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    if done.returncode == 0:
        return
    if _UNREACHABLE.search(done.stderr):
        raise Unreachable(f"the package registries cannot be reached: {done.stderr.strip()[-200:]}")
    raise AssertionError(done.stderr)

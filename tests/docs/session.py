"""A reader who follows a page: one folder, one shell whose variables and folder go on from block to block."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 180.0
_KEPT = "\nstatus=$?; pwd > {0}/pwd; env -0 > {0}/env; exit $status"


class Session:
    """Runs blocks; `stands_for` are the words of the pages and what they are in this test."""

    def __init__(self, folder: Path, environment: Mapping[str, str], stands_for: Mapping[str, str]) -> None:
        self.folder = folder
        self.output = ""
        self._here = folder
        self._environment = dict(environment)
        self._stands_for = stands_for
        self._state = folder.parent / f"{folder.name}-state"
        self._state.mkdir()
        self._background: list[subprocess.Popen[bytes]] = []

    def text(self, text: str) -> str:
        """A page's text with this test's addresses and folders."""
        for pattern, real in self._stands_for.items():
            text = re.sub(pattern, real, text)
        return text

    def run(self, block: str) -> None:
        """The block must succeed; what it printed is `output`."""
        script = self.text(block) + _KEPT.format(self._state)
        done = subprocess.run(
            ["sh", "-euc", script],
            cwd=self._here,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        self.output = done.stdout
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        self._here = Path((self._state / "pwd").read_text().strip())
        kept = (self._state / "env").read_text().split("\0")
        self._environment = dict(line.split("=", 1) for line in kept if line)

    def start(self, block: str, until: str) -> None:
        """The block goes on until `close()`; wait until it has printed `until`."""
        log = self._state / f"background-{len(self._background)}"
        with log.open("wb") as file:
            script = f"exec {self.text(block).strip()}"
            started = subprocess.Popen(
                ["sh", "-euc", script],
                cwd=self._here,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._background.append(started)
        end = time.monotonic() + PATIENCE
        while until not in log.read_text():
            assert started.poll() is None and time.monotonic() < end, f"{script}\n{log.read_text()}"
            time.sleep(0.02)
        self.output = log.read_text()

    def expect(self, shown: str) -> None:
        """Each line of `shown` is in what was printed last, with anything for `…`, and blanks alike."""
        printed = "\n".join(" ".join(line.split()) for line in self.output.splitlines())
        for line in self.text(shown).splitlines():
            pattern = ".*".join(re.escape(" ".join(part.split())) for part in line.split("…"))
            assert re.search(pattern, printed), f"{line!r} is not in:\n{printed}"

    def write(self, filename: str, text: str) -> Path:
        file = self.folder / filename
        assert self.folder in file.resolve().parents
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.text(text))
        return file

    def close(self) -> None:
        for started in self._background:
            started.terminate()
        for started in self._background:
            started.wait(PATIENCE)


def environment(home: Path, **more: str) -> dict[str, str]:
    """A reader's environment: the programs of this environment on the path, and nothing that would steer them."""
    steering = ("ORBITALREG", "PYTEST_", "PYTHON", "PIP_", "UV_", "TWINE_", "POETRY_", "VIRTUAL_ENV")
    ours = {key: value for key, value in os.environ.items() if not key.startswith(steering)}
    path = os.pathsep.join([str(Path(sys.executable).parent), ours.get("PATH", os.defpath)])
    quiet = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_COMPILE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "NO_COLOR": "1",
        "COLUMNS": "200",
        "LANG": "C.UTF-8",
    }
    return ours | quiet | {"PATH": path, "HOME": str(home), "UV_CACHE_DIR": str(home / ".cache" / "uv")} | more

"""The version of a scanner's tool, within a child process: asked for once, and again where the program is another."""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from orbitalreg.errors import ScannerFailed
from orbitalreg.interfaces import Runner, Scanner, Tool
from orbitalreg.interfaces.tools import version_of

AGAIN_SECONDS = 600.0
"""What is at the program's place may only start the tool itself, and stay as it is when that is upgraded."""


@dataclass(frozen=True, slots=True)
class _Told:
    identity: tuple[int, ...]
    at: float
    version: str


class Versions:
    """Of one scanner at a time. Starting a large tool takes a hundred milliseconds; a look at its file takes none."""

    def __init__(self, run: Runner) -> None:
        self._run = run
        self._told: dict[Path, _Told] = {}

    def of(self, scanner: Scanner) -> str:
        """The scanner's own version, else its tool's, else empty. Raises `ScannerFailed`, and what the scanner does."""
        own = scanner.version
        tool = scanner.tool if not own else None
        return self._of(tool) if tool is not None else own

    def _of(self, tool: Tool) -> str:
        identity = _identity(tool.program)
        told = self._told.get(tool.program)
        if told is None or told.identity != identity or time.monotonic() - told.at > AGAIN_SECONDS:
            with tempfile.TemporaryDirectory() as folder:
                version = version_of(tool, self._run, Path(folder))
            told = self._told[tool.program] = _Told(identity, time.monotonic(), version)
        return told.version


def _identity(program: Path) -> tuple[int, ...]:
    """Of the file behind all links: one that replaces it, or is written into it, has another."""
    try:
        found = os.stat(program)
    except OSError as error:
        raise ScannerFailed(f"{program.name} is not there any more: {error.strerror}") from error
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

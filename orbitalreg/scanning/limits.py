"""What one question may take of a child with all that it started: time, memory, and room in scratch folders."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orbitalreg.errors import ScannerFailed
from orbitalreg.scanning import processes, scratch

TICK = 0.25
"""Seconds between two looks at the memory."""
DISK_SECONDS = 1.0
DISK_SHARE = 20
"""Folders are looked at once in so many seconds, and more seldom where a look takes long: not more than a part of this
of the time.
"""


class Exceeded(ScannerFailed):
    """A scanner went beyond its limits, or answered nonsense: the same question would end so again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one question: seconds, bytes of memory, bytes in scratch folders."""

    seconds: float = 300.0
    memory: int = 2 << 30
    disk: int = 4 << 30


class Meter:
    """Begins with the question."""

    def __init__(self, limits: Limits, seconds: float, leader: int, folders: Sequence[Path]) -> None:
        """`leader` is the process whose session is measured; `seconds` count in the place of the limits' own."""
        self._limits = limits
        self._seconds = seconds
        self._leader = leader
        self._folders = folders
        self._end = time.monotonic() + seconds
        self._memory_due = time.monotonic() + TICK
        self._disk_due = time.monotonic() + DISK_SECONDS

    def check(self) -> None:
        """Raises `Exceeded`. To be called often: it measures where that is due."""
        at = time.monotonic()
        if at > self._end:
            raise Exceeded(f"it took more than {self._seconds:g} seconds")
        if at > self._memory_due:
            if processes.resident(self._leader) > self._limits.memory:
                raise Exceeded(f"it took more than {self._limits.memory} bytes of memory")
            self._memory_due = time.monotonic() + TICK
        if at > self._disk_due:
            self._check_disk()

    def _check_disk(self) -> None:
        began = time.monotonic()
        if sum(scratch.held(folder, self._limits.disk) for folder in self._folders) > self._limits.disk:
            raise Exceeded(f"it wrote more than {self._limits.disk} bytes into its scratch folders")
        took = time.monotonic() - began
        self._disk_due = time.monotonic() + max(DISK_SECONDS, DISK_SHARE * took)

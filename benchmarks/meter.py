"""CPU time and memory of a server's processes, from /proc."""

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    """Filled in when the measured block ends. `added_mb` only where memory was watched."""

    cpu: float = 0.0  # seconds
    added_mb: float | None = None


@contextmanager
def usage(pid: int, memory: bool = False) -> Iterator[Usage]:
    """What the process tree of `pid` uses during the block; watching its memory costs it a little."""
    found, peak, done = Usage(), 0.0, threading.Event()
    before = memory_mb(pid) if memory else 0.0

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, memory_mb(pid))

    watcher = threading.Thread(target=watch, daemon=True)
    if memory:
        watcher.start()
    start = cpu_seconds(pid)
    try:
        yield found
    finally:
        found.cpu = cpu_seconds(pid) - start
        done.set()
        if memory:
            watcher.join()
            found.added_mb = max(0.0, peak - before)


def settle(pid: int, limit: float = 10.0) -> None:
    """Wait until the server has finished what the last client left it with."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        start = cpu_seconds(pid)
        time.sleep(0.1)
        if cpu_seconds(pid) - start <= 0.02:
            return


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree, with that of its children that have ended."""
    total = 0
    for process in _tree(pid):
        with suppress(OSError):
            # The name may hold spaces. utime, stime, cutime and cstime are fields 14 to 17 of proc(5).
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def memory_mb(pid: int) -> float:
    """Proportional set size of the tree: a page that two processes share counts once."""
    total = 0
    for process in _tree(pid):
        with suppress(OSError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def sync_ms(folder: Path, times: int = 50) -> float:
    """What it takes to sync a small file there (median): every store that keeps its word pays it for each upload."""
    took = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 1000)
            begin = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(took)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for process in found:
        with suppress(OSError):
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found

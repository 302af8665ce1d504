"""What a run was made on, and with."""

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.meter import sync_ms
from benchmarks.plan import Bench


def about(bench: Bench, size: str, load: float) -> dict[str, str]:
    """Lines for the report, when all is measured. `load` is that of the machine when it began."""
    revision = subprocess.run(
        ["git", "-C", bench.source, "describe", "--always", "--dirty"], capture_output=True, text=True
    )
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "sizes": f"{size}; {bench.sizes.rounds} rounds of {bench.sizes.seconds} s",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()} GB; {platform.system()} {platform.release()}",
        "load": f"{load:.1f} when it began, {os.getloadavg()[0]:.1f} when it ended",
        "sync of a small file": f"{sync_ms(bench.home):.1f} ms",
        "revision": revision.stdout.strip() or "not known",
        "versions": ", ".join(_versions(bench.installed)),
        **{f"how {name} ran": text for name, text in bench.abouts.items()},
    }


def _versions(installed: dict[str, str]) -> list[str]:
    """Each tool says its version in its own words and on either stream."""
    found = [f"Python {platform.python_version()}", *(f"{name} {version}" for name, version in installed.items())]
    for command in (["nginx", "-v"], ["wrk", "-v"], [str(Path(sys.executable).with_name("uv")), "--version"]):
        run = subprocess.run(command, capture_output=True, text=True)
        version = re.search(r"\d+(\.\d+)+", run.stdout + run.stderr)
        found.append(f"{Path(command[0]).name} {version[0] if version else 'of an unknown version'}")
    return found


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> int:
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9)

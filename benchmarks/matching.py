"""The scanner `osv`: a dump read into its index, and names and versions judged by it, in a process of its own."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.corpus import Sizes
from benchmarks.load import LoadFailed, Sample
from benchmarks.points import OURS, Point

TREE = Path(__file__).resolve().parent.parent
DUMP = Path(os.environ.get("ORBITALREG_SHARED", TREE.parent / "shared")) / "data" / "pypa-osv.zip"
MISSING = f"matching is left out: it needs {DUMP.name} in ../shared/data, or in $ORBITALREG_SHARED/data"
PATIENCE = 300.0
CPU = "s of CPU"


def matching(programs: Path, home: Path, sizes: Sizes) -> Iterator[Point]:
    """`programs` has the plugin. Memory is the whole process' at its peak."""
    home.mkdir(parents=True, exist_ok=True)

    def run(what: str, which: int) -> Callable[[], Sample]:
        def once() -> Sample:
            command = [programs / "python", TREE / "benchmarks" / "judging.py", what, home, DUMP, str(sizes.pairs)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
            if done.returncode:
                raise LoadFailed(done.stderr.strip()[-200:])
            told = json.loads(done.stdout)
            return Sample(told["seconds"][which], memory_mb=told["memory_mb"])

        return once

    yield Point("index a dump of 2,661 records; memory", "", CPU, {OURS: run("index", 0)}, reference="")
    for which, variant in enumerate(("in a new process", "again")):
        work = f"judge {sizes.pairs:,} (name, version) pairs; memory"
        yield Point(work, variant, CPU, {OURS: run("judge", which)}, reference="")

"""The graph of dependencies: built for the first time, and kept in step, in a process of its own."""

import json
import statistics
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.corpus import Sizes
from benchmarks.load import LoadFailed, Sample
from benchmarks.points import OURS, Bound, Point

TREE = Path(__file__).resolve().parent.parent
PATIENCE = 1800.0
SMALL = 1000
ONCE = 0.1
"""Of the rounds: a build takes minutes, and all figures of one graph are of one run."""


def graphing(programs: Path, home: Path, sizes: Sizes) -> Iterator[Point]:
    """Memory is the whole process' at its peak."""

    @cache
    def told(count: int) -> dict[str, Any]:
        command = [programs / "python", TREE / "benchmarks" / "graphs.py", home / str(count), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise LoadFailed(done.stderr.strip()[-200:])
        return dict(json.loads(done.stdout))

    def run(count: int, name: str, factor: float) -> Callable[[], Sample]:
        def once() -> Sample:
            said = told(count)
            value = statistics.median(said[name]) if isinstance(said[name], list) else said[name]
            return Sample(value * factor, memory_mb=said["memory_mb"] if name == "build" else None)

        return once

    for count in (SMALL, sizes.graphed):
        variant = f"{count:,} versions"
        for work, name, unit, factor, bounds in (
            ("build the graph, five requirements each; memory", "build", "s of CPU", 1, ()),
            ("a finding with 1,000 dependents", "finding", "ms of CPU", 1000, (Bound("value", 100, False),)),
            ("one more version", "upload", "ms of CPU", 1000, ()),
            ("the catalog with the graph", "with_graph_mb", "MB", 1, ()),
            ("the catalog without", "catalog_mb", "MB", 1, ()),
        ):
            yield Point(work, variant, unit, {OURS: run(count, name, factor)}, bounds, "", ONCE)

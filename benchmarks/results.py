"""What was measured, kept by workload: results.json, from which the report and the picture are made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.plan import WORKLOADS
from benchmarks.plot import draw
from benchmarks.points import Result


@dataclass(frozen=True)
class Run:
    """The results of one workload, and what they were made on."""

    about: dict[str, str]
    results: list[Result]


def read(folder: Path) -> dict[str, Run]:
    """What the folder keeps; nothing at first."""
    kept = folder / "results.json"
    if not kept.exists():
        return {}
    return {
        name: Run(run["about"], [Result.of_json(result) for result in run["results"]])
        for name, run in json.loads(kept.read_text()).items()
    }


def write(folder: Path, runs: Mapping[str, Run]) -> None:
    """The three files, the workloads in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    ordered = {name: runs[name] for name in WORKLOADS if name in runs}
    record = {
        name: {"about": run.about, "results": [result.as_json() for result in run.results]}
        for name, run in ordered.items()
    }
    (folder / "results.json").write_text(json.dumps(record, indent=1) + "\n")
    titled = [(WORKLOADS[name], run.about, run.results) for name, run in ordered.items()]
    (folder / "results.md").write_text(report.render(titled))
    (folder / "results.svg").write_text(draw([result for run in ordered.values() for result in run.results]))

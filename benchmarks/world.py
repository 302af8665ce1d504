"""The graph of a real world: one version that asks for every real package that an index on loopback has."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.corpus import Sizes, Wheel
from benchmarks.load import LoadFailed, Sample
from benchmarks.matching import DUMP
from benchmarks.points import OURS, Point
from benchmarks.proxies import fetched, start_upstream
from benchmarks.realindex import build_tree, installed

TREE = Path(__file__).resolve().parent.parent
PATIENCE = 700.0
ONCE = 0.1
"""Of the rounds: all figures are of one run."""
MISSING = f"world is left out: it needs {DUMP.name} in ../shared/data, or in $ORBITALREG_SHARED/data"
INSTALLS = ("flask", "celery", "jupyterlab", "ansible", "pytest", "sphinx", "cyclonedx-python-lib")
"""What is audited, of these what there is: each by itself, and all together."""
TOLD = (
    ("until nothing waits; memory", "seconds", "s"),
    ("CPU time, the scanner's included", "cpu_seconds", "s"),
    ("asked of the upstream", "fetched", "requests"),
    ("packages", "packages", ""),
    ("versions", "versions", ""),
    ("requirements", "edges", ""),
    ("requirements without a version, distinct", "dead_ends", ""),
    ("versions whose requirements are not known", "unreadable", ""),
    ("findings of all versions that are listed", "findings", ""),
    ("exposures of what is held", "exposures", ""),
    ("the catalog", "catalog_mb", "MB"),
    ("the picture", "svg_mb", "MB"),
)


class World:
    """Followed once, when a figure is asked for first; the upstream runs until `close`."""

    def __init__(self, programs: Path, work: Path, home: Path, sizes: Sizes) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._programs, self.home = programs, home
        self.index = installed([*TREE.glob(".venv*"), work / "env"], sizes.real)
        self.packages = sorted({one.package for one in self.index})
        build_tree(self.index, home / "tree")
        self._upstream = start_upstream(home / "tree", home)

    def close(self) -> None:
        self._upstream.stop()

    @cached_property
    def told(self) -> dict[str, Any]:
        wheel = Wheel("world", "1.0", requires=tuple(self.packages))
        (self.home / wheel.filename).write_bytes(wheel.content())
        said = {"filename": wheel.filename, "metadata": wheel.metadata(), "needs": wheel.requires}
        (self.home / "world.json").write_text(json.dumps(said))
        before = fetched(self._upstream)
        command = [self._programs / "python", TREE / "benchmarks" / "worlds.py", self.home, self._upstream.simple, DUMP]
        told = dict(json.loads(_run(command)))
        told["fetched"] = fetched(self._upstream) - before
        told["svg_mb"] = len(self.ask("graph", "acme/all/world", "--svg")) / 1e6
        told["exposures"] = len(self._exposures())
        return told

    def ask(self, command: str, *arguments: str) -> str:
        """What the command says of `acme/all`."""
        config = ("--config", self.home / "orbitalreg.toml")
        return _run([self._programs / "orbitalreg", command, *arguments, *config])

    def some_id(self) -> str:
        """A vulnerability that the world is exposed to; one of another package where there is none."""
        ids = [str(one["exposure"]["finding"]["id"]) for one in self._exposures()]
        return next(iter(ids), "CVE-2019-10906")

    def _exposures(self) -> list[dict[str, Any]]:
        return list(json.loads(self.ask("findings", "acme/all/world", "--json"))["exposures"])


def _run(command: Sequence[object]) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise LoadFailed(done.stderr.strip()[-200:])
    return done.stdout


def following(programs: Path, work: Path, home: Path, sizes: Sizes) -> Iterator[Point]:
    """`programs` has the plugin osv, `work` the environments. Commands are whole processes, from their start on."""
    if not DUMP.exists():
        print(MISSING, file=sys.stderr)
        return
    world = World(programs, work, home, sizes)
    variant = f"{len(world.packages)} real packages"

    def figure(name: str) -> Callable[[], Sample]:
        return lambda: Sample(world.told[name], memory_mb=world.told["memory_mb"] if name == "seconds" else None)

    def command(*words: str) -> Callable[[], Sample]:
        def once() -> Sample:
            _ = world.told
            asked = [world.some_id() if word == "ID" else word for word in words]
            began = time.perf_counter()
            world.ask(*asked)
            return Sample(time.perf_counter() - began)

        return once

    try:
        for work_said, name, unit in TOLD:
            yield Point(work_said, variant, unit, {OURS: figure(name)}, (), "", ONCE)
        for words in _commands(world.packages):
            yield Point(f"`orbitalreg {' '.join(words)}`", variant, "s", {OURS: command(*words)}, (), "")
    finally:
        world.close()


def _commands(packages: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield "graph", "acme/all/world"
    yield "graph", "acme/all/world", "--svg"
    yield "findings", "acme/all"
    yield "affected", "ID", "--repo", "acme/all"
    audited = [package for package in INSTALLS if package in packages]
    yield from (("audit-install", "acme/all", package) for package in audited)
    if len(audited) > 1:
        yield "audit-install", "acme/all", *audited

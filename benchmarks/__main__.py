"""`python -m benchmarks`: fill the servers, measure, write results.{json,md,svg}."""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import corpus, report, workloads
from benchmarks.corpus import Sizes
from benchmarks.meter import sync_ms
from benchmarks.plot import draw
from benchmarks.servers import Devpi, Nginx, OrbitalReg, Peer, Pypiserver, Server, environment, start_sink, versions
from benchmarks.workloads import Point, Result

TREE = Path(__file__).resolve().parent.parent
MISSING = "needs {}: as root, apt-get install nginx-light wrk"


def main() -> None:
    options = _options()
    os.environ["PATH"] += f"{os.pathsep}/usr/sbin"  # where nginx is, and not everybody looks
    if missing := [tool for tool in ("nginx", "wrk") if not shutil.which(tool)]:
        sys.exit(f"benchmarks: {MISSING.format(' and '.join(missing))}")
    sizes = {"full": corpus.FULL, "quick": corpus.QUICK, "smoke": corpus.SMOKE}[options.size]
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    output = options.output or (TREE / "benchmarks" if options.size == "full" else work / options.size)
    _give_up_after(sizes.minutes)
    bench = _prepare(work, options.size, sizes, options.source.resolve())
    about = _about(bench, sizes, options.size, options.source)
    results: list[Result] = []
    try:
        _measure(bench, sizes, results)
    finally:  # what was measured before a fault or the end of the time is worth keeping
        if results:
            output.mkdir(parents=True, exist_ok=True)
            record = {"about": about, "results": [result.as_json() for result in results]}
            (output / "results.json").write_text(json.dumps(record, indent=1) + "\n")
            (output / "results.md").write_text(report.render(results, about))
            (output / "results.svg").write_text(draw(results))
            print(f"benchmarks: {output / 'results.md'}")
    if faults := report.faults(results):
        sys.exit("\n".join(faults))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="OrbitalReg beside devpi, pypiserver and nginx.")
    size = parser.add_mutually_exclusive_group()
    for name, text in (("quick", "smaller sizes, some minutes"), ("smoke", "tiny, without devpi and pypiserver")):
        size.add_argument(f"--{name}", dest="size", action="store_const", const=name, help=text)
    parser.set_defaults(size="full")
    parser.add_argument("--source", type=Path, default=TREE, help="the tree whose server is measured; else this one")
    parser.add_argument("--work", type=Path, default=TREE / ".bench", help="for environments and data")
    parser.add_argument("--output", type=Path, help="where the results go; the full run's go into benchmarks/")
    return parser.parse_args()


@dataclass(frozen=True)
class Bench:
    """The peers, filled."""

    nginx: Nginx
    ours: OrbitalReg
    small: OrbitalReg
    others: tuple[Peer, ...]  # those that take uploads
    files: int
    scratch: Path
    installed: dict[str, str]


def _prepare(work: Path, size: str, sizes: Sizes, source: Path) -> Bench:
    """Everything is filled one after the other, with nothing else running."""
    home, wheels = work / size, corpus.whole(sizes)
    kept = home / "corpus"
    kept.mkdir(parents=True, exist_ok=True)
    programs = environment(work, "orbitalreg", [source, source / "plugins" / "plugin_pypi"])
    installed = {"orbitalreg": versions(programs)["orbitalreg"], "waitress": versions(programs)["waitress"]}
    nginx = Nginx(home / "nginx", kept)
    ours, small = OrbitalReg(home / "ours", kept, programs), OrbitalReg(home / "ours-small", kept, programs)
    nginx.fill(wheels)
    ours.fill(wheels)
    small.fill(list(corpus.ordinary_wheels(range(sizes.small_store))))
    others: list[Peer] = []
    if size != "smoke":
        programs = environment(work, "devpi")
        devpi = Devpi(home / "devpi", kept, programs)
        devpi.fill(corpus.reduced(sizes))
        installed["devpi-server"] = versions(programs)["devpi-server"]
        programs = environment(work, "pypiserver")
        pypiserver = Pypiserver(home / "pypiserver", kept, programs)
        pypiserver.fill(wheels)
        installed["pypiserver"] = versions(programs)["pypiserver"]
        others = [devpi, pypiserver]
    return Bench(nginx, ours, small, tuple(others), len(wheels), home, installed)


def _measure(bench: Bench, sizes: Sizes, results: list[Result]) -> None:
    """Reading with everything up; uploads; then starts, with everything down."""

    def measured(points: Iterable[Point]) -> None:
        for point in points:
            results.append(workloads.measure(point, sizes.rounds))  # noqa: PERF401  # kept if the next one fails

    with ExitStack() as running:

        def up(server: Server) -> Server:
            running.callback(server.stop)
            return server

        ours, nginx = up(bench.ours.start()), up(bench.nginx.start())
        others = [up(peer.start()) for peer in bench.others]
        field = workloads.Field(ours, up(bench.ours.start_private()), up(bench.small.start()), (nginx, *others))
        measured(workloads.reading(field, sizes))
        sink = up(start_sink(bench.scratch))
        measured(workloads.uploading((sink, ours, *others), sizes, bench.scratch))
    measured(workloads.starting((bench.nginx, bench.ours, *bench.others), bench.files, sizes))


def _about(bench: Bench, sizes: Sizes, size: str, source: Path) -> dict[str, str]:
    revision = subprocess.run(["git", "-C", source, "describe", "--always", "--dirty"], capture_output=True, text=True)
    peers: tuple[Peer, ...] = (bench.nginx, bench.ours, *bench.others)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "sizes": f"{size}: {bench.files:,} files; {sizes.rounds} rounds of {sizes.seconds} s",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()} GB; {platform.system()} {platform.release()}",
        "load when it began": f"{os.getloadavg()[0]:.1f}",
        "sync of a small file": f"{sync_ms(bench.scratch):.1f} ms",
        "revision": revision.stdout.strip() or "not known",
        "versions": ", ".join(_versions(bench.installed)),
        **{f"how {peer.name} ran": peer.about for peer in peers},
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


def _give_up_after(minutes: int) -> None:
    """Whatever hangs, the run ends, and by an exception: every server is stopped."""

    def end(number: int, _: object) -> None:
        raise SystemExit(f"benchmarks: given up after {minutes} minutes" if number == signal.SIGALRM else 1)

    signal.signal(signal.SIGALRM, end)
    signal.signal(signal.SIGTERM, end)
    signal.alarm(minutes * 60)


if __name__ == "__main__":
    main()

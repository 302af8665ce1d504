"""`python -m benchmarks`: fill the servers, measure, write results.{json,md,svg}."""

import argparse
import os
import shutil
import signal
import sys
from contextlib import closing
from pathlib import Path

from benchmarks import corpus, machine, report
from benchmarks.plan import WORKLOADS, Bench, points
from benchmarks.points import Result, measure
from benchmarks.results import Run, read, write

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
    chosen = [name for name in WORKLOADS if name in (options.only or WORKLOADS)]
    _give_up_after(sizes.minutes)
    load = os.getloadavg()[0]
    bench = Bench(work, work / options.size, sizes, options.source.resolve(), options.size == "smoke")
    measured: dict[str, list[Result]] = {}
    try:
        with closing(points(bench, chosen)) as found:
            for name, point in found:
                measured.setdefault(name, []).append(measure(point, sizes.rounds))
    finally:  # what was measured before a fault or the end of the time is worth keeping
        if measured:
            about = machine.about(bench, options.size, load)
            write(output, read(output) | {name: Run(about, results) for name, results in measured.items()})
            print(f"benchmarks: {output / 'results.md'}")
    if faults := [line for results in measured.values() for line in report.faults(results)]:
        sys.exit("\n".join(faults))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="OrbitalReg beside devpi, pypiserver, proxpi and nginx."
    )
    size = parser.add_mutually_exclusive_group()
    for name, text in (("quick", "smaller sizes, some minutes"), ("smoke", "tiny, without the other registries")):
        size.add_argument(f"--{name}", dest="size", action="store_const", const=name, help=text)
    parser.set_defaults(size="full")
    parser.add_argument(
        "--only", nargs="+", choices=WORKLOADS, metavar="WORKLOAD",
        help=f"of {', '.join(WORKLOADS)}; the results of the others stay as they are",
    )  # fmt: skip
    parser.add_argument("--source", type=Path, default=TREE, help="the tree whose server is measured; else this one")
    parser.add_argument("--work", type=Path, default=TREE / ".bench", help="for environments and data")
    parser.add_argument("--output", type=Path, help="where the results go; the full run's go into benchmarks/")
    return parser.parse_args()


def _give_up_after(minutes: int) -> None:
    """Whatever hangs, the run ends, and by an exception: every server is stopped."""

    def end(number: int, _: object) -> None:
        raise SystemExit(f"benchmarks: given up after {minutes} minutes" if number == signal.SIGALRM else 1)

    signal.signal(signal.SIGALRM, end)
    signal.signal(signal.SIGTERM, end)
    signal.alarm(minutes * 60)


if __name__ == "__main__":
    main()

"""What scanners cost: uploads while four of them look at each file, and looking at everything anew."""

import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.corpus import Sizes, Wheel
from benchmarks.load import Sample, form, upload
from benchmarks.points import OURS, UPLOADS, Bound, Point
from benchmarks.running import HERE, Server, free_port, launch
from benchmarks.servers import OrbitalReg, upload_all

PLUGIN = {"PYTHONPATH": str(HERE / "scanners")}
WITHOUT = f"{OURS} without scanners"
FILES = "files/s"
PAUSE = 0.05
"""Seconds between two uploads of a team: what an answer costs, not what the machine can do at most."""


class Scanned(OrbitalReg):
    """The same with four toy scanners, whose database is a file."""

    about = "one process, its defaults, and four scanners that answer at once: what is measured is the host's work"

    def __init__(self, home: Path, corpus: Path, programs: Path) -> None:
        super().__init__(home, corpus, programs)
        self._database = home / "database"
        self.change()
        table = f'\n[plugins.bench]\ndatabase = "{self._database}"\n'
        (home / "scanned.toml").write_text((home / "open.toml").read_text() + table)

    def change(self) -> None:
        """Of the database, so that everything is to be looked at anew."""
        self._database.write_text(str(time.time_ns()))

    def start_scanning(self) -> Server:
        port = free_port()
        command = [self.program, "serve", "--config", self.home / "scanned.toml", "--listen", f"127.0.0.1:{port}"]
        path = "/pypi/acme/internal"
        server = launch(self.name, command, self.home, port, f"{path}/simple/", settings=PLUGIN)
        server.upload, server.headers = f"http://127.0.0.1:{port}{path}/legacy/", self.headers
        return server

    def work(self) -> float:
        """Do all that is due; the seconds it takes."""
        begin = time.perf_counter()
        command = [self.program, "worker", "--once", "--config", self.home / "scanned.toml"]
        with (self.home / "worker.log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, env={**os.environ, **PLUGIN})
        return time.perf_counter() - begin


def uploads_beside_scanners(plain: Server, scanned: Server, sizes: Sizes, folder: Path) -> Iterator[Point]:
    numbers = itertools.count()

    def run(server: Server, pause: float) -> Callable[[], Sample]:
        def send() -> Sample:
            wheels = [Wheel(f"scanned{next(numbers):06d}", "1.0.0") for _ in range(sizes.uploads)]
            forms = [form(wheel, wheel.content(), folder) for wheel in wheels]
            sample = upload(server.upload, forms, 1, server.pid, server.headers, pause=pause)
            assert sample.p50_ms
            return replace(sample, value=1e3 / sample.p50_ms) if pause else sample

        return send

    for variant, pause in ((f"{PAUSE:g} s after each; by the median answer", PAUSE), ("c=1", 0.0)):
        runs = {WITHOUT: run(plain, pause), OURS: run(scanned, pause)}
        bounds = (Bound("ratio", 0.9),) if pause else ()
        yield Point(f"{sizes.uploads} small uploads beside four scanners", variant, UPLOADS, runs, bounds, WITHOUT)


def rescanning(ours: Scanned, wheels: Sequence[Wheel]) -> Iterator[Point]:
    """By four scanners, after a change of their database."""
    server = ours.start()
    try:
        upload_all(server, wheels, ours.corpus, clients=4)
    finally:
        server.stop()
    ours.work()

    def run() -> Sample:
        ours.change()
        return Sample(len(wheels) / ours.work())

    yield Point(f"{len(wheels):,} files looked at anew by four scanners", "", FILES, {OURS: run}, (Bound("value", 20),),
                rounds_factor=1 / 3)  # fmt: skip  # minutes each

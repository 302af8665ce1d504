"""Uploads, small and large."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.corpus import Sizes, Wheel
from benchmarks.load import Sample, form, upload
from benchmarks.points import OURS, SPEED, UPLOADS, Bound, Point
from benchmarks.running import Server


def uploading(servers: tuple[Server, ...], sizes: Sizes, folder: Path) -> Iterator[Point]:
    """`servers`: the sink, ours, the peers that take uploads."""
    numbers = itertools.count()

    def small(server: Server, clients: int) -> Callable[[], Sample]:
        def run() -> Sample:
            wheels = [Wheel(f"fresh{next(numbers):06d}", "1.0.0") for _ in range(sizes.uploads)]
            forms = [form(wheel, wheel.content(), folder) for wheel in wheels]
            return upload(server.upload, forms, clients, server.pid, server.headers)

        return run

    def large(server: Server) -> Callable[[], Sample]:
        def run() -> Sample:
            wheel = Wheel("fresh", f"1.{next(numbers)}.0", payload=sizes.upload_mb * 1_000_000)
            form_ = form(wheel, wheel.content(), folder)
            try:
                sample = upload(server.upload, [form_], 1, server.pid, server.headers, memory=True)
            finally:
                if isinstance(form_.body, Path):
                    form_.body.unlink()
            return Sample(sample.value * sizes.upload_mb, sample.cpu_ms, memory_mb=sample.memory_mb)

        return run

    work = f"{sizes.uploads} small uploads"
    for clients in (1, 4):
        run = {server.name: small(server, clients) for server in servers}
        yield Point(work, f"c={clients}", UPLOADS, run, (Bound("ratio", 0.25),) if clients == 1 else (), "sink")
    ours = next(server for server in servers if server.name == OURS)
    alone = f"{OURS}, c=1"
    yield Point(f"{work}: four clients against one", "c=4", UPLOADS, {alone: small(ours, 1), OURS: small(ours, 4)},
                (Bound("ratio", 0.9),), alone)  # fmt: skip
    bounds = (Bound("ratio", 0.4), Bound("memory_mb", 16, at_least=False))
    yield Point(f"an upload of {sizes.upload_mb} MB", "c=1", SPEED, {s.name: large(s) for s in servers}, bounds, "sink")

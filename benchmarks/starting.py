"""From the start of a process to its first answer."""

from collections.abc import Callable, Iterator

from benchmarks.asking import page_load
from benchmarks.corpus import Sizes, ordinary
from benchmarks.load import Sample
from benchmarks.meter import memory_mb
from benchmarks.points import TIME, Bound, Point
from benchmarks.servers import Peer


def starting(peers: tuple[Peer, ...], files: int, sizes: Sizes) -> Iterator[Point]:
    """From the start of the process to the first package page, and its memory after a second of load."""

    def run(peer: Peer) -> Callable[[], Sample]:
        def start() -> Sample:
            server = peer.start(ordinary(1))
            try:
                kind = "JSON" if server.json_pages else "HTML"
                page_load(server, [server.page(ordinary(n)) for n in range(sizes.asked)], kind, 8, sizes)()
                return Sample(server.started_in, memory_mb=memory_mb(server.pid))
            finally:
                server.stop()

        return start

    bounds = (Bound("value", 0.7, at_least=False), Bound("memory_mb", 80, at_least=False))
    yield Point(f"start to the first page, {files:,} files; memory", "", TIME, {p.name: run(p) for p in peers}, bounds)

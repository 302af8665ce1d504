"""Reading from servers that hold everything: pages, the list of packages, files, installs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.asking import compressed_load, file_load, install_run, kinds, page_load, speaking, unchanged_load
from benchmarks.corpus import CLOSURE, LARGE, Sizes, of_many, ordinary
from benchmarks.load import Sample
from benchmarks.points import OURS, RATE, SPEED, TIME, Bound, Point
from benchmarks.running import Server


@dataclass(frozen=True)
class Field:
    """What runs while reading is measured. `private` is our server over the same data, which wants a token; `small`
    is our server over a small store."""

    ours: Server
    private: Server
    small: Server
    peers: tuple[Server, ...]  # nginx is the first

    @property
    def all(self) -> tuple[Server, ...]:
        return (self.peers[0], self.ours, *self.peers[1:])


def reading(servers: Field, sizes: Sizes) -> Iterator[Point]:
    yield from _package_pages(servers, sizes)
    for files in sizes.pages:
        yield from _long_pages(servers, sizes, files)
    work = f"list of {sizes.packages:,} packages"
    bounds: dict[str, tuple[Bound, ...]] = {"JSON": (Bound("ratio", 0.04),), "HTML": ()}
    for kind in kinds(sizes):
        run = {
            server.name: page_load(server, [server.simple], kind, 8, sizes) for server in speaking(servers.all, kind)
        }
        yield Point(work, f"{kind}, c=8", RATE, run, bounds[kind])
    yield from _downloads(servers, sizes)
    yield from _installs(servers)


def _package_pages(servers: Field, sizes: Sizes) -> Iterator[Point]:
    asked = [ordinary(number) for number in range(sizes.asked)]
    work, target = "package page, 5 files", (Bound("ratio", 0.045), Bound("cpu_ms", 0.37, at_least=False))

    def runs(among: tuple[Server, ...], kind: str) -> dict[str, Callable[[], Sample]]:
        return {
            server.name: page_load(server, [server.page(name) for name in asked], kind, 8, sizes)
            for server in speaking(among, kind)
        }

    yield Point(work, "JSON, c=8", RATE, runs(servers.all, "JSON"), target)
    yield Point(work, "JSON, c=8, with a token", RATE, runs((servers.peers[0], servers.private), "JSON"), target)
    if "HTML" in kinds(sizes):
        yield Point(work, "HTML, c=8", RATE, runs(servers.all, "HTML"))
    few = asked[: sizes.small_store]
    small, full = f"{OURS}, small store", OURS
    run = {
        small: page_load(servers.small, [servers.small.page(name) for name in few], "JSON", 8, sizes),
        full: page_load(servers.ours, [servers.ours.page(name) for name in few], "JSON", 8, sizes),
    }
    yield Point(f"{work}: {small} ({len(few) * 5} files) against the full one", "JSON, c=8", RATE, run,
                (Bound("ratio", 0.9),), small)  # fmt: skip


def _long_pages(servers: Field, sizes: Sizes, files: int) -> Iterator[Point]:
    work, package = f"package page, {files:,} files", of_many(files)
    nginx, quarter = servers.peers[0], Bound("ratio", 0.25)
    holders = tuple(server for server in servers.all if server.name != "devpi" or files == min(sizes.pages))
    bounds: tuple[Bound, ...]
    for connections in (1, 8) if sizes.thorough else (1,):
        among = holders if connections == 1 else (nginx, servers.ours)
        bounds = (quarter,) if connections == 1 else ()
        run = {s.name: page_load(s, [s.page(package)], "JSON", connections, sizes) for s in speaking(among, "JSON")}
        yield Point(work, f"JSON, c={connections}", RATE, run, bounds)
        run = {s.name: compressed_load(s, package, connections, sizes) for s in (nginx, servers.ours)}
        yield Point(work, f"JSON, gzip, c={connections}", RATE, run, bounds)
        run = {s.name: unchanged_load(s, package, connections, sizes) for s in (nginx, servers.ours)}
        yield Point(work, f"JSON, If-None-Match, c={connections}", RATE, run,
                    (Bound("ratio", 0.2),) if connections == 1 else ())  # fmt: skip
    if "HTML" in kinds(sizes):
        run = {s.name: page_load(s, [s.page(package)], "HTML", 1, sizes) for s in holders if s.name != "devpi"}
        yield Point(work, "HTML, c=1", RATE, run)


def _downloads(servers: Field, sizes: Sizes) -> Iterator[Point]:
    count = min(50, sizes.asked)
    run = {server.name: file_load(server, [ordinary(n) for n in range(count)], sizes) for server in servers.all}
    yield Point(f"{count * 5} small wheels", "c=8", RATE, run, (Bound("ratio", 0.05),))
    run = {server.name: file_load(server, [LARGE], sizes, megabytes=True) for server in servers.all}
    yield Point(f"a wheel of {sizes.wheel_mb} MB", "c=8", SPEED, run, (Bound("ratio", 0.55),))


def _installs(servers: Field) -> Iterator[Point]:
    for dry, variant in ((True, "dry run"), (False, "to an empty folder")):
        run = {server.name: install_run(server, CLOSURE, dry) for server in servers.all}
        yield Point("uv pip install of the closure", variant, TIME, run,
                    (Bound("ratio", 1.15, at_least=False),), rounds_factor=2)  # fmt: skip

"""The points that are measured, each as a function per server, and how one point is run."""

import html
import itertools
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

from benchmarks.corpus import CLOSURE, LARGE, Sizes, Wheel, of_many, ordinary
from benchmarks.load import LoadFailed, Sample, form, install, read, upload
from benchmarks.meter import memory_mb
from benchmarks.servers import OrbitalReg, Peer, Server, fetch
from benchmarks.statictree import JSON_PAGE

OURS = OrbitalReg.name
ACCEPT = {"JSON": JSON_PAGE, "HTML": "text/html"}
RATE, SPEED, UPLOADS, TIME = "requests/s", "MB/s", "uploads/s", "s"


@dataclass(frozen=True)
class Bound:
    """What our figure has to reach. `of`: ratio or cpu_ratio (to the point's reference), cpu_ms, value, memory_mb."""

    of: str
    limit: float
    at_least: bool = True

    def met(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit


@dataclass(frozen=True)
class Point:
    work: str
    variant: str
    unit: str
    run: dict[str, Callable[[], Sample]]  # by server; in this order in each round
    bounds: tuple[Bound, ...] = ()
    reference: str = "nginx"
    rounds_factor: int = 1


@dataclass
class Figures:
    """Medians of one server at one point; `spread` is (largest - smallest) / median of the value over the rounds."""

    value: float | None = None
    ratio: float | None = None  # median over the rounds of the ratio to the reference in the same round
    spread: float | None = None
    cpu_ms: float | None = None
    cpu_ratio: float | None = None  # as `ratio`, of CPU time a request
    p50_ms: float | None = None
    p99_ms: float | None = None
    bytes: float | None = None
    memory_mb: float | None = None
    fault: str | None = None
    values: list[float] = field(default_factory=list)  # of each round


@dataclass
class Result:
    """A point with its figures, as it is kept in results.json."""

    work: str
    variant: str
    unit: str
    reference: str
    bounds: list[Bound]
    figures: dict[str, Figures] = field(default_factory=dict)

    @property
    def ours(self) -> Figures:
        return self.figures[OURS]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(point: Point, rounds: int) -> Result:
    """Interleaved rounds: A B C A B C. A server that fails at a point is a result, not the end of the run."""
    samples: dict[str, list[Sample | None]] = {name: [] for name in point.run}
    faults: dict[str, str] = {}
    for number in range(rounds * point.rounds_factor):
        for name, run in point.run.items():
            try:
                sample = run()
            except (LoadFailed, OSError, RuntimeError, TimeoutError) as error:
                faults[name] = str(error) or repr(error)
                samples[name].append(None)
                continue
            samples[name].append(sample)
            said = f"{point.work}, {point.variant}: {name} {sample.value:.4g} {point.unit}"
            print(f"  {number + 1} {said}", file=sys.stderr)
    result = Result(point.work, point.variant, point.unit, point.reference, list(point.bounds))
    for name, its in samples.items():
        result.figures[name] = _figures(its, samples.get(point.reference, []), faults.get(name))
    return result


def _figures(samples: list[Sample | None], reference: list[Sample | None], fault: str | None) -> Figures:
    good = [sample for sample in samples if sample]
    if not good:
        return Figures(fault=fault)
    values = [sample.value for sample in good]
    ratios = [mine.value / its.value for mine, its in zip(samples, reference, strict=False) if mine and its]
    cpu = [
        mine.cpu_ms / its.cpu_ms
        for mine, its in zip(samples, reference, strict=False)
        if mine and its and mine.cpu_ms and its.cpu_ms
    ]
    middle = statistics.median(values)
    figures = Figures(middle, statistics.median(ratios) if ratios else None, fault=fault, values=values)
    figures.cpu_ratio = statistics.median(cpu) if cpu else None
    figures.spread = (max(values) - min(values)) / middle if len(values) > 1 else None
    for name in ("cpu_ms", "p50_ms", "p99_ms", "bytes", "memory_mb"):
        known = [value for sample in good if (value := getattr(sample, name)) is not None]
        setattr(figures, name, statistics.median(known) if known else None)
    return figures


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
    for kind in _kinds(sizes):
        run = {server.name: _page(server, [server.simple], kind, 8, sizes) for server in _speaking(servers.all, kind)}
        yield Point(work, f"{kind}, c=8", RATE, run, bounds[kind])
    yield from _downloads(servers, sizes)
    yield from _installs(servers)


def _package_pages(servers: Field, sizes: Sizes) -> Iterator[Point]:
    asked = [ordinary(number) for number in range(sizes.asked)]
    work, target = "package page, 5 files", (Bound("ratio", 0.045), Bound("cpu_ms", 0.37, at_least=False))

    def runs(among: tuple[Server, ...], kind: str) -> dict[str, Callable[[], Sample]]:
        return {
            server.name: _page(server, [server.page(name) for name in asked], kind, 8, sizes)
            for server in _speaking(among, kind)
        }

    yield Point(work, "JSON, c=8", RATE, runs(servers.all, "JSON"), target)
    yield Point(work, "JSON, c=8, with a token", RATE, runs((servers.peers[0], servers.private), "JSON"), target)
    yield _signing_in(servers.ours, work, asked, sizes)
    if "HTML" in _kinds(sizes):
        yield Point(work, "HTML, c=8", RATE, runs(servers.all, "HTML"))
    few = asked[: sizes.small_store]
    small, full = f"{OURS}, small store", OURS
    run = {
        small: _page(servers.small, [servers.small.page(name) for name in few], "JSON", 8, sizes),
        full: _page(servers.ours, [servers.ours.page(name) for name in few], "JSON", 8, sizes),
    }
    yield Point(f"{work}: {small} ({len(few) * 5} files) against the full one", "JSON, c=8", RATE, run,
                (Bound("ratio", 0.9),), small)  # fmt: skip


def _signing_in(ours: Server, work: str, asked: list[str], sizes: Sizes) -> Point:
    """The same page of the same server without a token and with one."""
    anonymous, urls = f"{OURS}, anonymous", [ours.page(name) for name in asked]
    headers = {"Accept": JSON_PAGE}

    def run(more: dict[str, str]) -> Callable[[], Sample]:
        return lambda: read(urls, 8, int(sizes.seconds), ours.pid, headers | more)

    return Point(f"{work}: signed in against {anonymous}", "JSON, c=8", RATE,
                 {anonymous: run({}), OURS: run(ours.headers)}, (Bound("cpu_ratio", 1.10, at_least=False),),
                 anonymous, rounds_factor=2)  # fmt: skip


def _long_pages(servers: Field, sizes: Sizes, files: int) -> Iterator[Point]:
    work, package = f"package page, {files:,} files", of_many(files)
    nginx, quarter = servers.peers[0], Bound("ratio", 0.25)
    holders = tuple(server for server in servers.all if server.name != "devpi" or files == min(sizes.pages))
    bounds: tuple[Bound, ...]
    for connections in (1, 8) if sizes.thorough else (1,):
        among = holders if connections == 1 else (nginx, servers.ours)
        bounds = (quarter,) if connections == 1 else ()
        run = {s.name: _page(s, [s.page(package)], "JSON", connections, sizes) for s in _speaking(among, "JSON")}
        yield Point(work, f"JSON, c={connections}", RATE, run, bounds)
        run = {s.name: _compressed(s, package, connections, sizes) for s in (nginx, servers.ours)}
        yield Point(work, f"JSON, gzip, c={connections}", RATE, run, bounds)
        run = {s.name: _unchanged(s, package, connections, sizes) for s in (nginx, servers.ours)}
        yield Point(work, f"JSON, If-None-Match, c={connections}", RATE, run,
                    (Bound("ratio", 0.2),) if connections == 1 else ())  # fmt: skip
    if "HTML" in _kinds(sizes):
        run = {s.name: _page(s, [s.page(package)], "HTML", 1, sizes) for s in holders if s.name != "devpi"}
        yield Point(work, "HTML, c=1", RATE, run)


def _downloads(servers: Field, sizes: Sizes) -> Iterator[Point]:
    count = min(50, sizes.asked)
    run = {server.name: _files(server, [ordinary(n) for n in range(count)], sizes) for server in servers.all}
    yield Point(f"{count * 5} small wheels", "c=8", RATE, run, (Bound("ratio", 0.05),))
    run = {server.name: _files(server, [LARGE], sizes, megabytes=True) for server in servers.all}
    yield Point(f"a wheel of {sizes.wheel_mb} MB", "c=8", SPEED, run, (Bound("ratio", 0.55),))


def _installs(servers: Field) -> Iterator[Point]:
    for dry, variant in ((True, "dry run"), (False, "to an empty folder")):
        run = {server.name: _install(server, dry) for server in servers.all}
        yield Point("uv pip install of the closure", variant, TIME, run,
                    (Bound("ratio", 1.15, at_least=False),), rounds_factor=2)  # fmt: skip


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


def starting(peers: tuple[Peer, ...], files: int, sizes: Sizes) -> Iterator[Point]:
    """From the start of the process to the first package page, and its memory after a second of load."""

    def run(peer: Peer) -> Callable[[], Sample]:
        def start() -> Sample:
            server = peer.start(ordinary(1))
            try:
                kind = "JSON" if server.json_pages else "HTML"
                _page(server, [server.page(ordinary(n)) for n in range(sizes.asked)], kind, 8, sizes)()
                return Sample(server.started_in, memory_mb=memory_mb(server.pid))
            finally:
                server.stop()

        return start

    bounds = (Bound("value", 0.7, at_least=False), Bound("memory_mb", 80, at_least=False))
    yield Point(f"start to the first page, {files:,} files; memory", "", TIME, {p.name: run(p) for p in peers}, bounds)


def _kinds(sizes: Sizes) -> tuple[str, ...]:
    return ("JSON", "HTML") if sizes.thorough else ("JSON",)


def _speaking(servers: tuple[Server, ...], kind: str) -> list[Server]:
    return [server for server in servers if server.json_pages or kind == "HTML"]


def _page(
    server: Server, urls: list[str], kind: str, connections: int, sizes: Sizes, **more: str
) -> Callable[[], Sample]:
    """The token goes along only where the server is the private one, and is asked without one first."""
    headers = {"Accept": ACCEPT[kind], **{name.replace("_", "-"): value for name, value in more.items()}}
    signed_in = fetch(urls[0], headers)[0] == 401
    if signed_in:
        headers |= server.headers
    return lambda: read(urls, connections, int(sizes.seconds), server.pid, headers)


def _compressed(server: Server, package: str, connections: int, sizes: Sizes) -> Callable[[], Sample]:
    head = fetch(server.page(package), {"Accept": JSON_PAGE, "Accept-Encoding": "gzip"})[1]
    _insist(head["Content-Encoding"] == "gzip", f"{server.name} does not compress")
    return _page(server, [server.page(package)], "JSON", connections, sizes, Accept_Encoding="gzip")


def _unchanged(server: Server, package: str, connections: int, sizes: Sizes) -> Callable[[], Sample]:
    tag = fetch(server.page(package), {"Accept": JSON_PAGE})[1]["ETag"]
    status = fetch(server.page(package), {"Accept": JSON_PAGE, "If-None-Match": tag or ""})[0]
    _insist(status == 304, f"{server.name} answers {status}, not 304")
    return _page(server, [server.page(package)], "JSON", connections, sizes, If_None_Match=tag)


def _files(server: Server, packages: list[str], sizes: Sizes, megabytes: bool = False) -> Callable[[], Sample]:
    urls = [url for package in packages for url in _links(server, package)]
    return lambda: read(urls, 8, int(sizes.seconds) + (1 if megabytes else 0), server.pid, {}, megabytes)


def _links(server: Server, package: str) -> list[str]:
    """The addresses of a package's files, as its page has them."""
    page = server.page(package)
    _, _, body = fetch(page, {"Accept": ACCEPT["JSON" if server.json_pages else "HTML"]})
    if server.json_pages:
        links = [file["url"] for file in json.loads(body)["files"]]
    else:
        links = [html.unescape(link) for link in re.findall(r'<a [^>]*?href="([^"]+)"', body.decode())]
    return [urldefrag(urljoin(page, link)).url for link in links]


def _install(server: Server, dry: bool) -> Callable[[], Sample]:
    return lambda: install(server.simple, CLOSURE, server.pid, dry)


def _insist(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(otherwise)

"""The workloads by name, and what runs for each."""

import sys
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks import corpus
from benchmarks.corpus import Sizes
from benchmarks.devpi import Devpi, DevpiProxy
from benchmarks.graphing import graphing
from benchmarks.matching import DUMP, MISSING, matching
from benchmarks.points import Point
from benchmarks.proxies import OrbitalRegProxy, Proxpi, start_upstream
from benchmarks.proxying import Far, herding, installing, joining, proxying
from benchmarks.reading import Field, reading
from benchmarks.running import Server, environment, versions
from benchmarks.scanning import Scanned, rescanning, uploads_beside_scanners
from benchmarks.servers import Nginx, OrbitalReg, Peer, Pypiserver, start_sink
from benchmarks.signing import signing
from benchmarks.starting import starting
from benchmarks.uploading import uploading
from benchmarks.world import following

HOLDING = {"reading": "Reading", "signing": "Signing in", "uploads": "Uploads", "starts": "Starts"}
PROXYING: dict[str, tuple[str, Callable[[Far, Sizes], Iterator[Point]]]] = {
    "remote": ("A remote, its upstream 50 ms away", proxying),
    "herd": ("Many clients, one cold file", herding),
    "virtual": ("A virtual of five members", joining),
    "install": ("Installing through a virtual", installing),
}
SCANNING = {"scanning": "Scanning"}
MATCHING = {"matching": "Vulnerabilities by name and version"}
GRAPH = {"graph": "The graph of dependencies", "world": "The dependencies of real packages"}
WORKLOADS = {**HOLDING, **SCANNING, **{name: title for name, (title, _) in PROXYING.items()}, **MATCHING, **GRAPH}
"""Titles by name, in the order in which they are measured."""


@dataclass
class Bench:
    """The servers, each installed and filled when it is first asked for; `lone` leaves out the peers but nginx."""

    work: Path
    home: Path
    sizes: Sizes
    source: Path
    lone: bool

    def __post_init__(self) -> None:
        self.installed: dict[str, str] = {}
        self.abouts: dict[str, str] = {}
        self.kept.mkdir(parents=True, exist_ok=True)

    @property
    def kept(self) -> Path:
        return self.home / "corpus"

    def programs(self, name: str, *packages: str) -> Path:
        plugins = [self.source / "plugins" / part for part in ("plugin_pypi", "plugin_scanners/osv")]
        sources = [self.source, *filter(Path.exists, plugins)] if name == "orbitalreg" else []
        programs = environment(self.work, name, sources)
        found = versions(programs)
        self.installed |= {package: found[package] for package in packages}
        return programs

    @cached_property
    def holders(self) -> "Holders":
        """Filled one after the other, with nothing else running."""
        wheels = corpus.whole(self.sizes)
        programs = self.programs("orbitalreg", "orbitalreg", "waitress")
        nginx = Nginx(self.home / "nginx", self.kept)
        ours = OrbitalReg(self.home / "ours", self.kept, programs)
        small = OrbitalReg(self.home / "ours-small", self.kept, programs)
        nginx.fill(wheels)
        ours.fill(wheels)
        small.fill(list(corpus.ordinary_wheels(range(self.sizes.small_store))))
        others: list[Peer] = []
        if not self.lone:
            devpi = Devpi(self.home / "devpi", self.kept, self.programs("devpi", "devpi-server"))
            devpi.fill(corpus.reduced(self.sizes))
            pypiserver = Pypiserver(self.home / "pypiserver", self.kept, self.programs("pypiserver", "pypiserver"))
            pypiserver.fill(wheels)
            others = [devpi, pypiserver]
        peers: list[Peer] = [nginx, ours, *others]
        self.abouts |= {peer.name: peer.about for peer in peers}
        return Holders(nginx, ours, small, tuple(others), len(wheels))

    def far(self, running: ExitStack) -> Far:
        """Started, until `running` ends."""
        nginx = Nginx(self.home / "far-nginx", self.kept)
        nginx.fill(corpus.far(self.sizes))
        parts = corpus.parts(self.sizes)
        ours = OrbitalRegProxy(self.home / "far-ours", self.kept, self.programs("orbitalreg", "orbitalreg", "waitress"))
        upstream = start_upstream(nginx.home / "tree", self.home / "upstream")
        running.callback(upstream.stop)
        views = ours.start(upstream, parts)
        running.callback(views.remote.stop)
        self.abouts |= {"nginx": nginx.about, f"{ours.name}, as a proxy,": ours.about}
        mirrors, joined = [], []
        if not self.lone:
            devpi = DevpiProxy(self.home / "far-devpi", self.kept, self.programs("devpi", "devpi-server"))
            mirrors.append(devpi.start(upstream, parts))
            running.callback(mirrors[-1].stop)
            joined.append(devpi.joined(mirrors[-1]))
            proxpi = Proxpi(self.home / "far-proxpi", self.programs("proxpi", "proxpi"))
            mirrors.append(proxpi.start(upstream))
            running.callback(mirrors[-1].stop)
            self.abouts |= {f"{devpi.name}, as a proxy,": devpi.about, proxpi.name: proxpi.about}
        plain = nginx.start()
        running.callback(plain.stop)
        return Far(upstream, plain, views, tuple(mirrors), tuple(joined))


@dataclass(frozen=True)
class Holders:
    """The servers that hold everything, filled. `others` take uploads."""

    nginx: Nginx
    ours: OrbitalReg
    small: OrbitalReg
    others: Sequence[Peer]
    files: int


def points(bench: Bench, chosen: Collection[str]) -> Generator[tuple[str, Point], None, None]:
    """Every point of the chosen workloads with its workload's name. What a point needs runs until the next is asked
    for."""
    if not HOLDING.keys().isdisjoint(chosen):
        yield from _holding(bench, chosen)
    if "scanning" in chosen:
        with ExitStack() as running:
            yield from (("scanning", point) for point in _scanning(bench, running))
    if not PROXYING.keys().isdisjoint(chosen):
        with ExitStack() as running:
            far = bench.far(running)
            for name, (_, workload) in PROXYING.items():
                if name in chosen:
                    yield from ((name, point) for point in workload(far, bench.sizes))
    if "matching" in chosen:
        yield from (("matching", point) for point in _matching(bench))
    if "graph" in chosen:
        programs = bench.programs("orbitalreg", "orbitalreg")
        yield from (("graph", point) for point in graphing(programs, bench.home / "graph", bench.sizes))
    if "world" in chosen:
        programs = bench.programs("orbitalreg", "orbitalreg", "orbitalreg-osv")
        yield from (("world", point) for point in following(programs, bench.work, bench.home / "world", bench.sizes))


def _matching(bench: Bench) -> Iterator[Point]:
    """Without servers, and without anything to compare with."""
    if not DUMP.exists():
        print(MISSING, file=sys.stderr)
        return
    yield from matching(bench.programs("orbitalreg", "orbitalreg-osv"), bench.home / "matching", bench.sizes)


def _scanning(bench: Bench, running: ExitStack) -> Iterator[Point]:
    """Uploads with both servers up; then everything anew, with neither."""
    programs = bench.programs("orbitalreg", "orbitalreg", "waitress")
    plain = OrbitalReg(bench.home / "unscanned", bench.kept, programs).start()
    running.callback(plain.stop)
    ours = Scanned(bench.home / "scanned", bench.kept, programs)
    bench.abouts |= {f"{ours.name}, with scanners,": ours.about}
    scanned = ours.start_scanning()
    running.callback(scanned.stop)
    yield from uploads_beside_scanners(plain, scanned, bench.sizes, bench.home)
    plain.stop()
    scanned.stop()
    wheels = list(corpus.ordinary_wheels(range(bench.sizes.rescanned // corpus.VERSIONS)))
    yield from rescanning(Scanned(bench.home / "rescanned", bench.kept, programs), wheels)


def _holding(bench: Bench, chosen: Collection[str]) -> Iterator[tuple[str, Point]]:
    """Reading with everything up; uploads; then starts, with everything down."""
    held, sizes = bench.holders, bench.sizes
    with ExitStack() as running:

        def up(peer: Peer) -> Server:
            server = peer.start()
            running.callback(server.stop)
            return server

        ours, others = up(held.ours), [up(peer) for peer in held.others]
        if "reading" in chosen:
            private = held.ours.start_private()
            running.callback(private.stop)
            field = Field(ours, private, up(held.small), (up(held.nginx), *others))
            yield from (("reading", point) for point in reading(field, sizes))
        if "signing" in chosen:
            yield from (("signing", point) for point in signing(ours, sizes))
        if "uploads" in chosen:
            sink = start_sink(bench.home)
            running.callback(sink.stop)
            yield from (("uploads", point) for point in uploading((sink, ours, *others), sizes, bench.home))
    if "starts" in chosen:
        peers: list[Peer] = [held.nginx, held.ours, *held.others]
        yield from (("starts", point) for point in starting(tuple(peers), held.files, sizes))

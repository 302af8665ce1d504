"""Before an upstream that is far away: what is cold, what is warm, and a herd; several repositories as one."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from benchmarks.asking import ACCEPT, install_run, links, page_load
from benchmarks.corpus import CLOSURE, Sizes, of_herd, ordinary, parted
from benchmarks.load import Sample, read
from benchmarks.once import ask_once
from benchmarks.points import RATE, TIME, Bound, Point
from benchmarks.proxies import UPSTREAM, Views, fetched
from benchmarks.running import Server, fetch

CLIENTS = 8
JSON = {"Accept": ACCEPT["JSON"]}
PAGE = (Bound("ratio", 0.045), Bound("cpu_ms", 0.37, at_least=False))
NEAR_LOCAL = (Bound("ratio", 0.8),)


@dataclass(frozen=True)
class Far:
    """What runs: the upstream, nginx over the same tree without its distance, and who proxies it.

    `mirrors` are the peers' mirrors, `joined` those of their indexes that have the mirror and four others as bases.
    """

    upstream: Server
    nginx: Server
    ours: Views
    mirrors: tuple[Server, ...]
    joined: tuple[Server, ...]

    @property
    def remotes(self) -> tuple[Server, ...]:
        return (self.ours.remote, *self.mirrors)

    @property
    def virtuals(self) -> tuple[Server, ...]:
        return (self.ours.virtual, *self.joined)

    def fetched(self) -> int:
        return fetched(self.upstream)


def proxying(far: Far, sizes: Sizes) -> Iterator[Point]:
    """Every round asks for packages of which nobody has heard; the first round's are the warm ones."""
    work, count = f"{sizes.proxied} package pages through a remote", sizes.proxied
    direct = (Bound("ratio", 0.8),)
    run = {server.name: _cold_pages(far, server, count) for server in (far.upstream, *far.remotes)}
    yield Point(work, f"cold, c={CLIENTS}", RATE, run, direct, UPSTREAM)
    run = {server.name: _cold_wheels(far, server, count) for server in (far.upstream, *far.remotes)}
    yield Point(f"{count} small wheels through a remote", f"cold, c={CLIENTS}", RATE, run, direct, UPSTREAM)
    first = [ordinary(number) for number in range(count)]
    yield Point(work, f"warm, c={CLIENTS}", RATE, _pages((far.nginx, *far.remotes), first, sizes), PAGE)
    run = {server.name: _wheels(server, first, sizes) for server in (far.nginx, *far.remotes)}
    yield Point(f"{count} small wheels through a remote", f"warm, c={CLIENTS}", RATE, run, (Bound("ratio", 0.05),))
    yield _beside_local(far, far.ours.remote, "remote", sizes)


def herding(far: Far, sizes: Sizes) -> Iterator[Point]:
    work = f"{sizes.herd} clients at once, one cold wheel of {sizes.herd_mb} MB through a remote"
    bounds = (
        Bound("ratio", 1.15, at_least=False),
        Bound("later_ms", 50, at_least=False),
        Bound("fetches", 1, at_least=False),
        Bound("memory_mb", 20, at_least=False),
    )
    run = {server.name: _herd(far, server, sizes.herd) for server in (far.upstream, *far.remotes)}
    yield Point(work, "all done", TIME, run, bounds, UPSTREAM)


def joining(far: Far, sizes: Sizes) -> Iterator[Point]:
    """A virtual of five members: four local repositories, over which packages are spread, and a remote."""
    work, names = "package page through a virtual of 5 members", [parted(number) for number in range(sizes.parted)]
    servers = (far.nginx, *far.virtuals)
    yield Point(work, f"held by four local ones, c={CLIENTS}", RATE, _pages(servers, names, sizes), PAGE)
    yield _beside_local(far, far.ours.virtual, "virtual of 5 members", sizes)
    names = [ordinary(number) for number in range(min(50, sizes.proxied))]
    for server, name in itertools.product(far.virtuals, names):
        fetch(server.page(name), JSON)  # warm
    yield Point(work, f"held by the remote, c={CLIENTS}", RATE, _pages(servers, names, sizes), PAGE)


def installing(far: Far, sizes: Sizes) -> Iterator[Point]:
    """Through the virtual, or whatever a peer has, after one install that made it warm."""
    joined = {server.name: server for server in (*far.mirrors, *far.joined)}
    servers = (far.nginx, far.ours.virtual, *joined.values())
    for server in servers:
        install_run(server, CLOSURE)()
    for dry, variant in ((True, "dry run"), (False, "to an empty folder")):
        run = {server.name: install_run(server, CLOSURE, dry) for server in servers}
        yield Point(f"uv pip install of a closure of {sizes.far_closure} through a virtual", f"warm, {variant}", TIME,
                    run, (Bound("ratio", 1.15, at_least=False),), rounds_factor=2)  # fmt: skip


def _cold_pages(far: Far, server: Server, count: int) -> Callable[[], Sample]:
    rounds = itertools.count()

    def run() -> Sample:
        urls = [server.page(name) for name in _of_round(next(rounds), count)]
        return ask_once(server, urls, CLIENTS, JSON, far.fetched)[1]

    return run


def _cold_wheels(far: Far, server: Server, count: int) -> Callable[[], Sample]:
    """One of each package, whose page is known by now."""
    rounds = itertools.count()

    def run() -> Sample:
        urls = _first_links(server, _of_round(next(rounds), count))
        return ask_once(server, urls, CLIENTS, {}, far.fetched)[1]

    return run


def _of_round(number: int, count: int) -> list[str]:
    return [ordinary(n) for n in range(number * count, (number + 1) * count)]


def _first_links(server: Server, packages: Sequence[str]) -> list[str]:
    with ThreadPoolExecutor(CLIENTS) as pool:
        return [found[0] for found in pool.map(lambda package: links(server, package), packages)]


def _pages(servers: Sequence[Server], packages: Sequence[str], sizes: Sizes) -> dict[str, Callable[[], Sample]]:
    return {
        server.name: page_load(server, [server.page(name) for name in packages], "JSON", CLIENTS, sizes)
        for server in servers
    }


def _wheels(server: Server, packages: Sequence[str], sizes: Sizes) -> Callable[[], Sample]:
    urls = _first_links(server, packages)
    return lambda: read(urls, CLIENTS, sizes.seconds, server.pid, {})


def _beside_local(far: Far, server: Server, what: str, sizes: Sizes) -> Point:
    """The parted packages, which our local repository `whole` holds too."""
    names = [parted(number) for number in range(sizes.parted)]
    for name in names:
        fetch(server.page(name), JSON)  # warm
    run = _pages((far.ours.local, server), names, sizes)
    return Point(f"package page through a {what} against a local one", f"warm, c={CLIENTS}", RATE, run, NEAR_LOCAL,
                 far.ours.local.name)  # fmt: skip


def _herd(far: Far, server: Server, clients: int) -> Callable[[], Sample]:
    """Another wheel each round, of a page that is known."""
    rounds = itertools.count()

    def run() -> Sample:
        (url,) = _first_links(server, [of_herd(next(rounds))])
        seconds, sample = ask_once(server, [url] * clients, clients, {}, far.fetched, memory=True)
        return replace(sample, value=seconds)

    return run

"""Files that are not cached yet, through a real server: fetched once for everybody, right or not at all."""

import hashlib
import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness import MIB, Answer, Registry, call, eventually, tell
from scripted_upstream import Behaviour, Request, ScriptedUpstream, Wire, file, reply, reset, stall

SIMPLE = "application/vnd.pypi.simple.v1+json"
CONFIG = """\
[server]
listen = "127.0.0.1:0"
metrics_from = ["127.0.0.1"]
{server}

[data]
path = "data"

[projects.acme.repositories.mirror]
format = "pypi"
kind = "remote"
upstream = "{upstream}"
anonymous_read = true
"""


def some(size: int, seed: int = 5) -> bytes:
    return random.Random(seed).randbytes(size)


BIG = some(100 * MIB + 17)
SMALL = some(3 * MIB)


class Site:
    """An upstream with pages and files, and a server that has it as its remote."""

    def __init__(self, folder: Path, *options: str, server: str = "") -> None:
        self.upstream = ScriptedUpstream()
        folder.mkdir(exist_ok=True)
        (folder / "orbitalreg.toml").write_text(CONFIG.format(upstream=self.upstream.url("/simple/"), server=server))
        self.registry = Registry(folder, options=options)

    def __enter__(self) -> "Site":
        self.upstream.__enter__()
        self.registry.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.registry.close()
        self.upstream.close()

    def offer(
        self, name: str, body: bytes, behaviour: Behaviour | None = None, sized: bool = True, stated: bool = True
    ) -> str:
        """Have the upstream offer one file of a package of that name; its URL here."""
        filename = f"{name}-1.0-py3-none-any.whl"
        told: dict[str, Any] = {"filename": filename, "url": f"/files/{filename}", "hashes": {}}
        if stated:
            told["hashes"] = {"sha256": hashlib.sha256(body).hexdigest()}
        if sized:
            told["size"] = len(body)
        page = {"meta": {"api-version": "1.1"}, "name": name, "versions": ["1.0"], "files": [told]}
        self.upstream.table[f"/simple/{name}/"] = reply(json.dumps(page).encode(), headers={"Content-Type": SIMPLE})
        self.upstream.table[f"/files/{filename}"] = behaviour or file(body, '"1"')
        page = call("GET", f"{self.url}/simple/{name}/", headers={"Accept": SIMPLE})
        assert page.status == 200, page
        return self.place(name)

    def place(self, name: str) -> str:
        page = call("GET", f"{self.url}/simple/{name}/", headers={"Accept": SIMPLE}).json()
        url: str = page["files"][0]["url"]
        return f"{self.url}/{url.removeprefix('../../')}"

    @property
    def url(self) -> str:
        return f"{self.registry.url}/pypi/acme/mirror"

    def asked(self, name: str) -> list[str | None]:
        """The ranges of all requests for the file."""
        path = f"/files/{name}-1.0-py3-none-any.whl"
        return [request.headers.get("range") for request in list(self.upstream.requests) if request.path == path]

    def metric(self, name: str) -> float:
        text = call("GET", f"{self.registry.url}/metrics").body.decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    def is_quiet(self) -> bool:
        """Whether nothing is left but what is kept."""
        return eventually(lambda: not self.registry.staged())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as running:
        yield running
        assert "Traceback" not in running.registry.log.read_text()


@dataclass
class Download:
    """What one client got."""

    status: int = 0
    size: int = 0
    sha256: str = ""
    first: float = 0.0
    """Seconds to the first byte."""
    seconds: float = 0.0
    error: str = ""


def download(url: str, headers: Sequence[tuple[str, str]] = (), stop_at: int | None = None) -> Download:
    """GET as a client does; `stop_at` bytes end it early, without a word."""
    parts = urlsplit(url)
    got, hasher, began = Download(), hashlib.sha256(), time.monotonic()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=100)
    try:
        connection.request("GET", parts.path, headers=dict(headers))
        answer = connection.getresponse()
        got.status = answer.status
        while piece := answer.read(256 << 10):
            got.first = got.first or time.monotonic() - began
            hasher.update(piece)
            got.size += len(piece)
            if stop_at is not None and got.size >= stop_at:
                return got
        if answer.length:
            got.error = "cut off"
    except (OSError, http.client.HTTPException) as error:
        got.error = type(error).__name__
    finally:
        connection.close()
    got.sha256, got.seconds = hasher.hexdigest(), time.monotonic() - began
    return got


def herd(count: int, one: Callable[[int], Any]) -> list[Any]:
    together = threading.Barrier(count)

    def run(number: int) -> Any:
        together.wait(30)
        return one(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def paced(body: bytes, rate: int, gate: threading.Event | None = None, gate_at: int = 0) -> Behaviour:
    """The file with ranges at `rate` bytes a second; the first request waits at `gate_at` for the gate."""
    lock = threading.Lock()
    requests = 0

    def behave(request: Request, wire: Wire) -> None:
        nonlocal requests
        with lock:
            requests += 1
            is_first = requests == 1
        wanted = request.headers.get("range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        head = {"Content-Length": str(len(body) - start), "ETag": '"1"'}
        if wanted:
            head["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        wire.head(206 if wanted else 200, head)
        for at in range(start, len(body), 64 << 10):
            if gate is not None and is_first and at >= gate_at:
                gate.wait(60)
            wire.send(body[at : at + (64 << 10)])
            wire.wait((64 << 10) / rate)
        wire.keeps = True

    return behave


def leaders() -> list[int]:
    """The processes that hold an exclusive lock, as the one that fetches does."""
    return [
        int(line.split()[4])
        for line in Path("/proc/locks").read_text().splitlines()
        if " FLOCK " in line and " WRITE " in line
    ]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("sized", [True, False])
def test_64_clients_of_one_cold_file_cost_one_fetch(processes: int, sized: bool, tmp_path: Path) -> None:
    with Site(tmp_path / "site", "--processes", str(processes)) as site:
        url = site.offer("big", BIG, paced(BIG, 200 * MIB), sized)
        got = herd(64, lambda _: download(url))
        assert {(one.status, one.size, one.sha256, one.error) for one in got} == {
            (200, len(BIG), hashlib.sha256(BIG).hexdigest(), "")
        }
        assert site.asked("big") == [None]
        assert site.is_quiet()
        assert [size for path, size in site.registry.stored().items()] == [len(BIG)]
        assert site.registry.faults() == []
        assert download(url).sha256 == got[0].sha256 and site.asked("big") == [None]
        tell(
            f"first byte at most {max(one.first for one in got):.3f} s, done in {max(one.seconds for one in got):.2f} s"
        )


def test_the_herd_survives_its_first_client_and_then_the_fetching_process(tmp_path: Path) -> None:
    gate = threading.Event()
    with Site(tmp_path / "site", "--processes", "2") as site:
        url = site.offer("big", BIG, paced(BIG, 400 * MIB, gate, 40 * MIB))
        first = download(url, stop_at=MIB)
        assert first.size >= MIB
        with ThreadPoolExecutor(64) as pool:
            running = [pool.submit(download, url) for _ in range(64)]
            assert eventually(lambda: len(leaders()) >= 1 and _partial(site) >= 39 * MIB)
            time.sleep(1)  # all are waiting for what the upstream holds back
            [fetching] = [pid for pid in leaders() if pid in site.registry.children()]
            os.kill(fetching, signal.SIGKILL)
            got = [future.result(100) for future in running]
        gate.set()
        right = (200, len(BIG), hashlib.sha256(BIG).hexdigest(), "")
        whole = [one for one in got if (one.status, one.size, one.sha256, one.error) == right]
        broken = [one for one in got if one not in whole]
        assert whole and all(one.size < len(BIG) and one.error for one in broken), (len(whole), broken[:3])
        tell(f"{len(whole)} went on, {len(broken)} lost their server")
        assert site.asked("big")[0] is None and len(site.asked("big")) == 2
        assert int((site.asked("big")[1] or "").removeprefix("bytes=").rstrip("-")) >= 39 * MIB
        again = herd(max(1, len(broken)), lambda _: download(url))  # as their clients would
        assert {(one.status, one.size, one.sha256, one.error) for one in again} == {right}
        assert len(site.asked("big")) == 2
        assert site.is_quiet()


def _partial(site: Site) -> int:
    return sum(size for path, size in site.registry.stored().items() if path.endswith(".part"))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_reset_in_the_middle_is_not_noticed(ranges: bool, site: Site) -> None:
    whole = file(SMALL, '"1"') if ranges else reply(SMALL)
    requests: list[Request] = []

    def breaks_once(request: Request, wire: Wire) -> None:
        requests.append(request)
        (reset(SMALL[:MIB], len(SMALL)) if len(requests) == 1 else whole)(request, wire)

    url = site.offer("broken", SMALL, breaks_once)
    got = herd(8, lambda _: download(url))
    assert {(one.status, one.sha256) for one in got} == {(200, hashlib.sha256(SMALL).hexdigest())}
    assert len(requests) == 2 and site.is_quiet()


WRONG = SMALL[:-1] + bytes([SMALL[-1] ^ 1])


def test_a_wrong_file_is_cut_off_and_told_of_and_never_cached(site: Site) -> None:
    gate = threading.Event()
    url = site.offer("wrong", SMALL, paced(WRONG, 1000 * MIB, gate, 2 * MIB))
    with ThreadPoolExecutor(16) as pool:
        running = [pool.submit(download, url) for _ in range(16)]
        assert eventually(lambda: _partial(site) >= 2 * MIB)
        time.sleep(0.3)
        gate.set()
        got = [future.result(60) for future in running]
    assert {(one.status, one.error) for one in got} == {(200, "cut off")}
    assert all(one.size < len(SMALL) - (64 << 10) + 1 for one in got)
    assert site.is_quiet() and site.registry.stored() == {}
    late = call("GET", url)  # it rests
    assert late.status == 502 and "SHA-256" in late.reason and "mirror" in late.reason
    assert len(site.asked("wrong")) == 1
    log = site.registry.log.read_text()
    assert log.count("broke off") == 16 and log.count("fetch failed") == 1
    assert site.metric('orbitalreg_failures_total{kind="WrongFile"}') == 17
    assert site.metric('orbitalreg_fetch_failures_total{kind="WrongFile"}') == 1


def test_a_small_wrong_file_is_a_502_for_all(site: Site) -> None:
    url = site.offer("small", b"right", reply(b"wrong"))
    got = herd(8, lambda _: call("GET", url))
    assert {one.status for one in got} == {502} and "SHA-256" in got[0].reason
    assert len(site.asked("small")) == 1
    assert site.is_quiet() and site.registry.stored() == {}
    lines = [line for line in site.registry.log.read_text().splitlines() if urlsplit(url).path in line]
    assert sum('"status":' in line for line in lines) == 8  # one for each, however often it was put aside


@pytest.mark.parametrize("status", [500, 403, 301])
def test_an_upstream_that_refuses_is_a_502(status: int, site: Site) -> None:
    url = site.offer("refused", SMALL, reply(b"no", status))
    assert call("GET", url).status == 502
    assert site.is_quiet()


def test_a_file_that_is_gone_upstream_is_a_404(site: Site) -> None:
    assert call("GET", site.offer("gone", SMALL, reply(b"no", 404))).status == 404


@pytest.mark.parametrize("length", [len(SMALL) - 1, len(SMALL) + 1])
def test_another_length_than_the_page_says_is_a_502(length: int, site: Site) -> None:
    answer = call("GET", site.offer("long", SMALL, reply(SMALL + b"x" if length > len(SMALL) else SMALL[:-1])))
    assert answer.status == 502 and "bytes long" in answer.reason
    assert site.is_quiet() and site.registry.stored() == {}


def test_head_asks_for_nothing_and_ranges_cost_one_fetch(site: Site) -> None:
    url = site.offer("parts", SMALL)
    head = call("HEAD", url)
    assert (head.status, head.headers["Content-Length"], head.headers["Accept-Ranges"]) == (
        200,
        str(len(SMALL)),
        "bytes",
    )
    assert site.asked("parts") == []
    spans = [(0, 0), (MIB, MIB + 10), (len(SMALL) - 5, len(SMALL) - 1), (0, len(SMALL) - 1)] * 4

    def part(number: int) -> Answer:
        first, last = spans[number]
        return call("GET", url, headers={"Range": f"bytes={first}-{last}"})

    for (first, last), answer in zip(spans, herd(len(spans), part), strict=True):
        assert (answer.status, answer.body) == (206, SMALL[first : last + 1])
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(SMALL)}"
    assert call("GET", url, headers={"Range": f"bytes={len(SMALL)}-"}).status == 416
    assert len(site.asked("parts")) == 1


def test_a_connection_goes_on_after_a_cold_file(site: Site) -> None:
    urls = [site.offer(name, SMALL[: number * MIB]) for number, name in enumerate(("one", "two", "three"), 1)]
    parts = urlsplit(urls[0])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    for number, url in enumerate(urls, 1):
        connection.request("GET", urlsplit(url).path)
        assert connection.getresponse().read() == SMALL[: number * MIB]
    connection.close()


def test_requests_in_one_packet_are_answered_in_their_order(site: Site) -> None:
    urls = [
        site.offer(name, name.encode() * 1000, paced(name.encode() * 1000, MIB)) for name in ("one", "two", "three")
    ]
    parts = urlsplit(urls[0])
    with socket.create_connection((parts.hostname or "", parts.port or 0), 60) as connection:
        lines = [f"GET {urlsplit(url).path} HTTP/1.1\r\nHost: x\r\n\r\n" for url in urls]
        connection.sendall("".join(lines).encode())
        got = b""
        while not got.endswith(b"three" * 1000):
            got += connection.recv(1 << 16)
    assert [got.find(name * 1000) for name in (b"one", b"two", b"three")] == sorted(
        got.find(name * 1000) for name in (b"one", b"two", b"three")
    )
    assert got.count(b"HTTP/1.1 200") == 3


def test_pages_are_not_starved_by_downloads_that_stall(site: Site) -> None:
    """Sixteen threads, forty clients of forty files that never come, and twenty more in the middle of one."""
    body = some(MIB)
    half = site.offer("half", body, stall(body[: MIB // 2], len(body)))
    halves = [_begun(half) for _ in range(20)]
    urls = [site.offer(f"stuck{number}", body, stall()) for number in range(40)]
    with ThreadPoolExecutor(40) as pool:
        running = [pool.submit(call, "GET", url, seconds=20) for url in urls]
        time.sleep(0.5)
        took = []
        for _ in range(20):
            began = time.monotonic()
            assert call("GET", f"{site.url}/simple/half/", headers={"Accept": SIMPLE}).status == 200
            took.append(time.monotonic() - began)
        assert max(took) < 0.5, took
        turned_away = [future.result() for future in wait(running, 8).done]
        assert len(turned_away) >= 32
        assert {(one.status, one.headers["Retry-After"]) for one in turned_away} == {(503, "2")}
        tell(f"{len(turned_away)} of 40 turned away; a page took at most {max(took):.3f} s")
        for number in range(40):
            site.offer(f"stuck{number}", body, reply(b"no", 500))
        site.upstream.hang_up()
        assert {future.result().status for future in running} == {502, 503}
    for connection in halves:
        connection.close()


def _begun(url: str) -> socket.socket:
    """A client that has the first byte of its file."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), 60)
    connection.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert b" 200 " in connection.recv(1 << 10)
    return connection


def test_a_client_that_reads_nothing_holds_up_nobody(site: Site) -> None:
    url = site.offer("slow", BIG, paced(BIG, 400 * MIB))
    idle = [_begun(url) for _ in range(40)]
    assert download(url).sha256 == hashlib.sha256(BIG).hexdigest()
    assert site.is_quiet()
    for connection in idle:
        connection.close()
    assert eventually(lambda: not _descriptors(site, ".part") and not _descriptors(site, "blobs"))


def _descriptors(site: Site, text: str) -> list[str]:
    found = []
    for link in Path(f"/proc/{site.registry.pid}/fd").iterdir():
        try:
            found.append(os.readlink(link))
        except OSError:
            continue
    return [name for name in found if text in name]


def test_clients_that_vanish_leave_nothing_open(site: Site) -> None:
    gate = threading.Event()
    url = site.offer("left", SMALL, paced(SMALL, 400 * MIB, gate, MIB))
    for connection in [_begun(url) for _ in range(30)]:
        connection.close()
    gate.set()
    assert site.is_quiet() and len(site.registry.stored()) == 1
    assert eventually(lambda: not _descriptors(site, str(site.registry.data / "blobs")))
    assert download(url).sha256 == hashlib.sha256(SMALL).hexdigest() and len(site.asked("left")) == 1


def test_a_download_of_a_cold_file_is_counted(site: Site) -> None:
    url = site.offer("counted", SMALL)
    herd(5, lambda _: download(url))

    def counted() -> int:
        with closing(sqlite3.connect(site.registry.data / "catalog.sqlite3")) as catalog:
            select = "SELECT SUM(count) FROM download JOIN file ON file.id = download.file_id WHERE filename LIKE ?"
            return int(catalog.execute(select, ["counted-%"]).fetchone()[0] or 0)

    assert eventually(lambda: counted() == 5, 15), counted()


def test_a_stop_lets_cold_files_come_to_their_end(tmp_path: Path) -> None:
    with Site(tmp_path / "site") as site:
        url = site.offer("last", SMALL, paced(SMALL, 2 * MIB))
        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(download, url) for _ in range(4)]
            assert eventually(lambda: _partial(site) > 0)
            site.registry.terminate()
            assert {future.result().sha256 for future in running} == {hashlib.sha256(SMALL).hexdigest()}
        assert site.registry.wait() == 0


def test_what_a_killed_server_left_is_swept_and_fetched_anew(tmp_path: Path) -> None:
    with Site(tmp_path / "site") as site:
        url = site.offer("again", SMALL, paced(SMALL, 2 * MIB))
        connection = _begun(url)
        assert eventually(lambda: _partial(site) > 0)
        site.registry.kill()
        connection.close()
        assert site.registry.staged() != []
        site.registry.start()
        assert site.registry.staged() == []
        assert download(site.place("again")).sha256 == hashlib.sha256(SMALL).hexdigest()
        assert site.asked("again") == [None, None]


def test_32_readers_of_a_cold_file_take_little_memory(site: Site) -> None:
    body = BIG[: 50 * MIB]
    herd(32, lambda _: download(site.offer("warm", SMALL)))
    before = sum(site.registry.peak_memory().values())
    url = site.offer("herd", body, paced(body, 100 * MIB))
    got = herd(32, lambda _: download(url))
    assert {one.sha256 for one in got} == {hashlib.sha256(body).hexdigest()}
    grown = sum(site.registry.peak_memory().values()) - before
    tell(f"32 readers of 50 MiB: {grown / MIB:.1f} MiB more")
    assert grown <= 20 * MIB


def test_a_page_of_an_upstream_that_fails_says_that_it_is_stale(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    with Site(folder) as site:
        config = folder / "orbitalreg.toml"
        config.write_text(config.read_text() + 'listing_ttl = "0s"\n')
        site.registry.stop()
        site.registry.start()
        site.offer("aged", SMALL)
        page = f"{site.url}/simple/aged/"
        fresh = call("GET", page, headers={"Accept": SIMPLE})
        assert fresh.status == 200 and "X-Orbitalreg-Stale" not in fresh.headers
        site.upstream.table["/simple/aged/"] = reply(b"no", 500)
        for _ in range(2):  # made, and from the cache
            stale = call("GET", page, headers={"Accept": SIMPLE})
            assert (stale.status, stale.body) == (200, fresh.body)
            assert "500" in stale.headers["X-Orbitalreg-Stale"]
        unchanged = call("GET", page, headers={"Accept": SIMPLE, "If-None-Match": fresh.headers["Etag"]})
        assert unchanged.status == 304 and "500" in unchanged.headers["X-Orbitalreg-Stale"]
        assert site.metric("orbitalreg_stale_pages_total") >= 3

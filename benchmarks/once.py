"""Clients that ask for each address once: what is cold at first is warm afterwards, so no load can repeat it."""

import http.client
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from benchmarks.load import PATIENCE, LoadFailed, Sample
from benchmarks.meter import settle, usage
from benchmarks.running import Server

PIECE = 1 << 20
REDIRECTS = 3


@dataclass(frozen=True)
class Answer:
    """Times in seconds from the request on."""

    size: int
    first: float
    whole: float


def ask_once(
    server: Server,
    urls: Sequence[str],
    clients: int,
    headers: dict[str, str],
    fetched: Callable[[], int],
    memory: bool = False,
) -> tuple[float, Sample]:
    """GET each address once, from so many clients with a kept connection each: the seconds in all, and a sample.

    The sample's value is requests a second. `fetched` tells how many requests the upstream has had. Raises
    `LoadFailed`.
    """
    left, lock, start = iter(urls), threading.Lock(), threading.Barrier(clients)
    before = fetched()
    with usage(server.pid, memory) as used, ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(_client, left, lock, start, headers) for _ in range(clients)]
        spans = [client.result() for client in running]
    settle(server.pid)
    answers = [answer for _, _, its in spans for answer in its]
    if len(sizes := {answer.size for answer in answers}) > 1 and len(set(urls)) == 1:
        raise LoadFailed(f"one address gave answers of {len(sizes)} sizes")
    seconds = max(end for _, end, _ in spans) - min(begin for begin, _, _ in spans)
    took = sorted(answer.whole * 1e3 for answer in answers)
    return seconds, Sample(
        len(urls) / seconds,
        used.cpu / len(urls) * 1e3,
        statistics.median(took),
        took[int(len(took) * 0.99) - 1],
        statistics.mean(answer.size for answer in answers),
        used.added_mb,
        statistics.median(answer.first for answer in answers) * 1e3,
        fetched() - before,
    )


def _client(
    left: Iterator[str], lock: threading.Lock, start: threading.Barrier, headers: dict[str, str]
) -> tuple[float, float, list[Answer]]:
    """Its begin, its end and its answers; it takes addresses as long as there are some."""
    connections: dict[str, http.client.HTTPConnection] = {}
    answers: list[Answer] = []
    start.wait(PATIENCE)
    begin = time.perf_counter()
    try:
        while True:
            with lock:
                url = next(left, None)
            if url is None:
                return begin, time.perf_counter(), answers
            answers.append(_get(connections, url, headers))
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"{url}: {error!r}"[:200]) from error
    finally:
        for connection in connections.values():
            connection.close()


def _get(connections: dict[str, http.client.HTTPConnection], url: str, headers: dict[str, str]) -> Answer:
    """One answer, redirects followed. Its bytes are counted and dropped."""
    begin = time.perf_counter()
    for _ in range(REDIRECTS):
        parts = urlsplit(url)
        if parts.netloc not in connections:
            connections[parts.netloc] = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
        connection = connections[parts.netloc]
        connection.request("GET", parts.path, headers=headers)
        reply = connection.getresponse()
        if reply.status in (301, 302, 307, 308):
            reply.read()
            url = urljoin(url, reply.headers["Location"])
            continue
        if reply.status != 200:
            raise LoadFailed(f"{url} was answered {reply.status}: {reply.read()[:150]!r}")
        return _counted(reply, begin)
    raise LoadFailed(f"{url}: redirected too often")


def _counted(reply: http.client.HTTPResponse, begin: float) -> Answer:
    size = len(reply.read(1))
    first, room = time.perf_counter() - begin, bytearray(PIECE)
    while got := reply.readinto(room):
        size += got
    if reply.length:
        raise LoadFailed(f"an answer was cut off {reply.length} bytes before its end")
    return Answer(size, first, time.perf_counter() - begin)

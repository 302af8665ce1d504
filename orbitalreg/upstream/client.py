"""GET, and POST to whoever asked for it, politely and within limits."""

import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPException, HTTPResponse
from types import TracebackType
from typing import Self

from orbitalreg import __version__
from orbitalreg.errors import InvalidName
from orbitalreg.upstream.address import Origin, Url
from orbitalreg.upstream.decoding import CODINGS
from orbitalreg.upstream.exchange import ALLOWED_BY, Exchange, failed, faults_of
from orbitalreg.upstream.forks import begin_in_children
from orbitalreg.upstream.pool import Breaker, Opener, Place, Pool, Way
from orbitalreg.upstream.ranges import asked_range, given_span
from orbitalreg.upstream.values import Answer, Stream, Upstream
from orbitalreg.upstream.vetting import Connector, Resolver, system_addresses, system_socket
from orbitalreg.upstream.wire import Connection, Pace

USER_AGENT = f"orbitalreg/{__version__}"
REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_ABSENT = (404, 410)


class Client:
    """For all upstreams of a process. Thread-safe, and of use after a fork; connections are kept and shared.

    No cookie is sent. Every failure is an `UpstreamFailed` that names the server and the fault,
    and never credentials, paths or queries; `ConfigError` where the authorities' file cannot be used. A server that
    cannot be spoken with, or says that it is overloaded, `failures` times in a row is left alone for `pause` seconds or
    as long as it asks for (a minute at most): until then calls fail at once.
    """

    def __init__(
        self,
        configured: Collection[Origin] = (),
        *,
        resolver: Resolver = system_addresses,
        connector: Connector = system_socket,
        clock: Callable[[], float] = time.monotonic,
        connections: int = 16,
        failures: int = 5,
        pause: float = 5.0,
    ) -> None:
        """`configured` are the origins written in the configuration: only these may have addresses that are not public.

        `connections` is how many exchanges may be under way with one server; `clock` is for the pauses.
        """
        self._configured = frozenset(configured)
        self._opener = Opener(resolver, connector)
        self._place = lambda: Place(connections, Breaker(clock, failures, pause))
        self._pool = Pool(self._place)
        begin_in_children(self)

    def begin(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._pool.abandon()
        self._pool = Pool(self._place)

    def close(self) -> None:
        """Close what is idle. Further calls open connections anew."""
        self._pool.close_idle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fetch(
        self,
        upstream: Upstream,
        url: str,
        *,
        max_bytes: int,
        accept: str = "*/*",
        etag: str | None = None,
        last_modified: str | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """The whole of what is at `url`, absolute or relative to `upstream.base`.

        `etag` and `last_modified` are those of an earlier answer, and 304 says that it still holds. `max_bytes` bounds
        the decoded body, `seconds` (the upstream's `total_seconds` unless given) the whole call.
        Raises `UpstreamFailed` for everything but 200, 304, 404 and 410.
        """
        headers = {"Accept": accept, "Accept-Encoding": CODINGS}
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        given = {name: value for name, value in conditions.items() if value}
        pace = Pace(upstream.total_seconds if seconds is None else seconds, upstream.connect_seconds)
        expected = (200, 304, *_ABSENT) if given else (200, *_ABSENT)
        with self._opened(upstream, url, headers | given, pace, expected, streaming=False) as (exchange, final):
            if exchange.status != 200:
                exchange.drain()
                return Answer(exchange.status, str(final), exchange.headers)
            return Answer(200, str(final), exchange.headers, exchange.read(max_bytes))

    @contextmanager
    def stream(
        self,
        upstream: Upstream,
        url: str,
        *,
        start: int = 0,
        end: int | None = None,
        if_range: str | None = None,
        etag: str | None = None,
        accept: str = "*/*",
        idle: float = 30.0,
        slowest: float = 1024.0,
        seconds: float | None = None,
    ) -> Iterator[Stream]:
        """What is at `url` from the offset `start` up to `end`, which it does not include, as it arrives.

        `if_range` is an ETag or a date: where the file is another by now, the answer is the whole of it. `etag` is that
        of an earlier answer, and 304 says that it still holds. The body may
        take any time, but `idle` seconds without a byte are too many, and so is an average below `slowest` bytes a
        second over `idle` seconds of waiting; where `seconds` are given, these bound the whole call instead. The body
        may not be encoded. Leaving the `with` early closes the connection.
        Raises `UpstreamFailed` for all but 200, 206, 304, 404, 410 and 416.
        """
        wanted = asked_range(start, end)
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        if wanted is not None:
            headers |= {"Range": wanted} | ({"If-Range": if_range} if if_range else {})
        if etag is not None:
            headers["If-None-Match"] = etag
        pace = Pace(upstream.total_seconds if seconds is None else seconds, upstream.connect_seconds)
        expected = (200, *_ABSENT, *((206, 416) if wanted else ()), *((304,) if etag is not None else ()))
        with self._opened(upstream, url, headers, pace, expected, streaming=True) as (exchange, final):
            with exchange.faults():
                span = given_span(exchange.status, exchange.headers, exchange.length, start, end)
            if exchange.status not in (200, 206):
                exchange.drain()
            if seconds is None:
                pace.stream(idle, slowest)
            yield Stream(exchange.status, str(final), exchange.headers, span, exchange.follow(span))

    def post(self, upstream: Upstream, body: bytes, headers: Mapping[str, str]) -> int:
        """Send `body` to `upstream.base`; the status of the answer, which is 2xx and whose body nobody reads.

        No redirect is followed. It may be sent twice where a kept connection ends at that moment: a receiver has to
        know what it has had already. Raises `UpstreamFailed` for every other status.
        """
        pace = Pace(upstream.total_seconds, upstream.connect_seconds)
        way = self._way(upstream, upstream.origin, upstream.url)
        with self._asked(upstream, way, upstream.url, headers, pace, streaming=False, body=body) as exchange:
            exchange.expect(range(200, 300), knows_us=bool(upstream.authorization))
            exchange.drain()
            return exchange.status

    def ask(
        self, upstream: Upstream, url: str, body: bytes, *, max_bytes: int, content_type: str, accept: str = "*/*"
    ) -> Answer:
        """Send `body` to `url`, absolute or relative to `upstream.base`; the answer, which is a 200.

        No redirect is followed, and it may be sent twice, as with `post`. Raises `UpstreamFailed` for all but 200.
        """
        target = _named(upstream.url, url)
        way = self._way(upstream, upstream.origin, target)
        headers = {"Accept": accept, "Accept-Encoding": CODINGS, "Content-Type": content_type}
        pace = Pace(upstream.total_seconds, upstream.connect_seconds)
        with self._asked(upstream, way, target, headers, pace, streaming=False, body=body) as exchange:
            exchange.expect((200,), knows_us=target.origin == upstream.origin and bool(upstream.authorization))
            return Answer(200, str(target), exchange.headers, exchange.read(max_bytes))

    @contextmanager
    def _opened(
        self,
        upstream: Upstream,
        url: str,
        headers: Mapping[str, str],
        pace: Pace,
        expected: Collection[int],
        streaming: bool,
    ) -> Iterator[tuple["Exchange", Url]]:
        """The first answer that is no redirect, with one of the `expected` statuses, and where it was."""
        current, seen = _named(upstream.url, url), set[Url]()
        way = self._way(upstream, upstream.origin, current)
        while True:
            seen.add(current)
            with self._asked(upstream, way, current, headers, pace, streaming) as exchange:
                if exchange.status not in _MOVED:
                    exchange.expect(expected, knows_us=way.origin == upstream.origin and bool(upstream.authorization))
                    yield exchange, current
                    return
                exchange.drain()
                if "location" not in exchange.headers:
                    raise failed(current.origin, "redirects to nowhere")
                target = _named(current, _target(exchange.headers["location"]))
            if target in seen or len(seen) > REDIRECTS:
                raise failed(current.origin, "redirects in a circle" if target in seen else "redirects too often")
            way = self._way(upstream, current.origin, target)
            current = target

    def _way(self, upstream: Upstream, source: Origin, target: Url) -> Way:
        """How to reach what `source` names. Raises `UpstreamFailed` where that would give up TLS."""
        trusted = target.origin in self._configured | upstream.hosts or target.origin == upstream.origin
        secure = "https" in (source.scheme, upstream.origin.scheme)
        if secure and target.origin.scheme == "http" and not trusted:
            fault = f"names {target.origin}, which is without TLS: {ALLOWED_BY}"
            raise failed(source, fault, public="names an address without TLS")
        return upstream.way(target.origin, trusted)

    @contextmanager
    def _asked(
        self,
        upstream: Upstream,
        way: Way,
        url: Url,
        headers: Mapping[str, str],
        pace: Pace,
        streaming: bool,
        body: bytes | None = None,
    ) -> Iterator["Exchange"]:
        """GET, or POST where there is a `body`."""
        sent = {"Host": url.origin.authority, "User-Agent": USER_AGENT, **headers}
        if upstream.authorization is not None and url.origin == upstream.origin:
            sent["Authorization"] = upstream.authorization
        if way.absolute and way.proxy_authorization is not None:
            sent["Proxy-Authorization"] = way.proxy_authorization
        target = str(url) if way.absolute else url.target
        with self._pool.place(way) as place, ExitStack() as stack:
            if wait := place.breaker.wait():
                raise failed(url.origin, "failed several times and is left alone for a moment", wait)
            with faults_of(url.origin, place.breaker):
                stack.enter_context(place.slot(pace, streaming))
                connection, response = self._send(way, place, target, sent, pace, body)
            exchange = Exchange(url.origin, place, connection, response)
            stack.callback(exchange.close)
            yield exchange

    def _send(
        self, way: Way, place: Place, target: str, headers: Mapping[str, str], pace: Pace, body: bytes | None
    ) -> tuple[Connection, HTTPResponse]:
        """On a connection that is kept or on a new one. One that ended meanwhile is no failure of the server's."""
        while True:
            connection = place.take() or Connection(partial(self._opener.open, way))
            try:
                return connection, connection.ask(target, headers, pace, "GET" if body is None else "POST", body)
            except BaseException as error:
                connection.close()
                if not (connection.used and isinstance(error, ConnectionError | ssl.SSLError | HTTPException)):
                    raise
                place.close_idle()


def _named(base: Url, reference: str) -> Url:
    """What is named at `base`. Raises `UpstreamFailed` where it is nothing that can be asked for."""
    try:
        return base.join(reference)
    except InvalidName as error:
        fault = "names what cannot be asked for"
        raise failed(base.origin, f"{fault}: {error}", public=fault) from error


def _target(location: str) -> str:
    """A header's bytes beyond ASCII, which reach us as Latin-1, are bytes of the URL."""
    return "".join(sign if sign.isascii() else f"%{ord(sign):02X}" for sign in location)

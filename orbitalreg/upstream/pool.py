"""Ways to servers: their connections, how many at once, and how long one that failed is left alone."""

import base64
import os
import select
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

import certifi

from orbitalreg.errors import ConfigError
from orbitalreg.upstream.address import Origin
from orbitalreg.upstream.vetting import Connector, NotPublic, Resolver, is_public, is_public_name, resolve
from orbitalreg.upstream.wire import Connection, Pace, Refused, tunnel

BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
PLACES = 256
IDLE_SECONDS = 60.0
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Way:
    """How an origin is reached. Only equal ways share connections and the memory of failures."""

    origin: Origin
    trusted: bool
    """Written in the configuration: its addresses need not be public."""
    ca_bundle: Path | None = None
    proxy: Origin | None = None
    proxy_authorization: str | None = field(default=None, repr=False)

    @property
    def absolute(self) -> bool:
        """Whether the request line holds the whole URL: a proxy reads it."""
        return self.proxy is not None and self.origin.scheme == "http"


def basic(username: str, password: str) -> str:
    """RFC 7617, in UTF-8."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def authorities(ca_bundle: Path | None) -> ssl.SSLContext:
    """Whose certificates count: `ca_bundle`, else the file that $REQUESTS_CA_BUNDLE or $SSL_CERT_FILE names, else the
    system's authorities together with certifi's. Raises `ConfigError` where a file cannot be used.
    """
    named = ca_bundle or next((Path(os.environ[name]) for name in BUNDLE_VARIABLES if os.environ.get(name)), None)
    try:
        context = ssl.create_default_context(cafile=named) if named else ssl.create_default_context()
        if named is None:
            context.load_verify_locations(certifi.where())
    except OSError as error:
        raise ConfigError([f"ca_bundle: {named} cannot be used: it holds no certificates that can be read"]) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


class Opener:
    """Makes sockets: look up, vet, connect to what was vetted, tunnel, TLS by the origin's name."""

    def __init__(self, resolver: Resolver, connector: Connector) -> None:
        self._resolver = resolver
        self._connector = connector
        self._contexts: dict[Path | None, ssl.SSLContext] = {}

    def open(self, way: Way, pace: Pace) -> socket:
        """Raises `NotPublic`, `Refused`, `OSError`, `HTTPException`, `ConfigError`."""
        if way.proxy is None:
            addresses = resolve(way.origin, way.trusted, self._resolver, self._step(pace))
            connected = self._connect(addresses, way.origin.port, pace)
        else:
            _vet_for_proxy(way)
            addresses = resolve(way.proxy, True, self._resolver, self._step(pace))
            connected = self._connect(addresses, way.proxy.port, pace)
        if way.origin.scheme == "http":
            return connected
        try:
            connected.settimeout(self._step(pace))
            if way.proxy is not None:
                authorization = way.proxy_authorization
                headers = {"Proxy-Authorization": authorization} if authorization else {}
                tunnel(connected, way.origin.endpoint, headers, pace)
            connected.settimeout(self._step(pace))
            # A stream that ends without TLS saying so may have been cut off on its way.
            return self._context(way.ca_bundle).wrap_socket(
                connected, server_hostname=way.origin.host, suppress_ragged_eofs=False
            )
        except BaseException:
            connected.close()
            raise

    def _connect(self, addresses: Sequence[str], port: int, pace: Pace) -> socket:
        """To the first address that answers; one that does not leaves the others their share of the time."""
        until = time.monotonic() + self._step(pace)
        for number, address in enumerate(addresses):
            share = max(until - time.monotonic(), 0.001) / (len(addresses) - number)
            try:
                return self._connector(address, port, share)
            except OSError as error:
                last = error
        raise last

    @staticmethod
    def _step(pace: Pace) -> float:
        return min(pace.left(), pace.connect_seconds)

    def _context(self, ca_bundle: Path | None) -> ssl.SSLContext:
        if ca_bundle not in self._contexts:
            self._contexts[ca_bundle] = authorities(ca_bundle)
        return self._contexts[ca_bundle]


def _vet_for_proxy(way: Way) -> None:
    """The proxy looks names up, so that only what the name itself tells can be judged here."""
    judge = is_public if way.origin.is_address else is_public_name
    if not (way.trusted or judge(way.origin.host)):
        raise NotPublic


class Breaker:
    """Remembers that a server failed several times in a row. Thread-safe."""

    def __init__(self, clock: Callable[[], float], failures: int, pause: float) -> None:
        self._clock = clock
        self._limit = failures
        self._pause = pause
        self._lock = threading.Lock()
        self._failures = 0
        self._until = 0.0

    def wait(self) -> float:
        """Seconds for which the server is left alone; 0 for a caller who may ask.

        After the pause one caller may ask, and further ones only once it has succeeded or another pause is over.
        """
        with self._lock:
            if self._failures < self._limit:
                return 0.0
            now = self._clock()
            if now < self._until:
                return self._until - now
            self._until = now + self._pause
            return 0.0

    def failed(self, retry_after: float | None = None) -> None:
        with self._lock:
            self._failures += 1
            self._until = self._clock() + max(self._pause, min(retry_after or 0.0, LONGEST_PAUSE))

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0


class Place:
    """What is kept for one way. Thread-safe."""

    def __init__(self, connections: int, breaker: Breaker) -> None:
        self.breaker = breaker
        self._all = threading.BoundedSemaphore(connections)
        self._streams = threading.BoundedSemaphore(max(1, connections * 3 // 4))
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self.users = 0
        """Guarded by the pool's lock."""

    @contextmanager
    def slot(self, pace: Pace, streaming: bool) -> Iterator[None]:
        """Room for one exchange. Streams leave a quarter to others. Raises `Refused` where none is free in time."""
        with _held(self._streams, pace) if streaming else nullcontext(), _held(self._all, pace):
            yield

    def take(self) -> Connection | None:
        """A connection that was of use before and, as far as can be seen, still is."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if time.monotonic() - connection.idle_since < IDLE_SECONDS and _is_quiet(connection):
                return connection
            connection.close()

    def give_back(self, connection: Connection) -> None:
        connection.used = True
        connection.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(connection)

    def close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def abandon(self) -> None:
        """In a forked child: close this process's copies, whoever held the lock."""
        for connection in self._idle:
            connection.close()


@contextmanager
def _held(semaphore: threading.BoundedSemaphore, pace: Pace) -> Iterator[None]:
    if not semaphore.acquire(timeout=pace.left()):
        raise Refused("has as many requests under way as it may get")
    try:
        yield
    finally:
        semaphore.release()


def _is_quiet(connection: Connection) -> bool:
    """A server that has something to say between two answers has hung up, or is out of step."""
    waiting = select.poll()
    waiting.register(connection.sock, select.POLLIN)
    return not waiting.poll(0)


class Pool:
    """The places, as many as are in use and some more. Thread-safe."""

    def __init__(self, make: Callable[[], Place]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._places: OrderedDict[Way, Place] = OrderedDict()

    @contextmanager
    def place(self, way: Way) -> Iterator[Place]:
        """The place of this way, which stays while it is used."""
        with self._lock:
            place = self._places.get(way) or self._make()
            self._places[way] = place
            self._places.move_to_end(way)
            place.users += 1
            surplus = self._surplus()
        for other in surplus:
            other.close_idle()
        try:
            yield place
        finally:
            with self._lock:
                place.users -= 1

    def close_idle(self) -> None:
        for place in list(self._places.values()):
            place.close_idle()

    def abandon(self) -> None:
        for place in self._places.values():
            place.abandon()

    def _surplus(self) -> list[Place]:
        """Upstreams name hosts as they like: those unused for longest are forgotten."""
        ways = [way for way, place in self._places.items() if not place.users][: max(0, len(self._places) - PLACES)]
        return [self._places.pop(way) for way in ways]

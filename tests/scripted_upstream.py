"""A server that behaves as a test says, well or badly, on loopback; and a network in which only such servers exist.

    with ScriptedUpstream({"/list": file(b"text", etag='"1"'), "/bad": stall(b"half")}) as upstream:
        upstream.table["/moved"] = redirect("/list")
        ... ask upstream.url("/list") ...
        assert upstream.requests[0].headers["accept"] == "*/*"

A behaviour is a function of the request and of the connection's sending side; what it does not answer ends the
connection. `Net` stands in for the resolver and the connector of `orbitalreg.upstream.Client`.
"""

# ruff: noqa: RUF001  (look-alikes are what is tested)

import gzip
import re
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LONG = 60.0


@dataclass(frozen=True)
class Request:
    """`target` is as it was sent, `path` without its query; header names are in lower case.

    Requests with the same `connection` came on the same one.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    connection: int
    server_name: str | None = None
    """What TLS said, where it was used."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class Wire:
    """The sending side of one connection."""

    def __init__(self, connected: socket.socket, closing: threading.Event) -> None:
        self._socket = connected
        self._closing = closing
        self.keeps = False
        """Whether the behaviour gave a whole answer, so that the next request may follow."""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{key}: {headers[key]}" for key in headers)]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def pump(self, other: socket.socket) -> None:
        """Carry bytes both ways until either side ends."""

        def carry(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
            for end in (source, target):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        back = threading.Thread(target=carry, args=(other, self._socket), daemon=True)
        back.start()
        carry(self._socket, other)
        back.join(LONG)

    def wait(self, seconds: float = LONG) -> bool:
        """False where the server is being closed: then a behaviour ends."""
        return not self._closing.wait(seconds)


Behaviour = Callable[[Request, Wire], None]


def reply(body: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """A whole answer; `headers` may replace the Content-Length."""

    def behave(request: Request, wire: Wire) -> None:
        given = {"Content-Length": str(len(body)), **(headers or {})}
        wire.head(status, given)
        wire.send(body)
        wire.keeps = given["Content-Length"] == str(len(body)) and given.get("Connection") != "close"

    return behave


def file(
    body: bytes,
    etag: str | None = None,
    last_modified: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Behaviour:
    """A file as good servers give it: conditional requests, ranges, If-Range."""
    known = {"ETag": etag, "Last-Modified": last_modified}
    own = {name: value for name, value in known.items() if value} | {"Accept-Ranges": "bytes"} | dict(headers or {})

    def behave(request: Request, wire: Wire) -> None:
        asked = request.headers
        if (etag and asked.get("if-none-match") == etag) or (
            last_modified and "if-none-match" not in asked and asked.get("if-modified-since") == last_modified
        ):
            wire.head(304, own)
            wire.keeps = True
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.get("range", ""))
        if wanted is None or asked.get("if-range") not in (None, etag, last_modified):
            return reply(body, 200, own)(request, wire)
        start, end = int(wanted[1]), min(int(wanted[2] or len(body)) + 1, len(body))
        if start >= len(body):
            return reply(b"", 416, own | {"Content-Range": f"bytes */{len(body)}"})(request, wire)
        return reply(body[start:end], 206, own | {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"})(
            request, wire
        )

    return behave


def status(code: int, headers: Mapping[str, str] | None = None) -> Behaviour:
    """An answer with a short body that says nothing."""
    return reply(b"" if code in (204, 304) else b"words", code, headers)


def redirect(target: str, code: int = 302, headers: Mapping[str, str] | None = None) -> Behaviour:
    return reply(b"", code, {"Location": target, **(headers or {})})


def raw(data: bytes) -> Behaviour:
    """These bytes and the end of the connection."""
    return lambda request, wire: wire.send(data)


def cut_off(body: bytes, announced: int) -> Behaviour:
    """A body that ends before its announced end."""
    return reply(body, headers={"Content-Length": str(announced)})


def chunked(pieces: Iterable[bytes], end: bytes = b"0\r\n\r\n", headers: Mapping[str, str] | None = None) -> Behaviour:
    """A chunked body; `end` is what comes after the pieces: without the last chunk it is cut off."""
    kept = list(pieces)

    def behave(request: Request, wire: Wire) -> None:
        wire.head(200, {"Transfer-Encoding": "chunked", **(headers or {})})
        for piece in kept:
            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        wire.send(end)
        wire.keeps = end.endswith(b"0\r\n\r\n")

    return behave


def reset(sent: bytes = b"", announced: int = 1000) -> Behaviour:
    """RST in the middle of a body, or before an answer where nothing is `sent`."""

    def behave(request: Request, wire: Wire) -> None:
        if sent:
            wire.head(200, {"Content-Length": str(announced)})
            wire.send(sent)
            wire.wait(0.05)
        wire.reset()

    return behave


def stall(sent: bytes | None = None, announced: int = 1000) -> Behaviour:
    """Nothing more after `sent` of a body; nothing at all where it is None. The connection stays open."""

    def behave(request: Request, wire: Wire) -> None:
        if sent is not None:
            wire.head(200, {"Content-Length": str(announced)})
            wire.send(sent)
        wire.wait()

    return behave


def drip(
    piece: bytes = b"x",
    every: float = 0.05,
    count: int = 1000,
    head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
) -> Behaviour:
    """`head` at once, then `piece` again and again, so that no single wait is long."""

    def behave(request: Request, wire: Wire) -> None:
        wire.send(head)
        for _ in range(count):
            if not wire.wait(every):
                return
            wire.send(piece)

    return behave


def endless(piece: bytes, head: bytes = b"HTTP/1.1 200 OK\r\n") -> Behaviour:
    """`head`, then `piece` as fast as it is taken, for ever: headers, interim answers, trailers, a body."""

    def behave(request: Request, wire: Wire) -> None:
        wire.send(head)
        while wire.wait(0):
            wire.send(piece * 64)

    return behave


def gzip_bomb(size: int, layers: int = 1) -> Behaviour:
    """`size` zero bytes in a small body."""
    body = b"\0" * size
    for _ in range(layers):
        body = gzip.compress(body, 9)
    return reply(body, headers={"Content-Encoding": ", ".join(["gzip"] * layers)})


def deflate_bomb(size: int, bare: bool = False) -> Behaviour:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15 if bare else 15)
    return reply(deflate.compress(b"\0" * size) + deflate.flush(), headers={"Content-Encoding": "deflate"})


def tunnel(servers: Mapping[str, "ScriptedUpstream"]) -> Behaviour:
    """A proxy's CONNECT, under the key "*": to the server of a `host:port`, or 403."""

    def behave(request: Request, wire: Wire) -> None:
        if request.method != "CONNECT" or request.target not in servers:
            return status(403)(request, wire)
        with socket.create_connection(("127.0.0.1", servers[request.target].port), LONG) as other:
            wire.head(200, {})
            wire.pump(other)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first request gets the first behaviour, and so on; the last one stays."""
    left = list(behaviours)
    lock = threading.Lock()

    def behave(request: Request, wire: Wire) -> None:
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        chosen(request, wire)

    return behave


def later(seconds: float, behaviour: Behaviour) -> Behaviour:
    def behave(request: Request, wire: Wire) -> None:
        if wire.wait(seconds):
            behaviour(request, wire)

    return behave


class ScriptedUpstream:
    """HTTP/1.1 on 127.0.0.1, on a port of its own; each connection has a thread. What is not in `table` is a 404.

    A behaviour under the key "*" takes what no other key does, CONNECT included.
    """

    def __init__(self, table: Mapping[str, Behaviour] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.table = dict(table or {})
        self.requests: list[Request] = []
        """Every request, in the order of arrival."""
        self.most_at_once = 0
        """How many connections were open at the same time."""
        self._tls = tls
        self._names: dict[int, str | None] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        if tls is not None:
            tls.sni_callback = self._named

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return self.origin + path

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def open(self) -> int:
        """How many connections are open now."""
        with self._lock:
            return len(self._open)

    def connections(self) -> int:
        """How many were used."""
        return len({request.connection for request in self.requests})

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, end every connection and thread."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in list(self._threads):
            thread.join(LONG)

    def hang_up(self) -> None:
        """End every connection that is open; further ones are taken."""
        with self._lock:
            for connected in self._open:
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            for number in range(1 << 30):
                connected, _ = self._listener.accept()
                with self._lock:
                    self._open.add(connected)
                    self.most_at_once = max(self.most_at_once, len(self._open))
                self._start(self._serve, connected, number)

    def _named(self, connected: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        self._names[id(connected)] = name

    def _serve(self, plain: socket.socket, number: int) -> None:
        connected = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connected = self._tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open.add(connected)
            self._talk(connected, number)
        except OSError:
            pass  # the other side left, or did not like the certificate
        finally:
            with self._lock:
                self._open -= {plain, connected}
            connected.close()
            plain.close()

    def _talk(self, connected: socket.socket, number: int) -> None:
        with connected.makefile("rb") as lines:
            while len(first := lines.readline().decode("latin-1").split()) > 1:  # else TLS, or the end
                headers = {}
                while line := lines.readline().decode("latin-1").strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                request = Request(first[0], first[1], headers, number, self._names.get(id(connected)))
                with self._lock:
                    self.requests.append(request)
                wire = Wire(connected, self._closing)
                behave = self.table.get(request.path) or self.table.get("*") or status(404)
                behave(request, wire)
                if not wire.keeps:
                    return


_SPELLINGS = """
127.0.0.1 127.0.0.1. 127.1 127.0.1 2130706433 017700000001 0x7f000001 0x7f.0.0.1 0x7f.1 0X7F.0.0.1 0177.0.0.1 0177.1
127.0.0.01 127.0.0.1.. 127.0.0.0x1 00000127.0.0.1 127.000.000.001 0 0.0.0.0 0x 0x0 00 127.0.0.1:80 1２7.0.0.1
１２７.０.０.１ ①②⑦.0.0.1 127。0。0。1 127｡0｡0｡1 127．0．0．1 127%2e0%2e0%2e1 %31%32%37.0.0.1 %6cocalhost 127.0.0.1%00
127.0.0.1%20 [::1] [::] [0:0:0:0:0:0:0:1] [0000::0001] [::ffff:127.0.0.1] [::FFFF:7F00:1] [::ffff:7f00:0001]
[::127.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] [::ffff:0:127.0.0.1] [fe80::1%25lo] [::1%25lo] [::1]. [fd00::1]
[fec0::1] [::ffff:0x7f.0.0.1] [::ffff:127.1]
localhost LOCALHOST localhost. LocalHost. ⓛocalhost ｌｏｃａｌｈｏｓｔ 10.0.0.1
10.1 012.0.0.1 167772161 0xa000001 169.254.169.254 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.43518 256.0.0.1
4294967296 -1 1.2.3.4.5 127.0.0.1\\@a.example 127.0.0.1\x01a.example a.example@127.0.0.1
"""
INNER_SPELLINGS = _SPELLINGS.split()
"""Hosts that mean 127.0.0.1, 10.0.0.1 or another place inside, to one resolver or another."""


@dataclass
class Net:
    """A network of scripted servers under public names and addresses. Nothing leaves loopback.

    `names` are each host's answers, one list for each lookup (the last one stays); `servers` who listens at an
    address. Every other address takes no connections.
    """

    names: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    servers: Mapping[str, ScriptedUpstream] = field(default_factory=dict)
    lookups: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)

    def resolver(self, host: str, port: int) -> Sequence[str]:
        answers = self.names.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        self.lookups.append(host)
        return answers[min(self.lookups.count(host), len(answers)) - 1]

    def connector(self, address: str, port: int, seconds: float) -> socket.socket:
        self.connected.append((address, port))
        if address not in self.servers:
            raise ConnectionRefusedError(111, "Connection refused")
        return socket.create_connection(("127.0.0.1", self.servers[address].port), seconds)


class Authority:
    """A certificate authority made for one test; needs `trustme`."""

    def __init__(self, folder: Path) -> None:
        import trustme

        self._authority = trustme.CA()
        folder.mkdir(parents=True, exist_ok=True)
        self.bundle = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.bundle))

    def tls(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        """A server's side, with a certificate for `names`."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.certify(context, *names, expired=expired)
        return context

    def certify(self, context: ssl.SSLContext, *names: str, expired: bool = False) -> None:
        """From the next handshake on, this server has such a certificate."""
        from datetime import UTC, datetime, timedelta

        past = datetime.now(UTC) - timedelta(days=2)
        times = {"not_before": past - timedelta(days=2), "not_after": past} if expired else {}
        self._authority.issue_cert(*(names or ("127.0.0.1",)), **times).configure_cert(context)


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Whether `true` comes to hold in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.005)
    return true()

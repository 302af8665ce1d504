"""Connections and their bytes: HTTP/1.1 with a limit on every wait and every length.

`http.client` writes the request and reads the head; how a body ends is read here, strictly, since a body that was cut
off must never pass for a whole one.
"""

import io
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from socket import socket
from typing import Any

HEADER_BYTES = 64 << 10
"""Of status line, headers and everything else on a connection that is not body."""
LINE = 32 << 10
CUT_OFF = "broke off in the middle of an answer"
PIECE = 64 << 10
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class Refused(Exception):
    """An answer that is not taken. Its text continues "the upstream <origin> ..."."""


class Trouble(Refused):
    """A server that cannot be spoken with, for this request and perhaps for the next."""


class Pace:
    """How long one exchange may take. Not shared by threads.

    `deadline` is on `time.monotonic`'s clock and holds for everything, waiting for a place included; without one,
    `idle` seconds without a byte are too many, and so are fewer than `slowest` bytes a second over `idle` seconds of
    waiting (time that the reader itself takes is not counted).
    """

    def __init__(self, seconds: float, connect_seconds: float) -> None:
        self.deadline: float | None = time.monotonic() + seconds
        self.connect_seconds = connect_seconds
        self.idle = seconds
        self.slowest = 0.0
        self._waited = 0.0
        self._received = 0

    def stream(self, idle: float, slowest: float) -> None:
        """From now on there is no deadline."""
        self.deadline, self.idle, self.slowest = None, idle, slowest
        self._waited, self._received = 0.0, 0

    def left(self) -> float:
        """Seconds that the next step may take. Raises `Trouble` where there are none."""
        if self.deadline is None:
            return self.idle
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Trouble("did not answer in time")
        return left

    def count(self, waited: float, received: int) -> None:
        """Raises `Trouble` where the server is too slow."""
        self._waited += waited
        self._received += received
        if self._waited < self.idle:
            return
        if self.deadline is None and self._received < self.slowest * self._waited:
            raise Trouble("sends too slowly")
        self._waited, self._received = 0.0, 0


class _Paced(io.RawIOBase):
    """The bytes of a socket, waited for as long as the pace allows."""

    def __init__(self, raw: io.RawIOBase, connected: socket, pace: Pace) -> None:
        self._raw = raw
        self._socket = connected
        self._pace = pace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._socket.settimeout(self._pace.left())
        began = time.monotonic()
        received: int | None = self._raw.readinto(buffer)
        self._pace.count(time.monotonic() - began, received or 0)
        return received

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Frames(io.BufferedReader):
    """Lines are for what is not body, and there is an end to them; the body earns further ones for its chunks."""

    _lines = HEADER_BYTES
    _begun = False

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(LINE if size is None or size < 0 else min(size, LINE))
        self._lines -= len(line)
        if self._lines < 0 or len(line) == LINE:
            raise Trouble("answered with more headers than are read")
        if not line.endswith(b"\n") and (line or self._begun):  # `http.client` would take it for the end of the head
            raise Trouble(CUT_OFF)
        self._begun = True
        return line

    def read1(self, size: int = -1, /) -> bytes:
        piece = super().read1(size)
        self._lines = min(self._lines + 16 * len(piece), HEADER_BYTES)
        return piece


class _Response(HTTPResponse):
    def __init__(self, connected: socket, pace: Pace, method: str | None = None) -> None:
        super().__init__(connected, method=method)
        raw = self.fp.detach()
        self.fp = _Frames(_Paced(raw, connected, pace))


class Connection(HTTPConnection):
    """One connection, used by one thread at a time. `opener` makes its socket, TLS included."""

    def __init__(self, opener: Callable[[Pace], socket]) -> None:
        super().__init__("unused")  # every request brings its own Host
        self._opener = opener
        self._pace: Pace | None = None
        self.response_class = self._respond  # type: ignore[assignment]
        self.used = False
        """Whether an exchange has come to its end on this connection."""
        self.idle_since = 0.0

    def connect(self) -> None:
        assert self._pace is not None
        self.sock = self._opener(self._pace)

    def ask(
        self, target: str, headers: Mapping[str, str], pace: Pace, method: str = "GET", body: bytes | None = None
    ) -> HTTPResponse:
        """Send a request; `announced` can be told of what comes back.

        Raises what sockets and `http.client` raise, and `Trouble`; then the connection is of no more use.
        """
        self._pace = pace
        if self.sock is not None:
            self.sock.settimeout(pace.left())
        self.request(method, target, body, dict(headers))
        response = self.getresponse()
        try:
            announced(response)
        except Trouble:
            response.close()
            raise
        return response

    def _respond(self, connected: socket, debuglevel: int = 0, method: str | None = None) -> HTTPResponse:
        assert self._pace is not None
        return _Response(connected, self._pace, method)


def tunnel(connected: socket, authority: str, headers: Mapping[str, str], pace: Pace) -> None:
    """Ask a proxy for a way to `authority` (RFC 9110, 9.3.6). Raises `Trouble`, `OSError`, `HTTPException`."""
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", *(f"{name}: {headers[name]}" for name in headers)]
    connected.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    response = _Response(connected, pace, method="CONNECT")
    try:
        response.begin()
    finally:
        response.close()
    if response.status != 200:
        raise Trouble(f"cannot be reached: the proxy answered {response.status}")


def announced(response: HTTPResponse) -> int | None:
    """The length of the body as the head gives it, None where the body says. Raises `Trouble` where that is unclear."""
    if response.status in (204, 304):
        return 0
    head = response.headers
    if head.defects:
        raise Trouble("answered with headers that cannot be read")
    codings = [coding.strip().lower() for value in head.get_all("Transfer-Encoding", []) for coding in value.split(",")]
    if codings:
        if codings != ["chunked"]:
            raise Trouble("answered with a transfer coding that was not asked for")
        return None
    lengths = set(head.get_all("Content-Length", []))
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit() and len(length) < 19):
        raise Trouble("answered with a length that is none")
    return int(length)


def pieces(response: HTTPResponse) -> Iterator[bytes]:
    """The body as it arrives, without its framing but still encoded, in pieces of at most `PIECE` bytes.

    Raises `Trouble` where it is cut off or too slow, and `OSError`.
    """
    frames = response.fp
    length = announced(response)
    if length is not None:
        yield from _exactly(frames, length)
    elif "Transfer-Encoding" in response.headers:
        yield from _chunked(frames)
    else:
        while piece := frames.read1(PIECE):
            yield piece


def _exactly(frames: io.BufferedReader, length: int) -> Iterator[bytes]:
    while length:
        piece = frames.read1(min(length, PIECE))
        if not piece:
            raise Trouble(CUT_OFF)
        length -= len(piece)
        yield piece


def _chunked(frames: io.BufferedReader) -> Iterator[bytes]:
    """RFC 9112, 7.1. Extensions and trailers are read over."""
    while size := _chunk_size(frames.readline()):
        yield from _exactly(frames, size)
        if frames.readline() not in (b"\r\n", b"\n"):
            raise Trouble(CUT_OFF)
    while frames.readline() not in (b"\r\n", b"\n"):
        pass


def _chunk_size(line: bytes) -> int:
    size = line.partition(b";")[0].strip()
    if not _SIZE.fullmatch(size):
        raise Trouble(CUT_OFF)
    return int(size, 16)


def cause(error: Exception) -> str:
    """What an exception of this module, of sockets or of `http.client` means: "the upstream <origin> ..."."""
    match error:
        case Refused():
            return str(error)
        case ssl.SSLCertVerificationError():
            return f"has a certificate that is not trusted ({error.verify_message}): name its authority in ca_bundle"
        case TimeoutError():
            return "did not answer in time"
        case ConnectionRefusedError():
            return "takes no connections"
        case ssl.SSLEOFError() | ConnectionError():
            return "broke off the connection"
        case ssl.SSLError():
            return f"cannot be spoken with over TLS ({error.reason or 'no reason given'})"
        case HTTPException():
            return "answered what is no HTTP"
        case OSError():
            return f"cannot be reached: {error.strerror or type(error).__name__}"
        case _:
            return f"failed: {type(error).__name__}"

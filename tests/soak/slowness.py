"""Clients that begin and do not go on."""

import hashlib
import os
import select
import socket
from base64 import b64encode
from itertools import cycle, islice

from archives_corpus import make_wheel, metadata, wheel_files, zipped
from harness import FORM_HEADERS, MIB, REPOSITORY, fields_of, form
from soaked import Server

HALF_OPEN = 1000
STALLED = 64

LARGE = 16 * MIB
"""Of a file, more than all the buffers between the server and a client that reads nothing."""

HEADS = (
    b"",
    b"GET /pypi/acme/inter",
    b"GET /pypi/acme/internal/simple/ HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n",
    b"POST /pypi/acme/internal/legacy/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n",
)
"""What a half-open connection has sent."""

BODIES = (40_000, 300_000, 1_500_000)
"""Bytes of a stalled upload's file: taken without asking; asked about, and kept in memory; kept on the disk."""


class SlowClients:
    """Many connections that are begun when this is entered, and stay open to its end, or until the server ends them."""

    def __init__(self, server: Server, path: str) -> None:
        """`path` is that of a large file."""
        host, _, port = server.authority.partition(":")
        self._address = (host, int(port))
        secret = b64encode(f"__token__:{server.token}".encode()).decode()
        self._sign = f"Host: {host}\r\nAuthorization: Basic {secret}\r\n"
        self._path = path
        self.connections: list[socket.socket] = []
        self.on_disk = 0
        """Uploads of which so much was sent that the server holds it in a file."""

    def __enter__(self) -> "SlowClients":
        try:
            self._begin()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _begin(self) -> None:
        """All of them: heads that do not end, uploads that do not go on, downloads that nobody reads."""
        for head in islice(cycle(HEADS), HALF_OPEN):
            self._connect().sendall(head)
        for number, size in enumerate(islice(cycle(BODIES), STALLED)):
            self._upload(number, size)
        waiting = [self._download() for _ in range(STALLED)]
        for connection in waiting:
            assert wait_readable(connection), "a download does not begin"
            assert connection.recv(13, socket.MSG_PEEK) == b"HTTP/1.1 200 "

    def _connect(self, receive: int = 0) -> socket.socket:
        connection = socket.socket()
        self.connections.append(connection)
        if receive:  # before connecting: the window is agreed upon then
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        connection.settimeout(30)
        connection.connect(self._address)
        return connection

    def _upload(self, number: int, size: int) -> None:
        filename, data = make_wheel(f"soak-stalled-{number}", files={"data.bin": os.urandom(size)})
        before, after = form(filename, fields_of(filename, hashlib.sha256(data).hexdigest()))
        body = before + data + after
        headers = "".join(f"{name}: {value}\r\n" for name, value in FORM_HEADERS.items())
        head = f"POST /pypi/{REPOSITORY}/legacy/ HTTP/1.1\r\n{self._sign}{headers}Content-Length: {len(body)}\r\n\r\n"
        self._connect().sendall(head.encode() + body[: len(body) // 2])
        self.on_disk += size == BODIES[-1]

    def _download(self) -> socket.socket:
        connection = self._connect(receive=4096)
        connection.sendall(f"GET {self._path} HTTP/1.1\r\n{self._sign}\r\n".encode())
        return connection

    def open(self) -> int:
        """How many the server has not ended. A download counts as long as bytes of it wait here."""
        return sum(map(_is_open, self.connections))

    def _close(self) -> None:
        for connection in self.connections:
            connection.close()


def wait_readable(connection: socket.socket, seconds: float = 30.0) -> bool:
    poll = select.poll()  # select() knows no descriptor above 1,023
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def large_wheel() -> tuple[str, bytes]:
    """A file of `LARGE` bytes and its name."""
    name = "soak-large"
    files = {"data.bin": os.urandom(LARGE)}
    return make_wheel(name)[0], zipped(wheel_files(name, "1.0", metadata(name, "1.0"), files), 0)

"""waitress as it is run here: real sockets, against a small WSGI application in a thread."""

import errno
import hashlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.errors import ConfigError
from orbitalreg.serving import ADMISSION_KEY, Admission, Limits, Server, bind
from orbitalreg.serving.channel import Channel
from orbitalreg.serving.spool import MEMORY, Spool

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

MIB = 1 << 20
REFUSAL = b"refused " * 20_000
PATIENT = 10.0


class Toy:
    """Grants with any Authorization; answers with the path and the digest of the body. Notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int | None] = []
        self.pending: list[int] = []
        self.called: list[str] = []
        self.gate = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        admission = environ.get(ADMISSION_KEY)
        if admission is not None:
            return self.judge(admission, environ, start_response)
        path = environ["PATH_INFO"]
        self.called.append(path)
        if path == "/wait":
            assert self.gate.wait(PATIENT)
        if path == "/broken":
            raise OSError(errno.EIO, "the application's own")
        body = f"{path} {digest(environ['wsgi.input'])}".encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def judge(
        self, admission: Admission, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        assert environ["wsgi.input"].read() == b"" and "wsgi.file_wrapper" not in environ
        self.asked.append(admission.length)
        self.pending.append(admission.pending_bytes)
        if environ["PATH_INFO"] == "/raises":
            admission.grant()
            raise RuntimeError("while judging")
        if environ["PATH_INFO"] == "/late":
            return late(admission, start_response)
        if "HTTP_AUTHORIZATION" in environ:
            admission.grant()
            start_response("299 Thrown away", [])
            return [b"nobody reads this"]
        start_response("401 Unauthorized", [("WWW-Authenticate", "Basic"), ("Content-Length", str(len(REFUSAL)))])
        return [REFUSAL]


def late(admission: Admission, start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("403 Forbidden", [("Content-Length", "4")])
    yield b"no"
    admission.grant()
    yield b"no"


def digest(stream: Any) -> str:
    if not isinstance(stream, bytes):
        stream = stream.read()
    return f"{len(stream)} {hashlib.sha256(stream).hexdigest()}"


@contextmanager
def running(application: Any, spool: Path, **options: Any) -> Iterator[Server]:
    server = Server(application, spool=spool, **options)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(PATIENT)
        assert not thread.is_alive()


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool"


@pytest.fixture
def server(toy: Toy, spool: Path) -> Iterator[Server]:
    with running(toy, spool, max_body=64 * MIB, limits=Limits(grace_seconds=2)) as server:
        yield server


class Client:
    """A raw connection: sends bytes, reads one response at a time."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(server.address, timeout=PATIENT)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *raised: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def line(self) -> bytes:
        return self.file.readline()

    def response(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self.line().split(b" ")[1])
        headers: list[tuple[str, str]] = []
        while line := self.line().strip().decode():
            name, _, value = line.partition(": ")
            headers.append((name, value))
        assert len(dict(headers)) == len(headers)
        return status, dict(headers), self.file.read(int(dict(headers)["Content-Length"]))

    def closed(self) -> bool:
        """Whether the server ends the connection, cleanly or not, before the patience does."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True


def head(method: str, path: str, **headers: object) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(path: str, length: int, **headers: object) -> bytes:
    return head("POST", path, Content_Length=length, Authorization="x", **headers)


def eventually(condition: Callable[[], object], seconds: float = PATIENT) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


def spooled(folder: Path) -> list[int]:
    """Sizes of the anonymous files in `folder` that this process has open."""
    sizes = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if os.readlink(entry).startswith(str(folder)):
                sizes.append(os.stat(entry).st_size)
        except FileNotFoundError:
            continue
    return sizes


@pytest.fixture
def spools_made(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    made: list[object] = []
    genuine = tempfile.TemporaryFile

    def counting(*arguments: Any, **options: Any) -> Any:
        made.append(options["dir"])
        return genuine(*arguments, **options)

    monkeypatch.setattr(tempfile, "TemporaryFile", counting)
    return made


# Refusal from the head.


@pytest.mark.parametrize("framing", [{"Content_Length": 10 * MIB}, {"Transfer_Encoding": "chunked"}])
@pytest.mark.parametrize("expect", [{}, {"Expect": "100-continue"}])
def test_a_body_is_refused_before_it_is_sent(server: Server, toy: Toy, framing: Any, expect: Any) -> None:
    with Client(server) as client:
        client.send(head("POST", "/", **framing, **expect))
        status, headers, body = client.response()
        assert (status, body, headers["Connection"]) == (401, REFUSAL, "close")
        assert headers["Www-Authenticate"] == "Basic"
        assert client.closed()
    assert toy.called == []


def test_a_refused_client_that_sends_everything_first_gets_the_whole_answer(
    server: Server, toy: Toy, spools_made: list[object]
) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENT)
    connection.request("POST", "/", bytes(50 * MIB))
    response = connection.getresponse()
    assert (response.status, response.read()) == (401, REFUSAL)
    connection.close()
    assert toy.called == [] and spools_made == []


def test_http_1_0_is_refused_with_one_connection_header(server: Server) -> None:
    with Client(server) as client:
        client.send(b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1000000\r\n\r\n")
        status, headers, _ = client.response()
        assert (status, headers["Connection"]) == (401, "close")


def test_a_grant_after_the_answer_has_begun_does_nothing(server: Server, toy: Toy) -> None:
    with Client(server) as client:
        client.send(post("/late", MIB))
        assert client.response()[::2] == (403, b"nono")
        assert client.closed()
    assert toy.called == []


def test_an_exception_while_judging_is_a_500(server: Server, toy: Toy) -> None:
    with Client(server) as client:
        client.send(post("/raises", MIB))
        status, headers, _ = client.response()
        assert (status, headers["Connection"]) == (500, "close")
        assert server.pending_bytes == 0
        client.send(bytes(MIB))
        assert client.closed()
    assert toy.called == []


def test_an_os_error_of_the_application_is_a_500(server: Server) -> None:
    with Client(server) as client:
        client.send(head("GET", "/broken"))
        assert client.response()[0] == 500


# Admission.


def test_an_admitted_body_arrives_whole(server: Server, toy: Toy, spools_made: list[object], spool: Path) -> None:
    body = os.urandom(20 * MIB + 1)
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENT)
    for _ in range(2):
        connection.request("POST", "/up", body, {"Authorization": "x"})
        assert connection.getresponse().read().decode() == f"/up {digest(body)}"
    connection.close()
    assert toy.asked == [len(body)] * 2 and spools_made == [spool] * 2


def test_continue_is_sent_after_the_grant(server: Server, toy: Toy) -> None:
    with Client(server) as client:
        for size in (1000, MIB, 2 * MIB):
            client.send(post("/", size, Expect="100-continue"))
            assert (client.line(), client.line()) == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
            client.send(bytes(size))
            assert client.response()[2].decode() == f"/ {digest(bytes(size))}"
    assert toy.asked == [MIB, 2 * MIB]


def test_bytes_that_came_with_the_head_are_not_lost(server: Server) -> None:
    body = os.urandom(100_000)
    with Client(server) as client:
        for cut in (0, 1, 5000, 40_000, len(body)):
            client.send(post("/", len(body)), body[:cut])
            time.sleep(0.02)
            client.send(body[cut:])
            assert client.response()[2].decode() == f"/ {digest(body)}"


def test_small_bodies_are_not_asked_about(server: Server, toy: Toy) -> None:
    with Client(server) as client:
        for size in (1, 65536, 65537):
            client.send(head("POST", "/", Content_Length=size, Authorization="x"), bytes(size))
            assert client.response()[2].decode() == f"/ {digest(bytes(size))}"
    assert toy.asked == [65537]


def test_chunked_bodies_are_asked_about_without_a_length(server: Server, toy: Toy) -> None:
    pieces = [os.urandom(size) for size in (1, 10, 70_000, 8192, 900_000)]
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENT)
    connection.request("PUT", "/c", iter(pieces), {"Authorization": "x"}, encode_chunked=True)
    assert connection.getresponse().read().decode() == f"/c {digest(b''.join(pieces))}"
    connection.close()
    assert toy.asked == [None]


def test_pipelined_requests_are_answered_in_order(server: Server, toy: Toy) -> None:
    with Client(server) as client:
        body = os.urandom(70_000)
        client.send(head("GET", "/wait"), head("GET", "/b"), post("/c", 70_000), body, head("GET", "/d"))
        client.send(head("POST", "/e", Content_Length=MIB), head("GET", "/never"))
        time.sleep(0.05)
        assert toy.asked == []
        toy.gate.set()
        nothing = digest(b"")
        answers = [client.response() for _ in range(5)]
        assert [body.decode() for _, _, body in answers[:4]] == [
            f"/wait {nothing}",
            f"/b {nothing}",
            f"/c {digest(body)}",
            f"/d {nothing}",
        ]
        assert answers[4][0] == 401
        assert client.closed()
    assert toy.called == ["/wait", "/b", "/c", "/d"]


def test_requests_that_came_during_another_are_not_left_for_the_next_tick(server: Server, toy: Toy) -> None:
    """Nobody wakes the loop after a request: it has seen what came meanwhile, and must not forget it."""
    toy.gate.set()
    with Client(server) as client:
        began = time.monotonic()
        for _ in range(20):
            client.send(head("GET", "/wait"), head("GET", "/b"))
            time.sleep(0.002)
            client.send(head("GET", "/c"))
            assert [client.response()[0] for _ in range(3)] == [200] * 3
    assert time.monotonic() - began < 5  # a tick each would be ten seconds


def test_a_client_that_closes_its_half_at_once_is_answered(server: Server, toy: Toy) -> None:
    with Client(server) as client:
        client.send(head("GET", "/wait"))
        assert eventually(lambda: toy.called)
        client.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.05)  # the loop sees the end
        toy.gate.set()
        assert client.response()[0] == 200
        assert client.closed()


def test_head_and_body_leave_in_one_piece(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    send = Channel.send

    def counted(channel: Channel, data: bytes, do_close: bool = True) -> Any:
        sent.append(data)
        return send(channel, data, do_close)

    monkeypatch.setattr(Channel, "send", counted)
    with Client(server) as client:
        for _ in range(3):
            client.send(head("GET", "/"))
            assert client.response()[0] == 200
    assert len(sent) == 3


@pytest.mark.parametrize("length", [[], [("Content-Length", "6")]], ids=["chunked", "of known length"])
def test_a_block_leaves_before_the_next_is_made(spool: Path, length: list[tuple[str, str]]) -> None:
    """PEP 3333 forbids to delay a block."""
    gate = threading.Event()

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", length)
        yield b"one"
        assert gate.wait(PATIENT)
        yield b"two"

    with running(slow, spool) as server, Client(server) as client:
        client.send(head("GET", "/"))
        received = b""
        while b"one" not in received:
            received += client.socket.recv(1000)
        gate.set()
        while b"two" not in received:
            received += client.socket.recv(1000)


def test_the_next_request_waits_for_a_continue_in_its_turn(server: Server, toy: Toy) -> None:
    with Client(server) as client:
        client.send(head("GET", "/wait"), post("/", 1000, Expect="100-continue"))
        time.sleep(0.05)
        toy.gate.set()
        assert client.response()[0] == 200
        assert (client.line(), client.line()) == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
        client.send(bytes(1000))
        assert client.response()[0] == 200


def test_pending_bytes_are_those_admitted_and_not_received(server: Server, toy: Toy) -> None:
    with Client(server) as first, Client(server) as second, Client(server) as third:
        first.send(post("/", 3 * MIB), bytes(MIB))
        assert eventually(lambda: server.pending_bytes == 2 * MIB)
        second.send(head("POST", "/", Transfer_Encoding="chunked", Authorization="x"))
        assert eventually(lambda: server.pending_bytes == 66 * MIB)
        third.send(post("/", MIB, Expect="100-continue"))
        third.line()
        assert toy.pending == [0, 2 * MIB, 66 * MIB]
        first.send(bytes(2 * MIB))
        assert first.response()[0] == 200
        second.send(b"0\r\n\r\n")
        assert second.response()[0] == 200
        assert server.pending_bytes == MIB
    assert eventually(lambda: server.pending_bytes == 0)


def test_many_at_once(server: Server) -> None:
    def upload(number: int) -> bool:
        body = os.urandom(1 + number * 17_000)
        connection = http.client.HTTPConnection(*server.address, timeout=PATIENT)
        for turn in range(6):
            headers = {"Authorization": "x"} if turn != 4 else {}
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            answer = response.read()
            admitted = turn != 4 or len(body) <= 65536
            assert answer == (f"/ {digest(body)}".encode() if admitted else REFUSAL)
        connection.close()
        return True

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(upload, range(64)))


# Limits.


@pytest.mark.parametrize(
    ("length", "status"), [(64 * MIB, 200), (64 * MIB + 1, 413)], ids=["largest", "too large, though granted"]
)
def test_the_largest_body(server: Server, toy: Toy, length: int, status: int) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENT)
    connection.request("POST", "/", bytes(length), {"Authorization": "x"})
    assert connection.getresponse().status == status
    connection.close()
    assert toy.asked == [length]


def test_what_is_too_large_is_judged_by_the_application_first(server: Server) -> None:
    with Client(server) as client:
        client.send(head("POST", "/", Content_Length=1 << 40))
        assert client.response()[0] == 401


def test_a_chunked_body_that_grows_too_large_is_a_413(toy: Toy, spool: Path) -> None:
    with running(toy, spool, max_body=MIB) as server:
        connection = http.client.HTTPConnection(*server.address, timeout=PATIENT)
        connection.request("POST", "/", iter([bytes(MIB)] * 10), {"Authorization": "x"}, encode_chunked=True)
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (413, True)
        connection.close()


@pytest.mark.parametrize("rest", [b"1;" + b"a" * 9000, b"0\r\n" + b"a: b\r\n" * 4000, b"nonsense\r\n"])
def test_bad_chunks_are_a_400(server: Server, rest: bytes) -> None:
    with Client(server) as client:
        client.send(head("POST", "/", Transfer_Encoding="chunked", Authorization="x"), rest)
        assert client.response()[0] == 400


@pytest.mark.parametrize(
    "request_head",
    [
        head("POST", "/", Content_Length=5, Transfer_Encoding="chunked"),
        head("POST", "/", Transfer_Encoding="chunked").replace(b"/1.1", b"/1.0"),
        head("POST", "/", Content_Length="9" * 5000),
        head("GET", "http://[::1"),
        b"GET / HTTP/1.1\r\n\r\n",
        head("GET", "/", Host="x"),
        head("GET", "/", host="y"),
        head("GET", "/", Host=""),
        head("GET", "/", Host="y").replace(b"/1.1", b"/1.0"),
    ],
    ids=[
        "two framings",
        "chunks in 1.0",
        "digits",
        "bad IPv6",
        "no host",
        "the same host twice",
        "two hosts",
        "a host and none",
        "two hosts in 1.0",
    ],
)
def test_bad_heads_are_a_400(server: Server, toy: Toy, request_head: bytes) -> None:
    with Client(server) as client:
        client.send(request_head)
        assert client.response()[0] == 400
        assert client.closed()
    assert (toy.asked, toy.called) == ([], [])


@pytest.mark.parametrize("request_head", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"])
def test_a_request_may_have_an_empty_host_and_http_1_0_none(server: Server, request_head: bytes) -> None:
    with Client(server) as client:
        client.send(request_head)
        assert client.response()[0] == 200


def test_a_client_that_speaks_tls_is_told_at_once(server: Server, toy: Toy) -> None:
    """A typed `https://`, or a client that always uses it: it must not wait for a time limit."""
    tls = ssl.create_default_context()
    with socket.create_connection(server.address, timeout=PATIENT) as plain, pytest.raises(ssl.SSLError) as error:
        tls.wrap_socket(plain, server_hostname="localhost")
    assert not isinstance(error.value, TimeoutError)
    assert (toy.asked, toy.called) == ([], [])


@pytest.mark.parametrize(
    ("code", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 500), (errno.ENOENT, 500)]
)
def test_a_disk_that_refuses_is_told(code: int, status: int, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with Client(server) as client:
        client.send(post("/", 2 * MIB), bytes(2 * MIB))
        assert client.response()[0] == status
    with Client(server) as client:
        client.send(head("GET", "/"))
        assert client.response()[0] == 200


def still_open(client: Client, seconds: float) -> bool:
    """Whether the connection outlives some seconds while the client sends nothing."""
    client.socket.settimeout(seconds)
    try:
        return client.socket.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False
    finally:
        client.socket.settimeout(PATIENT)


def accepts(client: Client) -> bool:
    """Whether the server still takes a byte."""
    try:
        client.send(b"x")
    except ConnectionError:
        return False
    return True


def test_a_slow_head_ends(toy: Toy, spool: Path) -> None:
    with (
        running(toy, spool, limits=Limits(head_seconds=0.4)) as server,
        Client(server) as client,
        Client(server) as idle,
    ):
        client.send(b"GET / HT")
        assert client.closed()
        assert still_open(idle, 0.1)


def test_idle_connections_end(toy: Toy, spool: Path) -> None:
    with (
        running(toy, spool, limits=Limits(idle_seconds=0.4)) as server,
        Client(server) as fresh,
        Client(server) as used,
    ):
        used.send(head("GET", "/"))
        assert used.response()[0] == 200
        assert used.closed() and fresh.closed()


@linux
def test_a_stalled_upload_ends(toy: Toy, spool: Path) -> None:
    with running(toy, spool, limits=Limits(idle_seconds=0.4)) as server, Client(server) as client:
        client.send(post("/", 5 * MIB), bytes(2 * MIB))
        assert eventually(lambda: spooled(spool))
        assert client.closed()
        assert eventually(lambda: not spooled(spool))
    assert toy.called == []


def test_an_upload_ends_that_never_stalls_and_never_finishes(toy: Toy, spool: Path) -> None:
    with running(toy, spool, limits=Limits(upload_seconds=0.6, idle_seconds=0.4)) as server, Client(server) as client:
        client.send(post("/", 50 * MIB))
        assert eventually(lambda: not accepts(client), 5)


def test_an_application_may_take_longer_than_a_connection_may_idle(toy: Toy, spool: Path) -> None:
    with running(toy, spool, limits=Limits(idle_seconds=0.2)) as server, Client(server) as client:
        client.send(head("GET", "/wait"))
        time.sleep(1.2)
        toy.gate.set()
        assert client.response()[0] == 200


def test_a_client_that_does_not_read_is_cut_off(spool: Path) -> None:
    ended = threading.Event()

    def endless(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            for _ in range(1000):
                yield bytes(MIB)
        finally:
            ended.set()

    with running(endless, spool, threads=1, limits=Limits(idle_seconds=0.5)) as server, Client(server) as client:
        client.send(head("GET", "/"))
        assert ended.wait(PATIENT)


def test_lingering_ends(toy: Toy, spool: Path) -> None:
    limits = Limits(linger_seconds=1.0, linger_idle_seconds=0.3)
    with running(toy, spool, limits=limits) as server, Client(server) as silent, Client(server) as busy:
        for client in (silent, busy):
            client.send(head("POST", "/", Content_Length=MIB))
            assert client.response()[0] == 401
        assert eventually(lambda: accepts(busy) and server.connections == 1, 3)
        assert eventually(lambda: not accepts(busy), 3)


def test_plain_requests_are_answered_while_others_stall(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(64):
            upload = stack.enter_context(Client(server))
            upload.send(post("/", 2 * MIB), bytes(MIB))
        for number in range(500):
            half_open = stack.enter_context(Client(server))
            half_open.send(b"GET / HTTP/1.1\r\n" * (number % 2))
        assert eventually(lambda: server.pending_bytes == 64 * MIB)
        for _ in range(10):
            with Client(server) as client:
                client.send(head("GET", "/"))
                assert client.response()[0] == 200
        assert server.pending_bytes == 64 * MIB


def test_waiting_tasks_are_reported_once(toy: Toy, spool: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(toy, spool, threads=1) as server, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(Client(server)).send(head("GET", "/wait"))
        assert eventually(lambda: toy.called)
        time.sleep(0.1)
        toy.gate.set()
    assert len([record for record in caplog.records if "queue depth" in record.message]) <= 1


# The spool.


@linux
def test_large_bodies_lie_in_the_spool_folder_without_a_name(server: Server, spool: Path) -> None:
    with Client(server) as client:
        client.send(post("/", 3 * MIB), bytes(2 * MIB))
        assert eventually(lambda: spooled(spool) == [2 * MIB])
        assert list(spool.iterdir()) == []
        client.send(bytes(MIB))
        assert client.response()[0] == 200
        assert eventually(lambda: spooled(spool) == [])
        client.send(post("/", 3 * MIB), bytes(2 * MIB))
        assert eventually(lambda: spooled(spool))
    assert eventually(lambda: spooled(spool) == [])


@pytest.mark.parametrize("length", [0, 10, MEMORY, MEMORY + 1])
def test_a_spool_gives_back_what_it_was_given(tmp_path: Path, length: int) -> None:
    spool, body = Spool(tmp_path), os.urandom(length)
    for start in range(0, length, 100_000):
        spool.append(body[start : start + 100_000])
    assert len(spool) == length
    assert spool.getfile().read(7) == body[:7]
    assert spool.getfile().read() == body[7:]
    spool.close()
    spool.close()


@linux
def test_memory_does_not_grow_with_the_body(tmp_path: Path) -> None:
    with subprocess_server(tmp_path) as (process, address):
        body = tmp_path / "body"
        with body.open("wb") as file:
            file.truncate(200 * MIB)
        before = resident(process.pid)
        connection = http.client.HTTPConnection(*address, timeout=PATIENT)
        with body.open("rb") as file:
            connection.request("POST", "/", file, {"Content-Length": str(200 * MIB)})
            assert connection.getresponse().read() == str(200 * MIB).encode()
        connection.close()
        assert resident(process.pid, peak=True) - before < 16 * MIB


def resident(pid: int, peak: bool = False) -> int:
    """Bytes."""
    name = "VmHWM:" if peak else "VmRSS:"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


PROGRAM = """
    import sys, time
    from pathlib import Path
    from orbitalreg.serving import Server, install_signals

    def application(environ, start_response):
        if admission := environ.get("orbitalreg.admission"):
            admission.grant()
        if environ["PATH_INFO"] == "/sleep":
            print("sleeping", flush=True)
            time.sleep(30)
        count = 0
        while piece := environ["wsgi.input"].read(1 << 16):
            count += len(piece)
        start_response("200 OK", [("Content-Length", str(len(str(count))))])
        return [str(count).encode()]

    def swapped(environ, start_response):
        start_response("200 OK", [("Content-Length", "7")])
        return [b"swapped"]

    reloads = []

    def reload():
        reloads.append(None)
        if len(reloads) == 1:
            print("reloading", flush=True)
            raise ValueError("bad configuration")
        server.application = swapped
        print("reloaded", flush=True)

    server = Server(application, spool=Path(sys.argv[1]))
    install_signals(server, reload)
    print(server.address[1], flush=True)
    server.run()
    print("stopped", flush=True)
"""


@contextmanager
def subprocess_server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(PROGRAM), str(folder / "spool")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, ("127.0.0.1", int(process.stdout.readline()))
        finally:
            process.kill()


def get(address: tuple[str, int], path: str = "/") -> bytes:
    connection = http.client.HTTPConnection(*address, timeout=PATIENT)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, PATIENT).close()
    except ConnectionError:
        return True
    return False


# Starting, swapping, stopping.


def test_the_address_is_free_or_named(toy: Toy, spool: Path) -> None:
    with running(toy, spool) as server:
        assert server.url == f"http://127.0.0.1:{server.address[1]}"
        with pytest.raises(ConfigError, match=r"^server\.listen: .*in use"):
            Server(toy, port=server.address[1], spool=spool)
    with pytest.raises(ConfigError, match=r"^server\.listen: cannot listen on 192\.0\.2\.1:0"):
        bind("192.0.2.1", 0)


def test_ipv6(toy: Toy, spool: Path) -> None:
    try:
        listener = bind("::1", 0)
    except ConfigError:
        pytest.skip("no IPv6 here")
    with running(toy, spool, listener=listener) as server:
        assert server.url == f"http://[::1]:{server.address[1]}"
        assert get(server.address) == f"/ {digest(b'')}".encode()


def test_a_server_that_never_ran_can_be_closed(toy: Toy, spool: Path) -> None:
    server = Server(toy, spool=spool)
    server.close()
    server.stop()
    server.close()


def test_a_new_application_serves_the_next_request(server: Server, toy: Toy) -> None:
    def other(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"other"]

    with Client(server) as client, Client(server) as upload:
        client.send(head("GET", "/wait"))
        upload.send(post("/", MIB))
        assert eventually(lambda: toy.called and server.pending_bytes)
        server.application = other
        toy.gate.set()
        assert client.response()[2].startswith(b"/wait")
        client.send(head("GET", "/"))
        upload.send(bytes(MIB))
        assert client.response()[2] == upload.response()[2] == b"other"


def test_a_stop_lets_what_is_under_way_finish(toy: Toy, spool: Path) -> None:
    with ExitStack() as stack, running(toy, spool) as server:
        upload, waiting, idle, half = (stack.enter_context(Client(server)) for _ in range(4))
        upload.send(post("/", MIB), bytes(100_000))
        waiting.send(head("GET", "/wait"))
        half.send(b"GET / HT")
        assert eventually(lambda: toy.called and server.pending_bytes)
        began = time.monotonic()
        server.stop()
        assert idle.closed() and half.closed()
        assert time.monotonic() - began < 10  # the grace is longer
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(server.address, timeout=PATIENT)
        toy.gate.set()
        upload.send(bytes(MIB - 100_000))
        for client in (waiting, upload):
            status, headers, _ = client.response()
            assert (status, headers["Connection"]) == (200, "close")
            assert client.closed()


def test_a_stop_answers_what_the_system_has_accepted(toy: Toy, spool: Path) -> None:
    server = Server(toy, spool=spool)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(20)]
        for client in clients:
            client.send(head("GET", "/"))
        server.stop()
        server.run()
        assert [client.response()[0] for client in clients] == [200] * 20


def test_a_stop_without_work_is_prompt(toy: Toy, spool: Path) -> None:
    with running(toy, spool) as server, Client(server) as client:
        client.send(head("GET", "/"))
        assert client.response()[0] == 200
        began = time.monotonic()
        server.stop()
        assert client.closed()
    assert time.monotonic() - began < 10  # the grace is longer


def test_the_grace_ends(toy: Toy, spool: Path) -> None:
    with running(toy, spool, limits=Limits(grace_seconds=0.3)) as server, Client(server) as client:
        client.send(post("/", 2 * MIB), bytes(MIB))
        assert eventually(lambda: server.pending_bytes)
        began = time.monotonic()
        server.stop()
        assert client.closed()
        assert time.monotonic() - began < 10  # without the limit it would be longer


def test_signals(tmp_path: Path) -> None:
    with subprocess_server(tmp_path) as (process, address):
        assert process.stdout is not None
        assert get(address) == b"0"
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "reloading\n"
        assert get(address) == b"0"
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "reloaded\n"
        assert get(address) == b"swapped"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stopped\n"
        _, errors = process.communicate(timeout=PATIENT)
        assert process.returncode == 0
        assert "bad configuration" in errors and "reload failed" in errors


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    with subprocess_server(tmp_path) as (process, address), socket.create_connection(address, PATIENT) as client:
        assert process.stdout is not None
        client.sendall(head("GET", "/sleep"))
        assert process.stdout.readline() == "sleeping\n"
        process.send_signal(signal.SIGTERM)
        assert eventually(lambda: refused(address))
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENT) == 130

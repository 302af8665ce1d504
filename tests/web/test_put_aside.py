"""Requests that are put aside until their answer is there, and answers that grow: neither holds a thread."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.errors import UpstreamFailed
from orbitalreg.serving import Limits, Server
from orbitalreg.waiting import VISIT_KEY, NotYet, Visit, current, visiting

PATIENCE = 10.0


class Growing:
    """A file that a test feeds."""

    def __init__(self) -> None:
        self.data = b""
        self.place = 0
        self.failure: Exception | None = None
        self.ended = False
        self.closed = 0
        self.calls: list[Callable[[], None]] = []

    def feed(self, data: bytes = b"", failure: Exception | None = None, end: bool = False) -> None:
        self.data += data
        self.failure, self.ended = failure, end
        for call in self.calls:
            call()

    @property
    def is_ready(self) -> bool:
        return self.closed > 0 or self.ended or self.failure is not None or self.place < len(self.data)

    def read(self, size: int) -> bytes:
        raise AssertionError("nobody is to wait")

    def peek(self, size: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        return self.data[self.place : self.place + size]

    def skip(self, size: int) -> None:
        self.place += size

    def watch(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def close(self) -> None:
        self.closed += 1


class Holding:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Application:
    """`/aside` is put aside until `wake`; `/grow` is a growing file of ten bytes; anything else is there at once."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.wakes: list[Callable[[], None]] = []
        self.times = 1
        self.seconds: float | None = None
        self.held = Holding()
        self.file = Growing()
        self.visits: list[Visit | None] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.called.append(path)
        visit: Visit | None = environ.get(VISIT_KEY)
        self.visits.append(visit)
        if path == "/grow":
            start_response("200 OK", [("Content-Length", "10")])
            wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](self.file, 8192)
            return wrapped
        if path == "/aside" and visit is not None and self.called.count("/aside") <= self.times:
            visit.hold("something", self.held)
            visit.pause = NotYet(self.wakes.append, self.seconds)
            start_response("500 Thrown away", [("Content-Length", "1000")])
            return [b"junk"]
        body = path.encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def wake(self) -> None:
        assert eventually(lambda: self.wakes)
        self.wakes.pop(0)()


LONG = 20 << 20
"""More than waitress lets a connection have to send before it makes the worker wait."""


class Long:
    """`/grow` is a growing file of `LONG` bytes, `/page` as many in one piece; anything else is its own path."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.file = Growing()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.called.append(path)
        body = b"p" * LONG if path == "/page" else path.encode()
        start_response("200 OK", [("Content-Length", str(LONG if path == "/grow" else len(body)))])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](self.file, 8192) if path == "/grow" else [body]
        return wrapped


@contextmanager
def running(application: Any, folder: Path, **options: Any) -> Iterator[Server]:
    server = Server(application, spool=folder / "spool", **options)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def server(application: Application, tmp_path: Path) -> Iterator[Server]:
    with running(application, tmp_path, threads=1, limits=Limits(grace_seconds=2)) as server:
        yield server


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def get(server: Server, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)
    try:
        connection.request("GET", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def begun(server: Server, *paths: str) -> socket.socket:
    connection = socket.create_connection(server.address, PATIENCE)
    connection.sendall("".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths).encode())
    return connection


def rest(connection: socket.socket) -> bytes:
    with connection:
        received = b""
        while piece := connection.recv(1 << 16):
            received += piece
    return received


def test_what_is_put_aside_is_asked_again_and_holds_no_thread(server: Server, application: Application) -> None:
    with ThreadPoolExecutor(5) as pool:
        application.times = 5
        waiting = [pool.submit(get, server, "/aside") for _ in range(5)]
        assert eventually(lambda: len(application.wakes) == 5)
        assert get(server, "/other") == (200, b"/other")  # by the only thread
        assert not any(future.done() for future in waiting)
        for _ in range(5):
            application.wake()
        assert [future.result() for future in waiting] == [(200, b"/aside")] * 5
    assert application.called.count("/aside") == 10


def test_it_may_be_put_aside_again_and_again(server: Server, application: Application) -> None:
    application.times = 3
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get, server, "/aside")
        for _ in range(3):
            assert application.held.closed == 0 or application.called.count("/aside") > 1
            application.wake()
        assert waiting.result() == (200, b"/aside")
    assert len({id(visit) for visit in application.visits}) == 1
    assert eventually(lambda: application.held.closed == 3)  # by the two after it, and in the end


def test_one_that_is_ready_meanwhile_is_asked_again_at_once(server: Server, application: Application) -> None:
    application.wakes = Immediate()
    assert get(server, "/aside") == (200, b"/aside")


class Immediate(list[Any]):
    def append(self, call: Callable[[], None]) -> None:
        call()
        call()  # the second one means nothing


def test_it_is_asked_again_after_its_time_though_nobody_wakes_it(server: Server, application: Application) -> None:
    application.seconds = 0.2
    began = time.monotonic()
    assert get(server, "/aside") == (200, b"/aside")
    assert 0.2 <= time.monotonic() - began < 10
    application.wake()  # too late, and without effect
    assert get(server, "/aside") == (200, b"/aside")
    assert application.called.count("/aside") == 3


def test_what_is_held_for_a_request_is_let_go_when_it_is_over(server: Server, application: Application) -> None:
    connection = begun(server, "/aside")
    assert eventually(lambda: application.wakes)
    assert application.held.closed == 0
    application.wake()
    assert eventually(lambda: application.held.closed == 1)
    connection.close()


def test_what_is_held_for_a_client_that_left_is_let_go_too(server: Server, application: Application) -> None:
    connection = begun(server, "/aside")
    assert eventually(lambda: application.wakes)
    connection.close()
    application.wake()
    assert eventually(lambda: application.held.closed == 1)


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_a_request_whose_client_goes_is_dropped_though_nothing_wakes_it(
    how: str, server: Server, application: Application, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    connection = begun(server, "/aside")
    assert eventually(lambda: application.wakes)
    if how == "resets":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    assert eventually(lambda: application.held.closed == 1 and server.connections == 0)
    application.wake()  # too late, and without effect
    assert get(server, "/other") == (200, b"/other")
    assert application.called == ["/aside", "/other"]
    assert [record.fields["status"] for record in caplog.records if hasattr(record, "fields")] == [499]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_closes_its_half_is_waited_for(version: str, server: Server, application: Application) -> None:
    connection = socket.create_connection(server.address, PATIENCE)
    connection.sendall(f"GET /aside HTTP/{version}\r\nHost: x\r\n\r\n".encode())
    connection.shutdown(socket.SHUT_WR)
    assert eventually(lambda: application.wakes)
    time.sleep(1.5)  # three looks at it
    application.wake()
    received = rest(connection)
    assert received.endswith(b"/aside")
    assert received.count(b"HTTP/1.1 100 Continue\r\n\r\n") == (version == "1.1")


def test_a_request_with_a_body_cannot_be_put_aside(server: Server, application: Application) -> None:
    assert get(server, "/aside", b"body") == (200, b"/aside")
    assert get(server, "/aside", b"b" * 100_000)[0] == 200
    assert application.visits[0] is None and set(application.visits[1:]) == {None}


def test_requests_on_one_connection_keep_their_order(server: Server, application: Application) -> None:
    connection = begun(server, "/one", "/aside", "/three")
    application.wake()
    received = b""
    while b"/three" not in received:
        received += connection.recv(1 << 16)
    connection.close()
    assert received.index(b"/one") < received.index(b"/aside") < received.index(b"/three")
    assert application.called == ["/one", "/aside", "/aside", "/three"]
    assert b"junk" not in received and b"500" not in received


def test_a_stop_waits_for_what_was_put_aside(application: Application, tmp_path: Path) -> None:
    with running(application, tmp_path, threads=1) as server, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get, server, "/aside")
        assert eventually(lambda: application.wakes)
        server.stop()
        time.sleep(0.2)
        application.wake()
        assert waiting.result() == (200, b"/aside")


def test_a_growing_answer_is_sent_as_it_grows_and_holds_no_thread(server: Server, application: Application) -> None:
    application.file.feed(b"012")
    connection = begun(server, "/grow")
    received = b""
    while not received.endswith(b"012"):
        received += connection.recv(1 << 16)
    assert get(server, "/other") == (200, b"/other")
    application.file.feed(b"345")
    assert connection.recv(1 << 16) == b"345"
    application.file.feed(b"6789", end=True)
    assert connection.recv(1 << 16) == b"6789"
    connection.sendall(b"GET /after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert rest(connection).endswith(b"/after")
    assert application.file.closed == 1


def test_while_nothing_comes_the_server_is_idle(server: Server, application: Application) -> None:
    application.file.feed(b"012")
    connection = begun(server, "/grow")
    time.sleep(0.2)
    before = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - before < 0.3
    application.file.feed(b"3456789", end=True)
    connection.close()


@pytest.mark.parametrize("at", [b"012", b""])
def test_a_failure_breaks_the_connection_without_a_traceback(
    at: bytes, server: Server, application: Application, caplog: pytest.LogCaptureFixture
) -> None:
    application.file.feed(at)
    connection = begun(server, "/grow")
    time.sleep(0.1)
    application.file.feed(failure=UpstreamFailed("it broke off"))
    received = rest(connection)
    assert received.endswith(b"\r\n\r\n" + at) and b"Content-Length: 10" in received
    assert eventually(lambda: application.file.closed == 1)
    assert [record for record in caplog.records if record.exc_info] == []


def test_an_answer_that_is_shorter_than_announced_breaks_the_connection(
    server: Server, application: Application
) -> None:
    application.file.feed(b"0123", end=True)
    assert rest(begun(server, "/grow")).endswith(b"0123")
    assert eventually(lambda: application.file.closed == 1)


def test_a_client_that_vanishes_is_noticed_with_the_next_bytes(server: Server, application: Application) -> None:
    application.file.feed(b"0")
    connection = begun(server, "/grow")
    assert eventually(lambda: application.file.calls)
    connection.close()

    def feeds_on() -> bool:
        application.file.feed(b"1")
        return application.file.closed >= 1

    assert eventually(feeds_on)


def test_a_slow_upstream_is_no_idle_client(application: Application, tmp_path: Path) -> None:
    with running(application, tmp_path, limits=Limits(idle_seconds=0.3)) as server:
        application.file.feed(b"0")
        connection = begun(server, "/grow")
        time.sleep(1.5)
        application.file.feed(b"123456789", end=True)
        connection.shutdown(socket.SHUT_WR)
        assert rest(connection).endswith(b"0123456789")


def test_a_request_behind_a_growing_answer_waits_for_it_without_a_thread(server: Server) -> None:
    """More than the watermark is still to come of the answer: what follows it would have to wait in its thread."""
    application = Long()
    server.application = application
    connection = begun(server, "/grow", "/next")
    assert eventually(lambda: application.file.calls)
    assert get(server, "/other") == (200, b"/other")  # by the only thread
    assert "/next" not in application.called
    application.file.feed(b"0" * LONG, end=True)
    received = bytearray()
    while not received.endswith(b"/next"):
        received += connection.recv(1 << 20)
    connection.close()
    assert len(received) > LONG and application.called == ["/grow", "/other", "/next"]


def test_slow_readers_who_pipeline_hold_no_thread(tmp_path: Path) -> None:
    application = Long()
    application.file.feed(b"0" * LONG, end=True)
    with running(application, tmp_path, threads=2, limits=Limits(grace_seconds=1)) as server:
        stalled = [begun(server, "/page", "/page", "/page") for _ in range(4)]
        assert eventually(lambda: application.called.count("/page") >= 4)
        time.sleep(0.1)
        assert get(server, "/other") == (200, b"/other")
        for connection in stalled:
            received = 0
            while received < 3 * LONG:
                received += len(connection.recv(1 << 20))
            connection.close()
    assert application.called.count("/page") == 12


def test_requests_that_wait_behind_an_answer_end_with_their_client(server: Server) -> None:
    application = Long()
    server.application = application
    connection = begun(server, "/grow", "/next")
    assert eventually(lambda: application.file.calls)
    assert get(server, "/other") == (200, b"/other")
    connection.close()

    def feeds_on() -> bool:
        application.file.feed(b"1")
        return server.connections == 0

    assert eventually(feeds_on)
    assert get(server, "/other") == (200, b"/other")
    assert "/next" not in application.called


def test_only_who_asks_for_a_visit_is_told_not_yet() -> None:
    visit = Visit()
    assert current() is None
    with visiting(visit):
        assert current() is visit
        with visiting(None):
            assert current() is None
        assert current() is visit
    assert current() is None


def test_a_visit_knows_how_long_something_was_waited_for() -> None:
    visit = Visit()
    assert visit.waited("file") == 0
    time.sleep(0.02)
    assert visit.waited("file") >= 0.02 and visit.waited("other") == 0


def test_what_is_held_under_one_name_is_held_once() -> None:
    visit, things = Visit(), [Holding(), Holding()]
    for thing in things:
        visit.hold("name", thing)
    assert visit.held("name") is things[1] and visit.held("else") is None
    assert [thing.closed for thing in things] == [1, 0]
    visit.close()
    visit.close()
    assert [thing.closed for thing in things] == [1, 1]

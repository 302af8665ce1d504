"""One connection: waitress' channel, with the admission of bodies, lingering and time limits."""

import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from waitress.channel import ClientDisconnected, HTTPChannel  # type: ignore[import-untyped]
from waitress.utilities import InternalServerError  # type: ignore[import-untyped]

from orbitalreg.serving.admission import Admission
from orbitalreg.serving.growing import GrowingBuffer
from orbitalreg.serving.limits import BODY_RECV, HEAD_RECV, SEND
from orbitalreg.serving.parsing import Parser
from orbitalreg.serving.tasks import HeadTask, RefusalTask, Task, log_unserved
from orbitalreg.waiting import NotYet


def task_for(channel: "Channel", request: Parser) -> Task:
    return HeadTask(channel, request) if request.waiting else Task(channel, request)


class Channel(HTTPChannel):  # type: ignore[misc]
    """The main loop reads, flushes and closes; a worker runs `service()`, and nothing else here.

    A head whose body has to be admitted is queued as a request of its own: so it has its turn after the requests
    before it, waitress reads nothing more meanwhile, and an exception becomes its ordinary 500. What follows from a
    worker's call is done by `_advance()` in the main loop.
    """

    task_class = staticmethod(task_for)
    error_task_class = RefusalTask
    requests: list[Parser]
    current_outbuf_count: int
    lingers = False
    """Whether the answer is given before the request is received; written by the worker ahead of its answer."""
    lingering_since: float | None = None
    unread = False
    """Whether something has arrived that is left to wait for the end of a request; under `requests_lock`."""
    held_back = False
    """Whether the next request waits until more of the answers before it is sent; under `requests_lock`."""
    _kept: list[bytes] | None = None
    pause: NotYet | None = None
    """Why the first request has to be asked again, until the server knows."""
    aside: Callable[[], None] | None = None
    """While the first request is put aside: has it asked again, or dropped where nobody is there any more."""
    _looked_closer = False

    def __init__(self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:  # noqa: A002
        super().__init__(server, sock, addr, adj, map)
        self.sendbuf_len: int = min(sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF), SEND)

    def parser_class(self, adj: Any) -> Parser:
        return Parser(adj, self.server.spool)

    # Main loop: reading.

    def readable(self) -> bool:
        """Also while a request is at work: whoever ends it then need not wake the loop."""
        if self.lingering_since is not None:
            return True
        if self.unread or (self.request is not None and self.request.waiting):
            return False
        return not (self.will_close or self.close_when_flushed or self.total_outbufs_len)

    def handle_read(self) -> None:
        if self.is_full or self._leaves_unread():
            return
        try:
            data = self.recv(self._recv_size())
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if data:  # otherwise recv() has closed the channel
            self.last_activity = time.time()
            if self.lingering_since is None:
                self.received(data)

    def _leaves_unread(self) -> bool:
        """Nothing is taken while a request is at work, not even the end: some clients close their half at once."""
        with self.requests_lock:
            self.unread = bool(self.requests)
        return self.unread

    def _recv_size(self) -> int:
        """Small until a body is admitted: that is what a stranger can make a connection hold."""
        request = self.request
        return BODY_RECV if request is not None and request.headers_finished else HEAD_RECV

    def received(self, data: bytes) -> bool:
        taken: bool = super().received(data)
        request = self.request
        if request is not None and request.waiting and request.admission is None:
            admission = Admission(request.length, self.server.pending_bytes)
            self._queue(request.ask(admission))
        self._advance()
        return taken

    def _queue(self, request: Parser) -> None:
        with self.requests_lock:
            if self.will_close or self.close_when_flushed:
                return
            self.requests.append(request)
            if len(self.requests) == 1:
                self.server.add_task(self)

    def _advance(self) -> None:
        """Take the step that the request being received waits for, if it is its turn."""
        request = self.request
        if request is None or self.requests or self._ending:
            return
        if request.waiting:
            if request.admission is not None and request.admission.granted:
                self._admit(request)
        elif request.wants_continue:
            request.wants_continue = False
            self.send_continue()

    @property
    def _ending(self) -> bool:
        lingering = self.lingering_since is not None
        return bool(self.will_close or self.close_when_flushed or lingering or not self.connected)

    def _admit(self, request: Parser) -> None:
        request.waiting = False
        request.since = time.monotonic()
        if request.error:  # too large, and nevertheless granted
            request.completed, self.request = True, None
            self._queue(request)
            return
        held, request.held = request.held, b""
        if held:
            # RFC 9110, section 10.1.1: no 100 is needed for a client that did not wait for it.
            request.wants_continue = False
            self.received(held)
        else:
            self._advance()

    # Main loop: writing and closing.

    @property
    def is_full(self) -> bool:
        """Whether so much is to be sent that who adds to it has to wait. Any thread."""
        return bool(self.total_outbufs_len > self.adj.outbuf_high_watermark)

    def writable(self) -> bool:
        return bool(self.will_close or (super().writable() and not self.starved))

    @property
    def starved(self) -> bool:
        """Whether what is to be sent next has not come yet; whatever brings it wakes the loop."""
        first = self.outbufs[0]
        return isinstance(first, GrowingBuffer) and not first.is_ready

    def handle_write(self) -> None:
        """As waitress', but always under the lock, and with lingering in place of closing."""
        if self.total_outbufs_len:
            self._flush_exception(self._flush_some_if_lockable)
        if self.requests and not self.is_full:
            self._let_next()
        if self.will_close:
            self.handle_close()
        elif self.close_when_flushed and not self.total_outbufs_len:
            end = self._linger if self.lingers else self.handle_close
            end()

    def _let_next(self) -> None:
        """Have the request served that was held back, or ended where the connection is closed."""
        with self.requests_lock:
            held_back, self.held_back = self.held_back, False
            if held_back:
                self.server.add_task(self)

    def _linger(self) -> None:
        """RFC 9112, section 9.6: closing while a client sends would reset the connection, and lose the answer."""
        if self.socket is None:
            return
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()
            return
        self.close_when_flushed = False
        self.lingering_since = time.monotonic()
        self.last_activity = time.time()
        if self.request is not None:
            self.request.close()

    def handle_close(self) -> None:
        super().handle_close()
        if self.held_back:  # seen ahead of the lock, which a worker may hold while it waits for that of the output
            self._let_next()
        wake, waiting = self.aside, self.requests[:1]
        if wake is not None:
            for each in waiting:
                log_unserved(self, each, secrets.token_hex(8), "499 the connection ended while the request waited")
            wake()
        request, self.request = self.request, None
        if request is not None:
            if request.headers_finished and self.lingering_since is None and not request.waiting:
                log_unserved(self, request, secrets.token_hex(8), "499 the body broke off or took too long")
            request.close()

    def cancel(self) -> None:
        for request in self.requests:
            request.close()
            request.end_visit()
        super().cancel()

    # Main loop: limits. They apply between polls, so that a descriptor is never closed while it is polled.

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost by closing: at most a part of a head."""
        busy = self.requests or self.total_outbufs_len or self.close_when_flushed or self.lingering_since is not None
        return not busy and (self.request is None or not self.request.headers_finished)

    @property
    def overdue(self) -> bool:
        limits, stalled = self.server.limits, time.time() - self.last_activity
        if self.lingering_since is not None:
            lasted = time.monotonic() - self.lingering_since
            return bool(stalled > limits.linger_idle_seconds or lasted > limits.linger_seconds)
        if (self.requests and not self.total_outbufs_len) or self.starved:
            return False  # the application is at work
        return bool(stalled > limits.idle_seconds or self._receiving_too_long())

    def _receiving_too_long(self) -> bool:
        request, limits = self.request, self.server.limits
        if request is None or self.requests or request.waiting:
            return False
        limit = limits.upload_seconds if request.headers_finished else limits.head_seconds
        return bool(time.monotonic() - request.since > limit)

    def is_left(self) -> bool:
        """Whether the client of the request that is put aside has gone.

        Some clients close their half and read on. Only what is sent tells them from those that closed all: that is
        refused. An interim answer is read over by every client (RFC 9110, section 15.2), but for those of HTTP/1.0.
        """
        if self.aside is None:
            return False
        try:
            if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return True
            if not self._looked_closer and self.socket.recv(1, socket.MSG_PEEK) == b"":
                self._looked_closer = True
                self._send_interim()
        except BlockingIOError:
            return False
        except OSError:
            return True
        return False

    def _send_interim(self) -> None:
        """Raises `OSError`."""
        with self.outbuf_lock:  # whoever answers meanwhile sends after it
            if self.aside is not None and not self.total_outbufs_len and self.requests[0].version == "1.1":
                self.socket.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    @property
    def unreceived(self) -> int:
        """Any thread."""
        request = self.request
        return 0 if request is None else request.unreceived

    # Worker threads.

    def service(self) -> None:
        """As waitress', but an answer that was kept back is sent as the last thing, and the loop is woken only for
        what it does not see by itself: a client that has its answer sends the next request, and that wakes it anyhow.

        Nor does anything here wait for a slow reader, or for an answer that is still growing: where so much is to be
        sent that the next request would, it is held back, and holds no thread.
        """
        request = self.requests[0]
        self.lingers = bool(request.error or request.waiting)
        is_last = self._answer(request)
        with self.requests_lock:
            with suppress(ClientDisconnected):
                self.send_kept()
            self.close_when_flushed = self.close_when_flushed or is_last
            if self.current_outbuf_count:
                self.current_outbuf_count = self.adj.outbuf_high_watermark  # a buffer of its own for the next request
            self.held_back = self.is_full and not is_last  # `handle_close` sets and looks the other way round
            served = 1 if self.connected and not is_last else len(self.requests)
            done, self.requests = self.requests[:served], self.requests[served:]
            unread, self.unread = self.unread, False
            self.held_back = self.held_back and bool(self.requests)
            if self.requests and not self.held_back:
                self.server.add_task(self)
        for each in done:
            each.close()
        self.last_activity = time.time()
        if not self.connected:
            request.end_visit()  # it was put aside, and nobody is there any more
        if self.connected and self.request is not None:
            self.server.call_soon(self._after_service)
        elif self.connected and (unread or self.writable() or self.server.draining):
            self.server.pull_trigger()

    def _answer(self, request: Parser) -> bool:
        """Whether the connection ends with this answer."""
        task: Any = (self.error_task_class if request.error else self.task_class)(self, request)
        try:
            if not self.connected:
                return True
            task.service()
        except ClientDisconnected:
            self.logger.info("Client disconnected while serving %s", request.path)
            return True
        except Exception:  # the application, and what plugins bring, may raise anything
            self.logger.exception("Exception while serving %s", request.path)
            return bool(task.wrote_header or request.error) or self._answer(self._failed(request))
        return bool(task.close_on_finish)

    def _failed(self, request: Parser) -> Parser:
        """What is answered by a 500 in place of `request`."""
        failed = self.parser_class(self.adj)
        failed.error = InternalServerError("The server encountered an unexpected internal server error")
        failed.version = request.version
        failed.headers = {name: value for name, value in request.headers.items() if name == "CONNECTION"}
        return failed

    def put_aside(self, request: Parser, pause: NotYet) -> None:
        """Have the request that is being served asked again. waitress takes it for the next one of the client's."""
        with self.requests_lock:
            self.requests.insert(1, request)
            self.pause = pause

    def write_soon(self, data: Any) -> int:
        if self._kept is not None:
            self._kept.append(data)
            return len(data)
        if not self.total_outbufs_len:
            self.last_activity = time.time()  # the client had nothing to read until now
        written: int = super().write_soon(data)
        return written

    def keep(self) -> None:
        """Have what is written from now on sent in one piece, by `send_kept()` or at the end of the request."""
        self._kept = []

    def send_kept(self) -> None:
        """Raises `ClientDisconnected`."""
        kept, self._kept = self._kept, None
        if kept:
            self.write_soon(b"".join(kept))

    # Main loop again.

    def _after_service(self) -> None:
        if self.request is not None and not self.request.headers_finished:
            self.request.since = time.monotonic()  # the rest of this head was not read meanwhile
        try:
            self._advance()
        except Exception:  # as the loop does where it calls a channel: one connection must not end the server
            self.handle_error()

"""The listening socket, and waitress' server and dispatcher around it."""

import errno
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]
from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]

from orbitalreg.errors import ConfigError
from orbitalreg.serving.channel import Channel
from orbitalreg.serving.growing import wrapper
from orbitalreg.serving.limits import Limits

BACKLOG = 1024
DEEP = 16
"""Waiting tasks from which it is worth a line in the log."""

_REASONS = {
    errno.EADDRINUSE: "the address is in use; choose another port, or stop what listens there",
    errno.EACCES: "the system does not permit it; choose a port above 1023",
    errno.EADDRNOTAVAIL: "this host does not have the address",
}


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks one. Raises `ConfigError` that names `server.listen`."""
    problem: OSError | None = None
    try:
        candidates = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in candidates:
            try:
                return socket.create_server(address[:2], family=family, backlog=BACKLOG)
            except OSError as error:
                problem = error
    except OSError as error:
        problem = error
    reason = _REASONS.get(problem.errno or 0, problem.strerror) if problem else "the host has no address"
    raise ConfigError([f"server.listen: cannot listen on {authority(host, port)}: {reason}"])


def authority(host: str, port: int) -> str:
    """RFC 3986, section 3.2: an IPv6 host is put in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _OncePerMinute(logging.Filter):
    """waitress warns at every task that has to wait, which under load, or just after the start, is every request."""

    _next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        depth = record.args[0] if isinstance(record.args, tuple) else 0
        if now < self._next or not isinstance(depth, int) or depth < DEEP:
            return False
        self._next = now + 60
        return True


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    queue_logger = logging.getLogger("orbitalreg.serving.queue")
    queue_logger.addFilter(_OncePerMinute())


class _Once:
    """A call that is made once, whichever thread comes first, and not held any longer."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call
        self._first = threading.Lock()

    def __call__(self) -> None:
        if self._first.acquire(blocking=False):
            call, self._call = self._call, None
            assert call is not None
            call()


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """waitress' server: what accepts connections, and what channels and tasks know of the whole.

    Its maintenance is `sweep()`, which the owner of the loop calls between polls.
    """

    channel_class = Channel

    def __init__(self, application: Any, sock: socket.socket, adj: Adjustments, spool: Path, limits: Limits) -> None:
        self.spool = spool
        self.limits = limits
        self.draining = False
        self._calls: deque[Callable[[], None]] = deque()
        self._alarms: deque[tuple[float, Callable[[], None]]] = deque()
        self.file_wrapper = wrapper(self.pull_trigger)
        self._waking = threading.RLock()
        self._awake = True
        info = (sock.family, sock.type, sock.proto, sock.getsockname())
        super().__init__(
            application, {}, _sock=sock, dispatcher=Dispatcher(), adj=adj, sockinfo=info, bind_socket=False
        )
        os.set_blocking(self.trigger.trigger, False)

    def pull_trigger(self) -> None:
        """Wake the loop. Any thread, and a signal's handler: the lock is re-entrant and held for one system call."""
        with self._waking:
            if self._awake:
                with suppress(BlockingIOError):  # a full pipe wakes it too
                    self.trigger.pull_trigger()

    def add_task(self, channel: Channel) -> None:
        """Have a worker serve the channel's first request: now, or when what was put aside is to be asked again."""
        pause, channel.pause = channel.pause, None
        if pause is None:
            super().add_task(channel)
            return
        once = channel.aside = _Once(lambda: self._take_up(channel))
        if pause.seconds is not None:
            self._alarms.append((time.monotonic() + pause.seconds, once))
        pause.when(once)

    def _take_up(self, channel: Channel) -> None:
        channel.aside = None
        super().add_task(channel)

    def call_soon(self, call: Callable[[], None]) -> None:
        """Have `call` called in the main loop, between polls. Any thread; `call` raises nothing."""
        self._calls.append(call)
        self.pull_trigger()

    def turn(self, timeout: float) -> None:
        """One poll of at most `timeout` seconds, what it brings, and then the calls that are due. The main loop."""
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._map, count=1)
        self.run_calls()

    def run_calls(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def pending_bytes(self) -> int:
        """Bytes of bodies admitted and not received yet. Any thread: one step copies the table of channels."""
        return sum(channel.unreceived for channel in list(self.active_channels.values()))

    def maintenance(self, now: float) -> None:
        """Nothing: waitress calls this while it polls, and only marks channels; one that cannot write stays open."""

    def sweep(self) -> None:
        """Close what has run over a limit or was left and, during a stop, what is idle.

        Ask again what waited long enough.
        """
        self._ring(time.monotonic())
        for channel in list(self.active_channels.values()):
            if channel.overdue or channel.is_left() or (self.draining and channel.idle):
                channel.handle_close()

    def _ring(self, now: float) -> None:
        for _ in range(len(self._alarms)):
            due, call = self._alarms.popleft()
            if due <= now:
                call()
            else:
                self._alarms.append((due, call))

    def stop_accepting(self) -> None:
        """Take the connections that the system has accepted already, which it would reset, and close the socket."""
        for _ in range(BACKLOG):
            known = len(self._map)
            self.handle_accept()
            if len(self._map) == known:
                break
        wasyncore.dispatcher.close(self)

    def close(self) -> None:
        """Close everything that is open. The main loop's thread; may be called twice."""
        for channel in list(self.active_channels.values()):
            channel.handle_close()
        wasyncore.dispatcher.close(self)
        with self._waking:
            self._awake = False
            self.trigger.close()

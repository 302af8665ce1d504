"""The server of one process: binds, runs, swaps the application, stops."""

import logging
import resource
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from waitress.adjustments import Adjustments  # type: ignore[import-untyped]

from orbitalreg.serving.limits import HEAD_RECV, Limits
from orbitalreg.serving.listener import Listener, authority, bind

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_TICK = 0.5
"""Seconds between looks at the time limits."""

_THREADS_END = 2.0
"""Seconds that worker threads have to end when nothing is left to do, or the grace is over."""

_OTHER_FILES = 256
"""File descriptors for the catalog, blobs, upstream connections and the like."""

_log = logging.getLogger(__name__)


class Server:
    """Serves `application` on one socket, with waitress.

    `run()` blocks the thread that calls it, which is the main loop; `stop()`, and setting `application`, are for any
    thread and for signal handlers. A server that never ran is closed by `close()`.
    """

    def __init__(
        self,
        application: Application,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        spool: Path,
        threads: int = 16,
        max_body: int = 1 << 30,
        limits: Limits | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        """Binds; `listener` is a socket that `bind()` returned earlier, for several processes on one port.

        `spool` is the folder of large bodies, made if absent. `max_body` (bytes) bounds what the application cannot
        see from the head: a chunked body, its framing included, and what it granted nevertheless.
        Raises `ConfigError` where the address cannot be bound, `OSError` where the folder cannot be made.
        """
        spool.mkdir(parents=True, exist_ok=True)
        self._limits = limits or Limits()
        self._threads = threads
        self._stopping = False
        sock = listener or bind(host, port)
        self.address: tuple[str, int] = sock.getsockname()[:2]
        self._wsgi = Listener(application, sock, _adjustments(sock, max_body, self._limits), spool, self._limits)

    @property
    def url(self) -> str:
        return f"http://{authority(*self.address)}"

    @property
    def application(self) -> Application:
        """What is called. A new one serves the requests that begin afterwards, also those that the old one admitted."""
        application: Application = self._wsgi.application
        return application

    @application.setter
    def application(self, application: Application) -> None:
        self._wsgi.application = application

    @property
    def pending_bytes(self) -> int:
        """Bytes of bodies admitted and not received yet. Any thread."""
        return self._wsgi.pending_bytes()

    @property
    def connections(self) -> int:
        """Open at present. Any thread."""
        return len(self._wsgi.active_channels)

    @property
    def max_body(self) -> int:
        """Bytes of a body that are taken where the application cannot see its length; may be set at any time."""
        return int(self._wsgi.adj.max_request_body_size) - 1

    @max_body.setter
    def max_body(self, limit: int) -> None:
        self._wsgi.adj.max_request_body_size = limit + 1  # waitress refuses from this size on

    def run(self) -> None:
        """Serve until `stop()`, finish what is under way within the grace, and return with everything closed."""
        self._wsgi.task_dispatcher.set_thread_count(self._threads)
        try:
            swept = 0.0
            while not self._stopping:
                self._wsgi.turn(_TICK)
                if time.monotonic() - swept >= _TICK:
                    self._wsgi.sweep()
                    swept = time.monotonic()
            self._drain()
        finally:
            self.close()

    def stop(self) -> None:
        """Have `run()` end gracefully. Any thread, and a signal handler; returns at once."""
        self._stopping = True
        self._wsgi.pull_trigger()

    def close(self) -> None:
        """Drop all connections and end the worker threads. Not while `run()` is running; may be called twice."""
        self._wsgi.close()
        self._wsgi.task_dispatcher.shutdown(timeout=_THREADS_END)
        self._wsgi.run_calls()

    def _drain(self) -> None:
        self._wsgi.draining = True
        self._wsgi.stop_accepting()
        # A request that has arrived, and was not read yet, is under way too.
        self._wsgi.turn(0)
        end = time.monotonic() + self._limits.grace_seconds
        self._wsgi.sweep()
        while self._wsgi.active_channels and time.monotonic() < end:
            self._wsgi.turn(max(0.0, min(_TICK, end - time.monotonic())))
            self._wsgi.sweep()
        if self._wsgi.active_channels:
            _log.warning("%d connection(s) cut off at the end of the grace", len(self._wsgi.active_channels))


def _adjustments(sock: socket.socket, max_body: int, limits: Limits) -> Any:
    return Adjustments(
        sockets=[sock],
        recv_bytes=HEAD_RECV,
        connection_limit=_connections(limits.connections),
        max_request_body_size=max_body + 1,  # waitress refuses from this size on
        max_request_header_size=64 << 10,
        asyncore_use_poll=True,
        ident=None,
        clear_untrusted_proxy_headers=False,  # the application judges proxies itself
        log_socket_errors=False,
        channel_request_lookahead=0,
    )


def _connections(wanted: int) -> int:
    """How many connections the process has descriptors for; each may need a second one, for a spool or a blob.

    The soft limit is raised where that is permitted. Without descriptors accept() fails, and waitress would poll the
    listening socket in a busy loop.
    """
    need = 2 * wanted + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < need:
        raised = need if hard == resource.RLIM_INFINITY else min(need, hard)
        with suppress(ValueError, OSError):  # the kernel may allow less than the hard limit says
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= need:
        return wanted
    possible = max(1, (soft - _OTHER_FILES) // 2)
    _log.warning("the limit of %d open files allows %d connections, not %d", soft, possible, wanted)
    return possible

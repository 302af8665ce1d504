"""Several server processes on one listening socket, and the parent that watches over them."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

RESTART_SECONDS = 1.0
"""At least so long between two starts of a child, so that one that cannot start does not spin."""

_log = logging.getLogger(__name__)


def supervise(
    count: int, child: Callable[[Callable[[], None]], None], on_ready: Callable[[], None], on_stop: Callable[[], None]
) -> None:
    """Fork `count` children, each of which runs `child(ready)`, and replace those that die until told to stop.

    A child calls `ready` once it serves; when all have, `on_ready` is called here. SIGTERM and SIGINT are passed on
    and end this call after the last child, a second one ends all of them at once; SIGHUP is passed on. `on_stop` is
    called in the signal's handler: it closes what children share, so that clients are refused, not kept waiting, once
    the last child has closed its own. Children that outlive this process, which SIGKILL can do to it, stop as by
    SIGTERM. Main thread only, before any other thread is started.
    """
    _Supervisor(count, child, on_stop).run(on_ready)


class _Supervisor:
    def __init__(self, count: int, child: Callable[[Callable[[], None]], None], on_stop: Callable[[], None]) -> None:
        self._count = count
        self._child = child
        self._on_stop = on_stop
        self._started: dict[int, float] = {}
        self._stopping = False
        self._life, self._held = os.pipe()
        """Never written to: what children read of it is its end, which comes when this process is gone."""

    def run(self, on_ready: Callable[[], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        reader, writer = os.pipe()
        for _ in range(self._count):
            self._start(writer)
        os.close(writer)
        if self._all_ready(reader):
            on_ready()
        while self._started:
            self._wait()

    def _all_ready(self, reader: int) -> bool:
        """Whether every child said so; the pipe ends early where one of them died."""
        seen = 0
        while seen < self._count and (said := os.read(reader, self._count)):
            seen += len(said)
        os.close(reader)
        return seen == self._count

    def _start(self, writer: int | None = None) -> None:
        pid = os.fork()
        if pid == 0:
            self._run_child(writer)
        self._started[pid] = time.monotonic()
        if self._stopping:  # told between the fork and now, and so not passed on
            os.kill(pid, signal.SIGTERM)

    def _run_child(self, writer: int | None) -> None:
        """Never returns: what is on the stack above belongs to the parent."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._held)
        threading.Thread(target=self._outlive, name="parent", daemon=True).start()

        def ready() -> None:
            if writer is not None:
                os.write(writer, b".")
                os.close(writer)

        code = 1
        try:
            self._child(ready)
            code = 0
        except BaseException:  # whatever ends a child is told here and nowhere else
            _log.exception("a server process failed")
        finally:
            os._exit(code)

    def _outlive(self) -> None:
        """A thread of a child."""
        os.read(self._life, 1)
        _log.error("the parent of the server processes is gone; stopping")
        os.kill(os.getpid(), signal.SIGTERM)

    def _wait(self) -> None:
        pid, status = os.wait()
        started = self._started.pop(pid, None)
        if self._stopping or started is None:
            return
        _log.error("server process %d ended (status %d); starting another", pid, status)
        time.sleep(max(0.0, started + RESTART_SECONDS - time.monotonic()))
        if not self._stopping:
            self._start()

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            return self._tell(number)
        if self._stopping:
            self._tell(signal.SIGKILL)
            os._exit(128 + number)
        self._stopping = True
        self._on_stop()
        self._tell(number)

    def _tell(self, number: int) -> None:
        for pid in list(self._started):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

"""What the process does on signals."""

import logging
import os
import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType

from orbitalreg.serving.server import Server

_log = logging.getLogger(__name__)


def install_signals(server: Server, on_reload: Callable[[], None], *, supervised: bool = False) -> None:
    """SIGTERM and SIGINT stop `server`, a second one ends the process at once; SIGHUP calls `on_reload`.

    `supervised`: a second one means nothing, since a terminal and a service manager signal the whole group, and the
    parent passes its signal on; it is the parent that ends this process at once. Main thread only. `on_reload` runs in
    a thread of its own, one call at a time, while requests are served; what it raises is logged, and changes nothing.
    """
    reloads: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put() may interrupt itself, as a handler does

    def stop(number: int, frame: FrameType | None) -> None:
        for again in (signal.SIGTERM, signal.SIGINT):
            signal.signal(again, signal.SIG_IGN if supervised else _exit_at_once)
        server.stop()

    threading.Thread(target=_reload, args=(reloads, on_reload), name="reload", daemon=True).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, lambda number, frame: reloads.put(None))


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _reload(reloads: "queue.SimpleQueue[None]", on_reload: Callable[[], None]) -> None:
    while True:
        reloads.get()
        try:
            on_reload()
        except Exception:  # the configuration, and plugins, may raise anything; the old application goes on
            _log.exception("reload failed; the former configuration stays")

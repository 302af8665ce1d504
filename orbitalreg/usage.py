"""Counts that every request makes: downloads by file, token and day, and when a token was last used.

They are gathered in memory and written every few seconds; a crash loses at most one such batch.
"""

import logging
import threading
import time
from collections import Counter

from orbitalreg.catalog import Catalog, accounts, files
from orbitalreg.errors import OrbitalError
from orbitalreg.model import Microseconds, now

INTERVAL_SECONDS = 5.0
PRECISION = 1_000_000  # microseconds

logger = logging.getLogger(__name__)


class UsageRecorder:
    """Thread-safe. The thread that writes starts with the first count, so that a forked child has its own.

    After `stop()` each count is written at once: a reload stops the recorder of requests that are still under way.
    """

    def __init__(self, catalog: Catalog, interval: float = INTERVAL_SECONDS) -> None:
        self._catalog = catalog
        self._interval = interval
        self._lock = threading.Lock()
        self._downloads: Counter[tuple[str, str, str]] = Counter()
        self._used: dict[str, Microseconds] = {}
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def downloaded(self, file_id: str, token_id: str | None) -> None:
        """Count one download of a file; no token means an anonymous one."""
        day = time.strftime("%Y-%m-%d", time.gmtime())
        with self._lock:
            self._downloads[file_id, token_id or "", day] += 1
            self._start()
        self._flush_if_stopped()

    def used(self, token_id: str) -> None:
        """Note that a token was used just now, to the second."""
        present = now()
        if present - self._used.get(token_id, 0) < PRECISION:
            return  # every request comes here, and most need no lock
        with self._lock:
            self._used[token_id] = present
            self._start()
        self._flush_if_stopped()

    def flush(self) -> None:
        """Write what was gathered. On failure it is kept for the next time. Raises `OrbitalError`."""
        with self._lock:
            downloads, self._downloads = self._downloads, Counter()
            used, self._used = self._used, {}
        if not downloads and not used:
            return
        try:
            with self._catalog.write() as db:
                files.add_downloads(db, downloads)
                accounts.set_last_used(db, used)
        except OrbitalError:
            with self._lock:
                self._downloads.update(downloads)
                self._used = {**used, **self._used}
            raise

    def stop(self) -> None:
        """Write the last batch and end the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._flush_or_log()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
            self._thread.start()

    def _flush_if_stopped(self) -> None:
        if self._stopping.is_set():
            self._flush_or_log()

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self._flush_or_log()

    def _flush_or_log(self) -> None:
        try:
            self.flush()
        except OrbitalError as error:
            logger.warning("usage counts could not be written yet: %s", error)

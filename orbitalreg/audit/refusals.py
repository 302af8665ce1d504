"""Changes that were refused. A stranger can have as many refused as they like, and must not fill the disk with them."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from orbitalreg.audit.entries import record_refusal
from orbitalreg.catalog import Catalog
from orbitalreg.errors import OrbitalError
from orbitalreg.model import NOBODY, Actor

SEVERAL = "several"
"""The actor, action and target of an entry that stands for many."""
SUMMARY_SECONDS = 1.0
NAMED = 20
"""A summary names so many actions and addresses at most."""

logger = logging.getLogger(__name__)


class _Bucket:
    """`burst` at once, and then `rate` a second."""

    def __init__(self, burst: float, rate: float, clock: Callable[[], float]) -> None:
        self._burst, self._rate, self._clock = burst, rate, clock
        self._left, self._at = burst, clock()

    def take(self) -> bool:
        present = self._clock()
        self._left = min(self._burst, self._left + (present - self._at) * self._rate)
        self._at = present
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Refusals:
    """Writes an entry for each refused change, up to a bound; what is beyond it is summed up in one entry a second.

    Those who are known by their credentials have a bound of their own, so that no stranger can hide among theirs what
    a known account tried. Thread-safe. The thread that sums up starts with the first refusal, once a process.
    """

    def __init__(self, catalog: Catalog, clock: Callable[[], float] = time.monotonic) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._strangers = _Bucket(20, 1, clock)
        self._known = _Bucket(100, 10, clock)
        self._count = 0
        self._actions: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def record(
        self, actor: Actor, action: str, target: str, detail: Mapping[str, Any], project: str | None, reason: str
    ) -> None:
        """Write an entry, or count it. A catalog that cannot be written is told in the log alone."""
        with self._lock:
            self._start()
            bucket = self._strangers if actor.name == NOBODY else self._known
            alone = bucket.take()
            if not alone:
                self._sum_up(actor, action)
        if alone:
            self._write(actor, action, target, detail, project, reason)
        elif self._stopping.is_set():  # of a request that was under way when the configuration was read again
            self.flush()

    def stop(self) -> None:
        """Write the last summary and end the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def flush(self) -> None:
        """Write what was counted, if anything was."""
        with self._lock:
            count, self._count = self._count, 0
            actions, self._actions = self._actions, Counter()
            addresses, self._addresses = self._addresses, Counter()
        if count:
            detail = {"count": count, "actions": _most(actions), "addresses": _most(addresses)}
            reason = f"{count} more changes were refused in a short time"
            self._write(Actor(SEVERAL), SEVERAL, SEVERAL, detail, None, reason)

    def _sum_up(self, actor: Actor, action: str) -> None:
        self._count += 1
        self._actions[action] += 1
        address = actor.address or ""
        if address in self._addresses or len(self._addresses) < 50 * NAMED:
            self._addresses[address] += 1

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(SUMMARY_SECONDS):
            self.flush()

    def _write(
        self, actor: Actor, action: str, target: str, detail: Mapping[str, Any], project: str | None, reason: str
    ) -> None:
        try:
            with self._catalog.write() as db:
                record_refusal(db, actor, action, target, detail, project, reason)
        except OrbitalError as error:
            logger.error("a refused change could not be recorded (%s of %s by %s): %s", action, target, actor, error)


def _most(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common(NAMED))

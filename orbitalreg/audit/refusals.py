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
LONGEST_SUMMARY_SECONDS = 60.0
"""What is beyond the bounds is summed up after a second; where it goes on, after twice as long each time, to this."""
NAMED = 20
"""A summary names so many actors, actions and addresses at most."""
COUNTED_APART = 50 * NAMED

STRANGERS = (20, 1 / 20)
"""How many refusals at once, and then how many a second, of all callers without good credentials, are entries."""
ACCOUNT = (100, 1 / 10)
"""The same of one account."""
NOISY = 256
"""So many accounts that are refused at the same time have bounds of their own; further ones have one between them."""

logger = logging.getLogger(__name__)


class _Bucket:
    """`burst` at once, and then `rate` a second."""

    def __init__(self, burst: float, rate: float, clock: Callable[[], float]) -> None:
        self._burst, self._rate, self._clock = burst, rate, clock
        self._left, self._at = burst, clock()

    def take(self) -> bool:
        self._fill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    @property
    def is_full(self) -> bool:
        self._fill()
        return self._left >= self._burst

    def _fill(self) -> None:
        present = self._clock()
        self._left = min(self._burst, self._left + (present - self._at) * self._rate)
        self._at = present


class Refusals:
    """Writes an entry for each refused change, up to a bound; what is beyond it is summed up, in one entry for all.

    Each account has a bound of its own, so that neither strangers nor another account can hide what it tried. However
    long it goes on, strangers cost a process 4,400 entries a day, an account 8,800, the summaries 1,500.
    Thread-safe. The thread that sums up starts with the first refusal, once a process.
    """

    def __init__(self, catalog: Catalog, clock: Callable[[], float] = time.monotonic) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._clock = clock
        self._buckets = {NOBODY: _Bucket(*STRANGERS, clock)}
        self._others = _Bucket(*ACCOUNT, clock)
        self._count = 0
        self._actors: Counter[str] = Counter()
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
            alone = self._bucket(actor.name).take()
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

    def flush(self) -> bool:
        """Write what was counted. Whether anything was."""
        with self._lock:
            count, self._count = self._count, 0
            actors, self._actors = self._actors, Counter()
            actions, self._actions = self._actions, Counter()
            addresses, self._addresses = self._addresses, Counter()
        if count:
            detail = {
                "count": count,
                "actors": _most(actors),
                "actions": _most(actions),
                "addresses": _most(addresses),
            }
            reason = f"{count} more changes were refused in a short time"
            self._write(Actor(SEVERAL), SEVERAL, SEVERAL, detail, None, reason)
        return count > 0

    def _bucket(self, name: str) -> _Bucket:
        """The one of this actor, which is made where it is missing; one that is full again is like a new one."""
        found = self._buckets.get(name)
        if found is None:
            if len(self._buckets) > NOISY:
                self._buckets = {who: its for who, its in self._buckets.items() if who == NOBODY or not its.is_full}
            if len(self._buckets) > NOISY:
                return self._others
            found = self._buckets[name] = _Bucket(*ACCOUNT, self._clock)
        return found

    def _sum_up(self, actor: Actor, action: str) -> None:
        self._count += 1
        counts = ((self._actors, actor.name), (self._actions, action), (self._addresses, actor.address or ""))
        for counted, value in counts:
            if value in counted or len(counted) < COUNTED_APART:
                counted[value] += 1

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = SUMMARY_SECONDS
        while not self._stopping.wait(pause):
            pause = min(2 * pause, LONGEST_SUMMARY_SECONDS) if self.flush() else SUMMARY_SECONDS

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

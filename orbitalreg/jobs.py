"""Work beside the requests: kept in the catalog, so that neither a restart nor a killed process loses it.

Whoever changes something enqueues in the same transaction. A `Worker` leases what is due, in as many processes as there
are, and runs the handler of its kind. A job whose worker dies is taken by another when its lease runs out: a handler
may run twice for one job, and is written so that this does no harm. So what a worker writes of leases, and of their
end, waits for no disk.
"""

import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database
from ulid import ULID

from orbitalreg.catalog import Catalog, jobs
from orbitalreg.catalog.jobs import JobRow
from orbitalreg.errors import OrbitalError, plain
from orbitalreg.model import Microseconds, now

LEASE_SECONDS = 30.0
"""A worker that says nothing for so long has died."""
BEAT_SECONDS = 10.0
POLL_SECONDS = 1.0
"""Other processes enqueue without waking this one."""
GRACE_SECONDS = 15.0
THREADS = 4
KEPT_DAYS = 30
"""For so long people can see what was given up."""
_SECOND = 1_000_000

logger = logging.getLogger(__name__)


def enqueue(
    db: Database,
    kind: str,
    subject: str = "",
    payload: Mapping[str, Any] | None = None,
    *,
    unique: bool = False,
    delay: float = 0.0,
) -> None:
    """Writes, within the caller's transaction: `kind` is to be run for `subject` in `delay` seconds.

    `payload` is JSON without secrets. With `unique` there is at most one job of this kind and subject: one that waits
    stays where it is or is brought forward, one that is running is run once more afterwards.
    """
    instant = now()
    key = f"{kind}:{subject}" if unique else None
    due_at = instant + int(delay * _SECOND)
    jobs.insert(db, kind, subject, json.dumps(dict(payload or {})), instant, due_at, key)


class Later(Exception):
    """A handler's word that its attempt failed, and the next one makes no sense before so many seconds.

    It is put off by no more than the handler's longest delay."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(plain(text))
        self.seconds = seconds


class BrokenOff(Exception):
    """A handler's word that it ended because of `Task.stopping`: the job is run again, and no attempt is counted."""


class Task:
    """One job while it runs."""

    def __init__(self, row: JobRow, lease: str, is_stopping: Callable[[], bool]) -> None:
        self.kind = row.kind
        self.subject = row.subject
        self.payload: Mapping[str, Any] = json.loads(row.payload)
        self.attempt = row.attempts
        self.created_at = row.created_at
        self.lease = lease
        self.lost = False
        """Set where the lease was not extended in time: another worker has the job by now."""
        self._is_stopping = is_stopping

    def stopping(self) -> bool:
        """Whether to raise `BrokenOff` as soon as can be; long handlers ask between their steps."""
        return self.lost or self._is_stopping()


@dataclass(frozen=True, slots=True)
class Handler:
    """What runs the jobs of one kind.

    `run` is called in a thread of its own, outside any transaction. What it raises is an attempt that failed: the next
    is put off by `delay` seconds, doubled each time up to `longest_delay`, and after `attempts` (None: never) the job
    is given up. `at_once` bounds how many run at a time in one process. With `at_start` there is one (unique) job when
    a worker starts, so that nothing waits for the next event. What is `apart` may take long, in processes of its own;
    it takes none of the `THREADS` that other kinds share.
    """

    run: Callable[[Task], None]
    attempts: int | None = 10
    delay: float = 5.0
    longest_delay: float = 3600.0
    at_once: int = 1
    at_start: bool = False
    apart: bool = False

    def pause(self, attempt: int) -> float:
        """Seconds after this many attempts; a little by chance, so that what failed together does not stay so."""
        wanted = min(self.delay * 2.0 ** min(attempt - 1, 60), self.longest_delay)
        return wanted * random.uniform(0.95, 1.05)  # noqa: S311  # nothing is hidden by it


class Worker:
    """Runs jobs in background threads of this process until it is stopped. `start` and `stop` once each."""

    def __init__(self, catalog: Catalog, handlers: Mapping[str, Handler], lease_seconds: float = LEASE_SECONDS) -> None:
        self._catalog = catalog
        self._handlers = dict(handlers)
        self._lease_seconds = lease_seconds
        self._beat_seconds = lease_seconds * BEAT_SECONDS / LEASE_SECONDS
        self._lock = threading.Lock()
        self._running: dict[str, Task] = {}
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._beaten = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        self._catalog.listen(self._wake.set)
        self._thread.start()

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Take no more jobs, and wait `grace` seconds for those that run; the others are run again later."""
        self._stopping.set()
        self._wake.set()
        self._catalog.unlisten(self._wake.set)
        self._thread.join(grace)

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing runs and nothing is due. Whether that was so in time."""
        self._idle.clear()
        self._wake.set()
        return self._idle.wait(seconds)

    def _run(self) -> None:
        begun = False
        while True:
            self._wake.clear()
            if self._stopping.is_set() and not self._running:
                break
            pause = POLL_SECONDS
            try:
                if not begun:
                    self._begin()
                    begun = True
                self._beat()
                pause = self._turn()
            except Exception:  # whatever the catalog raises, on a full disk for example: the next turn may succeed
                logger.exception("the worker could not look for jobs")
            self._wake.wait(pause)
        self._catalog.close()

    def _begin(self) -> None:
        wanted = [kind for kind, handler in self._handlers.items() if handler.at_start]
        if wanted:
            with self._catalog.write() as db:
                for kind in wanted:
                    enqueue(db, kind, unique=True)

    def _turn(self) -> float:
        """Begin whatever can be begun. Seconds until there may be more."""
        while not self._stopping.is_set():
            is_idle = not self._running  # first: the kind of what ends meanwhile is not among those looked for
            kinds = self._free_kinds()
            due = jobs.next_at(self._catalog.read(), kinds) if kinds else None
            if due is None or due > now():
                if is_idle:
                    self._idle.set()
                return POLL_SECONDS if due is None else min(POLL_SECONDS, max(0.001, (due - now()) / _SECOND))
            self._begin_one(kinds)
        return POLL_SECONDS

    def _free_kinds(self) -> list[str]:
        with self._lock:
            counts = Counter(task.kind for task in self._running.values())
        shared = sum(count for kind, count in counts.items() if not self._handlers[kind].apart)
        return [
            kind
            for kind, handler in self._handlers.items()
            if counts[kind] < handler.at_once and (handler.apart or shared < THREADS)
        ]

    def _begin_one(self, kinds: list[str]) -> None:
        held = str(ULID())
        with self._catalog.write(lasting=False) as db:
            instant = now()
            row = jobs.lease(db, kinds, held, instant, self._until(instant))
        if row is None:
            return
        task = Task(row, held, self._stopping.is_set)
        with self._lock:
            self._running[held] = task
        threading.Thread(target=self._work, args=(task,), name=f"job-{row.kind}", daemon=True).start()

    def _until(self, instant: Microseconds) -> Microseconds:
        return instant + int(self._lease_seconds * _SECOND)

    def _beat(self) -> None:
        """Extend the leases of what runs, if it is time."""
        if not self._running or time.monotonic() - self._beaten < self._beat_seconds:
            return
        self._beaten = time.monotonic()
        with self._lock:
            running = dict(self._running)
        with self._catalog.write(lasting=False) as db:
            held = jobs.extend(db, running, self._until(now()))
        for lease, task in running.items():
            task.lost = lease not in held

    def _work(self, task: Task) -> None:
        """One job, in a thread of its own."""
        try:
            self._settle(task, self._outcome(task))
        except Exception:  # the catalog again: the lease runs out, and the job is run once more
            logger.exception("the end of a job (%s) could not be noted", task.kind)
        finally:
            self._catalog.close()
            with self._lock:
                del self._running[task.lease]
            self._wake.set()

    def _outcome(self, task: Task) -> Callable[[Database], bool]:
        """Run the handler; what is to be written of how it ended."""
        handler = self._handlers[task.kind]
        if handler.attempts is not None and task.attempt > handler.attempts:
            return lambda db: jobs.give_up(db, task.lease, now(), "its worker died every time")
        try:
            handler.run(task)
        except BrokenOff:
            return lambda db: jobs.release(db, task.lease, now())
        except Later as error:
            wanted = min(error.seconds, handler.longest_delay)
            return self._failed(task, handler, str(error), max(wanted, handler.pause(task.attempt)))
        except OrbitalError as error:
            return self._failed(task, handler, str(error), handler.pause(task.attempt))
        except Exception as error:  # handlers run foreign code, plugins' and receivers'
            logger.exception("a job failed: %s", task.kind)
            text = f"{type(error).__name__}; the log of that time says more"
            return self._failed(task, handler, text, handler.pause(task.attempt))
        return lambda db: jobs.finish(db, task.lease)

    def _failed(self, task: Task, handler: Handler, text: str, seconds: float) -> Callable[[Database], bool]:
        logger.warning("a job failed, attempt %d: %s: %s", task.attempt, task.kind, text)
        if handler.attempts is None or task.attempt < handler.attempts:
            return lambda db: jobs.put_off(db, task.lease, now() + int(seconds * _SECOND), text)

        def give_up(db: Database) -> bool:
            jobs.forget(db, now() - KEPT_DAYS * 86400 * _SECOND)
            return jobs.give_up(db, task.lease, now(), text)

        return give_up

    def _settle(self, task: Task, write: Callable[[Database], bool]) -> None:
        with self._catalog.write(lasting=False) as db:
            held = write(db)
        if not held:
            logger.warning("a job (%s) took longer than its lease, which another worker has by now", task.kind)

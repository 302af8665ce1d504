"""The upkeep of one data folder, and the jobs that do it on a schedule."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from orbitalreg.catalog import Catalog, upkeep
from orbitalreg.collection.backup import Backup
from orbitalreg.collection.garbage import Collected, Collector, Progress
from orbitalreg.collection.lock import BackupRuns, RemovalLock
from orbitalreg.collection.verifying import Repair, Verifier
from orbitalreg.config import UpkeepSettings
from orbitalreg.interfaces import BlobStore
from orbitalreg.jobs import BrokenOff, Handler, Task, enqueue
from orbitalreg.model import Actor, now

COLLECT, VERIFY = "upkeep.collect", "upkeep.verify"
"""The kinds of the jobs, and the tasks of which the catalog knows when they ended last."""
VERIFY_BY_HAND = "verify"
"""The task of the command, which the worker's does not disturb."""

LONGEST_COLLECT_INTERVAL = 6 * 3600
BACKUP_SECONDS = 60.0
_SECOND = 1_000_000

WORKER = Actor("system:worker")


class Upkeep:
    """Thread-safe."""

    def __init__(
        self, settings: UpkeepSettings, catalog: Catalog, store: BlobStore, data: Path, repair: Repair
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self.lock = RemovalLock(data)
        self.collector = Collector(catalog, store, self.lock, settings.gc_grace)
        self.verifier = Verifier(catalog, store, self.lock, data, repair)
        self.backup = Backup(catalog, store, self.lock, data)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What runs the jobs, by their kinds."""
        collect = Handler(self._collect, attempts=None, delay=60, at_start=True, apart=True)
        verify = Handler(self._verify, attempts=None, delay=600, longest_delay=86400, at_start=True, apart=True)
        return {COLLECT: collect, VERIFY: verify}

    @property
    def collect_interval(self) -> float:
        """Seconds: a blob is noted as unused, and goes, by two runs and the grace between them."""
        return max(1.0, min(LONGEST_COLLECT_INTERVAL, self._settings.gc_grace / 4))

    def collect(self, stopping: Callable[[], bool], progress: Progress = lambda collected: None) -> Collected:
        """One run, of which it is noted when it ended. Raises as `Collector.run` does."""
        began = now()
        collected = self.collector.run(stopping, progress)
        with self._catalog.write(lasting=False) as db:
            upkeep.put(db, COLLECT, upkeep.UpkeepRow(began, now(), "", asdict(collected)))
        return collected

    def _collect(self, task: Task) -> None:
        delay = self.collect_interval
        try:
            self.collect(task.stopping)
        except BackupRuns:
            delay = BACKUP_SECONDS
        with self._catalog.write(lasting=False) as db:
            enqueue(db, COLLECT, unique=True, delay=delay)

    def _verify(self, task: Task) -> None:
        interval = self._settings.verify_interval
        if not interval:
            return
        if not (due := self._verify_due(interval)):
            self.verifier.run(VERIFY, WORKER, task.stopping, rate=self._settings.verify_rate)
            due = float(interval)
        if task.stopping():
            raise BrokenOff
        with self._catalog.write(lasting=False) as db:
            enqueue(db, VERIFY, unique=True, delay=due)

    def _verify_due(self, interval: int) -> float:
        """Seconds until the next run; 0 for one that is due, or was broken off."""
        last = upkeep.get(self._catalog.read(), VERIFY)
        if last is None or last.ended_at is None:
            return 0.0
        return max(0.0, interval - (now() - last.ended_at) / _SECOND)

"""The jobs of scanning: a file that is new, a file that failed, everything after a change of a scanner's database."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from orbitalreg import jobs
from orbitalreg.catalog import Catalog
from orbitalreg.catalog import scans as rows
from orbitalreg.catalog.scans import Outdated
from orbitalreg.config import Settings
from orbitalreg.errors import PluginError, ScannerFailed, StorageFailed
from orbitalreg.interfaces import BlobStore, Capability, Scanner
from orbitalreg.jobs import BrokenOff, Handler, Task
from orbitalreg.model import Report, now
from orbitalreg.plugins import Plugins
from orbitalreg.scanning import scratch
from orbitalreg.scanning.children import Children, Stopped
from orbitalreg.scanning.judging import NameJudge
from orbitalreg.scanning.limits import Exceeded, Limits
from orbitalreg.scanning.looking import Enabled, Looker
from orbitalreg.scanning.queue import WATCH, ScanQueue, kind_of
from orbitalreg.scanning.wire import Setup, State

ATTEMPTS = 5
"""After so many failures of a scanner the file's report says so."""
LAST_ATTEMPT = 25
"""After so many the worker itself must have died, or the disk failed, each time."""
BATCH = 100
FAILURES = 5
"""After so many in a row it is not the file's fault: rescanning waits."""
DAYS = 30
"""Whose downloads say what is looked at first."""

FAULTS = frozenset({Capability.VULNERABILITY, Capability.MALWARE})

PATIENCE_SECONDS = 30
"""For so long new files wait while others are coming in."""

IDLE_SECONDS = 60.0
JUDGES_IDLE_SECONDS = 900.0
"""Pages wait for these, and they may take seconds to read their database."""

logger = logging.getLogger(__name__)


def rescan_kind(scanner: str) -> str:
    """Of the one job that has a scanner look at all that it did not look at with what it knows now."""
    return f"rescan.{scanner}"


class Scanning:
    """The scanners of one configuration, at work. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        plugins: Plugins,
        made: Mapping[str, Scanner],
        catalog: Catalog,
        store: BlobStore,
    ) -> None:
        """`made` were made to check the settings; nothing but what they say of themselves is used of them."""
        folder = settings.data.path / "scanning"
        scratch.sweep(folder)
        self._catalog = catalog
        self._formats = tuple(plugins.formats)
        self._watch_interval = settings.scanning.watch_interval
        self.scanners = enabled(settings, plugins, made, folder)
        self.queue = ScanQueue(tuple(self.scanners))
        self._looker = Looker(catalog, store, plugins.formats, folder)
        self.judge = NameJudge(catalog, plugins.formats, self.scanners.values())

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Of no kind where there is no scanner."""
        if not self.scanners:
            return {}
        watch = Handler(self._watch, attempts=None, delay=60, longest_delay=600, at_start=True, apart=True)
        rescans = {
            rescan_kind(name): Handler(partial(self._rescan, scanner), attempts=None, delay=60, apart=True)
            for name, scanner in self.scanners.items()
        }
        return {WATCH: watch, **self.scan_handlers, **rescans}

    @property
    def scan_handlers(self) -> Mapping[str, Handler]:
        """Of single files."""
        return {
            kind_of(name): Handler(partial(self._scan, scanner), attempts=None, delay=10, apart=True)
            for name, scanner in self.scanners.items()
        }

    def observe(self, on_report: Callable[[Report], None]) -> None:
        """From now on `on_report` is told of each report on a file that this process keeps."""
        self._looker.on_report = on_report

    def close(self) -> None:
        """End the child processes that are idle; others end with their question."""
        for scanner in self.scanners.values():
            scanner.children.close()
        self._looker.close()

    def _scan(self, scanner: Enabled, task: Task) -> None:
        try:
            self._let_uploads_go_first(task)
            if task.attempt > LAST_ATTEMPT:
                text = f"it could not be scanned in {LAST_ATTEMPT} attempts; the log says more"
                return self._looker.fail(scanner, task.subject, text, task.stopping)
            try:
                self._looker.look(scanner, task.subject, task.stopping)
            except ScannerFailed as error:
                if task.attempt < ATTEMPTS and not isinstance(error, Exceeded):
                    raise
                self._looker.fail(scanner, task.subject, str(error), task.stopping)
        except Stopped as error:
            raise BrokenOff from error

    def _let_uploads_go_first(self, task: Task) -> None:
        """Who uploads is waiting, and many files often come at once; what is old enough is not put off any more."""
        while not self.queue.is_quiet and now() - task.created_at < PATIENCE_SECONDS * 1_000_000:
            if task.stopping():
                raise Stopped("the server stops")
            time.sleep(0.1)

    def _rescan(self, scanner: Enabled, task: Task) -> None:
        try:
            for name, package, versions in self._outdated_listed(scanner, task):
                self.judge.judge(scanner.name, name, package, versions)
            failures = 0
            for file_id in self._outdated(scanner, task):
                failures = 0 if self._again(scanner, file_id, task) else failures + 1
                if failures >= FAILURES:
                    raise ScannerFailed(f"scanner {scanner.name} failed {FAILURES} times in a row; the log says more")
        except Stopped as error:
            raise BrokenOff from error

    def _outdated(self, scanner: Enabled, task: Task) -> Iterator[str]:
        """The files to look at anew, each once; what is more important comes first, also of what came meanwhile."""
        seen: set[str] = set()
        began = now()
        while True:
            outdated = self._outdated_of(scanner, scanner.state(task.stopping))
            some = outdated.some(self._catalog.read(), _since(), BATCH, began)
            unseen = [file_id for file_id in some if file_id not in seen]
            if not unseen:
                return
            for file_id in unseen:
                if task.stopping():
                    raise Stopped("the server stops")
                yield file_id
            seen.update(unseen)

    def _outdated_of(self, scanner: Enabled, state: State) -> Outdated:
        digest = state.database.digest if state.database else ""
        return Outdated(scanner.name, kind_of(scanner.name), digest, state.version, self._formats)

    def _outdated_listed(self, scanner: Enabled, task: Task) -> Iterator[tuple[str, str, list[str]]]:
        """The packages to judge anew, each once: one that cannot be judged is left, and those after it are not."""
        last = ("", "")
        while scanner.judges_names:
            database = scanner.state(task.stopping).database
            digest = database.digest if database else ""
            found = rows.outdated_listed(self._catalog.read(), scanner.name, digest, self._formats, last)
            if found is None:
                return
            if task.stopping():
                raise Stopped("the server stops")
            yield found
            last = found[:2]

    def _again(self, scanner: Enabled, file_id: str, task: Task) -> bool:
        """Look once more; what fails is tried again later by a job of its own. Whether it went well."""
        try:
            self._looker.look(scanner, file_id, task.stopping)
        except Exceeded as error:
            self._looker.fail(scanner, file_id, str(error), task.stopping)
        except (ScannerFailed, StorageFailed) as error:  # bytes that are lost, too: other files are there
            logger.warning("scanner %s failed: %s", scanner.name, error)
            with self._catalog.write() as db:
                jobs.enqueue(db, kind_of(scanner.name), file_id, unique=True, delay=60.0)
            return False
        return True

    def _watch(self, task: Task) -> None:
        """Ask each scanner what it judges by, and have outdated files looked at anew."""
        for scanner in self.scanners.values():
            try:
                state = scanner.state(task.stopping)
            except Stopped as error:
                raise BrokenOff from error
            except ScannerFailed as error:
                logger.warning("scanner %s: %s", scanner.name, error)
                continue
            if self._is_outdated(scanner, state):
                with self._catalog.write() as db:
                    jobs.enqueue(db, rescan_kind(scanner.name), unique=True)
        with self._catalog.write() as db:
            jobs.enqueue(db, WATCH, unique=True, delay=self._watch_interval)

    def _is_outdated(self, scanner: Enabled, state: State) -> bool:
        db = self._catalog.read()
        digest = state.database.digest if state.database else ""
        if scanner.judges_names and rows.outdated_listed(db, scanner.name, digest, self._formats) is not None:
            return True
        return self._outdated_of(scanner, state).is_any(db)


def enabled(settings: Settings, plugins: Plugins, made: Mapping[str, Scanner], folder: Path) -> dict[str, Enabled]:
    """The scanners that were made to check the settings, with children to come; `folder` is for their scratch."""
    return {name: _enabled(scanner, plugins.scanners[name].plugin, settings, folder) for name, scanner in made.items()}


def _enabled(scanner: Scanner, plugin: str, settings: Settings, folder: Path) -> Enabled:
    """Raises `PluginError`."""
    try:
        deep, judges_names = bool(scanner.deep), bool(scanner.judges_names)
        looks_for_faults = bool(scanner.capabilities & FAULTS)
    except Exception as error:  # foreign code: whatever it raises, the operator must learn which plugin it was
        raise PluginError(f"plugin {plugin!r}: scanner {scanner.name!r} cannot be used: {error}") from error
    setup = Setup(
        plugin,
        scanner.name,
        settings.plugins.get(plugin, {}),
        settings.base.absolute(),
        (settings.data.path / "plugins" / plugin).absolute(),
        JUDGES_IDLE_SECONDS if judges_names else IDLE_SECONDS,
    )
    limits = Limits(settings.scanning.time_limit, settings.scanning.memory_limit, settings.scanning.disk_limit)
    return Enabled(scanner.name, plugin, deep, judges_names, looks_for_faults, Children(setup, folder, limits))


def _since() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - DAYS * 86400))

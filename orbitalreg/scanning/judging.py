"""What scanners say of versions that were never here, by their names alone: before the first byte of one leaves."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from orbitalreg import jobs
from orbitalreg.catalog import Catalog, reports, scans
from orbitalreg.errors import InvalidName, ScannerFailed
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Component, Report, ReportStatus, now
from orbitalreg.scanning.checked import after, checked, failed
from orbitalreg.scanning.limits import Exceeded
from orbitalreg.scanning.looking import Enabled
from orbitalreg.scanning.queue import WATCH
from orbitalreg.scanning.wire import Answer, Request

SECONDS = 5.0
"""So long somebody waits for a page at most, for each scanner that judges names."""
AT_ONCE = 25
"""So many versions are one question: a report may hold hundreds of findings, and the answer to a question is bounded.
"""
AGAIN_SECONDS = 60
"""So long a failure stands before it is tried again."""


class NameJudge:
    """Asks the scanners that need name and version alone, and keeps what they say. Thread-safe."""

    def __init__(self, catalog: Catalog, formats: Mapping[str, FormatAdapter], scanners: Iterable[Enabled]) -> None:
        self._catalog = catalog
        self._formats = formats
        self._scanners = {scanner.name: scanner for scanner in scanners if scanner.judges_names}
        self._turns = {name: threading.Lock() for name in self._scanners}

    def ensure(self, format_name: str, package: str, versions: Sequence[str]) -> None:
        """Have a report of each such scanner on each of these versions, which are in normal form.

        What was judged already is left: when a database changes, the watch has it judged anew. A scanner that fails, or
        does not answer within `SECONDS`, is an `error` for these versions, and the watch comes round at once: it waits
        longer, and a changed database may have to be read. Not within a transaction; it writes. Raises what the
        catalog does.
        """
        for name in self._scanners:
            known = scans.judged(self._catalog.read(), format_name, package, name, now() - AGAIN_SECONDS * 1_000_000)
            missing = [version for version in dict.fromkeys(versions) if version and version not in known]
            if missing and not self.judge(name, format_name, package, missing):
                with self._catalog.write() as db:
                    jobs.enqueue(db, WATCH, unique=True)

    def judge(self, name: str, format_name: str, package: str, versions: Iterable[str]) -> bool:
        """Ask one scanner, and keep what it says of these versions. Whether it did not fail.

        Raises what the catalog does.
        """
        components = dict(_components(self._formats[format_name], package, versions))
        if not components:
            return True
        scanner, at = self._scanners[name], now()
        told = [
            replace(report, scanned_at=at, looks_for_faults=scanner.looks_for_faults)
            for report in self._told(scanner, list(components.values()))
        ]
        with self._catalog.write() as db:
            known = reports.listed(db, format_name, package)
            former = {version: one for version, said in known.items() for one in said if one.scanner == name}
            judged = {
                version: after(former.get(version), report) for version, report in zip(components, told, strict=True)
            }
            reports.put_listed(db, format_name, package, judged)
            reports.changed(db, format_name, package)
        return all(report.status is not ReportStatus.ERROR for report in told)

    def _told(self, scanner: Enabled, components: Sequence[Component]) -> list[Report]:
        """In the components' order; what was answered before a failure counts."""
        turn = self._turns[scanner.name]
        told: list[Report] = []
        try:
            if not turn.acquire(timeout=SECONDS):
                raise ScannerFailed("others are being judged, which takes long")
            try:
                for some in _asked(scanner, components):
                    told += some
            finally:
                turn.release()
        except ScannerFailed as error:
            told += [failed(scanner.name, str(error)) for _ in components[len(told) :]]
        return told


def _asked(scanner: Enabled, components: Sequence[Component]) -> Iterator[list[Report]]:
    """`AT_ONCE` by `AT_ONCE`. Those after the first have `SECONDS` together. Raises `ScannerFailed`."""
    left = SECONDS
    for start in range(0, len(components), AT_ONCE):
        some = components[start : start + AT_ONCE]
        began = time.monotonic()
        yield _reports(scanner.name, scanner.children.ask(Request("judge", tuple(some)), left), some)
        if start:  # the first may have waited for a child to start
            left = max(left - (time.monotonic() - began), 0.001)


def _components(adapter: FormatAdapter, package: str, versions: Iterable[str]) -> Iterable[tuple[str, Component]]:
    """Without versions that an upstream has and the format does not."""
    for version in versions:
        try:
            yield version, adapter.component(package, version)
        except InvalidName:
            continue


def _reports(scanner: str, answer: Answer, components: Sequence[Component]) -> list[Report]:
    if len(answer.reports) != len(components):
        raise Exceeded(f"it answered nonsense: {len(answer.reports)} reports on {len(components)} versions")
    state = answer.state
    return [
        checked(report, scanner, [component], state.database, state.version)
        for report, component in zip(answer.reports, components, strict=True)
    ]

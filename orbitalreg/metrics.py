"""What an operator watches, for Prometheus.

Each process counts for itself; with several on one port they count into files of one folder (`share`), and whichever
answers a scrape adds them up. What the catalog and the disk know is asked at the scrape, so that it is right for all.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from orbitalreg.model import Address, Report

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)

Gauge = tuple[str, str, float]
"""Name, meaning and value of something that is asked at the scrape."""


@dataclass(frozen=True, slots=True)
class GaugeFamily:
    """The same by `labels`: each value under the texts of its labels."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float]


def share(folder: Path) -> None:
    """Have the processes that are forked from this one count together, in files of `folder`, which is emptied.

    Before the first `Metrics` is made. The library reads its variable when it is imported, which is too early for a
    number of processes that a command line gives.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[FOLDER_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]


class Metrics:
    """The counts of one process, also the observer of fetches and of what remote repositories do. Thread-safe."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "orbitalreg_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "orbitalreg_request_seconds",
            "Seconds from a whole request to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._uploads = Counter("orbitalreg_uploads", "Uploads by outcome.", ["outcome"], registry=registry)
        self._received = Counter("orbitalreg_received_bytes", "Bytes of published files.", registry=registry)
        self._sent = Counter("orbitalreg_sent_bytes", "Bytes of answers.", registry=registry)
        self._failures = Counter("orbitalreg_failures", "What was refused or failed.", ["kind"], registry=registry)
        self._failed_sign_ins = Counter(
            "orbitalreg_failed_sign_ins",
            "Credentials that were wrong: a token, those of an authenticator by its name, or an exchange.",
            ["kind"],
            registry=registry,
        )
        self._refused = Counter(
            "orbitalreg_refused", "Requests refused, reads and changes.", ["what", "status"], registry=registry
        )
        self._fetched = Counter("orbitalreg_fetched_files", "Files fetched from upstreams.", registry=registry)
        self._fetched_bytes = Counter("orbitalreg_fetched_bytes", "Bytes of fetched files.", registry=registry)
        self._fetch_failures = Counter(
            "orbitalreg_fetch_failures", "Fetches of files that failed, by error.", ["kind"], registry=registry
        )
        self._asked = Counter(
            "orbitalreg_upstream_questions",
            "Questions to upstreams, but for files, by how they ended.",
            ["repository", "outcome"],
            registry=registry,
        )
        self._stale = Counter(
            "orbitalreg_stale_pages",
            "Pages shown although the upstream could not be asked.",
            ["repository"],
            registry=registry,
        )
        self._recalled = Counter(
            "orbitalreg_recalled_files", "Cached files that upstreams took back.", ["repository"], registry=registry
        )
        self._mismatched = Counter(
            "orbitalreg_upstream_mismatches",
            "Bytes from upstreams that were not those of the digest they state.",
            ["repository"],
            registry=registry,
        )
        self._scans = Counter(
            "orbitalreg_scans", "Reports on files, as they were made.", ["scanner", "status"], registry=registry
        )
        self._count_of = lru_cache(maxsize=4096)(self._requests.labels)
        self._seconds_of = lru_cache(maxsize=512)(self._seconds.labels)

    def answered(self, route: str, method: str, status: int, seconds: float, size: int) -> None:
        """One request; `route` is the template, never the path: the paths are without number."""
        self._count_of(route, method, status).inc()
        self._seconds_of(route).observe(seconds)
        if size:
            self._sent.inc(size)

    def uploaded(self, outcome: str, size: int) -> None:
        """One upload that was `created` or found `unchanged`."""
        self._uploads.labels(outcome).inc()
        if outcome == "created":
            self._received.inc(size)

    def failed(self, kind: str) -> None:
        """One refusal or failure, by the name of its error."""
        self._failures.labels(kind).inc()

    def sign_in_failed(self, kind: str) -> None:
        """One caller whose credentials were wrong: `token`, `exchange`, or an authenticator's name."""
        self._failed_sign_ins.labels(kind).inc()

    def refused(self, what: str, status: int) -> None:
        """One request that was refused: a `read` or a `change`."""
        self._refused.labels(what, status).inc()

    def fetched(self, size: int) -> None:
        """One file that came from an upstream, whole and right."""
        self._fetched.inc()
        self._fetched_bytes.inc(size)

    def fetch_failed(self, kind: str) -> None:
        """One file that did not, by the name of the error; however many clients waited for it."""
        self._fetch_failures.labels(kind).inc()

    def asked(self, repository: Address, outcome: str) -> None:
        self._asked.labels(str(repository), outcome).inc()

    def shown_stale(self, repository: Address) -> None:
        self._stale.labels(str(repository)).inc()

    def recalled(self, repository: Address) -> None:
        self._recalled.labels(str(repository)).inc()

    def mismatched(self, repository: Address) -> None:
        self._mismatched.labels(str(repository)).inc()

    def scanned(self, report: Report) -> None:
        """One report on a file."""
        self._scans.labels(report.scanner, str(report.status)).inc()

    def exposition(self, gauges: Iterable[Gauge | GaugeFamily]) -> bytes:
        """The text that Prometheus scrapes: what was counted, in all processes, and `gauges`."""
        registry = CollectorRegistry()
        registry.register(_Gauges(list(gauges)))
        counted = self._registry
        if FOLDER_VARIABLE in os.environ:
            counted = CollectorRegistry()
            multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        return generate_latest(counted) + generate_latest(registry)


class _Gauges(Collector):
    def __init__(self, gauges: Iterable[Gauge | GaugeFamily]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for gauge in self._gauges:
            if isinstance(gauge, GaugeFamily):
                family = GaugeMetricFamily(f"orbitalreg_{gauge.name}", gauge.meaning, labels=gauge.labels)
                for texts, value in gauge.values.items():
                    family.add_metric(texts, value)
                yield family
            else:
                name, meaning, value = gauge
                yield GaugeMetricFamily(f"orbitalreg_{name}", meaning, value=value)

"""`/metrics`, for Prometheus."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import falcon
from sqlite_utils import Database

from orbitalreg.catalog import Catalog, scans, statistics
from orbitalreg.interfaces import BlobStore
from orbitalreg.metrics import CONTENT_TYPE, Gauge, GaugeFamily, Metrics
from orbitalreg.model import Right
from orbitalreg.scanning.queue import kind_of
from orbitalreg.web.auth import Access, Target


class Exposition:
    """What was counted, and what the catalog and the disk hold now."""

    rights: Mapping[str, Right | Access] = {"GET": Access.MONITORING}
    body_limit = 0

    def __init__(self, catalog: Catalog, store: BlobStore, metrics: Metrics, scanners: Sequence[str] = ()) -> None:
        """`scanners` are those enabled."""
        self._scanners = scanners
        self._catalog = catalog
        self._store = store
        self._metrics = metrics

    def target(self, params: dict[str, Any]) -> Target:
        return Target(None, None)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = CONTENT_TYPE
        resp.set_header("Cache-Control", "no-store")
        resp.data = self._metrics.exposition(self._gauges())

    on_head = on_get

    def _gauges(self) -> Iterator[Gauge | GaugeFamily]:
        yield from statistics.numbers(self._catalog.read())
        yield "catalog_log_bytes", "Bytes of the catalog's write-ahead log.", float(self._catalog.log_bytes())
        yield from _scans(self._catalog.read(), self._scanners)
        free = self._store.free_bytes()
        if free is not None:
            yield "free_bytes", "Bytes that may still be written.", float(free)


def _scans(db: Database, scanners: Sequence[str]) -> Iterator[GaugeFamily]:
    waiting: dict[tuple[str, ...], float] = {(name,): float(scans.queued(db, kind_of(name))) for name in scanners}
    yield GaugeFamily("scans_waiting", "Files that wait for a scanner.", ("scanner",), waiting)
    kept: dict[tuple[str, ...], float] = {
        (scanner, status): float(count) for scanner, status, count in scans.counts(db)
    }
    yield GaugeFamily("reports", "Latest reports on files.", ("scanner", "status"), kept)

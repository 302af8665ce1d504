"""Graphs kept in step with what changes: packages are read, and what came of it is written in short transactions."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from orbitalreg.catalog import Catalog, graph, graph_changes
from orbitalreg.catalog.graph import GraphRow
from orbitalreg.catalog.graph_changes import Pending
from orbitalreg.graph.applying import Application
from orbitalreg.graph.reading import Reader, Reading
from orbitalreg.graph.views import View
from orbitalreg.model import Microseconds, now
from orbitalreg.sources.policing import Known

BATCH = 64
"""So many packages are written together at most."""
ROWS = 500
"""After so many requirements they are written, however few packages they are of: a transaction keeps others waiting."""
SECONDS = 1.0
"""After so long they are written: what waits is seen sooner, and a mark is seldom outdated."""

logger = logging.getLogger(__name__)


class Updater:
    """Brings the graphs of these views in step. Thread-safe; several at once, in whatever processes, do no harm."""

    def __init__(self, catalog: Catalog, views: Sequence[View], known: Known) -> None:
        self._catalog = catalog
        self._views = {(view.repository.id, view.environment): view for view in views}
        self._reader = Reader(catalog, known)

    def reconcile(self) -> None:
        """Have a graph for each view and none for others; what a view was made by and is no more is looked at anew."""
        found = {}
        for row in graph.graphs(self._catalog.read()):
            key = (row.repository_id, row.environment)
            if key in self._views and row.digest:
                found[key] = row
            else:
                self._drop(row)
        stale = [key for key, view in self._views.items() if key not in found or found[key].digest != view.digest]
        if not stale:
            return
        with self._catalog.write(lasting=False) as db:
            known = {(row.repository_id, row.environment): row.id for row in graph.graphs(db)}
            for key in stale:
                graph_id = known.get(key) or graph.insert_graph(db, *key)
                graph_changes.add_all(db, graph_id, self._views[key].holders)
                graph.set_digest(db, graph_id, self._views[key].digest)

    def _drop(self, row: GraphRow) -> None:
        with self._catalog.write(lasting=False) as db:
            graph.forget(db, row)
        is_gone = False
        while not is_gone:
            with self._catalog.write(lasting=False) as db:
                is_gone = graph.drop(db, row.id, ROWS)

    def update(self, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Look at everything that changed or is due, and what follows from it, until nothing is left.

        False where it ended because of `stopping`. Raises what the catalog does.
        """
        while not stopping():
            rows = self._rows()
            self._expand(rows)
            some = graph_changes.some(self._catalog.read(), rows, BATCH)
            if not some:
                if graph_changes.is_any(self._catalog.read()):
                    continue
                self._note_built(rows)
                return True
            for graph_id, group in groupby(sorted(some, key=lambda one: one.graph_id), lambda one: one.graph_id):
                self._look(rows[graph_id], list(group), stopping)
        return False

    def _rows(self) -> dict[int, GraphRow]:
        """The graphs of the views, by their ids."""
        rows = graph.graphs(self._catalog.read())
        return {row.id: row for row in rows if (row.repository_id, row.environment) in self._views}

    def _view(self, row: GraphRow) -> View:
        return self._views[row.repository_id, row.environment]

    def _expand(self, rows: Mapping[int, GraphRow]) -> None:
        """What changed, and what is due, is pending in each graph that may have it."""
        instant = now()
        due = graph_changes.next_due(self._catalog.read())
        if not graph_changes.is_any(self._catalog.read()) and (due is None or due > instant):
            return
        with self._catalog.write(lasting=False) as db:
            graph_changes.add_due(db, instant)
            for format_name, package in graph_changes.take(db, 10 * BATCH):
                views = {key: self._view(row) for key, row in rows.items()}
                concerned = {key: view for key, view in views.items() if view.adapter.name == format_name}
                holders = sorted({holder for view in concerned.values() for holder in view.holders})
                known = graph_changes.known_in(db, package, holders, list(concerned))
                graph_changes.add(
                    db,
                    [(key, package) for key, view in concerned.items() if known & {key, *view.holders}],
                )

    def _look(self, row: GraphRow, some: Sequence[Pending], stopping: Callable[[], bool]) -> None:
        """Read these packages, and write what came of it, some at a time."""
        read: list[tuple[Pending, Reading]] = []
        count, began = 0, time.monotonic()
        for pending in some:
            if stopping():
                return
            reading = self._reader.read(row.id, self._view(row), pending.package)
            read.append((pending, reading))
            count += 1 + sum(len(asked.requirements) for asked in reading.asked.values())
            if count >= ROWS or time.monotonic() - began > SECONDS:
                self._write(row, read)
                read, count, began = [], 0, time.monotonic()
        self._write(row, read)

    def _write(self, row: GraphRow, read: Sequence[tuple[Pending, Reading]]) -> None:
        if not read:
            return
        with self._catalog.write(lasting=False) as db:
            application = Application(db, row, bool(self._view(row).remotes))
            for pending, reading in read:
                application.apply(pending, reading)
            application.finish()

    def _note_built(self, rows: Mapping[int, GraphRow]) -> None:
        """A graph is whole for the first time: what was read of it before was less than all."""
        for row in rows.values():
            if row.built_at is None:
                with self._catalog.write(lasting=False) as db:
                    if not graph_changes.is_pending(db, row.id):
                        graph.set_built(db, row.id, now())
                        graph.raise_all(db, row)

    def next_due(self) -> Microseconds | None:
        """When time alone will change something."""
        return graph_changes.next_due(self._catalog.read())

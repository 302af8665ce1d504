"""The graphs of one configuration, and the jobs that keep them."""

from collections.abc import Mapping, Sequence

from orbitalreg.catalog import Catalog
from orbitalreg.catalog.graph_changes import UPDATE
from orbitalreg.graph.updating import Updater
from orbitalreg.graph.views import View
from orbitalreg.jobs import BrokenOff, Handler, Task, enqueue
from orbitalreg.model import now
from orbitalreg.sources.policing import Known

SECOND = 1_000_000


class Graphs:
    """Thread-safe. `views` are what there is a graph of: none where the graph is turned off."""

    def __init__(self, catalog: Catalog, views: Sequence[View], known: Known) -> None:
        self._catalog = catalog
        self.views = tuple(views)
        self.updater = Updater(catalog, views, known)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What runs the jobs, by their kinds."""
        return {UPDATE: Handler(self._update, attempts=None, longest_delay=300, at_start=True)}

    def _update(self, task: Task) -> None:
        self.updater.reconcile()
        if not self.updater.update(task.stopping):
            raise BrokenOff
        due = self.updater.next_due()
        if due is not None:
            with self._catalog.write(lasting=False) as db:
                enqueue(db, UPDATE, unique=True, delay=max(0.0, (due - now()) / SECOND))

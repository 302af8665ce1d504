"""The graphs of one configuration, and the jobs that keep them."""

import time
from collections.abc import Callable, Mapping, Sequence

from orbitalreg.catalog import Catalog
from orbitalreg.catalog.graph_changes import UPDATE
from orbitalreg.catalog.graph_following import FOLLOW
from orbitalreg.config import GraphSettings
from orbitalreg.graph.following import Follower, Stopped
from orbitalreg.graph.updating import Updater
from orbitalreg.graph.views import View
from orbitalreg.jobs import BrokenOff, Handler, Task, enqueue
from orbitalreg.model import Microseconds, now
from orbitalreg.sources.policing import Known

SECOND = 1_000_000
PATIENCE_SECONDS = 3.0
"""For so long graphs wait while files are coming in."""


class Graphs:
    """Thread-safe. `views` are what there is a graph of: none where the graph is turned off."""

    def __init__(
        self,
        catalog: Catalog,
        views: Sequence[View],
        known: Known,
        settings: GraphSettings,
        is_quiet: Callable[[], bool] = lambda: True,
    ) -> None:
        """`is_quiet` tells whether nobody uploads at this moment."""
        self._catalog = catalog
        self._is_quiet = is_quiet
        self.views = tuple(views)
        self._follows = any(view.remotes for view in views)
        self.updater = Updater(catalog, views, known)
        self.follower = Follower(catalog, views, settings)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What runs the jobs, by their kinds."""
        update = Handler(self._update, attempts=None, longest_delay=300, at_start=True)
        follow = Handler(self._follow, attempts=None, longest_delay=300, at_start=True, apart=True)
        return {UPDATE: update, FOLLOW: follow} if self._follows else {UPDATE: update}

    def _update(self, task: Task) -> None:
        self._let_uploads_go_first(task)
        self.updater.reconcile()
        if not self.updater.update(task.stopping):
            raise BrokenOff
        self._again(UPDATE, self.updater.next_due())

    def _let_uploads_go_first(self, task: Task) -> None:
        """Who uploads is waiting, and many files often come at once."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self._is_quiet() and time.monotonic() < end:
            if task.stopping():
                raise BrokenOff
            time.sleep(0.05)

    def _follow(self, task: Task) -> None:
        try:
            self.follower.follow(task.stopping)
        except Stopped as error:
            raise BrokenOff from error
        self._again(FOLLOW, self.follower.next_at())

    def _again(self, kind: str, at: Microseconds | None) -> None:
        if at is not None:
            with self._catalog.write(lasting=False) as db:
                enqueue(db, kind, unique=True, delay=max(0.0, (at - now()) / SECOND))

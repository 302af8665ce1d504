"""Upstreams asked for what graphs lead to: slowly, not far, and not for more than is configured.

What is asked goes through the ordinary sources, so that guard, private names, vetting and `offline` hold as for
everybody. An answer is kept as a page or a document, which changes the package, and so the graph follows by itself.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from orbitalreg.catalog import Catalog, graph, graph_following
from orbitalreg.catalog.graph_following import Due
from orbitalreg.config import GraphSettings
from orbitalreg.errors import NotFound, OrbitalError, UpstreamFailed
from orbitalreg.graph.reading import Offered
from orbitalreg.graph.views import View
from orbitalreg.model import Microseconds, now

SECOND = 1_000_000
REFRESHED_SECONDS = 86400
"""After so long an upstream is asked again."""
AGAIN_SECONDS = 60
"""After a failure so long, and twice as long after each further one."""
BATCH = 50

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """It was to end."""


class Follower:
    """Thread-safe; one of them at a time keeps to the rate."""

    def __init__(
        self, catalog: Catalog, views: Sequence[View], settings: GraphSettings, clock: Callable[[], Microseconds] = now
    ) -> None:
        self._catalog = catalog
        self._views = {(view.repository.id, view.environment): view for view in views if view.remotes}
        self._settings = settings
        self._clock = clock

    def follow(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Ask for everything that is due. Raises `Stopped`, and what the catalog does."""
        rows = self._rows()
        counts = Counter({row: graph_following.followed(self._catalog.read(), row) for row in rows})
        while some := graph_following.due(self._catalog.read(), rows, self._clock(), BATCH):
            for one in some:
                self._follow(rows[one.graph_id], one, counts, stopping)

    def next_at(self) -> Microseconds | None:
        """When there will be something to ask for."""
        return graph_following.next_at(self._catalog.read(), self._rows())

    def _rows(self) -> dict[int, View]:
        """The views by the ids of their graphs."""
        rows = graph.graphs(self._catalog.read())
        keys = {row.id: (row.repository_id, row.environment) for row in rows}
        return {graph_id: self._views[key] for graph_id, key in keys.items() if key in self._views}

    def _follow(self, view: View, one: Due, counts: Counter[int], stopping: Callable[[], bool]) -> None:
        db = self._catalog.read()
        asker = graph_following.depth(db, one.graph_id, one.package)
        is_near = asker is not None and asker < self._settings.upstream_depth
        unknown = graph_following.unknown(db, one.graph_id, one.package, self._settings.upstream_depth)
        is_too_many = one.is_new and counts[one.graph_id] >= self._settings.upstream_packages
        if is_too_many or not (is_near or unknown):
            with self._catalog.write(lasting=False) as db:
                graph_following.put_off(db, one, self._after(REFRESHED_SECONDS))
            return
        counts[one.graph_id] += one.is_new
        failures = 0 if self._ask(view, one, unknown, stopping) else one.failures + 1
        pause = min(AGAIN_SECONDS * 2 ** min(failures - 1, 20), REFRESHED_SECONDS) if failures else REFRESHED_SECONDS
        with self._catalog.write(lasting=False) as db:
            graph_following.asked(db, one, self._clock(), failures, self._after(pause))

    def _ask(self, view: View, one: Due, unknown: Sequence[str], stopping: Callable[[], bool]) -> bool:
        """Whether the upstreams answered, with what they have or that they have nothing; none is for a guarded name."""
        if view.guarded(one.package):
            return True
        try:
            self._pace(len(view.remotes), stopping)
            offered = Offered(view, one.package, (), view.source.document)
            if isinstance(offered.failure, OrbitalError):
                raise offered.failure
            if offered.listing.stale is not None:
                raise UpstreamFailed(offered.listing.stale)
            for version in unknown:
                file = offered.file(version)
                if file is not None and file.holder in view.remotes:
                    self._pace(1, stopping)
                    view.adapter.stated_requirements(file, partial(view.source.document, file))
        except NotFound:
            return True
        except OrbitalError as error:
            logger.info("%s/%s: %s", view.repository.address, one.package, error)
            return False
        except Stopped:
            raise
        except Exception:  # a plugin's code: one package's fault is no other's
            logger.exception("%s/%s: the plugin failed", view.repository.address, one.package)
            return False
        return True

    def _pace(self, questions: int, stopping: Callable[[], bool]) -> None:
        """Wait until so many questions may be asked."""
        end = time.monotonic() + questions / self._settings.upstream_rate
        while True:
            if stopping():
                raise Stopped
            if (left := end - time.monotonic()) <= 0:
                return
            time.sleep(min(left, 0.2))

    def _after(self, seconds: float) -> Microseconds:
        """A little by chance, so that what was asked for together is not so again."""
        return self._clock() + int(seconds * random.uniform(0.9, 1.1) * SECOND)  # noqa: S311  # nothing is hidden by it

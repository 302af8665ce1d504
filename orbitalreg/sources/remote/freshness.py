"""When a stored page may still be shown, and when its upstream is asked again."""

from dataclasses import dataclass

from orbitalreg.catalog.remotes import PageRow
from orbitalreg.model import Microseconds, now
from orbitalreg.sources.once import is_of_this_request

SECOND = 1_000_000
RETRY_SECONDS = 15
"""So long at most after a failure, the page is shown without asking again."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """`base` is the upstream's address now; times in seconds, `stale_for` None is for ever."""

    base: str
    ttl: int
    stale_for: int | None

    def is_due(self, page: PageRow) -> bool:
        """Whether the upstream is to be asked before the page is shown."""
        asked_at = page.checked_at if page.failed_at is None else page.failed_at
        if page.upstream == self.base and is_of_this_request(asked_at):
            return False
        if page.failed_at is not None:
            return not _within(page.failed_at, min(self.ttl, RETRY_SECONDS))
        return page.upstream != self.base or not _within(page.checked_at, self.ttl)

    def may_show(self, page: PageRow) -> bool:
        """Whether it may be shown although the upstream fails."""
        return self.stale_for is None or _within(page.checked_at, self.ttl + self.stale_for)

    def validators(self, page: PageRow | None) -> tuple[str | None, str | None]:
        """ETag and Last-Modified to send, where they are this upstream's."""
        if page is None or page.upstream != self.base:
            return None, None
        return page.etag, page.last_modified


def _within(since: Microseconds, seconds: int) -> bool:
    """Whether `since` is less than so long ago; a time to come, by a clock that was set back, is not."""
    return 0 <= now() - since < seconds * SECOND

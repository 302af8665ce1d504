"""The questions of one remote repository to its upstream."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from threading import Lock, Semaphore
from typing import TypeVar

from orbitalreg import upstream
from orbitalreg.errors import Busy, OrbitalError, UpstreamFailed
from orbitalreg.interfaces import Answer, Question
from orbitalreg.model import Address
from orbitalreg.sources.patience import connect_seconds
from orbitalreg.sources.remote import watch
from orbitalreg.sources.remote.watch import RemoteWatch

T = TypeVar("T")

DOCUMENT_BYTES = 16 << 20
PLACE_SECONDS = 1.0
LARGE_BYTES = 1 << 20
"""From here on an answer is read alone: what it is made of may take 35 times as much memory while it is read."""

_OUTCOMES = {200: watch.FRESH, 304: watch.UNCHANGED}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turns:
    """What the remote repositories of a process share, so that no upstream takes all of its threads or its memory.

    `places` are as many threads as may wait for pages and documents of upstreams: fewer than there are, so that a slow
    upstream keeps nobody from what is here. `large` is held by the one that reads a large answer.
    """

    places: Semaphore
    large: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks within the limits of the configuration, and counts what came of it. Thread-safe.

    Every method raises `UpstreamFailed`.
    """

    repository: Address
    client: upstream.Client
    server: upstream.Upstream
    page_bytes: int
    names_bytes: int
    page_seconds: float
    watch: RemoteWatch
    turns: Turns

    @property
    def base(self) -> str:
        return self.server.base

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the places, after a short wait: for whoever asks, and for whoever waits for the same answer.

        Not within another. Raises `Busy`.
        """
        if not self.turns.places.acquire(timeout=PLACE_SECONDS):
            raise Busy(f"{self.repository}: too many wait for upstreams already; try again")
        try:
            yield
        finally:
            self.turns.places.release()

    def page(self, question: Question, etag: str | None, last_modified: str | None) -> upstream.Answer:
        """A page; `etag` and `last_modified` are those of the page that is kept."""
        return self._fetch(question, self.page_bytes, etag, last_modified)

    def names(self, question: Question, etag: str | None, last_modified: str | None) -> upstream.Answer:
        """The list of names, as `page`."""
        return self._fetch(question, self.names_bytes, etag, last_modified)

    def document(self, question: Question) -> upstream.Answer:
        """A document beside a file."""
        return self._fetch(question, DOCUMENT_BYTES, None, None)

    def read(self, what: str, answer: upstream.Answer, parse: Callable[[Answer], T]) -> T:
        """What an adapter's `parse` makes of an answer, as the function `read`; of large ones, one at a time."""
        with self.turns.large if len(answer.body) >= LARGE_BYTES else nullcontext():
            return read(what, lambda: parse(Answer(answer.url, answer.content_type or "", answer.body)))

    def stream(
        self,
        url: str,
        start: int = 0,
        end: int | None = None,
        if_range: str | None = None,
        seconds: float | None = None,
    ) -> AbstractContextManager[upstream.Stream]:
        """The bytes of a file from `start` up to `end`, as they come, or all of them within `seconds`."""
        return self.client.stream(self.server, url, start=start, end=end, if_range=if_range, seconds=seconds)

    def _fetch(
        self, question: Question, max_bytes: int, etag: str | None, last_modified: str | None
    ) -> upstream.Answer:
        try:
            answer = self.client.fetch(
                replace(self.server, connect_seconds=connect_seconds(self.server.connect_seconds)),
                question.url,
                max_bytes=max_bytes,
                accept=question.accept,
                etag=etag,
                last_modified=last_modified,
                seconds=self.page_seconds,
            )
        except UpstreamFailed as error:
            self.watch.asked(self.repository, watch.FAILED)
            raise error.about(str(self.repository)) from error
        self.watch.asked(self.repository, _OUTCOMES.get(answer.status, watch.ABSENT))
        return answer


def read(what: str, call: Callable[[], T]) -> T:
    """What an adapter's `call` makes of an upstream's words. Raises `UpstreamFailed`, which says `what` it was about.

    The words are hostile and the code is a plugin's: whatever goes wrong in it is that upstream's failure, so that the
    last good page can be shown.
    """
    try:
        return call()
    except UpstreamFailed as error:
        raise error.about(what) from error
    except OrbitalError as error:
        raise UpstreamFailed(f"{what}: {error}") from error
    except Exception as error:
        logger.exception("%s: the plugin failed", what)
        raise UpstreamFailed(f"{what}: what the upstream answered cannot be read") from error

"""The list of all packages of an upstream, which may be some 700,000."""

import hashlib
import logging
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import overload

from orbitalreg import upstream
from orbitalreg.catalog import Catalog, remotes
from orbitalreg.catalog.remotes import PageRow
from orbitalreg.errors import OrbitalError, UpstreamFailed
from orbitalreg.interfaces import Upstreams
from orbitalreg.model import Repository, now
from orbitalreg.sources.once import once
from orbitalreg.sources.remote.asking import Asker, read
from orbitalreg.sources.remote.freshness import Freshness

LEVEL = 3
UNTOLD = "untold"
"""The revision of a list that the upstream has not: its packages are those that were asked for."""

logger = logging.getLogger(__name__)


class NameList(Sequence[str]):
    """Names in byte order, kept as one text: a seventh of what a list of strings takes."""

    def __init__(self, text: bytes) -> None:
        """`text` is the names, a line each."""
        self._text = text
        self._ends = array("Q", (place for place, byte in enumerate(text) if byte == 10))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self._ends:
            yield self._text[start:end].decode()
            start = end + 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        return self._text[self._ends[place - 1] + 1 if place else 0 : self._ends[place]].decode()


class RemoteNames:
    """Kept in the catalog like a page. Thread-safe."""

    def __init__(
        self, repository: Repository, catalog: Catalog, upstreams: Upstreams, asker: Asker, freshness: Freshness
    ) -> None:
        self._repository = repository
        self._catalog = catalog
        self._upstreams = upstreams
        self._asker = asker
        self._freshness = freshness
        self._flights: upstream.SingleFlight[str] = upstream.SingleFlight()

    def revision(self) -> str:
        """Changes whenever `names` does. Asks the upstream where that is due. Raises `UpstreamFailed`."""
        stored = self._stored()
        if stored is None or self._freshness.is_due(stored[0]):
            with self._asker.place():
                revision = once((self._repository.id,), lambda: self._flights.do("names", self._ask))
        else:
            revision = stored[1]
        return f"{UNTOLD}.{_digest(_text(self.known()))}" if revision == UNTOLD else revision

    def names(self) -> Sequence[str]:
        """In byte order. Raises `UpstreamFailed`."""
        if self.revision().startswith(UNTOLD):
            return self.known()
        body = remotes.names_body(self._catalog.read(), self._repository.id)
        return NameList(zlib.decompress(body) if body else b"")

    def known(self) -> list[str]:
        """Those that were asked for and are there, in byte order. Asks nobody."""
        return remotes.known_names(self._catalog.read(), self._repository.id)

    def _stored(self) -> tuple[PageRow, str] | None:
        return remotes.names_page(self._catalog.read(), self._repository.id)

    def _ask(self) -> str:
        stored = self._stored()
        if stored is not None and not self._freshness.is_due(stored[0]):
            return stored[1]
        try:
            return self._asked(stored)
        except UpstreamFailed as error:
            if stored is None or not self._freshness.may_show(stored[0]):
                raise
            self._fail(stored[0], error)
            return stored[1]

    def _asked(self, stored: tuple[PageRow, str] | None) -> str:
        what = f"{self._repository.address}"
        question = read(what, lambda: self._upstreams.ask_names(self._asker.base))
        answer = self._asker.names(question, *self._freshness.validators(stored[0] if stored else None))
        page = PageRow(self._asker.base, answer.etag, answer.last_modified, now(), None, None)
        if answer.status == 304 and stored is not None:
            with self._catalog.write() as db:
                remotes.confirm_names(db, self._repository.id, page.checked_at)
            return stored[1]
        if answer.status == 200:
            names = self._asker.read(what, answer, self._upstreams.read_names)
            text = _text(names)
            return self._store(page, text, _digest(text))
        return self._store(replace(page, etag=None, last_modified=None), b"", UNTOLD)

    def _store(self, page: PageRow, text: bytes, revision: str) -> str:
        body = zlib.compress(text, LEVEL)
        with self._catalog.write() as db:
            remotes.put_names(db, self._repository.id, page, body, revision)
        return revision

    def _fail(self, page: PageRow, error: UpstreamFailed) -> None:
        if page.failure != error.public:
            logger.warning("%s: its last list of names is shown: %s", self._repository.address, error)
        try:
            with self._catalog.write() as db:
                remotes.fail_names(db, self._repository.id, error.public, now())
        except OrbitalError as fault:  # a full disk must not take the list away too
            logger.warning("%s: %s", self._repository.address, fault)


def _text(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]

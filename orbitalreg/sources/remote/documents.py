"""Documents beside the files of a remote repository: stored, told by the upstream, or drawn from inside the file."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from orbitalreg import upstream
from orbitalreg.catalog import Catalog, files, remotes, repositories
from orbitalreg.catalog.remotes import Entry
from orbitalreg.errors import Busy, NotFound, UpstreamFailed
from orbitalreg.interfaces import Upstreams
from orbitalreg.model import File, Repository
from orbitalreg.sources.fetching import GrowingReader
from orbitalreg.sources.remote.arrived import Arrived
from orbitalreg.sources.remote.asking import DOCUMENT_BYTES, Asker, read
from orbitalreg.sources.remote.ranged import RangedFile
from orbitalreg.sources.remote.watch import RemoteWatch
from orbitalreg.waiting import waited_for

logger = logging.getLogger(__name__)


class Documents:
    """Thread-safe; one thread at a time looks for a document, and others wait for what it finds."""

    def __init__(
        self,
        repository: Repository,
        catalog: Catalog,
        upstreams: Upstreams,
        asker: Asker,
        watch: RemoteWatch,
        held: Callable[[File], BinaryIO | None],
        fetched: Callable[[File], BinaryIO],
        offline: bool,
    ) -> None:
        """`held(file)` is the cached copy, if there is one; `fetched(file)` its bytes as the upstream sends them."""
        self._repository = repository
        self._catalog = catalog
        self._upstreams = upstreams
        self._asker = asker
        self._watch = watch
        self._held = held
        self._fetched = fetched
        self._offline = offline
        self._flights: upstream.SingleFlight[bytes] = upstream.SingleFlight()

    def get(self, file: File, entry: Entry, kind: str) -> bytes:
        """Raises `NotFound`, and `UpstreamFailed` also where it is not what the upstream says that it is."""
        if kind not in file.documents:
            raise NotFound(f"{file.filename} has no {kind}")
        stored = self._stored(file, kind)
        if stored is not None:
            return stored
        with self._asker.place():
            return self._flights.do((file.id, kind), lambda: self._found(file, entry, kind))

    def _stored(self, file: File, kind: str) -> bytes | None:
        db = self._catalog.read()
        beside = files.document(db, file.id, kind)
        return beside if beside is not None else remotes.document(db, file.id, kind)

    def _found(self, file: File, entry: Entry, kind: str) -> bytes:
        stored = self._stored(file, kind)
        if stored is not None:
            return stored
        stated = entry.told.documents.get(kind, "")
        deadline = time.monotonic() + self._asker.page_seconds
        for body in self._candidates(file, entry, kind, deadline):
            if stated in ("", hashlib.sha256(body).hexdigest()):
                self._keep(file, kind, body, news=not stated)
                return body
            self._watch.mismatched(self._repository.address)
            text = f"{self._repository.address}: the {kind} of {file.filename} is not the one that the upstream states"
            logger.warning("%s", text)
            raise UpstreamFailed(text)
        if self._offline:
            raise NotFound(f"{file.filename} has no {kind} here")
        raise UpstreamFailed(
            f"{self._repository.address}: the upstream offers a {kind} of {file.filename}, and has none"
        )

    def _candidates(self, file: File, entry: Entry, kind: str, deadline: float) -> Iterator[bytes]:
        """The document by one way after the other: the next is tried where one does not lead to it."""
        draws = self._upstreams.may_draw(file.filename) == kind
        if draws and (held := self._held(file)) is not None:
            with held:
                yield self._drawn(held, file, kind)
        elif not self._offline:
            if kind in entry.told.documents and (told := self._told(file, entry, kind, draws)) is not None:
                yield told
            if draws:
                yield self._drawn_from_afar(file, entry, kind, deadline)

    def _told(self, file: File, entry: Entry, kind: str, may_fail: bool) -> bytes | None:
        """What the upstream offers beside the file; None where it has it not, or where there is another way."""
        question = read(file.filename, lambda: self._upstreams.ask_document(entry.told, kind))
        what = f"{self._repository.address}: the {kind} of {file.filename}"
        try:
            answer = self._asker.document(question)
            if answer.status != 200:
                return None
            return self._asker.read(what, answer, lambda said: self._upstreams.read_document(said, entry.told, kind))
        except UpstreamFailed as error:
            if not may_fail:
                raise
            logger.info("%s: %s", what, error)
            return None

    def _drawn_from_afar(self, file: File, entry: Entry, kind: str, deadline: float) -> bytes:
        """From the few parts of the file that hold it; where that cannot be, from the whole.

        Raises `Busy` where the whole is still coming at the `deadline`: it goes on coming, and is cached then.
        """
        parts = None
        try:
            parts = RangedFile(self._asker, entry.told.url, file.size, deadline)
            return self._drawn(cast(BinaryIO, parts), file, kind)
        except UpstreamFailed:
            if (parts is not None and parts.failure is None) or time.monotonic() >= deadline:
                raise
        try:
            with waited_for(lambda: self._fetched(file), deadline - time.monotonic()) as coming:
                left = deadline - time.monotonic()
                whole = Arrived(coming, left) if isinstance(coming, GrowingReader) else coming
                return self._drawn(cast(BinaryIO, whole), file, kind)
        except TimeoutError:
            raise Busy(
                f"{self._repository.address}: the {kind} of {file.filename} is inside the file, which is being fetched;"
                " try again a little later"
            ) from None

    def _drawn(self, stream: BinaryIO, file: File, kind: str) -> bytes:
        body = read(
            f"{self._repository.address}: {file.filename}",
            lambda: self._upstreams.draw(stream, file.filename, kind),
        )
        if len(body) > DOCUMENT_BYTES:
            raise UpstreamFailed(f"{self._repository.address}: the {kind} of {file.filename} is too large")
        return body

    def _keep(self, file: File, kind: str, body: bytes, news: bool) -> None:
        """Keep it, and where its digest is `news`, have the page say so."""
        prepared = files.prepared(kind, body)
        with self._catalog.write() as db:
            row = repositories.package(db, self._repository.id, file.package)
            if row is None:
                return
            remotes.put_document(db, row.id, file.id, prepared)
            if news:
                repositories.package_changed(db, row.id)

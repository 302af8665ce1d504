"""`RawSource` of one remote repository."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from sqlite_utils import Database

from orbitalreg import upstream
from orbitalreg.catalog import Catalog, blobs, files, remotes, repositories
from orbitalreg.catalog.blobs import BlobRow
from orbitalreg.catalog.remotes import Entry, Fact
from orbitalreg.config import RepositorySettings
from orbitalreg.errors import Busy, NotFound, UpstreamFailed
from orbitalreg.holding import NotHeld, new_key, opened
from orbitalreg.interfaces import BlobStore, Upstreams
from orbitalreg.model import File, Listing, Repository, Withholding, now
from orbitalreg.scanning.queue import ScanQueue
from orbitalreg.sources import patience
from orbitalreg.sources.fetching import Expected, Fetches, Order
from orbitalreg.sources.kept import Kept
from orbitalreg.sources.patterns import Patterns
from orbitalreg.sources.remote.absent import AbsentNames
from orbitalreg.sources.remote.asking import Asker
from orbitalreg.sources.remote.documents import Documents
from orbitalreg.sources.remote.freshness import Freshness
from orbitalreg.sources.remote.names import RemoteNames
from orbitalreg.sources.remote.pages import ATTEMPTS, DecodedPage, Known, RemotePages
from orbitalreg.sources.remote.watch import RemoteWatch
from orbitalreg.sources.section import part

FILES = 40_000
"""How many files all decoded pages of a process may have together."""

UPSTREAM = "upstream"
"""Who published a cached file, as far as the catalog knows."""


class RemoteSource:
    """Another server's packages, asked for and kept. Thread-safe; every call sees every commit before it.

    With `offline` nobody is asked, and what is not cached is not there. A private name is never asked for.
    """

    def __init__(
        self,
        repository: Repository,
        settings: RepositorySettings,
        private: Patterns,
        upstreams: Upstreams,
        asker: Asker,
        catalog: Catalog,
        store: BlobStore,
        fetches: Fetches,
        watch: RemoteWatch,
        kept: Kept[DecodedPage],
        scans: ScanQueue,
    ) -> None:
        """`private` are the names that no upstream is asked for. `kept` is shared by all remote sources."""
        self._repository = repository
        self._private = private
        self._upstreams = upstreams
        self._asker = asker
        self._catalog = catalog
        self._store = store
        self._fetches = fetches
        self._watch = watch
        self._scans = scans
        self._offline = settings.offline
        freshness = Freshness(asker.base, settings.listing_ttl, settings.stale_for)
        absent = AbsentNames(settings.negative_ttl)
        self._pages = RemotePages(
            repository, catalog, upstreams, asker, freshness, absent, watch, kept, settings.preserve
        )
        self._names = RemoteNames(repository, catalog, upstreams, asker, freshness)
        self._documents = Documents(
            repository, catalog, upstreams, asker, watch, self._held, self._fetched, settings.offline
        )

    @property
    def repository(self) -> Repository:
        return self._repository

    def reserves(self, package: str) -> bool:
        return False

    def reserved(self) -> Sequence[str]:
        return ()

    def names(self) -> Sequence[str]:
        if self._offline:
            return repositories.names(self._catalog.read(), self._repository.id)
        names = self._names.known() if patience.asks_nobody() else self._names.names()
        return [name for name in names if name not in self._private] if self._private else names

    def names_revision(self) -> str:
        if self._offline:
            return f"offline.{repositories.names_revision(self._catalog.read(), self._repository.id)}"
        return self._names.revision()

    def revision(self, package: str, local_only: bool = False) -> str:
        known = self._known(package, local_only)
        if known.page.failure is not None:
            self._watch.shown_stale(self._repository.address)
        return self._revision(known)

    def listing(self, package: str, local_only: bool = False) -> Listing:
        known = self._known(package, local_only)
        page = self._pages.decoded(known)
        chosen = self._offered(page)
        withheld = {}
        if not page.package.status.offers_files:
            reason = page.package.status.reason
            why = Withholding("the upstream has quarantined the package" + (f": {reason}" if reason else ""))
            withheld = {file.filename: why for file in chosen}
        if known.package.revision_key != page.package.revision_key:  # it changed just now
            known = replace(known, package=page.package)
        return Listing(package, chosen, self._revision(known), page.package.status, withheld, None, known.page.failure)

    def sized(self, file: File) -> File:
        if file.size is not None:
            return file
        blob = remotes.cached_blob(self._catalog.read(), file.id)
        return replace(file, size=blob.size if blob else self._fetches.size(self._order(file)))

    def open(self, file: File, start: int = 0, length: int | None = None) -> BinaryIO:
        blob = remotes.cached_blob(self._catalog.read(), file.id)
        if blob is not None:
            return part(self._opened(file, blob), start, length, blob.size)
        return self._fetches.open(self._order(file), start, length)

    def document(self, file: File, kind: str) -> bytes:
        return self._documents.get(file, self._entry(file), kind)

    def _known(self, package: str, local_only: bool) -> Known:
        """Raises `NotFound`, `UpstreamFailed`."""
        if local_only or package in self._private:
            raise self._no_package(package)
        if not self._offline:
            return self._pages.current(package)
        known = self._pages.stored(package)
        if known is None or known.package.file_count == 0:
            raise self._no_package(package)
        return replace(known, page=replace(known.page, failed_at=None, failure=None))  # nobody is asked, nobody fails

    def _no_package(self, package: str) -> NotFound:
        return NotFound(f"{self._repository.address} has no package {package}")

    def _revision(self, known: Known) -> str:
        """Offline, what is shown depends on what is cached, too."""
        said = [known.package.revision_key, *([f"{known.package.file_count}"] if self._offline else [])]
        return ".".join(said) + (f"~{known.page.failure}" if known.page.failure is not None else "")

    def _offered(self, page: DecodedPage) -> tuple[File, ...]:
        """What can be had: files that the upstream tells of, and those that are cached."""
        if not page.package.status.offers_files:
            return page.files  # they keep their places, and are withheld
        gone = any(entry.is_gone for entry in page.entries.values())
        if not (self._offline or gone):
            return page.files
        db = self._catalog.read()
        held = remotes.cached(db, page.package.id)
        if not self._offline:
            return tuple(file for file in page.files if file.id in held or not page.entries[file.filename].is_gone)
        kept = remotes.documents(db, page.package.id)
        return tuple(self._offered_offline(file, kept.get(file.id, {})) for file in page.files if file.id in held)

    def _offered_offline(self, file: File, kept: Mapping[str, str]) -> File:
        """With those documents that are here, or inside the file, which is."""
        drawn = self._upstreams.may_draw(file.filename)
        offered = {kind: digest for kind, digest in file.documents.items() if kind in kept or kind == drawn}
        return file if offered == file.documents else replace(file, documents=offered)

    def _entry(self, file: File) -> Entry:
        """What is told of one of the listing's files. Raises `NotFound` where it is none any more."""
        known = self._pages.stored(file.package)
        entry = self._pages.decoded(known).entries.get(file.filename) if known is not None else None
        if entry is None or entry.id != file.id:
            raise NotFound(f"{self._repository.address} has no file {file.filename} any more")
        return entry

    def _held(self, file: File) -> BinaryIO | None:
        """The cached bytes, if there are any."""
        blob = remotes.cached_blob(self._catalog.read(), file.id)
        return self._opened(file, blob) if blob is not None else None

    def _opened(self, file: File, blob: BlobRow) -> BinaryIO:
        return opened(self._store, blob, file.filename)

    def _fetched(self, file: File) -> BinaryIO:
        return self._fetches.open(self._order(file))

    def _order(self, file: File) -> Order:
        """What it takes to fetch the file. Raises `NotFound` where it is not to be had."""
        entry = self._entry(file)
        if self._offline or entry.is_gone:
            raise NotFound(f"{self._repository.address} does not hold {file.filename}")

        def ask(start: int, if_range: str | None) -> AbstractContextManager[upstream.Stream]:
            return self._asker.stream(entry.told.url, start, None, if_range)

        return Order(
            file.id,
            f"{self._repository.address}: {file.filename}",
            ask,
            lambda path, sha256, size: self._keep(file, path, Fact(sha256, size)),
            lambda: self._held(file),
            Expected(file.sha256, file.size),
        )

    def _keep(self, file: File, path: Path, fact: Fact) -> None:
        """Bytes first, then rows; bytes that turn out to be there already, or wanted no more, are dropped again.

        Raises `UpstreamFailed` for bytes that are not the file's, `NotFound` where it is none any more.
        """
        if file.sha256 not in (None, fact.sha256):
            raise UpstreamFailed(f"{self._repository.address}: {file.filename} is not what the upstream states")
        key = None
        if not blobs.is_held(self._catalog.read(), fact.sha256):
            key = new_key(fact.sha256)
            self._store.keep(path, key)
        used_key = None
        try:
            used_key = self._commit(file, fact, key)
        except (NotFound, UpstreamFailed, Busy):
            if key is not None:
                self._store.delete(key)
            raise
        if key is not None and used_key != key:
            self._store.delete(key)

    def _commit(self, file: File, fact: Fact, key: str | None) -> str | None:
        """The rows of a cached file, against the page as it is now; the key under which its bytes are held."""
        for _ in range(ATTEMPTS):
            known = self._pages.stored(file.package)
            if known is None:
                raise NotFound(f"{self._repository.address} has no package {file.package} any more")
            page = self._pages.decoded(known)
            shown = next((one for one in page.files if one.id == file.id), None)
            if shown is None or shown.sha256 not in (None, fact.sha256):
                raise NotFound(f"{self._repository.address} has no file {file.filename} any more")
            with self._catalog.write() as db:
                row = repositories.package(db, self._repository.id, file.package)
                if row is None or row.revision_key != page.package.revision_key:
                    continue
                return self._insert(db, page.package.id, shown, fact, key)
        raise Busy(f"{self._repository.address}/{file.package} changes too often at the moment; try again")

    def _insert(self, db: Database, package_id: str, file: File, fact: Fact, key: str | None) -> str | None:
        """Writes."""
        if remotes.cached_digest(db, file.id) is not None:
            return None  # another process was faster
        other = files.by_filename(db, self._repository.id, file.filename)
        if other is not None:
            raise UpstreamFailed(
                f"{self._repository.address}: {file.filename} is of {other.package} and {file.package}"
            )
        used_key = blobs.hold(db, fact.sha256, key, fact.size)
        if used_key is None:
            raise NotHeld
        row = replace(file, sha256=fact.sha256, size=fact.size, uploaded_at=now())
        files.insert(db, self._repository.id, package_id, row, UPSTREAM)
        remotes.adopt_documents(db, file.id)
        self._scans.add(db, file.id)
        remotes.count_cached(db, package_id, +1)
        if (file.sha256, file.size) != (fact.sha256, fact.size):
            self._pages.learn(db, package_id, file.id, fact)
        return used_key

"""The pages of one remote repository: asked for when due, merged with what was known, kept in the catalog."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlite_utils import Database

from orbitalreg import upstream
from orbitalreg.catalog import Catalog, remotes, repositories
from orbitalreg.catalog.remotes import Entry, Fact, PageRow
from orbitalreg.catalog.repositories import PackageRow
from orbitalreg.errors import Busy, NoSpace, NotFound, OrbitalError, StorageFailed, UpstreamFailed
from orbitalreg.interfaces import Upstreams
from orbitalreg.model import File, Microseconds, RemotePage, Repository, Status, now
from orbitalreg.sources import patience
from orbitalreg.sources.kept import Kept
from orbitalreg.sources.once import once
from orbitalreg.sources.remote.absent import AbsentNames
from orbitalreg.sources.remote.asking import Asker, read
from orbitalreg.sources.remote.freshness import Freshness
from orbitalreg.sources.remote.merging import Merged, merge
from orbitalreg.sources.remote.watch import RemoteWatch

ATTEMPTS = 8

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A package of which a page is stored."""

    package: PackageRow
    page: PageRow


@dataclass(frozen=True, slots=True)
class DecodedPage:
    """The entries of a page by filename, and the files that they are with all that was learnt, as of `package`."""

    package: PackageRow
    entries: Mapping[str, Entry]
    files: tuple[File, ...]

    @property
    def file_count(self) -> int:
        return len(self.files)


@dataclass(frozen=True, slots=True)
class _Before:
    """All that is known of a package, read in one go."""

    package: PackageRow | None
    page: PageRow | None
    body: bytes | None
    facts: Mapping[str, Fact]
    documents: Mapping[str, Mapping[str, str]]
    held: Mapping[str, str]

    @property
    def entries(self) -> list[Entry]:
        return remotes.decoded(self.body) if self.body is not None else []


_NOTHING = _Before(None, None, None, {}, {}, {})


class RemotePages:
    """Thread-safe. No transaction lasts while an upstream is asked, and none while a page is parsed."""

    def __init__(
        self,
        repository: Repository,
        catalog: Catalog,
        upstreams: Upstreams,
        asker: Asker,
        freshness: Freshness,
        absent: AbsentNames,
        watch: RemoteWatch,
        kept: Kept[DecodedPage],
        preserve: bool,
    ) -> None:
        self._repository = repository
        self._catalog = catalog
        self._upstreams = upstreams
        self._asker = asker
        self._freshness = freshness
        self._absent = absent
        self._watch = watch
        self._kept = kept
        self._preserve = preserve
        self._flights: upstream.SingleFlight[Known] = upstream.SingleFlight()
        self._asking: set[str] = set()
        self._lock = threading.Lock()

    def stored(self, package: str) -> Known | None:
        """The stored page, however old. Asks nobody."""
        db = self._catalog.read()
        found = remotes.package_page(db, self._repository.id, package)
        return Known(*found) if found is not None else None

    def current(self, package: str) -> Known:
        """The page as the upstream has it, or had it within the TTL; the last good one where that fails.

        One thread at a time asks about a package. Others are shown the old page meanwhile, or wait for it where there
        is none that may be shown. Within `asking_nobody`, nobody is asked. Raises `NotFound`, `UpstreamFailed`,
        and `Busy` where too many wait already.
        """
        if patience.asks_nobody():
            known = self.stored(package)
            if known is None:
                raise self._no_package(package)
            return known
        known = self._unless_due(package)
        if known is not None:
            return known
        known = self.stored(package)
        with self._lock:
            if package in self._asking and known is not None and self._freshness.may_show(known.page):
                return known
            self._asking.add(package)
        try:
            with self._asker.place():
                return once(
                    (self._repository.id, package), lambda: self._flights.do(package, lambda: self._ask(package))
                )
        except Busy:
            if known is not None and self._freshness.may_show(known.page):
                return known
            raise
        finally:
            with self._lock:
                self._asking.discard(package)

    def decoded(self, known: Known) -> DecodedPage:
        """Its entries and files. Raises `NotFound` where the page went away just now."""
        kept = self._kept.get(known.package.revision_key)
        if kept is not None:
            return kept
        before = self._before(known.package.name)
        if before.package is None or before.body is None:
            raise NotFound(f"{self._repository.address} has no package {known.package.name}")
        entries = before.entries
        page = DecodedPage(
            before.package,
            {entry.told.filename: entry for entry in entries},
            tuple(
                self._file(before.package.name, entry, before.facts.get(entry.id), before.documents.get(entry.id, {}))
                for entry in entries
            ),
        )
        return self._kept.put(before.package.revision_key, page)

    def _file(self, package: str, entry: Entry, fact: Fact | None, documents: Mapping[str, str]) -> File:
        told = entry.told
        offered = dict(told.documents)
        drawn = self._upstreams.may_draw(told.filename)
        if drawn is not None:
            offered.setdefault(drawn, "")
        return File(
            entry.id,
            package,
            told.version,
            told.filename,
            fact.size if fact else told.size,
            told.sha256 or (fact.sha256 if fact else None),
            entry.first_seen if told.uploaded_at is None else told.uploaded_at,
            told.attributes,
            (),
            {kind: digest or documents.get(kind, "") for kind, digest in offered.items()},
            told.yanked,
            self._repository.id,
        )

    def _unless_due(self, package: str) -> Known | None:
        """The stored page where nobody has to be asked. Raises `NotFound`."""
        known = self.stored(package)
        if known is not None:
            return None if self._freshness.is_due(known.page) else known
        if package in self._absent:
            raise self._no_package(package)
        return None

    def _no_package(self, package: str) -> NotFound:
        return NotFound(f"{self._repository.address} has no package {package}")

    def _ask(self, package: str) -> Known:
        known = self._unless_due(package)  # somebody else may have asked just now
        if known is not None:
            return known
        known = self.stored(package)
        try:
            return self._asked(package, known)
        except (UpstreamFailed, Busy, NoSpace, StorageFailed) as error:
            if known is None or not self._freshness.may_show(known.page):
                raise
            return self._failed(package, known, error)

    def _asked(self, package: str, known: Known | None) -> Known:
        what = f"{self._repository.address}/{package}"
        question = read(what, lambda: self._upstreams.ask_page(self._asker.base, package))
        answer = self._asker.page(question, *self._freshness.validators(known.page if known else None))
        at = now()
        if answer.status in (404, 410):
            return self._gone(package, at)
        if answer.status == 304:
            return self._confirmed(package, at)
        page = self._asker.read(what, answer, lambda said: self._upstreams.read_page(said, package))
        found = self._store(package, page, answer, at)
        assert found is not None
        self._absent.discard(package)
        return found

    def _failed(self, package: str, known: Known, error: OrbitalError) -> Known:
        """The old page, which from now on says what went wrong; the log does in full, whenever that is news."""
        if known.page.failure != error.public:
            logger.warning("%s/%s: its last page is shown: %s", self._repository.address, package, error)
        at, failure = now(), error.public
        failed = replace(known, page=replace(known.page, failed_at=at, failure=failure))
        try:
            with self._catalog.write() as db:
                remotes.fail_page(db, known.package.id, failure, at)
        except OrbitalError as fault:  # a full disk must not take the page away too
            logger.warning("%s/%s: %s", self._repository.address, package, fault)
            return failed
        return self.stored(package) or failed

    def _confirmed(self, package: str, at: Microseconds) -> Known:
        known = self.stored(package)
        if known is None:
            raise UpstreamFailed(
                f"{self._repository.address}/{package}: the upstream confirms what was not asked about"
            )
        with self._catalog.write() as db:
            remotes.confirm_page(db, known.package.id, at)
        return self.stored(package) or known

    def _gone(self, package: str, at: Microseconds) -> Known:
        """The upstream has no such package. Raises `NotFound`, unless cached files are preserved."""
        if self.stored(package) is not None:
            left = self._store(package, RemotePage(()), None, at)
            if left is not None:
                return left
        self._absent.add(package)
        raise self._no_package(package)

    def _before(self, package: str) -> _Before:
        with self._catalog.snapshot() as db:
            row = repositories.package(db, self._repository.id, package)
            if row is None:
                return _NOTHING
            return _Before(
                row,
                remotes.page(db, row.id),
                remotes.body(db, row.id),
                remotes.facts(db, row.id),
                remotes.documents(db, row.id),
                remotes.cached(db, row.id),
            )

    def _store(self, package: str, page: RemotePage, answer: upstream.Answer | None, at: Microseconds) -> Known | None:
        """Merge `page` with what was known and keep it; without an `answer` the upstream has no page at all.

        None where nothing is left of it. What is merged is what is replaced: where another process changed the page
        meanwhile, it is merged anew.
        """
        for _ in range(ATTEMPTS):
            before = self._before(package)
            if before.page is not None and before.page.upstream == self._asker.base and before.page.checked_at > at:
                return self.stored(package)  # another process has asked since
            staying = self._staying(before, page.status)
            merged = merge(before.entries, page.files, before.facts, before.documents, staying, at)
            body = remotes.encoded(merged.entries)
            stays = answer is not None or bool(merged.entries)
            with self._catalog.write() as db:
                row = repositories.package(db, self._repository.id, package)
                if row != before.package:
                    continue
                row = row or repositories.ensure_package(db, self._repository.id, package)
                self._replace(db, row, before, merged, body if stays else None, page.status, answer, at)
            return self.stored(package)
        raise Busy(f"{self._repository.address}/{package} changes too often at the moment; try again")

    def _staying(self, before: _Before, status: Status) -> frozenset[str]:
        """Files of which nothing has to be told: all of a quarantined package, whose page tells of none."""
        if not status.offers_files:
            return frozenset(entry.id for entry in before.entries)
        return frozenset(before.held) if self._preserve else frozenset()

    def _replace(
        self,
        db: Database,
        row: PackageRow,
        before: _Before,
        merged: Merged,
        body: bytes | None,
        status: Status,
        answer: upstream.Answer | None,
        at: Microseconds,
    ) -> None:
        """Writes."""
        self._recall(db, row, before, merged, status)
        remotes.forget(db, [entry.id for entry, _ in merged.dropped])
        remotes.drop_documents(db, merged.outdated)
        if body is None:
            remotes.drop_page(db, row.id)
        else:
            etag, last_modified = (answer.etag, answer.last_modified) if answer else (None, None)
            remotes.put_page(db, row.id, self._asker.base, body, etag, last_modified, at)
        if row.status != status:
            repositories.set_status(db, row.id, status)
        elif body != before.body or merged.outdated:
            repositories.package_changed(db, row.id)

    def _recall(self, db: Database, row: PackageRow, before: _Before, merged: Merged, status: Status) -> None:
        """Writes: cached files that the upstream took back are offered no more, and it is written down."""
        taken = [(entry, reason) for entry, reason in merged.dropped if entry.id in before.held]
        recalled = list(taken)
        if not status.offers_files:
            reason = f"{status.name} by the upstream" + (f": {status.reason}" if status.reason else "")
            recalled += [(entry, reason) for entry in merged.entries if entry.id in before.held]
        for entry, reason in recalled:
            file = replace(self._file(row.name, entry, None, {}), sha256=before.held[entry.id])
            if remotes.put_recall(db, self._repository.id, file, reason):
                logger.warning("%s/%s: %s is recalled: %s", self._repository.address, row.name, file.filename, reason)
                self._watch.recalled(self._repository.address)
        if taken:
            remotes.drop_cached(db, [entry.id for entry, _ in taken])
            remotes.count_cached(db, row.id, -len(taken))

    def learn(self, db: Database, package_id: str, file_id: str, fact: Fact) -> None:
        """Writes what a file turned out to be, which its page shows from now on."""
        remotes.put_fact(db, package_id, file_id, fact)
        repositories.package_changed(db, package_id)

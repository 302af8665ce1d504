"""What changes a local repository: publish, yank, un-yank, delete, status. Each is one transaction.

The order of a publish is the write protocol: stage and hash, verify, inspect, check, make the bytes durable, commit
durably, and only then answer.
"""

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from threading import Semaphore
from typing import Any, Protocol

from sqlite_utils import Database
from ulid import ULID

from orbitalreg import audit, staging
from orbitalreg.catalog import Catalog, blobs, exceptions, files, repositories
from orbitalreg.errors import Busy, FileExists, Forbidden, Malformed, Misplaced, NoSpace, NotFound, UploadRefused
from orbitalreg.holding import NotHeld, new_key
from orbitalreg.inspection import Inspector
from orbitalreg.interfaces import DIGESTS, BlobStore, FormatAdapter, Readable, Upload
from orbitalreg.model import (
    Actor,
    Coordinates,
    File,
    Identity,
    Inspection,
    Kind,
    Microseconds,
    Publication,
    Repository,
    Right,
    Status,
    now,
)
from orbitalreg.scanning.queue import ScanQueue

PLACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class HiddenByUpload:
    """The upstreams that serve a name which its first upload would hide, and those that could not say.

    `serving` are addresses of repositories, `unknown` one line for each.
    """

    serving: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class NameWatch(Protocol):
    """Who else serves a name."""

    def hidden_by_upload(self, repository: Repository, package: str) -> HiddenByUpload:
        """What the first upload of `package` to `repository` would hide. May ask upstreams; raises nothing of them."""


class NoWatch:
    """Where no repository stands beside another: nothing is ever hidden."""

    def hidden_by_upload(self, repository: Repository, package: str) -> HiddenByUpload:
        return HiddenByUpload()


@dataclass(frozen=True, slots=True)
class Desk:
    """What publishing needs, shared by all callers of one server."""

    catalog: Catalog
    store: BlobStore
    inspector: Inspector
    max_upload: int
    places: Semaphore
    """As many as may publish at a time: below the number of threads, so that uploads never starve reads."""
    watch: NameWatch = field(default_factory=NoWatch)
    scans: ScanQueue = field(default_factory=ScanQueue)

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the places, after a short wait. Raises `Busy`."""
        if not self.places.acquire(timeout=PLACE_SECONDS):
            raise Busy("too many uploads are under way; try again")
        try:
            yield
        finally:
            self.places.release()

    def room_for(self, size: int) -> None:
        """Raises `NoSpace` where `size` more bytes would leave the file system too full."""
        free = self.store.free_bytes()
        if free is not None and free - size < staging.RESERVE:
            raise NoSpace("the data file system has too little room left for this upload")


class LocalPublisher:
    """`interfaces.Publisher` for one caller and one local repository. Made for each request."""

    def __init__(
        self, desk: Desk, adapter: FormatAdapter, repository: Repository, identity: Identity, actor: Actor
    ) -> None:
        self._desk = desk
        self._adapter = adapter
        self._repository = repository
        self._identity = identity
        self._actor = actor
        self.publications: list[Publication] = []
        """What was published through this, in order."""
        self._unasked: tuple[str, ...] = ()

    @property
    def repository(self) -> Repository:
        return self._repository

    def receive(
        self, stream: Readable, filename: str, algorithms: Sequence[str]
    ) -> AbstractContextManager[staging.StagedUpload]:
        return staging.receive(self._desk.store.staging, stream, filename, algorithms, self._desk.max_upload)

    def publish(self, upload: Upload, claims: Mapping[str, str], digests: Mapping[str, str]) -> Publication:
        publication = self._publish(upload, claims, digests)
        self.publications.append(publication)
        return publication

    def _publish(self, upload: Upload, claims: Mapping[str, str], digests: Mapping[str, str]) -> Publication:
        _verify(upload, digests)
        coordinates = self._adapter.parse_filename(upload.filename)
        self._require_right(coordinates)
        db = self._desk.catalog.read()
        existing = files.by_filename(db, self._repository.id, upload.filename)
        repeated = _same_or_refused(existing, upload) if existing is not None else None
        if repeated is None:
            self._check_may_appear(db, coordinates, upload)
            self._check_may_hide(db, coordinates)
        found = self._desk.inspector.inspect(self._adapter, upload.path, upload.filename, claims)
        if (found.package, found.version) != (coordinates.package, coordinates.version):
            raise UploadRefused(f"{upload.filename}: its metadata is of {found.package} {found.version}")
        if repeated is not None:
            self._mend(upload, repeated.file)
            return repeated
        return self._store(upload, replace(found, version=self._known_spelling(db, found)))

    def _known_spelling(self, db: Database, found: Inspection) -> str:
        """The version as the package has it already: equal versions are one, so that a yank takes all its files."""
        versions = files.versions(db, self._repository.id, found.package)
        if found.version in versions:
            return found.version
        key = self._adapter.version_key(found.version)
        return next((known for known in versions if self._adapter.version_key(known) == key), found.version)

    def _require_right(self, coordinates: Coordinates) -> None:
        if not self._identity.may(Right.PUBLISH, self._repository.address, coordinates.package):
            raise Forbidden(f"no right to publish {coordinates.package} in {self._repository.address}")

    def _check_may_appear(self, db: Database, coordinates: Coordinates, upload: Upload) -> None:
        """Raises `UploadRefused` where the package takes no uploads or the filename was deleted once."""
        package = repositories.package(db, self._repository.id, coordinates.package)
        if package is not None and not package.status.takes_uploads:
            raise UploadRefused(f"{coordinates.package} is {package.status.name} and takes no uploads")
        deleted = files.deleted_digest(db, self._repository.id, upload.filename)
        if deleted not in (None, upload.digest("sha256")) and not self._repository.reuse_deleted_filenames:
            raise UploadRefused(
                f"{upload.filename} was deleted here, and its name is not used again for other bytes; "
                "publish a new version"
            )

    def _check_may_hide(self, db: Database, coordinates: Coordinates) -> None:
        """The first upload of a name that an upstream serves needs `maintain`: it takes that package from everybody."""
        package, address = coordinates.package, self._repository.address
        self._unasked = ()
        if repositories.package(db, self._repository.id, package) is not None:
            return
        if self._identity.may(Right.MAINTAIN, address, package):
            return
        hidden = self._desk.watch.hidden_by_upload(self._repository, package)
        if hidden.serving:
            raise Forbidden(
                f"{', '.join(hidden.serving)} serves {package}, and its first upload to {address} would hide that; "
                "it needs the right to maintain"
            )
        self._unasked = hidden.unknown

    def _store(self, upload: Upload, found: Inspection) -> Publication:
        """Bytes first, then rows; bytes that turn out to be there already are dropped again.

        After a failure they are left for garbage collection: a commit that reports an error may yet have happened.
        """
        documents = [files.prepared(kind, body) for kind, body in found.documents.items()]
        is_held = blobs.is_held(self._desk.catalog.read(), upload.digest("sha256"))
        try:
            return self._committed(upload, found, documents, None if is_held else self._keep(upload))
        except NotHeld:  # garbage collection took them just now
            return self._committed(upload, found, documents, self._keep(upload))

    def _keep(self, upload: Upload) -> str:
        """The key under which the bytes are durable now."""
        key = new_key(upload.digest("sha256"))
        self._desk.store.keep(upload.path, key)
        return key

    def _committed(
        self, upload: Upload, found: Inspection, documents: Sequence[files.PreparedDocument], key: str | None
    ) -> Publication:
        with self._desk.catalog.write() as db:
            publication, used_key = self._insert(db, upload, found, documents, key)
        if key is not None and used_key != key:
            self._desk.store.delete(key)
        return publication

    def _mend(self, upload: Upload, existing: File) -> None:
        """What is uploaded again is sound: it takes the place of bytes that were lost or damaged here."""
        sha256 = upload.digest("sha256")
        if blobs.is_held(self._desk.catalog.read(), sha256):
            return
        key = self._keep(upload)
        with self._desk.catalog.write() as db:
            used_key = blobs.hold(db, sha256, key, upload.size)
            if used_key == key:
                target = f"{self._repository.address}/{existing.package}=={existing.version}"
                detail = {"filename": existing.filename, "sha256": sha256}
                audit.record(db, self._actor, "file.mend", target, detail, self._repository.address.project)
        if used_key != key:
            self._desk.store.delete(key)

    def _insert(
        self,
        db: Database,
        upload: Upload,
        found: Inspection,
        documents: Sequence[files.PreparedDocument],
        key: str | None,
    ) -> tuple[Publication, str | None]:
        """The rows of one publish, and the key under which its bytes are held."""
        existing = files.by_filename(db, self._repository.id, upload.filename)
        if existing is not None:  # another upload of the same name came first
            return _same_or_refused(existing, upload), None
        coordinates = Coordinates(found.package, found.version)
        self._check_may_appear(db, coordinates, upload)
        sha256 = upload.digest("sha256")
        used_key = blobs.hold(db, sha256, key, upload.size)
        if used_key is None:
            raise NotHeld
        file = File(
            str(ULID()),
            found.package,
            found.version,
            upload.filename,
            upload.size,
            sha256,
            now(),
            found.attributes,
            found.requirements,
            {document.kind: document.sha256 for document in documents},
        )
        package = repositories.ensure_package(db, self._repository.id, found.package)
        files.insert(db, self._repository.id, package.id, file, self._actor.name, self._actor.origin)
        files.insert_documents(db, file.id, documents)
        self._desk.scans.add(db, file.id)
        repositories.package_changed(db, package.id, +1)
        target = f"{self._repository.address}/{found.package}=={found.version}"
        detail: dict[str, Any] = {"filename": file.filename, "sha256": sha256}
        if self._unasked:  # whether the upload hides something public could not be told
            detail["unasked"] = list(self._unasked)
        audit.record(db, self._actor, "file.publish", target, detail, self._repository.address.project)
        return Publication(file, True), used_key


def _same_or_refused(existing: File, upload: Upload) -> Publication:
    if existing.sha256 == upload.digest("sha256"):
        return Publication(existing, False)
    raise FileExists(f"File already exists: {upload.filename} was published with other bytes; publish a new version")


def _verify(upload: Upload, digests: Mapping[str, str]) -> None:
    """Compare every digest that was sent. Raises `UploadRefused`."""
    if not digests:
        raise UploadRefused(f"{upload.filename}: no digest was sent; send a SHA-256")
    for algorithm, claimed in digests.items():
        if algorithm not in DIGESTS:
            raise UploadRefused(f"{upload.filename}: the digest {algorithm!r} is not one of {', '.join(DIGESTS)}")
        if not hmac.compare_digest(upload.digest(algorithm).encode(), claimed.strip().lower().encode()):
            raise UploadRefused(f"{upload.filename}: its {algorithm} is not the one that was sent; it broke on the way")


class Curator:
    """Changes to what is published already, for whoever has been found to have the right. Thread-safe."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def yank(self, repository: Repository, package: str, version: str, reason: str, actor: Actor) -> list[File]:
        """Yank every file of a version; `reason` may be empty.

        Raises `NotFound`, and `Misplaced` for a repository that is not local.
        """
        return self._set_yanked(repository, package, version, reason, actor, "version.yank")

    def unyank(self, repository: Repository, package: str, version: str, actor: Actor) -> list[File]:
        """Take a yank back. Raises as `yank` does."""
        return self._set_yanked(repository, package, version, None, actor, "version.unyank")

    def _set_yanked(
        self, repository: Repository, package: str, version: str, reason: str | None, actor: Actor, action: str
    ) -> list[File]:
        _require_local(repository, package)
        with self._catalog.write() as db:
            row, chosen = _files_of(db, repository, package, version)
            before = {file.filename: file.yanked for file in chosen}
            files.set_yanked(db, [file.id for file in chosen], reason)
            repositories.package_changed(db, row.id)
            detail = {"before": before, "after": reason}
            audit.record(db, actor, action, _target(repository, package, version), detail, repository.address.project)
        return chosen

    def delete(
        self, repository: Repository, package: str, version: str, filename: str | None, actor: Actor
    ) -> list[File]:
        """Delete one file of a version, or all of them; their names stay reserved. Raises as `yank` does."""
        _require_local(repository, package)
        with self._catalog.write() as db:
            row, chosen = _files_of(db, repository, package, version)
            chosen = [file for file in chosen if filename in (None, file.filename)]
            if not chosen:
                raise NotFound(f"{_target(repository, package, version)} has no file {filename}")
            for file in chosen:
                files.delete(db, repository.id, file)
            repositories.package_changed(db, row.id, -len(chosen))
            detail = {"before": {file.filename: file.sha256 for file in chosen}}
            target = _target(repository, package, version)
            audit.record(db, actor, "file.delete", target, detail, repository.address.project)
        return chosen

    def set_status(self, repository: Repository, package: str, status: Status, actor: Actor) -> None:
        """Say in which part of its life a package is. Raises as `yank` does."""
        _require_local(repository, package)
        with self._catalog.write() as db:
            row = repositories.package(db, repository.id, package)
            if row is None:
                raise NotFound(f"{repository.address} has no package {package}")
            repositories.set_status(db, row.id, status)
            detail = {
                "before": [str(row.status.name), row.status.reason],
                "after": [str(status.name), status.reason],
            }
            target = f"{repository.address}/{package}"
            audit.record(db, actor, "package.status", target, detail, repository.address.project)

    def allow(
        self, repository: Repository, package: str, version: str, until: Microseconds, reason: str, actor: Actor
    ) -> None:
        """Open one version until then, over what this repository's rules by time withhold; there or not yet there.

        `package` and `version` are in normal form. Every process sees it at its next read. Raises `Malformed` for an
        instant that is over, and `Misplaced` for a local repository, which withholds nothing.
        """
        target = _target(repository, package, version)
        if repository.kind is Kind.LOCAL:
            raise Misplaced(f"{target}: a local repository withholds nothing; allow it where it is withheld")
        if until <= now():
            raise Malformed(f"{target}: cannot be allowed until a time that is over")
        with self._catalog.write() as db:
            exceptions.insert(db, repository.id, package, version, until, reason, actor.name)
            detail = {"until": until, "reason": reason}
            audit.record(db, actor, "version.allow", target, detail, repository.address.project)

    def release_name(self, repository: Repository, package: str, actor: Actor) -> None:
        """Free a name that a local repository held: others may serve it again; deleted filenames stay reserved.

        Raises `NotFound` where it is not reserved, `Forbidden` where it still has files, and as `yank` does.
        """
        _require_local(repository, package)
        target = f"{repository.address}/{package}"
        with self._catalog.write() as db:
            row = repositories.package(db, repository.id, package)
            if row is None:
                raise NotFound(f"{repository.address} does not hold the name {package}")
            if row.file_count:
                raise Forbidden(f"{target} still has {row.file_count} files; delete them first")
            repositories.release(db, row)
            detail = {"before": [str(row.status.name), row.status.reason]}
            audit.record(db, actor, "package.release", target, detail, repository.address.project)


_ELSEWHERE = {
    Kind.REMOTE: "what it shows is its upstream's to change; deny the package in its configuration instead",
    Kind.VIRTUAL: "change the package in the member that holds it; orbitalreg explain says which that is",
}


def _require_local(repository: Repository, package: str) -> None:
    """Raises `Misplaced`, which says where the change can be made."""
    if repository.kind is not Kind.LOCAL:
        where = _ELSEWHERE[repository.kind]
        raise Misplaced(f"{repository.address}/{package}: the repository is {repository.kind}: {where}")


def _files_of(
    db: Database, repository: Repository, package: str, version: str
) -> tuple[repositories.PackageRow, list[File]]:
    row = repositories.package(db, repository.id, package)
    chosen: Iterable[File] = files.of_package(db, row.id) if row else ()
    found = [file for file in chosen if file.version == version]
    if row is None or not found:
        raise NotFound(f"{_target(repository, package, version)} is not here")
    return row, found


def _target(repository: Repository, package: str, version: str) -> str:
    return f"{repository.address}/{package}=={version}"

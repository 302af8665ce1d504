"""The Source of a local repository: what was uploaded to it."""

from collections.abc import Sequence
from typing import BinaryIO

from orbitalreg.catalog import Catalog, blobs, files, repositories, versions
from orbitalreg.errors import NotFound
from orbitalreg.holding import opened
from orbitalreg.interfaces import BlobStore
from orbitalreg.model import File, Listing, Microseconds, Repository
from orbitalreg.sources.section import part


class LocalSource:
    """`Source` and `RawSource` over the catalog and the blob store. Every call sees every commit before it."""

    def __init__(self, repository: Repository, catalog: Catalog, store: BlobStore) -> None:
        self._repository = repository
        self._catalog = catalog
        self._store = store

    @property
    def repository(self) -> Repository:
        return self._repository

    def names(self) -> Sequence[str]:
        return repositories.names(self._catalog.read(), self._repository.id)

    def names_revision(self) -> str:
        return str(repositories.names_revision(self._catalog.read(), self._repository.id))

    def reserves(self, package: str) -> bool:
        return repositories.package(self._catalog.read(), self._repository.id, package) is not None

    def reserved(self) -> Sequence[str]:
        return repositories.reserved_names(self._catalog.read(), self._repository.id)

    def revision(self, package: str, local_only: bool = False) -> str:
        return self._package(package).revision_key

    def listing(self, package: str, local_only: bool = False) -> Listing:
        with self._catalog.snapshot() as db:
            row = self._package(package)
            chosen = files.of_package(db, row.id) if row.status.offers_files else ()
        return Listing(package, chosen, row.revision_key, row.status)

    def file(self, package: str, filename: str) -> File:
        found = files.by_filename(self._catalog.read(), self._repository.id, filename)
        if found is None or found.package != package or not self._package(package).status.offers_files:
            raise NotFound(f"{self._repository.address} has no file {filename}")
        return found

    def sized(self, file: File) -> File:
        return file

    def open(self, file: File, start: int = 0, length: int | None = None) -> BinaryIO:
        blob = blobs.get(self._catalog.read(), file.sha256 or "")
        return part(opened(self._store, blob, file.filename), start, length, _known(file.size))

    def document(self, file: File, kind: str) -> bytes:
        body = files.document(self._catalog.read(), file.id, kind)
        if body is None:
            raise NotFound(f"{file.filename} has no {kind}")
        return body

    def packages_after(self, name: str, limit: int) -> list[repositories.PackageRow]:
        """The packages that have a page and come after `name`, in byte order."""
        return repositories.packages_after(self._catalog.read(), self._repository.id, name, limit)

    def package(self, name: str) -> repositories.PackageRow:
        """Raises `NotFound` where the package has no page."""
        return self._package(name)

    def versions_after(self, package: str, after: tuple[Microseconds, str], limit: int) -> list[versions.VersionRow]:
        """The versions shown that come after (published at, version). Raises `NotFound`."""
        row = self._package(package)
        return versions.of_package_after(self._catalog.read(), row.id, after, limit) if row.status.offers_files else []

    def version(self, package: str, version: str) -> versions.VersionRow:
        """Raises `NotFound` also for a version of which the listing shows no file."""
        row = self._package(package)
        found = versions.of_package(self._catalog.read(), row.id, version) if row.status.offers_files else None
        if found is None:
            raise NotFound(f"{self._repository.address} has no {package}=={version}")
        return found

    def files_after(self, package: str, version: str | None, after: tuple[Microseconds, str], limit: int) -> list[File]:
        """The files shown of a package, or of one version, that come after (uploaded at, id). Raises `NotFound`."""
        row = self._package(package)
        if not row.status.offers_files:
            return []
        return files.of_package_after(self._catalog.read(), row.id, version, after, limit)

    def _package(self, name: str) -> repositories.PackageRow:
        row = repositories.package(self._catalog.read(), self._repository.id, name)
        if row is None or row.file_count == 0:
            raise NotFound(f"{self._repository.address} has no package {name}")
        return row


def _known(size: int | None) -> int:
    assert size is not None, "what was uploaded was measured"
    return size

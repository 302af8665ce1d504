"""What scanners are known to say of the files of a listing: those that are here, and those that a remote only lists."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from orbitalreg.catalog import Catalog, reports
from orbitalreg.findings import completed
from orbitalreg.model import Listing, Report


class Judging(Protocol):
    """Has versions judged by scanners that need no more than names. Thread-safe."""

    def ensure(self, format_name: str, package: str, versions: Sequence[str]) -> None:
        """As `NameJudge.ensure`: see to it that each of these versions, in normal form, has a report."""


class KnownReports:
    """Thread-safe. Every call sees every commit before it."""

    def __init__(self, catalog: Catalog, judging: Judging | None = None, names: Collection[str] = ()) -> None:
        """`names` are the scanners that `judging` asks: what others once said of mere versions does not count."""
        self._catalog = catalog
        self._judging = judging if names else None
        self._names = frozenset(names)

    @property
    def judges(self) -> frozenset[str]:
        """The scanners whose word on mere versions counts; where there are some, ask `of` again now and then."""
        return self._names if self._judging is not None else frozenset()

    def revision(self, format_name: str, package: str) -> str:
        """Changes whenever `of` may. One small query."""
        return str(reports.revision(self._catalog.read(), format_name, package))

    def of(self, format_name: str, listing: Listing) -> Mapping[str, tuple[Report, ...]]:
        """The reports on each file of the listing, by its id, in the order of the scanners' names.

        Reports on its version are put to a file's own as `findings.completed` says. Files without any are left out.
        """
        files = {file.id: file for file in listing.files}
        db = self._catalog.read()
        found = reports.of_files(db, list(files))
        if self._judging is None:
            return found
        versions = sorted({file.version for file in files.values() if file.version})
        self._judging.ensure(format_name, listing.package, versions)
        listed = reports.listed(db, format_name, listing.package)
        told = {
            file_id: self._completed(found.get(file_id, ()), listed.get(file.version, ()))
            for file_id, file in files.items()
        }
        return {file_id: said for file_id, said in told.items() if said}

    def _completed(self, own: tuple[Report, ...], listed: tuple[Report, ...]) -> tuple[Report, ...]:
        return completed(own, (one for one in listed if one.scanner in self._names))

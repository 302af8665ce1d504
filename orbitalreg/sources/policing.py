"""What policies say of the files of a listing: what is known of them goes in, verdicts come out."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orbitalreg.catalog import Catalog, files, remotes
from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.findings import Exposure, order_of, vulnerabilities
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Address, File, Listing, Microseconds, Report, Severity
from orbitalreg.policy import CLEAN, Evidence, Policy, Scope, Verdict, decide

LICENSES_KEPT = 50_000
_MALICIOUS = "malicious"


class Known(Protocol):
    """What scanners said: `scanning.known.KnownReports`."""

    @property
    def judges(self) -> frozenset[str]: ...

    def revision(self, format_name: str, package: str) -> str: ...

    def of(self, format_name: str, listing: Listing) -> Mapping[str, tuple[Report, ...]]: ...


class Exposed(Protocol):
    """What comes with dependencies: `exposures.KnownExposures`."""

    def revision(self, repository_id: str, package: str) -> str: ...

    def of(self, repository_id: str, package: str) -> Mapping[str, tuple[Exposure, ...]]: ...


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of a package's files: reports on each, by its id; what versions are exposed to, by their keys."""

    reports: Mapping[str, tuple[Report, ...]]
    exposures: Mapping[Any, tuple[Exposure, ...]]


@dataclass(frozen=True, slots=True)
class Attached:
    """A policy, and the repository that it is attached to."""

    address: Address
    policy: Policy


@dataclass(frozen=True, slots=True)
class Verdicts:
    """By filename, those that are not clean; `unlicensed` are files whose documents, if any, are not here yet."""

    of: Mapping[str, Verdict]
    unlicensed: frozenset[str]

    @property
    def changes_at(self) -> Microseconds | None:
        turns = [one.changes_at for one in self.of.values() if one.changes_at is not None]
        return min(turns, default=None)


class Policing:
    """The policies that count in one repository, by the repository that holds each file. Thread-safe."""

    def __init__(
        self,
        adapter: FormatAdapter,
        catalog: Catalog,
        by_holder: Mapping[str, Sequence[Attached]],
        scanners: Collection[str] = (),
    ) -> None:
        """`scanners` are those that look for vulnerabilities or malware. A policy that is attached twice counts once,
        where it comes first.
        """
        self._adapter = adapter
        self._order = order_of(adapter)
        self._catalog = catalog
        self._scanners = frozenset(scanners)
        once = {holder: {one.policy.name: one for one in reversed(found)} for holder, found in by_holder.items()}
        self._policies = {holder: tuple(one.policy for one in found.values()) for holder, found in once.items()}
        self._places = {holder: {name: one.address for name, one in found.items()} for holder, found in once.items()}
        self._licenses: dict[str, str | None] = {}
        self.asks_exposures = any(one.scope is Scope.TRANSITIVE for found in self._policies.values() for one in found)
        said = [f"{holder} {sorted(map(repr, found))}" for holder, found in sorted(self._policies.items())]
        self.digest = hashlib.sha256("\n".join([*said, *sorted(self._scanners)]).encode()).hexdigest()[:16]

    def verdicts(self, listing: Listing, known: Said, instant: Microseconds) -> Verdicts:
        """On each file of the listing, withheld or not."""
        found: dict[str, Verdict] = {}
        unlicensed: set[str] = set()
        for file in listing.files:
            stated = None
            if self._asks_license(file):
                try:
                    stated = self._license(file, self._document_here(file))
                except NotFound:
                    unlicensed.add(file.filename)
            verdict = self._verdict(file, known, stated, instant)
            if verdict != CLEAN:
                found[file.filename] = verdict
        return Verdicts(found, frozenset(unlicensed))

    def late_verdict(self, file: File, known: Said, document: Callable[[str], bytes], instant: Microseconds) -> Verdict:
        """On a file that is unlicensed so far: `document(kind)` may ask an upstream.

        Raises `UpstreamFailed`, `Busy`.
        """
        try:
            stated = self._license(file, document)
        except NotFound:
            stated = None
        return self._verdict(file, known, stated, instant)

    def place(self, file: File, verdict: Verdict) -> str:
        """The repository whose policy it is that the file breaks first."""
        return str(self._places[file.holder][verdict.breaches[0].policy])

    def _verdict(self, file: File, known: Said, stated: str | None, instant: Microseconds) -> Verdict:
        exposures: Sequence[Exposure] = ()
        if known.exposures and file.version:
            exposures = known.exposures.get(self._adapter.version_key(file.version), ())
        evidence = Evidence(known.reports.get(file.id, ()), self._scanners, stated, exposures, self._order)
        return decide(file.package, evidence, self._policies.get(file.holder, ()), instant)

    def _asks_license(self, file: File) -> bool:
        return any(policy.licenses_denied for policy in self._policies.get(file.holder, ()))

    def _license(self, file: File, document: Callable[[str], bytes]) -> str | None:
        """Raises `NotFound` where a document that tells it is not to be had."""
        if file.id in self._licenses:
            return self._licenses.get(file.id)
        stated = self._adapter.license(file, document)
        if len(self._licenses) >= LICENSES_KEPT:
            self._licenses.clear()
        self._licenses[file.id] = stated
        return stated

    def _document_here(self, file: File) -> Callable[[str], bytes]:
        def read(kind: str) -> bytes:
            db = self._catalog.read()
            beside = files.document(db, file.id, kind)
            body = beside if beside is not None else remotes.document(db, file.id, kind)
            if body is None:
                raise NotFound(f"{file.filename} has no {kind} here")
            return body

        return read


def remedies(listing: Listing, reports: Mapping[str, tuple[Report, ...]], adapter: FormatAdapter) -> Mapping[Any, str]:
    """The versions that mend a vulnerability of what they replace, by their keys, and which one that is, in words.

    One is a remedy that a report on a lower version names as the one that mends it: what nobody names is none, so that
    an attacker's newest version does not pass for one. Nor is one that has the same vulnerability, or is malicious.
    """
    if not reports:
        return {}
    keys = {file.id: adapter.version_key(file.version) for file in listing.files if file.version}
    ill: dict[Any, set[str]] = {}
    named: dict[Any, tuple[frozenset[str], str]] = {}
    for file in listing.files:
        for one in vulnerabilities(reports.get(file.id, ()), order_of(adapter)):
            if file.id not in keys or one.is_bundled:
                continue
            ill.setdefault(keys[file.id], set()).update(one.ids)
            if one.severity is Severity.MALICIOUS:
                ill[keys[file.id]].add(_MALICIOUS)
            fixed = _key(adapter, one.fixed_in)
            if fixed is not None and fixed > keys[file.id]:
                named.setdefault(fixed, (frozenset(one.ids), f"it mends {one.id} of {file.version}"))
    return {key: text for key, (ids, text) in named.items() if not ill.get(key, set()) & {*ids, _MALICIOUS}}


def _key(adapter: FormatAdapter, version: str | None) -> Any:
    """That of a version as scanners write it; None for what is none."""
    if version is None:
        return None
    try:
        return adapter.version_key(adapter.normalize_version(version))
    except InvalidName:
        return None

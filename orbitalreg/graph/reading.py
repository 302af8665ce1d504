"""What a view knows of one package, read outside any transaction: its versions, what they ask for, what is chosen."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter
from sqlite_utils import Database

from orbitalreg.catalog import Catalog, exceptions, files, graph, remotes, reports
from orbitalreg.catalog.graph import ELSEWHERE, FAILED, MISSING, NOTHING_ALLOWED, ChoiceRow
from orbitalreg.errors import Busy, NoSpace, NotFound, OrbitalError, StorageFailed
from orbitalreg.findings import Vulnerability, order_of, vulnerabilities_of
from orbitalreg.graph.views import View
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import File, Listing, Microseconds, Report, Requirement, now
from orbitalreg.sources.patience import asking_nobody
from orbitalreg.sources.policing import Known

OWN = "@"
"""Before a version: the specifier of what a version asks of its own package, which is that very version. Alone: of what
comes from elsewhere."""

GONE = "it is shown no more"
"""The fault of a version that was chosen and has no file."""

TEXTS = 500_000
"""So many texts are read at most for all the extras that are asked of one package together, and so many"""
REQUIREMENTS = 50_000
"""requirements come of it: a file of a few kilobytes could ask for each of its extras by itself, with all it has."""
WAYS = 500
"""In so many ways one version asks for one other package at most: each is held against all versions of that."""
TOO_MANY_EXTRAS = "too many of its extras are asked for"

_VULNERABILITY = TypeAdapter(Vulnerability)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a version asks for with certain extras; not `is_known` where that could not be read, by what `fault`."""

    requirements: Sequence[Requirement] = ()
    is_known: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a package at `revision`.

    `chosen` is (version, reason) by specifier, `asked` by version and extras, `findings` (body, every id) by version
    and id. What was read at this revision before is left out: then it is not `is_whole`. `is_gone` where nobody asks
    for the package, and nothing of it is held.
    """

    package: str
    revision: str
    is_whole: bool = True
    is_gone: bool = False
    valid_until: Microseconds | None = None
    held: frozenset[str] = frozenset()
    chosen: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    asked: Mapping[tuple[str, str], Asked] = field(default_factory=dict)
    findings: Mapping[tuple[str, str], tuple[str, Sequence[str]]] = field(default_factory=dict)


class Reader:
    """Thread-safe. Asks no upstream; what scanners judge by name alone may be judged now."""

    def __init__(self, catalog: Catalog, known: Known) -> None:
        self._catalog = catalog
        self._known = known

    def read(self, graph_id: int, view: View, package: str) -> Reading:
        """Not within a transaction. Raises what the catalog does."""
        db = self._catalog.read()
        choices = graph.choices(db, graph_id, package)
        held = graph.held(db, view.holders, package)
        if not choices and not held:
            return Reading(package, "", is_gone=True)
        with asking_nobody():
            revision = self._revision(db, view, package)
            if graph.package_revision(db, graph_id, package) == revision:
                return self._rest(db, graph_id, view, package, revision, choices, held)
            offered = Offered(view, package, held, documents_here(self._catalog))
        chosen = {choice.specifier: offered.chosen(choice.specifier) for choice in choices}
        shown = frozenset(held & offered.versions)
        nodes = {(version, "") for version in shown}
        nodes |= _asked_for(choices, chosen, graph.extras_asked(db, graph_id, package))
        return Reading(
            package,
            revision,
            valid_until=offered.listing.valid_until,
            held=shown,
            chosen=chosen,
            asked=offered.asked(nodes),
            findings=self._findings(view.adapter, offered.listing),
        )

    def _rest(
        self,
        db: Database,
        graph_id: int,
        view: View,
        package: str,
        revision: str,
        choices: Sequence[ChoiceRow],
        held: Collection[str],
    ) -> Reading:
        """What others ask for since, of a package that was read at this revision."""
        nodes = graph.nodes(db, graph_id, package)
        there = {(node.version, node.extras) for node in nodes}
        roots = frozenset(node.version for node in nodes if not node.depth)
        wanted = [choice for choice in choices if choice.is_open]
        extras_asked = graph.extras_asked(db, graph_id, package)
        if not wanted and not _asked_for(choices, {}, extras_asked) - there:
            return Reading(package, revision, is_whole=False, held=roots)
        offered = Offered(view, package, held, documents_here(self._catalog))
        chosen = {choice.specifier: offered.chosen(choice.specifier) for choice in wanted}
        missing = _asked_for(choices, chosen, extras_asked) - there
        return Reading(package, revision, is_whole=False, held=roots, chosen=chosen, asked=offered.asked(missing))

    def _revision(self, db: Database, view: View, package: str) -> str:
        """Of everything that a reading is made of, but for what time changes."""
        try:
            raw = view.source.raw.revision(package)
        except NotFound:
            raw = ""
        opened_in = [repository.id for repository in view.source.by_time]
        opened = exceptions.of_package(db, opened_in, package, now()) if opened_in else ()
        said = [view.digest, raw, str(reports.revision(db, view.adapter.name, package)), repr(opened)]
        said.append(graph.documents_revision(db, view.holders, package))
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:32]

    def _findings(self, adapter: FormatAdapter, listing: Listing) -> dict[tuple[str, str], tuple[str, Sequence[str]]]:
        if not listing.files:
            return {}
        known = self._known.of(adapter.name, listing)
        by_version: dict[str, dict[str, tuple[Report, ...]]] = {}
        for file in listing.files:
            if file.version and file.id in known:
                by_version.setdefault(file.version, {})[file.filename] = known[file.id]
        found: dict[tuple[str, str], tuple[str, Sequence[str]]] = {}
        for version, said in by_version.items():
            for one in _together(said, adapter):
                body = _VULNERABILITY.dump_json(one, exclude_defaults=True).decode()
                found.setdefault((version, one.id), (body, one.ids))
        return found


class Offered:
    """What a view shows of one package, and what its adapter makes of it: whatever that raises is told as a fault."""

    def __init__(self, view: View, package: str, held: Collection[str], document: Callable[[File, str], bytes]) -> None:
        """Reads the listing, or has the `failure` to do so. Raises what the catalog does."""
        self._view = view
        self._adapter = view.adapter
        self._package = package
        self._document = document
        self._stated: dict[str, Sequence[str]] = {}
        self._texts = self._requirements = 0
        self.fault: str | None = None
        self.failure: Exception | None = None
        self.is_missing = False
        try:
            self.listing = view.source.listing(package)
        except NotFound:
            self.listing, self.is_missing = Listing(package, (), ""), True
        except (Busy, NoSpace, StorageFailed):
            raise
        except Exception as error:  # a plugin's code: one package's fault is no other's
            self.listing, self.fault = Listing(package, (), ""), self._told(error)
            self.failure = error
        self.offers: Sequence[File] = ()
        self._versions = frozenset(held if self.fault else (file.version for file in self.listing.files)) - {""}
        try:
            self.offers = self._adapter.offers(self.listing, view.environment)
        except Exception as error:  # as above
            self.fault = self._told(error)
        self._files = {file.version: file for file in reversed(self.listing.files) if file.version}
        self._files |= {file.version: file for file in reversed(self.offers)}

    @property
    def versions(self) -> frozenset[str]:
        """Those shown; those held, where that cannot be told."""
        return self._versions

    def file(self, version: str) -> File | None:
        """The file that an installer takes of the version; the oldest, where it could take none in the environment."""
        return self._files.get(version)

    def chosen(self, specifier: str) -> tuple[str | None, str | None]:
        """The version that an installer chooses, or the reason why it chooses none."""
        if specifier == OWN:
            return None, ELSEWHERE
        if specifier.startswith(OWN):
            return (specifier[1:], None) if specifier[1:] in self.versions else (None, MISSING)
        if self.fault is not None:
            return None, FAILED
        if self.is_missing:
            return None, MISSING
        try:
            found = self._adapter.candidates(Requirement(self._package, specifier), self.offers)
        except Exception as error:  # as above
            self._told(error)
            return None, FAILED
        if found and found[0].version not in self.versions:
            return None, FAILED
        return (found[0].version, None) if found else (None, NOTHING_ALLOWED)

    def candidates(self, specifier: str) -> tuple[str, ...]:
        """The versions that an installer may choose, the one that it does first; none where that cannot be told."""
        try:
            found = self._adapter.candidates(Requirement(self._package, specifier), self.offers)
        except Exception as error:  # as above
            self._told(error)
            return ()
        versions = tuple(file.version for file in found)
        return versions if self.versions.issuperset(versions) else ()

    def asked(self, nodes: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Asked]:
        """What these (version, extras) ask for, with what they ask of their own version so."""
        found: dict[tuple[str, str], Asked] = {}
        waiting = sorted(nodes)
        while waiting:
            version, extras = key = waiting.pop()
            if key in found:
                continue
            file = self.file(version)
            found[key] = asked = Asked(fault=self.fault or GONE) if file is None else self._asked(file, extras)
            waiting += [(version, ",".join(one.extras)) for one in asked.requirements if one.package == self._package]
        return found

    def _asked(self, file: File, extras: str) -> Asked:
        try:
            if file.id not in self._stated:
                self._stated[file.id] = self._states(file)
            stated = self._stated[file.id]
            if extras:
                self._texts += len(stated)
                if self._texts > TEXTS or self._requirements > REQUIREMENTS:
                    return Asked(fault=TOO_MANY_EXTRAS)
            wanted = tuple(extras.split(",")) if extras else ()
            found = _bounded(self._adapter.requirements(stated, self._view.environment, wanted))
            self._requirements += len(found) if extras else 0
            return Asked(found, True)
        except NotFound:
            return Asked()
        except Exception as error:  # as above
            return Asked(fault=self._told(error))

    def _states(self, file: File) -> Sequence[str]:
        """What was uploaded was read then. Raises `NotFound`, and whatever a plugin does."""
        if file.holder not in self._view.remotes:
            return file.requirements
        return self._adapter.stated_requirements(file, lambda kind: self._document(file, kind))

    def _told(self, error: Exception) -> str:
        where = f"{self._view.repository.address}/{self._package}"
        if isinstance(error, OrbitalError):
            logger.warning("%s: %s", where, error)
            return str(error)
        logger.error("%s: the plugin failed", where, exc_info=error)
        return f"the format {self._adapter.name} failed: {type(error).__name__}; the log of that time says more"


def _bounded(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """What is asked of one package in more than so many ways is as good as unreadable."""
    counts: Counter[str] = Counter()
    found = []
    for one in requirements:
        counts[one.package] += 1
        found.append(one if not one.package or counts[one.package] <= WAYS else Requirement("", stated=one.stated))
    return tuple(found)


def _together(said: Mapping[str, tuple[Report, ...]], adapter: FormatAdapter) -> tuple[Vulnerability, ...]:
    try:
        return vulnerabilities_of(said, order_of(adapter))
    except Exception:  # as above: which version mends it is told by nobody then, but not that it is there
        logger.exception("the plugin of the format %s failed", adapter.name)
        return vulnerabilities_of(said)


def documents_here(catalog: Catalog) -> Callable[[File, str], bytes]:
    """Reads a document of a file, where it is here. Raises `NotFound`."""

    def read(file: File, kind: str) -> bytes:
        db = catalog.read()
        beside = files.document(db, file.id, kind)
        body = beside if beside is not None else remotes.document(db, file.id, kind)
        if body is None:
            raise NotFound(f"{file.filename} has no {kind} here")
        return body

    return read


def _asked_for(
    choices: Iterable[ChoiceRow],
    chosen: Mapping[str, tuple[str | None, str | None]],
    extras_asked: Mapping[str, Collection[str]],
) -> set[tuple[str, str]]:
    """The (version, extras) that the choices lead to."""
    found = set()
    for choice in choices:
        version, _ = chosen.get(choice.specifier, (choice.version, None))
        if version is not None:
            found |= {(version, extras) for extras in extras_asked.get(choice.specifier, ())}
    return found

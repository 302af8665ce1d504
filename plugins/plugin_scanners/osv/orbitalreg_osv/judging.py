"""Components judged: by the index of a dump, or by a server that is asked."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orbitalreg.interfaces.tools import dated
from orbitalreg.model import Component, Database, Finding, Microseconds, Severity, now
from orbitalreg_osv import ecosystems, matching
from orbitalreg_osv.ecosystems import Ecosystem
from orbitalreg_osv.index import Index
from orbitalreg_osv.kept import Kept
from orbitalreg_osv.known import Known
from orbitalreg_osv.matching import Asked
from orbitalreg_osv.ratings import Ratings
from orbitalreg_osv.records import Advisory, Record, Unusable, read
from orbitalreg_osv.server import Hit, Question, Server
from orbitalreg_osv.settings import OsvSettings
from orbitalreg_osv.store import Store


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of one component; `reason` is why its silence proves nothing, None where it does."""

    component: Component
    findings: tuple[Finding, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgements in the components' order, what they are by, how old that is if it is too old, and what came from
    outside."""

    judgements: Sequence[Judgement]
    database: Database
    too_old: str | None = None
    raw: bytes = b""


class Judge(ABC):
    """Raises `ScannerFailed` where it cannot judge."""

    @abstractmethod
    def database(self) -> Database: ...

    @abstractmethod
    def judged(self, components: Sequence[Component]) -> Judged: ...


class ByDump(Judge):
    """By the index of a dump: without network, in microseconds."""

    def __init__(self, store: Store, settings: OsvSettings) -> None:
        self._store = store
        self._settings = settings

    def database(self) -> Database:
        return dated(self._store.index().meta.database, self._settings.max_age)

    def judged(self, components: Sequence[Component]) -> Judged:
        index = self._store.index()
        age = stale(index.meta.built_at, self._settings.max_age, now())
        too_old = None if age is None else f"the newest record of the dump is {age}: {self._settings.remedy}"
        by_name = sorted(range(len(components)), key=lambda at: components[at].name)  # each package is read once
        found = {at: by_index(index, components[at]) for at in by_name}
        database = dated(index.meta.database, self._settings.max_age)
        return Judged([found[at] for at in range(len(components))], database, too_old)


class ByServer(Judge):
    """By what a server says of them now. It has no version: each period of `refresh` counts as another database."""

    def __init__(self, server: Server, kept: Kept, settings: OsvSettings) -> None:
        self._server = server
        self._kept = kept
        self._settings = settings

    def database(self) -> Database:
        """So that files are judged anew once in each period."""
        period = now() // (self._settings.refresh * 1_000_000)
        digest = hashlib.sha256(f"{self._settings.server} {self._settings.refresh} {period}".encode()).hexdigest()
        return Database(self._settings.server, digest)

    def judged(self, components: Sequence[Component]) -> Judged:
        database = self.database()  # before: what is asked at midnight belongs to the day before
        known = [(one, ecosystem) for one in components if (ecosystem := ecosystems.of_purl(one.purl)) is not None]
        questions = [Question(ecosystem.name, ecosystem.normal(one.name), one.version) for one, ecosystem in known]
        hits = self._server.hits(questions)
        records = self._records(hit for its in hits for hit in its)
        of = {one: _by_records(one, ecosystem, its, records) for (one, ecosystem), its in zip(known, hits, strict=True)}
        raw = [
            {"purl": one.purl, "records": [hit.id for hit in its]} for (one, _), its in zip(known, hits, strict=True)
        ]
        judgements = [of.get(one) or _unknown(one) for one in components]
        return Judged(judgements, database, raw=json.dumps(raw).encode())

    def _records(self, hits: Iterable[Hit]) -> Mapping[str, Record]:
        """Those that can be used, by id; a severity is lent as in a dump."""
        found, ratings = dict[str, Record](), Ratings()
        for hit in dict.fromkeys(hits):
            record = self._record(hit)
            if record is not None:
                found[hit.id] = record
                ratings.add(record.advisory)
        for ids in ratings.unrated:
            if (lent := ratings.lent(ids)) is not None:
                record = found[ids[0]]
                found[ids[0]] = replace(record, advisory=replace(record.advisory, severity=lent[0], cvss=lent[1]))
        return found

    def _record(self, hit: Hit) -> Record | None:
        kept = self._kept.get(hit)
        text = self._server.record(hit.id) if kept is None else kept
        try:
            record = read(text)
        except Unusable:
            return None
        if record.advisory.id != hit.id:
            return None
        if kept is None:
            self._kept.put(hit, text)
        return record


def by_index(index: Index, component: Component) -> Judgement:
    ecosystem = ecosystems.of_purl(component.purl)
    if ecosystem is None:
        return _unknown(component)
    known = index.of(ecosystem, component.name)
    asked = Asked.of(ecosystem, component.version)
    found = tuple(one.finding(component, asked) for one in known if one.affects(asked))
    if known and not found and asked.order is None:
        return Judgement(component, (), f"{component.version!r} is no version of {ecosystem.name} that can be compared")
    return Judgement(component, found)


def stale(built_at: Microseconds | None, max_age: int, at: Microseconds) -> str | None:
    """How old a dump is that is too old, None where it is not."""
    if built_at is not None and at - built_at <= max_age * 1_000_000:
        return None
    return "of no known date" if built_at is None else f"{(at - built_at) // 86_400_000_000} days old"


def _by_records(
    component: Component, ecosystem: Ecosystem, hits: Sequence[Hit], records: Mapping[str, Record]
) -> Judgement:
    """The server's word counts that it is affected; one whose record cannot be used is told all the same."""
    findings, asked = [], Asked.of(ecosystem, component.version)
    for id_ in dict.fromkeys(hit.id for hit in hits):
        record = records.get(id_)
        if record is None:
            bare = Advisory(id_, (), Severity.UNKNOWN, None, "", (), None)
            findings.append(Known.of(bare, ()).finding(component, asked))
        elif not record.is_withdrawn:
            findings.append(_known(record, ecosystem, component.name).finding(component, asked))
    return Judgement(component, tuple(findings))


def _known(record: Record, ecosystem: Ecosystem, name: str) -> Known:
    parts = [one for one in record.packages if one.ecosystem is ecosystem and one.name == ecosystem.normal(name)]
    read_parts = (matching.read(ecosystem, matching.spelled(ecosystem, one.versions), one.ranges) for one in parts)
    return Known.of(record.advisory, read_parts)


def _unknown(component: Component) -> Judgement:
    return Judgement(component, (), f"packages such as {component.purl} are not known to osv")

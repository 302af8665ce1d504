"""What the versions of a repository bring along, who asks for what, and who is hit by a vulnerability."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from orbitalreg.catalog import Catalog, downloads, walks
from orbitalreg.catalog.downloads import TokenRow
from orbitalreg.catalog.walks import Requirer
from orbitalreg.errors import Busy, InvalidName, NotFound
from orbitalreg.exposures import Hit, KnownExposures, Paths
from orbitalreg.findings import Exposure, finding_summary, path_summary
from orbitalreg.graph.explaining import Outlook, Outlooks
from orbitalreg.graph.trees import DEPTH, NODES, Trees
from orbitalreg.graph.views import View
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Address, Repository, Severity
from orbitalreg.summaries import (
    Affected,
    Dependent,
    ExposureSummary,
    HopSummary,
    TokenDownloads,
    UpgradeSummary,
    VersionGraph,
)
from orbitalreg.times import at_or_none

ANONYMOUS = "anonymous"
EVERYTHING = 1 << 30
KEPT = 1000
"""After so many exposures, what was read to judge them is read anew."""
JUDGED = 100
"""Of so many exposures of one version, the worst, it is looked whether they can be avoided, and how: each takes time by
all that the version brings along."""
NO_OUTLOOK = Outlook(is_unavoidable=False, upgrade=None)


@dataclass(frozen=True, slots=True)
class Sought:
    """Which findings: those that are at least so bad, with what comes by dependencies or without."""

    at_least: Severity = Severity.UNKNOWN
    exposures: bool = True


ALL = Sought()


class Dependencies:
    """Of one repository's view. Made for each request; every call sees every commit before it, and asks nobody.

    Names and versions are in normal form.
    """

    def __init__(
        self,
        catalog: Catalog,
        repository: Repository,
        adapter: FormatAdapter,
        holders: Mapping[str, Address],
        views: Sequence[View],
    ) -> None:
        """`holders` are the local and remote repositories in the view, by their ids; `views` what its graphs show."""
        self._catalog = catalog
        self._repository = repository
        self._adapter = adapter
        self._holders = holders
        self._exposures = KnownExposures(catalog)
        self._views = views
        self._outlooks = Outlooks(catalog, views)
        self._judged = 0
        self._last: tuple[str, str, Mapping[str, tuple[Exposure, ...]]] | None = None

    def tree(
        self, package: str, version: str, environment: str | None = None, depth: int = DEPTH, limit: int = NODES
    ) -> VersionGraph:
        """Raises `NotFound`, for what is no environment too, and `Busy` as `hits` does."""
        self._check()
        try:
            chosen = None if environment is None else self._adapter.environment(environment)
        except InvalidName as error:
            raise NotFound(str(error)) from error
        spelling = self._spelling(package, version)
        return Trees(self._catalog).tree(self._repository, package, spelling, chosen, depth, limit)

    def dependents(self, package: str, version: str | None = None, is_transitive: bool = False) -> list[Dependent]:
        """Which others ask for the package, or get that version of it: in the order of `dependent_key`.

        Transitively, each version once, by its shortest path. Raises `NotFound` where no graph knows the package, and
        `Busy` as `hits` does.
        """
        self._check()
        version = None if version is None else self._spelling(package, version)
        found: list[tuple[str, Dependent]] = []
        is_known = False
        with self._catalog.snapshot() as db:
            for environment, graph_id in walks.graphs(db, self._repository.id).items():
                requirers = walks.requirers(db, graph_id, package)
                is_known = is_known or bool(requirers) or walks.has_package(db, graph_id, package)
                if is_transitive:
                    told = _transitive(walks.leading(db, graph_id, package, version), package, version)
                else:
                    told = (_direct(one, package) for one in _others(requirers, package, version))
                found += [(environment, one) for one in told]
        if not is_known:
            raise NotFound(f"no graph of {self._repository.address} knows {package}")
        return _merged(found, _version_key if is_transitive else dependent_key)

    def _spelling(self, package: str, version: str) -> str:
        """As the graphs spell the version; as it is, where they have none."""
        db = self._catalog.read()
        graphs = walks.graphs(db, self._repository.id).values()
        known = {spelling for graph_id in graphs for spelling in walks.versions(db, graph_id, package)}
        return version if version in known else min(self._spelt(known, [version]), default=version)

    def hits(self, vulnerability: str) -> list[Hit]:
        """Whom it hits, in the order of `hit_key`. Any of its ids will do.

        Raises `NotFound` where there is no graph, `Busy` where it is not whole yet: that nobody is hit is said only
        where somebody looked.
        """
        self._check()
        return sorted(self._exposures.exposed(self._repository.id, spelt(vulnerability)), key=hit_key)

    def _check(self) -> None:
        """Raises `NotFound` where no graph is made of the repository, `Busy` where that is being done."""
        if not self._views:
            raise NotFound(
                f"{self._repository.address} has no graph of dependencies: [graph] environments turns it off, or names"
                f" none that the format {self._adapter.name} knows"
            )
        if self._repository.id in self._exposures.begun():
            raise Busy(
                f"the graph of dependencies of {self._repository.address} is being made for the first time: ask again"
                " in a moment, with a server or a worker running"
            )

    def exposures(
        self, package: str, versions: Iterable[str], sought: Sought = ALL
    ) -> Mapping[str, list[ExposureSummary]]:
        """What these versions of a package get by their dependencies, the worst first; `JUDGED` have an outlook."""
        if not sought.exposures:
            return {}
        found = self._exposures_of(package)
        return {
            version: [
                self._exposure(package, version, one, place < JUDGED)
                for place, one in enumerate(found[version])
                if one.vulnerability.severity >= sought.at_least
            ]
            for version in versions
            if version in found
        }

    def _exposures_of(self, package: str) -> Mapping[str, tuple[Exposure, ...]]:
        """Those of the last package are kept while they are the same: its versions are asked for some at a time."""
        revision = self._exposures.revision(self._repository.id, package)
        if self._last is None or self._last[:2] != (package, revision):
            self._last = (package, revision, self._exposures.of(self._repository.id, package))
        return self._last[2]

    def _exposure(self, package: str, version: str, exposure: Exposure, is_judged: bool) -> ExposureSummary:
        outlook = self._outlook(package, version, exposure) if is_judged else NO_OUTLOOK
        has_it = exposure.path[-1]
        return ExposureSummary(
            finding_summary(exposure.vulnerability),
            has_it.package,
            has_it.version,
            self._adapter.component(has_it.package, has_it.version).purl,
            path_summary(exposure.path),
            list(exposure.environments),
            outlook.is_unavoidable,
            _upgrade(outlook),
        )

    def affected(self, hit: Hit) -> Affected:
        """What is told of it, and what to take instead."""
        outlook = NO_OUTLOOK
        if hit.path:
            exposure = Exposure(hit.vulnerability, hit.path, hit.environments)
            outlook = self._outlook(hit.package, hit.version, exposure)
        return Affected(
            str(self._repository.address),
            hit.package,
            hit.version,
            hit.is_held,
            finding_summary(hit.vulnerability),
            path_summary(hit.path),
            list(hit.environments),
            outlook.is_unavoidable,
            _upgrade(outlook),
        )

    def _outlook(self, package: str, version: str, exposure: Exposure) -> Outlook:
        """What was read for one is kept for the next, but not without bound."""
        self._judged += 1
        if self._judged % KEPT == 0:
            self._outlooks = Outlooks(self._catalog, self._views)
        return self._outlooks.of(package, version, exposure)

    def hit_downloads(
        self, vulnerability: str, days: int, after: tuple[str, ...] = (), limit: int = EVERYTHING
    ) -> list[TokenDownloads]:
        """Who fetched a file of what it hits in the last so many days, after that `download_key`."""
        found: list[TokenDownloads] = []
        db, first, by_package = self._catalog.read(), since(days), groupby(self.hits(vulnerability), _package)
        for package, some in by_package:
            if after and package < after[0]:
                continue
            known = downloads.known_versions(db, list(self._holders), package)
            versions = self._spelt(known, {one.version for one in some})
            file_id, token_id = (*after[1:], "", "")[:2] if after and package == after[0] else ("", "")
            rows = downloads.by_token_after(
                db, list(self._holders), package, versions, (file_id, token_id), limit - len(found), first
            )
            found += [told_of_tokens(row, package, self._holders) for row in rows]
            if len(found) >= limit:
                break
        return found

    def _spelt(self, known: Iterable[str], wanted: Iterable[str]) -> list[str]:
        """Those of the known versions that are wanted, in whatever spelling."""
        keys = {self._adapter.version_key(version) for version in wanted}
        return [version for version in known if version and self._adapter.version_key(version) in keys]


def spelt(vulnerability: str) -> str:
    """An id as records write it, where somebody typed it in another case."""
    prefix, dash, rest = vulnerability.strip().partition("-")
    match prefix.upper():
        case "CVE" | "PYSEC" | "MAL":
            return f"{prefix}{dash}{rest}".upper()
        case "GHSA":
            return f"GHSA{dash}{rest.lower()}"
    return vulnerability.strip()


def dependent_key(one: Dependent) -> tuple[str, ...]:
    """By package, version, extras and words, in byte order."""
    return one.package, one.version, ",".join(one.extras), one.stated, one.chosen or ""


def hit_key(hit: Hit) -> tuple[str, ...]:
    """By package and version in byte order, the shortest path first."""
    last = [hop.package for hop in hit.path[-1:]]
    return hit.package, hit.version, f"{len(hit.path):06}", hit.vulnerability.id, *last


def download_key(one: TokenDownloads) -> tuple[str, ...]:
    return one.package, one.file_id, one.token or ""


def told_of_tokens(row: TokenRow, package: str, holders: Mapping[str, Address]) -> TokenDownloads:
    return TokenDownloads(
        str(holders[row.repository_id]),
        package,
        row.version,
        row.filename,
        row.file_id,
        row.sha256,
        row.recalled,
        at_or_none(row.recalled_at),
        row.token_id or None,
        row.token_name,
        row.account or ANONYMOUS,
        row.count,
        date.fromisoformat(row.first_day),
        date.fromisoformat(row.last_day),
    )


def since(days: int) -> str:
    """The first of the last `days` days (`2026-01-31`, UTC), today's included."""
    return (datetime.now(UTC).date() - timedelta(days=days - 1)).isoformat()


def _version_key(one: Dependent) -> tuple[str, ...]:
    return one.package, one.version


def _merged(found: Iterable[tuple[str, Dependent]], key: Callable[[Dependent], tuple[str, ...]]) -> list[Dependent]:
    """What several environments say, each once, by its shortest path. What comes without extras too is told so."""
    merged: dict[tuple[str, ...], tuple[Dependent, set[str]]] = {}
    for environment, one in found:
        first, environments = merged.get(key(one), (one, set()))
        merged[key(one)] = min(first, one, key=lambda told: len(told.path)), environments | {environment}
    told = [(one, environments) for _, (one, environments) in sorted(merged.items())]
    bare = {_without_extras(one) for one, _ in told if not one.extras}
    return [
        replace(one, environments=sorted(environments))
        for one, environments in told
        if not one.extras or _without_extras(one) not in bare
    ]


def _without_extras(one: Dependent) -> tuple[str, str, str, str | None]:
    return one.package, one.version, one.stated, one.chosen


def _package(hit: Hit) -> str:
    return hit.package


def _others(requirers: Iterable[Requirer], package: str, version: str | None) -> Iterator[Requirer]:
    """What a version asks of its own package, for its extras, is left out."""
    return (one for one in requirers if one.package != package and version in (None, one.chosen))


def _direct(one: Requirer, package: str) -> Dependent:
    path = [] if one.chosen is None else [HopSummary(one.stated, package, one.chosen, [])]
    return Dependent(
        one.package, one.version, list(one.extras), one.is_held, one.stated, one.chosen, one.reason, path, []
    )


def _transitive(part: walks.Part, package: str, version: str | None) -> Iterator[Dependent]:
    targets = [node.id for node in part.nodes.values() if node.package == package and version in (None, node.version)]
    shortest = Paths(part).to(targets)
    for node_id in shortest.hops:
        node = part.nodes[node_id]
        if node.package != package and not node.extras:
            path = path_summary(shortest.path(node_id))
            words, chosen = path[0].stated, path[-1].version
            yield Dependent(node.package, node.version, [], node.depth == 0, words, chosen, None, path, [])


def _upgrade(outlook: Outlook) -> UpgradeSummary | None:
    one = outlook.upgrade
    if one is None:
        return None
    asker = None if one.asker is None else " ".join(one.asker)
    return UpgradeSummary(one.package, one.version, one.change.value, asker, one.stated, one.is_proved, one.text)

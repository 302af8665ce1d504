"""From settings to the sources of every repository, made once for each configuration of each process."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Semaphore

from orbitalreg import upstream
from orbitalreg.catalog import Catalog
from orbitalreg.config import RepositorySettings, Settings
from orbitalreg.errors import ConfigError, InvalidName, UpstreamFailed
from orbitalreg.exposures import KnownExposures
from orbitalreg.interfaces import BlobStore, FormatAdapter, Source, Upstreams
from orbitalreg.model import Address, Kind, Repository
from orbitalreg.scanning.queue import ScanQueue
from orbitalreg.sources import GovernedSource, LocalSource, RawSource
from orbitalreg.sources.fetching import Fetches
from orbitalreg.sources.governed import Governance
from orbitalreg.sources.guard import NameGuard
from orbitalreg.sources.kept import Kept
from orbitalreg.sources.patterns import Patterns, can_match
from orbitalreg.sources.policing import Attached, Known
from orbitalreg.sources.remote import FILES, Asker, DecodedPage, Relay, RemoteSource, Turns
from orbitalreg.sources.rules import Rules
from orbitalreg.sources.siblings import Siblings
from orbitalreg.sources.virtual import Composed, VirtualSource

PROBE = "orbitalreg"
"""A package that any format may be asked for, there or not."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Thread-safe. `relay` tells whoever listens of what happens between remote repositories and their upstreams."""

    raw: Mapping[Address, RawSource]
    governed: Mapping[Address, GovernedSource]
    served: Mapping[Address, Source]
    siblings: Siblings
    relay: Relay
    client: upstream.Client
    fetches: Fetches

    def source(self, repository: Repository) -> Source:
        """A local repository that no policy touches withholds nothing, and is asked directly."""
        return self.served[repository.address]

    def close(self) -> None:
        """End what nobody reads, and close connections that are idle."""
        self.fetches.close()
        self.client.close()


def make_sources(
    settings: Settings,
    formats: Mapping[str, FormatAdapter],
    repositories: Mapping[Address, Repository],
    catalog: Catalog,
    store: BlobStore,
    scans: ScanQueue,
    known: Known | None = None,
    scanners: Collection[str] = (),
) -> Sources:
    """`known` is what scanners said, and `scanners` those that look for vulnerabilities or malware.

    The settings were found good by `upstream_problems`. Raises `ConfigError` where a password's file is gone.
    """
    return _Maker(settings, formats, repositories, catalog, store, scans).sources(known, frozenset(scanners))


class _Maker:
    """Makes the sources of one configuration, members before the virtual repositories over them."""

    def __init__(
        self,
        settings: Settings,
        formats: Mapping[str, FormatAdapter],
        repositories: Mapping[Address, Repository],
        catalog: Catalog,
        store: BlobStore,
        scans: ScanQueue,
    ) -> None:
        self._scans = scans
        self._settings = settings
        self._wanted = dict(settings.repositories())
        self._formats = formats
        self._repositories = repositories
        self._catalog = catalog
        self._store = store
        self._raw: dict[Address, RawSource] = {}
        self._relay = Relay()
        self._kept: Kept[DecodedPage] = Kept(FILES)
        self._composed: Kept[Composed] = Kept()
        self._servers = {address: _server(wanted, self._upstreams(address)) for address, wanted in self._remotes()}
        self._client = upstream.Client([server.origin for server in self._servers.values()])
        self._fetches = Fetches(store.staging, max(1, settings.server.threads // 2))
        self._turns = Turns(Semaphore(max(1, settings.server.threads // 2)))

    def sources(self, known: Known | None, scanners: frozenset[str]) -> Sources:
        for address in self._wanted:
            self._raw_source(address)
        governance = Governance(
            self._catalog,
            {
                self._repositories[address].id: Rules.of(
                    self._repositories[address], wanted, self._adapter(address).normalize
                )
                for address, wanted in self._wanted.items()
                if wanted.kind is not Kind.LOCAL
            },
            self._policies(),
            known,
            scanners,
            exposed=KnownExposures(self._catalog),
        )
        governed = {
            address: GovernedSource(raw, self._adapter(address), governance) for address, raw in self._raw.items()
        }
        served = {
            address: raw if isinstance(raw, LocalSource) and not governed[address].is_policed else governed[address]
            for address, raw in self._raw.items()
        }
        virtuals = [raw for raw in self._raw.values() if isinstance(raw, VirtualSource)]
        return Sources(self._raw, governed, served, Siblings(virtuals), self._relay, self._client, self._fetches)

    def _policies(self) -> Mapping[str, Sequence[Attached]]:
        """By the id of the repository, in the order of the configuration."""
        return {
            self._repositories[address].id: [
                Attached(address, policy.policy(self._adapter(address).normalize))
                for policy in self._settings.policies
                if policy.is_for(address)
            ]
            for address in self._wanted
        }

    def _remotes(self) -> list[tuple[Address, RepositorySettings]]:
        return [(address, wanted) for address, wanted in self._wanted.items() if wanted.kind is Kind.REMOTE]

    def _adapter(self, address: Address) -> FormatAdapter:
        return self._formats[self._wanted[address].format]

    def _upstreams(self, address: Address) -> Upstreams:
        upstreams = self._adapter(address).upstreams()
        assert upstreams is not None, "the configuration was checked"
        return upstreams

    def _private(self, address: Address) -> Patterns:
        return Patterns(self._settings.projects[address.project].private_names, self._adapter(address).normalize)

    def _raw_source(self, address: Address) -> RawSource:
        made = self._raw.get(address)
        if made is None:
            made = self._raw[address] = self._made(address, self._repositories[address], self._wanted[address])
        return made

    def _made(self, address: Address, repository: Repository, wanted: RepositorySettings) -> RawSource:
        match wanted.kind:
            case Kind.LOCAL:
                return LocalSource(repository, self._catalog, self._store)
            case Kind.REMOTE:
                return self._remote(address, repository, wanted)
            case Kind.VIRTUAL:
                return self._virtual(address, repository, wanted)

    def _remote(self, address: Address, repository: Repository, wanted: RepositorySettings) -> RemoteSource:
        server = self._servers[address]
        asker = Asker(
            address,
            self._client,
            server,
            wanted.max_page,
            wanted.max_name_list,
            wanted.page_timeout,
            self._relay,
            self._turns,
        )
        return RemoteSource(
            repository,
            wanted,
            self._private(address),
            self._upstreams(address),
            asker,
            self._catalog,
            self._store,
            self._fetches,
            self._relay,
            self._kept,
            self._scans,
        )

    def _virtual(self, address: Address, repository: Repository, wanted: RepositorySettings) -> VirtualSource:
        adapter = self._adapter(address)
        guard = NameGuard(self._private(address), Patterns(wanted.merge_upstream, adapter.normalize), wanted.guard)
        members = [self._raw_source(Address(address.project, member)) for member in wanted.members]
        return VirtualSource(repository, members, adapter, guard, wanted.tolerate_failures, self._composed)


def _server(wanted: RepositorySettings, upstreams: Upstreams) -> upstream.Upstream:
    """Raises `InvalidName` for what is no address, `ConfigError` where the password cannot be read."""
    return upstream.Upstream(
        upstreams.base(wanted.upstream or ""),
        wanted.username,
        wanted.upstream_password(),
        ca_bundle=wanted.ca_bundle,
        proxy=wanted.proxy,
        hosts=frozenset(map(upstream.Origin.parse, wanted.file_hosts)),
        connect_seconds=wanted.connect_timeout,
        total_seconds=wanted.page_timeout,
    )


def upstream_problems(settings: Settings, formats: Mapping[str, FormatAdapter]) -> Sequence[str]:
    """What the formats, and the machine, say of remote repositories: one line for each fault."""
    return [
        f"projects.{address.project}.repositories.{address.repository}.{problem}"
        for address, wanted in settings.repositories()
        if wanted.kind is Kind.REMOTE and wanted.format in formats
        for problem in _problems(wanted, formats[wanted.format])
    ]


PATTERN_KEYS = ("merge_upstream", "min_age_except", "allow", "deny")


def pattern_problems(settings: Settings, formats: Mapping[str, FormatAdapter]) -> list[str]:
    """Patterns that match no name of their format, or of any format of their project: one line for each."""
    problems = []
    for project, found in settings.projects.items():
        spoken = {wanted.format for wanted in found.repositories.values()} & formats.keys()
        problems += [
            _no_pattern(f"projects.{project}.private_names", pattern)
            for pattern in found.private_names
            if spoken and not any(can_match(pattern, formats[name].normalize) for name in spoken)
        ]
    for address, wanted in settings.repositories():
        if wanted.format in formats:
            problems += [
                _no_pattern(f"projects.{address.project}.repositories.{address.repository}.{key}", pattern)
                for key in PATTERN_KEYS
                for pattern in getattr(wanted, key)
                if not can_match(pattern, formats[wanted.format].normalize)
            ]
    return problems


def _no_pattern(key: str, pattern: str) -> str:
    return f"{key}: found {pattern!r}, which no package name matches; it must be a name, with '*' and '?' for wildcards"


def _problems(wanted: RepositorySettings, adapter: FormatAdapter) -> list[str]:
    """Each begins with the key."""
    upstreams = adapter.upstreams()
    if upstreams is None:
        return [f"kind: the format {wanted.format} has no remote repositories"]
    problems = list(_host_problems(wanted.file_hosts))
    if problems:
        return problems
    try:
        upstream.Upstream(upstreams.base(wanted.upstream or ""))
    except InvalidName as error:
        problems.append(f"upstream: {_discreet(str(error), wanted.upstream or '')}")
    else:
        try:
            _server(wanted, upstreams)
        except InvalidName as error:
            problems.append(f"proxy: {_discreet(str(error), wanted.proxy or '')}")
    try:
        upstream.authorities(wanted.ca_bundle)
    except ConfigError as error:
        problems.append(str(error))
    return problems


def _host_problems(hosts: Sequence[str]) -> Iterator[str]:
    for number, host in enumerate(hosts):
        try:
            upstream.Origin.parse(host)
        except InvalidName as error:
            yield f"file_hosts.{number}: {error}"


def ask_upstreams(
    settings: Settings, formats: Mapping[str, FormatAdapter]
) -> Iterator[tuple[Address, str, str | None]]:
    """Ask each upstream that may be asked for a page, there or not: the remote's address, the upstream's, and a fault.

    The settings were found good by `upstream_problems`. Raises `ConfigError` where a password's file is gone.
    """
    for address, wanted in settings.repositories():
        upstreams = formats[wanted.format].upstreams()
        if wanted.kind is not Kind.REMOTE or wanted.offline or upstreams is None:
            continue
        server = _server(wanted, upstreams)
        question = upstreams.ask_page(server.base, PROBE)
        with upstream.Client([server.origin]) as client:
            try:
                client.fetch(server, question.url, accept=question.accept, max_bytes=wanted.max_page)
            except UpstreamFailed as error:
                yield address, server.base, str(error)
            else:
                yield address, server.base, None


def remote_bases(settings: Settings, formats: Mapping[str, FormatAdapter]) -> Mapping[Address, str]:
    """The address that each remote repository asks. The settings were found good by `upstream_problems`."""
    return {
        address: upstreams.base(wanted.upstream or "")
        for address, wanted in settings.repositories()
        if wanted.kind is Kind.REMOTE and (upstreams := formats[wanted.format].upstreams()) is not None
    }


def _discreet(fault: str, value: str) -> str:
    """A plugin's words, unless they repeat an address that may hold a secret."""
    return "is no address that can be asked" if "@" in value and value in fault else fault

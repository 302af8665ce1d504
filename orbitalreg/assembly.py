"""From settings to the working parts of one registry, for the server and the command line alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore

from sqlite_utils import Database

from orbitalreg import config, staging, surroundings
from orbitalreg.audit import Refusals
from orbitalreg.audit.chain import Chainer
from orbitalreg.audit.entries import CHAIN
from orbitalreg.blobs import sync
from orbitalreg.catalog import Catalog, repositories
from orbitalreg.collection.keeping import Upkeep
from orbitalreg.collection.restoring import refuse_half_restored
from orbitalreg.collection.verifying import Repair
from orbitalreg.config import RepositorySettings, Settings
from orbitalreg.errors import ConfigError, NotFound, StorageFailed
from orbitalreg.graph.keeping import Graphs
from orbitalreg.graph.views import environment_problems, make_views
from orbitalreg.identity import Accounts
from orbitalreg.inspection import Inspector
from orbitalreg.interfaces import Authenticator, BlobStore, Capability, FormatAdapter, Source, TokenExchanger
from orbitalreg.jobs import Handler
from orbitalreg.model import Address, Kind, Repository, now
from orbitalreg.plugins import Plugins
from orbitalreg.publishing import Curator, Desk
from orbitalreg.rights import Rights
from orbitalreg.scanning.known import KnownReports
from orbitalreg.scanning.queue import ScanQueue
from orbitalreg.scanning.scans import Scanning
from orbitalreg.sourcing import Sources, make_sources, pattern_problems, upstream_problems
from orbitalreg.usage import UsageRecorder
from orbitalreg.webhooks import Webhooks, subscribers


@dataclass(frozen=True, slots=True)
class Registry:
    """The parts, made once for each configuration of each process. All of them are thread-safe."""

    settings: Settings
    formats: Mapping[str, FormatAdapter]
    repositories: Mapping[Address, Repository]
    catalog: Catalog
    store: BlobStore
    accounts: Accounts
    desk: Desk
    curator: Curator
    usage: UsageRecorder
    sources: Sources
    authenticators: Mapping[str, Authenticator]
    exchangers: Mapping[str, TokenExchanger]
    refusals: Refusals
    webhooks: Webhooks
    scanning: Scanning
    graph: Graphs
    known: KnownReports
    upkeep: Upkeep

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What runs the jobs, by their kinds."""
        chain = Handler(Chainer(self.catalog, self.webhooks.hand_out), attempts=None, longest_delay=60, at_start=True)
        return {
            CHAIN: chain,
            **self.webhooks.handlers,
            **self.scanning.handlers,
            **self.graph.handlers,
            **self.upkeep.handlers,
        }

    def repository(self, address: Address) -> Repository:
        """The configured repository. Raises `NotFound`."""
        try:
            return self.repositories[address]
        except KeyError:
            raise NotFound(f"there is no repository {address}; configured are: {self._known()}") from None

    def source(self, repository: Repository) -> Source:
        """What is read of a repository, by its rules; one for all callers."""
        return self.sources.source(repository)

    def receiver(self, repository: Repository) -> Repository | None:
        """The local repository that takes what is uploaded to this one's address; None where none does."""
        if repository.kind is Kind.LOCAL:
            return repository
        address = repository.address
        upload_to = self.settings.projects[address.project].repositories[address.repository].upload_to
        return self.receiver(self.repositories[Address(address.project, upload_to)]) if upload_to else None

    def close(self) -> None:
        """Write what is still gathered, end the child processes, and let go of upstreams."""
        self.usage.stop()
        self.refusals.stop()
        self.webhooks.close()
        self.scanning.close()
        self.sources.close()
        self.desk.inspector.close()

    def _known(self) -> str:
        return ", ".join(sorted(map(str, self.repositories))) or "none"


def read_settings(explicit_file: str | None) -> Settings:
    """The configured settings, or the built-in default where there is no file. Raises `ConfigError`."""
    file = config.find_file(explicit_file)
    return config.load(file) if file is not None else default_settings()


def default_settings() -> Settings:
    """Project `acme` with the repositories that the installed formats propose, in the present folder."""
    proposed = {
        proposal.name: {"format": adapter.name, "kind": str(proposal.kind), **proposal.settings}
        for adapter in Plugins.load_all().formats.values()
        for proposal in adapter.proposals()
    }
    return config.from_dict({"projects": {config.DEFAULT_PROJECT: {"repositories": proposed}}}, base=Path())


def check_plugins(settings: Settings) -> Plugins:
    """The enabled plugins. Raises `ConfigError` where one is not there, or its settings are wrong."""
    plugins = Plugins.load(settings.enabled_plugins)
    problems = [
        f"projects.{address.project}.repositories.{address.repository}.format: found {wanted.format!r}; "
        f"no installed plugin speaks it: pip install orbitalreg-{wanted.format}"
        for address, wanted in settings.repositories()
        if wanted.format not in plugins.formats
    ]
    if settings.storage.backend not in plugins.blob_stores:
        problems.append(
            f"storage.backend: found {settings.storage.backend!r}; no installed plugin brings it: "
            f"pip install orbitalreg-{settings.storage.backend}"
        )
    problems += [f"plugins.{name}: no such plugin is installed" for name in settings.plugins if name not in plugins]
    problems += upstream_problems(settings, plugins.formats)
    problems += pattern_problems(settings, plugins.formats)
    problems += environment_problems(settings, plugins.formats)
    if problems:
        raise ConfigError(problems)
    subscribers(settings)
    surroundings.authenticators(settings, plugins)
    surroundings.exchangers(settings, plugins)
    surroundings.scanners(settings, plugins)
    return plugins


def assemble(settings: Settings) -> Registry:
    """Open the data folder and bring it in line with the settings. Raises `ConfigError`, `StorageFailed`."""
    plugins = check_plugins(settings)
    refuse_half_restored(settings.data.path)
    _make_folder(settings.data.path)
    store = plugins.blob_stores[settings.storage.backend](settings.data.path, settings.storage.options)
    staging.sweep(store.staging)
    catalog = Catalog(settings.data.path)
    with catalog.write() as db:
        configured = _reconcile(db, settings)
    scanning = Scanning(settings, plugins, surroundings.scanners(settings, plugins), catalog, store)
    judges = [name for name, scanner in scanning.scanners.items() if scanner.judges_names]
    known = KnownReports(catalog, scanning.judge, judges)
    evidence = (known, lookouts(plugins))
    sources = make_sources(settings, plugins.formats, configured, catalog, store, scanning.queue, *evidence)
    exchangers = surroundings.exchangers(settings, plugins)
    rights = Rights.of_settings(settings, exchangers)
    return Registry(
        settings,
        plugins.formats,
        configured,
        catalog,
        store,
        Accounts(catalog, rights, settings.tokens.max_lifetime),
        _desk(settings, catalog, store, sources, scanning.queue),
        Curator(catalog),
        UsageRecorder(catalog),
        sources,
        surroundings.authenticators(settings, plugins),
        exchangers,
        Refusals(catalog),
        Webhooks(catalog, subscribers(settings)),
        scanning,
        Graphs(
            catalog,
            make_views(settings, plugins.formats, sources.governed),
            known,
            settings.graph,
            lambda: scanning.queue.is_quiet,
        ),
        known,
        Upkeep(settings.upkeep, catalog, store, settings.data.path, _repair(settings, configured, scanning)),
    )


def _repair(settings: Settings, configured: Mapping[Address, Repository], scanning: Scanning) -> Repair:
    wanted = dict(settings.repositories())
    asking = [
        repository.id
        for address, repository in configured.items()
        if repository.kind is Kind.REMOTE and not wanted[address].offline
    ]
    return Repair(frozenset(asking), frozenset(scanning.queue.scanners))


def lookouts(plugins: Plugins) -> list[str]:
    """The scanners without whose word a file counts as unscanned."""
    wanted = {Capability.VULNERABILITY, Capability.MALWARE}
    return [name for name, brought in plugins.scanners.items() if brought.cls.capabilities & wanted]


def _desk(settings: Settings, catalog: Catalog, store: BlobStore, sources: Sources, scans: ScanQueue) -> Desk:
    places = Semaphore(max(1, settings.server.threads * 3 // 4))
    return Desk(catalog, store, Inspector(), settings.server.max_upload, places, sources.siblings, scans)


def _make_folder(data: Path) -> None:
    """The data folder, with each folder above it that is new made durable: what is in it must not vanish with it."""
    try:
        missing = [folder for folder in (data, *data.absolute().parents) if not folder.exists()]
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in missing:
            sync(folder.absolute().parent)
    except OSError as error:
        raise StorageFailed(f"the data folder {data} cannot be made: {error.strerror}") from error


def detached(catalog: Catalog, settings: Settings) -> list[repositories.RepositoryRow]:
    """Repositories whose data is kept though they are configured no more."""
    configured = {address for address, _ in settings.repositories()}
    return [row for row in repositories.all_repositories(catalog.read()) if row.address not in configured]


def conflicts(catalog: Catalog, settings: Settings) -> list[str]:
    """What the configuration says of repositories against what they are: one line for each."""
    known = {row.address: row for row in repositories.all_repositories(catalog.read())}
    return [
        line for address, wanted in settings.repositories() if (line := _conflict(address, known.get(address), wanted))
    ]


def _conflict(address: Address, row: repositories.RepositoryRow | None, wanted: RepositorySettings) -> str | None:
    if row is None or (row.format, row.kind) == (wanted.format, wanted.kind):
        return None
    return (
        f"projects.{address.project}.repositories.{address.repository}: is a {row.kind} repository of format "
        f"{row.format} and cannot become a {wanted.kind} one of {wanted.format}; use another name"
    )


def _reconcile(db: Database, settings: Settings) -> dict[Address, Repository]:
    """Writes: new repositories get a row, removed ones are marked as detached."""
    known = {row.address: row for row in repositories.all_repositories(db)}
    wanted = dict(settings.repositories())
    if problems := [line for address in wanted if (line := _conflict(address, known.get(address), wanted[address]))]:
        raise ConfigError(problems)
    for address, row in known.items():
        if (row.detached_at is None) != (address in wanted):
            repositories.set_detached(db, row.id, None if address in wanted else now())
    return {address: _repository(db, address, wanted[address], known.get(address)) for address in wanted}


def _repository(
    db: Database,
    address: Address,
    wanted: RepositorySettings,
    row: repositories.RepositoryRow | None,
) -> Repository:
    repository_id = row.id if row else repositories.insert_repository(db, address, wanted.format, wanted.kind)
    return Repository(
        repository_id,
        address,
        wanted.format,
        wanted.kind,
        wanted.anonymous_read,
        wanted.reuse_deleted_filenames,
    )

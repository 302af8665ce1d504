"""Where a command works: on the data folder, or through a server's API. Both tell the same of what they did."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import click

from orbitalreg.assembly import Registry
from orbitalreg.cli.common import local_actor, opened
from orbitalreg.cli.doubts import doubts, warn
from orbitalreg.delegation import rotate_any, summary
from orbitalreg.exposures import KnownExposures
from orbitalreg.granting import granted, grants_listed
from orbitalreg.graph.trees import DEPTH
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.inventory import Inventory, Sought, inventory_of
from orbitalreg.inventory.dependencies import spelt
from orbitalreg.model import Address, File, Grant, Repository, Severity, Status
from orbitalreg.sources.explaining import explain
from orbitalreg.sources.opening import allow
from orbitalreg.summaries import (
    Affected,
    Change,
    Dependent,
    Explanation,
    FileSummary,
    Granted,
    GrantSummary,
    Opening,
    PackageDetail,
    PackageSummary,
    Release,
    SeverityName,
    StatusSummary,
    TokenDownloads,
    TokenSecret,
    TokenSummary,
    VersionFindings,
    VersionGraph,
)

F = TypeVar("F", bound=Callable[..., Any])


class Backend(Protocol):
    """What commands do, in the words of `orbitalreg.client.Client`. All raise `OrbitalError`."""

    def packages(self, address: Address) -> Iterable[PackageSummary]: ...

    def package(self, address: Address, package: str) -> PackageDetail: ...

    def files(self, address: Address, package: str, version: str | None = None) -> Iterable[FileSummary]: ...

    def findings(
        self,
        address: Address,
        package: str | None = None,
        version: str | None = None,
        severity: SeverityName = "unknown",
        exposures: bool = True,
    ) -> Iterable[VersionFindings]: ...

    def yank(self, address: Address, package: str, version: str, reason: str = "") -> Change: ...

    def unyank(self, address: Address, package: str, version: str) -> Change: ...

    def delete(self, address: Address, package: str, version: str, filename: str | None = None) -> Change: ...

    def set_status(self, address: Address, package: str, status: Status) -> StatusSummary: ...

    def explanation(self, address: Address, package: str) -> Explanation: ...

    def allow(self, address: Address, package: str, version: str, seconds: int, reason: str) -> Opening: ...

    def release_name(self, address: Address, package: str) -> Release: ...

    def downloads_by_token(
        self, address: Address, package: str, version: str | None = None
    ) -> Iterable[TokenDownloads]: ...

    def graph(
        self, address: Address, package: str, version: str, environment: str | None = None, depth: int | None = None
    ) -> VersionGraph: ...

    def dependents(
        self, address: Address, package: str, version: str | None = None, transitive: bool = False
    ) -> Iterable[Dependent]: ...

    def may_have(self, vulnerability: str) -> Iterable[Address]: ...

    def affected(self, address: Address, vulnerability: str) -> Iterable[Affected]: ...

    def affected_downloads(self, address: Address, vulnerability: str, days: int) -> Iterable[TokenDownloads]: ...

    def tokens(self) -> Iterable[TokenSummary]: ...

    def revoke(self, id_or_name: str) -> Sequence[str]: ...

    def rotate(self, id_or_name: str, overlap: int) -> TokenSecret: ...

    def grants_listed(self, project: str | None, principal: str | None) -> Iterable[GrantSummary]: ...

    def give(self, principal: str, grants: Sequence[Grant]) -> Granted: ...

    def take_back(self, principal: str, grant: Grant) -> Granted: ...


class Local:
    """The data folder, as the operator: `local:<system user>`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def packages(self, address: Address) -> list[PackageSummary]:
        return self._inventory(address).packages()

    def package(self, address: Address, package: str) -> PackageDetail:
        _, adapter = self._place(address)
        return self._inventory(address).package(adapter.normalize(package))

    def files(self, address: Address, package: str, version: str | None = None) -> list[FileSummary]:
        _, adapter = self._place(address)
        normal = None if version is None else adapter.normalize_version(version)
        return self._inventory(address).files(adapter.normalize(package), normal)

    def findings(
        self,
        address: Address,
        package: str | None = None,
        version: str | None = None,
        severity: SeverityName = "unknown",
        exposures: bool = True,
    ) -> Iterator[VersionFindings]:
        _, adapter = self._place(address)
        name = None if package is None else adapter.normalize(package)
        number = None if version is None else adapter.normalize_version(version)
        return self._inventory(address).whole_findings(name, number, Sought(Severity.parse(severity), exposures))

    def yank(self, address: Address, package: str, version: str, reason: str = "") -> Change:
        repository, name, number = self._version(address, package, version)
        done = self._registry.curator.yank(repository, name, number, reason, local_actor())
        return _change(name, number, done)

    def unyank(self, address: Address, package: str, version: str) -> Change:
        repository, name, number = self._version(address, package, version)
        return _change(name, number, self._registry.curator.unyank(repository, name, number, local_actor()))

    def delete(self, address: Address, package: str, version: str, filename: str | None = None) -> Change:
        repository, name, number = self._version(address, package, version)
        done = self._registry.curator.delete(repository, name, number, filename, local_actor())
        return _change(name, number, done)

    def set_status(self, address: Address, package: str, status: Status) -> StatusSummary:
        repository, adapter = self._place(address)
        name = adapter.normalize(package)
        self._registry.curator.set_status(repository, name, status, local_actor())
        return StatusSummary(name, status.name, status.reason)

    def explanation(self, address: Address, package: str) -> Explanation:
        _, adapter = self._place(address)
        source = self._registry.sources.governed[address]
        return explain(source, adapter.normalize(package), lambda repository: True)

    def allow(self, address: Address, package: str, version: str, seconds: int, reason: str) -> Opening:
        _, name, number = self._version(address, package, version)
        source = self._registry.sources.governed[address]
        return allow(self._registry.curator, source, name, number, seconds, reason, local_actor())

    def release_name(self, address: Address, package: str) -> Release:
        repository, adapter = self._place(address)
        name = adapter.normalize(package)
        self._registry.curator.release_name(repository, name, local_actor())
        return Release(str(address), name)

    def downloads_by_token(self, address: Address, package: str, version: str | None = None) -> list[TokenDownloads]:
        _, adapter = self._place(address)
        normal = None if version is None else adapter.normalize_version(version)
        return self._inventory(address).downloads_by_token(adapter.normalize(package), normal)

    def graph(
        self, address: Address, package: str, version: str, environment: str | None = None, depth: int | None = None
    ) -> VersionGraph:
        _, name, number = self._version(address, package, version)
        return self._inventory(address).dependencies.tree(name, number, environment, depth or DEPTH)

    def dependents(
        self, address: Address, package: str, version: str | None = None, transitive: bool = False
    ) -> list[Dependent]:
        _, adapter = self._place(address)
        number = None if version is None else adapter.normalize_version(version)
        return self._inventory(address).dependencies.dependents(adapter.normalize(package), number, transitive)

    def may_have(self, vulnerability: str) -> list[Address]:
        """The repositories in whose view something has it, and those that cannot tell, for want of a whole graph."""
        known = KnownExposures(self._registry.catalog)
        found = {*known.repositories_with(spelt(vulnerability)), *known.begun()}
        looked_at = {view.repository.id for view in self._registry.graph.views}
        return sorted(
            (
                address
                for address, repository in self._registry.repositories.items()
                if repository.id in found or repository.id not in looked_at
            ),
            key=str,
        )

    def affected(self, address: Address, vulnerability: str) -> list[Affected]:
        dependencies = self._inventory(address).dependencies
        return [dependencies.affected(hit) for hit in dependencies.hits(vulnerability)]

    def affected_downloads(self, address: Address, vulnerability: str, days: int) -> list[TokenDownloads]:
        return self._inventory(address).dependencies.hit_downloads(vulnerability, days)

    def tokens(self) -> list[TokenSummary]:
        """Everybody's."""
        return [summary(row) for row in self._registry.accounts.tokens()]

    def revoke(self, id_or_name: str) -> list[str]:
        return self._registry.accounts.revoke(id_or_name, local_actor())

    def rotate(self, id_or_name: str, overlap: int) -> TokenSecret:
        return rotate_any(self._registry.catalog, self._registry.accounts, id_or_name, overlap, local_actor())

    def grants_listed(self, project: str | None, principal: str | None) -> list[GrantSummary]:
        return grants_listed(self._registry.catalog.read(), self._registry.accounts.rights, project, principal)

    def give(self, principal: str, grants: Sequence[Grant]) -> Granted:
        self._registry.accounts.grant(principal, grants, local_actor())
        warn(doubts(self._registry, grants))
        return self._granted(principal, grants)

    def take_back(self, principal: str, grant: Grant) -> Granted:
        self._registry.accounts.revoke_grant(principal, grant, local_actor())
        return self._granted(principal, [grant])

    def _granted(self, principal: str, grants: Sequence[Grant]) -> Granted:
        projects = frozenset(grant.project for grant in grants)
        return granted(self._registry.catalog.read(), self._registry.accounts.rights, principal, projects)

    def _place(self, address: Address) -> tuple[Repository, FormatAdapter]:
        repository = self._registry.repository(address)
        return repository, self._registry.formats[repository.format]

    def _version(self, address: Address, package: str, version: str) -> tuple[Repository, str, str]:
        repository, adapter = self._place(address)
        return repository, adapter.normalize(package), adapter.normalize_version(version)

    def _inventory(self, address: Address) -> Inventory:
        _, adapter = self._place(address)
        source = self._registry.sources.governed[address]
        return inventory_of(self._registry.catalog, source, adapter, self._registry.graph.views)


@contextmanager
def backend(config_file: str | None, server: str | None) -> Iterator[Backend]:
    """Where the options say that the command works. Raises `OrbitalError`, and `UsageError` for both options."""
    if server is None:
        with opened(config_file) as registry:
            yield Local(registry)
        return
    if config_file is not None:
        raise click.UsageError("--config is for the data here and --server for another's: give one of them")
    from orbitalreg.cli.remote import Remote  # here, so that no other command waits for an HTTP client

    with Remote.from_environment(server) as remote:
        yield remote


def _change(package: str, version: str, done: Sequence[File]) -> Change:
    return Change(package, version, [file.filename for file in done])


def server_option(command: F) -> F:
    """`--server URL`."""
    return click.option(
        "--server",
        metavar="URL",
        help="Work through this server's API, with the token in $ORBITALREG_TOKEN, instead of on the data.",
    )(command)

"""The tables of the server as a whole, and all of them together: a new table of the configuration begins here."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from orbitalreg.config.graph import GraphSettings
from orbitalreg.config.people import GrantSettings, TokenSettings
from orbitalreg.config.policies import PolicySettings
from orbitalreg.config.repositories import ProjectSettings, RepositorySettings, repository_path
from orbitalreg.config.scanning import ScanningSettings
from orbitalreg.config.upkeep import UpkeepSettings
from orbitalreg.config.values import Listen, NameKey, Network, PublicUrl, Size, Table
from orbitalreg.config.webhooks import WebhookSettings
from orbitalreg.model import Address, now
from orbitalreg.policy import Scope
from orbitalreg.times import end_of


class ServerSettings(Table):
    """`[server]`: where the server listens and whom it believes."""

    listen: Listen = Field(("127.0.0.1", 8080), description="The address and port to listen on; port 0 picks one.")
    url: PublicUrl | None = Field(
        None, description="The public address, for what must be absolute; otherwise it is taken from the request."
    )
    max_upload: Size = Field(1 << 30, description="The largest file that may be uploaded.")
    trusted_proxies: tuple[Network, ...] = Field(
        (), strict=False, description="Proxies whose X-Forwarded-For, -Proto and -Host headers count."
    )
    metrics_from: tuple[Network, ...] = Field(
        (), strict=False, description="Addresses that may read /metrics without a token."
    )
    threads: int = Field(16, ge=1, le=256, description="How many requests one process works on at a time.")


class DataSettings(Table):
    """`[data]`: where everything is kept."""

    path: Path = Field(
        Path("orbitalreg-data"),
        strict=False,
        description="The folder of the catalog, the blobs and the plugins' files.",
    )


class StorageSettings(BaseModel):
    """`[storage]`: where the bytes of files are kept. Other keys of the table are the backend's own."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True, strict=True)

    backend: str = Field("filesystem", description="The blob store's name.")

    @property
    def options(self) -> Mapping[str, Any]:
        return self.__pydantic_extra__ or {}


class Settings(Table):
    """The whole configuration, valid as far as it can be told without the plugins and the catalog."""

    server: ServerSettings = ServerSettings()
    data: DataSettings = DataSettings()
    storage: StorageSettings = StorageSettings()
    projects: dict[NameKey, ProjectSettings] = Field({}, description="Projects by name.")
    groups: dict[NameKey, Annotated[tuple[NameKey, ...], Field(strict=False)]] = Field(
        {}, description="Named sets of users: the names of the users in each."
    )
    grants: tuple[GrantSettings, ...] = Field((), strict=False, description="Who may do what.")
    tokens: TokenSettings = TokenSettings()
    webhooks: tuple[WebhookSettings, ...] = Field((), strict=False, description="Who is told of changes.")
    policies: tuple[PolicySettings, ...] = Field((), strict=False, description="What files must be like.")
    scanning: ScanningSettings = ScanningSettings()
    graph: GraphSettings = GraphSettings()
    upkeep: UpkeepSettings = UpkeepSettings()
    plugins: dict[str, dict[str, Any]] = Field({}, description="A plugin's own settings; the table enables it.")

    _base: Path = PrivateAttr(default=Path())

    @property
    def base(self) -> Path:
        """What relative paths in plugins' tables are relative to: the folder of the configuration's file."""
        return self._base

    def repositories(self) -> Iterator[tuple[Address, RepositorySettings]]:
        for project, settings in self.projects.items():
            for name, repository in settings.repositories.items():
                yield Address(project, name), repository

    def warnings(self, is_scanned: bool = True) -> list[str]:
        """What is allowed and should be known: one line for each, with the key's path.

        `is_scanned` says whether a scanner for vulnerabilities or malware is enabled.
        """
        told = [*self._idle_grants(), *self._ended_exceptions(), *self._policies_without_graph()]
        if not is_scanned:
            told += self._blind_policies()
        for address, repository in self.repositories():
            path = repository_path(address)
            if not repository.guard:
                told.append(
                    f"{path}.guard: is off; an upload to an upstream may take the place of a package of your own"
                )
            if repository.username is not None and (repository.upstream or "").startswith("http://"):
                told.append(f"{path}.upstream: is asked without TLS, and the password goes along with every question")
        for number, webhook in enumerate(self.webhooks):
            if webhook.url.startswith("http://"):
                told.append(f"webhooks.{number}.url: is without TLS; who listens on the way reads what is sent")
        return told

    def _ended_exceptions(self) -> Iterator[str]:
        instant = now()
        for number, policy in enumerate(self.policies):
            for place, one in enumerate(policy.exceptions):
                if end_of(one.until) <= instant:
                    yield (
                        f"policies.{number}.exceptions.{place}: {one.id} is let through no more, its day {one.until} "
                        "is over; remove it, or give it a later one"
                    )

    def _blind_policies(self) -> Iterator[str]:
        for number, policy in enumerate(self.policies):
            if policy.needs_scanners:
                yield (
                    f"policies.{number}: no scanner for vulnerabilities or malware is enabled for it to judge by; "
                    "enable one by its table, [plugins.NAME]"
                )

    def _policies_without_graph(self) -> Iterator[str]:
        for number, policy in enumerate(self.policies):
            if policy.scope is Scope.TRANSITIVE and self.graph.environments == ():
                yield (
                    f"policies.{number}.scope: is transitive, and [graph] environments is empty: nothing that comes by "
                    "dependencies is known; name an environment there, or leave the key out"
                )

    def _idle_grants(self) -> Iterator[str]:
        for number, table in enumerate(self.grants):
            for place, grant in enumerate(table.grants):
                if not any(grant.touches(address) for address, _ in self.repositories()):
                    yield f"grants.{number}.grants.{place}: found '{grant}'; there is no such project or repository"

    @property
    def enabled_plugins(self) -> frozenset[str]:
        """The names that the configuration enables, installed or not."""
        formats = (repository.format for _, repository in self.repositories())
        return frozenset({self.storage.backend, *formats, *self.plugins})

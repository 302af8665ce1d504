"""The tables of projects and their repositories."""

from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from orbitalreg.config.values import Duration, NameKey, OriginUrl, PublicUrl, Size, Table, dotted
from orbitalreg.errors import ConfigError
from orbitalreg.model import Address, Kind

DEFAULT_PROJECT = "acme"

LOCAL, REMOTE, VIRTUAL = ({Kind.LOCAL}, {Kind.REMOTE}, {Kind.VIRTUAL})
READING = REMOTE | VIRTUAL


def _key(default: Any, kinds: set[Kind], description: str, **options: Any) -> Any:
    """A key that repositories of these kinds alone may have."""
    return Field(
        default,
        description=description,
        json_schema_extra={"kinds": list[JsonValue](sorted(map(str, kinds)))},
        **options,
    )


class RepositorySettings(Table):
    """`[projects.<project>.repositories.<repository>]`."""

    format: str = Field(description="The package format; the plugin orbitalreg-<format> speaks it.")
    kind: Kind = Field(
        strict=False,
        description="Where the files come from: local (uploads), remote (an upstream) or virtual (other repositories).",
    )
    anonymous_read: bool = Field(False, description="Whether anybody may read without credentials.")

    reuse_deleted_filenames: bool = _key(
        False, LOCAL, "Whether the name of a deleted file may be used again for other bytes."
    )

    upstream: str | None = _key(None, REMOTE, "The upstream's address, or a name that the format knows. Needed.")
    username: str | None = _key(None, REMOTE, "The user name for the upstream.")
    password: str | None = _key(None, REMOTE, 'The password for the upstream, best as "${NAME}".', repr=False)
    password_file: Path | None = _key(None, REMOTE, "A file that holds the password instead.", strict=False)
    ca_bundle: Path | None = _key(
        None,
        REMOTE,
        "Certificates to trust for the upstream; else what SSL_CERT_FILE or REQUESTS_CA_BUNDLE name.",
        strict=False,
    )
    proxy: PublicUrl | None = _key(None, REMOTE, "An HTTP proxy on the way to the upstream.")
    file_hosts: tuple[OriginUrl, ...] = _key(
        (), REMOTE, "Further servers that it may be sent to although they have private addresses.", strict=False
    )
    listing_ttl: Duration = _key(600, REMOTE, "How long a page is shown before the upstream is asked again.")
    negative_ttl: Duration = _key(60, REMOTE, "How long the upstream's word counts that it has no such package.")
    stale_for: Duration | None = _key(
        None, REMOTE, "How long the last good page is shown while the upstream fails; for ever unless given."
    )
    preserve: bool = _key(False, REMOTE, "Whether cached files stay after the upstream has dropped them.")
    offline: bool = _key(False, REMOTE, "Whether the cache alone is served, and the upstream never asked.")
    connect_timeout: Duration = _key(5, REMOTE, "How long connecting to the upstream may take.", ge=1)
    page_timeout: Duration = _key(
        30, REMOTE, "How long a page of the upstream, or a document of a file, may take in all.", ge=1
    )
    max_page: Size = _key(32 << 20, REMOTE, "The largest page of a package that is read from the upstream.")
    max_name_list: Size = _key(64 << 20, REMOTE, "The largest list of all names that is read from the upstream.")

    members: tuple[str, ...] = _key((), VIRTUAL, "Repositories of the same project, in order. Needed.", strict=False)
    guard: bool = _key(True, VIRTUAL, "Whether a name that a local member holds is served by local members alone.")
    merge_upstream: tuple[str, ...] = _key(
        (), VIRTUAL, "Package names and patterns for which the guard is lifted.", strict=False
    )
    tolerate_failures: bool = _key(False, VIRTUAL, "Whether a member that fails is left out instead of failing.")
    upload_to: str | None = _key(None, VIRTUAL, "The local member that takes uploads to the virtual address.")

    min_age: Duration = _key(0, READING, "Files younger than this are withheld.")
    min_age_except: tuple[str, ...] = _key(
        (), READING, "Package names and patterns that min_age does not hold back.", strict=False
    )
    freeze: date | None = _key(None, READING, "Show the packages as they stood at the end of this day (UTC).")
    allow: tuple[str, ...] = _key((), READING, "If given, only packages that match are shown.", strict=False)
    deny: tuple[str, ...] = _key((), READING, "Packages that match are not shown.", strict=False)

    def upstream_password(self) -> str | None:
        """The password for the upstream, from wherever it is configured. Raises `ConfigError`."""
        return self.password if self.password_file is None else read_secret(self.password_file)


def read_secret(file: Path) -> str:
    """The first line of `file`. Raises `ConfigError`, which names the file and shows nothing of it."""
    try:
        line = file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError:
        raise ConfigError([f"{file}: is not UTF-8"]) from None
    if not line:
        raise ConfigError([f"{file}: its first line is empty"])
    return line


class ProjectSettings(Table):
    """`[projects.<project>]`."""

    repositories: dict[NameKey, RepositorySettings] = Field({}, description="The project's repositories by name.")
    private_names: tuple[str, ...] = Field(
        (), strict=False, description="Package names and patterns that no upstream is ever asked for."
    )


def keys_by_kind() -> dict[str, tuple[Kind, ...]]:
    """The kinds of repository that may have a key, for each key that not all may have."""
    return {
        name: tuple(Kind(str(kind)) for kind in field.json_schema_extra["kinds"])  # type: ignore[union-attr]
        for name, field in RepositorySettings.model_fields.items()
        if isinstance(field.json_schema_extra, dict)
    }


def repository_path(address: Address) -> str:
    return dotted(("projects", address.project, "repositories", address.repository))

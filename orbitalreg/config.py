"""TOML to typed settings. Every fault is reported at once, each with the key's path, what was found and what is right.

The settings' classes are the reference: their fields' descriptions are the documentation of the keys.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import PydanticCustomError

from orbitalreg.errors import ConfigError, InvalidName
from orbitalreg.model import Address, Kind, valid_name

ENVIRONMENT = "ORBITALREG_CONFIG"
DEFAULT_FILE = "orbitalreg.toml"
DEFAULT_PROJECT = "acme"

T = TypeVar("T")

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_CENTURY = 100 * 366 * 86400
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: str) -> int:
    """`90d` as seconds, at most a hundred years. Raises `InvalidName`."""
    seconds = _quantity(text, _DURATIONS, "a duration such as 30s, 15m, 12h, 90d or 2w")
    if seconds > _CENTURY:
        raise InvalidName(f"{text!r} is longer than a hundred years")
    return seconds


def parse_size(text: str) -> int:
    """`1GiB` as bytes. Raises `InvalidName`."""
    return _quantity(text, _SIZES, "a size such as 512KiB, 100MiB or 1GiB")


def _quantity(text: object, units: Mapping[str, int], right: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([A-Za-z]+)", text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise InvalidName(f"{text!r} is not {right}")
    return int(match[1]) * units[match[2]]


def _checked(parse: Callable[[Any], T], expected: str) -> BeforeValidator:
    """A validator that runs `parse` and, where that refuses, says what would be right."""

    def validate(value: Any) -> T:
        try:
            return parse(value)
        except (InvalidName, ValueError, TypeError) as error:
            raise PydanticCustomError("expected", "{expected}", {"expected": expected}) from error

    return BeforeValidator(validate)


def parse_listen(text: Any) -> tuple[str, int]:
    """`HOST:PORT`, an IPv6 host in brackets. Raises `ValueError`."""
    host, colon, port = str(text).rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(text)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _public_url(text: Any) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"https?://[^/?#\s@]+(/[^?#\s]*)?", text):
        raise ValueError(text)
    return text.rstrip("/")


def _network(text: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if not isinstance(text, str):  # a number would be taken for an address
        raise TypeError(text)
    return ipaddress.ip_network(text)


Size = Annotated[int, _checked(parse_size, 'a size such as "512KiB", "100MiB" or "1GiB"')]
Duration = Annotated[int, _checked(parse_duration, 'a duration such as "30s", "15m", "12h" or "7d"')]
Listen = Annotated[tuple[str, int], _checked(parse_listen, '"HOST:PORT", for example "127.0.0.1:8080"')]
PublicUrl = Annotated[str, _checked(_public_url, 'an address such as "https://orbitalreg.example.com"')]
Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    _checked(_network, 'an address or network such as "127.0.0.1" or "10.0.0.0/8"'),
]
NameKey = Annotated[
    str, _checked(lambda text: valid_name(text, "name"), "a name of a-z, 0-9, '.', '_' and '-', at most 64 long")
]


def within(address: str, networks: Sequence[Network]) -> bool:
    """Whether `address` lies in one of `networks`; what is no address lies in none."""
    if not networks:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


class _Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True)


class ServerSettings(_Table):
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


class DataSettings(_Table):
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


class RepositorySettings(_Table):
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
    max_page: Size = _key(256 << 20, REMOTE, "The largest page that is read from the upstream.")

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


class ProjectSettings(_Table):
    """`[projects.<project>]`."""

    repositories: dict[NameKey, RepositorySettings] = Field({}, description="The project's repositories by name.")
    private_names: tuple[str, ...] = Field(
        (), strict=False, description="Package names and patterns that no upstream is ever asked for."
    )


class Settings(_Table):
    """The whole configuration, valid as far as it can be told without the plugins and the catalog."""

    server: ServerSettings = ServerSettings()
    data: DataSettings = DataSettings()
    storage: StorageSettings = StorageSettings()
    projects: dict[NameKey, ProjectSettings] = Field({}, description="Projects by name.")
    plugins: dict[str, dict[str, Any]] = Field({}, description="A plugin's own settings; the table enables it.")

    def repositories(self) -> Iterator[tuple[Address, RepositorySettings]]:
        for project, settings in self.projects.items():
            for name, repository in settings.repositories.items():
                yield Address(project, name), repository

    def warnings(self) -> list[str]:
        """What is allowed and should be known: one line for each, with the key's path."""
        return [
            f"{_path(address)}.guard: is off; an upload to an upstream may take the place of a package of your own"
            for address, repository in self.repositories()
            if not repository.guard
        ] + [
            f"{_path(address)}.upstream: is asked without TLS, and the password goes along with every question"
            for address, repository in self.repositories()
            if repository.username is not None and (repository.upstream or "").startswith("http://")
        ]

    @property
    def enabled_plugins(self) -> frozenset[str]:
        """The names that the configuration enables, installed or not."""
        formats = (repository.format for _, repository in self.repositories())
        return frozenset({self.storage.backend, *formats, *self.plugins})


def find_file(explicit: str | None) -> Path | None:
    """The configuration's file: `--config`, else the environment, else `./orbitalreg.toml`, else None."""
    named = explicit or os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    default = Path(DEFAULT_FILE)
    return default if default.exists() else None


def load(file: Path) -> Settings:
    """The settings in `file`. Relative paths are relative to it. Raises `ConfigError`."""
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file}: cannot be read: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{file}: is not TOML: {error}"]) from error
    return from_dict(raw, base=file.parent)


def from_dict(raw: Mapping[str, Any], base: Path) -> Settings:
    """Settings from parsed TOML; `base` is what relative paths are relative to. Raises `ConfigError`."""
    unset: list[tuple[tuple[str, ...], str]] = []
    expanded = _expand(raw, (), unset)
    problems = [
        f"{_dotted(path)}: the environment has no variable {name}; set it or write the value" for path, name in unset
    ]
    try:
        settings = Settings.model_validate(expanded)
    except ValidationError as error:
        told = {path for path, _ in unset}
        problems += [
            _problem(dict(fault), raw) for fault in error.errors() if tuple(map(str, fault["loc"])) not in told
        ]
    if problems:
        raise ConfigError(problems)
    settings = _with_paths(settings, base)
    if problems := list(_faults(settings)):
        raise ConfigError(problems)
    return settings


def _with_paths(settings: Settings, base: Path) -> Settings:
    """The same with every path made relative to where the process is."""
    projects = {
        name: project.model_copy(
            update={"repositories": {key: _located(value, base) for key, value in project.repositories.items()}}
        )
        for name, project in settings.projects.items()
    }
    data = DataSettings(path=base / settings.data.path.expanduser())
    return settings.model_copy(update={"data": data, "projects": projects})


def _located(repository: RepositorySettings, base: Path) -> RepositorySettings:
    paths = {"password_file": repository.password_file, "ca_bundle": repository.ca_bundle}
    return repository.model_copy(
        update={key: base / path.expanduser() for key, path in paths.items() if path is not None}
    )


def _faults(settings: Settings) -> Iterator[str]:
    """What is wrong with repositories beyond the form of each key, one line for each."""
    for name, project in settings.projects.items():
        for key, repository in project.repositories.items():
            path = _path(Address(name, key))
            yield from _foreign_keys(path, repository)
            if repository.kind is Kind.REMOTE:
                yield from _remote_faults(path, repository)
            elif repository.kind is Kind.VIRTUAL:
                yield from _virtual_faults(path, key, repository, project.repositories)
        yield from _circles(name, project.repositories)


def _path(address: Address) -> str:
    return _dotted(("projects", address.project, "repositories", address.repository))


def _foreign_keys(path: str, repository: RepositorySettings) -> Iterator[str]:
    for key, kinds in keys_by_kind().items():
        if key in repository.model_fields_set and repository.kind not in kinds:
            whose = " and ".join(kinds)
            yield f"{path}.{key}: is a key of {whose} repositories; this one is {repository.kind}"


def keys_by_kind() -> dict[str, tuple[Kind, ...]]:
    """The kinds of repository that may have a key, for each key that not all may have."""
    return {
        name: tuple(Kind(str(kind)) for kind in field.json_schema_extra["kinds"])  # type: ignore[union-attr]
        for name, field in RepositorySettings.model_fields.items()
        if isinstance(field.json_schema_extra, dict)
    }


def _remote_faults(path: str, repository: RepositorySettings) -> Iterator[str]:
    if repository.upstream is None:
        yield f"{path}.upstream: is missing; a remote repository has one"
    if repository.password is not None and repository.password_file is not None:
        yield f"{path}.password_file: is given together with password; give one of them"
    elif repository.username is None and (repository.password or repository.password_file):
        yield f"{path}.username: is missing; it goes with the password"
    if repository.password_file is not None:
        try:
            read_secret(repository.password_file)
        except ConfigError as error:
            yield f"{path}.password_file: {error}"


def _virtual_faults(
    path: str, name: str, repository: RepositorySettings, others: Mapping[str, RepositorySettings]
) -> Iterator[str]:
    if not repository.members:
        yield f"{path}.members: is missing; a virtual repository has at least one"
    for number, member in enumerate(repository.members):
        if member not in others:
            near = get_close_matches(member, [other for other in others if other != name], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{path}.members.{number}: found {member!r}; the project has no such repository{hint}"
        elif member in repository.members[:number]:
            yield f"{path}.members.{number}: found {member!r} a second time"
        elif others[member].format != repository.format:
            formats = f"of format {others[member].format}, and this one of {repository.format}"
            yield f"{path}.members.{number}: found {member!r}; it is {formats}"
    if repository.upload_to is not None and not _takes_uploads(repository, others):
        found = f"found {repository.upload_to!r}"
        yield f"{path}.upload_to: {found}; it must be a member that is local, or virtual with an upload_to"


def _takes_uploads(repository: RepositorySettings, others: Mapping[str, RepositorySettings]) -> bool:
    if repository.upload_to is None or repository.upload_to not in repository.members:
        return False
    target = others.get(repository.upload_to)
    return target is not None and (
        target.kind is Kind.LOCAL or (target.kind is Kind.VIRTUAL and target.upload_to is not None)
    )


def _circles(project: str, repositories: Mapping[str, RepositorySettings]) -> Iterator[str]:
    """Each circle of virtual repositories once, told at the first of them by name."""
    told: set[frozenset[str]] = set()
    for name in sorted(repositories):
        circle = _circle(name, repositories)
        if circle is not None and frozenset(circle) not in told:
            told.add(frozenset(circle))
            way = " -> ".join([*circle, circle[0]])
            yield f"{_path(Address(project, name))}.members: go round in a circle: {way}"


def _circle(start: str, repositories: Mapping[str, RepositorySettings]) -> list[str] | None:
    """A shortest way from `start` through members back to it."""
    ways, seen = [[start]], {start}
    for way in ways:
        for member in repositories[way[-1]].members:
            if member == start:
                return way
            if member in repositories and member not in seen:
                seen.add(member)
                ways.append([*way, member])
    return None


def _expand(value: Any, path: tuple[str, ...], unset: list[tuple[tuple[str, ...], str]]) -> Any:
    """`value` with `${NAME}` replaced from the environment, in every string of the tree.

    Where there is no such variable, the key's path and the name go to `unset`.
    """
    if isinstance(value, Mapping):
        return {key: _expand(item, (*path, str(key)), unset) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, (*path, str(number)), unset) for number, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            unset.append((path, match[1]))
        return os.environ.get(match[1], "")

    return _VARIABLE.sub(replace, value)


def _problem(fault: dict[str, Any], raw: Mapping[str, Any]) -> str:
    """One line about one fault. It shows the text as written, never what a variable stood for."""
    path = tuple(str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "extra_forbidden":
        known = sorted(_keys_at(path[:-1]))
        near = get_close_matches(path[-1], known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{_dotted(path)}: there is no such key; {hint}"
    if fault["type"] == "missing":
        return f"{_dotted(path)}: is missing; it must be given"
    found = repr(path[-1]) if fault["loc"][-1] == "[key]" else _written(raw, path)
    if not _SECRETS.isdisjoint(path):
        found = "what is not shown here"
    return f"{_dotted(path)}: found {found}; it must be {_expected(fault)}"


_SECRETS = frozenset(("password", "upstream", "proxy"))
"""Keys whose values may hold a secret, rightly or not."""

_EXPECTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "model_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list",
    "path_type": "a path",
    "date_type": "a day such as 2026-10-01",
    "date_from_datetime_parsing": "a day such as 2026-10-01",
}

_BOUNDS = {"greater_than_equal": "at least {ge}", "less_than_equal": "at most {le}"}


def _expected(fault: dict[str, Any]) -> str:
    if fault["type"] == "enum":
        return f"one of: {fault['ctx']['expected']}"
    if fault["type"] in _BOUNDS:
        return _BOUNDS[fault["type"]].format(**fault["ctx"])
    return str(_EXPECTED.get(fault["type"], fault["msg"]))


def _written(raw: Any, path: Sequence[str]) -> str:
    for part in path:
        if isinstance(raw, Mapping) and part in raw:
            raw = raw[part]
        elif isinstance(raw, list) and part.isdigit() and int(part) < len(raw):
            raw = raw[int(part)]
        else:
            return ascii(part)
    if isinstance(raw, Mapping):
        return "a table"
    return "a list of tables" if isinstance(raw, list) and any(map(_holds_tables, raw)) else ascii(raw)


def _holds_tables(value: Any) -> bool:
    """Tables may hold secrets, which are not shown."""
    return isinstance(value, Mapping) or (isinstance(value, list) and any(map(_holds_tables, value)))


def _keys_at(path: Sequence[str]) -> set[str]:
    """The keys that are known in the table at `path`."""
    model: Any = Settings
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[part].annotation
        else:
            model = get_args(model)[1]
    return set(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else set()


def _dotted(path: Sequence[str]) -> str:
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else ascii(part) for part in path)

"""TOML to typed settings. Every fault is reported at once, each with the key's path, what was found and what is right.

The settings' classes are the reference: their fields' descriptions are the documentation of the keys.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
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
        raise InvalidName(f"{text!a} is longer than a hundred years")
    return seconds


def parse_size(text: str) -> int:
    """`1GiB` as bytes. Raises `InvalidName`."""
    return _quantity(text, _SIZES, "a size such as 512KiB, 100MiB or 1GiB")


def _quantity(text: object, units: Mapping[str, int], right: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([A-Za-z]+)", text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise InvalidName(f"{text!a} is not {right}")
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


class RepositorySettings(_Table):
    """`[projects.<project>.repositories.<repository>]`."""

    format: str = Field(description="The package format; the plugin orbitalreg-<format> speaks it.")
    kind: Kind = Field(strict=False, description="Where the files come from: local (uploads).")
    anonymous_read: bool = Field(False, description="Whether anybody may read without credentials.")
    reuse_deleted_filenames: bool = Field(
        False, description="Whether the name of a deleted file may be used again for other bytes."
    )


class ProjectSettings(_Table):
    """`[projects.<project>]`."""

    repositories: dict[NameKey, RepositorySettings] = Field({}, description="The project's repositories by name.")


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
    path = base / settings.data.path.expanduser()
    return settings.model_copy(update={"data": DataSettings(path=path)})


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
        hint = f"did you mean {near[0]!a}?" if near else f"known here: {', '.join(known)}"
        return f"{_dotted(path)}: there is no such key; {hint}"
    if fault["type"] == "missing":
        return f"{_dotted(path)}: is missing; it must be given"
    found = ascii(path[-1]) if fault["loc"][-1] == "[key]" else _written(raw, path)
    return f"{_dotted(path)}: found {found}; it must be {_expected(fault)}"


_EXPECTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "model_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list",
    "path_type": "a path",
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
    return "a table" if isinstance(raw, Mapping) else ascii(raw)


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

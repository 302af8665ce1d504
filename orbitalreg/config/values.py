"""The forms of single values: durations, sizes, addresses, names; and how a key's path is written."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from orbitalreg.errors import InvalidName
from orbitalreg.model import parse_duration, parse_size, valid_name

T = TypeVar("T")


def checked(parse: Callable[[Any], T], expected: str) -> BeforeValidator:
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


def _origin(text: Any) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"https?://[^/?#\s@]+/?", text):
        raise ValueError(text)
    return text.rstrip("/")


def parse_network(text: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address, or a network as `10.0.0.0/8`. Raises `ValueError`, `TypeError`."""
    if not isinstance(text, str):  # a number would be taken for an address
        raise TypeError(text)
    return ipaddress.ip_network(text)


Size = Annotated[int, checked(parse_size, 'a size such as "512KiB", "100MiB" or "1GiB"')]
Duration = Annotated[int, checked(parse_duration, 'a duration such as "30s", "15m", "12h" or "7d"')]
Listen = Annotated[tuple[str, int], checked(parse_listen, '"HOST:PORT", for example "127.0.0.1:8080"')]
PublicUrl = Annotated[str, checked(_public_url, 'an address such as "https://orbitalreg.example.com"')]
OriginUrl = Annotated[str, checked(_origin, 'a scheme and a host such as "https://files.example.com"')]
Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    checked(parse_network, 'an address or network such as "127.0.0.1" or "10.0.0.0/8"'),
]
NameKey = Annotated[
    str, checked(lambda text: valid_name(text, "name"), "a name of a-z, 0-9, '.', '_' and '-', at most 64 long")
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


class Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True)


def dotted(path: Sequence[str]) -> str:
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else ascii(part) for part in path)

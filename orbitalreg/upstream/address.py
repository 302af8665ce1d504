"""Where something is: origins and URLs, in one spelling each. Nothing here touches the network."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Self
from urllib.parse import quote, urljoin, urlsplit

import idna

from orbitalreg.errors import InvalidName

PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_KEPT = "".join(map(chr, range(0x21, 0x7F))).translate({ord(sign): None for sign in '"<>\\^`{|}'})


@dataclass(frozen=True, slots=True)
class Origin:
    """A server: `http` or `https`, a host, a port. Two that reach the same server by the same name are equal.

    `host` is a name in lower case, as ASCII and without a dot at its end, or an address as `ipaddress` writes it,
    without brackets; an IPv6 address that stands for an IPv4 one is that one.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The origin of a URL; its path is not looked at. Raises `InvalidName`, which shows no credentials."""
        return cls(*_origin(text))

    @property
    def is_address(self) -> bool:
        """Whether the host is an address, rather than a name to look up."""
        return ":" in self.host or self.host.rpartition(".")[2].isdigit()

    @property
    def endpoint(self) -> str:
        """Host and port, always both."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """As the Host header has it: the port only where it is not the scheme's own."""
        return self.endpoint.removesuffix(f":{PORTS[self.scheme]}")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute URL without its fragment. `target` is the path with the query, percent-encoded ASCII."""

    origin: Origin
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `InvalidName`, which shows neither credentials nor the query."""
        origin = Origin.parse(text)
        parts = urlsplit(text)
        target = quote(parts.path or "/", safe=_KEPT)
        return cls(origin, f"{target}?{quote(parts.query, safe=_KEPT)}" if parts.query else target)

    def join(self, reference: str) -> "Url":
        """What `reference`, absolute or relative, means in a document at this URL. Raises `InvalidName`."""
        _printable(reference)
        try:
            return Url.parse(urljoin(str(self), reference))
        except ValueError as error:
            raise InvalidName("this is no address of a server") from error

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def _origin(text: str) -> tuple[str, str, int]:
    _printable(text)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InvalidName("this is no address of a server") from error
    if parts.scheme not in PORTS or not parts.netloc:
        raise InvalidName("this is no address of a server: write it as https://registry.example.com")
    if "@" in parts.netloc:
        raise InvalidName("leave the credentials out of the address: they have keys of their own")
    host, port = _split(parts.netloc)
    return parts.scheme, _address_v6(host[1:-1]) if host.startswith("[") else _host(host), port or PORTS[parts.scheme]


def _printable(text: str) -> None:
    """`urlsplit` drops tabs, line ends and outer blanks, and what is checked must be what is used."""
    if _UNPRINTABLE.search(text) or text != text.strip():
        raise InvalidName("an address of a server holds no blanks at its ends and no control characters")


def _split(netloc: str) -> tuple[str, int | None]:
    """Host (with its brackets) and port, None where none is written."""
    match = re.fullmatch(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]{0,5}))?", netloc)
    if match is None or (match[2] and not 0 < int(match[2]) < 65536):
        raise InvalidName("the address of a server has a host and a port between 1 and 65535")
    return match[1], int(match[2]) if match[2] else None


def _host(text: str) -> str:
    """A name or IPv4 address. Whatever ends in a number is an address, in whatever spelling a resolver would take."""
    name = _ascii(text).removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise InvalidName("the address names no host: a name has letters, digits, hyphens and dots")
    if not _NUMBER.fullmatch(labels[-1]):
        return name
    try:
        return str(IPv4Address(name))
    except AddressValueError as error:
        raise InvalidName("an IPv4 address is written as four decimal numbers, such as 192.0.2.1") from error


def _ascii(text: str) -> str:
    """The name in lower case and, by UTS 46 without transitional forms, in ASCII."""
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidName("the address names no host: its name cannot be written in ASCII") from error


def _address_v6(text: str) -> str:
    if "%" in text or not text.isascii():
        raise InvalidName("an address with a zone is no address of a server")
    try:
        address = IPv6Address(text)
    except AddressValueError as error:
        raise InvalidName("between the brackets stands no IPv6 address") from error
    return str(address.ipv4_mapped or address)

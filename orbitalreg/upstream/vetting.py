"""Which addresses may be spoken with. Names are looked up once a connection, and what was checked is what is used."""

import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue

from orbitalreg.upstream.address import Origin

Resolver = Callable[[str, int], Sequence[str]]
"""The addresses of a host, as text, for a port. Raises `OSError`; may block."""

Connector = Callable[[str, int, float], socket.socket]
"""A connected socket to an address and port, within so many seconds. Raises `OSError`."""

# Both lists are those of IANA's special-purpose registries, and not what `ipaddress` makes of them: that differs from
# one release of Python to the next.
_SPECIAL_4 = [
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
]
_GLOBAL_6 = ip_network("2000::/3")
# Protocol assignments with Teredo, benchmarking and ORCHID; documentation, twice; 6to4.
_SPECIAL_6 = [ip_network(block) for block in ("2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16")]
_NAT64 = ip_network("64:ff9b::/96")
_INSIDE = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "localdomain", "arpa")


def is_public(address: str) -> bool:
    """Whether this is a global unicast address, after the IPv4 address that it embeds, if it does.

    6to4 and Teredo never are; a NAT64 address is what its IPv4 address is, since networks without IPv4 make them of
    every answer. Text that is no address, or has a zone, is not public.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in block for block in _SPECIAL_4)
    return parsed.scope_id is None and _is_public_6(parsed)


def _is_public_6(address: IPv6Address) -> bool:
    if address.ipv4_mapped is not None:
        return is_public(str(address.ipv4_mapped))
    if address in _NAT64:
        return is_public(str(IPv4Address(int(address) & 0xFFFFFFFF)))
    return address in _GLOBAL_6 and not any(address in block for block in _SPECIAL_6)


def is_public_name(host: str) -> bool:
    """Whether a name that somebody else will look up may be outside: it has a dot, and no ending of inner networks."""
    return "." in host and host.rpartition(".")[2] not in _INSIDE


def system_addresses(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says, in its order, each address once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def system_socket(address: str, port: int, seconds: float) -> socket.socket:
    """A TCP connection without delay of small writes. `address` is never looked up."""
    version_6 = ":" in address
    made = socket.socket(socket.AF_INET6 if version_6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.settimeout(seconds)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.connect((address, port, 0, 0) if version_6 else (address, port))
    except BaseException:
        made.close()
        raise
    return made


class NotPublic(Exception):
    """An address that is neither public nor written in the configuration."""


def resolve(origin: Origin, trusted: bool, resolver: Resolver, seconds: float) -> Sequence[str]:
    """The addresses to connect to, at least one. One that is not public spoils them all, unless `trusted`.

    Raises `NotPublic`; `OSError` where there is no answer, and `TimeoutError` after `seconds`, although the resolver
    may go on in a thread of its own.
    """
    found = [origin.host] if origin.is_address else list(_within(seconds, lambda: resolver(origin.host, origin.port)))
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "no addresses")
    if not trusted and not all(map(is_public, found)):
        raise NotPublic
    return found


def _within(seconds: float, lookup: Callable[[], Sequence[str]]) -> Sequence[str]:
    """The system's lookups cannot be given a time limit, so they run beside."""
    results: SimpleQueue[Sequence[str] | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            results.put(lookup())
        except BaseException as error:  # whatever it is, it is raised in the caller's thread
            results.put(error)

    threading.Thread(target=run, name="lookup", daemon=True).start()
    try:
        result = results.get(timeout=max(seconds, 0))
    except Empty:
        raise TimeoutError("the name lookup took too long") from None
    if isinstance(result, BaseException):
        raise result
    return result

"""The built-in authenticator `proxy-headers`: users whom a reverse proxy signed in, and names in a header."""

import re
from collections.abc import Sequence
from typing import Any

from orbitalreg.config import Network, parse_network, within
from orbitalreg.errors import ConfigError, InvalidName, Unauthenticated
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Authenticator, Credentials, Surroundings
from orbitalreg.model import valid_name

DEFAULT_HEADER = "X-Forwarded-User"

_HEADER = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")


class ProxyHeaders(Authenticator):
    """Believes the header of whom the connection is from, and of nobody else; others may send what they like."""

    name = "proxy-headers"

    def __init__(self, surroundings: Surroundings) -> None:
        options = surroundings.options
        problems = [
            f"{key}: there is no such key; known here: from, header"
            for key in sorted(options.keys() - {"from", "header"})
        ]
        self._header = options.get("header", DEFAULT_HEADER)
        if not isinstance(self._header, str) or not _HEADER.fullmatch(self._header):
            problems.append(
                f"header: found {self._header!r}; it must be the name of a header, such as {DEFAULT_HEADER!r}"
            )
        self._proxies = _networks(options.get("from"), problems)
        if problems:
            raise ConfigError(problems)

    def authenticate(self, credentials: Credentials) -> str | None:
        told = credentials.headers.get(self._header.lower(), "").strip()
        if not told or not within(credentials.peer, self._proxies):
            return None
        try:
            return valid_name(told, "user name")
        except InvalidName as error:
            raise Unauthenticated(f"the proxy's header {self._header} names nobody: {error}") from error


def _networks(value: Any, problems: list[str]) -> Sequence[Network]:
    if not isinstance(value, list) or not value:
        problems.append('from: is missing; it must be a list of the proxies\' addresses, such as ["127.0.0.1"]')
        return ()
    found = []
    for number, text in enumerate(value):
        try:
            found.append(parse_network(text))
        except (ValueError, TypeError):
            problems.append(f'from.{number}: found {text!r}; it must be an address or network such as "127.0.0.1"')
    return found


@hookimpl
def authenticators() -> Sequence[type[Authenticator]]:
    return [ProxyHeaders]

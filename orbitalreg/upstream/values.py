"""What is asked, and what comes back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orbitalreg.errors import InvalidName
from orbitalreg.upstream.address import Origin, Url
from orbitalreg.upstream.pool import Way, basic
from orbitalreg.upstream.ranges import Span


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server as the configuration has it. Nothing that is secret shows in its text.

    Raises `InvalidName` for a `base` or `proxy` that is no address of a server or holds credentials, and for
    credentials that cannot be sent.
    """

    base: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    """A bearer token (RFC 6750), in place of `username` and `password`."""
    ca_bundle: Path | None = None
    """The authorities that count; without it those of `pool.authorities`."""
    proxy: str | None = None
    """An HTTP proxy, `http://host:port`. What the environment says of proxies is not looked at: a proxy looks names up
    where this process cannot check them, so that it has to be chosen."""
    proxy_username: str | None = None
    proxy_password: str | None = field(default=None, repr=False)
    hosts: frozenset[Origin] = frozenset()
    """Servers that this one may lead to, which the configuration names for it: they may stand anywhere, too."""
    connect_seconds: float = 10.0
    total_seconds: float = 60.0
    """For a whole fetch, redirects included, and for the head of a stream."""

    def __post_init__(self) -> None:
        Url.parse(self.base)
        if self.proxy is not None and Url.parse(self.proxy).origin.scheme != "http":
            raise InvalidName("a proxy is spoken with over http: write it as http://proxy.example.com:3128")
        if self.token is not None and (self.username is not None or self.password is not None):
            raise InvalidName("give a token, or a user name with a password")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token.strip()):
            raise InvalidName("the token is none that can be sent: copy it again")

    @property
    def url(self) -> Url:
        return Url.parse(self.base)

    @property
    def origin(self) -> Origin:
        return Origin.parse(self.base)

    @property
    def authorization(self) -> str | None:
        """The header's value, None where there are no credentials."""
        if self.token is not None:
            return f"Bearer {self.token}"
        if self.username is None and self.password is None:
            return None
        return basic(self.username or "", self.password or "")

    def way(self, origin: Origin, trusted: bool) -> Way:
        proxy = Origin.parse(self.proxy) if self.proxy is not None else None
        if proxy is None or self.proxy_username is None:
            return Way(origin, trusted, self.ca_bundle, proxy)
        return Way(origin, trusted, self.ca_bundle, proxy, basic(self.proxy_username, self.proxy_password or ""))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, whole. `status` is 200, 304, 404 or 410; there is a body with 200 alone."""

    status: int
    url: str
    """After redirects: what relative references in the body start from."""
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name, without cookies and what concerns the connection."""
    body: bytes = field(default=b"", repr=False)
    """Without content coding."""

    @property
    def etag(self) -> str | None:
        return self.headers.get("etag")

    @property
    def last_modified(self) -> str | None:
        return self.headers.get("last-modified")

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is yet to come; iterate once, inside the `with`, for pieces of at most 64 KiB.

    `status` is 200, 206, 304, 404, 410 or 416. With 200 the body is the whole file, whatever range was asked for.
    Iterating raises `UpstreamFailed` where the body stalls, is too slow, or ends before or after its announced end.
    """

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    span: Span
    _body: Iterator[bytes] = field(repr=False)

    @property
    def start(self) -> int:
        """Where in the file the first byte of the body belongs."""
        return self.span.start

    @property
    def end(self) -> int | None:
        """The first offset that the body does not reach, where it is known."""
        return self.span.end

    @property
    def length(self) -> int | None:
        """Of the whole file, where it is known."""
        return self.span.length

    @property
    def accepts_ranges(self) -> bool:
        return self.status == 206 or "bytes" in self.headers.get("accept-ranges", "").lower()

    @property
    def etag(self) -> str | None:
        return self.headers.get("etag")

    @property
    def last_modified(self) -> str | None:
        return self.headers.get("last-modified")

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    def __iter__(self) -> Iterator[bytes]:
        return self._body

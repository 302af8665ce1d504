"""What a plugin that knows callers implements: people by a password or a header, or jobs by another's signed token.

The host's own tokens are no plugin's business: it makes them, keeps them and knows whose they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

from orbitalreg.model import Grant, Microseconds


@dataclass(frozen=True, slots=True)
class Download:
    """How a download ended. `is_new` is False where the server says that what has the ETag that was shown still holds;
    then nothing was written."""

    is_new: bool
    size: int = 0
    etag: str | None = None


class HttpClient(Protocol):
    """Asks one server of the configuration, within limits on time, size and addresses."""

    def get(self, url: str, *, max_bytes: int, accept: str = "*/*", seconds: float = 10.0) -> bytes:
        """The decoded body at `url`. Raises `UpstreamFailed` for every answer but 200.

        `seconds` bounds the whole call: who asks twice for one caller gives the second what the first has left.

        What the server redirects to, or `url` where it is of another origin, must have public addresses.
        """

    def post(self, url: str, body: bytes, *, max_bytes: int, content_type: str = "application/json") -> bytes:
        """The decoded body of the answer to `body`. Raises `UpstreamFailed` for every answer but 200.

        No redirect is followed. It may be sent twice: what it asks for must do no harm then.
        """

    def download(
        self,
        url: str,
        into: BinaryIO,
        *,
        max_bytes: int,
        etag: str | None = None,
        told: Callable[[int, int | None], None] = lambda received, length: None,
    ) -> Download:
        """Write what is at `url` into a file as it arrives, in any time, as long as something comes.

        `etag` is that of an earlier download. `told` is called with the bytes so far and those in all, where the
        server tells these. Raises `UpstreamFailed` for every other answer than the file or that it is unchanged, for
        more than `max_bytes`, and for a body that is cut off; `OSError` of `into`.
        """


class Clients(Protocol):
    """Makes the clients of a plugin."""

    def __call__(self, server: str, ca_bundle: Path | None = None) -> HttpClient:
        """For `server`, an address that the configuration has, which may therefore stand anywhere.

        `ca_bundle` are the authorities that count; without it those of the system. Raises `ConfigError`.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the host hands to a class when it makes the one instance of a process.

    `options` is the plugin's table `[plugins.<name>]`, in which relative paths are relative to `base`. `folder` is the
    plugin's own, in the data folder: the plugin makes it where it needs it.
    """

    options: Mapping[str, Any]
    base: Path
    folder: Path
    clients: Clients


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of its caller.

    `user` and `secret` are those of Basic; Bearer has no `user`, and without an Authorization header there is no
    `secret` either. `headers` are the request's, by lower-case name. `peer` is the address of whom the connection is
    from, `address` that of the client, which differ behind a trusted proxy.
    """

    user: str | None
    secret: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    peer: str
    address: str


class Authenticator(ABC):
    """Knows users by something else than a token. Any thread may call it; never within a transaction."""

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, surroundings: Surroundings) -> None:
        """Raises `ConfigError`, each problem with the key's path below `plugins.<name>`. Changes nothing on disk."""

    @abstractmethod
    def authenticate(self, credentials: Credentials) -> str | None:
        """The name of the user who is calling; None where that is not for this authenticator to say.

        Raises `Unauthenticated` where it is, and the credentials are wrong: then nobody else is asked, and the failure
        counts against the caller's address and account.
        """


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a foreign token is good for here.

    `subject` is whom the token stands for, such as `acme/my-lib`: the account that the short-lived token belongs to is
    `<exchanger>:<subject>`. `replay_key` is what this very token has alone, and may be forgotten after `replay_until`.
    A second exchange of it is refused, unless it comes from the same `holder` (a job, for which such a token lasts);
    without a `holder` there is never a second. `origin` says where the token comes from, for people and the audit log.
    Its `summary`, where there is one, is a line for people: `acme/my-lib, job 123, commit abc, protected ref v1.2`.
    """

    subject: str
    grants: tuple[Grant, ...]
    replay_key: str
    replay_until: Microseconds
    holder: str | None = None
    origin: Mapping[str, str] = field(default_factory=dict)


class TokenExchanger(ABC):
    """Turns signed tokens of others into grants. Any thread may call it; never within a transaction.

    The host mints the short-lived token, keeps its hash, and sees to it that a foreign token is used once.
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, surroundings: Surroundings) -> None:
        """Raises `ConfigError`, each problem with the key's path below `plugins.<name>`. Asks no server yet."""

    @property
    @abstractmethod
    def audience(self) -> str:
        """For whom a token must be made to be taken here."""

    @abstractmethod
    def exchange(self, token: str) -> Exchange | None:
        """What `token` is good for; None where it is of an issuer that this exchanger does not know.

        Nothing in it is believed, and no server asked, before its issuer is found in the configuration.
        Raises `ExchangeRefused`, which says what is wrong and never shows the token.
        """

    @abstractmethod
    def grants(self, origin: Mapping[str, str]) -> tuple[Grant, ...]:
        """What a token that was exchanged with this `origin` may do by the configuration of now.

        Asked with each request that shows such a token, so that a rule that is gone is gone for it too.
        """

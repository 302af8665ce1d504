"""What is told of accounts, tokens and grants."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """A token without its secret. `successor` is the id of the token that a rotation put in its place."""

    id: str
    name: str
    account: str
    state: str
    grants: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    successor: str | None


@dataclass(frozen=True, slots=True)
class TokenSecret(TokenSummary):
    """A token just made; `token` is its text, told this once."""

    token: str


@dataclass(frozen=True, slots=True)
class GrantSummary:
    """A grant and whose it is: `user:NAME`, `service:NAME` or `group:NAME`.

    `sources` are where it stands: `catalog` (given by a command or here), `configuration` (taken back there alone).
    """

    principal: str
    grant: str
    sources: list[str]


@dataclass(frozen=True, slots=True)
class Granted:
    """What somebody has after a change in the project or projects that it was about, by groups too."""

    principal: str
    grants: list[str]


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """A user or service account. `added_at` is null where the configuration alone names it; `grants` are by groups too.

    `tokens` counts those that are not revoked.
    """

    name: str
    state: str
    groups: list[str]
    grants: list[str]
    tokens: int
    added_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. What counts is the lesser of `grants`, which the account has, and those of the token.

    `token` is null for a user who signed in by something else; `origin` is where a token that was had in exchange for
    another's comes from.
    """

    account: str
    groups: list[str]
    grants: list[str]
    token: TokenSummary | None
    origin: dict[str, str] | None

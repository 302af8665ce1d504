"""What is told of downloads."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class DayCount:
    """The downloads of one day, UTC."""

    day: date
    count: int


@dataclass(frozen=True, slots=True)
class Downloads:
    """How often something was fetched: ever, and on each of the last days on which it was."""

    total: int
    days: list[DayCount]


@dataclass(frozen=True, slots=True)
class TokenDownloads:
    """What one token fetched of one file. `token` and `token_name` are null for those who had none.

    `recalled` is why the upstream took the file back, where it did; it is told of although the file is gone.
    """

    repository: str
    package: str
    version: str
    filename: str
    file_id: str
    sha256: str
    recalled: str | None
    recalled_at: datetime | None
    token: str | None
    token_name: str | None
    account: str
    count: int
    first_day: date
    last_day: date

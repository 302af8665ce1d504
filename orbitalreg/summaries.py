"""What is told of a registry's things, in one shape each, by the command line, the API and the client alike.

The API's document is made from these types: a field's name is part of the contract. Times are aware and UTC.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Generic, TypeVar

from orbitalreg.model import Kind, Microseconds, StatusName

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(instant: Microseconds) -> datetime:
    """An instant of the model, exactly."""
    return EPOCH + timedelta(microseconds=instant)


def at_or_none(instant: Microseconds | None) -> datetime | None:
    return None if instant is None else at(instant)


def microseconds(moment: datetime) -> Microseconds:
    """The instant that `at` made a time of, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `next` is the cursor of the part that follows, or null at the end."""

    items: list[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """A project."""

    name: str


@dataclass(frozen=True, slots=True)
class RepositorySummary:
    """A repository as it is configured now."""

    project: str
    name: str
    format: str
    kind: Kind
    anonymous_read: bool


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """A package. `newest` is its greatest version in its format's order, yanked or not; `reason` is of the status."""

    name: str
    status: StatusName
    reason: str | None
    newest: str | None
    version_count: int
    file_count: int


@dataclass(frozen=True, slots=True)
class PackageDetail(PackageSummary):
    """A package with its versions, in its format's order, the oldest first."""

    versions: list[str]


@dataclass(frozen=True, slots=True)
class StatusSummary:
    """The part of its life in which a package is."""

    package: str
    status: StatusName
    reason: str | None


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """A version. `published_at` and `size` are of its first file and of all; `yanked` is null unless all are yanked.

    The reason of a yank may be empty.
    """

    version: str
    published_at: datetime
    file_count: int
    size: int
    yanked: str | None


@dataclass(frozen=True, slots=True)
class FileSummary:
    """A file. `downloads` are all ever counted; `published_by` is null for a caller who is not signed in."""

    id: str
    filename: str
    version: str
    size: int
    sha256: str
    published_at: datetime
    published_by: str | None
    downloads: int
    yanked: str | None
    requirements: list[str]


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
class Change:
    """The files of a version that were yanked, un-yanked or deleted."""

    package: str
    version: str
    filenames: list[str]


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

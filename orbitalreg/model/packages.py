"""Packages, their files and the repositories that hold them."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from orbitalreg.errors import InvalidName

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")

Microseconds = int


def now() -> Microseconds:
    """The present instant."""
    return time.time_ns() // 1000


def valid_name(text: str, what: str) -> str:
    """`text` if it may name a project, a repository or an account.

    Raises `InvalidName`, which calls it `what`.
    """
    if not _NAME.fullmatch(text):
        raise InvalidName(
            f"{text!r} is no {what}: use 1 to 64 of a-z, 0-9, '.', '_' and '-', with a letter or digit at both ends"
        )
    return text


class Kind(StrEnum):
    """Where a repository's files come from: uploads, an upstream, other repositories."""

    LOCAL = "local"
    REMOTE = "remote"
    VIRTUAL = "virtual"


class StatusName(StrEnum):
    """The parts of a package's life."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"
    DEPRECATED = "deprecated"


@dataclass(frozen=True, slots=True)
class Status:
    """A package's status and the reason its maintainers gave."""

    name: StatusName = StatusName.ACTIVE
    reason: str | None = None

    @property
    def takes_uploads(self) -> bool:
        return self.name not in (StatusName.ARCHIVED, StatusName.QUARANTINED)

    @property
    def offers_files(self) -> bool:
        return self.name is not StatusName.QUARANTINED


@dataclass(frozen=True, slots=True)
class Address:
    """A repository's place: `acme/internal`."""

    project: str
    repository: str

    def __post_init__(self) -> None:
        valid_name(self.project, "project name")
        valid_name(self.repository, "repository name")

    def __str__(self) -> str:
        return f"{self.project}/{self.repository}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """`PROJECT/REPO`. Raises `InvalidName`."""
        project, slash, repository = text.partition("/")
        if not slash:
            raise InvalidName(f"{text!r} is no repository: write PROJECT/REPO, for example acme/internal")
        return cls(project, repository)


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as it is configured now. `id` is the catalog's and outlives renamings of settings."""

    id: str
    address: Address
    format: str
    kind: Kind
    anonymous_read: bool = False
    reuse_deleted_filenames: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file that a repository offers.

    `package` and `version` are in the adapter's normal form; `version` is empty for a file of an upstream whose name
    tells none. `size` and `sha256` are None where an upstream tells them not, until the file was fetched once.
    `attributes` is what the adapter needs to render a listing (JSON); `requirements` are its dependencies as the file
    states them; `documents` maps the kind of each document that is offered beside the file to its SHA-256, or to an
    empty text where that is not known yet. `yanked` is None, or the reason, which may be empty. `holder` is the id of
    the local or remote repository that holds it.
    """

    id: str
    package: str
    version: str
    filename: str
    size: int | None
    sha256: str | None
    uploaded_at: Microseconds
    attributes: Mapping[str, Any] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    documents: Mapping[str, str] = field(default_factory=dict)
    yanked: str | None = None
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Withholding:
    """Why a file is held back, and until when; `until` None means until somebody changes something.

    `by` is the repository whose rule or state it is (`acme/public`); empty for the one that the file lies in.
    """

    reason: str
    until: Microseconds | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What one repository shows of one package, now. Two listings of one `revision` are equal.

    `withheld` are files that are there and not shown, by filename. `valid_until` is when time alone changes it.
    `stale` is the fault of an upstream that could not be asked: what is shown is the last that was known, or is without
    that upstream where its absence is tolerated.
    """

    package: str
    files: tuple[File, ...]
    revision: str
    status: Status = Status()
    withheld: Mapping[str, Withholding] = field(default_factory=dict)
    valid_until: Microseconds | None = None
    stale: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as an upstream tells of it. What it does not tell is None; `version` is empty where none can be read.

    `url` is absolute. `documents` maps the kind of each document that the upstream offers beside the file to its
    SHA-256, or to an empty text where it does not tell that. `attributes` is as in `File`.
    """

    filename: str
    version: str
    url: str
    size: int | None = None
    sha256: str | None = None
    uploaded_at: Microseconds | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    yanked: str | None = None


@dataclass(frozen=True, slots=True)
class RemotePage:
    """What an upstream tells of one package."""

    files: tuple[RemoteFile, ...]
    status: Status = Status()


@dataclass(frozen=True, slots=True)
class Coordinates:
    """What a filename says of itself, in normal form."""

    package: str
    version: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an adapter read from an upload. It crosses a process boundary: plain values only.

    `documents` maps a kind to bytes that are to be kept beside the file and served on their own.
    """

    package: str
    version: str
    attributes: dict[str, Any] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    documents: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Locked:
    """One version that a lock file pins, in normal form.

    `sha256` are the digests of the files that may be taken; where there are none, any file of the version may. `place`
    says where it stands: `line 3`.
    """

    package: str
    version: str
    sha256: frozenset[str] = frozenset()
    place: str = ""


@dataclass(frozen=True, slots=True)
class Publication:
    """The outcome of a publish; `created` is False where the same bytes were there already."""

    file: File
    created: bool

"""The nouns of a registry: frozen values that validate themselves and know no storage and no wire.

Times are integer microseconds since 1970-01-01 UTC; sizes are bytes; digests are lower-case hexadecimal.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from fnmatch import fnmatchcase
from typing import Any, Self

from orbitalreg.errors import InvalidName

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,128}")

Microseconds = int

NOBODY = "anonymous"
"""Who calls without credentials. No account is called so: theirs begin with what they are, `user:`."""


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


class Right(IntEnum):
    """What somebody may do; each right holds those before it."""

    READ = 1
    PUBLISH = 2
    MAINTAIN = 3
    ADMIN = 4

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The right that `text` names. Raises `InvalidName`."""
        try:
            return cls[text.upper()]
        except KeyError:
            raise InvalidName(f"{text!r} is no right: use read, publish, maintain or admin") from None


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
class Publication:
    """The outcome of a publish; `created` is False where the same bytes were there already."""

    file: File
    created: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """A right on a project, on one repository of it, or on the packages in it that match a pattern."""

    project: str
    repository: str | None
    pattern: str | None
    right: Right

    def __post_init__(self) -> None:
        valid_name(self.project, "project name")
        if self.repository is not None:
            valid_name(self.repository, "repository name")
        if self.pattern is not None and (self.repository is None or not _PATTERN.fullmatch(self.pattern)):
            raise InvalidName(f"{self.pattern!r} is no package pattern: use a name, '*' and '?', after PROJECT/REPO/")

    def __str__(self) -> str:
        return "/".join(part for part in (self.project, self.repository, self.pattern) if part) + f":{self.right}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """`PROJECT[/REPO[/PATTERN]]:RIGHT`. Raises `InvalidName`."""
        target, colon, right = text.rpartition(":")
        if not colon or target.count("/") > 2:
            raise InvalidName(f"{text!r} is no grant: write PROJECT[/REPO[/PATTERN]]:RIGHT, e.g. acme/internal:publish")
        project, repository, pattern = (*target.split("/"), None, None)[:3]
        return cls(project or "", repository, pattern, Right.parse(right))

    def covers(self, address: Address, package: str | None) -> bool:
        """Whether this speaks of `package` there; None asks for the repository as a whole."""
        if self.project != address.project or self.repository not in (None, address.repository):
            return False
        return self.pattern is None or (package is not None and fnmatchcase(package, self.pattern))

    def touches(self, address: Address) -> bool:
        """Whether this speaks of anything in that repository."""
        return self.project == address.project and self.repository in (None, address.repository)

    def within(self, other: "Grant") -> bool:
        """Whether `other` alone gives all that this gives. A no may be too careful, a yes is never wrong."""
        return (
            self.project == other.project
            and self.right <= other.right
            and other.repository in (None, self.repository)
            and (other.pattern is None or (self.pattern is not None and _is_narrower(self.pattern, other.pattern)))
        )


def _is_narrower(pattern: str, other: str) -> bool:
    """Whether every name that `pattern` matches is matched by `other`; its wildcards are read as plain characters.

    That holds unless a `?` of `other` took a `*`, which stands for more than one character or for none.
    """
    return pattern == other or (not ("*" in pattern and "?" in other) and fnmatchcase(pattern, other))


def best(grants: Sequence[Grant], address: Address, package: str | None) -> int:
    """The highest right that `grants` give there; 0 for none."""
    return max((grant.right for grant in grants if grant.covers(address, package)), default=0)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling: an account, most often by way of one of its tokens, the operator at the machine, or nobody.

    `owner` are the account's grants and `token` those of the token used; the lesser of the two counts, so that a
    right taken from the account is gone from its tokens. A user who is known by something else than a token has no
    `token_id`, and both are the user's. `origin` is where a token that was exchanged comes from.
    """

    name: str
    token_id: str | None = None
    owner: tuple[Grant, ...] = ()
    token: tuple[Grant, ...] = ()
    is_operator: bool = False
    origin: Mapping[str, str] | None = None
    _levels: dict[tuple[Address, str | None], int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was asked before: a token's grants are looked through once for each package, not with each request."""

    @property
    def is_anonymous(self) -> bool:
        return self.name == NOBODY

    @property
    def is_admin_somewhere(self) -> bool:
        """Whether `admin` is held on any project as a whole."""
        return self.is_operator or any(
            grant.right is Right.ADMIN and grant.repository is None and self.may_throughout(Right.ADMIN, grant.project)
            for grant in self.token
        )

    def may(self, right: Right, address: Address, package: str | None = None) -> bool:
        """Whether `right` is held on `package` there, or on the whole repository."""
        if self.is_operator:
            return True
        level = self._levels.get((address, package))
        if level is None:
            level = min(best(self.owner, address, package), best(self.token, address, package))
            if len(self._levels) >= REMEMBERED_LEVELS:
                self._levels.clear()
            self._levels[address, package] = level
        return level >= right

    def may_somewhere(self, right: Right, address: Address) -> bool:
        """Whether `right` may be held on some package there, so that a finer question is worth asking."""
        if self.is_operator:
            return True
        return all(
            any(grant.right >= right and grant.touches(address) for grant in grants)
            for grants in (self.owner, self.token)
        )

    def may_throughout(self, right: Right, project: str) -> bool:
        """Whether `right` is held on the project as a whole, repositories to come included."""
        if self.is_operator:
            return True
        return all(
            any(grant.right >= right and (grant.project, grant.repository) == (project, None) for grant in grants)
            for grants in (self.owner, self.token)
        )


REMEMBERED_LEVELS = 256
"""Of how many packages one identity remembers what may be done to them."""

ANONYMOUS = Identity(NOBODY)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whom the audit log names for a change, and from where it came. `origin` is as in `Identity`."""

    name: str
    token_id: str | None = None
    address: str | None = None
    request_id: str | None = None
    origin: Mapping[str, str] | None = None

"""What is told of a change that was made."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Change:
    """The files of a version that were yanked, un-yanked or deleted."""

    package: str
    version: str
    filenames: list[str]


@dataclass(frozen=True, slots=True)
class Opening:
    """A version that somebody opened over what the repository's rules by time withhold, and until when."""

    repository: str
    package: str
    version: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """A name that a local repository does not hold any more."""

    repository: str
    package: str

"""What is told of projects, repositories, packages, versions and files."""

from dataclasses import dataclass
from datetime import datetime

from orbitalreg.model import Kind, StatusName
from orbitalreg.summaries.findings import ReportSummary


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
    """A package. `newest` is its greatest version in its format's order, yanked or not; `reason` is of the status.

    What is withheld is neither counted nor named.
    """

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

    The reason of a yank may be empty, and `size` null where an upstream does not tell it. `file_count` are the files
    offered and `withheld_count` those that are not: a version of which all are withheld offers nothing.
    """

    version: str
    published_at: datetime
    file_count: int
    size: int | None
    yanked: str | None
    withheld_count: int


@dataclass(frozen=True, slots=True)
class WithheldSummary:
    """A file that is there and not shown: whose rule or state that is, why, and when it opens (null: not by time)."""

    filename: str
    by: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class FileSummary:
    """A file. `downloads` are all ever counted, through whichever repository.

    `published_by` is null for a caller who is not signed in, and where it came from an upstream; so is
    `published_from`, which says where the token came from that it was published with, where that was had in exchange
    for another's: which project, job and commit, for example. `repository` is the
    one that holds it. `size` and `sha256` are null where an upstream does not tell them, until it was fetched once.
    Where `withheld` is not null, the file is not offered. `reports` are those of scanners, by their names.
    """

    id: str
    filename: str
    version: str
    size: int | None
    sha256: str | None
    published_at: datetime
    published_by: str | None
    published_from: dict[str, str] | None
    downloads: int
    yanked: str | None
    requirements: list[str]
    repository: str
    withheld: WithheldSummary | None
    reports: list[ReportSummary]

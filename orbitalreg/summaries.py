"""What is told of a registry's things, in one shape each, by the command line, the API and the client alike.

The API's document is made from these types: a field's name is part of the contract. Times are aware and UTC.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, Literal, TypeVar, cast

from orbitalreg.model import Kind, Microseconds, ReportStatus, Severity, StatusName

T = TypeVar("T")

SeverityName = Literal["unknown", "negligible", "low", "medium", "high", "critical", "malicious"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(instant: Microseconds) -> datetime:
    """An instant of the model, exactly."""
    return EPOCH + timedelta(microseconds=instant)


def at_or_none(instant: Microseconds | None) -> datetime | None:
    return None if instant is None else at(instant)


def microseconds(moment: datetime) -> Microseconds:
    """The instant that `at` made a time of, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def end_of(day: date) -> Microseconds:
    """The instant at which the day is over, UTC."""
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1))


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


def severity_name(severity: Severity) -> SeverityName:
    return cast(SeverityName, str(severity))


@dataclass(frozen=True, slots=True)
class DatabaseSummary:
    """What a scanner knew vulnerabilities by. `built_at` is null where that is not known."""

    version: str
    digest: str
    built_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """What one scanner said last of a file, in short. Only the silence of a report that is `ok` proves something.

    `reason` says why, where the status is another. `by_name` where the file was not here: it was judged by its name and
    version. `database` is null for a scanner that has none.
    """

    scanner: str
    scanner_version: str
    status: ReportStatus
    reason: str | None
    database: DatabaseSummary | None
    scanned_at: datetime
    by_name: bool
    finding_count: int


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


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """One thing that one scanner found in one package: the file's own, or one that is bundled in it at `location`.

    `id` is the scanner's own, `aliases` other ids of the same vulnerability. `cvss` is a vector; `fixed_in` the
    smallest version that is mended, `published_at` when the vulnerability became known, each null where not told.
    """

    id: str
    aliases: list[str]
    package: str
    version: str
    purl: str
    location: str
    is_bundled: bool
    severity: SeverityName
    cvss: str | None
    fixed_in: str | None
    title: str
    links: list[str]
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReportDetail(ReportSummary):
    """A report with what it found. `packages_seen` are the package URLs that the scanner recognised.

    `has_raw` says whether the tool's own output is kept.
    """

    packages_seen: list[str]
    findings: list[ReportedFinding]
    has_raw: bool


@dataclass(frozen=True, slots=True)
class FileReports:
    """What each scanner said last of a file. `sboms` are the formats of which there is a bill of materials."""

    filename: str
    version: str
    sha256: str | None
    reports: list[ReportDetail]
    sboms: list[str]


@dataclass(frozen=True, slots=True)
class BundledSummary:
    """A package that is bundled in files of another; `location` is the path of its metadata in them."""

    package: str
    version: str
    purl: str
    location: str


@dataclass(frozen=True, slots=True)
class FindingSummary:
    """One vulnerability in the files of a version, whatever ids scanners have for it.

    `id` is the best known of `ids`: CVE, else GHSA, else PYSEC; of what is malicious, the record that says so.
    `severity` is the highest that a scanner gave, `by` has each scanner's own. `fixed_in` is a version that each
    scanner which names one takes for mended. `files` are those that it was found in. `bundled` is the package that
    has it, where it is not the version itself but something in its files.
    """

    id: str
    ids: list[str]
    severity: SeverityName
    by: dict[str, SeverityName]
    fixed_in: str | None
    title: str
    links: list[str]
    published_at: datetime | None
    files: list[str]
    bundled: BundledSummary | None


@dataclass(frozen=True, slots=True)
class NotScanned:
    """A file of which no scanner can say that nothing is known. `reports` say why: they failed, or there are none."""

    filename: str
    reports: list[ReportSummary]


@dataclass(frozen=True, slots=True)
class VersionFindings:
    """What is known of the files of one version, the worst first: it is told of versions without a finding too.

    Each of `file_count` files counts once: in `scanned_count`, in `outdated_count` (looked at by databases that are too
    old alone, whose silence proves nothing), or in `not_scanned`. `version` is empty for files whose name tells none.
    """

    package: str
    version: str
    purl: str
    file_count: int
    scanned_count: int
    outdated_count: int
    not_scanned: list[NotScanned]
    findings: list[FindingSummary]


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


@dataclass(frozen=True, slots=True)
class Change:
    """The files of a version that were yanked, un-yanked or deleted."""

    package: str
    version: str
    filenames: list[str]


@dataclass(frozen=True, slots=True)
class HiddenVersion:
    """A member that has a version too, and what hides its files."""

    repository: str
    reason: str


@dataclass(frozen=True, slots=True)
class VerdictSummary:
    """One thing that a policy says of a file.

    `action` is `block`, `warn`, or `except` for what an exception of the policy opens. `rule` is the key of the policy
    that is broken, and null for an exception, as are the vulnerability's id, severity and fixed version where it is
    about none.
    """

    filename: str
    policy: str
    action: str
    rule: str | None
    reason: str
    vulnerability: str | None
    severity: str | None
    fixed_in: str | None


@dataclass(frozen=True, slots=True)
class TriedFile:
    """What policies would say of a file of a build; `verdict` is `pass`, `warn`, `block` or `missing`.

    `filename` is null where the repository has none of the version. `place` says where the lock file pins it. `policy`,
    `rule` and `reason` are of what it breaks first.
    """

    package: str
    version: str
    filename: str | None
    place: str
    verdict: str
    policy: str | None
    rule: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class VersionExplanation:
    """Where a version comes from. `version` is empty for files whose name tells none.

    `provided_by` is the repository that holds its files, or null where all who have it are hidden; `files` are those
    shown. A version is not offered where there are none. `verdicts` are what policies say of its files, the strictest
    first; `remedy` is why it is let through although it is younger than `min_age`.
    """

    version: str
    provided_by: str | None
    files: list[str]
    withheld: list[WithheldSummary]
    hidden: list[HiddenVersion]
    verdicts: list[VerdictSummary]
    remedy: str | None


@dataclass(frozen=True, slots=True)
class MemberAnswer:
    """What a local or remote repository said of the package: `has it`, `has none`, `failed` or `not asked`.

    `detail` is the failure, also where it has what was known before it; or why it was not asked.
    """

    repository: str
    answer: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a package looks as it does in one repository.

    `guarded` is why local members alone serve the name, `failure` why there is no page at all; both null mostly.
    `versions` are in their format's order, the oldest first.
    """

    repository: str
    package: str
    status: StatusName | None
    guarded: str | None
    failure: str | None
    members: list[MemberAnswer]
    versions: list[VersionExplanation]


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


@dataclass(frozen=True, slots=True)
class TokenSecret(TokenSummary):
    """A token just made; `token` is its text, told this once."""

    token: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody changed, or was refused (`outcome` is `done` or `refused`, `reason` why it was refused).

    `actor` is an account, `local:` and a user of the server's machine, `anonymous`, or `several` where an entry sums up
    what was refused in a short time. `token` is the id of the token used, `address` where the request came from,
    `request` its line in the server's log, and `origin` where an exchanged token comes from. `project` is the one that
    it is about, where that is one. `number` and `link_hash` are of its link in the chain; null until it is linked, a
    second or so later.
    """

    id: str
    at: datetime
    action: str
    target: str
    project: str | None
    outcome: str
    reason: str | None
    actor: str
    token: str | None
    address: str | None
    request: str | None
    origin: dict[str, str] | None
    detail: dict[str, Any]
    number: int | None
    link_hash: str | None


@dataclass(frozen=True, slots=True)
class InstallStep:
    """One step from what was asked for: a requirement in the words of whoever states it, and what is taken for it."""

    stated: str
    package: str
    version: str
    extras: list[str]


@dataclass(frozen=True, slots=True)
class InstalledVersion:
    """A version that an installer would take, and what is known of its files.

    `path` is the shortest from what was asked for; `asked_by` has every package that asks for it, and is empty where it
    was just asked for. `requirements_known` is false where what it needs can be read only when it is built.
    `warnings` are what policies say of the file, which they let through.
    """

    package: str
    version: str
    extras: list[str]
    filename: str
    path: list[InstallStep]
    asked_by: list[str]
    requirements_known: bool
    warnings: list[str]
    found: VersionFindings


@dataclass(frozen=True, slots=True)
class ChangedVersion:
    """`before` is null for what comes in, `after` for what is not needed any more.

    `widens` are the wishes that do not allow it, in their own words.
    """

    package: str
    before: str | None
    after: str | None
    widens: list[str]


@dataclass(frozen=True, slots=True)
class LeftFinding:
    """What no change of versions clears, and why."""

    id: str
    severity: SeverityName
    package: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class UpgradeSet:
    """The fewest packages to be changed so that what is installed has the fewest findings.

    `changes` are those packages, and `follows` what an installer would take differently then by itself. `is_smallest`
    is false where it was not ruled out that fewer do.
    """

    changes: list[ChangedVersion]
    follows: list[ChangedVersion]
    left: list[LeftFinding]
    is_smallest: bool


@dataclass(frozen=True, slots=True)
class NotInstalled:
    """A requirement that was not looked into. `by` is the package that states it, null where it was asked for."""

    stated: str
    by: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class InstallAudit:
    """What would be installed in one environment; `upgrades` is null where nothing is found."""

    repository: str
    environment: str
    packages: list[InstalledVersion]
    not_installed: list[NotInstalled]
    upgrades: UpgradeSet | None

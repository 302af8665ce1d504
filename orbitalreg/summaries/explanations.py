"""What is told of why a package looks as it does: where its files come from, and what policies say of them."""

from dataclasses import dataclass

from orbitalreg.model import StatusName
from orbitalreg.summaries.packages import WithheldSummary


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
class HiddenVersion:
    """A member that has a version too, and what hides its files."""

    repository: str
    reason: str


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

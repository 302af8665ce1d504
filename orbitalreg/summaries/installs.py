"""What is told of an install before anybody makes it: versions, findings, and what would clear them."""

from dataclasses import dataclass

from orbitalreg.summaries.findings import HopSummary, SeverityName, VersionFindings


@dataclass(frozen=True, slots=True)
class InstalledVersion:
    """A version that an installer would take, and what is known of its files.

    `path` is the shortest from what was asked for, which is its first hop; `asked_by` has every package that asks for
    it, and is empty where it was just asked for. `requirements_known` is false where what it needs can be read only
    when it is built.
    `warnings` are what policies say of the file, which they let through.
    """

    package: str
    version: str
    extras: list[str]
    filename: str
    path: list[HopSummary]
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

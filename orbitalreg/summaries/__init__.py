"""What is told of a registry's things, in one shape each, by the command line, the API and the client alike.

The API's document is made from these types: a field's name is part of the contract. Times are aware and UTC.
"""

from orbitalreg.summaries.audit import AuditEntry
from orbitalreg.summaries.changes import Change, Opening, Release
from orbitalreg.summaries.downloads import DayCount, Downloads, TokenDownloads
from orbitalreg.summaries.explanations import (
    Explanation,
    HiddenVersion,
    MemberAnswer,
    TriedFile,
    VerdictSummary,
    VersionExplanation,
)
from orbitalreg.summaries.findings import (
    BundledSummary,
    DatabaseSummary,
    ExposureSummary,
    FileReports,
    FindingSummary,
    HopSummary,
    NotScanned,
    ReportDetail,
    ReportedFinding,
    ReportSummary,
    SeverityName,
    UpgradeSummary,
    VersionFindings,
    severity_name,
)
from orbitalreg.summaries.graphs import Affected, Dependent, GraphEdge, GraphNode, VersionGraph
from orbitalreg.summaries.installs import (
    ChangedVersion,
    InstallAudit,
    InstalledVersion,
    LeftFinding,
    NotInstalled,
    UpgradeSet,
)
from orbitalreg.summaries.lists import Page
from orbitalreg.summaries.packages import (
    FileSummary,
    PackageDetail,
    PackageSummary,
    ProjectSummary,
    RepositorySummary,
    StatusSummary,
    VersionSummary,
    WithheldSummary,
)
from orbitalreg.summaries.people import AccountSummary, Caller, Granted, GrantSummary, TokenSecret, TokenSummary

__all__ = [
    "AccountSummary",
    "Affected",
    "AuditEntry",
    "BundledSummary",
    "Caller",
    "Change",
    "ChangedVersion",
    "DatabaseSummary",
    "DayCount",
    "Dependent",
    "Downloads",
    "Explanation",
    "ExposureSummary",
    "FileReports",
    "FileSummary",
    "FindingSummary",
    "GrantSummary",
    "Granted",
    "GraphEdge",
    "GraphNode",
    "HiddenVersion",
    "HopSummary",
    "InstallAudit",
    "InstalledVersion",
    "LeftFinding",
    "MemberAnswer",
    "NotInstalled",
    "NotScanned",
    "Opening",
    "PackageDetail",
    "PackageSummary",
    "Page",
    "ProjectSummary",
    "Release",
    "ReportDetail",
    "ReportSummary",
    "ReportedFinding",
    "RepositorySummary",
    "SeverityName",
    "StatusSummary",
    "TokenDownloads",
    "TokenSecret",
    "TokenSummary",
    "TriedFile",
    "UpgradeSet",
    "UpgradeSummary",
    "VerdictSummary",
    "VersionExplanation",
    "VersionFindings",
    "VersionGraph",
    "VersionSummary",
    "WithheldSummary",
    "severity_name",
]

"""The API: every route on one screen. What each takes, gives and asks for is stated at its handler."""

from orbitalreg.assembly import Registry
from orbitalreg.web.api.audit import Audit
from orbitalreg.web.api.dependencies import AffectedDownloads, PackageDependents, RepositoryAffected, VersionGraphItem
from orbitalreg.web.api.document import PATH, Document
from orbitalreg.web.api.downloads import DownloadsByToken, PackageDownloads
from orbitalreg.web.api.exporting import Exporter
from orbitalreg.web.api.files import FileItem, Files
from orbitalreg.web.api.findings import PackageFindings, RepositoryFindings, VersionFindingsItem
from orbitalreg.web.api.grants import Me, ProjectGrantList
from orbitalreg.web.api.packages import (
    PackageExceptions,
    PackageExplanation,
    PackageItem,
    PackageReservation,
    Packages,
    PackageStatus,
)
from orbitalreg.web.api.projects import ProjectItem, Projects
from orbitalreg.web.api.reports import RawReport, Reports, Sbom
from orbitalreg.web.api.repositories import Repositories, RepositoryItem
from orbitalreg.web.api.resource import ApiResource
from orbitalreg.web.api.tokens import ProjectTokenItem, ProjectTokenList, TokenItem, TokenRotation, Tokens
from orbitalreg.web.api.versions import VersionItem, Versions, VersionYank

_PROJECT = "/api/v1/projects/{project}"
_REPOSITORY = f"{_PROJECT}/repositories/{{repository}}"
_PACKAGE = f"{_REPOSITORY}/packages/{{package}}"
_VERSION = f"{_PACKAGE}/versions/{{version}}"
_FILE = f"{_VERSION}/files/{{filename}}"
_TOKEN = "/api/v1/tokens/{token}"  # an address


def routes(registry: Registry) -> list[tuple[str, ApiResource]]:
    """Every template with its resource, and the document that describes them."""
    exporter = Exporter(registry.desk)
    listed: list[tuple[str, ApiResource]] = [
        ("/api/v1/projects", Projects(registry)),
        (_PROJECT, ProjectItem(registry)),
        (f"{_PROJECT}/audit", Audit(registry)),
        (f"{_PROJECT}/grants", ProjectGrantList(registry)),
        (f"{_PROJECT}/tokens", ProjectTokenList(registry)),
        (f"{_PROJECT}/tokens/{{token}}", ProjectTokenItem(registry)),
        (f"{_PROJECT}/repositories", Repositories(registry)),
        (_REPOSITORY, RepositoryItem(registry)),
        (f"{_REPOSITORY}/affected", RepositoryAffected(registry)),
        (f"{_REPOSITORY}/affected/downloads", AffectedDownloads(registry)),
        (f"{_REPOSITORY}/findings", RepositoryFindings(registry, exporter)),
        (f"{_REPOSITORY}/packages", Packages(registry)),
        (_PACKAGE, PackageItem(registry)),
        (f"{_PACKAGE}/status", PackageStatus(registry)),
        (f"{_PACKAGE}/dependents", PackageDependents(registry)),
        (f"{_PACKAGE}/downloads", PackageDownloads(registry)),
        (f"{_PACKAGE}/downloads/tokens", DownloadsByToken(registry)),
        (f"{_PACKAGE}/exceptions", PackageExceptions(registry)),
        (f"{_PACKAGE}/explanation", PackageExplanation(registry)),
        (f"{_PACKAGE}/files", Files(registry)),
        (f"{_PACKAGE}/findings", PackageFindings(registry, exporter)),
        (f"{_PACKAGE}/reservation", PackageReservation(registry)),
        (f"{_PACKAGE}/versions", Versions(registry)),
        (_VERSION, VersionItem(registry)),
        (f"{_VERSION}/yank", VersionYank(registry)),
        (f"{_VERSION}/downloads", PackageDownloads(registry)),
        (f"{_VERSION}/files", Files(registry)),
        (f"{_VERSION}/graph", VersionGraphItem(registry)),
        (f"{_VERSION}/findings", VersionFindingsItem(registry, exporter)),
        (_FILE, FileItem(registry)),
        (f"{_FILE}/downloads", PackageDownloads(registry)),
        (f"{_FILE}/reports", Reports(registry)),
        (f"{_FILE}/reports/{{scanner}}/raw", RawReport(registry)),
        (f"{_FILE}/sbom", Sbom(registry)),
        ("/api/v1/me", Me(registry)),
        ("/api/v1/tokens", Tokens(registry)),
        (_TOKEN, TokenItem(registry)),
        (f"{_TOKEN}/rotate", TokenRotation(registry)),
    ]
    listed.append((PATH, Document(registry, listed)))
    return listed

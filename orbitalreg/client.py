"""A client of the API, for scripts and programs as much as for this project's own command line.

    with Client.from_environment("https://registry.example.com") as client:
        for package in client.packages(Address("acme", "internal")):
            print(package.name, package.newest)

What comes back are dataclasses of `orbitalreg.summaries`; what is refused raises the classes of `orbitalreg.errors`.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast
from urllib.parse import quote, urlsplit

import requests
from pydantic import TypeAdapter, ValidationError
from requests.auth import AuthBase

from orbitalreg import errors
from orbitalreg.model import Address, Grant, Status
from orbitalreg.summaries import (
    Affected,
    AuditEntry,
    Caller,
    Change,
    Dependent,
    Downloads,
    Explanation,
    FileReports,
    FileSummary,
    Granted,
    GrantSummary,
    Opening,
    PackageDetail,
    PackageSummary,
    Page,
    ProjectSummary,
    Release,
    RepositorySummary,
    SeverityName,
    StatusSummary,
    TokenDownloads,
    TokenSecret,
    TokenSummary,
    VersionFindings,
    VersionGraph,
    VersionSummary,
)

T = TypeVar("T")

TOKEN_VARIABLE = "ORBITALREG_TOKEN"
CA_VARIABLE = "SSL_CERT_FILE"
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
PART = 1000
FINDINGS_PART = 50
_TOKEN = re.compile(r"orb[a-z]+_([0-9A-Za-z]{8})[0-9A-Za-z]{38}")

BY_STATUS: Mapping[int, type[errors.OrbitalError]] = {
    400: errors.InvalidName,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Misplaced,
    410: errors.Gone,
    411: errors.Malformed,
    413: errors.TooLarge,
    415: errors.Malformed,
    422: errors.Malformed,
    429: errors.TooManyFailures,
    500: errors.StorageFailed,
    502: errors.UpstreamFailed,
    503: errors.Busy,
    507: errors.NoSpace,
}


class Client:
    """One server. Certificates are checked by `REQUESTS_CA_BUNDLE`, else `SSL_CERT_FILE`, else the usual authorities.

    Every method raises the `OrbitalError` that the server's answer stands for (`BY_STATUS`), and `Unreachable` where
    there is no answer, or none that can be understood. Not to be shared by threads.
    """

    def __init__(
        self, url: str, token: str | None = None, timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS)
    ) -> None:
        """`url` is the server's own address; `timeout` are seconds to connect and between bytes.

        Without a token only what anybody may read can be read. Raises `InvalidName` for what is no such address.
        """
        self._root = f"{_checked(url)}/api/v1"
        self._timeout = timeout
        shape = _TOKEN.fullmatch(token or "")
        self.token_id = shape[1] if shape else None
        """The public id of the token in use."""
        self._session = requests.Session()
        self._session.auth = _Bearer(token) if token else _nobody
        self._session.headers.update({"Accept": "application/json, application/problem+json"})
        self._session.verify = os.environ.get(CA_VARIABLE) or True

    @classmethod
    def from_environment(cls, url: str) -> Self:
        """With the token in $ORBITALREG_TOKEN. Raises `Unauthenticated` where there is none, and `InvalidName`."""
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token:
            raise errors.Unauthenticated(f"{TOKEN_VARIABLE} is not set: put a token for {url} into it")
        if not (token.isascii() and token.isprintable()):
            raise errors.Unauthenticated(f"{TOKEN_VARIABLE} holds no token: copy it again")
        return cls(url, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    # Projects and repositories.

    def projects(self) -> Iterator[ProjectSummary]:
        return self._list(ProjectSummary, "projects")

    def project(self, project: str) -> ProjectSummary:
        return self._get(ProjectSummary, "projects", project)

    def repositories(self, project: str) -> Iterator[RepositorySummary]:
        return self._list(RepositorySummary, "projects", project, "repositories")

    def repository(self, address: Address) -> RepositorySummary:
        return self._get(RepositorySummary, *_at(address))

    # What is in a repository. Names and versions may be spelt as the format allows.

    def packages(self, address: Address) -> Iterator[PackageSummary]:
        """By name."""
        return self._list(PackageSummary, *_at(address, None))

    def package(self, address: Address, package: str) -> PackageDetail:
        return self._get(PackageDetail, *_at(address, package))

    def versions(self, address: Address, package: str) -> Iterator[VersionSummary]:
        """In the order in which they appeared."""
        return self._list(VersionSummary, *_at(address, package), "versions")

    def version(self, address: Address, package: str, version: str) -> VersionSummary:
        return self._get(VersionSummary, *_at(address, package, version))

    def files(self, address: Address, package: str, version: str | None = None) -> Iterator[FileSummary]:
        """Of a package or of one version, in the order in which they were published."""
        return self._list(FileSummary, *_at(address, package, version), "files")

    def file(self, address: Address, package: str, version: str, filename: str) -> FileSummary:
        return self._get(FileSummary, *_at(address, package, version, filename))

    def downloads(
        self,
        address: Address,
        package: str,
        version: str | None = None,
        filename: str | None = None,
        days: int = 30,
    ) -> Downloads:
        """Of a package, a version, or a file of that version; by day for the last `days`."""
        path = _at(address, package, version, filename)
        return self._ask(Downloads, "GET", *path, "downloads", query={"days": days})

    def downloads_by_token(
        self, address: Address, package: str, version: str | None = None
    ) -> Iterator[TokenDownloads]:
        """Who fetched what, by file: of what is there, and of what an upstream took back."""
        path = [*_at(address, package), "downloads", "tokens"]
        return self._list(TokenDownloads, *path, query={} if version is None else {"version": version})

    def explanation(self, address: Address, package: str) -> Explanation:
        """Why the package looks as it does there."""
        return self._get(Explanation, *_at(address, package), "explanation")

    # What scanners said.

    def findings(
        self,
        address: Address,
        package: str | None = None,
        version: str | None = None,
        severity: SeverityName = "unknown",
        exposures: bool = True,
    ) -> Iterator[VersionFindings]:
        """Of a repository, a package or one version, version by version; also of those without a finding.

        What is below `severity` is left out, and without `exposures` what comes with dependencies.
        """
        query = {"severity": severity, "exposures": "true" if exposures else "false"}
        if package is not None and version is not None:
            path = [*_at(address, package, version), "findings"]
            yield self._ask(VersionFindings, "GET", *path, query=query)
            return
        path = [*_at(address), "findings"] if package is None else [*_at(address, package), "findings"]
        yield from self._list(VersionFindings, *path, query={**query, "limit": FINDINGS_PART})

    def findings_document(
        self,
        address: Address,
        package: str | None = None,
        version: str | None = None,
        severity: SeverityName = "unknown",
        kind: Literal["sarif", "vex"] = "sarif",
        exposures: bool = True,
    ) -> bytes:
        """The same as one document for other programs: SARIF 2.1.0, or VEX of CycloneDX 1.6."""
        path = [*_at(address), "findings"] if package is None else [*_at(address, package, version), "findings"]
        return self._bytes(
            *path, query={"severity": severity, "format": kind, "exposures": "true" if exposures else "false"}
        )

    # What comes with what.

    def graph(
        self, address: Address, package: str, version: str, environment: str | None = None, depth: int | None = None
    ) -> VersionGraph:
        """What the version brings along; in one environment alone, where one is given, and so many steps far."""
        query = {"environment": environment, "depth": depth}
        return self._ask(VersionGraph, "GET", *_at(address, package, version), "graph", query=_given(query))

    def drawing(
        self, address: Address, package: str, version: str, kind: Literal["svg", "dot"] = "svg", **chosen: Any
    ) -> bytes:
        """The same as a picture, or for Graphviz; `chosen` are the API's parameters, such as depth=3."""
        return self._bytes(*_at(address, package, version), "graph", query={"format": kind, **chosen})

    def dependents(
        self, address: Address, package: str, version: str | None = None, transitive: bool = False
    ) -> Iterator[Dependent]:
        """Who asks for the package, or gets that version of it; transitively also by others."""
        query = {"version": version, "transitive": "true" if transitive else None}
        return self._list(Dependent, *_at(address, package), "dependents", query=_given(query))

    def affected(self, address: Address, vulnerability: str) -> Iterator[Affected]:
        """Whom a vulnerability hits in a repository."""
        return self._list(Affected, *_at(address), "affected", query={"vulnerability": vulnerability})

    def affected_downloads(self, address: Address, vulnerability: str, days: int) -> Iterator[TokenDownloads]:
        """Who fetched files of what it hits, in the last so many days."""
        query = {"vulnerability": vulnerability, "days": days}
        return self._list(TokenDownloads, *_at(address), "affected", "downloads", query=query)

    def reports(self, address: Address, package: str, version: str, filename: str) -> FileReports:
        """What each scanner said last of a file."""
        return self._get(FileReports, *_at(address, package, version, filename), "reports")

    def raw_report(self, address: Address, package: str, version: str, filename: str, scanner: str) -> bytes:
        """What the scanner's tool put out."""
        return self._bytes(*_at(address, package, version, filename), "reports", scanner, "raw")

    def sbom(self, address: Address, package: str, version: str, filename: str, kind: str = "cyclonedx") -> bytes:
        """The file's bill of materials, in the format `cyclonedx` or `spdx`."""
        return self._bytes(*_at(address, package, version, filename), "sbom", query={"format": kind})

    # Who changed what.

    def audit(self, project: str, **chosen: str) -> Iterator[AuditEntry]:
        """The audit log of a project, oldest first; `chosen` are the API's parameters, such as action="file.*"."""
        return self._list(AuditEntry, "projects", project, "audit", query=chosen)

    # Changes.

    def allow(self, address: Address, package: str, version: str, seconds: int, reason: str) -> Opening:
        """Open one version for that long, over what the repository's rules by time withhold."""
        body = {"version": version, "expires_in": seconds, "reason": reason}
        return self._ask(Opening, "POST", *_at(address, package), "exceptions", body=body)

    def release_name(self, address: Address, package: str) -> Release:
        """Let go of a name that a local repository held and has no file of."""
        return self._ask(Release, "DELETE", *_at(address, package), "reservation")

    def yank(self, address: Address, package: str, version: str, reason: str = "") -> Change:
        path = _at(address, package, version)
        return self._ask(Change, "POST", *path, "yank", body={"reason": reason})

    def unyank(self, address: Address, package: str, version: str) -> Change:
        return self._ask(Change, "DELETE", *_at(address, package, version), "yank")

    def delete(self, address: Address, package: str, version: str, filename: str | None = None) -> Change:
        """A version, or one file of it."""
        return self._ask(Change, "DELETE", *_at(address, package, version, filename))

    def set_status(self, address: Address, package: str, status: Status) -> StatusSummary:
        body = {"status": str(status.name), "reason": status.reason}
        return self._ask(StatusSummary, "PUT", *_at(address, package), "status", body=body)

    # Who has what. A project's grants are for those who have `admin` on the whole of it.

    def me(self) -> Caller:
        """Who is calling, with the token in use."""
        return self._get(Caller, "me")

    def grants(self, project: str, principal: str | None = None) -> Iterator[GrantSummary]:
        """By principal and grant; of one principal, with the groups that a user is in."""
        query = {} if principal is None else {"principal": principal}
        return self._list(GrantSummary, "projects", project, "grants", query=query)

    def add_grants(self, project: str, principal: str, grants: Sequence[Grant]) -> Granted:
        """All of them in that project. What the principal has already stays."""
        body = {"principal": principal, "grants": [str(grant) for grant in grants]}
        return self._ask(Granted, "POST", "projects", project, "grants", body=body)

    def remove_grant(self, project: str, principal: str, grant: Grant) -> Granted:
        """Taken back from every token too."""
        query = {"principal": principal, "grant": str(grant)}
        return self._ask(Granted, "DELETE", "projects", project, "grants", query=query)

    # The tokens of the account whose token is used.

    def tokens(self) -> Iterator[TokenSummary]:
        """Oldest first."""
        return self._list(TokenSummary, "tokens")

    def token(self, token_id: str) -> TokenSummary:
        return self._get(TokenSummary, "tokens", token_id)

    def create_token(self, name: str, grants: Sequence[Grant], seconds: int | None = None) -> TokenSecret:
        """Good for `seconds`, or as long as the token in use; it never has more than that one."""
        body: dict[str, Any] = {"name": name, "grants": [str(grant) for grant in grants]}
        return self._ask(
            TokenSecret, "POST", "tokens", body=body if seconds is None else {**body, "expires_in": seconds}
        )

    def rotate_token(self, token_id: str, overlap: int | None = None) -> TokenSecret:
        """The new token; the old one stays good for `overlap` seconds, a day unless given."""
        body = {} if overlap is None else {"overlap": overlap}
        return self._ask(TokenSecret, "POST", "tokens", token_id, "rotate", body=body)

    def revoke_token(self, token_id: str) -> TokenSummary:
        return self._ask(TokenSummary, "DELETE", "tokens", token_id)

    # The wire.

    def _get(self, kind: type[T], *path: str) -> T:
        return self._ask(kind, "GET", *path)

    def _list(self, kind: type[T], *path: str, query: Mapping[str, Any] | None = None) -> Iterator[T]:
        cursor: str | None = None
        while True:
            asked = {"limit": PART, **(query or {}), **({} if cursor is None else {"cursor": cursor})}
            part = cast(Page[T], self._ask(Page[kind], "GET", *path, query=asked))  # type: ignore[valid-type]
            yield from part.items
            if part.next is None:
                return
            if part.next == cursor:
                raise errors.Unreachable("the server's list does not end")
            cursor = part.next

    def _ask(
        self, kind: type[T], method: str, *path: str, query: Mapping[str, Any] | None = None, body: Any = None
    ) -> T:
        response = self._request(method, *path, query=query, body=body)
        try:
            return cast(T, _adapter(cast(Any, kind)).validate_json(response.content))
        except ValidationError as error:
            raise errors.Unreachable(f"{self._root} answered what is none of this API's answers") from error

    def _bytes(self, *path: str, query: Mapping[str, Any] | None = None) -> bytes:
        return self._request("GET", *path, query=query, accept="*/*").content

    def _request(
        self,
        method: str,
        *path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        accept: str | None = None,
    ) -> requests.Response:
        """A good answer, whatever is in it."""
        headers = {} if accept is None else {"Accept": accept}
        url = "/".join([self._root, *map(_segment, path)])
        try:
            response = self._session.request(
                method, url, params=query, json=body, headers=headers, timeout=self._timeout, allow_redirects=False
            )
        except (requests.RequestException, OSError) as error:
            raise errors.Unreachable(f"{self._root} cannot be reached: {_cause(error)}") from error
        if not response.ok or response.is_redirect:
            raise _refusal(response)
        return response


class _Bearer(AuthBase):
    """RFC 6750. Credentials of a .netrc file are not looked for where this is set."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _checked(url: str) -> str:
    """The address without a slash at its end. Raises `InvalidName`, which does not repeat what may hold a secret."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise errors.InvalidName("this is no address of a server: write it as https://registry.example.com")
    if "@" in parts.netloc:
        raise errors.InvalidName(f"leave the credentials out of the address, and put the token into {TOKEN_VARIABLE}")
    return url.rstrip("/")


def _at(address: Address, *rest: str | None) -> list[str]:
    """The path of a repository, or of a package, version or file in it; what is None is not gone into."""
    path = ["projects", address.project, "repositories", address.repository]
    for noun, name in zip(("packages", "versions", "files"), rest, strict=False):
        if name is None:
            return [*path, noun] if noun == "packages" else path
        path += [noun, name]
    return path


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in query.items() if value is not None}


def _segment(text: str) -> str:
    """`text` as one segment of a path. Raises `InvalidName` for what would lead elsewhere."""
    if text in ("", ".", "..") or "/" in text:
        raise errors.InvalidName(f"{text!r} is no name")
    return quote(text, safe="")


def _refusal(response: requests.Response) -> errors.OrbitalError:
    """What the answer stands for, with the server's own words, which are one line."""
    kind = BY_STATUS.get(response.status_code, errors.Unreachable)
    try:
        said = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return errors.Unreachable(f"the server answered {response.status_code} {response.reason}, and no API's answer")
    return kind(" ".join(str(said).split()))


def _cause(error: Exception) -> str:
    """The innermost reason, in short: the library's own texts name objects in memory."""
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted; set REQUESTS_CA_BUNDLE to the authority's file"
    reason: BaseException = error
    while (deeper := reason.__cause__ or reason.__context__) is not None:
        reason = deeper
    return reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)

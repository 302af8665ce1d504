"""The adapter: the host's questions, answered for Python packages."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import falcon
from packaging.version import Version

from orbitalreg.interfaces import (
    DetailPage,
    FileReply,
    FormatAdapter,
    NamesPage,
    PackagePage,
    Proposal,
    Publisher,
    Route,
    TextReply,
    Upstreams,
)
from orbitalreg.model import (
    Component,
    Coordinates,
    File,
    Inspection,
    Kind,
    Listing,
    Locked,
    Requirement,
    Right,
    Staged,
)
from orbitalreg_pypi import (
    bundles,
    choices,
    dependencies,
    environments,
    filenames,
    inspection,
    json_api,
    licenses,
    locks,
    negotiation,
    pages,
    staging,
    uploads,
)
from orbitalreg_pypi.upstream import SimpleUpstreams

SIMPLE_ROOT = "../../"
PRECHECK_ROOT = "../../../"


class PyPIFormat(FormatAdapter):
    """Python packages: the simple repository API out, the legacy upload API in."""

    name = "pypi"

    def normalize(self, package: str) -> str:
        return filenames.normalize(package)

    def normalize_version(self, version: str) -> str:
        return filenames.normalize_version(version)

    def version_key(self, version: str) -> Version:
        return Version(version)

    def parse_filename(self, filename: str) -> Coordinates:
        parsed = filenames.parse_filename(filename)
        return Coordinates(parsed.package, parsed.version)

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        return inspection.inspect(path, filename, claims)

    def component(self, package: str, version: str) -> Component:
        return bundles.component(package, version)

    def stage(self, path: Path, filename: str, deep: bool) -> Staged:
        return staging.stage(path, filename, deep)

    def license(self, file: File, document: Callable[[str], bytes]) -> str | None:
        kind = pages.METADATA if pages.METADATA in file.documents else inspection.PKG_INFO
        return licenses.stated(document(kind))

    def read_lock(self, filename: str, body: bytes) -> Sequence[Locked]:
        return locks.read_lock(filename, body)

    def environments(self) -> Sequence[str]:
        return [environments.DEFAULT]

    def environment(self, text: str) -> str:
        return environments.normal(text)

    def stated_requirements(self, file: File, document: Callable[[str], bytes]) -> Sequence[str]:
        return dependencies.stated(file, document)

    def requirements(
        self, stated: Sequence[str], environment: str, extras: Collection[str] = ()
    ) -> Sequence[Requirement]:
        return dependencies.counting(stated, environment, extras)

    def offers(self, listing: Listing, environment: str) -> Sequence[File]:
        return choices.offers(listing, environment)

    def candidates(self, requirement: Requirement, offers: Sequence[File]) -> Sequence[File]:
        return choices.candidates(requirement, offers)

    def common_candidates(self, requirements: Sequence[Requirement], offers: Sequence[File]) -> Sequence[File]:
        joined = choices.joined(requirements)
        if joined is None:
            return super().common_candidates(requirements, offers)
        return choices.candidates(joined, offers)

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/simple/", Right.READ, self.names),
            Route("GET", "/simple/{package}/", Right.READ, self.page),
            Route("GET", "/files/{package}/{filename}", Right.READ, self.file),
            Route("GET", "/pypi/{package}/json", Right.READ, self.json),
            Route("POST", "/legacy/", Right.PUBLISH, self.upload),
            Route("POST", "/legacy", Right.PUBLISH, self.upload),
            Route("GET", "/legacy/+simple/{package}/", Right.READ, self.precheck),
        ]

    def names(self, request: falcon.Request) -> NamesPage:
        content_type = _chosen(request)
        render = pages.names_json if content_type == negotiation.JSON else pages.names_html
        return NamesPage(content_type, _header(content_type), render)

    def page(self, request: falcon.Request) -> PackagePage:
        return _package_page(request, _chosen(request), SIMPLE_ROOT)

    def precheck(self, request: falcon.Request) -> PackagePage:
        """Where hatch looks before it uploads; it reads HTML alone."""
        return _package_page(request, negotiation.LEGACY_HTML, PRECHECK_ROOT)

    def file(self, request: falcon.Request, filename: str) -> FileReply:
        if filename.endswith(pages.METADATA_SUFFIX):
            return FileReply(filename.removesuffix(pages.METADATA_SUFFIX), pages.METADATA)
        if filename.endswith(pages.PROVENANCE_SUFFIX):
            return FileReply(filename.removesuffix(pages.PROVENANCE_SUFFIX), pages.PROVENANCE, pages.PROVENANCE_TYPE)
        return FileReply(filename)

    def json(self, request: falcon.Request) -> DetailPage:
        """The older JSON page, which tools that look for newer versions read."""
        return DetailPage("json", json_api.CONTENT_TYPE, json_api.package)

    def upload(self, request: falcon.Request, publisher: Publisher) -> TextReply:
        return uploads.upload(request, publisher)

    def proposals(self) -> Sequence[Proposal]:
        return [
            Proposal("internal", Kind.LOCAL, "the packages that this team publishes"),
            Proposal("pypi-remote", Kind.REMOTE, "the public index, cached", {"upstream": "pypi"}),
            Proposal(
                "all-libs",
                Kind.VIRTUAL,
                "both at one address: what the team publishes hides public packages of the same name",
                {"members": ["internal", "pypi-remote"]},
            ),
        ]

    def upstreams(self) -> Upstreams:
        return SimpleUpstreams()

    def usage(self, base: str, takes_uploads: bool) -> Sequence[tuple[str, str]]:
        scheme, _, rest = base.partition("://")
        publish = (
            "Publish with twine",
            f"twine upload --repository-url {base}/legacy/ \\\n"
            "    --username __token__ --password $ORBITALREG_TOKEN dist/*",
        )
        install = (
            "Install with pip",
            f"pip install --index-url {scheme}://__token__:$ORBITALREG_TOKEN@{rest}/simple/ my-pkg",
        )
        return [publish, install] if takes_uploads else [install]


def _package_page(request: falcon.Request, content_type: str, root: str) -> PackagePage:
    render = pages.package_json if content_type == negotiation.JSON else pages.package_html
    return PackagePage(f"{content_type} {root}", _header(content_type), render(root, request.context.get("base")))


def _chosen(request: falcon.Request) -> str:
    override = request.get_param("format") if request.query_string else None
    return negotiation.choose(request.env.get("HTTP_ACCEPT"), override)


def _header(content_type: str) -> str:
    return "text/html; charset=utf-8" if content_type == negotiation.LEGACY_HTML else content_type

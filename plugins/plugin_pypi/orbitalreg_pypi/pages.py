"""Listings as pages of the simple repository API, version 1.4 (PEP 503, 592, 629, 658, 691, 700, 714, 792).

Addresses are relative, so that neither the host name nor a proxy in front matters: `root` is the way from the page
to the repository. That of a provenance is to be a whole one (PEP 740), and is one where `base`, the URL of the
repository, is known.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from packaging.version import Version

from orbitalreg.model import File, Listing, Microseconds, StatusName

API_VERSION = "1.4"
METADATA = "metadata"
METADATA_SUFFIX = ".metadata"
PROVENANCE = "provenance"
PROVENANCE_SUFFIX = ".provenance"
PROVENANCE_TYPE = "application/vnd.pypi.integrity.v1+json"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_HTML = Markup("""<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="{version}">
{metas}<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
{anchors}</body>
</html>
""")
_META = Markup('<meta name="{name}" content="{content}">\n')
_ANCHOR = Markup('<a href="{href}"{attributes}>{text}</a><br>\n')
_ATTRIBUTE = Markup(' {name}="{value}"')


def names_json(names: Sequence[str]) -> bytes:
    """The root list."""
    return _dump({"meta": {"api-version": API_VERSION}, "projects": [{"name": name} for name in names]})


def names_html(names: Sequence[str]) -> bytes:
    """The root list."""
    anchors = Markup("").join(_ANCHOR.format(href=f"{name}/", attributes="", text=name) for name in names)
    return _HTML.format(version=API_VERSION, metas="", title="Simple index", anchors=anchors).encode()


def package_json(root: str, base: str | None = None) -> Callable[[Listing], bytes]:
    """The renderer of a package page."""

    def render(listing: Listing) -> bytes:
        files = in_order(listing)
        return _dump(
            {
                "meta": {"api-version": API_VERSION},
                "name": listing.package,
                "project-status": _without_none(status=str(listing.status.name), reason=listing.status.reason),
                "versions": list(dict.fromkeys(file.version for file in files if file.version)),
                "files": [_file_json(file, root, base) for file in files],
            }
        )

    return render


def _file_json(file: File, root: str, base: str | None) -> dict[str, Any]:
    core_metadata = {"sha256": digest} if (digest := file.documents.get(METADATA)) else METADATA in file.documents
    return {
        "filename": file.filename,
        "url": file_url(file, root),
        "hashes": _without_none(sha256=file.sha256),
        **({} if file.size is None else {"size": file.size}),
        "upload-time": upload_time(file.uploaded_at),
        "requires-python": file.attributes.get("requires_python"),
        "yanked": False if file.yanked is None else file.yanked or True,
        "core-metadata": core_metadata,
        "dist-info-metadata": core_metadata,
        "data-dist-info-metadata": core_metadata,
        "gpg-sig": False,
        "provenance": _provenance_url(file, root, base),
    }


def package_html(root: str, base: str | None = None) -> Callable[[Listing], bytes]:
    """The renderer of a package page."""

    def render(listing: Listing) -> bytes:
        anchors = Markup("").join(_anchor(file, root, base) for file in in_order(listing))
        title = f"Links for {listing.package}"
        return _HTML.format(version=API_VERSION, metas=_status_metas(listing), title=title, anchors=anchors).encode()

    return render


def _status_metas(listing: Listing) -> Markup:
    if listing.status.name is StatusName.ACTIVE and listing.status.reason is None:
        return Markup("")
    metas = _META.format(name="pypi:project-status", content=listing.status.name)
    if listing.status.reason is not None:
        metas += _META.format(name="pypi:project-status-reason", content=listing.status.reason)
    return metas


def _anchor(file: File, root: str, base: str | None) -> Markup:
    attributes: dict[str, str] = {}
    if requires_python := file.attributes.get("requires_python"):
        attributes["data-requires-python"] = requires_python
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    if METADATA in file.documents:
        digest = file.documents[METADATA]
        told = f"sha256={digest}" if digest else "true"
        attributes |= {"data-core-metadata": told, "data-dist-info-metadata": told}
    if provenance := _provenance_url(file, root, base):
        attributes["data-provenance"] = provenance
    return _ANCHOR.format(
        href=file_url(file, root) + ("" if file.sha256 is None else f"#sha256={file.sha256}"),
        attributes=Markup("").join(_ATTRIBUTE.format(name=name, value=value) for name, value in attributes.items()),
        text=file.filename,
    )


def in_order(listing: Listing) -> list[File]:
    """Oldest version first, as pip's own tools list them, files without one last; by filename within a version."""
    keys = {version: (not version, Version(version or "0")) for version in {file.version for file in listing.files}}
    return sorted(listing.files, key=lambda file: (keys[file.version], file.filename))


def file_url(file: File, root: str) -> str:
    """Where a file lies, seen from a page; `.metadata` is added to it. No query, so that clients may append."""
    return f"{root}files/{file.package}/{quote(file.filename)}"


def _provenance_url(file: File, root: str, base: str | None) -> str | None:
    if PROVENANCE not in file.documents:
        return None
    return file_url(file, root if base is None else f"{base}/") + PROVENANCE_SUFFIX


def upload_time(at: Microseconds) -> str:
    """ISO 8601 with six digits and `Z` (PEP 700)."""
    return (_EPOCH + timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _without_none(**values: str | None) -> dict[str, str]:
    return {key: value for key, value in values.items() if value is not None}


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

"""The older JSON page of a package: what its newest version says of itself, and every file with its times.

Not part of any standard; its shape is that of PyPI's own, without what is not known here:
other digests than SHA-256, download counts, known vulnerabilities. Renovate and Dependabot read it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from packaging.metadata import parse_email
from packaging.version import Version

from orbitalreg.errors import NotFound, UploadRefused
from orbitalreg.model import File, Listing
from orbitalreg_pypi import metadata, pages
from orbitalreg_pypi.inspection import PKG_INFO

CONTENT_TYPE = "application/json"
MAX_HEADER = 1 << 20  # characters that are parsed again, in the server: of a longer header only the file is told
MAX_DESCRIPTION = 1 << 20  # characters of the description that are shown

Document = Callable[[File, str], bytes]


def package(listing: Listing, base: str, document: Document) -> bytes:
    """The page, without files whose name tells no version. Raises `NotFound` for a package that offers no other."""
    files = [file for file in pages.in_order(listing) if file.version]
    newest = newest_version(files)
    if newest is None:
        raise NotFound(f"{listing.package} offers no file of a version")
    latest = [file for file in files if file.version == newest]
    releases: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        releases.setdefault(file.version, []).append(_file(file, base))
    page = {"info": _info(latest, base, document), "releases": releases, "urls": releases[newest]}
    return json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode()


def newest_version(files: Sequence[File]) -> str | None:
    """The greatest version, by choice one that is not yanked, and then one that is no pre-release."""
    offered = {file.version for file in files if file.yanked is None}

    def rank(version: str) -> tuple[bool, bool, Version]:
        parsed = Version(version)
        return version in offered, not parsed.is_prerelease, parsed

    return max({file.version for file in files}, key=rank, default=None)


def _file(file: File, base: str) -> dict[str, Any]:
    is_wheel = file.attributes.get("filetype") == "bdist_wheel"
    published = pages.upload_time(file.uploaded_at)
    return {
        "filename": file.filename,
        "url": pages.file_url(file, f"{base}/"),
        "digests": {} if file.sha256 is None else {"sha256": file.sha256},
        "size": file.size,
        "packagetype": file.attributes.get("filetype"),
        "python_version": _python_tag(file.filename) if is_wheel else "source",
        "requires_python": file.attributes.get("requires_python"),
        "upload_time": published.partition(".")[0],
        "upload_time_iso_8601": published,
        "yanked": file.yanked is not None,
        "yanked_reason": file.yanked or None,
        "comment_text": "",
        "has_sig": False,
    }


def _python_tag(filename: str) -> str:
    """`py2.py3`, `cp313`: the tags as the filename has them."""
    return filename.removesuffix(".whl").split("-")[-3]


def _info(latest: Sequence[File], base: str, document: Document) -> dict[str, Any]:
    """What the newest version says of itself; of its files, a wheel speaks first."""
    speaker = min(latest, key=lambda file: pages.METADATA not in file.documents)
    said, description = _metadata(speaker, document)
    place = f"{base}/pypi/{speaker.package}/json"
    reasons = [file.yanked for file in latest]
    return {
        "name": said.get("name") or speaker.package,
        "version": speaker.version,
        "summary": said.get("summary"),
        "description": description,
        "description_content_type": said.get("description_content_type"),
        "keywords": ",".join(said.get("keywords", ())),
        "author": said.get("author"),
        "author_email": said.get("author_email"),
        "maintainer": said.get("maintainer"),
        "maintainer_email": said.get("maintainer_email"),
        "license": said.get("license"),
        "license_expression": said.get("license_expression"),
        "license_files": said.get("license_files"),
        "classifiers": said.get("classifiers", []),
        "requires_dist": list(speaker.requirements) or said.get("requires_dist"),
        "requires_python": speaker.attributes.get("requires_python"),
        "provides_extra": said.get("provides_extra"),
        "home_page": said.get("home_page"),
        "download_url": said.get("download_url"),
        "project_urls": said.get("project_urls"),
        "package_url": place,
        "project_url": place,
        "release_url": place,
        "yanked": None not in reasons,
        "yanked_reason": next((reason for reason in reasons if reason), None) if None not in reasons else None,
    }


def _metadata(file: File, document: Document) -> tuple[Mapping[str, Any], str]:
    """The fields of the file's metadata and its description; nothing where it is gone or too large."""
    try:
        header, body = metadata.parts(document(file, pages.METADATA if pages.METADATA in file.documents else PKG_INFO))
        if len(header) > MAX_HEADER:
            return {}, ""
        said, _ = parse_email(header)
    except (NotFound, UploadRefused):
        return {}, ""
    except (MemoryError, OSError):
        raise
    except Exception:  # foreign code on hostile text: the files are told without it
        return {}, ""
    return said, (said.get("description") or body)[:MAX_DESCRIPTION]

"""What others tell of a file, in either form of a page, and what becomes of it here.

Whoever tells it may mean harm. A file of which something is told that cannot be understood is left out, rather than
offered with less than was told: without its digest, or for interpreters on which it does not run.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from orbitalreg.errors import UpstreamFailed
from orbitalreg.interfaces import Answer
from orbitalreg.model import Microseconds, RemoteFile, RemotePage, Status, StatusName
from orbitalreg_pypi import pages
from orbitalreg_pypi.filenames import ForeignNames, quoted

PROVENANCE_URL = "provenance_url"
"""The attribute of a file of an upstream that says where that keeps the provenance (PEP 740)."""

MAX_FILES = 200_000
MAX_NAMES = 5_000_000
MAX_URL = 8_192  # characters
MAX_TEXT = 4_096  # characters of a reason, or of a Requires-Python
MAX_SIZE = 1 << 62

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_999_999  # of the year 9999
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_VERSION = re.compile(r"([0-9]{1,9})\.[0-9]{1,9}")
# What no text has, what HTML cannot carry, and the end of a line that HTML would change into another.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class Odd(ValueError):
    """Something that is told of one file cannot be understood."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a page tells of one file; None is what it does not. `core_metadata` is as in `RemoteFile.documents`."""

    filename: str
    url: str
    size: int | None = None
    sha256: str | None = None
    uploaded_at: Microseconds | None = None
    requires_python: str | None = None
    core_metadata: str | None = None
    yanked: str | None = None
    provenance: str | None = None


def unusable(answer: Answer, fault: str) -> UpstreamFailed:
    """The error that says what is wrong with an answer; of its address neither query nor fragment are shown."""
    place = re.split(r"[?#]", answer.url)[0]
    public = f"the upstream's answer cannot be used: {fault}"
    return UpstreamFailed(f"the answer of {quoted(place, 200)[1:-1]} cannot be used: {fault}", public=public)


def check_version(answer: Answer, version: object) -> None:
    """Raises `UpstreamFailed` unless `version` (PEP 629), None where it is not told, is one that is understood."""
    match = None if version is None else _VERSION.fullmatch(version if isinstance(version, str) else "")
    if version is not None and match is None:
        raise unusable(answer, "its api-version is none")
    if match and int(match[1]) != 1:
        raise unusable(answer, f"it is of version {match[0]} of the simple API, and 1.x is understood")


def page(package: str, base: str, told: Iterable[Told], status: Status) -> RemotePage:
    """Those files that are of `package`, the first of each name. `base` is the address that theirs are relative to."""
    names = ForeignNames(package)
    found: dict[str, RemoteFile] = {}
    for one in told:
        if one.filename not in found and (file := _file(one, base, names)) is not None:
            found[one.filename] = file
    return RemotePage(tuple(found.values()), status)


def _file(told: Told, base: str, names: ForeignNames) -> RemoteFile | None:
    said = names.read(told.filename)
    # The address of such a file would be that of a document.
    if said is None or told.filename.endswith((pages.METADATA_SUFFIX, pages.PROVENANCE_SUFFIX)):
        return None
    documents = {pages.METADATA: told.core_metadata, pages.PROVENANCE: "" if told.provenance else None}
    try:
        url = absolute(base, told.url)
        attributes = {
            "filetype": said.filetype,
            "requires_python": told.requires_python,
            PROVENANCE_URL: absolute(base, told.provenance) if told.provenance else None,
        }
    except Odd:
        return None
    return RemoteFile(
        told.filename,
        said.version,
        url,
        told.size,
        told.sha256,
        told.uploaded_at,
        {key: value for key, value in attributes.items() if value},
        {kind: digest for kind, digest in documents.items() if digest is not None},
        told.yanked,
    )


def absolute(base: str, reference: str) -> str:
    """The http or https address that `reference` means, without fragment and credentials. Raises `Odd`."""
    try:
        parts = urlsplit(urljoin(base, reference))
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and url.isprintable()
        if not sound or len(url) > MAX_URL:
            raise Odd(reference)
    except ValueError as error:
        raise Odd(reference) from error
    return url


def text(value: Any) -> str | None:
    """A reason, or what else is shown as it is; characters that no page can carry are replaced. Raises `Odd`."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise Odd(value)
    return value if value.isascii() and value.isprintable() else _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", value)


def digest(value: Any) -> str | None:
    """A SHA-256. Raises `Odd`."""
    if value is None:
        return None
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise Odd(value)
    return value.lower()


def moment(value: Any) -> Microseconds | None:
    """An ISO 8601 time, in UTC where it names no zone; None for one that cannot be. Raises `Odd` for no text at all."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Odd(value)
    try:
        parsed = datetime.fromisoformat(value[:64])
        at = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return None
    found = at // timedelta(microseconds=1)
    return found if 0 <= found <= _LAST else None


def offered(value: str | None) -> str | None:
    """`sha256=...`, or `true` and whatever else is not `false`: the digest of what is offered, if it is (PEP 658)."""
    if value is None or value == "false":
        return None
    algorithm, _, told = value.partition("=")
    return digest(told) if algorithm == "sha256" else ""


def status(name: Any, reason: Any) -> Status:
    """A project's status (PEP 792); one that is not known is none."""
    try:
        known = StatusName(name)
        return Status(known, text(reason))
    except (ValueError, TypeError):
        return Status()

"""Other servers that speak the simple repository API: how they are asked, and how their answers are read."""

import re
from collections.abc import Sequence
from typing import BinaryIO
from urllib.parse import urlsplit, urlunsplit

from orbitalreg.errors import InvalidName, UploadRefused
from orbitalreg.interfaces import Answer, Question, Upstreams
from orbitalreg.model import RemoteFile, RemotePage
from orbitalreg_pypi import metadata, pages, upstream_files, upstream_html, upstream_json, wheels
from orbitalreg_pypi.afar import Window
from orbitalreg_pypi.filenames import normalize, quoted, refuse
from orbitalreg_pypi.upstream_files import unusable

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.01"  # PEP 691

_PUBLIC = ("pypi", "test.pypi")
_ADDRESS = re.compile(r"https?://[^\s/?#@\\]+(?:/[^\s?#\\]*)?")
_MEDIA_TYPE = re.compile(r"application/vnd\.pypi\.simple\.(?:v([0-9]+)(?:\.[0-9]+)?|latest)\+(json|html)")
_NORMAL = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class SimpleUpstreams(Upstreams):
    """Package indexes, public ones and those of companies."""

    def base(self, configured: str) -> str:
        if configured in _PUBLIC:
            return f"https://{configured}.org/simple"
        try:
            is_address = _ADDRESS.fullmatch(configured) and configured.isprintable() and urlsplit(configured).hostname
            urlsplit(configured).port  # noqa: B018  # raises for a port that is none
        except ValueError:
            is_address = None
        if not is_address:
            raise InvalidName(
                f"write {' or '.join(map(repr, _PUBLIC))}, or the http or https address of a simple index, without "
                "credentials, query and fragment, such as 'https://packages.example.com/simple'"
            )
        return configured.rstrip("/")

    def ask_names(self, base: str) -> Question:
        return Question(f"{base}/", ACCEPT)

    def read_names(self, answer: Answer) -> Sequence[str]:
        read = upstream_json.read_names if _is_json(answer) else upstream_html.read_names
        return sorted({normal for name in read(answer) if (normal := _normal(name))})

    def ask_page(self, base: str, package: str) -> Question:
        return Question(f"{base}/{package}/", ACCEPT)

    def read_page(self, answer: Answer, package: str) -> RemotePage:
        read = upstream_json.read_page if _is_json(answer) else upstream_html.read_page
        return read(answer, package)

    def ask_document(self, file: RemoteFile, kind: str) -> Question:
        if kind == pages.PROVENANCE:
            return Question(
                file.attributes[upstream_files.PROVENANCE_URL], f"{pages.PROVENANCE_TYPE}, application/json"
            )
        parts = urlsplit(file.url)
        return Question(urlunsplit(parts._replace(path=parts.path + pages.METADATA_SUFFIX)))

    def read_document(self, answer: Answer, file: RemoteFile, kind: str) -> bytes:
        """What a digest is stated of is believed by that; of the rest, a page to sign in must not pass for it."""
        if kind == pages.PROVENANCE:
            upstream_json.check_provenance(answer)
        elif not file.documents.get(kind) and not metadata.is_metadata(answer.body):
            raise unusable(answer, "it is no metadata")
        return answer.body

    def may_draw(self, filename: str) -> str | None:
        return pages.METADATA if filename.endswith(".whl") else None

    def draw(self, stream: BinaryIO, filename: str, kind: str) -> bytes:
        try:
            if kind != self.may_draw(filename):
                refuse(f"it has no {kind} inside")
            return wheels.metadata_of(Window(stream), filename)
        except UploadRefused as error:
            raise UploadRefused(f"{quoted(filename)} cannot be read: {error}") from error


def _is_json(answer: Answer) -> bool:
    """Whether the answer is JSON rather than HTML. Raises `UpstreamFailed` for another type, and a later version."""
    media_type = answer.content_type.partition(";")[0].strip().lower()
    if media_type == "text/html":
        return False
    match = _MEDIA_TYPE.fullmatch(media_type)
    if match is None:
        raise unusable(answer, f"its type {quoted(media_type)} is none of the simple API")
    if match[1] not in (None, "1"):
        raise unusable(answer, f"it is of version {match[1][:9]} of the simple API, and version 1 is understood")
    return match[2] == "json"


def _normal(name: str) -> str | None:
    try:
        return name if len(name) < 64 and _NORMAL.fullmatch(name) else normalize(name)
    except InvalidName:
        return None

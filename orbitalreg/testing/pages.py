"""Requests to a format's routes, and what is looked for in the pages that it renders."""

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html.parser import HTMLParser

import falcon
from falcon import testing

from orbitalreg.errors import NotFound
from orbitalreg.interfaces import DetailPage, NamesPage, PackagePage, Reply, Route
from orbitalreg.model import File, Inspection, Listing, Status

Document = Callable[[File, str], bytes]

PLACE = "/format/acme/things"
UPLOADED_AT = 1_700_000_000_000_000
ACTIVE = Status()

HOSTILE_REASONS = (
    "",
    '"><script>alert(1)</script>',
    "</a></body><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    "&quot;&lt;script&gt;",
    "]]></script><script>",
    "\\",
    "{0} {title} %s %(x)s",
    "two\nlines\r\nand\ttabs",
    "\0",
    "\u2028\u202e\ufeff",
    "\U0001f4a9",
    "x" * 5000,
)


def fields(route: Route) -> list[str]:
    """The names of the fields in its template."""
    return re.findall(r"\{(\w+)", route.template)


def request(route: Route, values: Mapping[str, str], accept: str) -> falcon.Request:
    """A GET request as the host would hand it to the route's handler."""
    path = re.sub(r"\{(\w+)[^}]*\}", lambda match: values[match[1]], route.template)
    return testing.create_req(path=PLACE + path, headers={"Accept": accept})


def ask(route: Route, values: Mapping[str, str], accept: str) -> Reply:
    """The handler's reply. The host keeps the field `package` to itself."""
    given = {name: values[name] for name in fields(route) if name != "package"}
    return route.handler(request(route, values, accept), **given)


def file_of(number: int, filename: str, body: bytes, found: Inspection) -> File:
    """The file as the catalog would have it."""
    documents = {kind: hashlib.sha256(document).hexdigest() for kind, document in found.documents.items()}
    return File(
        f"file-{number}",
        found.package,
        found.version,
        filename,
        len(body),
        hashlib.sha256(body).hexdigest(),
        UPLOADED_AT + number,
        found.attributes,
        found.requirements,
        documents,
    )


def listings(files: Sequence[File], status: Status = ACTIVE) -> Iterator[Listing]:
    """One for each package of `files`."""
    for package in sorted({file.package for file in files}):
        yield Listing(package, tuple(file for file in files if file.package == package), "revision", status)


def reader(kept: Mapping[str, Mapping[str, bytes]]) -> Document:
    """What reads documents by the file's name and their kind, as `DetailPage.render` is given it."""

    def document(file: File, kind: str) -> bytes:
        try:
            return kept[file.filename][kind]
        except KeyError:
            raise NotFound(f"{file.filename} has no document {kind}") from None

    return document


def text_of(page: PackagePage | DetailPage | NamesPage, body: bytes) -> str:
    """The page as text, with the references of a page in HTML resolved. Fails for one that is broken or unsafe."""
    assert isinstance(body, bytes)
    text = body.decode("utf-8")
    if "json" in page.content_type:
        json.loads(text)
    if "html" in page.content_type:
        _check_html(text)
        return html.unescape(text)
    return text


def _check_html(text: str) -> None:
    tags = _Tags()
    tags.feed(text)
    tags.close()
    assert "script" not in tags.names, "a reason became an element of the page"
    assert not [name for name in tags.attributes if name.startswith("on")], "a reason became an attribute of the page"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)

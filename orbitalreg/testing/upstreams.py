"""Another server of the same format, played by the format's own routes."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from orbitalreg.errors import OrbitalError, UpstreamFailed
from orbitalreg.interfaces import Answer, FormatAdapter, NamesPage, PackagePage, Question, Reply, Route, Upstreams
from orbitalreg.model import File, Listing, RemoteFile, RemotePage
from orbitalreg.testing import checks, pages
from orbitalreg.testing.evidence import AdapterUnderTest

BAD = (
    "",
    "registry.example.com",
    "ftp://registry.example.com/things",
    "https://",
    "https://user:secret@registry.example.com/things",
    "https://registry.example.com/things?token=secret",
    "https://registry.example.com/things#secret",
    "https://registry.example.com/things\n",
    "https://registry.example.com/a thing",
)

T = TypeVar("T")


class Server:
    """Answers what the format asks of a repository of its own."""

    def __init__(self, subject: AdapterUnderTest, upstreams: Upstreams) -> None:
        self._subject = subject
        self._upstreams = upstreams
        self.address = checks.BASE + subject.upstream
        self.base = upstreams.base(self.address)

    def reply(self, question: Question) -> Reply:
        """What the route of that address replies. Fails where there is none."""
        path = urlsplit(question.url).path
        prefix = urlsplit(checks.BASE).path
        assert question.url.startswith(f"{checks.BASE}/"), f"{question.url} is not below {checks.BASE}"
        for route in self._subject.reads():
            if match := re.fullmatch(_pattern(route), path.removeprefix(prefix)):
                values = {name: unquote(value) for name, value in match.groupdict().items()}
                return pages.ask(route, {**self._subject.values(), **values}, question.accept)
        raise AssertionError(f"no route is at {question.url}")

    def page(self, package: str) -> tuple[PackagePage, Question]:
        question = self._upstreams.ask_page(self.base, package)
        reply = self.reply(question)
        assert isinstance(reply, PackagePage), f"{question.url} is no page of a package"
        return reply, question

    def told(self, listing: Listing) -> Answer:
        page, question = self.page(listing.package)
        return Answer(question.url, page.content_type, page.render(listing))

    def names(self, names: Sequence[str]) -> Answer:
        question = self._upstreams.ask_names(self.base)
        reply = self.reply(question)
        assert isinstance(reply, NamesPage), f"{question.url} is no list of names"
        return Answer(question.url, reply.content_type, reply.render(names))


def _pattern(route: Route) -> str:
    parts = re.split(r"\{(\w+)[^}]*\}", route.template)
    return "".join(f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts))


def outcome(read: Callable[..., T], *arguments: object) -> T | OrbitalError:
    """What it returns, or what it raises on purpose."""
    try:
        return read(*arguments)
    except OrbitalError as error:
        return error


def relisted(listing: Listing, found: RemotePage) -> Listing:
    """The listing as a remote repository has it; what the page tells not is as it was."""
    known = {file.filename: file for file in listing.files}
    files = tuple(_file(known[file.filename], file) for file in found.files)
    return Listing(listing.package, files, listing.revision, found.status)


def _file(known: File, told: RemoteFile) -> File:
    assert told.version == known.version, f"{told.filename} has become one of {told.version!r}"
    return File(
        known.id,
        known.package,
        told.version,
        told.filename,
        told.size,
        told.sha256,
        known.uploaded_at if told.uploaded_at is None else told.uploaded_at,
        told.attributes,
        known.requirements,
        told.documents,
        told.yanked,
    )


def check_page(adapter: FormatAdapter, found: RemotePage | OrbitalError) -> None:
    """That it can be kept and shown, or is the one failure that is allowed."""
    if not isinstance(found, RemotePage):
        check_failure(found)
        return
    for file in found.files:
        assert file.filename.isprintable() and not set("/\\") & set(file.filename)
        assert file.version == "" or adapter.normalize_version(file.version) == file.version
        assert file.url.startswith(("http://", "https://")) and file.url.isprintable()
        assert file.size is None or (type(file.size) is int and file.size >= 0)
        assert file.uploaded_at is None or type(file.uploaded_at) is int
        assert checks.is_json(dict(file.attributes))
        assert all(map(_is_digest, (digest for digest in _digests(file) if digest)))
        assert file.yanked is None or type(file.yanked) is str
    filenames = [file.filename for file in found.files]
    assert len(filenames) == len(set(filenames))


def _digests(file: RemoteFile) -> Iterator[str]:
    yield from file.documents.values()
    if file.sha256 is not None:
        yield file.sha256 or "an empty digest"


def _is_digest(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def check_names(adapter: FormatAdapter, found: Sequence[str] | OrbitalError) -> None:
    """That each is there once, in its normal form and in byte order, or that it is the one failure that is allowed."""
    if isinstance(found, OrbitalError):
        check_failure(found)
        return
    assert [adapter.normalize(name) for name in found] == list(found)
    assert sorted(set(found), key=str.encode) == list(found)


def check_failure(error: OrbitalError) -> None:
    assert isinstance(error, UpstreamFailed), repr(error)
    assert checks.is_plain(str(error))

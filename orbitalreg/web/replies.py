"""Replies to bytes: conditional requests, ranges, compression and caching, alike for every format (RFC 9110, 9111)."""

import io
import logging
import re
from functools import lru_cache

import falcon

from orbitalreg.errors import OrbitalError, UpstreamFailed
from orbitalreg.interfaces import DetailPage, FileReply, NamesPage, PackagePage, Source, TextReply
from orbitalreg.metrics import Metrics
from orbitalreg.model import File, Identity, Kind, Right
from orbitalreg.sources import GovernedSource
from orbitalreg.sources.fetching import GrowingReader
from orbitalreg.usage import UsageRecorder
from orbitalreg.web.auth import Target, may_read
from orbitalreg.web.pages import Page, PageCache, etags_of
from orbitalreg.web.problems import REASON_LENGTH, one_line

logger = logging.getLogger(__name__)

PAGE_CACHING = "max-age=0, must-revalidate"
FILE_CACHING = "max-age=31536000, immutable"

PAGE_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

STALE = "X-OrbitalReg-Stale"
"""On a page that is shown although its upstream could not be asked: what was the matter with that."""

STREAM_FROM = 64 << 10
"""From here on an answer is sent as a file over the kept bytes, so that no slow reader holds a copy of his own."""

_RANGE = re.compile(r"bytes=(?:([0-9]{1,99})-([0-9]{0,99})|-([0-9]{1,99}))")


class Presenter:
    """Shows an adapter's replies."""

    def __init__(self, cache: PageCache, usage: UsageRecorder, metrics: Metrics) -> None:
        self._cache = cache
        self._usage = usage
        self._metrics = metrics

    def package_page(self, req: falcon.Request, resp: falcon.Response, reply: PackagePage, source: Source) -> None:
        package: str = req.context.target.package

        def render() -> tuple[tuple[str, str], Page]:
            listing = source.listing(package)
            page = Page(reply.render(listing), reply.content_type, stale=listing.stale)
            return (listing.revision, reply.representation), page

        page = self._cache.get_or_render((source.revision(package), reply.representation), render)
        _send_page(req, resp, page, "Accept")

    def detail_page(
        self, req: falcon.Request, resp: falcon.Response, reply: DetailPage, source: Source, base: str
    ) -> None:
        """Made each time: it holds the caller's own Host, so that keeping it would let strangers fill the cache."""
        listing = source.listing(req.context.target.package)
        page = Page(reply.render(listing, base, source.document), reply.content_type, stale=listing.stale)
        _send_page(req, resp, page, "Accept-Encoding")

    def names_page(self, req: falcon.Request, resp: falcon.Response, reply: NamesPage, source: Source) -> None:
        """The whole list is kept; one for a caller who may see only a part of it is made each time."""
        identity: Identity = req.context.identity
        repository = source.repository
        if not may_read(identity, repository, None):
            names = [name for name in source.names() if identity.may(Right.READ, repository.address, name)]
            return _send_page(req, resp, Page(reply.render(names), reply.content_type), "Accept")
        key = (f"{repository.id}.names.{source.names_revision()}", reply.representation)

        def render() -> tuple[tuple[str, str], Page]:
            return key, Page(reply.render(source.names()), reply.content_type)

        _send_page(req, resp, self._cache.get_or_render(key, render), "Accept")

    def file(self, req: falcon.Request, resp: falcon.Response, reply: FileReply, source: Source) -> None:
        target: Target = req.context.target
        assert target.package is not None
        file = source.file(target.package, reply.filename)
        if reply.document is not None:
            return self._send_document(req, resp, file, reply.document, reply.content_type, source)
        self._send_file(req, resp, file, reply.content_type, source)

    def _send_document(
        self, req: falcon.Request, resp: falcon.Response, file: File, kind: str, content_type: str, source: Source
    ) -> None:
        """Its digest is its tag: what the caller knows already is not even read."""
        caching = _file_caching(source)
        digest = file.documents.get(kind)
        if digest:
            plain, compressed = etags_of(digest)
            takes_gzip = _takes_gzip(req.env.get("HTTP_ACCEPT_ENCODING", ""))
            wanted = (compressed, plain) if takes_gzip else (plain, compressed)
            if known := _matched(req.env.get("HTTP_IF_NONE_MATCH"), wanted):
                _common_headers(req, resp, known, caching, "Accept-Encoding")
                resp.status = falcon.HTTP_304
                return
        page = Page(source.document(file, kind), content_type, tag=digest or None)
        _send_page(req, resp, page, "Accept-Encoding", caching)

    def _send_file(
        self, req: falcon.Request, resp: falcon.Response, file: File, content_type: str, source: Source
    ) -> None:
        if file.size is None:
            raise UpstreamFailed(f"the upstream does not tell how long {file.filename} is")
        etag = f'"{file.sha256}"' if file.sha256 else None
        _common_headers(req, resp, etag, _file_caching(source))
        resp.set_header("Accept-Ranges", "bytes")
        if etag is not None and _matched(req.get_header("If-None-Match"), (etag,)):
            resp.status = falcon.HTTP_304
            return
        resp.content_type = content_type
        span = _span(req, etag, file.size)
        if span is None:
            resp.set_header("Content-Range", f"bytes */{file.size}")
            resp.status = "416 the range lies outside the file"
            resp.data = b""
            return
        start, length = span
        if (start, length) != (0, file.size) or _asked_for_range(req, etag):
            resp.status = falcon.HTTP_206
            resp.set_header("Content-Range", f"bytes {start}-{start + length - 1}/{file.size}")
        resp.content_length = length
        if req.method != "HEAD":
            stream = source.open(file, start, length)
            if isinstance(stream, GrowingReader):
                resp.stream = self._told_of(req, stream)
            elif length < STREAM_FROM:
                with stream:
                    resp.data = stream.read(length)
            else:
                resp.stream = stream
            self._usage.downloaded(file.id, req.context.identity.token_id)

    def _told_of(self, req: falcon.Request, stream: GrowingReader) -> GrowingReader:
        """`stream`, which is still coming from an upstream: what ends it too early is logged and counted.

        The answer has begun by then: its connection is closed before the announced length is reached.
        """
        subject = f"{req.method} {req.path} ({req.context.request_id})"

        def tell(error: OrbitalError) -> None:
            logger.error("%s broke off: %s", subject, error)
            self._metrics.failed(type(error).__name__)

        stream.on_failure = tell
        return stream


def text(resp: falcon.Response, reply: TextReply) -> None:
    resp.content_type = "text/plain"
    resp.set_header("Cache-Control", "no-store")
    resp.data = f"{reply.text}\n".encode()


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, length) that a Range header asks of `size` bytes; everything for a header that is none or is several.

    None where it lies wholly outside (416). RFC 9110, section 14.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None:
        return 0, size
    first, last, suffix = match.groups()
    if suffix is not None:
        length = min(int(suffix), size)
        return (size - length, length) if length else None
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return 0, size
    return (start, end - start + 1) if start < size else None


def _span(req: falcon.Request, etag: str | None, size: int) -> tuple[int, int] | None:
    return parse_range(req.get_header("Range"), size) if _asked_for_range(req, etag) else (0, size)


def _asked_for_range(req: falcon.Request, etag: str | None) -> bool:
    """A GET or HEAD with one satisfiable-looking range whose If-Range, if any, names these very bytes."""
    header = req.get_header("Range")
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or (match[1] and match[2] and int(match[2]) < int(match[1])):
        return False
    return req.get_header("If-Range") in (None, etag)


def _send_page(req: falcon.Request, resp: falcon.Response, page: Page, vary: str, caching: str = PAGE_CACHING) -> None:
    compressed = page.worth_compressing and _takes_gzip(req.env.get("HTTP_ACCEPT_ENCODING", ""))
    _common_headers(req, resp, page.etag(compressed), caching, vary)
    if page.stale is not None:
        resp.set_header(STALE, one_line(page.stale)[:REASON_LENGTH])
    if _matched(req.env.get("HTTP_IF_NONE_MATCH"), page.etags):
        resp.status = falcon.HTTP_304
        return
    resp.content_type = page.content_type
    if page.content_type.startswith("text/html"):
        resp.set_header("Content-Security-Policy", PAGE_POLICY)
    resp.set_header("X-Content-Type-Options", "nosniff")
    if compressed:
        resp.set_header("Content-Encoding", "gzip")
    body = page.compressed if compressed else page.body
    if len(body) >= STREAM_FROM and req.method != "HEAD":
        resp.set_stream(io.BytesIO(body), len(body))
    else:
        resp.data = body


def _common_headers(req: falcon.Request, resp: falcon.Response, etag: str | None, caching: str, vary: str = "") -> None:
    """What was shown by virtue of credentials is for their owner alone."""
    varies = [vary] if vary else []
    if vary == "Accept":
        varies.append("Accept-Encoding")
    if not req.context.target.repository.anonymous_read:
        caching = f"private, {caching}"
        varies.append("Authorization")
    if etag is not None:
        resp.set_header("ETag", etag)
    resp.set_header("Cache-Control", caching)
    if varies:
        resp.set_header("Vary", ", ".join(varies))


def _file_caching(source: Source) -> str:
    """For ever where a filename is used once and nothing withholds it later, as a policy may.

    An upstream may replace a file, and a name may move between members.
    """
    repository = source.repository
    is_final = repository.kind is Kind.LOCAL and not repository.reuse_deleted_filenames
    is_final = is_final and not isinstance(source, GovernedSource)
    return FILE_CACHING if is_final else PAGE_CACHING


def _matched(header: str | None, etags: tuple[str, ...]) -> str | None:
    """The first of `etags` that If-None-Match names, by weak comparison (RFC 9110, section 13.1.2)."""
    if not header:
        return None
    if header.strip() == "*":
        return etags[0]
    named = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return next((etag for etag in etags if etag in named), None)


@lru_cache(maxsize=256)
def _takes_gzip(accept_encoding: str) -> bool:
    """Whether gzip is welcome; a header that does not name it, or not at all, means identity."""
    for item in accept_encoding.lower().split(","):
        coding, _, parameter = item.partition(";")
        if coding.strip() in ("gzip", "x-gzip"):
            return not re.fullmatch(r"q=0(\.0*)?", parameter.strip())
    return False

"""Rendered pages, kept in memory: each revision of each representation is rendered and compressed once."""

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property

CACHE_BYTES = 24 << 20
COMPRESS_FROM = 512
GZIP_LEVEL = 6


def etags_of(tag: str) -> tuple[str, str]:
    """Strong ETags for the two encodings of what `tag` stands for: plain, gzip."""
    return f'"{tag}"', f'"{tag}-gzip"'


class Page:
    """Bytes ready to be sent, with a strong ETag for each of their two encodings.

    The type counts: a cache that is told by a 304 to go on must not serve the bytes as another type. Where there is one
    type alone, `tag` may stand for the bytes.
    """

    def __init__(self, body: bytes, content_type: str, *, tag: str | None = None, stale: str | None = None) -> None:
        """`stale` is as in `Listing`."""
        self.body = body
        self.content_type = content_type
        self.stale = stale
        self.etags = etags_of(tag or hashlib.sha256(content_type.encode() + b"\n" + body).hexdigest()[:32])

    @cached_property
    def compressed(self) -> bytes:
        """The body as gzip; the same bytes for the same body."""
        return gzip.compress(self.body, GZIP_LEVEL, mtime=0)

    def etag(self, compressed: bool) -> str:
        return self.etags[compressed]

    @property
    def worth_compressing(self) -> bool:
        return len(self.body) >= COMPRESS_FROM


class PageCache:
    """The pages used last, up to a number of bytes (a page counts as one and a half, for its gzip). Thread-safe.

    A key holds the revision of what is shown, so that nothing here is ever out of date; what is, is not asked for
    again and falls out.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._lock = threading.Lock()
        self._pages: OrderedDict[tuple[str, str], Page] = OrderedDict()

    def get(self, key: tuple[str, str]) -> Page | None:
        with self._lock:
            page = self._pages.get(key)
            if page is not None:
                self._pages.move_to_end(key)
            return page

    def put(self, key: tuple[str, str], page: Page) -> Page:
        """Keep `page` unless it is too large to be worth it; returns it."""
        cost = _cost(page)
        if cost > self._limit // 2:
            return page
        with self._lock:
            old = self._pages.pop(key, None)
            self._size += cost - (_cost(old) if old else 0)
            self._pages[key] = page
            while self._size > self._limit:
                self._size -= _cost(self._pages.popitem(last=False)[1])
        return page

    def get_or_render(self, key: tuple[str, str], render: Callable[[], tuple[tuple[str, str], Page]]) -> Page:
        """The kept page, or what `render` makes; it returns the key that its page really has."""
        page = self.get(key)
        if page is None:
            page = self.put(*render())
        return page


def _cost(page: Page) -> int:
    return len(page.body) * 3 // 2 + 512

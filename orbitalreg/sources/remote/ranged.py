"""A file of an upstream as a seekable one, of which only what is read is fetched."""

import io
import time

from orbitalreg.errors import UpstreamFailed
from orbitalreg.sources.remote.asking import Asker

BLOCK = 64 << 10
MAX_REQUESTS = 24
MAX_BYTES = 16 << 20


class NoRanges(UpstreamFailed):
    """The file cannot be read in parts, or not in as few as are allowed."""


class RangedFile(io.RawIOBase):
    """Reads in whole blocks, each fetched once; blocks in a row in one request. For one thread.

    Every method may raise `NoRanges`, and `failure` remembers it: code that reads may take an exception for its own.
    """

    def __init__(self, asker: Asker, url: str, size: int | None, deadline: float) -> None:
        """`size` None is asked for with the first block. All requests end by `deadline`, of `time.monotonic`."""
        self._asker = asker
        self._url = url
        self._deadline = deadline
        self._etag: str | None = None
        self._place = 0
        self._blocks: dict[int, bytes] = {}
        self._requests = 0
        self._fetched = 0
        self.failure: UpstreamFailed | None = None
        self._size = size if size is not None else self._first_block()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("before the start of the file")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._place))
        if not wanted:
            return 0
        first, last = self._place // BLOCK, (self._place + wanted - 1) // BLOCK
        self._need(first, last)
        data = b"".join(self._blocks[number] for number in range(first, last + 1))
        start = self._place - first * BLOCK
        buffer[:wanted] = data[start : start + wanted]
        self._place += wanted
        return wanted

    def _need(self, first: int, last: int) -> None:
        number = first
        while number <= last:
            if number in self._blocks:
                number += 1
                continue
            end = number
            while end < last and end + 1 not in self._blocks:
                end += 1
            start, stop = number * BLOCK, min((end + 1) * BLOCK, self._size)
            self._keep(number, self._fetch(start, stop, stop - start))
            number = end + 1

    def _keep(self, first: int, data: bytes) -> None:
        for place in range(0, len(data), BLOCK):
            self._blocks[first + place // BLOCK] = data[place : place + BLOCK]

    def _first_block(self) -> int:
        data = self._fetch(0, BLOCK, None)
        self._keep(0, data)
        return self._size

    def _fetch(self, start: int, stop: int, wanted: int | None) -> bytes:
        """The bytes from `start` to `stop`; with `wanted` None as many of them as there are, and the size is set."""
        self._requests += 1
        self._fetched += stop - start
        if self._requests > MAX_REQUESTS or self._fetched > MAX_BYTES:
            raise self._failed("too much of it would have to be read")
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._failed("the upstream gives its parts too slowly")
        try:
            with self._asker.stream(self._url, start, stop, self._etag, left) as stream:
                if stream.status != 206:
                    raise self._failed(f"the upstream gives no parts of it ({stream.status})")
                if stream.length is None or (wanted is not None and stream.length != self._size):
                    raise self._failed("the upstream tells another length of it")
                self._size = stream.length
                self._etag = self._etag or _strong(stream.etag)
                data = b"".join(stream)
        except NoRanges:
            raise
        except UpstreamFailed as error:
            raise self._failed(str(error), error.public) from error
        if len(data) != (min(stop, self._size) - start if wanted is None else wanted):
            raise self._failed("the upstream gives other parts of it than were asked for")
        return data

    def _failed(self, text: str, public: str | None = None) -> NoRanges:
        self.failure = NoRanges(text, public=public)
        return self.failure


def _strong(etag: str | None) -> str | None:
    """An ETag that If-Range may hold (RFC 9110, 13.1.5)."""
    return None if etag is None or etag.startswith("W/") else etag

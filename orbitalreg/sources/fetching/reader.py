"""A file that is still growing, as a file to read."""

import io
from collections.abc import Callable
from threading import Lock

from orbitalreg.errors import OrbitalError
from orbitalreg.sources.fetching.fetch import Fetch


class GrowingReader(io.RawIOBase):
    """A part of a file that is being fetched. `read` waits; `peek` and `skip` are for callers who may not.

    Not seekable. One thread at a time, but for `close`. What ends the fetch is raised at the next byte: the errors of
    `Fetches.open`.
    """

    def __init__(self, fetch: Fetch, start: int, length: int | None, closed: Callable[[], None]) -> None:
        """`closed` is called once, when this is closed."""
        self._fetch = fetch
        self._position = start
        self._end = None if length is None else start + length
        self._told = closed
        self._watcher: Callable[[], None] | None = None
        self._lock = Lock()
        self.on_failure: Callable[[OrbitalError], None] | None = None
        """Called once with what is raised when the bytes end before they should."""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """As many bytes as are asked for, or what is left of them."""
        wanted = self._left() if size is None or size < 0 else min(size, self._left())
        pieces: list[bytes] = []
        while wanted:
            self._fetch.wait(lambda: self._fetch.is_settled(self._position))
            piece = self.peek(wanted)
            if not piece:
                break
            self.skip(len(piece))
            wanted -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    @property
    def is_ready(self) -> bool:
        """Whether `peek` has something to say: bytes, the end, or a failure."""
        return self.closed or self._fetch.is_settled(self._position)

    def peek(self, size: int) -> bytes:
        """At most `size` of the bytes that are here already; none at the end, and while the next one is to come."""
        if self.closed:
            raise ValueError("the file is closed")
        try:
            self._fetch.raise_failure()
            return self._fetch.read(self._position, min(size, self._left()))
        except OrbitalError as error:
            if (tell := self.on_failure) is not None:
                self.on_failure = None
                tell(error)
            raise

    def skip(self, size: int) -> None:
        """Go past so many bytes, which were peeked at."""
        self._position += size

    def watch(self, call: Callable[[], None]) -> None:
        """Have `call` called, from any thread, whenever more has come, until this is closed. It raises nothing.

        Whoever calls this never waits in `read`.
        """
        self._watcher = call
        self._fetch.watch(call)

    def close(self) -> None:
        """Any thread; may be called twice."""
        with self._lock:
            if self.closed:
                return
            super().close()
        if self._watcher is not None:
            self._fetch.unwatch(self._watcher)
        self._told()

    def _left(self) -> int:
        end = self._fetch.size if self._end is None else self._end
        return (1 << 62) if end is None else max(0, end - self._position)

"""A file that has come from an upstream, to read in any order."""

import io
import time
from threading import Event

from orbitalreg.sources.fetching import GrowingReader

SKIM = 1 << 20


class Arrived(io.RawIOBase):
    """Seekable over `reader`, whose bytes are all here and verified. For one thread; `reader` is closed by others."""

    def __init__(self, reader: GrowingReader, seconds: float) -> None:
        """Waits until all of `reader`, which is at the file's start, is here. Raises what its `read` does.

        Raises `TimeoutError` where that takes more than `seconds`.
        """
        self._reader = reader
        self._place = 0
        deadline, more = time.monotonic() + seconds, Event()
        reader.watch(more.set)
        while True:
            more.clear()
            if piece := reader.peek(SKIM):
                reader.skip(len(piece))
                self._place += len(piece)
            elif reader.is_ready and not reader.peek(1):
                break
            elif not more.wait(deadline - time.monotonic()):
                raise TimeoutError
        self._size = self._place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence] + offset
        if place < 0:
            raise OSError("before the start of the file")
        self._reader.skip(place - self._place)
        self._place = place
        return place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._reader.read(max(0, min(len(buffer), self._size - self._place)))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

"""Files that are read from afar, where each read may be a request."""

from io import SEEK_CUR, SEEK_END, SEEK_SET, RawIOBase
from typing import BinaryIO

_LEAST, _MOST = 64 << 10, 1 << 20


class Window(RawIOBase):
    """A seekable file that asks `stream` for few, larger parts, and keeps the last: at most `_MOST` bytes, or one read.

    Each part after the first is at least twice as large, so that reading on takes few requests.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = stream.seek(0, SEEK_END)
        self._at = 0
        self._part, self._part_at = b"", 0
        self._least = _LEAST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        self._at = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence] + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._at))
        if not self._part_at <= self._at <= self._at + wanted <= self._part_at + len(self._part):
            self._fetch(min(max(wanted, self._least), self._size - self._at))
        start = self._at - self._part_at
        data = self._part[start : start + wanted]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _fetch(self, wanted: int) -> None:
        self._stream.seek(self._at)
        pieces = []
        while wanted > 0 and (piece := self._stream.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        self._part, self._part_at = b"".join(pieces), self._at
        self._least = min(2 * self._least, _MOST)

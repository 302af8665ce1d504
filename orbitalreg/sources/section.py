"""A part of a file as a file."""

import io
from typing import BinaryIO, cast


def part(stream: BinaryIO, start: int, length: int | None, size: int) -> BinaryIO:
    """`stream`, which has `size` bytes, or the part of it that is asked for; None as length asks for the rest."""
    wanted = size - start if length is None else length
    return stream if (start, wanted) == (0, size) else cast(BinaryIO, Section(stream, start, wanted))


class Section(io.RawIOBase):
    """A part of a seekable file as a file of its own, closed with it."""

    def __init__(self, stream: BinaryIO, start: int, length: int) -> None:
        self._stream, self._start, self._length = stream, start, length
        stream.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell() - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._length}[whence]
        return self._stream.seek(self._start + base + offset) - self._start

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._length - self.tell()))
        data = self._stream.read(wanted)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()

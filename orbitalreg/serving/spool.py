"""Where the bytes of a body wait for the application: in memory, or in an anonymous file on the data file system."""

import io
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

MEMORY = 512 << 10
"""Bytes up to which a body stays in memory."""

READ_AHEAD = 64 << 10


class Spool:
    """An append-only buffer, then a file to read. waitress' receivers and parsers use this interface.

    One thread at a time: the main loop appends, afterwards a worker reads. The file has no name (`O_TMPFILE`, or
    unlinked at once), so that nothing is left of it after a crash.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memory: io.BytesIO | None = io.BytesIO()
        self._raw: io.RawIOBase | None = None
        self._file: BinaryIO | None = None
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, data: bytes) -> None:
        """Raises `OSError` where the disk refuses."""
        if self._memory is not None and self._length + len(data) > MEMORY:
            self._overflow(self._memory)
        if self._memory is not None:
            self._memory.write(data)
        else:
            self._write(data)
        self._length += len(data)

    def getfile(self) -> BinaryIO:
        """The whole body, from its first byte; nothing is appended afterwards."""
        if self._file is None:
            self._file = self._reader() if self._memory is None else self._memory
            self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Drop the bytes. May be called twice."""
        for part in (self._file, self._raw, self._memory):
            if part is not None:
                with suppress(OSError):
                    part.close()

    def _overflow(self, memory: io.BytesIO) -> None:
        # Unbuffered: pieces are large, and a full disk is then reported by the write that met it, never by close().
        self._raw = tempfile.TemporaryFile("w+b", buffering=0, dir=self._folder)  # noqa: SIM115 - close() is it
        self._write(memory.getvalue())
        self._memory = None
        memory.close()

    def _write(self, data: bytes) -> None:
        assert self._raw is not None
        view = memoryview(data)
        while view:
            view = view[self._raw.write(view) or 0 :]

    def _reader(self) -> BinaryIO:
        assert self._raw is not None
        return io.BufferedReader(self._raw, READ_AHEAD)

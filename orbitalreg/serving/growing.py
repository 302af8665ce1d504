"""Answers that are still coming: sent by the main loop as they grow, so that no worker waits for them."""

from collections.abc import Callable
from typing import Any, Protocol

from waitress.buffers import ReadOnlyFileBasedBuffer  # type: ignore[import-untyped]


class Growing(Protocol):
    """What an application gives as its answer's file instead of one that is whole: not seekable, and watched."""

    @property
    def is_ready(self) -> bool:
        """Whether `peek` has something to say: bytes, or that there will be none."""

    def peek(self, size: int) -> bytes:
        """At most `size` of the bytes that are here; raises where no more will come."""

    def skip(self, size: int) -> None: ...

    def watch(self, call: Callable[[], None]) -> None:
        """Have `call` called, from any thread, whenever `is_ready` may have become true."""

    def close(self) -> None:
        """May be called twice."""


class BrokenOff(OSError):
    """The rest will not come: the connection is to be closed before the announced length is reached."""


class GrowingBuffer(ReadOnlyFileBasedBuffer):  # type: ignore[misc]
    """One of a channel's buffers. Used under the channel's lock; `is_ready` by any thread."""

    def __init__(self, file: Growing, wake: Callable[[], None]) -> None:
        """`wake` wakes the main loop; any thread calls it."""
        super().__init__(file)
        self._wake = wake

    @property
    def is_ready(self) -> bool:
        return bool(self.file.is_ready)

    def prepare(self, size: int | None = None) -> int:
        """The announced length: it is all sent or the connection breaks."""
        self.remain = size or 0
        self.file.watch(self._wake)
        return self.remain

    def get(self, numbytes: int = -1, skip: bool = False) -> bytes:
        wanted = self.remain if numbytes < 0 else min(numbytes, self.remain)
        try:
            data: bytes = self.file.peek(wanted)
        except Exception as error:  # the application's; it has told of it, and no answer can be given any more
            raise BrokenOff(str(error)) from error
        if not data and wanted and self.file.is_ready and not self.file.peek(1):
            raise BrokenOff("the file is shorter than was announced")
        if skip:
            self.skip(len(data))
        return data

    def skip(self, numbytes: int, allow_prune: bool = False) -> None:
        self.file.skip(numbytes)
        self.remain -= numbytes


def wrapper(wake: Callable[[], None]) -> Callable[..., Any]:
    """`wsgi.file_wrapper` for whole files and growing ones."""

    def wrap(file: Any, block_size: int = 32768) -> Any:
        if hasattr(file, "watch"):
            return GrowingBuffer(file, wake)
        return ReadOnlyFileBasedBuffer(file, block_size)

    return wrap

"""What is to be fetched, and what to do with it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from orbitalreg.errors import UpstreamFailed


class Stream(Protocol):
    """An upstream's answer whose body is still coming, as `upstream.Stream`."""

    @property
    def status(self) -> int:
        """200 with the whole file; 206 with the part from where it was asked on; 404, 410 or 416 with nothing."""

    @property
    def length(self) -> int | None:
        """Bytes of the whole file, where the upstream tells."""

    @property
    def etag(self) -> str | None: ...

    def __iter__(self) -> Iterator[bytes]:
        """Raises `UpstreamFailed` where it breaks off."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a file before it is fetched."""

    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One file of one upstream. Two orders of one `key` mean the same file, in every process on one data folder.

    `key` is letters, digits, `_` and `-`, such as the id of the file's row; `name` is what the file is called in
    messages, say `acme/mirror: ball@1.toy`.

    `ask(start, if_range)` asks the upstream for the bytes from `start` on; `if_range` is None or the ETag of an answer
    before. It raises `UpstreamFailed`.

    `keep(path, sha256, size)` takes the file at `path`, whose bytes were verified and not synced, moves it into the
    blob store, and commits the rows. `kept()` is the bytes, seekable, where they were kept before, by whatever process;
    else None. Both are called in the fetching thread, `kept` also in the caller's, and raise `OrbitalError`s.
    """

    key: str
    name: str
    ask: Callable[[int, str | None], AbstractContextManager[Stream]]
    keep: Callable[[Path, str, int], None]
    kept: Callable[[], BinaryIO | None]
    expected: Expected = Expected()


class WrongFile(UpstreamFailed):
    """What the upstream sent is not the file; asking again at once would give the same."""

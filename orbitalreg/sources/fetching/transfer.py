"""From an upstream into the partial file: hashed in the same pass, taken up again where it broke off, verified."""

import hashlib
from collections.abc import Callable, Iterable
from threading import Event

from orbitalreg.errors import NoSpace, NotFound, UpstreamFailed
from orbitalreg.sources.fetching.order import Order, Stream, WrongFile
from orbitalreg.sources.fetching.partial import Partial, Record
from orbitalreg.staging import RESERVE

RESUMES = 8
"""How often a fetch that broke off is taken up again; twice in a row without a byte is enough."""

PAUSE_SECONDS = 0.1
"""Before the second time; it doubles."""

LONGEST_PAUSE_SECONDS = 3.0

_PIECE = 1 << 20


ROOM_EVERY = 16 << 20
"""After so many bytes the room is looked at anew: others write too, and not every length is announced."""


class GivenUp(Exception):
    """Nobody waits for the file any more."""


class Transfer:
    """One run, by the process that leads. One thread, but for `give_up`."""

    def __init__(self, order: Order, partial: Partial, max_bytes: int, announce: Callable[[int | None], None]) -> None:
        """`announce(size)` is called when there are more bytes than before, or the whole file's size is known."""
        self._order = order
        self._partial = partial
        self._max_bytes = max_bytes
        self._announce = announce
        self._stop = Event()
        self._hasher = hashlib.sha256()
        self._arrived = 0
        self._size = order.expected.size
        self._etag: str | None = None
        self._whole = False

    def give_up(self) -> None:
        """Have `run` end with `GivenUp` at the next byte. Any thread."""
        self._stop.set()

    def run(self) -> tuple[str, int]:
        """The digest and the size of the file, which then lies in the partial file, whole and right.

        Goes on with what is there. Raises `UpstreamFailed` (`WrongFile` where asking again is of no use), `NotFound`,
        `NoSpace`, `StorageFailed`, `GivenUp`.
        """
        self._begin()
        tries = idle = 0
        while not self._is_complete:
            before, tries = self._arrived, tries + 1
            try:
                self._ask()
            except WrongFile:
                raise
            except UpstreamFailed as error:
                idle = idle + 1 if self._arrived == before else 0
                if not self._arrived or tries > RESUMES or idle > 1:
                    raise error.about(self._order.name) from error
                self._check_stop(min(PAUSE_SECONDS * 2 ** (tries - 1), LONGEST_PAUSE_SECONDS))
            else:
                if tries > RESUMES and not self._is_complete:
                    raise UpstreamFailed(f"{self._order.name}: the upstream gives the file in too small parts")
        return self._verified(), self._arrived

    def _begin(self) -> None:
        record = self._partial.record
        if record.sha256 != self._order.expected.sha256:
            record = Record()
        there = self._partial.begin(record)
        self._etag = record.etag
        if record.size is not None:
            self._note_size(record.size)
        self._write_record()
        while self._arrived < there:
            self._count(self._partial.read(self._arrived, min(_PIECE, there - self._arrived)))
        self._announce(self._size)

    def _ask(self) -> None:
        """Raises `UpstreamFailed` where the answer broke off."""
        start = self._arrived if self._may_continue else 0
        with self._order.ask(start, self._etag) as stream:
            self._check_stop()
            self._judge(stream, start)
            self._announce(self._size)
            at = start if stream.status == 206 else 0
            if stream.status != 416:
                self._take(stream, at)
        self._whole = stream.status in (200, 416)
        if self._whole and self._size is not None and self._arrived != self._size:
            raise self._wrong(f"is {self._arrived} bytes long, not {self._size}")

    @property
    def _is_complete(self) -> bool:
        return self._whole or self._arrived == self._size

    @property
    def _may_continue(self) -> bool:
        """Without a digest or an ETag, nothing would tell the end of another file from the end of this one."""
        return self._order.expected.sha256 is not None or self._etag is not None

    def _judge(self, stream: Stream, start: int) -> None:
        if stream.status in (404, 410):
            raise NotFound(f"{self._order.name}: the upstream has the file no more")
        if stream.status not in (200, 206, 416):
            raise self._wrong(f"came with the status {stream.status}")
        etag = stream.etag if stream.etag and not stream.etag.startswith("W/") else None
        if stream.status == 206 and self._order.expected.sha256 is None and etag != self._etag:
            raise self._wrong("was changed while it was being fetched")
        if stream.status == 416 and stream.length not in (None, start):
            raise self._wrong("is another now than when its fetch began")
        self._etag = etag
        if stream.length is not None:
            self._note_size(stream.length)
        self._write_record()

    def _note_size(self, size: int) -> None:
        if self._size is not None and size != self._size:
            raise self._wrong(f"is {size} bytes long, not {self._size}")
        self._size = size
        if size > self._max_bytes:
            raise self._too_large()
        if self._partial.room() < size - self._arrived + RESERVE:
            raise NoSpace(f"{self._order.name}: the data file system has no room for {size} bytes")

    def _take(self, pieces: Iterable[bytes], at: int) -> None:
        """What is there already was given out: an answer from the start has to begin with the same."""
        for piece in pieces:
            self._check_stop()
            again = min(max(self._arrived - at, 0), len(piece))
            if again and self._partial.read(at, again) != piece[:again]:
                raise self._wrong("is another now than when its fetch began")
            at += len(piece)
            if at > self._arrived:
                self._add(piece[again:] if again else piece)

    def _add(self, piece: bytes) -> None:
        total = self._arrived + len(piece)
        if self._size is not None and total > self._size:
            raise self._wrong(f"is longer than {self._size} bytes")
        if total > self._max_bytes:
            raise self._too_large()
        if total // ROOM_EVERY != self._arrived // ROOM_EVERY and self._partial.room() < RESERVE:
            raise NoSpace(f"{self._order.name}: the data file system has no room for the rest")
        self._partial.append(piece, self._arrived)
        self._count(piece)
        self._announce(self._size)

    def _count(self, piece: bytes) -> None:
        self._hasher.update(piece)
        self._arrived += len(piece)

    def _verified(self) -> str:
        digest, stated = self._hasher.hexdigest(), self._order.expected.sha256
        if stated is not None and digest != stated:
            raise self._wrong(f"has the SHA-256 {digest}, and {stated} was promised")
        return digest

    def _write_record(self) -> None:
        self._partial.write(Record(self._partial.inode, self._size, self._etag, self._order.expected.sha256))

    def _check_stop(self, seconds: float = 0.0) -> None:
        """Wait so long. Raises `GivenUp`."""
        if self._stop.wait(seconds) if seconds else self._stop.is_set():
            raise GivenUp

    def _too_large(self) -> WrongFile:
        return self._wrong(f"is larger than the {self._max_bytes} bytes that are fetched at most")

    def _wrong(self, what: str) -> WrongFile:
        return WrongFile(f"{self._order.name}: the upstream's file {what}; it is not served")

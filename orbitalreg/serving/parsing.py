"""waitress' parser, which stops between the head and the body until the body is admitted."""

import copy
import time
from pathlib import Path
from typing import Any, BinaryIO

from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]
from waitress.receiver import ChunkedReceiver, FixedStreamReceiver  # type: ignore[import-untyped]
from waitress.utilities import (  # type: ignore[import-untyped]
    BadRequest,
    Error,
    InternalServerError,
    RequestEntityTooLarge,
)

from orbitalreg.errors import NoSpace, storage_error
from orbitalreg.serving.admission import Admission
from orbitalreg.serving.limits import ASK_ABOVE
from orbitalreg.serving.spool import Spool
from orbitalreg.waiting import Visit

CHUNKED_PIECE = 8 << 10
CONTROL_LINE = 4 << 10
TRAILER = 16 << 10
TLS_HANDSHAKE = b"\x16\x03"
NO_REQUEST = b"TLS\r\n\r\n"


class InsufficientStorage(Error):  # type: ignore[misc]
    """RFC 4918, section 11.5."""

    code = 507
    reason = "Insufficient Storage"


class Chunks(ChunkedReceiver):  # type: ignore[misc]
    """waitress keeps a chunk's control line and the trailer in memory, however long; here they end in 400."""

    error: Error | None

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.error is None and (len(self.control_line) > CONTROL_LINE or len(self.trailer) > TRAILER):
            self.error = BadRequest("Chunk extension or trailer too long")
        return consumed


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """One request. The main loop alone calls it until it is complete.

    `waiting`: the head is complete and its body, larger than `ASK_ABOVE` or chunked, is not admitted yet. Then
    `received()` holds what it is given and parses nothing; the channel reads nothing more meanwhile.
    """

    error: Error | None
    expect_continue: bool
    body_rcv: FixedStreamReceiver | Chunks | None

    waiting = False
    wants_continue = False
    admission: Admission | None = None
    held = b""
    visit: Visit | None = None

    def __init__(self, adj: Any, folder: Path) -> None:
        super().__init__(adj)
        self.folder = folder
        self.since = time.monotonic()
        """When what is being received now, head or body, began."""

    def received(self, data: bytes) -> int:
        """The number of bytes used. After an error that is all of them: they are no request."""
        if self.waiting:
            self.held += data
            return len(data)
        in_head = not self.headers_finished
        # The end of such a head never comes: a client that says https by mistake would wait until its time is up.
        is_tls = in_head and not self.header_plus and data.startswith(TLS_HANDSHAKE)
        used = self._parse(NO_REQUEST if is_tls else data)
        if in_head and self.headers_finished:
            self._head_complete()
        return len(data) if self.error and not self.waiting else used

    def _parse(self, data: bytes) -> int:
        # waitress copies the rest of what it was given at every chunk: with small pieces that cannot get expensive.
        piece = data[:CHUNKED_PIECE] if self.chunked else data
        try:
            consumed: int = super().received(piece)
        except OSError as error:
            failure = storage_error(error, "the body could not be kept")
            kind = InsufficientStorage if isinstance(failure, NoSpace) else InternalServerError
            self.error = kind(str(failure))
            self.completed = True
            return len(piece)
        return consumed

    def _head_complete(self) -> None:
        """Decide whether the body has to wait. One that is too large waits too: the application may say so better."""
        self.since = time.monotonic()
        # waitress would answer at once, or from a worker; the channel does it in the main loop, when it is due.
        self.wants_continue, self.expect_continue = self.expect_continue, False
        large = not self.completed and (self.chunked or self.content_length > ASK_ABOVE)
        if large or isinstance(self.error, RequestEntityTooLarge):
            self.waiting, self.completed = True, False

    def parse_header(self, header_plus: bytes) -> None:
        """Raises `ParsingError`, also where waitress lets a `ValueError` out (bad IPv6 address, 5,000 digits)."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError("The head is invalid") from error
        self._check_framing()
        self._check_host()
        if self.chunked:
            self.body_rcv = Chunks(Spool(self.folder))
        elif self.content_length > 0:
            self.body_rcv = FixedStreamReceiver(self.content_length, Spool(self.folder))

    def _check_framing(self) -> None:
        """RFC 9112, section 6.1: two framings, or chunks in HTTP/1.0, are how requests are smuggled."""
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Content-Length and Transfer-Encoding contradict each other or the version")

    def _check_host(self) -> None:
        """RFC 9112, section 3.2. waitress joins two by a comma and a blank, which no host has."""
        host = self.headers.get("HOST")
        if (host is None and self.version == "1.1") or (host is not None and ", " in host):
            raise ParsingError("There must be one Host, and no more")

    def get_body_stream(self) -> BinaryIO:
        stream: BinaryIO = super().get_body_stream()
        return stream

    def ask(self, admission: Admission) -> "Parser":
        """The head alone, as a request of its own that carries the question."""
        self.admission = admission
        head = copy.copy(self)
        head.headers = dict(self.headers)
        head.body_rcv = head.error = None
        return head

    def begin_visit(self) -> Visit | None:
        """What is asked once more begins again where it was; what has a body cannot be asked twice."""
        if self.visit is None and self.body_rcv is None:
            self.visit = Visit()
        return self.visit

    def end_visit(self) -> None:
        if self.visit is not None:
            self.visit.close()

    @property
    def length(self) -> int | None:
        return None if self.chunked else self.content_length

    @property
    def unreceived(self) -> int:
        """Bytes of an admitted body that are still to come. Any thread."""
        if self.admission is None or not self.admission.granted or self.completed:
            return 0
        total = self.adj.max_request_body_size - 1 if self.chunked else self.content_length
        return max(0, int(total - self.body_bytes_received))

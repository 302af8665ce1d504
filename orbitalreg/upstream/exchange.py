"""One answer under way: its status judged, its body read within limits, its connection kept or closed."""

import re
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse

from orbitalreg.errors import UpstreamFailed
from orbitalreg.upstream.address import Origin
from orbitalreg.upstream.decoding import decoded, too_large
from orbitalreg.upstream.pool import Breaker, Place
from orbitalreg.upstream.ranges import Span
from orbitalreg.upstream.vetting import NotPublic
from orbitalreg.upstream.wire import CUT_OFF, Connection, Refused, Trouble, announced, cause, pieces

ALLOWED_BY = "only the configuration can allow that, for a remote repository in file_hosts"
DRAINED = 16 << 10
"""A body that nobody wants is read up to here, so that its connection can be kept."""
_OVERLOADED = (429, 502, 503, 504)
_PRIVATE = ("set-cookie", "www-authenticate", "proxy-authenticate", "connection", "keep-alive", "transfer-encoding")
_FOLDS = re.compile(r"[\r\n\0]+[ \t]*")


class Exchange:
    """One answer under way."""

    def __init__(self, origin: Origin, place: Place, connection: Connection, response: HTTPResponse) -> None:
        self._origin = origin
        self._place = place
        self._connection = connection
        self._response = response
        self._whole = announced(response) == 0
        self._failed = False
        self.status = response.status
        self.headers: Mapping[str, str] = {
            name.lower(): _FOLDS.sub(" ", ", ".join(response.headers.get_all(name, [])))
            for name in response.headers
            if name.lower() not in _PRIVATE
        }

    @property
    def length(self) -> int | None:
        return announced(self._response)

    @contextmanager
    def faults(self) -> Iterator[None]:
        with faults_of(self._origin, self._place.breaker, self._note):
            yield

    def _note(self) -> None:
        self._failed = True

    def expect(self, statuses: Collection[int], knows_us: bool) -> None:
        """Raises `UpstreamFailed` for every other status."""
        if self.status in statuses:
            return
        retry_after = _seconds(self.headers.get("retry-after"))
        if self.status in _OVERLOADED:
            self._failed = True
            self._place.breaker.failed(retry_after)
        self.drain()
        said, public = f"answered {self.status}", None
        if self.status in (401, 403):
            said = f"refused the credentials ({self.status})" if knows_us else f"asks for credentials ({self.status})"
            public = "refused"
        elif self.status == 407:
            said, public = "cannot be reached: the proxy asks for credentials (407)", "cannot be reached"
        elif self.status in (429, 503):
            said = f"asks to be left alone for a while ({self.status})"
        raise failed(self._origin, said, retry_after, public, self.status)

    def body(self) -> Iterator[bytes]:
        """Once. Raises `UpstreamFailed`."""
        with self.faults():
            if not self._whole:
                yield from pieces(self._response)
            self._whole = True

    def read(self, max_bytes: int) -> bytes:
        coding = self.headers.get("content-encoding", "")
        with self.faults():
            if not coding and (announced(self._response) or 0) > max_bytes:
                raise too_large(max_bytes)
            return decoded(self.body(), coding, max_bytes)

    def follow(self, span: Span) -> Iterator[bytes]:
        """The body of a stream, which has to end where `span` does."""
        if self.status not in (200, 206):
            return
        at = span.start
        with self.faults():
            for piece in self.body():
                at += len(piece)
                if span.end is not None and at > span.end:
                    raise Trouble("sent more than it announced")
                yield piece
            if span.end is not None and at < span.end:
                raise Trouble(CUT_OFF)

    def drain(self) -> None:
        """Read a short body to its end; a long one costs the connection."""
        length = announced(self._response)
        if length is None or length > DRAINED:
            return
        with suppress(UpstreamFailed):
            for _ in self.body():
                pass

    def close(self) -> None:
        keep = self._whole and not self._failed and not self._response.will_close
        self._response.close()
        if keep:
            self._place.give_back(self._connection)
        else:
            self._connection.close()
        if not self._failed:
            self._place.breaker.succeeded()


@contextmanager
def faults_of(origin: Origin, breaker: Breaker, note: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Raise `UpstreamFailed` for what goes wrong inside; what shows that the server is in trouble is remembered."""
    try:
        yield
    except NotPublic as error:
        fault = f"has an address that is not public: {ALLOWED_BY}"
        raise failed(origin, fault, public="may not be asked: the log here says why") from error
    except (Refused, OSError, HTTPException) as error:
        if isinstance(error, Trouble) or not isinstance(error, Refused):
            note()
            breaker.failed()
        public = "has a certificate that is not trusted" if isinstance(error, ssl.SSLCertVerificationError) else None
        raise failed(origin, cause(error), public=public) from error


def failed(
    origin: Origin,
    fault: str,
    retry_after: float | None = None,
    public: str | None = None,
    status: int | None = None,
) -> UpstreamFailed:
    """`public` is told in place of a `fault` that names other servers, or says how this registry is known to it."""
    text = f"the upstream {origin} {fault}".encode("ascii", "backslashreplace").decode("ascii")
    return UpstreamFailed(" ".join(text.split()), retry_after, f"the upstream {public or fault}", status)


def _seconds(retry_after: str | None) -> float | None:
    """RFC 9110, 10.2.3: seconds or a date. None where it says neither."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())

"""What every request carries: an id, the client's address as far as proxies are trusted, and one line in the log."""

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

import falcon

from orbitalreg.config import Network, within
from orbitalreg.metrics import Metrics
from orbitalreg.serving.admission import ADMISSION_KEY
from orbitalreg.tokens import masked
from orbitalreg.waiting import VISIT_KEY, Visit
from orbitalreg.web.auth import WRITES

PATH_LENGTH = 1024  # so much of a path is logged

_WITH_PORT = re.compile(r"([^:\[\]]+):[0-9]{1,5}|\[([^\[\]]+)\](?::[0-9]{1,5})?")
"""As some proxies write a client: the port is another for each connection, and says nothing of who it is."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """Falcon middleware, the outermost: id, client, scheme and host; at the end the log line."""

    def __init__(self, trusted_proxies: Sequence[Network], log: "AccessLog", metrics: Metrics) -> None:
        self._trusted = tuple(trusted_proxies)
        self._log = log
        self._metrics = metrics

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        visit: Visit | None = req.env.get(VISIT_KEY)
        req.context.started = time.perf_counter() if visit is None else visit.began
        req.context.identity = None
        req.context.remote_addr = req.env.get("REMOTE_ADDR", "")
        req.context.failure = None
        given = None
        if within(req.context.remote_addr, self._trusted):
            given = req.env.get("HTTP_X_REQUEST_ID")
            self._believe(req)
        req.context.request_id = given if given and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        resp.set_header("X-Request-ID", req.context.request_id)

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool) -> None:
        admission = req.env.get(ADMISSION_KEY)
        if admission is not None and admission.granted:
            return  # a granted head is told of once, with its body
        visit: Visit | None = req.env.get(VISIT_KEY)
        if visit is not None and visit.pause is not None:
            return  # the request was put aside, and will be asked again
        status = int(str(resp.status)[:3])
        seconds = time.perf_counter() - req.context.started
        size = int(resp.get_header("Content-Length") or len(resp.data or b""))
        try:
            self._log.write(req, resp, status, seconds, size)
            self._count(req, status, seconds, size)
        except (OSError, ValueError):
            return  # a log that nobody reads, or a full disk, must not turn what was done into a failure

    def _count(self, req: falcon.Request, status: int, seconds: float, size: int) -> None:
        method = req.method if req.method in falcon.HTTP_METHODS else "other"  # strangers may send any word
        self._metrics.answered(req.uri_template or "none", method, status, seconds, size)
        if req.context.failure is not None:
            self._metrics.failed(req.context.failure)
        if 400 <= status < 500:
            self._metrics.refused("change" if method in WRITES else "read", status)

    def _believe(self, req: falcon.Request) -> None:
        """The last address that no trusted proxy vouches for is the client; scheme and host are the first proxy's."""
        hops = [hop.strip() for hop in req.env.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        while hops:
            req.context.remote_addr = _address(hops.pop()[:64])
            if not within(req.context.remote_addr, self._trusted):
                break
        scheme = req.env.get("HTTP_X_FORWARDED_PROTO", "").split(",")[-1].strip().lower()
        host = req.env.get("HTTP_X_FORWARDED_HOST", "").split(",")[-1].strip()
        if scheme in ("http", "https"):
            req.env["wsgi.url_scheme"] = scheme
        if host:
            req.env["HTTP_HOST"] = host


def _address(hop: str) -> str:
    """`hop` without the port of `ADDRESS:PORT` or `[ADDRESS]:PORT`; an IPv6 address without brackets has none."""
    found = _WITH_PORT.fullmatch(hop)
    return hop if found is None else found[1] or found[2]


class AccessLog:
    """One JSON line a request, written at once. Never a query, a header with a secret, or a body."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def write(self, req: falcon.Request, resp: falcon.Response, status: int, seconds: float, size: int) -> None:
        """`seconds` it took and `size` in bytes of its answer."""
        identity = req.context.identity
        line = {
            "at": _timestamp(time.time()),
            "request": req.context.request_id,
            "method": req.method,
            "path": masked(req.path)[:PATH_LENGTH],
            "status": status,
            "ms": round(seconds * 1000, 2),
            "bytes": size,
            "who": identity.name if identity is not None else None,
            "token": identity.token_id if identity is not None else None,
            "from": req.context.remote_addr,
            "agent": masked(req.env.get("HTTP_USER_AGENT", ""))[:120],
        }
        if identity is not None and identity.origin is not None:
            line["origin"] = dict(identity.origin)
        if status >= 400:
            line["reason"] = str(resp.status)[4:]
        self._stream.write(json.dumps(line, separators=(",", ":")) + "\n")


def _timestamp(seconds: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03}Z"


class JsonFormatter(logging.Formatter):
    """The same shape for everything else that is logged."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = masked(self.formatException(record.exc_info))
        return json.dumps(line)


def configure_logging() -> None:
    """Send the log to stderr as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)

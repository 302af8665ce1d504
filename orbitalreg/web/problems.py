"""The one table from errors to HTTP. The reason phrase is the message: many clients print nothing else."""

import json
import logging
import math
from http import HTTPStatus

import falcon

from orbitalreg import errors
from orbitalreg.tokens import masked
from orbitalreg.waiting import VISIT_KEY, NotYet

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
REASON_LENGTH = 300
API = "/api/"
"""Below this path every refusal is a problem document, asked for or not."""
EXCHANGE = "/_/oidc/"
"""Below this path a refusal is what clients of an exchange expect."""

TABLE: tuple[tuple[type[errors.OrbitalError], HTTPStatus], ...] = (
    (errors.UploadRefused, HTTPStatus.BAD_REQUEST),
    (errors.InvalidName, HTTPStatus.BAD_REQUEST),
    (errors.Malformed, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.TooManyFailures, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (errors.ExchangeRefused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Misplaced, HTTPStatus.CONFLICT),
    (errors.Unresolved, HTTPStatus.CONFLICT),
    (errors.Gone, HTTPStatus.GONE),
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.Busy, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.ScannerFailed, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.NoSpace, HTTPStatus.INSUFFICIENT_STORAGE),
    (errors.StorageFailed, HTTPStatus.INTERNAL_SERVER_ERROR),
    (errors.Unreachable, HTTPStatus.BAD_GATEWAY),
    (errors.UpstreamFailed, HTTPStatus.BAD_GATEWAY),
    (errors.Withheld, HTTPStatus.FORBIDDEN),
)
RETRY_SECONDS = 2
LONGEST_RETRY_SECONDS = 60
"""No client is sent away for longer, whatever an upstream says: as long as that is left alone at most."""


def install(app: falcon.App[falcon.Request, falcon.Response]) -> None:
    """Turn every exception into an answer; what nobody meant to raise is logged with its traceback."""
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(falcon.HTTPError, _falcon_error)
    app.add_error_handler(errors.OrbitalError, _known)
    app.add_error_handler(NotYet, _not_yet)


def _not_yet(req: falcon.Request, resp: falcon.Response, pause: Exception, _: object) -> None:
    """The server puts the request aside, and throws this answer away."""
    assert isinstance(pause, NotYet)
    req.env[VISIT_KEY].pause = pause


def _known(req: falcon.Request, resp: falcon.Response, error: Exception, _: object) -> None:
    assert isinstance(error, errors.OrbitalError)
    req.context.failure = type(error).__name__
    status = next((status for kind, status in TABLE if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    if status is HTTPStatus.UNAUTHORIZED:
        resp.set_header("WWW-Authenticate", 'Basic realm="OrbitalReg"')
    if (seconds := _retry_after(error, status)) is not None:
        resp.set_header("Retry-After", str(seconds))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("%s %s failed: %s", req.method, req.path, error)
    answer(req, resp, status, error.public, error.code if isinstance(error, errors.ExchangeRefused) else None)


def _retry_after(error: errors.OrbitalError, status: HTTPStatus) -> int | None:
    """RFC 9110, section 10.2.3. What an upstream wishes is passed on, within reason: it is asked again after that."""
    wished = error.retry_after if isinstance(error, errors.UpstreamFailed | errors.TooManyFailures) else None
    if wished is not None:
        return min(max(1, math.ceil(wished)), LONGEST_RETRY_SECONDS)
    return RETRY_SECONDS if status is HTTPStatus.SERVICE_UNAVAILABLE else None


def _falcon_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _: object) -> None:
    req.context.failure = type(error).__name__
    status = HTTPStatus(error.status_code)
    for name, value in dict(error.headers or {}).items():
        resp.set_header(name, value)
    detail = error.description or _ROUTING.get(status) or status.phrase
    answer(req, resp, status, detail)


_ROUTING = {
    HTTPStatus.NOT_FOUND: "there is nothing at this address",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address does not take that method",
}


def _unexpected(req: falcon.Request, resp: falcon.Response, error: Exception, _: object) -> None:
    req.context.failure = "Unexpected"
    logger.error("%s %s failed", req.method, req.path, exc_info=error)
    answer(req, resp, HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")


def answer(
    req: falcon.Request, resp: falcon.Response, status: HTTPStatus, detail: str, code: str | None = None
) -> None:
    """One refusal: in the status line, and in the body as text or, in the API and where asked for, as RFC 9457 JSON.

    `code` is what an exchange calls it, where not by its status.
    """
    detail = masked(detail)
    flat = one_line(detail)
    for name in ("Content-Encoding", "Content-Range", "Accept-Ranges", "ETag", "Vary", "Content-Length"):
        resp.delete_header(name)  # of the answer that was being made
    resp.stream = None
    resp.status = f"{status.value} {flat[:REASON_LENGTH]}"
    resp.set_header("Cache-Control", "no-store")
    resp.set_header("X-Content-Type-Options", "nosniff")
    if req.path.startswith(EXCHANGE):
        resp.content_type = "application/json"
        resp.data = json.dumps(_refused_exchange(code or status.phrase.lower().replace(" ", "-"), flat)).encode()
    elif req.path.startswith(API) or PROBLEM_JSON in (req.get_header("Accept") or ""):
        resp.content_type = PROBLEM_JSON
        resp.data = json.dumps(problem(status, detail, req.context.request_id)).encode()
    else:
        resp.content_type = "text/plain"
        resp.data = f"{flat}\n".encode()


def problem(status: HTTPStatus, detail: str, request_id: str) -> dict[str, object]:
    """The members of RFC 9457; `request` is our own, and names the line in the log."""
    said = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return {**said, "request": request_id}


def _refused_exchange(code: str, description: str) -> dict[str, object]:
    return {"message": "Token request failed", "errors": [{"code": code, "description": description}]}


def one_line(text: str) -> str:
    """`text` as a reason phrase may be, and a body without a charset: printable ASCII, one line."""
    flat = " ".join(text.encode("ascii", "replace").decode().split())
    return "".join(char if char.isprintable() else "?" for char in flat)

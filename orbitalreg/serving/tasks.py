"""The calls of the application: with a whole request, or on a head alone. They run in worker threads."""

import logging
import secrets
from typing import Any

from waitress.task import ErrorTask, WSGITask  # type: ignore[import-untyped]

from orbitalreg.serving.admission import ADMISSION_KEY, Admission
from orbitalreg.waiting import VISIT_KEY, NotYet

_log = logging.getLogger(__name__)


def log_unserved(channel: Any, request: Any, request_id: str, status: str) -> None:
    """The log line of a request that the application never saw, or saw the head of only."""
    _log.info(
        "not served",
        extra={
            "fields": {
                "request": request_id,
                "method": getattr(request, "command", None),
                "path": (getattr(request, "path", None) or "")[:1024],
                "status": int(status[:3]),
                "reason": status[4:],
                "from": str(channel.addr[0]),
            }
        },
    )


class RefusalTask(ErrorTask):  # type: ignore[misc]
    """The answer to what is no request, too large, or broke off: with an id and a line in the log, as any other."""

    def execute(self) -> None:
        request_id = secrets.token_hex(8)
        self.response_headers.append(("X-Request-ID", request_id))
        super().execute()
        log_unserved(self.channel, self.request, request_id, self.status)


class Task(WSGITask):  # type: ignore[misc]
    """An ordinary call.

    One that is no answer yet is thrown away, and the request is put aside: the channel calls for it again.
    """

    def service(self) -> None:
        """waitress drops every `OSError` silently, as if it came from the socket; the application's become a 500."""
        try:
            self.start()
            self.execute()
            self.finish()
        finally:
            if self.pause is None:
                self.request.end_visit()

    @property
    def pause(self) -> NotYet | None:
        visit = self.request.visit
        return None if visit is None else visit.pause

    def write(self, data: bytes) -> None:
        """The head leaves together with the first of the body; a whole answer, when the request is done with."""
        if self.pause is not None:
            self.content_bytes_written += len(data)
            return
        if self.wrote_header:
            super().write(data)
            return
        self.channel.keep()
        super().write(data)
        if self.has_body and self.content_bytes_written != self.content_length:
            self.channel.send_kept()

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ["SERVER_SOFTWARE"] = ""  # PEP 3333: a str, also where the server does not name itself
        environ["wsgi.file_wrapper"] = self.channel.server.file_wrapper
        visit = environ[VISIT_KEY] = self.request.begin_visit()
        if visit is not None:
            visit.pause = None
        return environ

    def finish(self) -> None:
        if (pause := self.pause) is None:
            super().finish()
        else:
            self.close_on_finish = False
            self.channel.put_aside(self.request, pause)

    def build_response_header(self) -> bytes:
        if self.channel.server.draining:
            self.close_connection()
        header: bytes = super().build_response_header()
        return header

    def close_connection(self) -> None:
        """Answer as if the client had asked for `Connection: close`, whatever its version of HTTP."""
        self.request.headers["CONNECTION"] = "close"


class HeadTask(Task):
    """A call on the head alone. With a grant the response is thrown away, without one it is the answer."""

    @property
    def admission(self) -> Admission:
        admission: Admission = self.request.admission
        return admission

    def service(self) -> None:
        try:
            super().service()
        except BaseException:
            self.admission.revoke()
            raise

    def get_environment(self) -> dict[str, Any]:
        environ = super().get_environment()
        environ[ADMISSION_KEY] = self.admission
        # waitress sends such a file past write(), where a response is thrown away.
        environ.pop("wsgi.file_wrapper", None)
        environ.pop(VISIT_KEY, None)
        return environ

    def write(self, data: bytes) -> None:
        if self.admission.settle():
            self.content_bytes_written += len(data)
        else:
            super().write(data)

    def finish(self) -> None:
        if self.admission.settle():
            self.close_on_finish = False
        else:
            super().finish()

    def build_response_header(self) -> bytes:
        self.close_connection()
        return super().build_response_header()

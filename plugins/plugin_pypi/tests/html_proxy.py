"""A server in front of another that knows no JSON: pages are HTML alone, and the rest is passed on as it is."""

import http.client
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

ASKED = ("Authorization", "If-None-Match", "If-Modified-Since", "If-Range", "Range")
ANSWERED = ("Content-Type", "ETag", "Last-Modified", "Content-Range", "Accept-Ranges", "Location", "WWW-Authenticate")


class HtmlProxy:
    """On a free port of loopback, in front of `upstream`, while it is a context."""

    def __init__(self, upstream: str) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(upstream))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def handler(upstream: str) -> Callable[..., BaseHTTPRequestHandler]:
    place = urlsplit(upstream)
    assert place.hostname is not None
    host, port = place.hostname, place.port

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            connection = http.client.HTTPConnection(host, port, timeout=30)
            try:
                asked = {name: self.headers[name] for name in ASKED if name in self.headers}
                connection.request("GET", self.path, headers={**asked, "Accept": "text/html"})
                answer = connection.getresponse()
                body = answer.read()
            finally:
                connection.close()
            self.send_response(answer.status)
            for name in ANSWERED:
                if answer.headers[name] is not None:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler

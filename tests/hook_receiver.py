"""A receiver of webhooks on loopback that answers as a test says, and checks what it gets as its owner would.

The check is written by the text of Standard Webhooks, and knows nothing of the code that signs.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
PATIENCE = 30.0

Answer = Callable[[BaseHTTPRequestHandler, int], None]
"""Answers the request of that number, counted from 0."""


@dataclass(frozen=True)
class Delivery:
    """What came in: `path` with the query, headers by lower-case name."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    def is_signed(self, secret: str = SECRET) -> bool:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        fresh = abs(time.time() - int(self.headers["webhook-timestamp"])) < 300
        return fresh and f"v1,{wanted}" in self.headers["webhook-signature"].split(" ")


def status(code: int, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


class Receiver:
    """What it got is in `deliveries`, in the order of arrival."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.deliveries: list[Delivery] = []
        self.answer: Answer = status(204)
        self.changed = threading.Condition()

    def wait(self, count: int) -> list[Delivery]:
        """The deliveries, once there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.deliveries) >= count, PATIENCE), self.deliveries
            return list(self.deliveries)


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    found: Receiver

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            delivery = Delivery(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            with found.changed:
                number = len(found.deliveries)
                found.deliveries.append(delivery)
                found.changed.notify_all()
            found.answer(self, number)

        def do_GET(self) -> None:
            raise AssertionError("nobody asked for that")

        def log_message(self, *arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *arguments: Any) -> None:
            pass  # clients that give up are part of the tests

    server = Server(("127.0.0.1", port), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_port}/hook?key=very-secret")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

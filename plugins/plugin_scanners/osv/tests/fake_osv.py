"""An OSV on loopback, whole as far as it is used here: batches, pages, records, and a bucket with a dump.

It judges by its own plain reading of the records, which knows nothing of the plugin's.
"""

import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from packaging.utils import canonicalize_name
from packaging.version import Version

Fault = Callable[[BaseHTTPRequestHandler], bool]
"""Answers in the place of the server, and says whether it did."""


def answers(status: int, times: int = 1, body: bytes = b"{}", **headers: str) -> Fault:
    """The next requests are answered with this."""
    left = [times]

    def fault(request: BaseHTTPRequestHandler) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)
        return True

    return fault


class FakeOsv:
    """As long as the `with` lasts. `asked` are the paths that were asked for, `queries` how many each batch had.

    A page holds `page_size` records; with `empty_pages`, a page before each that holds a token alone.
    """

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.dump = b""
        self.asked: list[str] = []
        self.queries: list[int] = []
        self.page_size = 1000
        self.empty_pages = False
        self.fault: Fault = lambda request: False

    def put(self, *records: dict[str, Any]) -> None:
        self.records |= {one["id"]: one for one in records}

    def get(self, request: BaseHTTPRequestHandler) -> tuple[int, bytes, dict[str, str]]:
        if request.path == "/bucket/all.zip":
            etag = f'"{hashlib.md5(self.dump).hexdigest()}"'
            told = {"ETag": etag, "Connection": "close"}  # the command line ends with its connections
            if request.headers.get("If-None-Match") == etag:
                return 304, b"", told
            return (200, self.dump, told) if self.dump else (404, b"", {})
        found = self.records.get(unquote(request.path.removeprefix("/v1/vulns/")))
        if found is None:
            return 404, b'{"code": 5, "message": "Bug not found."}', {}
        return 200, json.dumps(found).encode(), {}

    def post(self, path: str, body: Any) -> tuple[int, bytes, dict[str, str]]:
        queries = body["queries"]
        if path != "/v1/querybatch" or len(queries) > 1000:
            return 400, b'{"code": 3, "message": "Too many queries."}', {}
        self.queries.append(len(queries))
        return 200, json.dumps({"results": [self._result(query) for query in queries]}).encode(), {}

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        found = sorted(id_ for id_, one in self.records.items() if _concerns(one, query))
        start, has_waited, _ = query.get("page_token", "0").partition("+")
        if self.empty_pages and not has_waited:
            return {"next_page_token": f"{start}+"}
        end = int(start) + self.page_size
        page = found[int(start) : end]
        result: dict[str, Any] = {}
        if page:
            result["vulns"] = [{"id": id_, "modified": self.records[id_]["modified"]} for id_ in page]
        if end < len(found):
            result["next_page_token"] = str(end)
        return result

    def __enter__(self) -> Self:
        osv = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answered(lambda: osv.get(self))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answered(lambda: osv.post(self.path, body))

            def answered(self, answer: Callable[[], tuple[int, bytes, dict[str, str]]]) -> None:
                osv.asked.append(self.path)
                if osv.fault(self):
                    return
                status, body, headers = answer()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.dump_url = f"{self.url}/bucket/all.zip"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _concerns(record: dict[str, Any], query: dict[str, Any]) -> bool:
    version = Version(query["version"])
    for affected in record["affected"]:
        package = affected["package"]
        same = canonicalize_name(package["name"]) == canonicalize_name(query["package"]["name"])
        if not (same and package["ecosystem"] == query["package"]["ecosystem"]) or record.get("withdrawn"):
            continue
        for its in affected["ranges"]:
            fixed = [Version(event["fixed"]) for event in its["events"] if "fixed" in event]
            if not fixed or version < min(fixed):
                return True
    return False

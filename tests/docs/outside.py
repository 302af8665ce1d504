"""A public index on loopback, for the pages that proxy one: what stands for `upstream = "pypi"` there."""

import hashlib
import io
import json
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from archives_corpus import make_wheel

DAY = 86400
TYPE = "application/vnd.pypi.simple.v1+json"


class Outside:
    """Has `flask` 3.0 and `jinja2` 2.10, a year old, 3.1 and 2.10.1 of yesterday, and a `my-pkg` 99.0 of a stranger's,
    a year old too. `shop` asks for `web-kit`, whose first version asks for the old `jinja2`.
    """

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._pages: dict[str, list[dict[str, Any]]] = {}
        for package, version, age in (
            ("flask", "3.0", 365),
            ("flask", "3.1", 1),
            ("jinja2", "2.10", 365),
            ("jinja2", "2.10.1", 1),
            ("my-pkg", "99.0", 365),
        ):
            self._add(package, *make_wheel(package, version), time.time() - age * DAY)
        for package, version, asks in (
            ("shop", "1.0", "web-kit<2"),
            ("shop", "1.1", "web-kit"),
            ("web-kit", "1.0", "jinja2<2.10.1"),
            ("web-kit", "2.0", "jinja2>=2.10.1"),
        ):
            built = make_wheel(package, version, metadata_extra=f"Requires-Dist: {asks}")
            self._add(package, *built, time.time() - DAY)
        self._files["/osv/all.zip"] = vulnerabilities()
        self._files["/osv/jinja2.zip"] = vulnerabilities("PYSEC-2019-217", "CVE-2019-10906", "jinja2", "2.10.1")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._pages, self._files))

    def _add(self, package: str, filename: str, body: bytes, uploaded: float) -> None:
        self._files[f"/files/{filename}"] = body
        self._pages.setdefault(f"/simple/{package}/", []).append(
            {
                "filename": filename,
                "url": f"../../files/{filename}",
                "hashes": {"sha256": hashlib.sha256(body).hexdigest()},
                "size": len(body),
                "upload-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(uploaded)),
            }
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/simple/"

    @property
    def dump_url(self) -> str:
        """What stands for `dump = "osv.dev"`."""
        return f"http://127.0.0.1:{self._server.server_port}/osv/all.zip"

    @property
    def jinja2_dump_url(self) -> str:
        """The same on pages about jinja2."""
        return self.dump_url.replace("all.zip", "jinja2.zip")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def vulnerabilities(
    name: str = "PYSEC-2020-1", alias: str = "CVE-2020-1", package: str = "my-pkg", fixed: str = "1.1"
) -> bytes:
    """A dump of OSV with one record of today: of versions of a package below that one."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    record = {
        "id": name,
        "modified": now,
        "published": "2020-01-01T00:00:00Z",
        "aliases": [alias],
        "summary": "It does what it should not",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(f"{name}.json", json.dumps(record))
    return made.getvalue()


def _handler(pages: dict[str, list[dict[str, Any]]], files: dict[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in pages:
                name = self.path.split("/")[2]
                page = {"meta": {"api-version": "1.1"}, "name": name, "files": pages[self.path]}
                return self._answer(200, TYPE, json.dumps(page).encode())
            if self.path in files:
                return self._answer(200, "application/octet-stream", files[self.path])
            self._answer(404, "text/plain", b"")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    return Handler

"""`python -m benchmarks.slow PORT TREE`: a static tree as an index that is far away.

Every answer is late, each connection is slow, and `GET /fetched` tells how often each path was asked for.
"""

import asyncio
import http.client
import io
import json
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from benchmarks.statictree import JSON_PAGE

LATENCY = 0.05  # seconds before each answer
RATE = 25_000_000  # bytes a second on each connection
PIECE = 256 << 10
COUNTS = "/fetched"


class FarAway:
    """The server; `tree` is as `statictree.build_tree` writes it."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.fetched: Counter[str] = Counter()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, _, rest = head.partition(b"\r\n")
                method, path, _ = line.decode().split(" ")
                await self._answer(method, unquote(path), http.client.parse_headers(io.BytesIO(rest)), writer)
        writer.close()

    async def _answer(
        self, method: str, path: str, asked: http.client.HTTPMessage, writer: asyncio.StreamWriter
    ) -> None:
        if path == COUNTS:
            body = json.dumps(self.fetched).encode()
            writer.write(_head("200 OK", "application/json", len(body)) + body)
            return await writer.drain()
        self.fetched[path] += 1
        await asyncio.sleep(LATENCY)
        file, content_type = self._found(path, asked["Accept"] or "")
        if not file.is_file() or ".." in file.parts:
            writer.write(_head("404 Not Found", "text/plain", 0))
            return await writer.drain()
        size, tag = file.stat().st_size, f'"{file.stat().st_mtime_ns:x}"'
        if asked["If-None-Match"] == tag:
            writer.write(_head("304 Not Modified", content_type, size, tag))
            return await writer.drain()
        writer.write(_head("200 OK", content_type, size, tag))
        await writer.drain()
        if method != "HEAD":
            await _send(file, size, writer)

    def _found(self, path: str, accept: str) -> tuple[Path, str]:
        place = self.tree / path.lstrip("/")
        if not path.endswith("/"):
            return place, "application/octet-stream"
        return (place / "page.json", JSON_PAGE) if JSON_PAGE in accept else (place / "page.html", "text/html")


async def _send(file: Path, size: int, writer: asyncio.StreamWriter) -> None:
    """At the rate of the connection, and without a copy."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    with file.open("rb") as stream:
        for sent in range(0, size, PIECE):
            await loop.sendfile(writer.transport, stream, sent, min(PIECE, size - sent))
            await asyncio.sleep(max(0, begin + min(sent + PIECE, size) / RATE - loop.time()))


def _head(status: str, content_type: str, size: int, tag: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {size}"]
    if tag:
        lines += [f"ETag: {tag}", "Cache-Control: max-age=600"]
    return "\r\n".join([*lines, "", ""]).encode()


async def main(port: int, tree: Path) -> None:
    server = await asyncio.start_server(FarAway(tree).converse, "127.0.0.1", port, backlog=256)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))

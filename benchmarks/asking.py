"""What is asked of a server at a point: pages, files, installs."""

import html
import json
import re
from collections.abc import Callable
from urllib.parse import urldefrag, urljoin

from benchmarks.corpus import Sizes
from benchmarks.load import Sample, install, read
from benchmarks.running import Server, fetch
from benchmarks.statictree import JSON_PAGE

ACCEPT = {"JSON": JSON_PAGE, "HTML": "text/html"}


def kinds(sizes: Sizes) -> tuple[str, ...]:
    return ("JSON", "HTML") if sizes.thorough else ("JSON",)


def speaking(servers: tuple[Server, ...], kind: str) -> list[Server]:
    return [server for server in servers if server.json_pages or kind == "HTML"]


def page_load(
    server: Server, urls: list[str], kind: str, connections: int, sizes: Sizes, **more: str
) -> Callable[[], Sample]:
    """The token goes along only where the server is the private one, and is asked without one first."""
    headers = {"Accept": ACCEPT[kind], **{name.replace("_", "-"): value for name, value in more.items()}}
    signed_in = fetch(urls[0], headers)[0] == 401
    if signed_in:
        headers |= server.headers
    return lambda: read(urls, connections, int(sizes.seconds), server.pid, headers)


def compressed_load(server: Server, package: str, connections: int, sizes: Sizes) -> Callable[[], Sample]:
    head = fetch(server.page(package), {"Accept": JSON_PAGE, "Accept-Encoding": "gzip"})[1]
    insist(head["Content-Encoding"] == "gzip", f"{server.name} does not compress")
    return page_load(server, [server.page(package)], "JSON", connections, sizes, Accept_Encoding="gzip")


def unchanged_load(server: Server, package: str, connections: int, sizes: Sizes) -> Callable[[], Sample]:
    tag = fetch(server.page(package), {"Accept": JSON_PAGE})[1]["ETag"]
    status = fetch(server.page(package), {"Accept": JSON_PAGE, "If-None-Match": tag or ""})[0]
    insist(status == 304, f"{server.name} answers {status}, not 304")
    return page_load(server, [server.page(package)], "JSON", connections, sizes, If_None_Match=tag)


def file_load(server: Server, packages: list[str], sizes: Sizes, megabytes: bool = False) -> Callable[[], Sample]:
    urls = [url for package in packages for url in links(server, package)]
    return lambda: read(urls, 8, int(sizes.seconds) + (1 if megabytes else 0), server.pid, {}, megabytes)


def links(server: Server, package: str) -> list[str]:
    """The addresses of a package's files, as its page has them."""
    page = server.page(package)
    _, _, body = fetch(page, {"Accept": ACCEPT["JSON" if server.json_pages else "HTML"]})
    if server.json_pages:
        links = [file["url"] for file in json.loads(body)["files"]]
    else:
        links = [html.unescape(link) for link in re.findall(r'<a [^>]*?href="([^"]+)"', body.decode())]
    return [urldefrag(urljoin(page, link)).url for link in links]


def install_run(server: Server, package: str, dry: bool = False) -> Callable[[], Sample]:
    return lambda: install(server.simple, package, server.pid, dry)


def insist(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(otherwise)

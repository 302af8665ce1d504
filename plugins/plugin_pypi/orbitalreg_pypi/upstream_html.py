"""Pages of the simple API in HTML, as others write them: PEP 503, 592, 629, 658, 714, 740, 792.

Read by libxml2, as a stream of tags: no tree is built. The standard library's parser takes time that grows by the
square of the length (256 KB of `<!--` cost it minutes), and so do parsers that build the tree that browsers build.
libxml2 too is slow where elements are nested without limit, which no such page has: one of that kind is given up.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from lxml import etree

from orbitalreg.interfaces import Answer
from orbitalreg.model import RemotePage
from orbitalreg_pypi.upstream_files import (
    MAX_FILES,
    MAX_NAMES,
    Odd,
    Told,
    absolute,
    check_version,
    digest,
    offered,
    page,
    status,
    text,
    unusable,
)

MAX_DEPTH = 256  # elements inside each other
_PIECE = 64 << 10
_CHARSETS = {"iso-8859-1": "latin-1", "windows-1252": "cp1252", "us-ascii": "latin-1"}
_KEPT = (
    "href",
    "data-requires-python",
    "data-yanked",
    "data-core-metadata",
    "data-dist-info-metadata",
    "data-provenance",
)

Anchor = Mapping[str, str]


class _GivenUp(Exception):
    """The page is not worth reading on; the text says why."""


def read_names(answer: Answer) -> Iterator[str]:
    """The names, by the addresses of their pages. Raises `UpstreamFailed`, as `read_page` does."""
    told = _parse(answer, MAX_NAMES)
    if not told.anchors and not told.is_marked:
        raise unusable(answer, "it lists no package, and does not say that it is a list of packages")
    for anchor in told.anchors:
        yield unquote(re.split(r"[?#]", anchor["href"])[0].rstrip("/").rpartition("/")[2])


def read_page(answer: Answer, package: str) -> RemotePage:
    """Raises `UpstreamFailed`, also for a page without any file that does not say that it is such a page.

    That is what a form to sign in is, or a notice of maintenance, which must not pass for a package without files.
    """
    told = _parse(answer, MAX_FILES)
    state = status(told.metas.get("pypi:project-status"), told.metas.get("pypi:project-status-reason"))
    try:
        base = absolute(answer.url, told.base) if told.base else answer.url
    except Odd:
        raise unusable(answer, "its base is no address") from None
    found = page(package, base, _understood(told.anchors), state)
    if not found.files and not told.is_marked:
        raise unusable(answer, f"it lists no file of {package}, and does not say that it is a package page")
    return found


@dataclass(slots=True)
class _Target:
    """What is kept of a page while it is parsed: the parser calls `start` and `end` for each element."""

    most: int
    anchors: list[Anchor] = field(default_factory=list)
    metas: dict[str, str] = field(default_factory=dict)
    base: str = ""
    depth: int = 0

    @property
    def is_marked(self) -> bool:
        return "pypi:repository-version" in self.metas

    def start(self, tag: str, attributes: Anchor) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _GivenUp(f"its elements are nested deeper than {MAX_DEPTH}")
        if tag == "a" and "href" in attributes:
            if len(self.anchors) >= self.most:
                raise _GivenUp(f"it has more than {self.most} anchors")
            self.anchors.append({name: attributes[name] for name in _KEPT if name in attributes})
        elif tag == "meta" and attributes.get("name", "").startswith("pypi:"):
            self.metas.setdefault(attributes["name"], attributes.get("content", ""))
        elif tag == "base" and not self.base:
            self.base = attributes.get("href", "")

    def end(self, tag: str) -> None:
        self.depth -= 1

    def close(self) -> None:
        """Called at the end of the page."""


def _parse(answer: Answer, most: int) -> _Target:
    target = _Target(most)
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)
    body = _text(answer).encode()
    try:
        for at in range(0, len(body), _PIECE):
            parser.feed(body[at : at + _PIECE])
        parser.close()
    except _GivenUp as reason:
        raise unusable(answer, str(reason)) from reason
    except etree.LxmlError as error:
        raise unusable(answer, "it is no HTML") from error
    check_version(answer, target.metas.get("pypi:repository-version"))
    return target


def _text(answer: Answer) -> str:
    """The page, as UTF-8 unless the header says one of the few others in use."""
    match = re.search(r"charset\s*=\s*[\"']?([A-Za-z0-9_-]+)", answer.content_type, re.ASCII)
    charset = _CHARSETS.get(match[1].lower() if match else "", "utf-8-sig")
    return answer.body.decode(charset, "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _understood(anchors: list[Anchor]) -> Iterator[Told]:
    for anchor in anchors:
        try:
            yield _told(anchor)
        except Odd:
            continue


def _told(anchor: Anchor) -> Told:
    """What an anchor tells. Its filename is the end of its address, as installers have it, whatever its text says."""
    url, _, fragment = anchor["href"].strip().partition("#")
    metadata = anchor.get("data-core-metadata", anchor.get("data-dist-info-metadata"))
    return Told(
        unquote(url.partition("?")[0].rpartition("/")[2]),
        url,
        sha256=_fragment_digest(fragment),
        requires_python=text(anchor.get("data-requires-python")) or None,
        core_metadata=offered(metadata),
        yanked=text(anchor.get("data-yanked")),
        provenance=text(anchor.get("data-provenance")) or None,
    )


def _fragment_digest(fragment: str) -> str | None:
    """`sha256=...` among what a fragment says; other digests are not used."""
    told = (part.removeprefix("sha256=") for part in fragment.split("&") if part.startswith("sha256="))
    return digest(next(told, None))

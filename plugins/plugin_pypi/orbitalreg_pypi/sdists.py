"""Source distributions: the bounded walk through a `.tar.gz`, and the structure that PEP 625 asks for.

The standard library's tarfile is not used. In Python 3.11 its reading of PAX headers takes time by the square of their
length (224 bytes of gzip, 25 s); it holds whole extension headers in memory, skips damaged headers in silence, and
takes what it does not know for a file: none of that can be bounded from outside. The walk below takes each header
once, in linear time, and knows only what source distributions contain; the rest is refused. All of the stream is
expanded, since links, and what follows the end, can be anywhere; nothing of it is kept but names and PKG-INFO.
"""

import re
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from io import SEEK_END, RawIOBase
from typing import NamedTuple

from orbitalreg_pypi.archives import MAX_ENTRIES, Visit, ZipArchive, expansion_limit, pass_by
from orbitalreg_pypi.filenames import ParsedFilename, entry_key, quoted, refuse
from orbitalreg_pypi.metadata import MAX_DOCUMENT

MAX_EXPANSION = 1 << 30  # bytes; all of them are expanded, at 300 MB/s or more
MAX_EXTENSION = 64 << 10  # bytes of one extended header: names, times and attributes of one member
MAX_PADDING = 1 << 20  # bytes of zeros after the end; tar's blocking factor makes 10 KiB of them

_BLOCK, _CHUNK, _ZEROS = 512, 64 << 10, bytes(512)
_FILES, _HARD_LINK, _SYMLINK, _FOLDER = b"0\x007", b"1", b"2", b"5"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_PAX_RECORD = re.compile(rb"([0-9]{1,6}) ([^=\n]{1,255})=")
_NO_DOCUMENT = "it has no PKG-INFO in its top folder, or an empty one"
_UNSAFE_TARGET = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:|^/|^$")


class Member(NamedTuple):
    """A member as its headers tell: `kind` is "file", "folder", "hard link" or "link", `target` that of a link."""

    name: str
    kind: str
    size: int
    target: str


def read_sdist(file: RawIOBase, parsed: ParsedFilename, visit: Visit = pass_by) -> bytes:
    """The PKG-INFO of the sdist, byte for byte. Raises `UploadRefused` unless archive and structure are sound.

    `visit` sees every other file.
    """
    return _read_zip(file, visit) if parsed.extension == ".zip" else _read_tar(file, visit)


def _read_zip(file: RawIOBase, visit: Visit) -> bytes:
    archive = ZipArchive(file)
    tree = _Tree()
    for entry in archive.entries.values():
        tree.add(Member(entry.name.removesuffix("/"), "folder" if entry.is_folder else "file", entry.size, ""))
    name = f"{tree.top}/PKG-INFO"
    document = archive.read(name, MAX_DOCUMENT) if name in archive.entries else refuse(_NO_DOCUMENT)
    archive.visit(visit)
    return document


def _read_tar(file: RawIOBase, visit: Visit) -> bytes:
    stream = _Gunzip(file)
    tree = _Tree()
    document: bytes | None = None
    for member in _walk(stream):
        tree.add(member)
        if member.kind == "file" and member.name == f"{tree.top}/PKG-INFO":
            document = stream.take(member.size, MAX_DOCUMENT, "PKG-INFO")
        elif member.kind == "file":
            visit(entry_key(member.name), partial(stream.take, member.size, what=f"entry {quoted(member.name)}"))
    tree.check_links()
    return document or refuse(_NO_DOCUMENT)


@dataclass(slots=True)
class _Tree:
    """The names met so far: all below one top folder, none twice, and no link that leads out."""

    top: str = ""
    kinds: dict[str, str] = field(default_factory=dict)

    def add(self, member: Member) -> None:
        """Raises `UploadRefused`. A folder may occur twice, as some archivers write it."""
        key = entry_key(member.name)
        top, slash, _ = key.partition("/")
        self.top = self.top or top
        if top != self.top or not (slash or member.kind == "folder"):
            refuse(f"its entry {quoted(member.name)} is not inside its one top folder {quoted(self.top)}")
        if key in self.kinds and not self.kinds[key] == member.kind == "folder":
            refuse(f"its entry {quoted(member.name)} is there twice")
        if len(self.kinds) >= MAX_ENTRIES:
            refuse(f"it has more than {MAX_ENTRIES} entries")
        if member.kind == "link":
            _check_symlink(key, member.target)
        if member.kind == "hard link" and self.kinds.get(entry_key(member.target)) not in ("file", "hard link"):
            refuse(f"its link {quoted(member.name)} leads to no file before it")
        self.kinds[key] = member.kind

    def check_links(self) -> None:
        """Refuse an entry below a symbolic link: it would be written where the link leads."""
        links = [f"{key}/" for key, kind in self.kinds.items() if kind == "link"]
        keys = sorted(self.kinds) if links else []
        for link in links:
            if any(key.startswith(link) for key in keys[bisect_left(keys, link) :][:1]):
                refuse(f"its entry {quoted(link)} is a link with entries below it")


def _check_symlink(key: str, target: str) -> None:
    """Refuse a target outside the top folder.

    `..` may stand at the start only: further on it might follow another link, and then climb from elsewhere. At the
    start it climbs from the link's own folder, which is no link (see `check_links`).
    """
    segments = [segment for segment in target.split("/") if segment not in ("", ".")]
    climb = next((at for at, segment in enumerate(segments) if segment != ".."), len(segments))
    if _UNSAFE_TARGET.search(target) or ".." in segments[climb:] or climb >= key.count("/"):
        refuse(f"its link {quoted(key)} leads out of the top folder, or may")


class _Gunzip:
    """One gzip member, expanded step by step; `position` counts the bytes handed out.

    Raises `UploadRefused` for more than the expansion limit, damage, truncation and data after the member.
    """

    def __init__(self, file: RawIOBase) -> None:
        self._limit = expansion_limit(file.seek(0, SEEK_END), MAX_EXPANSION)
        file.seek(0)
        self._file = file
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._buffer, self._at, self._before = b"", 0, 0

    @property
    def position(self) -> int:
        return self._before + self._at

    def block(self) -> bytes:
        """The next 512 bytes."""
        end = self._at + _BLOCK
        if end > len(self._buffer):
            return self.take(_BLOCK, _BLOCK, "header")
        block = self._buffer[self._at : end]
        self._at = end
        return block

    def take(self, size: int, limit: int, what: str) -> bytes:
        """The next `size` bytes, refused above `limit`."""
        if size > limit:
            refuse(f"its {what} is larger than {limit} bytes")
        pieces = []
        while size:
            if self._at == len(self._buffer) and not self._refill():
                refuse("it ends before its last member does")
            piece = self._buffer[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def skip_to(self, position: int) -> None:
        while position > self._before + len(self._buffer):
            if not self._refill():
                refuse("it ends before its last member does")
        self._at = position - self._before

    def finish(self) -> None:
        """Demand that only zeros follow, and then the end of the file."""
        most = self.position + MAX_PADDING
        while self._at < len(self._buffer) or self._refill():
            if self._buffer[self._at :].strip(b"\0") or self.position > most:
                refuse("it has data after the end of the archive")
            self._at = len(self._buffer)
        if self._inflater.unused_data or self._file.read(1):
            refuse("it has data after the end of the archive")

    def _refill(self) -> bool:
        """Replace the buffer by what follows it; False at the end of the member."""
        self._before += len(self._buffer)
        self._buffer, self._at = b"", 0
        while not self._buffer and not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._file.read(_CHUNK) or b""
            try:
                self._buffer = self._inflater.decompress(packed, 4 * _CHUNK)
            except zlib.error:
                refuse("it is damaged, or no gzip archive")
            if not packed and not self._buffer and not self._inflater.eof:
                refuse("it is truncated, or no gzip archive")
        if self._before + len(self._buffer) > self._limit:
            refuse(f"it would expand to more than {self._limit} bytes")
        return bool(self._buffer)


def _walk(stream: _Gunzip) -> Iterator[Member]:
    """Each member, while the stream stands at its data, which may be taken or left."""
    extensions: dict[bytes, bytes] = {}
    for _ in range(2 * MAX_ENTRIES):
        block = stream.block()
        if block == _ZEROS:
            if extensions:
                refuse("it ends before its last member does")
            return stream.finish()
        kind, size = _check_header(block)
        if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
            end = stream.position + _padded(size)
            _extend(extensions, kind, stream.take(size, MAX_EXTENSION, "extended header"))
        else:
            member = _member(block, kind, size, extensions)
            end = stream.position + _padded(member.size)
            if member.name or member.kind != "folder":  # the root itself may be listed
                yield member
            extensions = {}
        stream.skip_to(end)
    refuse(f"it has more than {MAX_ENTRIES} entries")


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _check_header(block: bytes) -> tuple[bytes, int]:
    """A header block's type and size, once its checksum is right."""
    if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * 0x20:
        refuse("it has a damaged header, or is no tar archive")
    # GNU's older format has other things in the place of the prefix: then readers disagree about the name.
    if block[257:263] != b"ustar\0" and any(block[345:500]):
        refuse("it has a header whose name can be read in two ways")
    return block[156:157], _number(block[124:136])


def _number(text: bytes) -> int:
    """A number in octal, or in GNU's binary form, which must not be negative."""
    if text[0] == 0x80:
        return int.from_bytes(text[1:], "big")
    match = _OCTAL.fullmatch(text)
    if match is None:
        refuse("it has a header with a number that is none")
    return int(match[1] or b"0", 8)


def _extend(extensions: dict[bytes, bytes], kind: bytes, data: bytes) -> None:
    """Note what an extended header says of the next member: b"path", b"linkpath" and b"size".

    PAX and GNU headers before one member, or two of a kind, are refused: readers differ in which of them counts.
    """
    if kind in (_LONG_NAME, _LONG_LINK):
        records = {b"path" if kind == _LONG_NAME else b"linkpath": data.rstrip(b"\0")}
    else:
        records = _pax_records(data)
    told = {key: value for key, value in records.items() if key in (b"path", b"linkpath", b"size")}
    if kind in extensions or (extensions and _PAX in (kind, *extensions)) or (told and kind == _PAX_GLOBAL):
        refuse("its extended headers contradict each other")
    extensions.update(told)
    if kind != _PAX_GLOBAL:
        extensions[kind] = b""


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        match = _PAX_RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data) or data[end - 1] != 0x0A:
            refuse("it has a damaged extended header")
        if match[2] in records or match[2].startswith(b"GNU.sparse"):
            refuse(f"it has an extended header that is not supported: {quoted(match[2].decode('latin-1'))}")
        records[match[2]] = data[match.end() : end - 1]
        at = end
    return records


def _member(block: bytes, kind: bytes, size: int, extensions: dict[bytes, bytes]) -> Member:
    prefix = _text(block[345:500])
    name = _text(block[:100])
    name = _text(extensions[b"path"]) if b"path" in extensions else f"{prefix}/{name}" if prefix else name
    # Only above 8 GiB would the header have too little room; where the two differ, readers lose step with each other.
    if extensions.get(b"size", b"%d" % size) != b"%d" % size:
        refuse(f"its entry {quoted(name)} has two sizes")
    target = _text(extensions.get(b"linkpath", block[157:257]))
    what = _kind(kind, name, block[:100].rstrip(b"\0").endswith(b"/"))
    if what != "file" and size:
        refuse(f"its entry {quoted(name)} is a {what} with content")
    return Member(_relative(name), what, size, _relative(target) if what == "hard link" else target)


def _kind(kind: bytes, name: str, has_slash: bool) -> str:
    if kind in _FILES:
        # Before ustar, a folder was a file whose name ends in a slash: the name in the header itself, to some readers.
        return "folder" if kind == b"\0" and (has_slash or name.endswith("/")) else "file"
    known = {_FOLDER: "folder", _SYMLINK: "link", _HARD_LINK: "hard link"}.get(kind)
    return known or refuse(f"its entry {quoted(name)} is a device, a sparse file or of another special type")


def _text(data: bytes) -> str:
    """A name up to its NULs. What is not UTF-8 is kept in escaped form, for comparing only."""
    text = data.rstrip(b"\0")
    if b"\0" in text:
        refuse(f"it has a name with a NUL inside: {quoted(text.decode('latin-1'))}")
    return text.decode("utf-8", "surrogateescape")


def _relative(name: str) -> str:
    """`name` without the `./` that some archivers put first; empty for the root."""
    return "" if name == "." else name.removeprefix("./")

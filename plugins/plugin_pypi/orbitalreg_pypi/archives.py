"""Zip archives from strangers: a reader that allows one reading of the file only, in bounded time and memory.

The standard library's zipfile is not used. It builds its list before anything can be counted, finds an archive inside
other data, trusts the sizes declared, and does not compare the local headers with the central directory, which other
readers go by. Here the file must be exactly: members one after another from its first byte, each with the local header
that the central directory tells of; the central directory; the end records. So no byte is left over that some other
reader might take for something.

What is needed is expanded and measured, and so are members with a data descriptor: a reader of streams finds their end
by expanding them. Of others only the declared size is judged: deflate cannot do better than 1032:1, and expanding 2 GB
to learn that a member lies would cost seconds; installers stop at the declared size.
"""

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from io import SEEK_END, RawIOBase
from struct import Struct
from typing import NamedTuple

from orbitalreg_pypi.filenames import check_entry_names, quoted, refuse

# The largest wheels in use have about 30,000 members; at 65,536 a zip would need ZIP64 for their number.
MAX_ENTRIES = 65_535
MAX_DIRECTORY = 16 << 20  # bytes of the central directory: 256 for each entry
# PyPI stops at 50:1 above 64 MiB; the largest wheels expand 1 GB to 3 GB.
MAX_EXPANSION = 10 << 30  # bytes
MAX_RATIO = 100
RATIO_FLOOR = 64 << 20  # bytes: an archive that expands to no more than this may have any ratio
DEFLATE_RATIO = 1032

_PIECE = 64 << 10
_STORED, _DEFLATED = 0, 8
# Bits 1 and 2 tell the compression level, 3 of a data descriptor, 11 that the name is UTF-8; others change the reading.
_FLAGS_ALLOWED, _HAS_DESCRIPTOR, _UTF8 = 0x080E, 0x0008, 0x0800
_NEWEST = 63  # version 6.3 of the format, ten times
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFF_FFFF
_END, _END64, _LOCATOR64 = Struct("<4s4H2LH"), Struct("<4sQ2H2L4Q"), Struct("<4sLQL")
_CENTRAL, _LOCAL, _FIELD = Struct("<4s6H3L5H2L"), Struct("<4s5H3L2H"), Struct("<2H")
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_FILE_MODES, _FOLDER_MODE = (0, 0o100000), 0o040000  # the kind in a Unix mode; 0 where it is not told


Visit = Callable[[str, Callable[[int], bytes]], None]
"""Sees a file in an archive: its name, and what reads the whole of it, refused above so many bytes."""


def pass_by(name: str, read: Callable[[int], bytes]) -> None:
    """Looks at nothing."""


def expansion_limit(size: int, at_most: int = MAX_EXPANSION) -> int:
    """To how many bytes an archive of `size` bytes may expand."""
    return min(at_most, max(RATIO_FLOOR, MAX_RATIO * size))


class Entry(NamedTuple):
    """A member by the central directory. `packed` is its size in the archive, `size` that of its content.

    `kind` is that in its Unix mode, 0 where none is told.
    """

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    kind: int

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


class _End(NamedTuple):
    number: int
    size: int
    offset: int


class ZipDirectory:
    """A zip by its central directory: what the other members hold, and what lies between them, is not looked at.

    For files that others have published, and that may be read from afar.
    """

    def __init__(self, file: RawIOBase) -> None:
        """Read the directory of the archive that `file` holds, unbuffered. Raises `UploadRefused`."""
        self.size = file.seek(0, SEEK_END)
        end = _find_end(file, self.size)
        self.stop = end.offset
        self.members = list(_entries(_take(file, end.offset, end.size), end.number))
        self._file = file

    def read(self, name: str, limit: int) -> bytes:
        """The whole of a member, verified. Raises `UploadRefused` above `limit` bytes, and unless there is just one."""
        entries = [entry for entry in self.members if entry.name == name]
        if len(entries) != 1:
            refuse(f"it has {len(entries) or 'no'} entries {quoted(name)}, in place of one")
        _check_entry(entries[0])
        return _read(self._file, entries[0], limit)


class ZipArchive:
    """A zip that passed every check; `entries` by name, folders with their final slash."""

    def __init__(self, file: RawIOBase) -> None:
        """Check the archive that `file` holds, unbuffered. Raises `UploadRefused`."""
        directory = ZipDirectory(file)
        entries = sorted(directory.members, key=lambda entry: entry.offset)
        for entry in entries:
            _check_entry(entry)
        if sum(entry.size for entry in entries) > expansion_limit(directory.size):
            refuse(f"it would expand to more than {expansion_limit(directory.size)} bytes")
        check_entry_names(entry.name for entry in entries)
        _check_layout(file, entries, directory.stop)
        self._file = file
        self.entries = {entry.name: entry for entry in entries}

    def read(self, name: str, limit: int) -> bytes:
        """The whole of an existing member, verified. Raises `UploadRefused` above `limit` bytes, packed or not."""
        return _read(self._file, self.entries[name], limit)

    def visit(self, visit: Visit) -> None:
        """Show every file, in the order in which they lie."""
        for name, entry in self.entries.items():
            if not entry.is_folder:
                visit(name, partial(self.read, name))


def _read(file: RawIOBase, entry: Entry, limit: int) -> bytes:
    if max(entry.size, entry.packed) > limit:
        refuse(f"its entry {quoted(entry.name)} is larger than {limit} bytes")
    start = _check_local(file, entry)
    is_stored = entry.method == _STORED
    data = _take(file, start, entry.size) if is_stored else b"".join(_inflate(file, start, entry))
    if zlib.crc32(data) != entry.crc:
        refuse(f"its entry {quoted(entry.name)} does not have the checksum declared")
    return data


def _inflate(file: RawIOBase, start: int, entry: Entry) -> Iterator[bytes]:
    """The content of a deflated member in pieces. Raises `UploadRefused` unless it ends where, and as, declared."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    left, size = entry.packed, 0
    file.seek(start)
    while not inflater.eof and size <= entry.size:
        packed = inflater.unconsumed_tail or file.read(min(left, _PIECE)) or b""
        left -= 0 if inflater.unconsumed_tail else len(packed)
        try:
            piece = inflater.decompress(packed, 4 * _PIECE)
        except zlib.error:
            refuse(f"its entry {quoted(entry.name)} is damaged")
        if not packed and not piece and not inflater.eof:
            break
        size += len(piece)
        yield piece
    if not inflater.eof or inflater.unused_data or left or size != entry.size:
        refuse(f"its entry {quoted(entry.name)} does not have the size declared")


def _take(file: RawIOBase, offset: int, size: int) -> bytes:
    """Exactly `size` bytes from `offset` on; the caller bounds `size`."""
    file.seek(offset)
    data = file.read(size)
    if data is None or len(data) != size:
        refuse("it is truncated, or no zip archive")
    return data


def _find_end(file: RawIOBase, size: int) -> _End:
    """Where the central directory is, by the end records; nothing may follow them, nor stand in between."""
    tail_size = min(size, _END.size + _FULL_16)
    tail = _take(file, size - tail_size, tail_size)
    # Where readers look: at the very end without a comment first, then backwards.
    at = len(tail) - _END.size
    if at < 0 or not (tail.startswith(b"PK\5\6", at) and tail.endswith(b"\0\0")):
        at = tail.rfind(b"PK\5\6", 0, max(0, at + 4))
    if at < 0:
        refuse("it is truncated, or no zip archive")
    _, disk, first_disk, here, count, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        refuse("it has data after the end of the archive")
    end, stop = _find_end64(file, size - tail_size + at, _End(count, length, offset))
    if (disk, first_disk) not in ((0, 0), (_FULL_16, _FULL_16)) or here != count:
        refuse("it is one part of a divided zip archive")
    if end.number > MAX_ENTRIES or end.size > MAX_DIRECTORY:
        refuse(f"it has more than {MAX_ENTRIES} entries, or a directory larger than {MAX_DIRECTORY} bytes")
    if end.offset + end.size != stop:
        refuse("its central directory is not where its end record says")
    return end


def _find_end64(file: RawIOBase, stop: int, end: _End) -> tuple[_End, int]:
    """The end by ZIP64 where there is such a record, and where that begins; `end` and `stop` otherwise."""
    full = (_FULL_16, _FULL_32, _FULL_32)
    block = _take(file, stop - 76, 76) if stop >= 76 else b""
    if not block.startswith(b"PK\6\7", 56):
        if any(value == most for value, most in zip(end, full, strict=True)):
            refuse("its ZIP64 end record is missing")
        return end, stop
    _, length, _, _, disk, first_disk, here, count, size, offset = _END64.unpack_from(block)
    locator = _LOCATOR64.unpack_from(block, 56)
    if not block.startswith(b"PK\6\6") or length != 44 or locator[1:] != (0, stop - 76, 1):
        refuse("its ZIP64 end records disagree")
    end64 = _End(count, size, offset)
    told_twice = zip(end, end64, full, strict=True)
    if (disk, first_disk, here) != (0, 0, count) or any(old not in (new, most) for old, new, most in told_twice):
        refuse("its ZIP64 end records disagree")
    return end64, stop - 76


def _entries(directory: bytes, count: int) -> Iterator[Entry]:
    """The central directory's entries: exactly `count`, which fill it."""
    at = 0
    try:
        for _ in range(count):
            entry, at = _entry(directory, at)
            yield entry
    except struct.error:
        refuse("its central directory is damaged")
    if at != len(directory):
        refuse("its central directory has more than the entries declared")


def _entry(directory: bytes, at: int) -> tuple[Entry, int]:
    """The entry at `at` and where the next begins. Raises `struct.error` at the end of the directory."""
    signature, _, needed, flags, method, _, _, *numbers = _CENTRAL.unpack_from(directory, at)
    crc, packed, size, name_size, extra_size, comment_size, disk, _, mode, offset = numbers
    name_end = at + _CENTRAL.size + name_size
    extra_end = name_end + extra_size
    if signature != b"PK\1\2" or extra_end + comment_size > len(directory) or disk or needed & 0xFF > _NEWEST:
        refuse("its central directory is damaged")
    raw_name = directory[at + _CENTRAL.size : name_end]
    name = _name(raw_name, flags)
    extra = directory[name_end:extra_end]
    if extra or _FULL_32 in (size, packed, offset):
        size, packed, offset = _extended(extra, name, raw_name, (size, packed, offset))
    entry = Entry(name, raw_name, flags, method, crc, packed, size, offset, mode >> 16 & 0o170000)
    return entry, extra_end + comment_size


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        refuse(f"its entry {quoted(raw.decode('ascii', 'backslashreplace'))} has a name that is not UTF-8")


def _extended(extra: bytes, name: str, raw_name: bytes, values: tuple[int, ...]) -> tuple[int, ...]:
    """`values` with those that are full replaced by the ZIP64 field, which must have these and no others."""
    fields = _extra_fields(extra, name)
    if (unicode_path := fields.get(_UNICODE_PATH)) is not None and unicode_path[5:] != raw_name:
        refuse(f"its entry {quoted(name)} has two names")
    full = values.count(_FULL_32)
    told = fields.get(_ZIP64, b"")
    if len(told) != 8 * full:
        refuse(f"its entry {quoted(name)} has inconsistent ZIP64 fields")
    wide = iter(struct.unpack(f"<{full}Q", told))
    return tuple(next(wide) if value == _FULL_32 else value for value in values)


def _extra_fields(extra: bytes, name: str) -> dict[int, bytes]:
    """The extra fields by their id. Up to three bytes at the end are padding, as some aligning tools leave it."""
    fields: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(extra):
        kind, size = _FIELD.unpack_from(extra, at)
        at += 4 + size
        if at > len(extra) or (kind in fields and kind in (_ZIP64, _UNICODE_PATH)):
            refuse(f"its entry {quoted(name)} has damaged extra fields")
        fields[kind] = extra[at - size : at]
    return fields


def _check_entry(entry: Entry) -> None:
    told = f"its entry {quoted(entry.name)}"
    if entry.flags & ~_FLAGS_ALLOWED:
        refuse(f"{told} is encrypted or has flags that are not supported")
    if entry.method not in (_STORED, _DEFLATED):
        refuse(f"{told} is compressed by method {entry.method}: only stored and deflate are allowed")
    if entry.kind not in _FILE_MODES and not (entry.kind == _FOLDER_MODE and entry.is_folder):
        refuse(f"{told} is a link or a special file")
    if entry.is_folder and entry.size:
        refuse(f"{told} is a folder with content")
    most = entry.packed if entry.method == _STORED else DEFLATE_RATIO * entry.packed
    if entry.size > most or (entry.method == _STORED and entry.size != entry.packed):
        refuse(f"{told} declares a size that it cannot have")


def _check_layout(file: RawIOBase, entries: list[Entry], stop: int) -> None:
    """Demand that `entries`, which are in order of offset, fill the file up to `stop`."""
    bounds = [entry.offset for entry in entries] + [stop]
    if bounds[0]:
        refuse("it has data before the first entry")
    if bounds[-2:] != sorted(bounds[-2:]):
        refuse("it has an entry beyond its central directory")
    for entry, end in zip(entries, bounds[1:], strict=True):
        start = _check_local(file, entry)
        data_end = start + entry.packed
        if data_end > end:
            refuse(f"its entry {quoted(entry.name)} overlaps what follows it")
        if entry.flags & _HAS_DESCRIPTOR and entry.method == _DEFLATED:
            deque(_inflate(file, start, entry), maxlen=0)
        rest = _take(file, data_end, min(end - data_end, 25)) if data_end < end else b""
        if rest not in (_descriptors(entry) if entry.flags & _HAS_DESCRIPTOR else [b""]):
            refuse(f"it has stray data after its entry {quoted(entry.name)}")


def _check_local(file: RawIOBase, entry: Entry) -> int:
    """Where the data begin, once the local header has said what the central directory says."""
    fixed = _LOCAL.size + len(entry.raw_name)
    file.seek(entry.offset)
    block = file.read(fixed + 64) or b""
    if len(block) < fixed:
        refuse("it is truncated, or its central directory is damaged")
    numbers: list[int]
    signature, *numbers = _LOCAL.unpack_from(block)
    _, flags, method, _, _, crc, packed, size, name_size, extra_size = numbers
    extra = block[fixed : fixed + extra_size]
    if len(extra) < extra_size:
        extra = _take(file, entry.offset + fixed, extra_size)
    if extra or _FULL_32 in (size, packed):
        size, packed = _extended(extra, entry.name, entry.raw_name, (size, packed))
    later = (0, 0, 0) if entry.flags & _HAS_DESCRIPTOR else None  # a data descriptor tells the values after the data
    if not (
        signature == b"PK\3\4"
        and (flags, method, name_size) == (entry.flags, entry.method, len(entry.raw_name))
        and block[_LOCAL.size : fixed] == entry.raw_name
        and (crc, packed, size) in ((entry.crc, entry.packed, entry.size), later)
    ):
        refuse(f"the local header of its entry {quoted(entry.name)} disagrees with the central directory")
    return entry.offset + fixed + extra_size


def _descriptors(entry: Entry) -> list[bytes]:
    """The forms of the entry's data descriptor: with or without a signature, with 32 or 64 bits."""
    values = (entry.crc, entry.packed, entry.size)
    forms = [struct.pack(form, *values) for form in ("<L2Q", "<3L") if form == "<L2Q" or max(values) <= _FULL_32]
    return forms + [b"PK\7\x08" + form for form in forms]

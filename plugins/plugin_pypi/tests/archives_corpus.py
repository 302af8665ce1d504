"""Archives made in code: valid wheels and sdists for any test, and hostile ones, each under the name of what it does.

Standard library only. `make_wheel` and `make_sdist` are deterministic. `CASES` maps the name of each hostile case to a
`Case`, whose `build()` gives a filename and bytes, and whose `reason` is a part of the expected refusal.
"""

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Built = tuple[str, bytes]
MIB = 1 << 20
_DATE = (2020, 1, 1, 0, 0, 0)
_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


# --- valid files ------------------------------------------------------------------------------------------------------


def metadata(
    name: str, version: str, *, extra: str = "", description: str = "", metadata_version: str = "2.4"
) -> bytes:
    """A METADATA or PKG-INFO; `extra` are whole header lines, with or without the last line's end."""
    extra = extra if not extra or extra.endswith("\n") else f"{extra}\n"
    header = f"Metadata-Version: {metadata_version}\nName: {name}\nVersion: {version}\n{extra}"
    return f"{header}\n{description}".encode()


def wheel_files(name: str, version: str, document: bytes, files: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """What a pure wheel contains, RECORD included."""
    folder = f"{escaped(name)}-{version}.dist-info"
    contents = {
        **({f"{escaped(name)}/__init__.py": b""} if files is None else files),
        f"{folder}/METADATA": document,
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: corpus\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_record_hash(data)},{len(data)}\n" for path, data in contents.items()]
    return contents | {f"{folder}/RECORD": "".join([*rows, f"{folder}/RECORD,,\n"]).encode()}


def make_wheel(
    name: str = "demo-pkg",
    version: str = "1.0",
    *,
    metadata_extra: str = "",
    description: str = "",
    metadata_version: str = "2.4",
    files: Mapping[str, bytes] | None = None,
    tag: str = "py3-none-any",
) -> Built:
    """An installable wheel: its filename and bytes. `files` replaces the one empty module."""
    document = metadata(name, version, extra=metadata_extra, description=description, metadata_version=metadata_version)
    return f"{escaped(name)}-{version}-{tag}.whl", zipped(wheel_files(name, version, document, files))


def make_sdist(
    name: str = "demo-pkg",
    version: str = "1.0",
    *,
    metadata_extra: str = "",
    description: str = "",
    metadata_version: str = "2.4",
    files: Mapping[str, bytes] | None = None,
    extension: str = ".tar.gz",
) -> Built:
    """A source distribution that setuptools can build: its filename and bytes. `files` are relative to its top."""
    document = metadata(name, version, extra=metadata_extra, description=description, metadata_version=metadata_version)
    top = f"{escaped(name)}-{version}"
    project = f'[project]\nname = "{name}"\nversion = "{version}"\n'.encode()
    contents = {"pyproject.toml": project, f"{escaped(name)}.py": b""} if files is None else files
    placed = {f"{top}/{path}": data for path, data in {**contents, "PKG-INFO": document}.items()}
    return f"{top}{extension}", zipped(placed) if extension == ".zip" else tarred(placed)


def escaped(name: str) -> str:
    """The name as filenames have it: PEP 427 and PEP 625."""
    return name.replace("-", "_").replace(".", "_").lower()


def zipped(files: Mapping[str, bytes], compression: int = _DEFLATED) -> bytes:
    """An ordinary zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            info = zipfile.ZipInfo(path, _DATE)
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data, compression)
    return buffer.getvalue()


def tarred(files: Mapping[str, bytes], layout: int = tarfile.PAX_FORMAT) -> bytes:
    """An ordinary tar.gz."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout) as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _record_hash(data: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


# --- raw parts --------------------------------------------------------------------------------------------------------


@dataclass
class Raw:
    """A zip entry in which anything may be a lie: a field with None is what it should be."""

    name: str | bytes
    data: bytes = b""
    method: int = _STORED
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    flags: int = 0
    mode: int = 0o100644
    extra: bytes = b""
    offset: int | None = None
    local_name: str | bytes | None = None
    local_method: int | None = None
    local_flags: int | None = None
    local_size: int | None = None
    local_extra: bytes = b""
    after: bytes = b""
    has_local: bool = True

    def body(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return self.data if self.method == _STORED else deflated(self.data)

    def values(self) -> tuple[int, int, int]:
        """Checksum, packed size, size as the central directory has them."""
        crc = zlib.crc32(self.data) if self.crc is None else self.crc
        packed = len(self.body()) if self.packed_size is None else self.packed_size
        return crc, packed, len(self.data) if self.size is None else self.size

    def local(self) -> bytes:
        name = as_bytes(self.name if self.local_name is None else self.local_name)
        flags = self.flags if self.local_flags is None else self.local_flags
        method = self.method if self.local_method is None else self.local_method
        crc, packed, size = (0, 0, 0) if flags & 8 else self.values()
        size = size if self.local_size is None else self.local_size
        sizes = (crc, packed, size, len(name), len(self.local_extra))
        header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, *sizes)
        return header + name + self.local_extra + self.body() + self.after

    def central(self, offset: int) -> bytes:
        name = as_bytes(self.name)
        sizes = (*self.values(), len(name), len(self.extra), 0, 0, 0, self.mode << 16)
        where = offset if self.offset is None else self.offset
        head = struct.pack("<4s6H3L5H2L", b"PK\1\2", 0x314, 20, self.flags, self.method, 0, 33, *sizes, where)
        return head + name + self.extra


def raw_zip(
    entries: Iterable[Raw], *, prefix: bytes = b"", between: bytes = b"", tail: bytes = b"", **end: int
) -> bytes:
    """A zip of `entries`. `between` stands before the end record; `end` overrides count, size, offset or comment."""
    body, directory, count = bytearray(prefix), bytearray(), 0
    for entry in entries:
        directory += entry.central(len(body))
        body += entry.local() if entry.has_local else b""
        count += 1
    count = end.get("count", count)
    where = (end.get("size", len(directory)), end.get("offset", len(body)))
    record = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, *where, end.get("comment", 0))
    return bytes(body + directory + between + record + tail)


def as_bytes(name: str | bytes) -> bytes:
    return name.encode() if isinstance(name, str) else name


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def deflated_zeros(mebibytes: int) -> bytes:
    """Zeros in raw deflate, made fast: one block again and again."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflater.compress(bytes(MIB)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return block * mebibytes + deflater.flush()


def gzipped_zeros(before: bytes, mebibytes: int) -> bytes:
    """`before` and then zeros, in gzip whose checksum is wrong: a reader should not get that far."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = deflater.compress(before) + deflater.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08" + bytes(7) + head + deflated_zeros(mebibytes) + bytes(8)


def tar_header(
    name: str | bytes,
    size: int | bytes = 0,
    kind: bytes = b"0",
    link: str | bytes = b"",
    *,
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
) -> bytes:
    """A header block with a right checksum; `size` as bytes is the field itself."""
    field = size if isinstance(size, bytes) else b"%011o\0" % size
    start = (
        as_bytes(name).ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + field.ljust(12, b"\0") + b"0" * 11 + b"\0"
    )
    rest = kind + as_bytes(link).ljust(100, b"\0") + magic + bytes(80) + prefix
    block = (start + b" " * 8 + rest).ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def tar_member(name: str | bytes, data: bytes = b"", kind: bytes = b"0", link: str | bytes = b"") -> bytes:
    return tar_header(name, len(data), kind, link) + data + bytes(-len(data) % 512)


def pax_record(key: str, value: str | bytes) -> bytes:
    body = b" " + key.encode() + b"=" + as_bytes(value) + b"\n"
    length = len(body) + len(str(len(body)))
    return str(length + (len(str(length)) > len(str(len(body))))).encode() + body


def raw_tar(*parts: bytes, end: bytes = bytes(1024)) -> bytes:
    """A tar.gz of `parts`, after a good PKG-INFO."""
    good = tar_member("demo_pkg-1.0/PKG-INFO", metadata("demo-pkg", "1.0"))
    return gzip.compress(b"".join([good, *parts, end]), compresslevel=1, mtime=0)


# --- hostile cases ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A hostile file: how to make it, and what its refusal says."""

    build: Callable[[], Built]
    reason: str


CASES: dict[str, Case] = {}
WHEEL = "demo_pkg-1.0-py3-none-any.whl"
SDIST = "demo_pkg-1.0.tar.gz"
ZIP_SDIST = "demo_pkg-1.0.zip"
DIST_INFO = "demo_pkg-1.0.dist-info"


def case(reason: str, filename: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Put a function that makes the bytes into `CASES`."""

    def register(build: Callable[[], bytes]) -> Callable[[], bytes]:
        CASES[build.__name__] = Case(lambda: (filename, build()), reason)
        return build

    return register


def _add(name: str, reason: str, filename: str, build: Callable[[], bytes]) -> None:
    CASES[name] = Case(lambda: (filename, build()), reason)


def _raws(document: bytes | None = None) -> list[Raw]:
    files = wheel_files("demo-pkg", "1.0", metadata("demo-pkg", "1.0") if document is None else document)
    return [Raw(path, data) for path, data in files.items()]


def _wheel_with(*entries: Raw) -> bytes:
    return raw_zip([*_raws(), *entries])


def _wheel_of(files: Mapping[str, bytes]) -> bytes:
    return zipped(files)


# Zip: sizes


@case("would expand", WHEEL)
def zip_bomb() -> bytes:
    return _wheel_with(Raw("zeros", packed=deflated_zeros(4000), method=_DEFLATED, size=4000 * MIB, crc=0))


@case("would expand", WHEEL)
def zip_bomb_of_many_files() -> bytes:
    body = deflated(bytes(MIB))
    return _wheel_with(*(Raw(f"zeros{i}", packed=body, method=_DEFLATED, size=MIB, crc=0) for i in range(2000)))


@case("larger than", WHEEL)
def zip_bomb_as_metadata() -> bytes:
    entries = _raws()
    entries[1] = Raw(entries[1].name, packed=deflated_zeros(60), method=_DEFLATED, size=60 * MIB, crc=0)
    return raw_zip(entries)


@case("size declared", WHEEL)
def zip_metadata_declared_too_small() -> bytes:
    entries = _raws()
    entries[1] = Raw(entries[1].name, packed=deflated_zeros(15), method=_DEFLATED, size=100, crc=0)
    return raw_zip(entries)


@case("size declared", WHEEL)
def zip_record_expands_to_gigabytes() -> bytes:
    entries = _raws()
    entries[3] = Raw(entries[3].name, packed=deflated_zeros(4000), method=_DEFLATED, size=8 * MIB, crc=0)
    return raw_zip(entries)


@case("size declared", WHEEL)
def zip_metadata_declared_too_large() -> bytes:
    entries = _raws()
    entries[1].method, entries[1].size = _DEFLATED, len(entries[1].data) + 5
    return raw_zip(entries)


@case("cannot have", WHEEL)
def zip_size_beyond_deflate() -> bytes:
    return _wheel_with(Raw("x", packed=deflated(b"x"), method=_DEFLATED, size=50 * MIB))


@case("cannot have", WHEEL)
def zip_stored_with_two_sizes() -> bytes:
    return _wheel_with(Raw("x", b"x" * 100, size=50))


@case("checksum", WHEEL)
def zip_wrong_checksum() -> bytes:
    entries = _raws()
    entries[1].crc = 1
    return raw_zip(entries)


@case("damaged", WHEEL)
def zip_damaged_deflate() -> bytes:
    entries = _raws()
    entries[1] = Raw(entries[1].name, packed=b"\xff" * 60, method=_DEFLATED, size=100, crc=0)
    return raw_zip(entries)


# Zip: names and kinds

for _label, _bad in {
    "parent": "../evil.py",
    "parent_inside": "demo_pkg/../../evil.py",
    "parent_inside_only": "demo_pkg/../evil.py",
    "absolute": "/etc/evil",
    "drive": "C:/evil",
    "drive_relative": "c:evil",
    "backslash": "demo_pkg\\..\\..\\evil.py",
    "nul": "demo_pkg/a.py\0.txt",
    "newline": "demo_pkg/a\nb",
    "dot_segment": "demo_pkg/./__init__.py",
    "empty_segment": "demo_pkg//__init__.py",
    "empty": "",
    "only_a_slash": "/",
    "too_long": "a" * 2000,
}.items():
    _add(f"zip_name_{_label}", "unsafe name", WHEEL, lambda bad=_bad: _wheel_with(Raw(bad)))  # type: ignore[misc]
    if _label not in ("nul", "empty", "too_long", "only_a_slash"):
        _add(f"tar_name_{_label}", "unsafe name", SDIST, lambda bad=_bad: raw_tar(tar_member(bad)))  # type: ignore[misc]


@case("is there twice", WHEEL)
def zip_duplicate() -> bytes:
    return _wheel_with(Raw("demo_pkg/__init__.py", b"other"))


@case("is there twice", WHEEL)
def zip_duplicate_metadata() -> bytes:
    return _wheel_with(Raw(f"{DIST_INFO}/METADATA", metadata("demo-pkg", "1.0", extra="Requires-Python: >=2")))


@case("is there twice", WHEEL)
def zip_duplicate_by_unicode_form() -> bytes:
    return _wheel_with(Raw("caf\u00e9", flags=0x800), Raw("cafe\u0301", flags=0x800))


@case("is there twice", WHEEL)
def zip_duplicate_file_and_folder() -> bytes:
    return _wheel_with(Raw("x"), Raw("x/"))


@case("by case alone", WHEEL)
def zip_metadata_twice_by_case() -> bytes:
    return _wheel_with(Raw(f"{DIST_INFO}/metadata", metadata("demo-pkg", "1.0")))


@case("not UTF-8", WHEEL)
def zip_name_not_utf8() -> bytes:
    return _wheel_with(Raw(b"\xff\xfe", flags=0x800))


@case("two names", WHEEL)
def zip_second_name_in_extra_field() -> bytes:
    field = struct.pack("<2HBL", 0x7075, 5 + 4, 1, zlib.crc32(b"good")) + b"evil"
    return _wheel_with(Raw("good", extra=field))


@case("link or a special file", WHEEL)
def zip_symlink() -> bytes:
    return _wheel_with(Raw("demo_pkg/link", b"/etc/passwd", mode=0o120777))


@case("link or a special file", WHEEL)
def zip_fifo() -> bytes:
    return _wheel_with(Raw("demo_pkg/fifo", mode=0o010644))


@case("folder with content", WHEEL)
def zip_folder_with_content() -> bytes:
    return _wheel_with(Raw("demo_pkg/sub/", b"content"))


# Zip: structure


@case("encrypted", WHEEL)
def zip_encrypted() -> bytes:
    return _wheel_with(Raw("secret", flags=1))


@case("encrypted", WHEEL)
def zip_strong_encryption() -> bytes:
    return _wheel_with(Raw("secret", flags=0x41))


for _method in (1, 9, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93, 95, 99):
    _add(f"zip_method_{_method}", "by method", WHEEL, lambda method=_method: _wheel_with(Raw("x", b"x", method)))  # type: ignore[misc]


@case("before the first entry", WHEEL)
def zip_prefix() -> bytes:
    return raw_zip(_raws(), prefix=b"#!/bin/sh\n")


@case("not where its end record says", WHEEL)
def zip_prefix_uncounted() -> bytes:
    return b"#!/bin/sh\n" + raw_zip(_raws())


@case("after the end", WHEEL)
def zip_trailing_data() -> bytes:
    return raw_zip(_raws(), tail=b"more")


@case("after the end", WHEEL)
def zip_comment_too_long() -> bytes:
    return raw_zip(_raws(), tail=b"four", comment=400)


@case("after the end", WHEEL)
def zip_in_comment() -> bytes:
    other = make_wheel(files={"evil.py": b""})[1]
    return raw_zip(_raws(), tail=other + b"x", comment=len(other) + 1)


@case("not where its end record says", WHEEL)
def zip_appended() -> bytes:
    return make_wheel()[1] + make_wheel(files={"evil.py": b""})[1]


@case("before the first entry", WHEEL)
def zip_appended_with_offsets_mended() -> bytes:
    return raw_zip(_raws(), prefix=make_wheel()[1])


@case("not where its end record says", WHEEL)
def zip_two_end_records() -> bytes:
    whole = raw_zip(_raws())
    return whole + whole[-22:]


@case("stray data", WHEEL)
def zip_two_central_directories() -> bytes:
    entries = _raws()
    entries[-1].after = b"".join(entry.central(0) for entry in entries)
    return raw_zip(entries)


@case("stray data", WHEEL)
def zip_hidden_entry() -> bytes:
    entries = _raws()
    entries[0].after = Raw("evil.py", b"evil").local()
    return raw_zip(entries)


@case("not where its end record says", WHEEL)
def zip_gap_before_end_record() -> bytes:
    return raw_zip(_raws(), between=b"gap")


@case("more than the entries declared", WHEEL)
def zip_count_too_small() -> bytes:
    return raw_zip(_raws(), count=3)


@case("damaged", WHEEL)
def zip_count_too_large() -> bytes:
    return raw_zip(_raws(), count=5)


@case("overlaps", WHEEL)
def zip_overlapping() -> bytes:
    entries = _raws()
    entries[0].packed_size = entries[0].size = 40
    return raw_zip(entries)


@case("overlaps", WHEEL)
def zip_quoted_overlap() -> bytes:
    """Many entries over one body, as in the known bomb that no ratio of one file shows."""
    body = Raw("zeros", packed=deflated(bytes(MIB)), method=_DEFLATED, size=MIB, crc=0)
    others = [Raw(f"zeros{i}", packed=body.body(), method=_DEFLATED, size=MIB, crc=0, offset=0) for i in range(30)]
    for other in others:
        other.has_local = False
    return raw_zip([body, *others, *_raws()])


@case("beyond its central directory", WHEEL)
def zip_offset_beyond_the_end() -> bytes:
    return _wheel_with(Raw("x", offset=0xFFFF_FFF0))


@case("disagrees", WHEEL)
def zip_local_name_differs() -> bytes:
    return _wheel_with(Raw("demo_pkg/good.py", local_name="demo_pkg/evil.py"))


@case("disagrees", WHEEL)
def zip_local_name_longer() -> bytes:
    return _wheel_with(Raw("demo_pkg/good.py", local_name="demo_pkg/good.pyc"))


@case("disagrees", WHEEL)
def zip_local_method_differs() -> bytes:
    return _wheel_with(Raw("x", b"x" * 50, local_method=_DEFLATED))


@case("disagrees", WHEEL)
def zip_local_size_differs() -> bytes:
    return _wheel_with(Raw("x", b"x" * 50, local_size=10))


@case("disagrees", WHEEL)
def zip_local_flags_differ() -> bytes:
    return _wheel_with(Raw("x", b"x", local_flags=1))


@case("disagrees", WHEEL)
def zip_no_local_header() -> bytes:
    entries = _raws()
    return bytes(4) + raw_zip(entries)[4:]


@case("stray data", WHEEL)
def zip_data_descriptor_lies() -> bytes:
    return _wheel_with(Raw("x", b"x", flags=8, after=b"PK\7\x08" + struct.pack("<3L", zlib.crc32(b"x"), 1, 2)))


@case("size declared", WHEEL)
def zip_data_descriptor_inside_the_data() -> bytes:
    """To a reader of streams the first member ends early, and another one follows in its data."""
    short = deflated(b"short")
    inner = short + struct.pack("<4s3L", b"PK\7\x08", zlib.crc32(b"short"), len(short), 5) + Raw("evil.py").local()
    after = struct.pack("<4s3L", b"PK\7\x08", zlib.crc32(b"short"), len(inner), 5)
    return _wheel_with(Raw("x", b"short", _DEFLATED, packed=inner, flags=8, after=after))


@case("stray data", WHEEL)
def zip_data_descriptor_missing() -> bytes:
    return _wheel_with(Raw("x", b"x", flags=8))


@case("ZIP64", WHEEL)
def zip_zip64_field_missing() -> bytes:
    return _wheel_with(Raw("x", b"x", size=0xFFFF_FFFF))


@case("ZIP64", WHEEL)
def zip_zip64_field_needless() -> bytes:
    return _wheel_with(Raw("x", b"x", extra=struct.pack("<2HQ", 1, 8, 5)))


@case("beyond its central directory", WHEEL)
def zip_zip64_offset_huge() -> bytes:
    return _wheel_with(Raw("x", offset=0xFFFF_FFFF, extra=struct.pack("<2HQ", 1, 8, 2**64 - 1)))


@case("would expand", WHEEL)
def zip_zip64_sizes_huge() -> bytes:
    wide = struct.pack("<2H2Q", 1, 16, 2**63, 2**63)
    return _wheel_with(Raw("x", size=0xFFFF_FFFF, packed_size=0xFFFF_FFFF, extra=wide))


@case("ZIP64 end record is missing", WHEEL)
def zip_zip64_end_missing() -> bytes:
    return raw_zip(_raws(), count=0xFFFF)


@case("ZIP64 end records disagree", WHEEL)
def zip_zip64_end_disagrees() -> bytes:
    return raw_zip(_raws(), between=_zip64_end(9, 9, 9))


@case("more than", WHEEL)
def zip_zip64_entries_without_number() -> bytes:
    return raw_zip(_raws(), between=_zip64_end(2**40, 2**50, 0), count=0xFFFF, size=0xFFFF_FFFF, offset=0)


@case("damaged extra", WHEEL)
def zip_extra_field_damaged() -> bytes:
    return _wheel_with(Raw("x", extra=struct.pack("<2H", 9, 60000)))


@case("more than", WHEEL)
def zip_100_000_entries() -> bytes:
    body, directory = Raw("x").local(), Raw("x").central(0) * 100_000
    end = _zip64_end(100_000, len(directory), len(body), at=len(body) + len(directory))
    return body + directory + end + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFF_FFFF] * 2, 0)


@case("is there twice", WHEEL)
def zip_65_000_entries_of_one_name() -> bytes:
    return raw_zip(Raw("x") for _ in range(65_000))


def _zip64_end(count: int, size: int, offset: int, at: int = 0) -> bytes:
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    place = at or len(raw_zip(_raws())) - 22
    return record + struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)


@case("divided", WHEEL)
def zip_of_many_disks() -> bytes:
    whole = bytearray(raw_zip(_raws()))
    whole[-18:-14] = b"\1\0\1\0"
    return bytes(whole)


# Any kind of file

for _label, _bytes in {
    "empty": b"",
    "text": b"no archive at all\n" * 100,
    "zeros": bytes(5000),
    "one_byte": b"P",
}.items():
    for _filename in (WHEEL, SDIST, ZIP_SDIST):
        _suffix = _filename[-3:].strip(".")
        _add(f"not_an_archive_{_label}_{_suffix}", "it is", _filename, lambda data=_bytes: data)  # type: ignore[misc]

_add("truncated_wheel", "truncated", WHEEL, lambda: make_wheel()[1][:-300])
_add("truncated_wheel_by_a_byte", "", WHEEL, lambda: make_wheel()[1][:-1])
_add("truncated_sdist", "truncated", SDIST, lambda: make_sdist()[1][:-100])
_add("truncated_sdist_by_a_byte", "truncated", SDIST, lambda: make_sdist()[1][:-1])
_add("only_an_end_record", ".dist-info", WHEEL, lambda: b"PK\5\6" + bytes(18))
_add("only_an_end_record_sdist", "PKG-INFO", ZIP_SDIST, lambda: b"PK\5\6" + bytes(18))
_add("wheel_named_sdist", "gzip", SDIST, lambda: make_wheel()[1])
_add("sdist_named_wheel", "zip archive", WHEEL, lambda: make_sdist()[1])


# Wheels: contents


def _files(document: bytes | None = None) -> dict[str, bytes]:
    return wheel_files("demo-pkg", "1.0", metadata("demo-pkg", "1.0") if document is None else document)


def _without(name: str) -> bytes:
    return zipped({path: data for path, data in _files().items() if not path.endswith(name)})


_add("wheel_without_metadata", "no demo_pkg-1.0.dist-info/METADATA", WHEEL, lambda: _without("METADATA"))
_add("wheel_without_wheel", "no demo_pkg-1.0.dist-info/WHEEL", WHEEL, lambda: _without("WHEEL"))
_add("wheel_without_record", "no demo_pkg-1.0.dist-info/RECORD", WHEEL, lambda: _without("RECORD"))


@case("no .dist-info", WHEEL)
def wheel_with_metadata_at_top_only() -> bytes:
    return zipped({"METADATA": metadata("demo-pkg", "1.0"), "WHEEL": b"", "RECORD": b""})


@case("no .dist-info", WHEEL)
def wheel_with_vendored_metadata_only() -> bytes:
    return zipped({f"demo_pkg/_vendor/{path}": data for path, data in _files().items()})


@case("2 .dist-info", WHEEL)
def wheel_with_two_dist_info() -> bytes:
    return zipped(_files() | wheel_files("other", "1.0", metadata("other", "1.0")))


@case("2 .dist-info", WHEEL)
def wheel_with_two_dist_info_by_case() -> bytes:
    return zipped(_files() | {"Demo_Pkg-1.0.DIST-INFO/METADATA": metadata("demo-pkg", "1.0")})


@case("is not that of demo-pkg 1.0", WHEEL)
def wheel_with_dist_info_of_another() -> bytes:
    return zipped(wheel_files("other", "1.0", metadata("demo-pkg", "1.0")))


@case("is not that of demo-pkg 1.0", WHEEL)
def wheel_with_dist_info_of_another_version() -> bytes:
    return zipped(wheel_files("demo-pkg", "1.1", metadata("demo-pkg", "1.0")))


@case("is not that of demo-pkg 1.0", WHEEL)
def wheel_with_nameless_dist_info() -> bytes:
    return zipped({".dist-info/METADATA": metadata("demo-pkg", "1.0")})


_FAULTS: dict[str, tuple[str, bytes]] = {
    "of_another_name": ("'other'", metadata("other", "1.0")),
    "of_another_version": ("'1.1'", metadata("demo-pkg", "1.1")),
    "not_utf8": ("not UTF-8", metadata("demo-pkg", "1.0") + b"\xff"),
    "utf16": ("not UTF-8", metadata("demo-pkg", "1.0").decode().encode("utf-16")),
    "empty": ("no Metadata-Version", b""),
    "without_version": ("no Version", b"Metadata-Version: 2.1\nName: demo-pkg\n"),
    "without_name": ("no Name", b"Metadata-Version: 2.1\nVersion: 1.0\n"),
    "with_unknown_name": ("no Name", b"Metadata-Version: 2.1\nName: UNKNOWN\nVersion: 1.0\n"),
    "of_the_future": ("'2.7'", metadata("demo-pkg", "1.0", metadata_version="2.7")),
    "with_strange_version": ("'two'", metadata("demo-pkg", "1.0", metadata_version="two")),
    "with_two_names": ("Name more than once", metadata("demo-pkg", "1.0", extra="Name: other")),
    "with_two_requires_python": (
        "Requires-Python more than once",
        metadata("demo-pkg", "1.0", extra="Requires-Python: >=3\nrequires-python: >=2"),
    ),
    "with_two_licenses": (
        "License beside License-Expression",
        metadata("demo-pkg", "1.0", extra="License: MIT\nLicense-Expression: MIT"),
    ),
    "with_bad_license": ("license-expression", metadata("demo-pkg", "1.0", extra="License-Expression: Not A License")),
    "with_bad_requirement": ("requires-dist", metadata("demo-pkg", "1.0", extra="Requires-Dist: a >>= 1")),
    "with_bad_old_requirement": (
        "requires-dist",
        metadata("demo-pkg", "1.0", extra="Requires-Dist: a >>= 1", metadata_version="1.0"),
    ),
    "with_nested_requirement": (
        "requires_dist",
        metadata("demo-pkg", "1.0", extra="Requires-Dist: a; " + "(" * 20_000),
    ),
    "with_long_requirements": ("Requires-Dist", metadata("demo-pkg", "1.0", extra=f"Requires-Dist: a{'b' * MIB}")),
    "with_bad_requires_python": ("requires-python", metadata("demo-pkg", "1.0", extra="Requires-Python: >=3.*")),
    "with_long_requires_python": (
        "requires_python",
        metadata("demo-pkg", "1.0", extra=f"Requires-Python: >={'1' * 5000}"),
    ),
    "with_control_character": ("control character", metadata("demo-pkg", "1.0", extra="Requires-Dist: a ===1\x00")),
    "with_long_content_type": (
        "description_content_type",
        metadata("demo-pkg", "1.0", extra=f"Description-Content-Type: text/plain{'; a=b' * 200_000}"),
    ),
    "with_nested_content_type": (
        "description_content_type",
        metadata("demo-pkg", "1.0", extra=f"Description-Content-Type: {'(' * 4000}"),
    ),
    "with_long_version": ("no version", metadata("demo-pkg", "1" * 5000)),
    "with_many_fields": ("fields", metadata("demo-pkg", "1.0", extra="X: y\n" * 100_000)),
    "with_many_lines": ("lines", metadata("demo-pkg", "1.0", extra="X:\n" * 4_000_000)),
    "too_large": ("larger than", metadata("demo-pkg", "1.0", description="x" * 17 * MIB)),
    "multipart": (
        "no Metadata-Version",
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" + metadata("demo-pkg", "1.0"),
    ),
}
for _label, (_reason, _document) in _FAULTS.items():
    _add(f"metadata_{_label}", _reason, WHEEL, lambda document=_document: zipped(_files(document)))  # type: ignore[misc]


# Tar


@case("would expand", SDIST)
def gzip_bomb() -> bytes:
    return gzipped_zeros(tar_header("demo_pkg-1.0/zeros", 4000 * MIB), 4000)


@case("after the end", SDIST)
def gzip_bomb_after_the_end() -> bytes:
    good = tar_member("demo_pkg-1.0/PKG-INFO", metadata("demo-pkg", "1.0"))
    return gzipped_zeros(good, 4000)


@case("larger than", SDIST)
def gzip_bomb_as_pkg_info() -> bytes:
    return gzipped_zeros(tar_header("demo_pkg-1.0/PKG-INFO", 4000 * MIB), 4000)


@case("after the end", SDIST)
def gzip_second_member() -> bytes:
    return make_sdist()[1] + make_sdist()[1]


@case("after the end", SDIST)
def gzip_trailing_data() -> bytes:
    return make_sdist()[1] + b"\n"


@case("after the end", SDIST)
def tar_trailing_data() -> bytes:
    return raw_tar(end=bytes(1024) + b"more")


@case("after the end", SDIST)
def tar_second_archive() -> bytes:
    return raw_tar(bytes(1024), tar_member("demo_pkg-1.0/evil.py", b"evil"))


@case("ends before", SDIST)
def tar_without_end() -> bytes:
    return raw_tar(end=b"")


@case("ends before", SDIST)
def tar_truncated_member() -> bytes:
    return raw_tar(tar_header("demo_pkg-1.0/a", 5000), b"short", end=b"")


@case("ends before", SDIST)
def tar_extended_header_without_member() -> bytes:
    return raw_tar(tar_member("x", pax_record("path", "demo_pkg-1.0/a"), b"x"))


@case("damaged header", SDIST)
def tar_wrong_checksum() -> bytes:
    header = bytearray(tar_header("demo_pkg-1.0/a"))
    header[0:1] = b"D"
    return raw_tar(bytes(header))


for _label, _size in {
    "negative": b"\xff" * 12,
    "signed": b"-0000000001\0",
    "words": b"many\0",
    "decimal": b"00000000089\0",
    "after_nul": b"0\x001\0\0\0\0\0\0\0\0\0",
    "before_nul": b"\x0000000000001",
}.items():
    _add(f"tar_size_{_label}", "number", SDIST, lambda size=_size: raw_tar(tar_header("demo_pkg-1.0/a", size)))  # type: ignore[misc]


@case("ends before", SDIST)
def tar_size_huge() -> bytes:
    return raw_tar(tar_header("demo_pkg-1.0/a", b"\x80" + b"\xff" * 11))


@case("two sizes", SDIST)
def tar_pax_size_hides_a_member() -> bytes:
    hidden = tar_member("demo_pkg-1.0/evil.py", b"evil")
    return raw_tar(tar_member("x", pax_record("size", "1024"), b"x"), tar_member("demo_pkg-1.0/a"), hidden)


@case("contradict", SDIST)
def tar_pax_before_long_name() -> bytes:
    long = tar_member("././@LongLink", b"demo_pkg-1.0/b\0", b"L")
    return raw_tar(tar_member("x", pax_record("mtime", "1"), b"x"), long, tar_member("demo_pkg-1.0/a"))


@case("two sizes", SDIST)
def tar_pax_size_negative() -> bytes:
    return raw_tar(tar_member("x", pax_record("size", "-512"), b"x"), tar_member("demo_pkg-1.0/a"))


@case("two sizes", SDIST)
def tar_pax_size_of_many_digits() -> bytes:
    return raw_tar(tar_member("x", pax_record("size", "9" * 9000), b"x"), tar_member("demo_pkg-1.0/a"))


for _label, _target in {
    "parent": "../../etc/passwd",
    "one_up": "..",
    "absolute": "/etc/passwd",
    "through": "a/../../..",
    "inner_parent": "a/../b",
    "drive": "C:/x",
    "backslash": "..\\..\\x",
    "empty": "",
}.items():
    _add(
        f"tar_symlink_{_label}",
        "leads out",
        SDIST,
        lambda target=_target: raw_tar(tar_member("demo_pkg-1.0/link", kind=b"2", link=target)),  # type: ignore[misc]
    )


@case("entries below it", SDIST)
def tar_written_through_a_link() -> bytes:
    link = tar_member("demo_pkg-1.0/sub", kind=b"2", link="other")
    return raw_tar(link, tar_member("demo_pkg-1.0/sub/evil.py", b"evil"))


@case("entries below it", SDIST)
def tar_link_put_above_a_file() -> bytes:
    link = tar_member("demo_pkg-1.0/sub", kind=b"2", link="other")
    return raw_tar(tar_member("demo_pkg-1.0/sub/evil.py", b"evil"), link)


@case("not inside", SDIST)
def tar_top_is_a_link() -> bytes:
    return raw_tar(tar_member("demo_pkg-1.0", kind=b"2", link="/"))


@case("folder with content", SDIST)
def tar_old_folder_with_hidden_content() -> bytes:
    folder = tar_header("demo_pkg-1.0/a/", 512, b"\0")
    return raw_tar(tar_member("x", pax_record("path", "demo_pkg-1.0/a"), b"x"), folder, tar_member("demo_pkg-1.0/b"))


@case("entries below it", SDIST)
def tar_60_000_long_names_and_a_link() -> bytes:
    name = "demo_pkg-1.0/" + "a/" * 40
    parts = [tar_header(f"{name}{i}") for i in range(60_000)]
    return raw_tar(*parts, tar_member("demo_pkg-1.0/a/a", kind=b"2", link="b"))


@case("unsafe name", SDIST)
def tar_hard_link_out() -> bytes:
    return raw_tar(tar_member("demo_pkg-1.0/link", kind=b"1", link="../../etc/passwd"))


@case("no file before it", SDIST)
def tar_hard_link_to_nothing() -> bytes:
    return raw_tar(tar_member("demo_pkg-1.0/link", kind=b"1", link="demo_pkg-1.0/absent"))


@case("no file before it", SDIST)
def tar_hard_link_to_a_link() -> bytes:
    link = tar_member("demo_pkg-1.0/a", kind=b"2", link="b")
    return raw_tar(link, tar_member("demo_pkg-1.0/b", kind=b"1", link="demo_pkg-1.0/a"))


@case("with content", SDIST)
def tar_link_with_content() -> bytes:
    return raw_tar(tar_member("demo_pkg-1.0/link", b"x" * 512, b"2", "a"))


for _label, _kind in {
    "device": b"3",
    "block_device": b"4",
    "fifo": b"6",
    "sparse": b"S",
    "solaris": b"X",
    "odd": b"Q",
}.items():
    _add(f"tar_{_label}", "special type", SDIST, lambda kind=_kind: raw_tar(tar_member("demo_pkg-1.0/x", kind=kind)))  # type: ignore[misc]


@case("not supported", SDIST)
def tar_pax_sparse() -> bytes:
    record = pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.realsize", "99999999999")
    return raw_tar(tar_member("x", record, b"x"), tar_member("demo_pkg-1.0/x", b"0\n"))


@case("extended header", SDIST)
def tar_pax_quadratic() -> bytes:
    """A few hundred bytes on which Python 3.11's tarfile spends tens of seconds."""
    return gzip.compress(tar_member("x", b"1" * 60_000 + b"\n", b"x") + bytes(1024), mtime=0)


@case("extended header", SDIST)
def tar_pax_giant() -> bytes:
    return gzipped_zeros(tar_header("x", 500 * MIB, b"x"), 500)


@case("extended header", SDIST)
def tar_gnu_name_giant() -> bytes:
    return gzipped_zeros(tar_header("././@LongLink", 500 * MIB, b"L"), 500)


@case("unsafe name", SDIST)
def tar_gnu_name_long() -> bytes:
    name = b"demo_pkg-1.0/" + b"a" * 5000 + b"\0"
    return raw_tar(tar_member("././@LongLink", name, b"L"), tar_member("demo_pkg-1.0/a"))


@case("unsafe name", SDIST)
def tar_gnu_name_climbs() -> bytes:
    return raw_tar(tar_member("././@LongLink", b"demo_pkg-1.0/../../evil\0", b"L"), tar_member("demo_pkg-1.0/a"))


@case("unsafe name", SDIST)
def tar_pax_name_climbs() -> bytes:
    record = pax_record("path", "demo_pkg-1.0/../../evil")
    return raw_tar(tar_member("x", record, b"x"), tar_member("demo_pkg-1.0/a"))


@case("contradict", SDIST)
def tar_two_long_names() -> bytes:
    long = tar_member("././@LongLink", b"demo_pkg-1.0/b\0", b"L")
    return raw_tar(tar_member("x", pax_record("path", "demo_pkg-1.0/c"), b"x"), long, tar_member("demo_pkg-1.0/a"))


@case("contradict", SDIST)
def tar_global_name() -> bytes:
    return raw_tar(tar_member("x", pax_record("path", "demo_pkg-1.0/c"), b"g"), tar_member("demo_pkg-1.0/a"))


@case("damaged extended", SDIST)
def tar_pax_length_lies() -> bytes:
    return raw_tar(tar_member("x", b"999 path=a\n", b"x"), tar_member("demo_pkg-1.0/a"))


@case("damaged extended", SDIST)
def tar_pax_length_zero() -> bytes:
    return raw_tar(tar_member("x", b"0 path=a\n", b"x"), tar_member("demo_pkg-1.0/a"))


@case("NUL inside", SDIST)
def tar_name_nul() -> bytes:
    return raw_tar(tar_member(b"demo_pkg-1.0/a\0b"))


@case("NUL inside", SDIST)
def tar_pax_name_nul() -> bytes:
    record = pax_record("path", "demo_pkg-1.0/a\0b")
    return raw_tar(tar_member("x", record, b"x"), tar_member("demo_pkg-1.0/a"))


@case("read in two ways", SDIST)
def tar_gnu_prefix() -> bytes:
    return raw_tar(tar_header("a", magic=b"ustar  \0", prefix=b"demo_pkg-1.0"))


@case("is there twice", SDIST)
def tar_duplicate() -> bytes:
    return raw_tar(tar_member("demo_pkg-1.0/PKG-INFO", metadata("demo-pkg", "1.0")))


@case("is there twice", SDIST)
def tar_duplicate_by_dot() -> bytes:
    return raw_tar(tar_member("./demo_pkg-1.0/PKG-INFO", metadata("demo-pkg", "1.0")))


@case("is there twice", SDIST)
def tar_file_and_folder() -> bytes:
    return raw_tar(tar_member("demo_pkg-1.0/a"), tar_member("demo_pkg-1.0/a/", kind=b"5"))


@case("not inside", SDIST)
def tar_two_tops() -> bytes:
    return raw_tar(tar_member("other-1.0/setup.py"))


@case("not inside", SDIST)
def tar_file_at_the_top() -> bytes:
    return raw_tar(tar_member("setup.py"))


@case("no PKG-INFO", SDIST)
def tar_pkg_info_deeper_only() -> bytes:
    return tarred({"demo_pkg-1.0/demo_pkg.egg-info/PKG-INFO": metadata("demo-pkg", "1.0")})


@case("no PKG-INFO", SDIST)
def tar_pkg_info_is_a_link() -> bytes:
    parts = tar_member("demo_pkg-1.0/a", metadata("demo-pkg", "1.0"))
    parts += tar_member("demo_pkg-1.0/PKG-INFO", kind=b"2", link="a")
    return gzip.compress(parts + bytes(1024), mtime=0)


@case("no PKG-INFO", SDIST)
def tar_empty() -> bytes:
    return gzip.compress(bytes(10240), mtime=0)


@case("'other'", SDIST)
def tar_pkg_info_of_another() -> bytes:
    return tarred({"demo_pkg-1.0/PKG-INFO": metadata("other", "1.0")})


@case("more than", SDIST)
def tar_100_000_members() -> bytes:
    return raw_tar(*(tar_header(f"demo_pkg-1.0/{i}") for i in range(100_000)))


@case("more than", SDIST)
def tar_200_000_extended_headers() -> bytes:
    return raw_tar(tar_header("x", 0, b"g") * 200_000)


@case("not inside", ZIP_SDIST)
def zip_sdist_two_tops() -> bytes:
    return zipped({"demo_pkg-1.0/PKG-INFO": metadata("demo-pkg", "1.0"), "other/x": b""})


@case("no PKG-INFO", ZIP_SDIST)
def zip_sdist_pkg_info_deeper_only() -> bytes:
    return zipped({"demo_pkg-1.0/sub/PKG-INFO": metadata("demo-pkg", "1.0")})


@case("link or a special file", ZIP_SDIST)
def zip_sdist_symlink() -> bytes:
    return raw_zip([Raw("demo_pkg-1.0/PKG-INFO", metadata("demo-pkg", "1.0")), Raw("demo_pkg-1.0/l", mode=0o120777)])

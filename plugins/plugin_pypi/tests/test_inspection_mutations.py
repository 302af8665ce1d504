"""Sound archives, changed at random, are inspected or refused: nothing else happens."""

import gzip
import struct
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from archives_corpus import (
    Raw,
    make_sdist,
    make_wheel,
    metadata,
    pax_record,
    raw_tar,
    raw_zip,
    tar_header,
    tar_member,
    wheel_files,
    zipped,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from orbitalreg_pypi.inspection import inspect

from orbitalreg.errors import UploadRefused

WHEEL, SDIST = make_wheel()[0], make_sdist()[0]
STORED_WHEEL = zipped(wheel_files("demo-pkg", "1.0", metadata("demo-pkg", "1.0")), 0)
RAW_TAR = gzip.decompress(
    raw_tar(
        tar_member("x", pax_record("path", "demo_pkg-1.0/a") + pax_record("size", "0"), b"x"),
        tar_member("demo_pkg-1.0/b"),
        tar_member("././@LongLink", b"demo_pkg-1.0/c\0", b"L"),
        tar_member("demo_pkg-1.0/d"),
        tar_member("demo_pkg-1.0/e", kind=b"2", link="b"),
    )
)
EDITS = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6)
CUTS = st.none() | st.integers(0, 1 << 20)
Check = Callable[[str, bytes], None]
few = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    path: Path = tmp_path_factory.mktemp("mutations") / "staged"

    def check(filename: str, data: bytes) -> None:
        path.write_bytes(data)
        try:
            found = inspect(path, filename, {})
        except UploadRefused as refused:
            reason = str(refused)
        else:
            assert list(found.documents.values()) == [as_pip_reads(path, filename)]
            return
        assert reason.isascii()
        assert reason.isprintable()

    return check


def as_pip_reads(path: Path, filename: str) -> bytes:
    """The metadata by the standard library's readers: what is accepted, they must read alike."""
    if filename.endswith(".tar.gz"):
        with tarfile.open(path) as tar:
            member = tar.extractfile("demo_pkg-1.0/PKG-INFO")
            assert member is not None
            return member.read()
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"demo_pkg-1.0{'.dist-info/METADATA' if filename == WHEEL else '/PKG-INFO'}")


def changed(data: bytes, edits: Sequence[tuple[int, int]], cut: int | None) -> bytes:
    mutable = bytearray(data)
    for place, value in edits:
        mutable[place % len(mutable)] = value
    return bytes(mutable if cut is None else mutable[: cut % len(mutable)])


@few
@given(edits=EDITS, cut=CUTS)
def test_wheels(check: Check, edits: list[tuple[int, int]], cut: int | None) -> None:
    check(WHEEL, changed(STORED_WHEEL, edits, cut))
    check(WHEEL, changed(make_wheel()[1], edits, cut))
    check("demo_pkg-1.0.zip", changed(make_sdist(extension=".zip")[1], edits, cut))


@few
@given(edits=EDITS, cut=CUTS)
def test_sdists(check: Check, edits: list[tuple[int, int]], cut: int | None) -> None:
    check(SDIST, changed(make_sdist()[1], edits, cut))
    check(SDIST, gzip.compress(changed(RAW_TAR, edits, cut), 1))


@few
@given(at=st.integers(0, 400), value=st.sampled_from([0, 1, 0x7F, 0xFF, 0xFFFF, 0xFFFF_FFFF, 2**63, 2**64 - 1]))
def test_numbers_near_the_end_of_a_zip(check: Check, at: int, value: int) -> None:
    """The directory and its end records, where every number counts."""
    place = len(STORED_WHEEL) - 8 - at
    check(WHEEL, STORED_WHEEL[:place] + struct.pack("<Q", value) + STORED_WHEEL[place + 8 :])
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, value, value, value, value)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, value, 1)
    check(WHEEL, STORED_WHEEL[:-22] + wide + locator + STORED_WHEEL[-22:])


@few
@given(
    name=st.text(max_size=30) | st.binary(max_size=30),
    numbers=st.tuples(*[st.sampled_from([0, 1, 8, 0x800, 0xFFFF])] * 2),
    sizes=st.tuples(*[st.sampled_from([None, 0, 1, 2**31, 2**32 - 1])] * 4),
    extra=st.binary(max_size=40) | st.binary(max_size=24).map(lambda data: struct.pack("<2H", 1, len(data)) + data),
)
def test_entries_made_at_random(
    check: Check,
    name: str | bytes,
    numbers: tuple[int, int],
    sizes: tuple[int | None, ...],
    extra: bytes,
) -> None:
    raw = name.encode("utf-8", "replace") if isinstance(name, str) else name
    odd = Raw(raw, b"data", numbers[0], flags=numbers[1], extra=extra, local_extra=extra)
    odd.size, odd.packed_size, odd.offset, odd.local_size = sizes
    sound = [Raw(path, data) for path, data in wheel_files("demo-pkg", "1.0", metadata("demo-pkg", "1.0")).items()]
    check(WHEEL, raw_zip([odd, *sound]))
    check(WHEEL, raw_zip([*sound, odd]))


@few
@given(
    name=st.binary(max_size=100) | st.text("ab./\\", max_size=20).map(lambda text: f"demo_pkg-1.0/{text}".encode()),
    link=st.binary(max_size=100) | st.text("ab./\\", max_size=20).map(str.encode),
    size=st.integers(0, 2000) | st.binary(min_size=12, max_size=12),
    kind=st.sampled_from([b"0", b"\0", b"1", b"2", b"5", b"7", b"L", b"K", b"x", b"g", b"S", b"?"]),
    body=st.binary(max_size=60)
    | st.builds(
        pax_record,
        st.sampled_from(["path", "size", "linkpath", "x"]),
        st.text(max_size=20).map(lambda t: t.encode("utf-8", "replace")),
    ),
)
def test_members_made_at_random(
    check: Check, name: bytes, link: bytes, size: int | bytes, kind: bytes, body: bytes
) -> None:
    odd = tar_header(name, len(body) if kind in b"LKxg" and isinstance(size, int) else size, kind, link)
    check(SDIST, raw_tar(odd, body.ljust(512, b"\0"), tar_member("demo_pkg-1.0/z", b"z")))
    check(SDIST, raw_tar(odd, tar_member("demo_pkg-1.0/z", b"z")))

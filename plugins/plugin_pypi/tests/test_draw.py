"""METADATA drawn from wheels that others have published, over streams where each read costs a request."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest
from archives_corpus import CASES, DIST_INFO, WHEEL, make_sdist, make_wheel, metadata, wheel_files, zipped
from hypothesis import example, given
from hypothesis import strategies as st
from orbitalreg_pypi.afar import Window
from orbitalreg_pypi.upstream import SimpleUpstreams

from orbitalreg.errors import UploadRefused

UPSTREAM = SimpleUpstreams()
DOCUMENT = metadata("demo-pkg", "1.0", extra="Summary: drawn\n")


class Afar(io.BytesIO):
    """Counts what is asked for; each answer may be shorter than that."""

    def __init__(self, body: bytes, most: int = 1 << 30) -> None:
        super().__init__(body)
        self.most = most
        self.reads: list[int] = []

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "all of the file was asked for"
        data = super().read(min(size, self.most))
        self.reads.append(len(data))
        return data


def draw(body: bytes, filename: str = WHEEL) -> bytes:
    return UPSTREAM.draw(Afar(body), filename, "metadata")


def large(before: int = 3 << 20, document: bytes = DOCUMENT, members: int = 0) -> bytes:
    """A wheel with `before` bytes that do not compress, and small members besides."""
    files = wheel_files("demo-pkg", "1.0", document, {"demo/data.bin": bytes(before)})
    files |= {f"demo/module_with_a_long_name_{number}.py": b"" for number in range(members)}
    return zipped(files, zipfile.ZIP_STORED)


@pytest.mark.parametrize("most", [1 << 30, 1000, 1])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_the_metadata_is_that_of_the_wheel(method: int, most: int) -> None:
    body = zipped(wheel_files("demo-pkg", "1.0", DOCUMENT), method)
    assert UPSTREAM.draw(Afar(body, most), WHEEL, "metadata") == DOCUMENT


def test_of_a_large_wheel_its_end_is_read_once() -> None:
    stream = Afar(large())
    assert UPSTREAM.draw(stream, WHEEL, "metadata") == DOCUMENT
    assert len(stream.reads) == 1
    assert sum(stream.reads) < 70_000


def test_a_large_directory_and_metadata_far_from_it_take_three_reads() -> None:
    stream = Afar(large(members=3000, document=DOCUMENT))
    assert UPSTREAM.draw(stream, WHEEL, "metadata") == DOCUMENT
    assert len(stream.reads) <= 3
    assert sum(stream.reads) < 1 << 20


def test_large_metadata_is_read_in_large_parts() -> None:
    document = DOCUMENT + b"\n" + bytes(8 << 20)
    stream = Afar(large(document=document, members=3000))
    assert UPSTREAM.draw(stream, WHEEL, "metadata") == document
    assert len(stream.reads) < 20


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"../climbs.py": b""},
        {"c:\\odd.py": b""},
        {"demo/": b""},
        {"demo/vendored-1.0.dist-info/METADATA": b"Name: vendored"},
    ],
)
def test_other_entries_are_not_judged(files: Mapping[str, bytes]) -> None:
    members = {f"{DIST_INFO}/METADATA": b"\xff no metadata at all", **files}
    assert draw(zipped(members)) == b"\xff no metadata at all"


def test_other_spellings_of_name_and_version_are_those_of_the_wheel() -> None:
    members = {"Demo.Pkg-1.0.0.dist-info/METADATA": DOCUMENT}
    assert draw(zipped(members), "demo_pkg-1-py3-none-any.whl") == DOCUMENT


@pytest.mark.parametrize(
    ("body", "filename", "says"),
    [
        (b"", WHEEL, "truncated"),
        (b"PK", WHEEL, "truncated"),
        (zipped({"demo/x.py": b""}), WHEEL, "no .dist-info"),
        (zipped({f"{DIST_INFO}/METADATA": b"", "x-1.dist-info/METADATA": b""}), WHEEL, "2 .dist-info"),
        (zipped({f"{DIST_INFO}/WHEEL": b""}), WHEEL, "no entries"),
        (zipped({"other-1.0.dist-info/METADATA": b""}), WHEEL, "another package"),
        (zipped({"-1.0.dist-info/METADATA": b""}), WHEEL, "no package name"),
        (make_sdist()[1], "demo_pkg-1.0.tar.gz", "no metadata inside"),
        (zipped({f"{DIST_INFO}/METADATA": bytes(17 << 20)}), WHEEL, "larger than"),
    ],
)
def test_what_has_no_metadata_is_refused(body: bytes, filename: str, says: str) -> None:
    with pytest.raises(UploadRefused) as caught:
        draw(body, filename)
    assert says in str(caught.value)
    assert filename in str(caught.value)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("zip_")])
def test_a_hostile_wheel_is_drawn_from_or_refused(name: str) -> None:
    filename, body = CASES[name].build()
    stream = Afar(body)
    try:
        assert len(UPSTREAM.draw(stream, filename, "metadata")) <= 16 << 20
    except UploadRefused as refused:
        said = str(refused)
        assert said.isascii() and said.isprintable()  # it may also be drawn from
    assert sum(stream.reads) < 40 << 20


@given(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=4), st.integers(0, 1 << 20) | st.none())
@example(0, b"\0", 0)
def test_damaged_wheels_are_drawn_from_or_refused(place: int, change: bytes, cut: int | None) -> None:
    body = bytearray(make_wheel()[1])
    place %= len(body)
    body[place : place + len(change)] = change
    try:
        draw(bytes(body if cut is None else body[: cut % len(body)]))
    except UploadRefused:
        return


def test_faults_of_the_stream_are_its_own() -> None:
    class Broken(Afar):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        UPSTREAM.draw(Broken(make_wheel()[1]), WHEEL, "metadata")


@given(st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 100_000)), max_size=8), st.integers(1, 300_000))
def test_a_window_shows_the_file(asked: list[tuple[int, int]], size: int) -> None:
    body = bytes(number * 7 % 251 for number in range(size))
    window: Any = Window(Afar(body, 70_000))
    for place, length in asked:
        window.seek(place)
        assert window.read(length) == body[place : place + length]

"""Files over HTTP: whole, in part, conditional, and counted."""

import gzip
import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orbitalreg.catalog import downloads as counts
from orbitalreg.catalog import files
from orbitalreg.sources.section import Section
from orbitalreg.web.replies import parse_range

BODY = bytes(range(256)) * 40
FILE = "/toy/acme/toys/get/ball/ball@1.toy"
ETAG = f'"{hashlib.sha256(BODY).hexdigest()}"'


@pytest.fixture
def stocked(site: Any) -> Any:
    site.put("ball@1.toy", BODY)
    return site


def test_a_file_has_its_length_tag_and_type(stocked: Any) -> None:
    answer = stocked.get(FILE)
    assert answer.content == BODY
    assert answer.headers["Content-Length"] == str(len(BODY))
    assert answer.headers["ETag"] == ETAG
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_a_file_is_kept_for_ever_by_its_reader_alone(stocked: Any) -> None:
    headers = stocked.get(FILE).headers
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert headers["Vary"] == "Authorization"


def test_a_file_of_an_open_repository_is_kept_by_any_cache(site: Any) -> None:
    site.put("ball@1.toy", to="/toy/acme/open")
    headers = site.get("/toy/acme/open/get/ball/ball@1.toy", None).headers
    assert headers["Cache-Control"] == "max-age=31536000, immutable"
    assert "Vary" not in headers


def test_a_file_whose_name_may_be_used_again_is_asked_for_again(site: Any) -> None:
    site.put("ball@1.toy", to="/toy/acme/again")
    headers = site.get("/toy/acme/again/get/ball/ball@1.toy").headers
    assert headers["Cache-Control"] == "private, max-age=0, must-revalidate"


def test_a_file_is_never_compressed(stocked: Any) -> None:
    answer = stocked.get(FILE, Accept_Encoding="gzip")
    assert answer.content == BODY
    assert "Content-Encoding" not in answer.headers


def test_head_of_a_file_has_its_headers_and_no_body(stocked: Any) -> None:
    get, head = stocked.get(FILE), stocked.request("HEAD", FILE)
    assert head.content == b""
    for name in ("Content-Length", "ETag", "Accept-Ranges", "Cache-Control", "Content-Type", "Vary"):
        assert head.headers[name] == get.headers[name]


def test_a_known_file_is_answered_with_304(stocked: Any) -> None:
    answer = stocked.get(FILE, If_None_Match=ETAG)
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", ETAG)


@pytest.mark.parametrize(
    "path", ["/get/ball/ball@2.toy", "/get/kite/ball@1.toy", "/get/kite/kite@1.toy", "/get/ball/x"]
)
def test_what_is_no_file_of_the_package_is_not_found(path: str, stocked: Any) -> None:
    stocked.put("drum@1.toy")
    assert stocked.get(f"/toy/acme/toys{path}").status_code == 404


def test_a_document_that_is_not_there_is_not_found(stocked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with stocked.registry.catalog.write() as db:
        db.execute("DELETE FROM document")
    assert stocked.get(f"{FILE}.head").status_code == 404


def test_a_document_has_its_own_tag_and_is_kept_as_long_as_the_file(stocked: Any) -> None:
    headers = stocked.get(f"{FILE}.head").headers
    assert headers["ETag"] != ETAG
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("length", [10, 4000])
def test_a_known_document_is_answered_without_being_read(
    length: int, encoding: str, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = bytes(ord("a") + place % 26 for place in range(length))
    site.put("ball@1.toy", head + b"\nrest")
    whole = site.get(f"{FILE}.head", Accept_Encoding=encoding)
    assert (gzip.decompress(whole.content) if "Content-Encoding" in whole.headers else whole.content) == head
    assert hashlib.sha256(head).hexdigest() in whole.headers["ETag"]
    monkeypatch.setattr(files, "document", lambda *_: pytest.fail("was read"))
    for method in ("GET", "HEAD"):
        known = site.request(
            method, f"{FILE}.head", headers={"If-None-Match": whole.headers["ETag"], "Accept-Encoding": encoding}
        )
        assert (known.status_code, known.content) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary"):
            assert known.headers[name] == whole.headers[name]


def test_a_document_is_sent_to_those_who_know_another(stocked: Any) -> None:
    assert stocked.get(f"{FILE}.head", If_None_Match=ETAG).status_code == 200


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, len(BODY) - 1),
        ("bytes=-10", len(BODY) - 10, len(BODY) - 1),
        (f"bytes=0-{len(BODY) * 2}", 0, len(BODY) - 1),
        (f"bytes=-{len(BODY) * 2}", 0, len(BODY) - 1),
        (f"bytes=10-{10**40}", 10, len(BODY) - 1),
    ],
)
def test_a_range_is_answered_with_206(header: str, start: int, end: int, stocked: Any) -> None:
    answer = stocked.get(FILE, Range=header)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{end}/{len(BODY)}"
    assert answer.headers["Content-Length"] == str(end - start + 1)
    assert answer.content == BODY[start : end + 1]


@pytest.mark.parametrize("header", [f"bytes={len(BODY)}-", "bytes=99999-100000", "bytes=-0", f"bytes={10**30}-"])
def test_a_range_outside_the_file_is_answered_with_416(header: str, stocked: Any) -> None:
    answer = stocked.get(FILE, Range=header)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(BODY)}"
    assert BODY not in answer.content


@pytest.mark.parametrize("header", ["bytes=5-2", "bytes=0-1,5-6", "lines=0-1", "bytes=", "bytes=a-b", "bytes=-", "0-1"])
def test_any_other_range_is_answered_with_the_whole_file(header: str, stocked: Any) -> None:
    answer = stocked.get(FILE, Range=header)
    assert (answer.status_code, answer.content) == (200, BODY)
    assert "Content-Range" not in answer.headers


def test_if_range_with_the_files_tag_gives_the_range(stocked: Any) -> None:
    assert stocked.get(FILE, Range="bytes=0-9", If_Range=ETAG).status_code == 206


@pytest.mark.parametrize("validator", ['"other"', f"W/{ETAG}", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_if_range_with_anything_else_gives_the_whole_file(validator: str, stocked: Any) -> None:
    answer = stocked.get(FILE, Range="bytes=0-9", If_Range=validator)
    assert (answer.status_code, answer.content) == (200, BODY)


def test_a_known_tag_comes_before_a_range(stocked: Any) -> None:
    assert stocked.get(FILE, Range="bytes=0-9", If_None_Match=ETAG).status_code == 304


def test_head_with_a_range_has_no_body(stocked: Any) -> None:
    answer = stocked.request("HEAD", FILE, headers={"Range": "bytes=0-9"})
    assert answer.content == b""
    assert answer.status_code in (200, 206)


def model(first: int | None, last: int | None, size: int) -> list[int]:
    """The offsets that RFC 9110 means, one by one."""
    if first is None:
        return list(range(size))[-(last or 0) :] if last else []
    if last is not None and last < first:
        return list(range(size))
    return [offset for offset in range(size) if offset >= first and (last is None or offset <= last)]


@given(st.none() | st.integers(0, 60), st.none() | st.integers(0, 60), st.integers(0, 50))
@example(0, None, 0)
@example(None, 5, 0)
def test_a_range_means_what_a_naive_model_says(first: int | None, last: int | None, size: int) -> None:
    if first is None and last is None:
        return
    span = parse_range(f"bytes={'' if first is None else first}-{'' if last is None else last}", size)
    offsets = model(first, last, size)
    if span is None:
        assert offsets == []
    else:
        assert list(range(span[0], span[0] + span[1])) == offsets


@given(st.text(), st.integers(0, 10))
def test_any_header_gives_a_part_of_the_file_or_nothing(header: str, size: int) -> None:
    span = parse_range(f"bytes={header}", size)
    assert span is None or (min(span) >= 0 and sum(span) <= size)


@given(st.integers(0, 50), st.integers(0, 50), st.lists(st.integers(1, 20)))
def test_a_section_reads_its_part_and_no_more(start: int, length: int, reads: list[int]) -> None:
    whole = bytes(range(100))
    section = Section(io.BytesIO(whole), start, length)
    got = b"".join(section.read(size) or b"" for size in reads)
    assert got + (section.read() or b"") == whole[start : start + length]
    section.seek(0)
    assert section.tell() == 0
    assert section.seek(0, io.SEEK_END) == length


def downloads(site: Any) -> list[Any]:
    site.registry.usage.flush()
    rows = site.registry.catalog.read().execute("SELECT token_id != '', count FROM download ORDER BY 1")
    return list(rows.fetchall())


def test_downloads_are_counted_by_token(stocked: Any) -> None:
    for _ in range(3):
        stocked.get(FILE)
    assert downloads(stocked) == [(1, 3)]


def test_anonymous_downloads_are_counted_too(site: Any) -> None:
    site.put("ball@1.toy", to="/toy/acme/open")
    site.get("/toy/acme/open/get/ball/ball@1.toy", None)
    site.get("/toy/acme/open/get/ball/ball@1.toy")
    assert downloads(site) == [(0, 1), (1, 1)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda site: site.request("HEAD", FILE),
        lambda site: site.get(FILE, If_None_Match=ETAG),
        lambda site: site.get(FILE, Range="bytes=99999-"),
        lambda site: site.get(f"{FILE}.head"),
        lambda site: site.get("/toy/acme/toys/of/ball/"),
    ],
)
def test_what_sends_no_bytes_of_the_file_is_no_download(ask: Callable[[Any], Any], stocked: Any) -> None:
    ask(stocked)
    assert downloads(stocked) == []


def test_bytes_that_are_missing_from_the_store_are_told(stocked: Any) -> None:
    [key] = stocked.blobs()
    stocked.registry.store.delete(key)
    answer = stocked.get(FILE)
    assert answer.status_code == 500
    assert "missing" in answer.text


def test_counts_are_read_back_by_file(stocked: Any) -> None:
    stocked.get(FILE)
    stocked.registry.usage.flush()
    [file] = stocked.registry.source(stocked.repository()).listing("ball").files
    assert counts.of_files(stocked.registry.catalog.read(), [file.id]) == {file.id: 1}

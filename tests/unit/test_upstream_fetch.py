"""Whole answers and streams, from servers that behave well and badly. Everything happens on loopback."""

import gzip
import socket
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_upstream import (
    Behaviour,
    ScriptedUpstream,
    chunked,
    cut_off,
    deflate_bomb,
    drip,
    endless,
    file,
    gzip_bomb,
    later,
    raw,
    redirect,
    reply,
    reset,
    stall,
    status,
)

from orbitalreg import __version__
from orbitalreg.errors import ConfigError, UpstreamFailed
from orbitalreg.upstream import Client, Upstream, authorities
from orbitalreg.upstream.decoding import decoded
from orbitalreg.upstream.wire import Refused

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = bytes(range(256)) * 1024


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as client:
        yield client


def upstream(server: ScriptedUpstream, seconds: float = 20.0) -> Upstream:
    return Upstream(server.url("/"), total_seconds=seconds, connect_seconds=seconds)


def test_an_answer_is_whole(server: ScriptedUpstream, client: Client) -> None:
    headers = {"Content-Type": "text/plain", "X-Serial": "7", "Set-Cookie": "a=b"}
    server.table["/list/"] = file(b"words", '"1"', "Mon, 02 Nov 2026 10:00:00 GMT", headers)
    answer = client.fetch(upstream(server), "list/", max_bytes=5, accept="text/plain")
    assert (answer.status, answer.body, answer.etag, answer.content_type) == (200, b"words", '"1"', "text/plain")
    assert (answer.last_modified, answer.url) == ("Mon, 02 Nov 2026 10:00:00 GMT", server.url("/list/"))
    assert answer.headers["x-serial"] == "7" and "set-cookie" not in answer.headers
    (request,) = server.requests
    assert (request.method, request.headers["host"]) == ("GET", f"127.0.0.1:{server.port}")
    assert (request.headers["accept"], request.headers["user-agent"]) == ("text/plain", f"orbitalreg/{__version__}")
    assert {"authorization", "cookie", "if-none-match", "range"}.isdisjoint(request.headers)


@pytest.mark.parametrize(
    "conditions",
    [{"etag": '"1"'}, {"last_modified": "Mon, 02 Nov 2026 10:00:00 GMT"}, {"etag": '"1"', "last_modified": "x"}],
)
def test_what_did_not_change_is_not_sent(server: ScriptedUpstream, client: Client, conditions: dict[str, str]) -> None:
    server.table["/"] = file(b"words", '"1"', "Mon, 02 Nov 2026 10:00:00 GMT")
    answer = client.fetch(upstream(server), "/", max_bytes=10, **conditions)  # type: ignore[arg-type]
    assert (answer.status, answer.body, answer.etag) == (304, b"", '"1"')
    assert client.fetch(upstream(server), "/", max_bytes=10, etag='"0"').body == b"words"
    assert server.connections() == 1


def test_a_304_that_nobody_asked_for_is_a_failure(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = status(304)
    with pytest.raises(UpstreamFailed, match="answered 304"):
        client.fetch(upstream(server), "/", max_bytes=10)


@pytest.mark.parametrize("code", [404, 410])
def test_what_is_not_there_is_an_answer(server: ScriptedUpstream, client: Client, code: int) -> None:
    server.table["/"] = status(code)
    answer = client.fetch(upstream(server), "/", max_bytes=0)
    assert (answer.status, answer.body) == (code, b"")
    with client.stream(upstream(server), "/") as stream:
        assert (stream.status, list(stream)) == (code, [])
    assert server.connections() == 1


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (status(500), "answered 500"),
        (status(502), "answered 502"),
        (status(400), "answered 400"),
        (status(206), "answered 206"),
        (status(204), "answered 204"),
        (reply(b"words", 204), "answered 204"),
        (status(401), r"asks for credentials \(401\)"),
        (status(403), r"asks for credentials \(403\)"),
        (status(429), r"asks to be left alone for a while \(429\)"),
        (status(503), r"asks to be left alone for a while \(503\)"),
        (reset(), "broke off the connection"),
        (reset(b"half"), "broke off the connection"),
        (raw(b""), "broke off the connection"),
        (raw(OK), "broke off in the middle"),
        (raw(OK[:-3]), "broke off in the middle"),
        (raw(OK + b"X-Header: value\r\n"), "broke off in the middle"),
        (raw(OK + b"Content-Le"), "broke off in the middle"),
        (cut_off(b"half", 9), "broke off in the middle"),
        (chunked([b"half"], end=b""), "broke off in the middle"),
        (chunked([b"half"], end=b"9\r\nhal"), "broke off in the middle"),
        (chunked([b"half"], end=b"0\r\n"), "broke off in the middle"),
        (chunked([b"half"], end=b"0\r\nTrailer: x"), "broke off in the middle"),
        (chunked([b"half"], end=b"-1\r\n"), "broke off in the middle"),
        (chunked([b"half"], end=b"0x1\r\na\r\n0\r\n\r\n"), "broke off in the middle"),
        (chunked([b"half"], end=b"1_0\r\n"), "broke off in the middle"),
        (raw(CHUNKED + b"2\r\nabcd\r\n0\r\n\r\n"), "broke off in the middle"),
        (raw(b"SSH-2.0-OpenSSH\r\n"), "answered what is no HTTP"),
        (raw(b"HTTP/1.1 2xx OK\r\n\r\n"), "answered what is no HTTP"),
        (raw(b"HTTP/3 200 OK\r\n\r\n"), "answered what is no HTTP"),
        (raw(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "answered with a length that is none"),
        (raw(OK + b"Content-Length: -1\r\n\r\nab"), "answered with a length that is none"),
        (raw(OK + b"Content-Length: +0\r\n\r\n"), "answered with a length that is none"),
        (raw(OK + b"Content-Length: 0\r\nContent-Length: 2\r\n\r\nab"), "answered with a length that is none"),
        (raw(OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "transfer coding"),
        (raw(OK + b"Content-Length: 1, 1\r\n\r\nab"), "answered with a length that is none"),
        (raw(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "transfer coding"),
        (raw(OK + b"no header\r\nContent-Length: 1\r\n\r\na"), "headers that cannot be read"),
        (reply(b"x", headers={"Content-Encoding": "br"}), "a content coding that was not asked for"),
        (reply(b"x", headers={"Content-Encoding": "gzip, gzip"}), "a content coding that was not asked for"),
        (reply(b"x" * 40, headers={"Content-Encoding": "gzip"}), "damaged body"),
        (reply(gzip.compress(BODY)[:-9], headers={"Content-Encoding": "gzip"}), "broke off in the middle"),
        (reply(gzip.compress(b"x") + b"rest", headers={"Content-Encoding": "gzip"}), "damaged body"),
        (reply(gzip.compress(b"") * 99, headers={"Content-Encoding": "gzip"}), "damaged body"),
        (endless(b"X-Header: value\r\n"), "more headers than are read|no HTTP"),
        (endless(b"x" * 1000), "more headers than are read|no HTTP"),
        (endless(b"HTTP/1.1 100 Continue\r\n\r\n", head=b""), "more headers than are read"),
        (endless(b"Trailer: value\r\n", head=CHUNKED + b"0\r\n"), "more headers than are read"),
        (endless(b"1;" + b"x" * 9000 + b"\r\na\r\n", head=CHUNKED), "more headers than are read"),
        (endless(b"x" * 9999, head=OK + b"\r\n"), "more than 1000000 bytes"),
        (reply(BODY * 4), "more than 1000000 bytes"),
        (chunked([BODY] * 4), "more than 1000000 bytes"),
        (gzip_bomb(50_000_000), "more than 1000000 bytes"),
        (deflate_bomb(50_000_000), "more than 1000000 bytes"),
        (deflate_bomb(50_000_000, bare=True), "more than 1000000 bytes"),
        (endless(b"\0\0\0\xff\xff" * 99, head=OK + b"Content-Encoding: deflate\r\n\r\n"), "more than 1000000 bytes"),
        (redirect("/"), "redirects in a circle"),
        (redirect(""), "redirects in a circle"),
        (reply(b"", 302), "redirects to nowhere"),
        (redirect("file:///etc/passwd"), "names what cannot be asked for"),
        (redirect("http://u:hunter2@a.example/"), "names what cannot be asked for"),
        (reply(b"", 300), "answered 300"),
    ],
)
def test_a_bad_answer_is_a_failure(server: ScriptedUpstream, client: Client, behaviour: Behaviour, said: str) -> None:
    server.table["/"] = behaviour
    with pytest.raises(UpstreamFailed, match=said) as failure:
        client.fetch(upstream(server), "/?signature=hunter2", max_bytes=1_000_000)
    assert str(failure.value).startswith(f"the upstream http://127.0.0.1:{server.port} ")
    assert "hunter2" not in str(failure.value)
    server.table["/"] = reply(b"well")
    assert client.fetch(upstream(server), "/", max_bytes=10).body == b"well"


@pytest.mark.parametrize(
    "behaviour",
    [
        stall(),
        stall(b"half"),
        drip(),
        drip(piece=b"X-Header: value\r\n", head=OK),
        drip(piece=b"x", head=OK),
        drip(piece=b"1\r\na\r\n", head=CHUNKED),
        drip(piece=b"HTTP/1.1 100 Continue\r\n\r\n", head=b""),
        later(5, status(200)),
    ],
    ids=["nothing", "half", "body", "headers", "header", "chunks", "interim", "late"],
)
def test_the_whole_time_is_limited(server: ScriptedUpstream, client: Client, behaviour: Behaviour) -> None:
    server.table["/"] = behaviour
    began = time.monotonic()
    with pytest.raises(UpstreamFailed, match="did not answer in time"):
        client.fetch(upstream(server), "/", max_bytes=100_000, seconds=0.4)
    assert 0.3 < time.monotonic() - began < 4


def test_the_time_holds_for_all_redirects_together(server: ScriptedUpstream, client: Client) -> None:
    for step in range(5):
        server.table[f"/{step}"] = later(0.15, redirect(f"/{step + 1}"))
    with pytest.raises(UpstreamFailed, match="did not answer in time"):
        client.fetch(upstream(server, seconds=0.4), "/0", max_bytes=10)


def test_a_name_lookup_is_limited_in_time(server: ScriptedUpstream) -> None:
    def resolver(host: str, port: int) -> list[str]:
        time.sleep(1.5)
        return ["127.0.0.1"]

    slow = Upstream(f"http://slow.example:{server.port}", connect_seconds=0.2)
    with pytest.raises(UpstreamFailed, match="did not answer in time"):
        Client(resolver=resolver).fetch(slow, "/", max_bytes=10)


def test_a_bomb_takes_no_memory(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = gzip_bomb(60_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(UpstreamFailed, match="more than"):
            client.fetch(upstream(server), "/", max_bytes=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "deflate", "bare", "identity", "", "members"])
@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_codings_are_undone(server: ScriptedUpstream, client: Client, coding: str, size: int) -> None:
    text = bytes(size)
    bare = zlib.compressobj(9, zlib.DEFLATED, -15)
    coded = {
        "deflate": zlib.compress(text),
        "bare": bare.compress(text) + bare.flush(),
        "members": gzip.compress(text[:7]) + gzip.compress(text[7:]),
        "identity": text,
        "": text,
    }.get(coding, gzip.compress(text))
    name = {"bare": "deflate", "members": "gzip"}.get(coding, coding)
    server.table["/"] = reply(coded, headers={"Content-Encoding": name})
    assert client.fetch(upstream(server), "/", max_bytes=size).body == text
    if size:
        with pytest.raises(UpstreamFailed, match=f"more than {size - 1} bytes"):
            client.fetch(upstream(server), "/", max_bytes=size - 1)


@given(st.binary(max_size=500), st.lists(st.integers(1, 50), max_size=40), st.sampled_from(["gzip", "deflate", ""]))
def test_a_body_is_the_same_however_it_is_cut(text: bytes, cuts: list[int], coding: str) -> None:
    coded = {"gzip": gzip.compress, "deflate": zlib.compress, "": bytes}[coding](text)
    pieces = []
    for cut in cuts:
        pieces.append(coded[:cut])
        coded = coded[cut:]
    assert decoded(filter(None, [*pieces, coded]), coding, len(text)) == text


@given(st.binary(min_size=1, max_size=300), st.sampled_from(["gzip", "deflate"]))
def test_noise_is_decoded_or_refused(noise: bytes, coding: str) -> None:
    with suppress(Refused):
        assert len(decoded([noise], coding, 1000)) <= 1000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
        (None, None),
    ],
)
def test_how_long_to_stay_away_is_passed_on(
    server: ScriptedUpstream, client: Client, value: str | None, seconds: float | None
) -> None:
    server.table["/"] = status(503, {} if value is None else {"Retry-After": value})
    with pytest.raises(UpstreamFailed) as failure:
        client.fetch(upstream(server), "/", max_bytes=10)
    assert failure.value.retry_after == seconds


def test_headers_are_single_lines(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = raw(OK + b'ETag: "a\r\n b"\r\nX: 1\r\nX: 2\r\nContent-Length: 0\r\n\r\n')
    answer = client.fetch(upstream(server), "/", max_bytes=0)
    assert (answer.etag, answer.headers["x"]) == ('"a b"', "1, 2")


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "chunked ", " chunked\t"])
def test_chunks_are_told_however_they_are_announced(server: ScriptedUpstream, client: Client, coding: str) -> None:
    server.table["/"] = chunked([b"wor", b"ds"], headers={"Transfer-Encoding": coding})
    assert client.fetch(upstream(server), "/", max_bytes=9).body == b"words"


def test_a_body_may_end_with_the_connection(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = raw(b"HTTP/1.0 200 OK\r\n\r\nwords")
    assert client.fetch(upstream(server), "/", max_bytes=9).body == b"words"


# Streams.


def test_a_stream_is_the_file(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = file(BODY, '"1"', headers={"Content-Type": "application/x"})
    with client.stream(upstream(server), "/") as stream:
        assert (stream.status, stream.start, stream.end, stream.length) == (200, 0, len(BODY), len(BODY))
        assert (stream.etag, stream.content_type, stream.accepts_ranges) == ('"1"', "application/x", True)
        pieces = list(stream)
    assert b"".join(pieces) == BODY and all(0 < len(piece) <= 65536 for piece in pieces)
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert client.fetch(upstream(server), "/", max_bytes=len(BODY)).body == BODY
    assert server.connections() == 1


@pytest.mark.parametrize(("start", "end"), [(1, None), (0, 1), (100, 200), (len(BODY) - 1, None), (5, len(BODY) + 9)])
def test_a_part_is_streamed(server: ScriptedUpstream, client: Client, start: int, end: int | None) -> None:
    server.table["/"] = file(BODY, '"1"')
    with client.stream(upstream(server), "/", start=start, end=end, if_range='"1"') as stream:
        assert (stream.status, stream.start, stream.length) == (206, start, len(BODY))
        assert b"".join(stream) == BODY[start:end]


def test_the_whole_comes_where_the_file_is_another(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = file(BODY, '"2"')
    with client.stream(upstream(server), "/", start=100, if_range='"1"') as stream:
        assert (stream.status, stream.start, b"".join(stream)) == (200, 0, BODY)


def test_a_part_beyond_the_end_is_told(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = file(BODY)
    with client.stream(upstream(server), "/", start=len(BODY)) as stream:
        assert (stream.status, stream.length, list(stream)) == (416, len(BODY), [])


def test_a_part_of_nothing_is_not_asked_for(server: ScriptedUpstream, client: Client) -> None:
    for start, end in ((-1, None), (5, 5), (5, 4)):
        with (
            pytest.raises(ValueError, match="there is nothing"),
            client.stream(upstream(server), "/", start=start, end=end),
        ):
            pass
    assert server.requests == []


def test_a_stream_of_unknown_length_ends_where_it_says(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = chunked([b"a" * 10, b"b" * 100_000], end=b"0\r\nTrailer: x\r\n\r\n")
    with client.stream(upstream(server), "/") as stream:
        assert (stream.length, stream.end, stream.accepts_ranges) == (None, None, False)
        assert b"".join(stream) == b"a" * 10 + b"b" * 100_000


@pytest.mark.parametrize(
    "said", ["bytes 0-9/100", "bytes 5-9/8", "bytes 5-4/100", "bytes 5-99/100", "bytes */100", "lines 5-6/7", ""]
)
def test_another_part_than_asked_for_is_a_failure(server: ScriptedUpstream, client: Client, said: str) -> None:
    server.table["/"] = reply(b"12345", 206, {"Content-Range": said} if said else {})
    with pytest.raises(UpstreamFailed, match="range"), client.stream(upstream(server), "/", start=5, end=20):
        pass


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (cut_off(b"half", 1000), "broke off"),
        (chunked([b"half"], end=b""), "broke off"),
        (reset(b"half"), "broke off"),
        (stall(b"half"), "did not answer in time"),
        (drip(b"1\r\na\r\n", every=0.02, head=CHUNKED), "sends too slowly"),
    ],
    ids=["length", "chunks", "reset", "stall", "drip"],
)
def test_a_stream_that_breaks_off_is_a_failure(
    server: ScriptedUpstream, client: Client, behaviour: Behaviour, said: str
) -> None:
    server.table["/"] = behaviour
    began = time.monotonic()
    with (
        client.stream(upstream(server), "/", idle=0.4, slowest=10_000) as stream,
        pytest.raises(UpstreamFailed, match=said),
    ):
        list(stream)
    assert time.monotonic() - began < 10


def test_a_part_that_ends_early_is_a_failure(server: ScriptedUpstream, client: Client) -> None:
    body = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-9/10\r\nTransfer-Encoding: chunked\r\n\r\n"
    for sent, said in (
        (b"4\r\nhalf\r\n0\r\n\r\n", "broke off"),
        (b"a\r\n0123456789\r\n0\r\n\r\n", "more than it announced"),
    ):
        server.table["/"] = raw(body + sent)
        with (
            pytest.raises(UpstreamFailed, match=said),
            client.stream(upstream(server), "/", start=1) as stream,
        ):
            list(stream)


def test_a_slow_reader_is_not_the_servers_fault(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = chunked([b"x" * 1000] * 6)
    with client.stream(upstream(server, seconds=0.3), "/", idle=0.2, slowest=1000) as stream:
        for _ in stream:
            time.sleep(0.1)


def test_a_stream_with_a_time_for_all_of_it_ends_in_time(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = drip(every=0.02)
    with (
        pytest.raises(UpstreamFailed, match="did not answer in time"),
        client.stream(upstream(server), "/", seconds=0.3) as stream,
    ):
        assert 0 < len(b"".join(stream)) < 1000


def test_an_encoded_file_is_refused(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = reply(gzip.compress(b"x"), headers={"Content-Encoding": "gzip"})
    with pytest.raises(UpstreamFailed, match="encoded file"), client.stream(upstream(server), "/"):
        pass


def test_the_readers_own_error_stays_its_own(server: ScriptedUpstream, client: Client) -> None:
    server.table["/"] = file(BODY)
    with suppress(OSError), client.stream(upstream(server), "/") as stream:
        next(iter(stream))
        raise OSError("disk full")
    assert client.fetch(upstream(server), "/", max_bytes=len(BODY)).body == BODY
    assert server.connections() == 2


# TLS.


@pytest.fixture
def authority(tmp_path: Path) -> object:
    pytest.importorskip("trustme")
    from scripted_upstream import Authority

    return Authority(tmp_path)


@pytest.mark.parametrize(
    ("names", "expired", "trusts", "said"),
    [
        (["127.0.0.1"], False, True, None),
        (["127.0.0.1"], False, False, "certificate that is not trusted"),
        (["127.0.0.1"], True, True, "certificate that is not trusted .certificate has expired"),
        (["other.example"], False, True, "certificate that is not trusted .*mismatch"),
    ],
    ids=["good", "unknown authority", "expired", "another name"],
)
def test_certificates_are_checked(
    authority: object, tmp_path: Path, names: list[str], expired: bool, trusts: bool, said: str | None
) -> None:
    from scripted_upstream import Authority

    assert isinstance(authority, Authority)
    bundle = authority.bundle if trusts else Authority(tmp_path / "other").bundle
    with ScriptedUpstream({"/": file(b"words")}, authority.tls(*names, expired=expired)) as server, Client() as client:
        asked = Upstream(server.url("/"), ca_bundle=bundle, token="hunter2")
        if said is None:
            assert client.fetch(asked, "/", max_bytes=10).body == b"words"
            assert client.fetch(asked, "/", max_bytes=10).body == b"words"
            assert server.connections() == 1
            return
        with pytest.raises(UpstreamFailed, match=said):
            client.fetch(asked, "/", max_bytes=10)
        assert server.requests == []


def test_a_body_without_a_length_must_be_ended_by_tls(authority: object, client: Client) -> None:
    from scripted_upstream import Authority

    assert isinstance(authority, Authority)
    with ScriptedUpstream({"/": raw(OK + b"\r\nhalf")}, authority.tls()) as server:
        asked = Upstream(server.url("/"), ca_bundle=authority.bundle)
        with pytest.raises(UpstreamFailed, match="broke off"):
            client.fetch(asked, "/", max_bytes=10)


def test_a_server_without_tls_is_told(server: ScriptedUpstream, client: Client) -> None:
    # What it is sent is random, and may be a line that it takes for a bad request.
    with pytest.raises(UpstreamFailed, match=r"did not answer in time|broke off the connection"):
        client.fetch(Upstream(f"https://127.0.0.1:{server.port}", total_seconds=0.3), "/", max_bytes=10)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_names_authorities(
    authority: object, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(authority.bundle))  # type: ignore[attr-defined]
    assert len(authorities(None).get_ca_certs()) == 1
    monkeypatch.setenv(variable, str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="missing cannot be used"):
        authorities(None)


def test_without_a_word_the_usual_authorities_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    context = authorities(None)
    assert len(context.get_ca_certs()) > 50
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(ConfigError):
        authorities(tmp_path / "text")


def test_nobody_listens_is_a_failure(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UpstreamFailed, match=f"^the upstream http://127.0.0.1:{port} takes no connections$"):
        client.fetch(Upstream(f"http://127.0.0.1:{port}"), "/", max_bytes=10)

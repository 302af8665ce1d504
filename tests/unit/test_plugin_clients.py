"""The HTTP client that plugins are handed: what it posts and downloads."""

import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from hook_receiver import Receiver, receiver, status
from scripted_upstream import ScriptedUpstream, cut_off, endless, file, redirect
from scripted_upstream import status as answered

from orbitalreg.errors import UpstreamFailed
from orbitalreg.interfaces import Download
from orbitalreg.surroundings import ServerClient, client_of


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def client(server: ScriptedUpstream) -> Iterator[ServerClient]:
    yield from closed(server.url("/"))


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def poster(hook: Receiver) -> Iterator[ServerClient]:
    yield from closed(hook.url)


def closed(url: str) -> Iterator[ServerClient]:
    made = client_of(url)
    assert isinstance(made, ServerClient)
    yield made
    made._client.close()


def said(request: BaseHTTPRequestHandler, number: int) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "5")
    request.end_headers()
    request.wfile.write(b"words")


def test_a_download_is_written_as_it_comes_and_told_of(server: ScriptedUpstream, client: ServerClient) -> None:
    body, told = b"x" * 200_000, list[tuple[int, int | None]]()
    server.table["/all.zip"] = file(body, '"1"')
    into = io.BytesIO()
    done = client.download(server.url("/all.zip"), into, max_bytes=200_000, told=lambda *one: told.append(one))
    assert (done, into.getvalue()) == (Download(True, 200_000, '"1"'), body)
    assert told[-1] == (200_000, 200_000) and len(told) > 1


def test_what_is_unchanged_is_not_sent_again(server: ScriptedUpstream, client: ServerClient) -> None:
    server.table["/all.zip"] = file(b"words", '"1"')
    into = io.BytesIO()
    assert client.download(server.url("/all.zip"), into, max_bytes=5, etag='"1"') == Download(False, 0, '"1"')
    assert into.getvalue() == b""
    assert client.download(server.url("/all.zip"), into, max_bytes=5, etag='"0"').is_new


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (file(b"words!"), "more than 5 bytes"),
        (endless(b"x" * 100, b"HTTP/1.1 200 OK\r\n\r\n"), "more than 5 bytes"),
        (cut_off(b"wor", 5), "broke off"),
        (answered(404), "answered 404"),
        (answered(500), "answered 500"),
        (answered(304), "answered 304"),
        (redirect("http://127.0.0.1:1/all.zip"), "not public"),
    ],
)
def test_everything_else_is_a_failure(
    behaviour: object, says: str, server: ScriptedUpstream, client: ServerClient
) -> None:
    server.table["/all.zip"] = behaviour  # type: ignore[assignment]
    with pytest.raises(UpstreamFailed, match=says):
        client.download(server.url("/all.zip"), io.BytesIO(), max_bytes=5)


def test_a_post_is_answered(hook: Receiver, poster: ServerClient) -> None:
    hook.answer = said
    assert poster.post(hook.url, b"{}", max_bytes=5) == b"words"
    assert (hook.deliveries[0].body, hook.deliveries[0].headers["content-type"]) == (b"{}", "application/json")


def test_of_an_answer_no_more_is_taken_than_was_said(hook: Receiver, poster: ServerClient) -> None:
    hook.answer = said
    with pytest.raises(UpstreamFailed, match="4 bytes"):
        poster.post(hook.url, b"{}", max_bytes=4)


def test_another_status_than_200_is_a_failure(hook: Receiver, poster: ServerClient) -> None:
    hook.answer = status(204)
    with pytest.raises(UpstreamFailed, match="answered 204"):
        poster.post(hook.url, b"{}", max_bytes=5)
    hook.answer = status(307, Location=hook.url)
    with pytest.raises(UpstreamFailed, match="answered 307"):
        poster.post(hook.url, b"{}", max_bytes=5)
    hook.answer = status(429, **{"Retry-After": "7"})
    with pytest.raises(UpstreamFailed, match="left alone") as failed:
        poster.post(hook.url, b"{}", max_bytes=5)
    assert (failed.value.retry_after, failed.value.status) == (7, 429)

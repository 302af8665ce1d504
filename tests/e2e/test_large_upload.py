"""A gibibyte through a server that may not hold it, and strangers who would fill its disk."""

import hashlib
import shutil
import socket
import struct
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from archives_corpus import Raw, metadata, wheel_files
from harness import FORM_HEADERS, MIB, Registry, call, fields_of, form, tell

BLOCK = bytes(range(256)) * (MIB // 256)
ALLOWED = 48 * MIB


class StreamedWheel:
    """A valid wheel with one member of so many mebibytes, stored; made while it is sent, and never held."""

    def __init__(self, name: str, mebibytes: int) -> None:
        self.filename = f"{name}-1.0-py3-none-any.whl"
        self._mebibytes = mebibytes
        size = mebibytes * MIB
        small = [Raw(path, data) for path, data in wheel_files(name, "1.0", metadata(name, "1.0"), {}).items()]
        crc = 0
        for _ in range(mebibytes):
            crc = zlib.crc32(BLOCK, crc)
        large = Raw(f"{name}/data.bin", crc=crc, size=size, packed_size=size)
        locals_ = [entry.local() for entry in (*small, large)]
        self._before = b"".join(locals_)
        offset, directory = 0, b""
        for entry, local in zip((*small, large), locals_, strict=True):
            directory += entry.central(offset)
            offset += len(local)
        count = len(locals_)
        where = (count, count, len(directory), len(self._before) + size, 0)
        self._after = directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *where)
        self.size = len(self._before) + size + len(self._after)
        digest = hashlib.sha256()
        for part in self:
            digest.update(part)
        self.sha256 = digest.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        yield self._before
        for _ in range(self._mebibytes):
            yield BLOCK
        yield self._after

    def send(self, registry: Registry) -> tuple[int, str]:
        before, after = form(self.filename, fields_of(self.filename, self.sha256))

        def body() -> Iterator[bytes]:
            yield before
            yield from self
            yield after

        headers = FORM_HEADERS | {"Content-Length": str(len(before) + self.size + len(after))}
        url = f"{registry.repository}/legacy/"
        answer = call("POST", url, token=registry.token, body=body(), headers=headers, seconds=100)
        return answer.status, answer.reason


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Registry]:
    """A server that takes 2 GiB, on a folder that is removed at once: it is large."""
    if shutil.disk_usage(tmp_path).free < 6 << 30:
        pytest.skip("needs 6 GiB of free disk")
    try:
        with Registry(tmp_path / "roomy", max_upload="2GiB") as registry:
            registry.token = registry.new_token("e2e")
            yield registry
            assert registry.faults() == []
    finally:
        shutil.rmtree(tmp_path / "roomy")


@pytest.mark.timeout(180)
def test_a_gibibyte_needs_no_more_memory_than_a_mebibyte(roomy: Registry) -> None:
    small = StreamedWheel("small", 1)
    assert small.send(roomy) == (200, "OK")
    before = roomy.peak_memory()
    assert len(before) == 2, "the server and one child that inspects"
    large = StreamedWheel("large", 1024)
    began = time.monotonic()
    assert large.send(roomy) == (200, "OK")
    took = time.monotonic() - began
    after = roomy.peak_memory()
    added = {pid: after[pid] - before[pid] for pid in before}
    tell(f"1 GiB in {took:.1f} s; memory added: {', '.join(f'{value / MIB:.1f} MiB' for value in added.values())}")
    assert after.keys() == before.keys()
    assert all(value < ALLOWED for value in added.values())
    listed = roomy.files("large")[large.filename]
    assert (listed["size"], listed["hashes"]["sha256"]) == (large.size, large.sha256)
    assert roomy.staged() == []
    assert sum(roomy.stored().values()) == small.size + large.size
    assert _download(roomy, listed["url"]) == (large.size, large.sha256)
    assert all(roomy.peak_memory()[pid] - before[pid] < ALLOWED for pid in before)


def _download(registry: Registry, url: str) -> tuple[int, str]:
    """Size and SHA-256 of what a plain socket is sent."""
    path = "/pypi/acme/internal/" + url.removeprefix("../../")
    credentials = b64encode(f"__token__:{registry.token}".encode()).decode()
    host, _, port = registry.authority.partition(":")
    digest, size = hashlib.sha256(), 0
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        with connection.makefile("rb") as answer:
            assert answer.readline().startswith(b"HTTP/1.1 200 ")
            while answer.readline() != b"\r\n":
                pass
            while part := answer.read(MIB):
                digest.update(part)
                size += len(part)
    return size, digest.hexdigest()


# Strangers

STRANGERS = {
    "announced": "Content-Length: {length}\r\n",
    "announced-and-waits": "Content-Length: {length}\r\nExpect: 100-continue\r\n",
    "chunked": "Transfer-Encoding: chunked\r\n",
    "wrong-token": "Content-Length: {length}\r\nAuthorization: Basic {wrong}\r\n",
    "reader": "Content-Length: {length}\r\nAuthorization: Basic {reader}\r\n",
    "too-large": "Content-Length: 99999999999\r\nAuthorization: Basic {publisher}\r\n",
}
EXPECTED = {"reader": 403, "too-large": 413}
PATHS = ("/pypi/acme/internal/legacy/", "/pypi/acme/nothing/legacy/", "/pypi/acme/internal/simple/", "/", "/nowhere")


def _send_much(registry: Registry, path: str, head: str, chunked: bool, mebibytes: int) -> int:
    """Send a body whatever the server says; the status of the answer."""
    host, _, port = registry.authority.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{FORM}{head}\r\n".encode())
        sender = threading.Thread(target=_pour, args=(connection, chunked, mebibytes))
        sender.start()
        try:
            status = connection.recv(65536).split(b" ")[1]
        finally:
            sender.join()
    return int(status)


FORM = "".join(f"{key}: {value}\r\n" for key, value in FORM_HEADERS.items())


def _pour(connection: socket.socket, chunked: bool, mebibytes: int) -> None:
    with suppress(OSError):  # the server may have closed
        for _ in range(mebibytes):
            connection.sendall(b"%x\r\n%b\r\n" % (MIB, BLOCK) if chunked else BLOCK)


@pytest.fixture(scope="module")
def credentials(registry: Registry) -> dict[str, str]:
    texts = {
        "wrong": "orbsa_" + "x" * 46,
        "reader": registry.new_token("reader", "acme/internal:read"),
        "publisher": registry.token,
    }
    return {name: b64encode(f"__token__:{text}".encode()).decode() for name, text in texts.items()}


@pytest.mark.parametrize("kind", STRANGERS)
def test_strangers_cannot_fill_the_disk(registry: Registry, credentials: dict[str, str], kind: str) -> None:
    """Each sends 48 MiB, several at a time; nothing of it reaches the disk, and they are told why."""
    path = PATHS[0]
    head = STRANGERS[kind].format(length=48 * MIB, **credentials)
    held = registry.bytes_held()
    peaks, statuses, end = [held], [], threading.Event()

    def watch() -> None:
        while not end.wait(0.005):
            peaks.append(registry.bytes_held())

    def send() -> None:
        statuses.append(_send_much(registry, path, head, kind == "chunked", 48))

    watcher = threading.Thread(target=watch)
    watcher.start()
    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    end.set()
    watcher.join()
    assert statuses == [EXPECTED.get(kind, 401)] * 4
    assert max(peaks) - held < 512 << 10, "beyond what the catalog may write of its own"


@pytest.mark.parametrize("path", PATHS[1:])
def test_no_address_takes_a_strangers_body(registry: Registry, path: str) -> None:
    held = registry.bytes_held()
    status = _send_much(registry, path, f"Content-Length: {32 * MIB}\r\n", False, 32)
    assert status in (401, 404, 405, 413)
    assert registry.bytes_held() - held < 512 << 10

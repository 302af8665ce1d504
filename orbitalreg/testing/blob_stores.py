"""The contract of a blob store.

The author gives a way to make the store and a `RawBlobs`, which reads the medium without the store: no store can
vouch for itself. Whatever a test leaves in the staging folder or on the medium fails that test.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from ulid import ULID

from orbitalreg.errors import NotFound, OrbitalError, StorageFailed
from orbitalreg.interfaces import BlobStore
from orbitalreg.model import valid_name

LARGE = 8 << 20
THREADS = 2
ROUNDS = 20
PATIENCE = 30.0

_KEY = f"{'ab' * 32}.01JD0000000000000000000000"
HOSTILE_KEYS = {
    "parent": f"../{_KEY}",
    "grandparent": "../../escaped",
    "parent inside": f"{_KEY}/../../../escaped",
    "parent as digest": "...escaped",
    "absolute": f"/{_KEY}",
    "folder": f"folder/{_KEY}",
    "NUL": f"{_KEY}\0",
    "NUL inside": f"{'ab' * 32}\0.01JD0000000000000000000000",
    "newline": f"{_KEY}\n",
    "nothing": "",
    "here": ".",
}


class RawBlobs(Protocol):
    """The medium itself. Nothing here may go through the store under test."""

    def keys(self) -> Iterable[str]:
        """The name of everything where blobs lie: of what is no blob too, such as a temporary file left there."""

    def read(self, key: str) -> bytes:
        """The bytes under `key`."""

    def remove(self, key: str) -> None:
        """Lose the blob behind the store's back."""


@dataclass(frozen=True, slots=True)
class StoreUnderTest:
    """What the fixture `subject` returns: each call of `make` gives a new store on the same, at first empty, medium."""

    make: Callable[[], BlobStore]
    raw: RawBlobs


class BaseBlobStoreContract:
    """Subclass it as `Test...` and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> StoreUnderTest:
        raise NotImplementedError("override the fixture `subject`: return a StoreUnderTest")

    @pytest.fixture
    def raw(self, subject: StoreUnderTest) -> RawBlobs:
        return subject.raw

    @pytest.fixture
    def store(self, subject: StoreUnderTest) -> BlobStore:
        return subject.make()

    @pytest.fixture(autouse=True)
    def nothing_is_left_over(self, store: BlobStore, raw: RawBlobs) -> Iterator[None]:
        """Staging is empty after every test, and the medium once every key that the store lists is deleted."""
        assert list(raw.keys()) == [], "the medium must be empty at first"
        yield
        staged = sorted(str(path.relative_to(store.staging)) for path in store.staging.rglob("*"))
        for key in list(store.keys()):
            store.delete(key)
        assert staged == [], "left in the staging folder"
        assert sorted(raw.keys()) == [], "left on the medium"

    # What the host sees of it

    def test_its_name_can_stand_in_the_configuration(self, store: BlobStore) -> None:
        assert valid_name(store.name, "backend") == store.name

    def test_free_bytes_are_a_number_or_none(self, store: BlobStore) -> None:
        free = store.free_bytes()
        assert free is None or (type(free) is int and free >= 0)

    # Staging

    def test_staging_is_a_folder_that_can_be_written(self, store: BlobStore) -> None:
        assert store.staging.is_dir()
        with staged(store, b"bytes") as path:
            assert path.read_bytes() == b"bytes"

    def test_staging_stays_where_it_is(self, store: BlobStore) -> None:
        assert store.staging == store.staging

    def test_what_is_staged_is_not_held(self, store: BlobStore, raw: RawBlobs) -> None:
        with staged(store, b"bytes"):
            assert list(store.keys()) == []
            assert list(raw.keys()) == []

    # Keeping

    def test_what_is_kept_lies_on_the_medium(self, store: BlobStore, raw: RawBlobs) -> None:
        key = kept(store, b"some bytes")
        assert raw.read(key) == b"some bytes"

    def test_keep_consumes_the_staged_file(self, store: BlobStore) -> None:
        with staged(store, b"bytes") as path:
            store.keep(path, new_key(b"bytes"))
            assert not path.exists()

    def test_nothing_at_all_can_be_kept(self, store: BlobStore, raw: RawBlobs) -> None:
        key = kept(store, b"")
        assert (read(store, key), raw.read(key)) == (b"", b"")

    def test_a_large_blob_is_kept_whole(self, store: BlobStore, raw: RawBlobs) -> None:
        body = _large()
        key = kept(store, body)
        assert _same(raw.read(key), body)
        assert _same(read(store, key), body)

    def test_one_digest_under_two_keys_is_two_blobs(self, store: BlobStore, raw: RawBlobs) -> None:
        """A key is used once, so that the bytes that come back after a deletion come under a new one."""
        first, second = kept(store, b"bytes"), kept(store, b"bytes")
        store.delete(first)
        assert read(store, second) == b"bytes"
        assert list(raw.keys()) == [second]

    def test_a_keep_without_its_staged_file_fails_and_holds_nothing(self, store: BlobStore, raw: RawBlobs) -> None:
        with pytest.raises(StorageFailed):
            store.keep(store.staging / "never-written.part", new_key(b"bytes"))
        assert list(store.keys()) == []
        assert list(raw.keys()) == []

    def test_after_a_keep_that_failed_the_next_one_holds(self, store: BlobStore, raw: RawBlobs) -> None:
        key = new_key(b"bytes")
        with pytest.raises(StorageFailed):
            store.keep(store.staging / "never-written.part", key)
        with staged(store, b"bytes") as path:
            store.keep(path, key)
        assert raw.read(key) == b"bytes"

    # Opening

    def test_open_starts_at_the_first_byte_each_time(self, store: BlobStore) -> None:
        key = kept(store, b"0123456789")
        with store.open(key) as first, store.open(key) as second:
            assert first.read(4) == b"0123"
            assert second.read(4) == b"0123"
            assert first.read(4) == b"4567"

    def test_open_seeks(self, store: BlobStore) -> None:
        """Ranges and sizes are had by seeking."""
        key = kept(store, b"0123456789")
        with store.open(key) as stream:
            assert stream.seekable()
            assert stream.seek(0, 2) == 10
            assert stream.read() == b""
            assert stream.seek(3) == 3
            assert (stream.read(4), stream.tell()) == (b"3456", 7)
            assert stream.seek(-2, 1) == 5
            assert stream.read(1) == b"5"
            assert stream.seek(-1, 2) == 9
            assert stream.read() == b"9"

    def test_open_reads_ranges_of_a_large_blob(self, store: BlobStore) -> None:
        body = _large()
        key = kept(store, body)
        with store.open(key) as stream:
            for start in (LARGE - 10, 1, LARGE // 2, (1 << 16) - 3):
                stream.seek(start)
                assert _exactly(stream.read, 8) == body[start : start + 8]

    def test_an_absent_key_is_not_found(self, store: BlobStore) -> None:
        with pytest.raises(NotFound):
            store.open(new_key(b"never kept"))

    def test_a_blob_that_the_medium_lost_is_not_found_and_not_listed(self, store: BlobStore, raw: RawBlobs) -> None:
        key = kept(store, b"bytes")
        raw.remove(key)
        assert list(store.keys()) == []
        with pytest.raises(NotFound):
            store.open(key)

    # Deleting and listing

    def test_a_deleted_blob_is_gone_from_the_medium(self, store: BlobStore, raw: RawBlobs) -> None:
        key = kept(store, b"bytes")
        store.delete(key)
        assert list(raw.keys()) == []
        with pytest.raises(NotFound):
            store.open(key)

    def test_deleting_what_is_absent_is_no_error(self, store: BlobStore) -> None:
        key = kept(store, b"bytes")
        store.delete(key)
        store.delete(key)
        store.delete(new_key(b"never kept"))

    def test_keys_are_those_held(self, store: BlobStore, raw: RawBlobs) -> None:
        wanted = sorted(kept(store, body) for body in (b"one", b"two", b"two", b"three"))
        assert sorted(store.keys()) == wanted
        assert sorted(raw.keys()) == wanted

    # Several at once

    def test_another_store_on_the_medium_sees_the_same(self, store: BlobStore, subject: StoreUnderTest) -> None:
        key = kept(store, b"bytes")
        other = subject.make()
        assert list(other.keys()) == [key]
        assert read(other, key) == b"bytes"
        other.delete(key)
        assert list(store.keys()) == []
        with pytest.raises(NotFound):
            store.open(key)

    def test_threads_keep_open_and_delete_at_once(self, store: BlobStore, raw: RawBlobs) -> None:
        start = threading.Barrier(THREADS)

        def work(number: int) -> list[str]:
            start.wait(PATIENCE)
            return [key for turn in range(ROUNDS) for key in _turn(store, number, turn)]

        with ThreadPoolExecutor(THREADS) as pool:
            wanted = sorted(key for keys in pool.map(work, range(THREADS)) for key in keys)
        assert sorted(store.keys()) == wanted
        assert sorted(raw.keys()) == wanted

    # Hostile keys

    @pytest.mark.parametrize("key", HOSTILE_KEYS.values(), ids=list(HOSTILE_KEYS))
    def test_a_hostile_key_reaches_nothing(self, key: str, store: BlobStore, raw: RawBlobs, tmp_path: Path) -> None:
        """It is refused with one of the host's errors; `delete` may also take it for an absent one."""
        safe = kept(store, b"bytes")
        with staged(store, b"hostile") as path:
            before = _below(tmp_path)
            with pytest.raises(OrbitalError):
                store.keep(path, key)
            assert _below(tmp_path) - before == set(), "the refused keep wrote a file"
        with pytest.raises(OrbitalError):
            store.open(key)
        with suppress(OrbitalError):
            store.delete(key)
        assert list(raw.keys()) == [safe]


def new_key(body: bytes) -> str:
    """A key for `body` that was never used."""
    return f"{hashlib.sha256(body).hexdigest()}.{ULID()}"


@contextmanager
def staged(store: BlobStore, body: bytes) -> Iterator[Path]:
    """A staged file; gone at the end, as the host removes what a store did not take."""
    path = store.staging / f"{ULID()}.part"
    path.write_bytes(body)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def kept(store: BlobStore, body: bytes) -> str:
    """Stage `body` and keep it: its key. A staged file that the store leaves stays, and fails the test."""
    path = store.staging / f"{ULID()}.part"
    path.write_bytes(body)
    key = new_key(body)
    store.keep(path, key)
    return key


def read(store: BlobStore, key: str) -> bytes:
    """The whole blob, as the store gives it."""
    with store.open(key) as stream:
        return stream.read()


def _turn(store: BlobStore, number: int, turn: int) -> list[str]:
    """Keep and read a blob; every second one is deleted again. The key, if it stays."""
    body = f"thread {number}, turn {turn}".encode()
    key = kept(store, body)
    assert read(store, key) == body
    if turn % 2:
        return [key]
    store.delete(key)
    return []


def _large() -> bytes:
    """No two of its 8 byte words are alike, so that a block in the wrong place shows."""
    return b"".join(number.to_bytes(8, "big") for number in range(LARGE // 8))


def _same(found: bytes, wanted: bytes) -> bool:
    """Equality without a difference to print: that of megabytes takes minutes."""
    return found == wanted


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    """`size` bytes of a stream that may give fewer at a time."""
    parts: list[bytes] = []
    while size and (part := read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}

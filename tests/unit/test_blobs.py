"""The filesystem store: where things lie, and that they are durable when `keep` returns."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.errors import InvalidName, NoSpace, NotFound, OrbitalError, StorageFailed

DIGEST = "ab" * 32


def key(digest: str = DIGEST) -> str:
    return f"{digest}.{ULID()}"


@pytest.fixture
def store(tmp_path: Path) -> FilesystemBlobStore:
    return FilesystemBlobStore(tmp_path, {})


def staged(store: FilesystemBlobStore, body: bytes = b"bytes") -> Path:
    path = store.staging / f"{ULID()}.part"
    path.write_bytes(body)
    return path


def held(store: FilesystemBlobStore, name: str) -> bytes:
    with store.open(name) as stream:
        return stream.read()


@pytest.fixture
def calls(store: FilesystemBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is made durable, and moved, in order."""
    seen: list[str] = []
    folders = {tmp_path.stat().st_ino: "data", (tmp_path / "blobs").stat().st_ino: "root"}
    fsync, rename, mkdir = os.fsync, os.rename, os.mkdir

    def record_fsync(descriptor: int) -> None:
        fsync(descriptor)
        status = os.fstat(descriptor)
        what = folders.get(status.st_ino, "shard") if stat.S_ISDIR(status.st_mode) else "file"
        seen.append(f"fsync {what}")

    def record(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def recorded(*arguments: Any, **options: Any) -> None:
            call(*arguments, **options)
            seen.append(name)

        return recorded

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "rename", record("rename", rename))
    monkeypatch.setattr(os, "mkdir", record("mkdir", mkdir))
    return seen


def test_a_blob_lies_under_the_first_two_digits_of_its_digest(store: FilesystemBlobStore, tmp_path: Path) -> None:
    name = key()
    store.keep(staged(store), name)
    assert (tmp_path / "blobs" / "ab" / name).read_bytes() == b"bytes"


def test_what_is_kept_is_gone_from_staging(store: FilesystemBlobStore) -> None:
    store.keep(staged(store), key())
    assert list(store.staging.iterdir()) == []


def test_the_first_blob_of_a_shard_is_durable_in_order(store: FilesystemBlobStore, calls: list[str]) -> None:
    store.keep(staged(store), key())
    assert calls == ["fsync file", "mkdir", "fsync root", "rename", "fsync shard"]


def test_a_further_blob_of_a_shard_is_durable_in_order(store: FilesystemBlobStore, calls: list[str]) -> None:
    store.keep(staged(store), key())
    calls.clear()
    store.keep(staged(store), key())
    assert calls == ["fsync file", "rename", "fsync shard"]


def test_a_shard_that_somebody_else_has_just_made_is_made_durable_here_too(
    store: FilesystemBlobStore, calls: list[str], tmp_path: Path
) -> None:
    (tmp_path / "blobs" / "ab").mkdir()
    calls.clear()
    store.keep(staged(store), key())
    assert calls.index("fsync root") < calls.index("rename")


def test_the_stores_own_folders_are_durable_when_they_are_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    FilesystemBlobStore(tmp_path, {})
    assert tmp_path.stat().st_ino in synced


class Failing:
    """Fails at the `turn`-th call and is the real thing otherwise."""

    def __init__(self, real: Callable[..., Any], code: int, turn: int = 1) -> None:
        self.real, self.code, self.left = real, code, turn

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise OSError(self.code, os.strerror(self.code))
        return self.real(*arguments, **options)


FAULTS = {
    "fsync of the file": ("fsync", errno.EIO, 1),
    "fsync of the root": ("fsync", errno.EIO, 2),
    "fsync of the shard": ("fsync", errno.EIO, 3),
    "rename": ("rename", errno.EIO, 1),
    "mkdir": ("mkdir", errno.ENOSPC, 1),
    "open": ("open", errno.EMFILE, 1),
}


@pytest.fixture(params=FAULTS.values(), ids=list(FAULTS))
def fault(store: FilesystemBlobStore, request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    name, code, turn = request.param
    failing = Failing(getattr(os, name), code, turn)
    monkeypatch.setattr(os, name, failing)
    yield failing
    assert failing.left <= 0, "the call was never made"


def test_after_a_fault_nothing_is_held_or_staged(store: FilesystemBlobStore, fault: Failing) -> None:
    path = staged(store)
    with pytest.raises(NoSpace if fault.code == errno.ENOSPC else StorageFailed):
        store.keep(path, key())
    assert list(store.keys()) == []
    assert list(store.staging.iterdir()) == []


def test_after_a_fault_the_next_one_is_kept(store: FilesystemBlobStore, fault: Failing) -> None:
    with pytest.raises(OrbitalError):
        store.keep(staged(store), key())
    name = key()
    store.keep(staged(store), name)
    assert held(store, name) == b"bytes"


def test_a_shard_whose_making_could_not_be_synced_is_synced_by_the_next(
    store: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Failing(os.fsync, errno.EIO, 2))
        with pytest.raises(StorageFailed):
            store.keep(staged(store), key())
    calls.clear()
    store.keep(staged(store), key())
    assert calls == ["fsync file", "fsync root", "rename", "fsync shard"]


def test_an_fsync_that_failed_is_never_tried_again(store: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(os.fsync, errno.EIO)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StorageFailed):
        store.keep(staged(store), key())
    assert failing.left == 0


def test_an_absent_blob_is_not_found(store: FilesystemBlobStore) -> None:
    with pytest.raises(NotFound, match="missing from the store"):
        store.open(key())


def test_a_deleted_blob_is_gone_and_deleting_again_is_no_error(store: FilesystemBlobStore) -> None:
    name = key()
    store.keep(staged(store), name)
    store.delete(name)
    store.delete(name)
    assert list(store.keys()) == []


def test_every_key_is_listed(store: FilesystemBlobStore) -> None:
    names = {key(), key(), key("cd" * 32)}
    for name in names:
        store.keep(staged(store), name)
    assert set(store.keys()) == names


@pytest.mark.parametrize(
    "name",
    [
        "",
        DIGEST,
        f"{DIGEST}.",
        f"{DIGEST}./../x",
        f"../{DIGEST}.X",
        f"{'/' * 64}.X",
        f"{DIGEST[:-1]}.X",
        f"{'ä' * 64}.X",
    ],
)
def test_what_is_no_key_reaches_no_path(name: str, store: FilesystemBlobStore) -> None:
    for call in (store.open, store.delete, lambda name: store.keep(store.staging / "x", name)):
        with pytest.raises(InvalidName, match="no blob key"):
            call(name)


def test_the_folders_are_for_their_owner_alone(store: FilesystemBlobStore, tmp_path: Path) -> None:
    store.keep(staged(store), key())
    for folder in ("blobs", "staging", "blobs/ab"):
        assert (tmp_path / folder).stat().st_mode & 0o077 == 0


def test_a_place_that_cannot_be_written_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "blobs").touch()
    with pytest.raises(StorageFailed, match="cannot be made"):
        FilesystemBlobStore(tmp_path, {})


def test_the_free_bytes_are_those_of_the_file_system(store: FilesystemBlobStore) -> None:
    status = os.statvfs(store.staging)
    assert 0 < store.free_bytes() <= status.f_blocks * status.f_frsize

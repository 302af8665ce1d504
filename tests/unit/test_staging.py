"""Uploads on their way in: hashed, bounded, written whole, and never left behind."""

import errno
import fcntl
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg import staging
from orbitalreg.errors import NoSpace, StorageFailed, TooLarge
from orbitalreg.interfaces import DIGESTS


def receive(folder: Path, body: bytes = b"bytes", limit: int = 1 << 30, algorithms: Any = ()) -> Any:
    return staging.receive(folder, io.BytesIO(body), "ball@1.toy", algorithms, limit)


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("asked", [(), DIGESTS])
def test_the_digests_are_those_of_the_bytes(asked: Any, tmp_path: Path) -> None:
    body = os.urandom(1000)
    with receive(tmp_path, body, algorithms=asked) as upload:
        assert (upload.size, upload.filename, upload.path.read_bytes()) == (1000, "ball@1.toy", body)
        assert upload.digest("sha256") == hashlib.sha256(body).hexdigest()
        assert upload.digest("md5") == hashlib.md5(body).hexdigest()
        assert upload.digest("blake2b-256") == hashlib.blake2b(body, digest_size=32).hexdigest()


def test_every_promised_digest_can_be_made() -> None:
    assert set(staging.HASHERS) == set(DIGESTS)


def test_the_staged_file_is_gone_at_the_end(tmp_path: Path) -> None:
    with receive(tmp_path):
        assert len(left(tmp_path)) == 1
    assert left(tmp_path) == []


def test_the_staged_file_is_gone_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(KeyError), receive(tmp_path):
        raise KeyError
    assert left(tmp_path) == []


def test_a_file_that_was_moved_away_stays_where_it_is(tmp_path: Path) -> None:
    with receive(tmp_path) as upload:
        upload.path.rename(tmp_path / "kept")
    assert left(tmp_path) == ["kept"]


def test_as_many_bytes_as_the_limit_are_taken(tmp_path: Path) -> None:
    with receive(tmp_path, b"12345", limit=5) as upload:
        assert upload.size == 5


def test_one_byte_more_is_too_large_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="larger than the 5 bytes"), receive(tmp_path, b"123456", limit=5):
        pytest.fail("taken")
    assert left(tmp_path) == []


def test_no_more_than_a_piece_is_read_beyond_the_limit(tmp_path: Path) -> None:
    stream = io.BytesIO(bytes(staging.CHUNK * 4))
    with pytest.raises(TooLarge), staging.receive(tmp_path, stream, "x", (), 10):
        pytest.fail("taken")
    assert stream.tell() == staging.CHUNK


def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise ConnectionResetError
            return super().read(2)

    with pytest.raises(ConnectionResetError), staging.receive(tmp_path, Breaking(b"abcd"), "x", (), 10):
        pytest.fail("taken")
    assert left(tmp_path) == []


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50))
def test_a_write_that_takes_fewer_bytes_is_continued(body: bytes, step: int) -> None:
    taken = bytearray()

    def short(descriptor: int, view: Any) -> int:
        taken.extend(view[:step])
        return min(step, len(view))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", short)
        staging.write_all(1, body)
    assert bytes(taken) == body


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_leaves_nothing(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, view: Any) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NoSpace, match="full; nothing was stored"), receive(tmp_path):
        pytest.fail("taken")
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "name"), [(os, "write"), (os, "open"), (os, "fstat"), (fcntl, "flock")], ids=lambda value: str(value)[:5]
)
def test_any_other_fault_is_a_storage_failure_and_leaves_nothing(
    place: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise OSError(errno.EIO, "broken")

    descriptors = len(os.listdir("/dev/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(place, name, fail)
        with pytest.raises(StorageFailed, match="broken"), receive(tmp_path):
            pytest.fail("taken")
    assert left(tmp_path) == []
    assert len(os.listdir("/dev/fd")) == descriptors


WRITER = """
import io, sys
from pathlib import Path
from orbitalreg import staging
with staging.receive(Path(sys.argv[1]), io.BytesIO(b"bytes"), "x", (), 10) as upload:
    print(upload.path.name, flush=True)
    sys.stdin.read()
"""


def test_a_sweep_removes_what_the_dead_left_and_not_what_the_living_write(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    dead, living = writers
    names = [writer.stdout.readline().strip() for writer in writers if writer.stdout]
    dead.kill()
    dead.communicate()
    assert sorted(left(tmp_path)) == sorted(names)
    try:
        assert staging.sweep(tmp_path) == 1
        assert left(tmp_path) == [names[1]]
    finally:
        living.communicate("")
    assert left(tmp_path) == []


def test_a_sweep_leaves_what_this_process_writes(tmp_path: Path) -> None:
    with receive(tmp_path) as upload:
        assert staging.sweep(tmp_path) == 0
        assert upload.path.read_bytes() == b"bytes"


def test_a_sweep_leaves_what_is_no_upload(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    assert staging.sweep(tmp_path) == 0
    assert left(tmp_path) == ["notes"]


def test_a_file_swept_before_it_was_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, swept = fcntl.flock, []

    def late(descriptor: int, operation: int) -> None:
        if not swept:
            swept.append(True)
            [path] = tmp_path.iterdir()
            path.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with receive(tmp_path) as upload:
        assert upload.path.read_bytes() == b"bytes"

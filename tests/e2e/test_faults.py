"""Each call of a put fails once: the client is told, nothing is lost or half there, and all goes on unaided."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from archives_corpus import make_wheel, metadata, wheel_files, zipped
from harness import MIB, Answer, Registry

HERE = Path(__file__).parent


class Faulty:
    """A server that can be told to fail, and the uploads that go on beside."""

    def __init__(self, folder: Path) -> None:
        self._plan = folder / "plan"
        environment = {"PYTHONPATH": str(HERE / "faults"), "ORBITALREG_FAULT": str(self._plan)}
        self.registry = Registry(folder, environment=environment)
        self._numbers = count()

    @property
    def happened(self) -> bool:
        return self._plan.with_name("plan.done").exists()

    def next_wheel(self, size: int = 1000) -> tuple[str, str, bytes]:
        """A package, and the name and bytes of its wheel, whose folder in the store is not there yet."""
        while True:
            package = f"fault-{next(self._numbers)}"
            files = {"data.bin": os.urandom(size)}
            data = zipped(wheel_files(package, "1.0", metadata(package, "1.0"), files), 0)
            shard = self.registry.data / "blobs" / hashlib.sha256(data).hexdigest()[:2]
            if not shard.exists():
                return package, make_wheel(package)[0], data

    def upload(self, filename: str, data: bytes, call: str, number: int, effect: str) -> Answer:
        """Upload while that call fails."""
        self._plan.with_name("plan.done").unlink(missing_ok=True)
        new = self._plan.with_name("plan.new")
        new.write_text(json.dumps({"filename": filename, "call": call, "number": number, "effect": effect}))
        new.rename(self._plan)
        answer = self.registry.upload(filename, data)
        self._plan.unlink()
        return answer


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    faulty = Faulty(tmp_path_factory.mktemp("faulty"))
    with faulty.registry as registry:
        registry.token = registry.new_token("e2e")
        assert registry.upload(*make_wheel("warm-up")).status == 200
        yield faulty


class Bystander:
    """Uploads of other packages, one after another, while something fails for somebody."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry = registry
        self._name = name
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers: list[int] = []

    def _run(self) -> None:
        for number in count():
            self.answers.append(self._registry.upload(*make_wheel(self._name, f"0.{number}")).status)
            if self._end.is_set():
                return

    def __enter__(self) -> "Bystander":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


LARGE = 3 * MIB
FAULTS = [
    # call, number, effect, status, bytes
    ("open", 1, "ENOSPC", 507, 1000),  # the staged file
    ("open", 1, "EMFILE", 500, 1000),
    ("open", 1, "EIO", 500, 1000),
    ("write", 1, "ENOSPC", 507, 1000),
    ("write", 1, "EDQUOT", 507, 1000),
    ("write", 1, "EIO", 500, 1000),
    ("write", 1, "short", 200, 1000),
    ("write", 7, "ENOSPC", 507, LARGE),
    ("write", 7, "EIO", 500, LARGE),
    ("write", 7, "short", 200, LARGE),
    ("open", 2, "EIO", 500, 1000),  # the staged file again, for its fsync
    ("fsync", 1, "EIO", 500, 1000),
    ("fsync", 1, "ENOSPC", 507, 1000),
    ("fsync", 1, "EDQUOT", 507, 1000),
    ("fsync", 1, "EIO", 500, LARGE),
    ("mkdir", 1, "ENOSPC", 507, 1000),  # the folder in the store
    ("mkdir", 1, "EIO", 500, 1000),
    ("fsync", 2, "EIO", 500, 1000),  # the folder above it
    ("rename", 1, "ENOSPC", 507, 1000),
    ("rename", 1, "EIO", 500, 1000),
    ("rename", 1, "after", 500, 1000),
    ("fsync", 3, "EIO", 500, 1000),  # the folder, with the file in it
    ("begin", 1, "EIO", 500, 1000),
    ("begin", 1, "EBUSY", 503, 1000),
    ("insert", 1, "ENOSPC", 507, 1000),
    ("insert", 2, "EIO", 500, 1000),
    ("insert", 4, "EIO", 500, 1000),
    ("commit", 1, "EIO", 500, 1000),
    ("commit", 1, "ENOSPC", 507, 1000),
    ("spool", 1, "ENOSPC", 507, LARGE),
    ("spool", 3, "EDQUOT", 507, LARGE),
    ("spool", 3, "EIO", 500, LARGE),
    ("spool", 3, "short", 200, LARGE),
]


@pytest.mark.parametrize(("call", "number", "effect", "status", "size"), FAULTS, ids=str)
def test_a_call_that_fails_once(faulty: Faulty, call: str, number: int, effect: str, status: int, size: int) -> None:
    registry = faulty.registry
    package, filename, data = faulty.next_wheel(size)
    with Bystander(registry, f"bystander-of-{package}") as bystander:
        answer = faulty.upload(filename, data, call, number, effect)
        assert faulty.happened
        assert answer.status == status, answer
        assert answer.reason.isascii() and answer.reason.isprintable() and len(answer.reason) > 1
        if status == 200:
            assert registry.download(package, registry.files(package)[filename]).body == data
        else:
            assert registry.files(package) == {} and package not in registry.packages()
            assert registry.get(f"files/{package}/{filename}").status == 404
            again = registry.upload(filename, data)
            assert again.status == 200, again
    assert set(bystander.answers) == {200}
    assert registry.download(package, registry.files(package)[filename]).body == data
    assert registry.get(f"files/{package}/{filename}.metadata").body == metadata(package, "1.0")
    assert registry.staged() == []
    assert len(registry.files(f"bystander-of-{package}")) == len(bystander.answers)


def test_a_commit_that_reports_an_error_and_happened(faulty: Faulty) -> None:
    """Nobody can tell; the client is told that it failed, the file is whole, and sending it again is a no-op."""
    package, filename, data = faulty.next_wheel()
    answer = faulty.upload(filename, data, "commit", 1, "after")
    assert faulty.happened and answer.status == 500
    assert faulty.registry.download(package, faulty.registry.files(package)[filename]).body == data
    assert faulty.registry.upload(filename, data).status == 200
    assert faulty.registry.staged() == []


def test_a_failed_fsync_leaves_no_bytes(faulty: Faulty) -> None:
    """What could not be made durable is thrown away, never tried again (the kernel may have dropped the pages)."""
    for number in (1, 2, 3):
        _, filename, data = faulty.next_wheel()
        before = faulty.registry.stored()
        assert faulty.upload(filename, data, "fsync", number, "EIO").status == 500
        assert faulty.registry.stored() == before


def test_a_folder_that_could_not_be_made_durable_is_synced_by_the_next(faulty: Faulty) -> None:
    """It is there, and an upload that trusted in that would be gone after a power cut."""
    _, filename, data = faulty.next_wheel()
    assert faulty.upload(filename, data, "fsync", 2, "EIO").status == 500
    assert faulty.upload(filename, data, "fsync", 3, "EIO").status == 500
    assert faulty.happened, "file, root, shard: three calls again"
    assert faulty.registry.upload(filename, data).status == 200


def test_what_was_there_survives_a_failure(faulty: Faulty) -> None:
    """The same bytes under a second name: the failure of the second upload does not touch the first."""
    package, filename, data = faulty.next_wheel()
    assert faulty.registry.upload(filename, data).status == 200
    twin = filename.replace("py3-none-any", "py2.py3-none-any")
    for call, effect in (("write", "EIO"), ("insert", "EIO"), ("commit", "EIO")):
        assert faulty.upload(twin, data, call, 1, effect).status == 500
        assert list(faulty.registry.files(package)) == [filename]
        assert faulty.registry.download(package, faulty.registry.files(package)[filename]).body == data
    assert faulty.registry.upload(twin, data).status == 200
    for file in faulty.registry.files(package).values():
        assert faulty.registry.download(package, file).body == data


def test_after_all_that_the_folder_is_sound(faulty: Faulty) -> None:
    """A restart finds nothing to mend."""
    registry = faulty.registry
    packages = registry.packages()
    assert registry.stop() == 0
    registry.start()
    assert registry.packages() == packages and registry.staged() == []

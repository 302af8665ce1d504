"""Every hostile archive over HTTP, against one server that has other things to do at the same time."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from archives_corpus import CASES, make_sdist, make_wheel
from harness import MIB, Registry, tell

SECONDS = 5.0
MEMORY = 256 * MIB
SLOWEST_READ = 2.0


class Watch:
    """Looks at the memory of the server and its children while something runs, and reads small pages beside it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._end = threading.Event()
        self.server_peak = 0
        self.child_peak = 0
        self.reads = 0
        self.slowest_read = 0.0
        self.failures: list[str] = []

    @contextmanager
    def running(self) -> Iterator["Watch"]:
        threads = [threading.Thread(target=target) for target in (self._memory, self._read)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    def look(self) -> None:
        peaks = self._registry.peak_memory()
        self.server_peak = max(self.server_peak, peaks.pop(self._registry.pid))
        self.child_peak = max(self.child_peak, *peaks.values(), 0)

    def _memory(self) -> None:
        while not self._end.wait(0.02):
            self.look()

    def _read(self) -> None:
        while not self._end.wait(0.03):
            began = time.monotonic()
            try:
                if list(self._registry.files("bystander")) != ["bystander-1.0-py3-none-any.whl"]:
                    self.failures.append("the page is not what it was")
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))
            self.slowest_read = max(self.slowest_read, time.monotonic() - began)
            self.reads += 1


@pytest.fixture(scope="module")
def bystander(registry: Registry) -> None:
    """Something that is published and read all the while, and that has warmed the children up."""
    assert registry.upload(*make_wheel("bystander")).status == 200


@pytest.mark.timeout(300)
def test_every_hostile_archive(registry: Registry, bystander: None) -> None:
    assert len(CASES) > 100
    before = Watch(registry)
    before.look()
    packages, stored = registry.packages(), registry.stored()
    wrong: list[str] = []
    slowest = (0.0, "")
    with Watch(registry).running() as watch:
        for name, case in CASES.items():
            filename, data = case.build()
            began = time.monotonic()
            answer = registry.upload(filename, data)
            took = time.monotonic() - began
            slowest = max(slowest, (took, name))
            if not 400 <= answer.status < 500:
                wrong.append(f"{name}: {answer.status} {answer.reason}")
            if not (answer.reason.isascii() and answer.reason.isprintable() and 10 < len(answer.reason) < 512):
                wrong.append(f"{name}: {answer.reason!r} is no reason")
            if case.reason not in answer.reason:
                wrong.append(f"{name}: {answer.reason!r} does not say {case.reason!r}")
            if took > SECONDS:
                wrong.append(f"{name}: took {took:.1f} s")
            if registry.stored() != stored:
                wrong.append(f"{name}: left {set(registry.stored()) - set(stored)}")
                stored = registry.stored()
    server, child = watch.server_peak - before.server_peak, watch.child_peak - before.child_peak
    tell(f"{len(CASES)} cases; slowest: {slowest[1]}, {slowest[0]:.2f} s; slowest read: {watch.slowest_read:.3f} s")
    tell(f"memory added: {server / MIB:.1f} MiB in the server, {child / MIB:.1f} MiB in a child")
    assert wrong == []
    assert registry.packages() == packages == ["bystander"]
    assert watch.failures == [] and watch.reads > 10
    assert watch.slowest_read < SLOWEST_READ
    assert server < MEMORY and child < MEMORY
    assert registry.upload(*make_wheel("afterwards")).status == 200


GOOD, DATA = make_wheel("agreed", "1.0")
OTHER_DIGEST = hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize(
    ("filename", "data", "fields"),
    [
        (GOOD, DATA, {"sha256_digest": OTHER_DIGEST}),
        (GOOD, DATA, {"sha256_digest": "no digest"}),
        (GOOD, DATA, {"md5_digest": "0" * 32}),
        (GOOD, DATA, {"sha256_digest": ""}),
        (GOOD, DATA, {"name": "other"}),
        (GOOD, DATA, {"version": "1.1"}),
        (GOOD, DATA, {"version": "not a version"}),
        (GOOD, DATA, {"name": "\u0430greed"}),
        (GOOD, DATA, {"filetype": "sdist"}),
        (GOOD, DATA, {"protocol_version": "2"}),
        (GOOD, DATA, {":action": "doc_upload"}),
        (GOOD, DATA, {"attestations": "{"}),
        ("../agreed-1.0-py3-none-any.whl", DATA, {}),
        ("..\\agreed-1.0-py3-none-any.whl", DATA, {}),
        ("/etc/agreed-1.0-py3-none-any.whl", DATA, {}),
        ("agreed-1.0-py3-none-any.whl\x00.txt", DATA, {}),
        ("agreed-1.0-py3-none-any.whl\u202e", DATA, {}),
        ("agreed-1.0.exe", DATA, {}),
        ("-1.0-py3-none-any.whl", DATA, {}),
        ("agreed-1.0-py3-none-any.whl" + "x" * 5000, DATA, {}),
        (GOOD, b"", {}),
        (make_sdist("agreed", "1.0")[0], DATA, {}),
    ],
)
def test_forms_that_lie(registry: Registry, filename: str, data: bytes, fields: dict[str, str]) -> None:
    packages, stored = registry.packages(), registry.stored()
    claimed = {"name": "agreed", "version": "1.0", "filetype": "bdist_wheel", **fields}
    if filename.endswith(".tar.gz"):
        claimed["filetype"] = "sdist"
    answer = registry.upload(filename, data, **claimed)
    assert 400 <= answer.status < 500
    assert answer.reason.isascii() and answer.reason.isprintable() and len(answer.reason) > 10
    assert (registry.packages(), registry.stored()) == (packages, stored)

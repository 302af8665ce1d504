"""The child process that reads what arrives: limits on time and memory, and nothing of the parent's secrets."""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from orbitalreg_toy import ToyFormat

from orbitalreg.errors import OrbitalError, UploadRefused
from orbitalreg.inspection import Inspector
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Inspection

PROBE = """
import os, sys
from orbitalreg.errors import OrbitalError, UploadRefused
from orbitalreg.hookspecs import hookimpl
from orbitalreg.model import Inspection
from orbitalreg_toy import ToyFormat

class Probe(ToyFormat):
    def inspect(self, path, filename, claims):
        word = path.read_text()
        if word == "crash":
            os._exit(3)
        if word == "refuse":
            raise UploadRefused("not this one")
        if word == "raise":
            raise ValueError("secret detail")
        if word == "recurse":
            self.inspect(path, filename, claims)
        if word == "write":
            with open(path, "a") as file:
                file.write("changed")
        if word == "chatter":
            sys.stdout.write("hello\\n")
        if word == "much":
            return Inspection("ball", "1", {}, (), {"head": bytes(3 << 20)})
        return Inspection("ball", "1", {"pid": os.getpid(), "environment": dict(os.environ), "claims": claims})
"""


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FormatAdapter:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "probe_format.py").write_text(PROBE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]))
    sys.modules.pop("probe_format", None)
    adapter: FormatAdapter = importlib.import_module("probe_format").Probe()
    return adapter


@pytest.fixture
def patient() -> Iterator[Inspector]:
    inspector = Inspector()
    yield inspector
    inspector.close()


@pytest.fixture
def inspect(tmp_path: Path) -> Callable[..., Inspection]:
    def call(inspector: Inspector, adapter: FormatAdapter, word: str, **claims: str) -> Inspection:
        path = tmp_path / "upload"
        path.write_text(word)
        return inspector.inspect(adapter, path, "ball@1.toy", claims)

    return call


def test_what_the_adapter_found_comes_back(inspector: Inspector, inspect: Any) -> None:
    found = inspect(inspector, ToyFormat(), "needs: kite drum", note="nöte")
    assert found == Inspection("ball", "1", {"note": "nöte"}, ("kite", "drum"), {"head": b"needs: kite drum"})


def test_what_the_adapter_refuses_is_refused_in_its_words(patient: Inspector, probe: Any, inspect: Any) -> None:
    with pytest.raises(UploadRefused, match=r"^not this one$"):
        inspect(patient, probe, "refuse")


def test_what_the_adapter_stumbles_over_is_refused_without_its_words(
    patient: Inspector, probe: Any, inspect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UploadRefused, match="could not be read") as caught:
        inspect(patient, probe, "raise")
    assert "secret detail" not in str(caught.value)
    assert "ValueError: secret detail" in caplog.text


def test_a_hang_is_killed_in_time(inspect: Any) -> None:
    hasty = Inspector(seconds=0.5)
    start = time.monotonic()
    with pytest.raises(UploadRefused, match="more time or memory than is allowed"):
        inspect(hasty, ToyFormat(), "hang")
    assert time.monotonic() - start < 5
    assert inspect(hasty, ToyFormat(), "fine").package == "ball"
    hasty.close()


def test_a_kept_child_that_hangs_is_killed_and_not_asked_again(inspect: Any) -> None:
    hasty = Inspector(seconds=1.5)
    inspect(hasty, ToyFormat(), "fine")
    start = time.monotonic()
    with pytest.raises(UploadRefused, match="more time or memory"):
        inspect(hasty, ToyFormat(), "hang")
    assert time.monotonic() - start < 2.9  # asked twice it would be 3
    hasty.close()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the bound on memory needs /proc")
def test_hoarding_memory_is_refused(inspector: Inspector, inspect: Any) -> None:
    with pytest.raises(UploadRefused, match="could not be read"):
        inspect(inspector, ToyFormat(), "hoard")
    assert inspect(inspector, ToyFormat(), "fine").package == "ball"


@pytest.mark.parametrize("word", ["crash", "chatter", "recurse", "write"])
def test_a_child_that_goes_wrong_is_survived(word: str, patient: Inspector, probe: Any, inspect: Any) -> None:
    with pytest.raises(UploadRefused):
        inspect(patient, probe, word)
    assert inspect(patient, probe, "fine").package == "ball"


def test_a_kept_child_that_crashes_is_survived(patient: Inspector, probe: Any, inspect: Any) -> None:
    first = inspect(patient, probe, "fine")
    with pytest.raises(UploadRefused):
        inspect(patient, probe, "crash")
    assert inspect(patient, probe, "fine").attributes["pid"] != first.attributes["pid"]


def test_the_child_writes_no_file(patient: Inspector, probe: Any, inspect: Any, tmp_path: Path) -> None:
    with pytest.raises(UploadRefused):
        inspect(patient, probe, "write")
    assert (tmp_path / "upload").read_text() == "write"


def test_a_large_answer_comes_back_whole(patient: Inspector, probe: Any, inspect: Any) -> None:
    assert len(inspect(patient, probe, "much").documents["head"]) == 3 << 20


def test_the_child_gets_no_secret_of_the_environment(
    patient: Inspector, probe: Any, inspect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORBITALREG_TOKEN", "orbsa_hunter2")
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    environment = inspect(patient, probe, "fine").attributes["environment"]
    assert "hunter2" not in str(environment)
    assert environment["PYTHONPATH"] == os.environ["PYTHONPATH"]


def test_a_child_is_kept_for_the_next_file(patient: Inspector, probe: Any, inspect: Any) -> None:
    assert len({inspect(patient, probe, "fine").attributes["pid"] for _ in range(3)}) == 1


def test_an_idle_child_that_left_is_replaced(patient: Inspector, probe: Any, inspect: Any) -> None:
    first = inspect(patient, probe, "fine").attributes["pid"]
    [child] = patient._idle["probe_format:Probe"]
    child._process.kill()
    child._process.wait()
    assert inspect(patient, probe, "fine").attributes["pid"] != first


def test_closing_ends_the_children(probe: Any, inspect: Any) -> None:
    inspector = Inspector()
    pid = inspect(inspector, probe, "fine").attributes["pid"]
    inspector.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_ends_with_its_parent(probe: Any, tmp_path: Path) -> None:
    (tmp_path / "upload").write_text("fine")
    script = """
import os, sys
from pathlib import Path
from orbitalreg.inspection import Inspector
from probe_format import Probe
print(Inspector().inspect(Probe(), Path(sys.argv[1]), "ball@1.toy", {}).attributes["pid"], flush=True)
os._exit(0)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "upload")]
    # The child holds the pipe of stderr as well: its end there is the child's end.
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert int(ended.stdout) > 0


def test_a_child_that_cannot_start_is_the_servers_fault_and_not_the_uploads(inspector, tmp_path):
    class Nowhere(ToyFormat):
        pass

    path = tmp_path / "a"
    path.write_bytes(b"x")
    with pytest.raises(OrbitalError, match="does not start") as refusal:
        inspector.inspect(Nowhere(), path, "a@1.toy", {})
    assert not isinstance(refusal.value, UploadRefused)

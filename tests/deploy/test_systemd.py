"""The unit: well formed, hardened, and what it says of the server is true of the server."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import pytest
from archives_corpus import make_wheel
from harness import BIN, Registry, eventually

from orbitalreg.serving.limits import Limits

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "orbitalreg.service"
ANALYZE = shutil.which("systemd-analyze")
needs_analyze = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not on this machine")
MOST_EXPOSURE = 20  # tenths; systemd calls up to 2.0 "OK" and what has no sandbox 9.6 "UNSAFE"


def settings(section: str) -> dict[str, list[str]]:
    """The keys of a section with all their values: a key may stand several times."""
    part = re.split(r"^\[(\w+)\]$", UNIT.read_text(), flags=re.MULTILINE)
    lines = [line.split("=", 1) for line in part[part.index(section) + 1].splitlines() if re.match(r"\w+=", line)]
    found: dict[str, list[str]] = {}
    for key, value in lines:
        found.setdefault(key, []).append(value)
    return found


SERVICE = settings("Service")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with programs that are on this machine."""
    target = tmp_path / UNIT.name
    target.write_text(UNIT.read_text().replace("/opt/orbitalreg/bin/", f"{BIN}/"))
    return target


@needs_analyze
def test_systemd_finds_nothing_wrong(unit: Path) -> None:
    done = subprocess.run([ANALYZE, "verify", "--man=no", unit], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, said) == (0, [])


@needs_analyze
def test_little_of_the_machine_is_within_reach(unit: Path) -> None:
    command = [ANALYZE, "security", "--no-pager", "--offline=yes", f"--threshold={MOST_EXPOSURE}", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at a unit that is not loaded")
    assert done.returncode == 0, done.stdout


def test_it_is_one_file_without_doubles() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(UNIT.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]
    assert [key for key, values in SERVICE.items() if len(values) > 1] == ["ExecReload"]


def test_a_stop_has_time_and_goes_to_the_server_alone() -> None:
    assert int(SERVICE["TimeoutStopSec"][0]) > Limits().grace_seconds
    assert (SERVICE["Type"], SERVICE["KillMode"]) == (["exec"], ["mixed"])


def test_there_are_descriptors_for_every_connection() -> None:
    assert int(SERVICE["LimitNOFILE"][0]) >= 2 * Limits().connections


def test_the_commands_start_and_reload_a_server(tmp_path: Path) -> None:
    """`ExecStart` and the first `ExecReload` are run as they stand, on a configuration of this test."""
    with Registry(tmp_path) as registry:
        (start,), (check, hangup) = SERVICE["ExecStart"], SERVICE["ExecReload"]
        assert start == "/opt/orbitalreg/bin/orbitalreg serve --config /etc/orbitalreg/orbitalreg.toml"
        assert hangup == "/bin/kill -HUP $MAINPID"
        here = check.replace("/opt/orbitalreg/bin", str(BIN)).replace(
            "/etc/orbitalreg/orbitalreg.toml", str(registry.config)
        )
        assert subprocess.run(here.split(), capture_output=True).returncode == 0
        subprocess.run(hangup.replace("$MAINPID", str(registry.pid)).split(), check=True)
        assert eventually(lambda: "reloaded" in registry.log.read_text())
        registry.config.write_text("[server]\nlisten = 1\n")
        assert subprocess.run(here.split(), capture_output=True).returncode == 1


SANDBOX = """\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
os.umask(0o077)
PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN = 38, 65, 1
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
if libc.prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
    sys.exit(77)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has these limits")
def test_the_server_works_without_new_privileges_and_executable_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What of the sandbox a test may put on itself: `NoNewPrivileges`, `MemoryDenyWriteExecute`, `UMask`."""
    probe = subprocess.run([sys.executable, "-c", SANDBOX, "/bin/true"])
    if probe.returncode == 77:
        pytest.skip("this kernel cannot deny executable memory")
    (tmp_path / "sandbox.py").write_text(SANDBOX)
    wrapper = tmp_path / "orbitalreg"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/sandbox.py {BIN}/orbitalreg "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(harness, "BIN", tmp_path)
    with Registry(tmp_path / "registry") as registry:
        status = Path(f"/proc/{registry.pid}/status").read_text()
        assert re.search(r"^NoNewPrivs:\s1$", status, re.MULTILINE)
        registry.token = registry.new_token("sandboxed")
        assert registry.upload(*make_wheel("sandboxed")).status == 200
        assert registry.files("sandboxed")
        assert (registry.data / "catalog.sqlite3").stat().st_mode & 0o077 == 0

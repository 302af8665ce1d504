"""What `doctor` looks at."""

from pathlib import Path

import pytest

from orbitalreg import machine
from orbitalreg.machine import BAD, BUILT_AFTER, GOOD, WARNING


@pytest.mark.parametrize(
    ("version", "state"),
    [("3.51.3", GOOD), ("3.52.0", GOOD), ("4.0.0", GOOD), ("3.51.2", WARNING), ("3.9.2", WARNING), ("3.45.1", WARNING)],
)
def test_sqlite_before_the_mended_version_is_a_warning(version: str, state: str) -> None:
    finding = machine.sqlite(version)
    assert finding.state == state
    assert version in finding.says


LATER = BUILT_AFTER + 1_000_000.0


@pytest.mark.parametrize(
    ("now", "written", "state"),
    [
        (LATER, [], GOOD),
        (LATER, [LATER - 5, LATER - 10], GOOD),
        (LATER, [LATER + 30], GOOD),
        (LATER, [LATER - 10, LATER + 90], BAD),
        (BUILT_AFTER - 1.0, [], BAD),
    ],
)
def test_a_clock_behind_the_data_is_bad(now: float, written: list[float], state: str) -> None:
    assert machine.clock(now, written).state == state


def states(data: Path) -> dict[str, str]:
    return {finding.subject: finding.state for finding in machine.examine(data)}


def test_a_folder_that_is_not_there_yet_is_good(tmp_path: Path) -> None:
    data = tmp_path / "a" / "b"
    assert states(data)["permissions"] == GOOD
    assert not data.exists()


def test_a_folder_open_to_everybody_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert states(tmp_path)["permissions"] == WARNING
    tmp_path.chmod(0o700)
    assert states(tmp_path)["permissions"] == GOOD


def test_too_little_room_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ENOUGH_BYTES", 1 << 80)
    assert states(tmp_path)["disk"] == BAD


def test_a_network_file_system_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_mounted_as", lambda folder: "nfs4")
    assert states(tmp_path)["file system"] == BAD


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    machine.examine(tmp_path)
    assert list(tmp_path.iterdir()) == []

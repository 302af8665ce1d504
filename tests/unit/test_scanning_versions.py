"""When a scanner's tool is asked for its version, and what is made of what it prints."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.errors import ScannerFailed
from orbitalreg.interfaces import Scanner, Tool, ToolRun
from orbitalreg.interfaces.tools import version_of
from orbitalreg.scanning import versions
from orbitalreg.scanning.versions import Versions
from orbitalreg.testing.targets import run_tool


class Tooled(Scanner):
    name = "tooled"
    own = ""

    def __init__(self, program: Path) -> None:
        self._program = program

    @property
    def version(self) -> str:
        return self.own

    @property
    def tool(self) -> Tool:
        return Tool(self._program)

    def database(self) -> None:
        return None

    def scan(self, target: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def told(tmp_path: Path) -> Callable[[str], str]:
    def told(says: str) -> str:
        program = tmp_path / "tool"
        program.write_text("x")
        (tmp_path / "asked").mkdir(exist_ok=True)
        return version_of(Tool(program), lambda *_, **__: ToolRun(0, says.encode(), b""), tmp_path / "asked")

    return told


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("Version: 0.76.0\nVulnerability DB:\n  Version: 2\n  UpdatedAt: 2026-01-02 03:04:05.6 +0000 UTC\n", "0.76.0"),
        ("syft 1.18.1\n", "1.18.1"),
        ("tool version v2.0.0-rc.1+g1234\n", "2.0.0-rc.1+g1234"),
        ("1.0\x1b[0m\n", "1.0"),
        ("1.2" + ".3" * 5000, "1.2.3"),
    ],
)
def test_the_first_number_with_a_point_is_the_version(says: str, version: str, told: Callable[[str], str]) -> None:
    found = told(says)
    assert found.startswith(version) and found.isprintable()
    assert found == version or len(says) > 1000


def test_a_build_that_tells_no_number_is_known_by_its_content(told: Callable[[str], str]) -> None:
    assert told("grype [not provided]\n") == told("Version: dev 7\n") == told("") == "sha256:2d711642b726b044"


def test_it_is_asked_at_a_place_of_its_own_within_limits(tmp_path: Path) -> None:
    said = tmp_path / "said"
    script = f"echo $HOME $XDG_CACHE_HOME $MORE $PWD >{said}\necho 1.0 >&2\nexit 3\n"
    (tmp_path / "tool").write_text(f"#!/bin/sh\n{script}")
    (tmp_path / "tool").chmod(0o755)
    asked: dict[str, Any] = {}

    def run(arguments: Sequence[str], **more: Any) -> ToolRun:
        asked.update(more)
        return run_tool(arguments, **more)

    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(ScannerFailed, match=r"tool ended with 3: 1\.0"):
        version_of(Tool(tmp_path / "tool", ["-v"], {"MORE": "more"}), run, place)
    assert said.read_text() == f"{place} {place} more {place}\n"
    assert asked["seconds"] <= 30 and asked["max_output"] <= 1 << 20


def test_it_is_asked_again_where_its_file_is_another_and_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(arguments: Sequence[str], **_: Any) -> ToolRun:
        asked.append(arguments[0])
        return ToolRun(0, f"1.{len(asked)}".encode(), b"")

    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("one")
    link.symlink_to(real)
    known, scanner = Versions(run), Tooled(link)
    assert [known.of(scanner) for _ in range(3)] == ["1.1", "1.1", "1.1"]
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").replace(real)
    assert [known.of(scanner), known.of(scanner)] == ["1.2", "1.2"]
    before = os.stat(real)
    real.write_text("TWO")
    os.utime(real, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [known.of(scanner), known.of(scanner)] == ["1.3", "1.3"], "of the same size and time, in the same place"
    monkeypatch.setattr(versions, "AGAIN_SECONDS", -1.0)
    assert known.of(scanner) == "1.4", "what is there may start the tool itself"
    real.unlink()
    with pytest.raises(ScannerFailed, match="link is not there any more"):
        known.of(scanner)


def test_a_scanner_that_tells_its_own_version_has_no_tool_asked(tmp_path: Path) -> None:
    scanner = Tooled(tmp_path / "absent")
    scanner.own = "3"
    assert Versions(lambda *_, **__: ToolRun(1, b"", b"")).of(scanner) == "3"

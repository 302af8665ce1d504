"""What the kit plays in the place of a real tool."""

from pathlib import Path

import pytest

from orbitalreg.interfaces import Tool
from orbitalreg.interfaces.tools import Workplace, version_of
from orbitalreg.testing import RecordedTool, make_target

CASES = """
{"ball-1.2": {
  "components": [{"name": "ball", "version": "1.2", "purl": "pkg:toy/ball@1.2"}], "documents": {"head": "round"}
}}
"""


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedTool:
    folder = tmp_path / "recorded"
    (folder / "ball-1.2").mkdir(parents=True)
    (folder / "cases.json").write_text(CASES)
    (folder / "version").write_text("shaker 3.1\n")
    (folder / "ball-1.2" / "stdout").write_text("it rattles")
    (folder / "ball-1.2" / "parts.json").write_text("{}")
    return RecordedTool(folder)


def test_what_was_printed_and_written_is_played_in_the_target_and_within_it(
    recorded: RecordedTool, tmp_path: Path
) -> None:
    target = make_target(recorded.cases["ball-1.2"], tmp_path / "target", run=recorded.run)
    assert (target.folder / "head").read_bytes() == b"round"
    done = target.run(["shaker", str(target.bom)])
    assert (done.exit_code, done.stdout, done.stderr) == (0, b"it rattles", b"")
    assert (target.folder / "parts.json").read_text() == "{}"
    place = Workplace(target)
    assert place.run(["shaker", "--quiet"]) == recorded.output("ball-1.2") == b"it rattles"
    assert place.read("parts.json") == recorded.output("ball-1.2", "parts.json")
    assert recorded.asked == [["shaker", str(target.bom)], ["shaker", "--quiet"]]


def test_elsewhere_it_is_asked_for_its_version(recorded: RecordedTool, tmp_path: Path) -> None:
    (tmp_path / "asked").mkdir()
    assert version_of(Tool(tmp_path / "shaker"), recorded.run, tmp_path / "asked") == "3.1"
    assert recorded.asked == []


def test_what_was_not_recorded_cannot_be_played(recorded: RecordedTool, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "bom.json").write_text('{"components": [{"name": "kite", "version": "2"}]}')
    with pytest.raises(FileNotFoundError, match="kite-2"):
        recorded.run(["shaker"], folder=tmp_path / "target")

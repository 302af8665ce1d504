"""Plays again what a real tool printed and wrote, for the tests of a scanner where the tool is not installed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from orbitalreg.interfaces import ToolRun
from orbitalreg.model import Staged

_CASES = TypeAdapter(dict[str, Staged])


class RecordedTool:
    """What was recorded in `folder`.

    Its `cases.json` has by name what was staged of each file, `{"ball-1.2": {"components": [...], "documents": {...}}}`
    with the fields of `model.Staged`; a case is called by its own package's name and version. In the folder of that
    name lie `stdout` and what the tool wrote. `version` is what it printed when it was asked for its version.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.cases: Mapping[str, Staged] = _CASES.validate_json((folder / "cases.json").read_bytes())
        self.asked: list[list[str]] = []
        """The arguments of each run, but for questions for the version."""

    def output(self, case: str, name: str = "stdout") -> bytes:
        return (self._folder / case / name).read_bytes()

    def run(
        self,
        arguments: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] = {},
        seconds: float = 300.0,
        max_output: int = 64 << 20,
    ) -> ToolRun:
        """`interfaces.Runner`: by the target that `folder` is, or is within; where it is in none, the version."""
        assert folder is not None, "make_target says where a tool runs"
        target = next((place for place in (folder, folder.parent) if (place / "bom.json").exists()), None)
        if target is None:
            return ToolRun(0, (self._folder / "version").read_bytes(), b"")
        self.asked.append(list(arguments))
        recorded = self._folder / _case(target)
        for file in recorded.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        return ToolRun(0, (recorded / "stdout").read_bytes(), b"")


def _case(target: Path) -> str:
    own = json.loads((target / "bom.json").read_bytes())["components"][0]
    return f"{own['name']}-{own['version']}"

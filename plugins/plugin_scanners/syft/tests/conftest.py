"""Recorded runs of the real tool, played again. `tests/scanners/recording.py` in the tree records them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.interfaces import ToolRun
from orbitalreg.model import Component, Staged

RECORDED = Path(__file__).parent / "recorded"


class Recorded:
    """The cases by their names, and a runner that plays them."""

    def __init__(self) -> None:
        cases = json.loads((RECORDED / "cases.json").read_text())
        self.cases = {name: staged(packages) for name, packages in cases.items()}
        self.asked: list[list[str]] = []

    def output(self, case: str, name: str = "stdout") -> bytes:
        return (RECORDED / case / name).read_bytes()

    def run(
        self,
        arguments: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] = {},
        seconds: float = 300.0,
        max_output: int = 64 << 20,
    ) -> ToolRun:
        """Print and write what was recorded of the target that `folder` is within, or of the tool's version."""
        assert folder is not None and environment["HOME"] == str(folder)
        if list(arguments[1:]) == ["--version"]:
            return ToolRun(0, (RECORDED / "version").read_bytes(), b"")
        self.asked.append(list(arguments))
        own = json.loads((folder.parent / "bom.json").read_bytes())["components"][0]
        recorded = RECORDED / f"{own['name']}-{own['version']}"
        for file in recorded.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        return ToolRun(0, (recorded / "stdout").read_bytes(), b"")


def staged(packages: Sequence[Sequence[str]]) -> Staged:
    """The first is the file's own, the others are bundled in it."""
    first, *others = packages
    own = f"{first[0]}-{first[1]}.dist-info/METADATA"
    components = [component(*first[:2], own), *(component(*other, True) for other in others)]
    documents = {
        one.location: f"Metadata-Version: 2.1\nName: {one.name}\nVersion: {one.version}\n" for one in components
    }
    return Staged(tuple(components), {path: text.encode() for path, text in documents.items()})


def component(name: str, version: str, location: str, is_bundled: bool = False) -> Component:
    """As the format has it; `nothing` is of a format that the tool does not know."""
    kind = "generic" if name == "nothing" else "pypi"
    aliases = (name.replace("-", "."), name.replace("-", "_")) if "-" in name else ()
    return Component(name, version, f"pkg:{kind}/{name}@{version}", location, is_bundled, aliases)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def installed() -> Callable[[Path], Mapping[str, Any]]:
    """Puts a program that nobody runs into a folder; the table that names it."""

    def install(folder: Path) -> Mapping[str, Any]:
        (folder / "syft").write_text("#!/bin/sh\nexit 3\n")
        (folder / "syft").chmod(0o755)
        return {"binary": "syft"}

    return install

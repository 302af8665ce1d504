"""Every command in docs/ runs.

In a page, a block ```sh is run, in the order of the page and in one folder that is empty at first; ```console shows a
terminal and is not run, for what needs a network or never ends. A block with `file=NAME` after its language is written
to that file, and with `from=PATH` it is that file of this repository, word by word.
"""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)((?: \w+=\S+)*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    labels: dict[str, str]
    text: str


def blocks(page: Path) -> list[Block]:
    return [
        Block(language, dict(label.split("=", 1) for label in labels.split()), text)
        for language, labels, text in FENCE.findall(page.read_text("utf-8"))
    ]


def name(page: Path) -> str:
    return str(page.relative_to(TREE))


PAGES = sorted(TREE.glob("docs/**/*.md"))
WITH_COMMANDS = [page for page in PAGES if any(block.language == "sh" for block in blocks(page))]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ORBITALREG_", "PYTEST_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    environment |= {"PATH": path, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    for block in blocks(page):
        if "file" in block.labels:
            write(tmp_path, block)
        elif block.language == "sh":
            run = subprocess.run(
                ["sh", "-euc", block.text], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert run.returncode == 0, f"{block.text}\n{run.stdout}{run.stderr}"


def write(folder: Path, block: Block) -> None:
    file = folder / block.labels["file"]
    assert folder in file.resolve().parents
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(block.text)
    if file.name == "pyproject.toml":
        install(folder, tomllib.loads(block.text)["project"])


def install(folder: Path, project: dict[str, object]) -> None:
    """What an editable install of the page's package would put on the path; to build it needs a package index."""
    info = folder / f"{str(project['name']).replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]
    assert isinstance(points, dict)
    lines = [line for group, table in points.items() for line in (f"[{group}]", *map(" = ".join, table.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


INCLUDED = [
    pytest.param(block, id=f"{name(page)}-{block.labels['from']}")
    for page in PAGES
    for block in blocks(page)
    if "from" in block.labels
]


@pytest.mark.parametrize("block", INCLUDED)
def test_code_that_a_page_includes_is_the_real_code(block: Block) -> None:
    assert block.text == (TREE / block.labels["from"]).read_text("utf-8"), "copy the file into the page again"

"""The pages as the tests read them: blocks, their labels, and the sections that they are in."""

import re
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).parents[2]
PAGES = sorted(TREE.glob("docs/**/*.md"))

_PIECE = re.compile(
    r"^## (?P<title>[^\n]+)$|^```(?P<language>\w+)(?P<labels>(?: \w+=\S+)*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    language: str
    labels: dict[str, str]
    text: str
    section: str


def blocks(page: Path) -> list[Block]:
    found, section = [], ""
    for piece in _PIECE.finditer(page.read_text("utf-8")):
        if piece["language"] is None:
            section = piece["title"]
        else:
            labels = dict(label.split("=", 1) for label in piece["labels"].split())
            found.append(Block(piece["language"], labels, piece["text"], section))
    return found


def name(page: Path) -> str:
    return str(page.relative_to(TREE))

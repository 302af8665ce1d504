"""The host knows no format by heart."""

import re
from pathlib import Path

import pytest

import orbitalreg

SOURCES = sorted(Path(orbitalreg.__file__).parent.rglob("*.py"))
WORDS = re.compile(
    r"pypi|wheel|whl|sdist|tar\.gz|twine|simple.index|simple/|legacy|setuptools|poetry|warehouse|requires.python|"
    r"requires.dist|dist-info|core.metadata|pkg-info|pyproject|\bPEP (?!3333)[0-9]+|\bnpm\b|"
    r"\bpip\b(?! install orbitalreg-)|docker|maven|\bcrate",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "text", ["PyPI", "a wheel", "x.tar.gz", "twine upload", "simple index", "PEP 503", "pip install flask", "pip.conf"]
)
def test_a_word_of_a_format_is_told(text: str) -> None:
    assert WORDS.search(text)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_module_of_the_host_has_no_word_of_a_format(source: Path) -> None:
    lines = source.read_text().splitlines()
    assert [f"{number}: {line}" for number, line in enumerate(lines, 1) if WORDS.search(line)] == []


def test_the_sources_of_the_host_were_found() -> None:
    assert len(SOURCES) > 30

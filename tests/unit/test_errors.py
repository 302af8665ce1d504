"""The text of an error is one line of printable ASCII, whatever came from outside is in it."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import orbitalreg
from orbitalreg import config
from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.errors import OrbitalError
from orbitalreg.model import Address, Grant, Right, valid_name

STRANGE = "caf\u00e9\u2028\n\x1b[31m\U0001f9f8"
SOURCES = [path for path in Path(orbitalreg.__file__).parent.rglob("*.py") if "testing" not in path.parts]


@pytest.mark.parametrize(
    "refuse",
    [
        lambda folder: valid_name(STRANGE, "name"),
        lambda folder: Right.parse(STRANGE),
        lambda folder: Address.parse(STRANGE),
        lambda folder: Grant.parse(f"acme/toys/{STRANGE}:read"),
        lambda folder: Grant.parse(STRANGE),
        lambda folder: FilesystemBlobStore(folder, {}).open(STRANGE),
        lambda folder: FilesystemBlobStore(folder, {STRANGE: 1}),
        lambda folder: config.parse_duration(STRANGE),
        lambda folder: config.parse_size(STRANGE),
        lambda folder: config.from_dict({STRANGE: 1}, folder),
        lambda folder: config.from_dict({"server": {"max_upload": STRANGE}}, folder),
        lambda folder: config.from_dict({"projects": {STRANGE: {}}}, folder),
    ],
)
def test_what_comes_from_outside_is_told_in_ascii(refuse: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(OrbitalError) as error:
        refuse(tmp_path)
    text = str(error.value)
    assert text.isascii() and text.isprintable()
    assert r"caf\xe9" in text


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_text_is_put_in_by_its_repr(source: Path) -> None:
    """It may hold any letter: `!a` and `ascii()` write the same in ASCII."""
    found = [
        node.lineno
        for node in ast.walk(ast.parse(source.read_text()))
        if (isinstance(node, ast.FormattedValue) and node.conversion == ord("r"))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "repr")
    ]
    assert found == []

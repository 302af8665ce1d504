"""The text of every error is one line of printable ASCII, whatever came from outside is in it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg import config
from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.errors import ConfigError, OrbitalError, UploadRefused
from orbitalreg.model import Address, Grant, Right, valid_name

STRANGE = "caf\u00e9\u2028\n\x1b[31m\ud800\U0001f9f8"
WRITTEN = r"caf\xe9\u2028\n\x1b[31m\ud800\U0001f9f8"


def is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


@given(st.text(st.characters()))
def test_any_text_is_one_printable_line(text: str) -> None:
    assert is_plain(str(UploadRefused(text)))
    assert all(map(is_plain, (str(ConfigError([text, "x"])), *ConfigError([text]).problems)))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert str(UploadRefused(text)) == text
    assert ConfigError([text]).problems == (text,)


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
        lambda folder: config.from_dict({"caf\u00e9": 1}, folder),
        lambda folder: config.from_dict({"server": {"max_upload": STRANGE}}, folder),
        lambda folder: config.load(folder / "caf\u00e9.toml"),
    ],
)
def test_what_comes_from_outside_is_told_in_ascii(refuse: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(OrbitalError) as error:
        refuse(tmp_path)
    assert is_plain(str(error.value))
    assert r"caf\xe9" in str(error.value)


def test_it_is_written_as_in_a_literal() -> None:
    assert str(OrbitalError(STRANGE)) == WRITTEN

"""What a first start shows and proposes."""

import tomllib
from pathlib import Path

import pytest
from orbitalreg_pypi.adapter import PyPIFormat

from orbitalreg import config
from orbitalreg.cli.template import starting_file
from orbitalreg.plugins import Plugins

BASE = "https://registry.example.com/pypi/acme/all-libs"


def test_the_proposals_are_what_the_team_publishes_the_public_index_and_both() -> None:
    written = tomllib.loads(starting_file(Plugins.load(["pypi"])))["projects"]["acme"]["repositories"]
    common = {"format": "pypi", "anonymous_read": False}
    assert written == {
        "internal": {**common, "kind": "local"},
        "pypi-remote": {**common, "kind": "remote", "upstream": "pypi"},
        "all-libs": {**common, "kind": "virtual", "members": ["internal", "pypi-remote"]},
    }


def test_the_first_file_shows_where_ones_own_names_go(tmp_path: Path) -> None:
    text = starting_file(Plugins.load(["pypi"]))
    file = tmp_path / "orbitalreg.toml"
    file.write_text(text.replace("# [projects.acme]", "[projects.acme]").replace("# private_names", "private_names"))
    assert config.load(file).projects["acme"].private_names == ("acme-*",)


@pytest.mark.parametrize(
    ("takes_uploads", "headings"),
    [
        (True, ["Publish with twine", "Install with pip"]),
        (False, ["Install with pip"]),
    ],
)
def test_how_to_publish_is_shown_where_uploads_are_taken(takes_uploads: bool, headings: list[str]) -> None:
    usage = PyPIFormat().usage(BASE, takes_uploads)
    assert [heading for heading, _ in usage] == headings
    lines = " ".join(text for _, text in usage)
    assert ("twine" in lines and "/legacy/" in lines) is takes_uploads
    assert "@registry.example.com/pypi/acme/all-libs/simple/ my-pkg" in lines

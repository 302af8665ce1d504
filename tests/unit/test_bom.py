"""What scanners are handed as a bill of materials."""

import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg.bom import cyclonedx, renamed
from orbitalreg.model import Component

CMF = Component("products-cmfplone", "4.3", "pkg:pypi/products-cmfplone@4.3", aliases=("products.cmfplone", "a b/c"))
BALL = Component("ball", "1", "pkg:toy/ball@1")


def test_components_and_their_other_spellings_are_libraries_with_refs_of_their_own() -> None:
    told = json.loads(cyclonedx([CMF, BALL, BALL]))
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert {part["type"] for part in told["components"]} == {"library"}
    assert [(part["bom-ref"], part["name"], part["version"], part["purl"]) for part in told["components"]] == [
        ("0", "products-cmfplone", "4.3", "pkg:pypi/products-cmfplone@4.3"),
        ("0.1", "products.cmfplone", "4.3", "pkg:pypi/products.cmfplone@4.3"),
        ("0.2", "a b/c", "4.3", "pkg:pypi/a%20b%2Fc@4.3"),
        ("1", "ball", "1", "pkg:toy/ball@1"),
        ("2", "ball", "1", "pkg:toy/ball@1"),
    ]


def test_the_same_components_are_the_same_bytes() -> None:
    assert cyclonedx([CMF, BALL]) == cyclonedx([CMF, BALL])
    assert json.loads(cyclonedx([])) == {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}


@pytest.mark.parametrize(
    ("purl", "told"),
    [
        ("pkg:toy/ball@1", "pkg:toy/doll@1"),
        ("pkg:toy/ball", "pkg:toy/doll"),
        ("pkg:toy/shop/ball@1?in=a/b@2#sub/path", "pkg:toy/shop/doll@1?in=a/b@2#sub/path"),
        ("pkg:toy/%40shop/ball@1%2B2", "pkg:toy/%40shop/doll@1%2B2"),
    ],
)
def test_another_name_takes_the_place_of_the_name(purl: str, told: str) -> None:
    assert renamed(purl, "doll") == told


@given(name=st.text(st.characters(codec="utf-8")))
def test_whatever_the_name_is_nothing_else_changes(name: str) -> None:
    told = renamed("pkg:toy/shop/ball@1?a=b#c", name)
    assert told.startswith("pkg:toy/shop/") and told.endswith("@1?a=b#c")
    assert unquote(told.removeprefix("pkg:toy/shop/").removesuffix("@1?a=b#c")) == name

"""Which of several mended versions is told, by an order that the scanner brings: here Python's."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from orbitalreg.interfaces.orders import Orders, is_comparable, smallest_above
from orbitalreg.model import Component

ORDERS: Orders = {"toy": Version}


@pytest.mark.parametrize(
    ("installed", "told", "expected"),
    [
        ("2.2", "3.0.7, 2.2.14, 1.11.29, 2.2.2", "2.2.2"),
        ("2.10", "2.9.9, 2.10.1", "2.10.1"),
        ("1.0", "1.0", None),
        ("1.0rc1", "1.0", "1.0"),
        ("1.0", "1.0.post1, 0.9", "1.0.post1"),
        ("1.0", "", None),
        ("1.0", "none, 2.x, 1.5", "1.5"),
    ],
)
def test_the_smallest_mended_version_above(installed: str, told: str, expected: str | None) -> None:
    component = Component("some", installed, f"pkg:toy/some@{installed}")
    assert smallest_above(component, told.split(","), ORDERS) == expected


@given(st.lists(st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}((a|b|rc|\.post)[0-9])?", fullmatch=True), min_size=2))
def test_what_is_mended_is_above_and_none_between(versions: Sequence[str]) -> None:
    component = Component("some", versions[0], f"pkg:toy/some@{versions[0]}")
    found = smallest_above(component, versions[1:], ORDERS)
    above = [Version(version) for version in versions[1:] if Version(version) > Version(versions[0])]
    assert (found is None) == (not above)
    assert found is None or Version(found) == min(above)


def test_versions_of_other_ecosystems_are_not_compared() -> None:
    component = Component("left-pad", "1.0", "pkg:npm/left-pad@1.0")
    assert smallest_above(component, ["1.1"], ORDERS) == "1.1"
    assert smallest_above(component, ["1.1", "2.0"], ORDERS) is None


def test_what_cannot_be_compared_is_told_where_there_is_an_order_for_it() -> None:
    assert is_comparable(Component("some", "1.0", "pkg:toy/some@1.0"), ORDERS)
    assert not is_comparable(Component("some", "2004d-old", "pkg:toy/some@2004d-old"), ORDERS)
    assert is_comparable(Component("left-pad", "2004d-old", "pkg:npm/left-pad@2004d-old"), ORDERS)
    odd = Component("some", "2004d-old", "pkg:toy/some@2004d-old")
    assert smallest_above(odd, ["2005"], ORDERS) == "2005"
    assert smallest_above(odd, ["2004d-old"], ORDERS) is smallest_above(odd, ["2005", "2006"], ORDERS) is None

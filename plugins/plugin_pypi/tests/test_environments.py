"""Environments by name: their normal forms, and what they stand for."""

import platform
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orbitalreg_pypi import environments
from packaging import tags
from packaging.markers import default_environment
from packaging.version import Version

from orbitalreg.errors import InvalidName

NAMES = {
    "cpython-3.12-linux-x86_64": "cpython-3.12-linux-x86_64",
    "cpython-3.12.3-linux-x86_64-gnu": "cpython-3.12.3-linux-x86_64",
    "CPython-3.11-macOS-arm64": "cpython-3.11-macos-aarch64",
    "cpython-3.11-darwin-aarch64-none": "cpython-3.11-macos-aarch64",
    "cpython-3.13-windows-AMD64": "cpython-3.13-windows-x86_64",
    "cpython-3.08-linux-aarch64-musl": "cpython-3.8-linux-aarch64-musl",
    "pypy-3.10-linux-x86_64": "pypy-3.10-linux-x86_64",
}
NO_NAMES = [
    "",
    "3.12",
    "cpython-3.12",
    "cpython-2.7-linux-x86_64",
    "cpython-3.7-linux-x86_64",
    "cpython-3.12-windows-x86_64-musl",
    "cpython-3.12-linux-x86_64-none",
    "cpython-3.12-linux-x86_64\n",
    "cpython-3.1\u0662-linux-x86_64",
    "jython-3.12-linux-x86_64",
    "cpython-3.12-linux-x86_64" + "-" * 5000,
]
HERE = f"cpython-{platform.python_version()}-linux-{platform.machine()}"
is_known_here = pytest.mark.skipif(
    sys.implementation.name != "cpython" or sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="no CPython on a Linux that has a name",
)


@pytest.mark.parametrize("text", NAMES)
def test_a_name_has_a_normal_form(text: str) -> None:
    assert environments.normal(text) == NAMES[text]
    assert environments.normal(NAMES[text]) == NAMES[text]


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_is_no_name_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(InvalidName, match=r"is no environment: write .* such as cpython-3\.12-linux-x86_64") as caught:
        environments.normal(text)
    assert str(caught.value).isascii() and str(caught.value).isprintable() and len(str(caught.value)) < 400
    with pytest.raises(InvalidName):
        environments.environment(text)


@settings(deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"(cpython|pypy)-3\.[0-9]{1,2}(\.[0-9]{1,3})?-(linux|macos)-x86_64"))
def test_a_normal_form_is_its_own_and_stands_for_something(text: str) -> None:
    try:
        found = environments.normal(text)
    except InvalidName:
        return
    assert environments.normal(found) == found
    assert environments.environment(found).ranks["py3-none-any"]


@pytest.mark.parametrize(
    ("name", "wheels"),
    [
        (
            "cpython-3.12-linux-x86_64",
            ["cp312-cp312-manylinux_2_39_x86_64", "cp312-cp312-manylinux2014_x86_64", "cp312-cp312-manylinux1_x86_64"],
        ),
        ("cpython-3.12-linux-x86_64", ["cp312-abi3-manylinux_2_17_x86_64", "cp37-abi3-manylinux_2_17_x86_64"]),
        ("cpython-3.12-linux-x86_64", ["cp312-none-any", "py312-none-any", "py3-none-any", "py30-none-any"]),
        ("cpython-3.12-linux-aarch64", ["cp312-cp312-manylinux_2_17_aarch64", "py3-none-manylinux2014_aarch64"]),
        ("cpython-3.12-linux-x86_64-musl", ["cp312-cp312-musllinux_1_2_x86_64", "cp312-cp312-musllinux_1_1_x86_64"]),
        ("cpython-3.11-macos-aarch64", ["cp311-cp311-macosx_14_0_arm64", "cp311-cp311-macosx_11_0_universal2"]),
        ("cpython-3.11-macos-x86_64", ["cp311-cp311-macosx_14_0_x86_64", "cp311-cp311-macosx_10_9_x86_64"]),
        ("cpython-3.13-windows-x86_64", ["cp313-cp313-win_amd64", "cp39-abi3-win_amd64", "py3-none-any"]),
        ("pypy-3.10-linux-x86_64", ["pp310-pypy310_pp73-manylinux_2_17_x86_64", "pp3-none-any", "py3-none-any"]),
    ],
)
def test_wheels_that_fit_come_in_the_order_of_preference(name: str, wheels: list[str]) -> None:
    ranks = environments.environment(name).ranks
    assert sorted(wheels, key=ranks.__getitem__) == wheels


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("cpython-3.12-linux-x86_64", "cp311-cp311-manylinux_2_17_x86_64"),
        ("cpython-3.12-linux-x86_64", "cp312-cp312-musllinux_1_2_x86_64"),
        ("cpython-3.12-linux-x86_64", "cp312-cp312-manylinux_2_40_x86_64"),
        ("cpython-3.12-linux-x86_64", "cp313-abi3-manylinux_2_17_x86_64"),
        ("cpython-3.12-linux-x86_64", "cp312-cp312t-manylinux_2_17_x86_64"),
        ("cpython-3.12-linux-x86_64", "py2-none-any"),
        ("cpython-3.12-linux-x86_64-musl", "cp312-cp312-manylinux_2_17_x86_64"),
        ("cpython-3.11-macos-aarch64", "cp311-cp311-macosx_11_0_x86_64"),
        ("pypy-3.10-linux-x86_64", "cp310-cp310-manylinux_2_17_x86_64"),
    ],
)
def test_others_do_not(name: str, tag: str) -> None:
    assert tag not in environments.environment(name).ranks


def test_the_third_number_is_a_late_one_unless_it_is_named() -> None:
    assert environments.environment("cpython-3.11-linux-x86_64").python >= Version("3.11.9")
    assert environments.environment("cpython-3.11.2-linux-x86_64").python == Version("3.11.2")
    assert environments.environment("cpython-3.99-linux-x86_64").python == Version("3.99.0")


@is_known_here
def test_this_very_python_under_its_name_is_as_packaging_finds_it() -> None:
    """But for the release of the system, and wheels for a C library newer than this machine's."""
    found, here = environments.environment(HERE), [str(tag) for tag in tags.sys_tags()]
    unknown = {"platform_release": "", "platform_version": ""}
    assert found.markers == {**default_environment(), **unknown}
    assert [tag for tag in found.ranks if tag in set(here)] == list(dict.fromkeys(here))

"""Which files and versions an installer takes, by rules and by what pip's own code says of the same listing."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orbitalreg_pypi import choices, environments
from orbitalreg_pypi.adapter import PyPIFormat
from packaging.version import Version

from orbitalreg.errors import InvalidName
from orbitalreg.model import File, Listing, Requirement

LINUX = environments.DEFAULT
WINDOWS = "cpython-3.13-windows-x86_64"


def file(filename: str, version: str, requires_python: str = "", yanked: str | None = None, filetype: str = "") -> File:
    filetype = filetype or ("bdist_wheel" if filename.endswith(".whl") else "sdist")
    attributes = {"filetype": filetype, **({"requires_python": requires_python} if requires_python else {})}
    return File(filename, "a", version, filename, 1, "0" * 64, 0, attributes, yanked=yanked)


def sdists(*versions: str, yanked: Sequence[str] = ()) -> list[File]:
    return [file(f"a-{one}.tar.gz", one, yanked="" if one in yanked else None) for one in versions]


def offered(files: Sequence[File], environment: str = LINUX) -> list[str]:
    return [one.filename for one in choices.offers(Listing("a", tuple(files), "r"), environment)]


def chosen(specifier: str, files: Sequence[File]) -> list[str]:
    """In an order of the listing that says nothing."""
    found = choices.offers(Listing("a", tuple(sorted(files, key=lambda one: one.version[::-1])), "r"), LINUX)
    return [one.version for one in choices.candidates(Requirement("a", specifier), found)]


def test_of_each_version_the_wheel_that_fits_best_is_offered() -> None:
    wheels = [
        "a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "a-1-cp313-cp313-win_amd64.whl",
        "a-1-py3-none-any.whl",
    ]
    files = [*(file(name, "1") for name in wheels), *sdists("1")]
    assert offered(files) == wheels[:1]
    assert offered(files, WINDOWS) == wheels[1:2]
    assert offered(files, "cpython-3.11-macos-aarch64") == wheels[2:]
    assert offered([files[0], files[3]], WINDOWS) == ["a-1.tar.gz"]
    assert offered(files[:1], WINDOWS) == []


@pytest.mark.parametrize(
    "filenames",
    [
        ["a-1-2-py3-none-any.whl", "a-1-1-py3-none-any.whl", "a-1-py3-none-any.whl"],
        ["a-1-10-py3-none-any.whl", "a-1-9-py3-none-any.whl"],
        ["a-1-1b-py3-none-any.whl", "a-1-1a-py3-none-any.whl"],
        ["a-1-cp312-cp312-manylinux_2_28_x86_64.whl", "a-1-9-py3-none-any.whl"],
        ["a-1-py2.py3-none-any.whl", "a-1.tar.gz"],
        ["a-1-CP312-none-ANY.whl", "a-1-py3-none-any.whl"],
    ],
)
def test_the_preferred_is_preferred_whatever_the_order(filenames: list[str]) -> None:
    files = [file(name, "1") for name in filenames]
    assert offered(files) == offered(files[::-1]) == filenames[:1]


def test_requires_python_is_honoured_file_by_file() -> None:
    files = [
        file("a-3.tar.gz", "3", ">=3.13"),
        file("a-2-py3-none-any.whl", "2", ">=3.13"),
        file("a-2.tar.gz", "2", ">=3.8,<4"),
        file("a-1.tar.gz", "1", "no specifier"),
    ]
    assert offered(files) == ["a-2.tar.gz", "a-1.tar.gz"]
    assert offered(files, WINDOWS) == ["a-3.tar.gz", "a-2-py3-none-any.whl", "a-1.tar.gz"]
    assert offered([file("a-1.tar.gz", "1", "!=3.12.4")], "cpython-3.12.4-linux-x86_64") == []


def test_versions_come_greatest_first_and_equal_ones_once() -> None:
    files = [
        file("a-1.0-py3-none-any.whl", "1.0"),
        *sdists("1", "1.10", "1.9", "2rc1", "1+l", "1!0", "1.post1", "1.dev1"),
        file("a.egg", "3", filetype="bdist_egg"),
        file("a.exe", "3", filetype="bdist_wininst"),
        file("odd", "", filetype="sdist"),
    ]
    found = choices.offers(Listing("a", tuple(files), "r"), LINUX)
    assert [one.version for one in found] == ["1!0", "2rc1", "1.10", "1.9", "1.post1", "1+l", "1.0", "1.dev1"]


def test_an_environment_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidName):
        choices.offers(Listing("a", (), "r"), "somewhere")


def test_of_one_version_what_is_not_yanked_is_preferred() -> None:
    wheel = file("a-1-py3-none-any.whl", "1", yanked="bad build")
    assert offered([wheel, *sdists("1")]) == ["a-1.tar.gz"]
    assert offered([wheel, *sdists("1", yanked="1")]) == ["a-1-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("specifier", "versions"),
    [
        ("", ["2", "1.5", "1"]),
        (">=1,<2", ["1.5", "1"]),
        (">=3.dev0", ["3rc1"]),
        (">=1.dev0", ["3rc1", "2", "1.5", "1"]),
        (">2", ["3rc1"]),
        ("!=3rc1", ["2", "1.5", "1"]),
        ("==1.*", ["1.5", "1"]),
        ("===1.5", ["1.5"]),
        ("===1.50", []),
        ("==9", []),
        ("no specifier", []),
        ("@1.0", []),
        ("<" + "9" * 5000, []),
    ],
)
def test_pre_releases_count_where_they_are_named_or_nothing_else_is_there(specifier: str, versions: list[str]) -> None:
    assert chosen(specifier, sdists("1", "1.5", "2", "3rc1")) == versions


@pytest.mark.parametrize(
    ("specifier", "versions"),
    [
        ("", ["1"]),
        ("==2", ["2"]),
        ("==2.0,>1", ["2"]),
        ("===2", ["2"]),
        ("==2.*", []),
        (">1", []),
        ("==3", ["3+l", "3"]),
        ("==1", ["1"]),
    ],
)
def test_what_is_yanked_counts_where_it_is_named_alone(specifier: str, versions: list[str]) -> None:
    assert chosen(specifier, sdists("1", "2", "3", "3+l", yanked=("2", "3", "3+l"))) == versions


def test_a_yanked_release_beside_a_pre_release_hides_that_as_pip_has_it() -> None:
    """pip drops the pre-release, since there is a release, and then the release, since it is yanked."""
    assert chosen(">=1", sdists("1", "2rc1", yanked="1")) == []


def test_local_versions_are_those_of_their_public_one() -> None:
    files = sdists("1", "1+cpu", "1+cu12")
    assert chosen("==1", files) == ["1+cu12", "1+cpu", "1"]
    assert chosen("==1+cpu", files) == ["1+cpu"]
    assert chosen(">1", files) == []


@pytest.mark.parametrize("requirement", [Requirement("", stated="?"), Requirement("a", is_elsewhere=True)])
def test_nothing_is_chosen_for_what_is_unreadable_or_elsewhere(requirement: Requirement) -> None:
    assert choices.candidates(requirement, sdists("1")) == []


# What pip says

VERSIONS = ["1", "1.0.1", "1.1", "2", "1.0.post1", "1+l", "1a1", "2rc1", "2.dev0", "3rc1", "1!0"]
SUFFIXES = [
    *("-py3-none-any.whl", "-1-py3-none-any.whl", "-2-py3-none-any.whl", "-py2.py3-none-any.whl", ".tar.gz"),
    *("-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "-cp312-cp312-manylinux_2_28_x86_64.whl"),
    *("-cp310-abi3-manylinux_2_28_x86_64.whl", "-cp312-abi3-manylinux1_x86_64.whl", "-cp312-cp312-win_amd64.whl"),
    *("-cp311-cp311-manylinux_2_17_x86_64.whl", "-cp312-none-any.whl", "-py2-none-any.whl"),
]
FILES = st.lists(
    st.tuples(
        st.sampled_from(VERSIONS),
        st.sampled_from(SUFFIXES),
        st.sampled_from(["", "", "", ">=3.13", "<3.13", "==3.12.*", "!=3.12.13", "nonsense"]),
        st.sampled_from([None, None, None, "", "bad"]),
    ).map(lambda one: file(f"a-{one[0]}{one[1]}", one[0], one[2], one[3])),
    max_size=12,
    unique_by=lambda one: one.filename,
)
SPECIFIERS = st.lists(
    st.builds("{}{}".format, st.sampled_from(["==", "!=", "==="]), st.sampled_from(VERSIONS))
    | st.builds("{}{}".format, st.sampled_from([">=", "<=", ">", "<"]), st.sampled_from(VERSIONS).filter("1+l".__ne__))
    | st.sampled_from(["==1.*", "~=1.0", "!=1.0.*", "~=1.0rc1"]),
    max_size=2,
).map(",".join)


@settings(deadline=None)
@given(FILES, SPECIFIERS)
def test_pip_takes_the_same(files: list[File], specifier: str) -> None:
    pip = pytest.importorskip("pip_chooses", reason="only pip 26 is known from inside", exc_type=ImportError)
    requirement = Requirement("a", specifier)
    found = choices.candidates(requirement, choices.offers(Listing("a", tuple(files), "r"), LINUX))
    theirs = pip.choices(files, specifier, environments.environment(LINUX))
    assert [one.filename for one in found] == theirs
    assert [Version(one.version) for one in found] == sorted((Version(one.version) for one in found), reverse=True)


def test_specifiers_on_one_package_count_together_as_pip_has_it() -> None:
    adapter = PyPIFormat()
    files = adapter.offers(Listing("a", tuple(sdists("1.0", "1.5b1", "2.0b1", "3.0")), "r"), LINUX)

    def allowed(*specifiers: str) -> list[str]:
        return [one.version for one in adapter.common_candidates([Requirement("a", one) for one in specifiers], files)]

    assert allowed("<2", ">=1.0b1") == ["1.5b1", "1.0"]  # one of them names a pre-release: they count for all
    assert allowed(">=2.0b1", "<3") == ["2.0b1"]
    assert allowed("<3", ">1.0") == ["2.0b1", "1.5b1"]  # nothing else is allowed by both
    assert allowed("<3", "") == ["1.0"]
    endless = [f"!={number}.{'0' * 90}1" for number in range(60)]
    assert allowed(*endless, "<3") == ["1.0"]

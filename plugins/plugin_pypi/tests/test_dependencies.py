"""What is read of Requires-Dist, in one environment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orbitalreg_pypi import dependencies, environments
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from test_environments import HERE, is_known_here

from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.model import File, Requirement

LINUX = environments.DEFAULT
HEAD = b"Metadata-Version: 2.1\nName: a\nVersion: 1\n"
WINDOWS = "cpython-3.13-windows-x86_64"


def names(texts: list[str], environment: str = LINUX, extras: tuple[str, ...] = ()) -> list[str]:
    return [found.package for found in dependencies.counting(texts, environment, extras)]


def one(text: str) -> Requirement:
    (found,) = dependencies.counting([text], LINUX)
    return found


def test_a_requirement_is_read_in_normal_form() -> None:
    text = "My_Lib[Foo_Bar,baz] >= 2.0, != 2.1; python_version < '3.13'"
    assert one(text) == Requirement("my-lib", "!=2.1,>=2", ("baz", "foo-bar"), text)


@pytest.mark.parametrize(
    ("text", "specifier"),
    [
        ("a", ""),
        ("a (>=1.0)", ">=1"),
        ("a <2.0.0 ,>=v1", "<2,>=1"),
        ("a ~=2.0", "~=2.0"),
        ("a ~=2.0.0", "~=2.0.0"),
        ("a ==1.0.*", "==1.0.*"),
        ("a ==V1.*", "==1.*"),
        ("a ===1.0", "===1.0"),
        ("a >=1.0RC1", ">=1rc1"),
        ("a >=1,>=1.0", ">=1"),
        ("a ==1.0+Local.1", "==1+local.1"),
        ("a >1!1.0", ">1!1"),
    ],
)
def test_specifiers_that_say_the_same_are_spelt_alike(text: str, specifier: str) -> None:
    assert one(text).specifier == specifier


@pytest.mark.parametrize("text", ["a @ https://example.com/a-1.whl", "a[b] @ file:///a", "a @ git+https://e.com/a@v1"])
def test_what_comes_from_an_address_is_elsewhere(text: str) -> None:
    found = one(text)
    assert (found.package, found.specifier, found.is_elsewhere) == ("a", "", True)


def test_markers_decide_by_the_environment() -> None:
    texts = [
        "all",
        "win; sys_platform == 'win32'",
        "nux; sys_platform == 'linux' and platform_machine == 'x86_64'",
        "new; python_version >= '3.13'",
        "old; python_full_version < '3.11.3'",
        "pypy; platform_python_implementation == 'PyPy'",
    ]
    assert names(texts) == ["all", "nux"]
    assert names(texts, WINDOWS) == ["all", "win", "new"]
    assert names(texts, "pypy-3.10-linux-x86_64") == ["all", "nux", "old", "pypy"]


def test_an_extra_counts_when_it_is_asked_for_however_it_is_spelt() -> None:
    texts = ["all", "one; extra == 'Foo_Bar'", "two; extra == 'two' and sys_platform == 'win32'", "not; extra != 'x'"]
    assert names(texts) == ["all", "not"]
    assert names(texts, extras=("foo-bar", "two", "none-such")) == ["all", "one", "not"]
    assert names(texts, extras=("FOO.bar",)) == ["all", "one", "not"]
    assert names(texts, WINDOWS, ("two", "x")) == ["all", "two", "not"]


CLAUSES = [
    *("extra == 'foo'", "extra == 'Foo_Bar'", "'foo.bar' == extra", "extra != 'foo'", "extra in 'foo bar'"),
    *(
        "python_version >= '3.8'",
        "python_version < '3.10'",
        "python_full_version != '3.99.0'",
        "sys_platform == 'linux'",
    ),
    *("sys_platform != 'win32'", "'linux' in sys_platform", "platform_python_implementation == 'CPython'"),
    *("os_name not in 'nt java'", "platform_machine == 'arm64'", "implementation_version >= '3'", "os_name < 'z'"),
]
MARKERS = st.recursive(
    st.sampled_from(CLAUSES),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=4,
)


@is_known_here
@settings(deadline=None)
@given(st.lists(MARKERS, max_size=6), st.sets(st.sampled_from(["foo", "foo-bar", "bar"])))
def test_pip_reads_the_same(markers: list[str], extras: set[str]) -> None:
    pip = pytest.importorskip("pip_chooses", reason="only pip 26 is known from inside", exc_type=ImportError)
    texts = [f"a{number}>=1; {marker}" for number, marker in enumerate(markers)]
    provided = b"Provides-Extra: foo\nProvides-Extra: foo-bar\nProvides-Extra: bar\n"
    document = HEAD + provided + "".join(f"Requires-Dist: {text}\n" for text in texts).encode()
    assert set(names(texts, HERE, tuple(extras))) == pip.needs(document, sorted(extras))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "a >= ",
        "a >=1.0.*",
        "a; extra = 'x'",
        "a; no_such == 'x'",
        "a; 'x' in extras",
        "a; os_name ~= 'x'",
        "\ud800",
        "a" * 201,
        "a; " + "(" * 4000,
        "a; " + "(" * 2000 + "os_name == 'x'" + ")" * 2000,
        "a " + ",".join(f"!={number}" for number in range(200)),
        "a >=" + "9" * 5000,
        "a" + " " * 5000,
    ],
)
def test_what_cannot_be_read_is_told_as_it_stands(text: str) -> None:
    assert one(text) == Requirement("", stated=text)


def test_of_an_absurd_number_the_first_are_read_and_the_rest_is_told() -> None:
    texts = [f"a{number}" for number in range(dependencies.MAX_STATED + 5)]
    *read, rest = dependencies.counting(texts, LINUX)
    assert [found.package for found in read] == texts[:-5]
    assert rest == Requirement("", stated="5 more, of which none is read")


def test_an_environment_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidName):
        dependencies.counting([], "somewhere")


VERSIONS = [
    *("0", "1.0", "1.0.0.0", "1", "1.0.1", "1.1", "2.0", "2.0.0", "2.0.1", "3", "1!1.0", "1.0.post1", "1.0+local"),
    *("1.0a1", "2.0rc1", "2.0.dev0", "2.0.0rc1", "1.0.post1.dev2", "2.0+l.2", "1.1rc1"),
]
SPECIFIERS = st.lists(
    st.builds("{}{}{}".format, st.sampled_from(["==", "!=", ">=", "<=", ">", "<", "~=", "==="]),
              st.sampled_from(["", " ", "v"]), st.sampled_from(VERSIONS) | st.sampled_from(["1.*", "1.0.*", "2.0.*"])),
    max_size=3,
).map(",".join)  # fmt: skip


@settings(deadline=None)
@given(SPECIFIERS)
def test_the_canonical_text_allows_what_the_stated_one_allows(text: str) -> None:
    try:
        wanted = Parsed(f"a {text}").specifier
    except InvalidRequirement:
        assert one(f"a {text}").package == ""
        return
    spelt = SpecifierSet(one(f"a {text}").specifier)
    assert one(f"a {spelt}").specifier == one(f"a {text}").specifier
    assert bool(spelt.prereleases) == bool(wanted.prereleases)
    for version in map(Version, VERSIONS):
        assert spelt.contains(version, prereleases=True) == wanted.contains(version, prereleases=True), version


@settings(deadline=None)
@given(st.sampled_from(["==", ">=", "<", "!="]), st.sampled_from(VERSIONS), st.sampled_from(VERSIONS))
def test_equal_versions_give_equal_texts(operator: str, version: str, other: str) -> None:
    is_same = one(f"a {operator}{version}").specifier == one(f"a {operator}{other}").specifier
    try:
        SpecifierSet(operator + version), SpecifierSet(operator + other)
    except InvalidSpecifier:
        return
    assert is_same == (Version(version) == Version(other))


PARTS = [
    "a",
    "[",
    "]",
    "b",
    ",",
    ">=",
    "1",
    ".*",
    ";",
    "(",
    ")",
    "'",
    "os_name",
    "==",
    "extra",
    " and ",
    "@ ",
    "\n",
    "é",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=30).map("".join) | st.text(max_size=80), st.sets(st.text(max_size=9)))
def test_any_text_is_read_or_told(text: str, extras: set[str]) -> None:
    for found in dependencies.counting([text], LINUX, extras):
        assert found.stated == text
        assert found.package or (found.specifier, found.extras) == ("", ())


@pytest.mark.parametrize("shape", ["a[{}", "a;{}", "a {}", "a @ {}", "{}"])
def test_long_texts_of_any_shape_are_read_or_told(shape: str) -> None:
    """One that took time by a power of its length would run into the limit of the test."""
    for filler in ("[", "(", "b,", ">=1,", " ", "'", "os_name=='x' or ", "1.", "-", "\n"):
        text = shape.format(filler * (4000 // len(filler)))
        assert [found.stated for found in dependencies.counting([text], LINUX)] in ([text], [])


# Metadata of an upstream's file


def stated(body: bytes, kind: str = "metadata") -> tuple[str, ...]:
    file = File("1", "a", "1", "a-1-py3-none-any.whl", 1, None, 0, documents={kind: ""})

    def document(asked: str) -> bytes:
        assert asked == kind
        return body

    return dependencies.stated(file, document)


def test_the_requirements_of_an_upstreams_file_are_read_from_its_metadata() -> None:
    body = HEAD + b"Requires-Dist: b (>=1)\nrequires-dist: c; extra == 'x'\n  or extra == 'y'\n\nRequires-Dist: no\n"
    assert stated(body) == ("b (>=1)", "c; extra == 'x' or extra == 'y'")
    assert stated(body, "pkg-info") == stated(body)
    assert stated(HEAD) == ()


@pytest.mark.parametrize(
    "body",
    [
        HEAD + b"Author: J\xf6rg\nRequires-Dist: b\n",
        HEAD + b"Requires-Dist: UNKNOWN\nRequires-Dist:\nRequires-Dist: b\n",
        HEAD + b"Name: c\nMetadata-Version: 99\nRequires-Dist: b\n",
        b"Requires-Dist: b\nMetadata-Version: 1.0\n",
        (HEAD + b"Requires-Dist: b\n").replace(b"\n", b"\r\n"),
    ],
)
def test_odd_metadata_is_read_all_the_same(body: bytes) -> None:
    assert stated(body) == ("b",)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\0" * 99, HEAD + b"A: b\n" * 300_000, HEAD + b"X" * (17 << 20)])
def test_what_is_no_metadata_is_not_known(body: bytes) -> None:
    with pytest.raises(NotFound, match=r"^a-1-py3-none-any\.whl: its metadata"):
        stated(body)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.builds(lambda a, b: HEAD + a + b"\nRequires-Dist: " + b, st.binary(), st.binary()))
def test_any_metadata_is_read_or_not_known(body: bytes) -> None:
    try:
        found = stated(body)
    except NotFound:
        return
    assert all(type(text) is str and text == " ".join(text.split()) for text in found)
    dependencies.counting(found, LINUX)

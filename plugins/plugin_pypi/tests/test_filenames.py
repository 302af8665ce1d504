"""Names, versions, filenames: what is accepted, what is refused, and that nothing else is ever raised."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from orbitalreg_pypi.filenames import (
    MAX_NAME,
    MAX_VERSION,
    ForeignName,
    ForeignNames,
    ParsedFilename,
    entry_key,
    normalize,
    normalize_version,
    parse_filename,
    quoted,
)

from orbitalreg.errors import InvalidName, UploadRefused

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(
    r"([1-9]!)?[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\.post[0-9])?(\.dev[0-9])?(\+[a-z0-9]{1,5}(\.[a-z0-9]{1,3})?)?",
    fullmatch=True,
)


@pytest.mark.parametrize(
    ("name", "normal"), [("Django", "django"), ("zope.interface", "zope-interface"), ("a-_.b", "a-b"), ("X", "x")]
)
def test_normalize(name: str, normal: str) -> None:
    assert normalize(name) == normal


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a b", "a/b", "\u00e9", "\u0661", "a\n", "a" * (MAX_NAME + 1), "..", "a\0"]
)
def test_names_refused(name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        normalize(name)
    assert_one_line(str(caught.value))


@pytest.mark.parametrize(
    ("version", "normal"),
    [("1.0", "1.0"), ("v1.0-RC1", "1.0rc1"), ("1.0-1", "1.0.post1"), ("1!2+Local_1", "1!2+local.1")],
)
def test_normalize_version(version: str, normal: str) -> None:
    assert normalize_version(version) == normal


@pytest.mark.parametrize(
    "version", ["", "one", "1.0 ", "\u0661.0", "1" * (MAX_VERSION + 1), "1.0\n", "1.0/2", "latest"]
)
def test_versions_refused(version: str) -> None:
    with pytest.raises(InvalidName) as caught:
        normalize_version(version)
    assert_one_line(str(caught.value))


@pytest.mark.parametrize(
    ("filename", "parsed"),
    [
        ("Demo_Pkg-1.0-py3-none-any.whl", ("demo-pkg", "1.0", "bdist_wheel", ".whl")),
        ("demo-1.0-1build-py2.py3-none-any.whl", ("demo", "1.0", "bdist_wheel", ".whl")),
        (
            "demo-1!1.0+cu118-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            ("demo", "1!1.0+cu118", "bdist_wheel", ".whl"),
        ),
        ("zope.interface-1.0.0.RC1-py3-none-any.whl", ("zope-interface", "1.0.0rc1", "bdist_wheel", ".whl")),
        ("demo_pkg-1.0.tar.gz", ("demo-pkg", "1.0", "sdist", ".tar.gz")),
        ("my-pkg-1.0.tar.gz", ("my-pkg", "1.0", "sdist", ".tar.gz")),
        ("Zope.Interface-1.0.zip", ("zope-interface", "1.0", "sdist", ".zip")),
    ],
)
def test_filenames(filename: str, parsed: tuple[str, str, str, str]) -> None:
    found = parse_filename(filename)
    assert (found.package, found.version, found.filetype, found.extension) == parsed


@pytest.mark.parametrize(
    "filename",
    [
        *("", ".", "..", ".whl", ".tar.gz", "-1.0.tar.gz", "demo.tar.gz", "demo-.tar.gz", "demo-one.tar.gz"),
        *(
            "demo-1.0.egg",
            "demo-1.0.exe",
            "demo-1.0.tar.bz2",
            "demo-1.0.tgz",
            "demo-1.0.msi",
            "demo-1.0.WHL",
            "demo-1.0",
        ),
        *("demo-1.0.whl", "demo-1.0-py3-none.whl", "demo-one-py3-none-any.whl", "demo-1.0-x-py3-none-any.whl"),
        *("demo__pkg-1.0-py3-none-any.whl", "_demo-1.0-py3-none-any.whl", "demo_-1.0-py3-none-any.whl"),
        *(
            "../demo-1.0.tar.gz",
            "a/demo-1.0.tar.gz",
            "a\\demo-1.0.tar.gz",
            "demo-1.0.tar.gz\0.whl",
            "demo-1.0\n.tar.gz",
        ),
        *("d\u00e9mo-1.0.tar.gz", "demo-\u0661.0.tar.gz", "demo- 1.0.tar.gz", " demo-1.0.tar.gz", "demo-1.0.tar.gz "),
        *("demo%2F-1.0.tar.gz", "demo-1.0.tar.gz?x", "demo-1.0.tar.gz#x", "C:demo-1.0.tar.gz"),
        *("a" * 260 + "-1.0.tar.gz", "demo-1.0-" + "a." * 40 + "a-" + "a." * 40 + "a-" + "a." * 30 + "a.whl"),
    ],
)
def test_filenames_refused(filename: str) -> None:
    with pytest.raises(UploadRefused) as caught:
        parse_filename(filename)
    assert_one_line(str(caught.value))


@given(st.text())
@example("\ud800")
def test_nothing_else_is_raised(text: str) -> None:
    for function in (normalize, normalize_version):
        try:
            function(text)
        except InvalidName as error:
            assert_one_line(str(error))
    for suffix in ("", ".whl", ".tar.gz", "-1.0.zip", "-1.0-py3-none-any.whl"):
        try:
            parse_filename(text + suffix)
        except UploadRefused as error:
            assert_one_line(str(error))
    try:
        entry_key(text)
    except UploadRefused as error:
        assert_one_line(str(error))


@given(NAMES)
def test_the_normal_form_is_its_own(name: str) -> None:
    assert normalize(normalize(name)) == normalize(name)
    assert normalize(name.upper()) == normalize(name)


@given(NAMES, VERSIONS, st.sampled_from([".tar.gz", ".zip"]))
def test_round_trip(name: str, version: str, extension: str) -> None:
    normal = ParsedFilename(normalize(name), normalize_version(version), "sdist", extension)
    assert parse_filename(f"{name}-{version}{extension}") == normal
    wheel = parse_filename(f"{normal.package.replace('-', '_')}-{normal.version}-py3-none-any.whl")
    assert (wheel.package, wheel.version) == (normal.package, normal.version)


@given(st.text(max_size=300), st.integers(10, 100))
def test_quoted_is_short_and_printable(text: str, limit: int) -> None:
    shown = quoted(text, limit)
    assert len(shown) <= limit + 2
    assert shown.isascii()
    assert shown.isprintable()


def assert_one_line(reason: str) -> None:
    assert reason
    assert len(reason) < 700
    assert reason.isascii()
    assert reason.isprintable()


@pytest.mark.parametrize(
    ("filename", "version", "filetype"),
    [
        ("demo_pkg-1.0-py3-none-any.whl", "1.0", "bdist_wheel"),
        ("Demo.Pkg-1.0-1-cp311-cp311-linux_x86_64.whl", "1.0", "bdist_wheel"),
        ("demo_pkg-1.0+ubuntu_1-py3-none-any.whl", "1.0+ubuntu.1", "bdist_wheel"),
        ("demo_pkg-one-py3-none-any.whl", "", "bdist_wheel"),
        ("demo_pkg-1.0-x-py3-none-any.whl", "", "bdist_wheel"),
        ("demo_pkg-1.0.whl", "", "bdist_wheel"),
        ("demo-pkg-1.0.tar.gz", "1.0", "sdist"),
        ("demo-pkg-1.0-1.tar.gz", "1.0.post1", "sdist"),
        ("DEMO.PKG-v1.0.tgz", "1.0", "sdist"),
        ("demo-pkg-1.0.tar.bz2", "1.0", "sdist"),
        ("demo--pkg-1.0.zip", "1.0", "sdist"),
        ("demo-pkg-final.tar.gz", "", "sdist"),
        ("demo-pkg.tar.gz", "", "sdist"),
        ("demo_pkg_1.0.tar.gz", "", "sdist"),
        ("demo_pkg-1.0-py2.7.egg", "", "bdist_egg"),
        ("demo-pkg-1.0.win32.exe", "", "bdist_wininst"),
        ("demo-pkg-1.0.unknown", "", ""),
    ],
)
def test_what_a_foreign_filename_says(filename: str, version: str, filetype: str) -> None:
    assert ForeignNames("demo-pkg").read(filename) == ForeignName(version, filetype)


@given(NAMES, VERSIONS, st.sampled_from([".tar.gz", ".zip", "-py3-none-any.whl"]))
def test_a_foreign_filename_that_might_be_uploaded_says_what_an_upload_says(name: str, version: str, end: str) -> None:
    filename = f"{name.replace('-', '_')}-{version}{end}"
    try:
        parsed = parse_filename(filename)
    except UploadRefused:
        return
    assert ForeignNames(parsed.package).read(filename) == ForeignName(parsed.version, parsed.filetype)


@given(st.text(max_size=40) | NAMES.map(lambda name: f"demo-pkg{name}"))
def test_any_text_is_a_foreign_filename_or_none(filename: str) -> None:
    found = ForeignNames("demo-pkg").read(filename)
    assert found is None or (filename.isascii() and filename.isprintable() and not set("/\\") & set(filename))

"""Core metadata: what is read, what is tolerated, what is refused."""

import pytest
from archives_corpus import metadata
from hypothesis import example, given, settings
from hypothesis import strategies as st
from orbitalreg_pypi.metadata import VERSIONS, read_metadata

from orbitalreg.errors import UploadRefused

FRAGMENTS = st.sampled_from(
    [
        *(
            "Metadata-Version: 2.1\n",
            "Name: demo\n",
            "Version: 1.0\n",
            "Requires-Dist: a\n",
            "\n",
            "\r",
            "\r\n",
            ":",
            " ",
            "\t",
        ),
        *(
            "Requires-Python: ",
            ">=3",
            "===",
            "License: ",
            "License-Expression: MIT\n",
            "UNKNOWN\n",
            "(",
            "[",
            ";",
            "@",
            "'",
        ),
        *(
            "Content-Type: multipart/mixed; boundary=a\n",
            "Content-Type: message/rfc822\n",
            "Content-Type: message/delivery-status\n",
        ),
        *(
            "--a\n",
            "--a--\n",
            "From x\n",
            "=?utf-8?q?=00?=",
            "\0",
            "\x0b",
            "\x85",
            "\u2028",
            "\ufeff",
            "Dynamic: ",
            "Description: ",
        ),
        *(
            "Description-Content-Type: text/markdown; ",
            "charset=",
            "x*0*=",
            "Provides-Extra: ",
            "License-File: ",
            "Import-Name: ",
        ),
    ]
)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_read(version: str) -> None:
    found = read_metadata(metadata("Demo.Pkg", "1.0-RC1", metadata_version=version))
    assert (found.name, found.version, found.requires_python, found.requires_dist) == ("demo-pkg", "1.0rc1", None, ())


@pytest.mark.parametrize("version", VERSIONS)
def test_requirements_are_read_in_every_version(version: str) -> None:
    extra = "Requires-Python: >=3.8, <4\nRequires-Dist: Some.Thing[x] (>=1) ; python_version < '3.9'\nRequires-Dist: b"
    found = read_metadata(metadata("demo", "1", extra=extra, metadata_version=version))
    assert found.requires_python == ">=3.8, <4"
    assert found.requires_dist == ("Some.Thing[x] (>=1) ; python_version < '3.9'", "b")


@pytest.mark.parametrize(
    "extra",
    [
        "License: UNKNOWN\nLicense-Expression: MIT",
        "License:\nLicense-Expression: MIT",
        "License: MIT\nLicense-Expression:",
        "Requires-Python: UNKNOWN\nPlatform: UNKNOWN\nRequires-Dist: UNKNOWN\nDescription-Content-Type: UNKNOWN",
        "Summary: two\n  lines\nSummary: twice",
        "X-Unknown: field\nHome-Page: no address\nProject-URL: no label\nClassifier: Anything :: At All",
        "License-File: LICENSE\nDynamic: License-File\nDynamic: requires-dist",
        "Keywords: a b\nKeywords: c",
        "Requires-Dist: direct @ git+ssh://git@example.invalid/x.git",
        "Description-Content-Type: text/markdown; charset=UTF-8; variant=GFM",
        "this line is no field, so the rest is the description\nLicense: MIT\nLicense-Expression: MIT",
    ],
)
def test_tolerated(extra: str) -> None:
    assert read_metadata(metadata("demo", "1", extra=extra)).name == "demo"


def test_fields_newer_than_the_declared_version_are_tolerated() -> None:
    document = metadata(
        "demo", "1", extra="License-File: ../LICENSE\nDynamic: what\nImport-Name: a b", metadata_version="2.1"
    )
    assert read_metadata(document).name == "demo"
    with pytest.raises(UploadRefused, match="license-file"):
        read_metadata(document.replace(b"Version: 2.1", b"Version: 2.4").replace(b"Dynamic: what\n", b""))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_folded_lines(end: str) -> None:
    document = metadata(
        "demo", "1", extra="Requires-Dist: a\n  >=1\nRequires-Python:\n >=3", description="x\n\nName: y"
    )
    found = read_metadata(document.replace(b"\n", end.encode()))
    assert (found.requires_dist, found.requires_python) == (("a >=1",), ">=3")


def test_a_description_of_5_mb() -> None:
    text = "A line of the description, \u00fc and all.\n" * 130_000
    assert read_metadata(metadata("demo", "1", description=text)).name == "demo"
    folded = "Description: first\n" + "        a line of the description, in the header\n" * 110_000
    assert read_metadata(metadata("demo", "1", extra=folded, metadata_version="1.1")).name == "demo"


def test_a_description_that_looks_like_a_message() -> None:
    nested = "".join(f"Content-Type: multipart/mixed; boundary={i}\n--{i}\n" for i in range(5000))
    for separator in ("", "no field\n"):
        document = metadata(
            "demo", "1", extra=f"Content-Type: multipart/mixed; boundary=a\n{separator}", description=nested
        )
        assert read_metadata(document).name == "demo"


def test_a_thousand_requirements() -> None:
    extra = "".join(f"Requires-Dist: package-{i} >=1.0; extra == 'all'\n" for i in range(1000))
    assert len(read_metadata(metadata("demo", "1", extra=extra)).requires_dist) == 1000


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS | st.text(max_size=20), max_size=30).map("".join))
@example("Description-Content-Type: text/plain; x*")
@example("Requires-Dist: a==" + "1" * 5000)
@example("Requires-Dist: a; " + "(" * 5000)
@example("Dynamic:\nLicense-Expression: ((MIT")
def test_nothing_else_is_raised(text: str) -> None:
    for document in (
        text.encode("utf-8", "surrogatepass"),
        metadata("demo", "1", metadata_version="2.6")[:-1] + text.encode("utf-8", "replace"),
    ):
        try:
            read_metadata(document)
        except UploadRefused as error:
            reason = str(error)
            assert reason.isascii()
            assert reason.isprintable()
            assert len(reason) < 500

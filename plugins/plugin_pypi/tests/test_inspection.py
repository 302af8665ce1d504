"""What an inspection of sound files finds, and how the form's claims are held against them."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from archives_corpus import (
    Raw,
    escaped,
    make_sdist,
    make_wheel,
    metadata,
    raw_tar,
    raw_zip,
    tar_member,
    tarred,
    wheel_files,
    zipped,
)
from orbitalreg_pypi.inspection import inspect

from orbitalreg.errors import UploadRefused
from orbitalreg.model import Inspection

Inspect = Callable[..., Inspection]
EXTRA = "Requires-Dist: a>=1\nRequires-Dist: b; extra == 'x'\nRequires-Python: >=3.9\nProvides-Extra: x"


@pytest.fixture
def run(tmp_path: Path) -> Inspect:
    def run(filename: str, data: bytes, claims: Mapping[str, str] | None = None) -> Inspection:
        path = tmp_path / "staged"
        path.write_bytes(data)
        return inspect(path, filename, claims or {})

    return run


def test_a_wheel(run: Inspect) -> None:
    found = run(*make_wheel("Demo.Pkg", "1.0", metadata_extra=EXTRA, description="About it."))
    document = metadata("Demo.Pkg", "1.0", extra=EXTRA, description="About it.")
    assert found == Inspection(
        "demo-pkg",
        "1.0",
        {"filetype": "bdist_wheel", "requires_python": ">=3.9"},
        ("a>=1", "b; extra == 'x'"),
        {"metadata": document},
    )


@pytest.mark.parametrize("extension", [".tar.gz", ".zip"])
def test_an_sdist(run: Inspect, extension: str) -> None:
    found = run(*make_sdist("demo-pkg", "1.0", metadata_extra=EXTRA, extension=extension))
    document = metadata("demo-pkg", "1.0", extra=EXTRA)
    assert found.attributes == {"filetype": "sdist", "requires_python": ">=3.9"}
    assert found.requirements == ("a>=1", "b; extra == 'x'")
    assert found.documents == {"pkg-info": document}


def test_absent_fields_are_left_out(run: Inspect) -> None:
    found = run(*make_wheel(metadata_extra="Requires-Python: UNKNOWN"))
    assert (found.attributes, found.requirements) == ({"filetype": "bdist_wheel"}, ())


@pytest.mark.parametrize(
    "claims",
    [
        {
            "name": "Demo_Pkg",
            "version": "1.0",
            "filetype": "bdist_wheel",
            "metadata_version": "2.3",
            "pyversion": "py3",
        },
        {"name": "", "version": "UNKNOWN", "filetype": "", "attestations": "", "summary": "\x00"},
    ],
)
def test_claims_that_agree(run: Inspect, claims: dict[str, str]) -> None:
    assert run(*make_wheel(), claims).documents.keys() == {"metadata"}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"name": "other"}, "'other'"),
        ({"name": "no name"}, "'no name' is no package name"),
        ({"version": "1.0.1"}, "'1.0.1'"),
        ({"version": "one\r\nX: y"}, "is no version"),
        ({"filetype": "sdist"}, "'sdist'"),
        ({"filetype": "bdist_egg\x00\u00e9"}, "filetype"),
        ({"attestations": "{}"}, "JSON array"),
        ({"attestations": "no json"}, "JSON array"),
        ({"attestations": "[" * 100_000}, "JSON array"),
        ({"attestations": "[1" + "0" * 10_000 + "]"}, "JSON array"),
        ({"attestations": '["\ud800"]'}, "JSON array"),
        ({"attestations": "[" + " " * 2_000_000 + "]"}, "JSON array"),
    ],
)
def test_claims_that_disagree(run: Inspect, claims: dict[str, str], reason: str) -> None:
    with pytest.raises(UploadRefused, match=reason) as caught:
        run(*make_wheel(), claims)
    assert str(caught.value).startswith("demo_pkg-1.0-py3-none-any.whl is refused: ")
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


def test_attestations_are_kept_as_sent(run: Inspect) -> None:
    claim = '[{"version": 1, "\u00e9":  2}]'
    assert run(*make_wheel(), {"attestations": claim}).documents["attestations"] == claim.encode()


def test_other_filenames_are_refused_before_the_file_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UploadRefused, match="no wheel"):
        inspect(tmp_path / "absent", "demo-1.0.egg", {})
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "absent", make_wheel()[0], {})


def test_metadata_elsewhere_does_not_count(run: Inspect) -> None:
    other = metadata("evil", "6.6.6")
    files = {
        "METADATA": other,
        "M.dist-info": other,
        "demo_pkg/_vendor/evil-6.6.6.dist-info/METADATA": other,
        "demo_pkg/PKG-INFO": other,
    }
    assert run(*make_wheel(files=files)).documents["metadata"] == metadata("demo-pkg", "1.0")
    for extension in (".tar.gz", ".zip"):
        placed = {"demo_pkg.egg-info/PKG-INFO": other, "PKG-INFO.d/PKG-INFO": other}
        assert run(*make_sdist(files=placed, extension=extension)).documents["pkg-info"] == metadata("demo-pkg", "1.0")


@pytest.mark.parametrize(
    ("name", "version"), [("Zope.Interface", "1.0"), ("a-b", "1.0.post1+local.2"), ("demo", "2!1.0rc1")]
)
def test_other_spellings_of_the_dist_info_folder(run: Inspect, name: str, version: str) -> None:
    files = wheel_files(name, version, metadata(name, version))
    old = {path.replace(f"{escaped(name)}-", f"{name.replace('-', '_')}-"): data for path, data in files.items()}
    assert run(f"{escaped(name)}-{version}-py3-none-any.whl", zipped(old)).version == version


def test_zips_of_other_writers(run: Inspect) -> None:
    files = wheel_files(
        "demo-pkg", "1.0", metadata("demo-pkg", "1.0"), {"demo_pkg/": b"", "demo_pkg/caf\u00e9.txt": b"x" * 9999}
    )
    filename = make_wheel()[0]
    assert run(filename, zipped(files, zipfile.ZIP_STORED)).package == "demo-pkg"
    assert run(filename, streamed(files)).package == "demo-pkg"
    with_comment = io.BytesIO(zipped(files))
    with zipfile.ZipFile(with_comment, "a") as archive:
        archive.comment = b"0123456789abcdef"
    assert run(filename, with_comment.getvalue()).package == "demo-pkg"
    info = zipfile.ZipInfo("demo_pkg/wide")
    wide = io.BytesIO(zipped(files))
    with zipfile.ZipFile(wide, "a") as archive, archive.open(info, "w", force_zip64=True) as member:
        member.write(b"x")
    assert run(filename, wide.getvalue()).package == "demo-pkg"


def streamed(files: Mapping[str, bytes]) -> bytes:
    """A zip written where seeking is impossible: with data descriptors."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return pipe.getvalue()


def test_a_zip_with_a_zip64_end_record(run: Inspect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    assert run(*make_wheel()).package == "demo-pkg"


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_other_writers(run: Inspect, layout: int) -> None:
    deep = "/".join(["folder"] * 20)
    files = {
        "demo_pkg-1.0/setup.py": b"",
        f"demo_pkg-1.0/{deep}/{'n' * 60}.py": b"x" * 20_000,
        "demo_pkg-1.0/PKG-INFO": metadata("demo-pkg", "1.0"),
    }
    if layout != tarfile.USTAR_FORMAT:
        files[f"demo_pkg-1.0/{'m' * 200}\u00e9.py"] = b"x"
    dotted = {f"./{path}": data for path, data in files.items()}
    for tree in (files, dotted):
        assert run("demo_pkg-1.0.tar.gz", tarred(tree, layout)).package == "demo-pkg"


def test_links_inside_an_sdist(run: Inspect) -> None:
    parts = [
        tar_member("demo_pkg-1.0/", kind=b"5"),
        tar_member("demo_pkg-1.0/", kind=b"5"),
        tar_member("demo_pkg-1.0/docs/", kind=b"5"),
        tar_member("demo_pkg-1.0/docs/README", kind=b"2", link="../README"),
        tar_member("demo_pkg-1.0/docs/here", kind=b"2", link="./a//b"),
        tar_member("demo_pkg-1.0/copy", kind=b"1", link="demo_pkg-1.0/PKG-INFO"),
    ]
    assert run("demo_pkg-1.0.tar.gz", raw_tar(*parts)).package == "demo-pkg"


def test_a_global_header_with_a_comment(run: Inspect) -> None:
    comment = b"52 comment=" + b"0" * 40 + b"\n"
    assert run("demo_pkg-1.0.tar.gz", raw_tar(tar_member("pax_global_header", comment, b"g"))).package == "demo-pkg"


def test_a_file_that_shrinks_well(run: Inspect) -> None:
    zeros = bytes(60 << 20)
    assert run(*make_wheel(files={"demo_pkg/zeros": zeros})).package == "demo-pkg"
    assert run(*make_sdist(files={"zeros": zeros})).package == "demo-pkg"


def test_60_000_entries(run: Inspect) -> None:
    files = wheel_files("demo-pkg", "1.0", metadata("demo-pkg", "1.0"), {})
    entries = [Raw(path, data) for path, data in files.items()]
    many = raw_zip([*entries, *(Raw(f"demo_pkg/{i}.py") for i in range(60_000))])
    assert run("demo_pkg-1.0-py3-none-any.whl", many).package == "demo-pkg"

"""What scanners are handed of a file: its own metadata, and of what it bundles when everything is asked for."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orbitalreg_pypi import bundles
from orbitalreg_pypi.adapter import PyPIFormat

from orbitalreg.errors import UploadRefused
from orbitalreg.model import Component, Staged
from orbitalreg.testing.checks import check_staged

sys.path.insert(0, str(Path(__file__).parent))

from archives_corpus import CASES, make_sdist, make_wheel, metadata, tarred

VENDORED = {
    "demo/_vendor/jaraco_text-3.12.1.dist-info/METADATA": metadata("jaraco.text", "3.12.1"),
    "demo/_vendor/old.egg-info/PKG-INFO": metadata("Old_Thing", "1.0-RC1", metadata_version="1.0"),
}
SBOM = "demo_pkg-1.0.dist-info/sboms/cargo.cdx.json"
CARGO = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "metadata": {"component": {"name": "demo-rust", "purl": "pkg:cargo/demo-rust@0.1"}},
    "components": [
        {"name": "asn1", "version": "0.20.0", "purl": "pkg:cargo/asn1@0.20.0"},
        {
            "name": "openssl-libs",
            "purl": "pkg:rpm/almalinux/openssl-libs@1:1.1?arch=x86_64",
            "components": [{"name": "Flask", "purl": "pkg:PyPI/Flask_Thing@1.0-RC1"}, {"name": "nothing"}],
        },
        {"name": "asn1", "purl": "pkg:cargo/asn1@0.20.0"},
        {"name": "demo-pkg", "purl": "pkg:pypi/demo_pkg@1.0"},
        {"name": "unversioned", "purl": "pkg:cargo/unversioned"},
        {"name": "odd", "purl": "cargo/odd@1"},
        "nonsense",
    ],
}
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "packages": [
        {
            "name": "zlib",
            "externalRefs": [
                {"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:zlib:zlib:1.3"},
                {"referenceType": "purl", "referenceLocator": "pkg:generic/zlib@1.3"},
            ],
        }
    ],
}


def stage(tmp_path: Path, built: tuple[str, bytes], deep: bool = True) -> Staged:
    filename, body = built
    path = tmp_path / "staged.part"
    path.write_bytes(body)
    staged = PyPIFormat().stage(path, filename, deep)
    check_staged(staged)
    return staged


def wheel(files: Mapping[str, bytes]) -> tuple[str, bytes]:
    return make_wheel(files={"demo/__init__.py": b"", **files})


def bundled(staged: Staged) -> list[tuple[str, str, str]]:
    return [(found.purl, found.location, found.name) for found in staged.components[1:]]


def test_a_files_own_metadata_lies_where_tools_look(tmp_path: Path) -> None:
    for built in (wheel(VENDORED), make_sdist(), make_sdist(extension=".zip")):
        staged = stage(tmp_path, built, deep=False)
        assert staged.documents == {"demo-pkg-1.0.dist-info/METADATA": metadata("demo-pkg", "1.0")}
        assert staged.components == (
            Component(
                "demo-pkg",
                "1.0",
                "pkg:pypi/demo-pkg@1.0",
                "demo-pkg-1.0.dist-info/METADATA",
                aliases=("demo.pkg", "demo_pkg"),
            ),
        )


@pytest.mark.parametrize(
    ("version", "told"), [("1.0+local.1", "1.0%2Blocal.1"), ("2!1.0", "2%211.0"), ("1.0rc1", "1.0rc1")]
)
def test_a_package_url_encodes_what_the_specification_says(version: str, told: str) -> None:
    assert PyPIFormat().component("demo", version).purl == f"pkg:pypi/demo@{told}"


def test_every_vendored_package_of_a_wheel_is_staged_at_its_path(tmp_path: Path) -> None:
    staged = stage(tmp_path, wheel(VENDORED))
    assert bundled(staged) == [
        ("pkg:pypi/jaraco-text@3.12.1", "demo/_vendor/jaraco_text-3.12.1.dist-info/METADATA", "jaraco-text"),
        ("pkg:pypi/old-thing@1.0rc1", "demo/_vendor/old.egg-info/PKG-INFO", "old-thing"),
    ]
    assert all(found.is_bundled for found in staged.components[1:])
    assert {path: staged.documents[path] for path in VENDORED} == VENDORED


@pytest.mark.parametrize("extension", [".tar.gz", ".zip"])
def test_every_vendored_package_of_an_sdist_is_staged_at_its_path(tmp_path: Path, extension: str) -> None:
    own = {"src/demo.egg-info/PKG-INFO": metadata("demo_pkg", "1.0")}
    broken = {"tests/data/PKG-INFO": b"Name: only\n", "templates/METADATA": b"Name: {name}\nVersion: {version}\n"}
    staged = stage(tmp_path, make_sdist(files={**VENDORED, **own, **broken}, extension=extension))
    assert {location for _, location, _ in bundled(staged)} == {f"demo_pkg-1.0/{path}" for path in VENDORED}
    assert len(staged.documents) == 1 + len(VENDORED)


def test_bills_of_materials_are_staged_and_what_they_list(tmp_path: Path) -> None:
    spdx = "demo/_vendor/x-1.dist-info/sboms/deep/spdx.json"
    xml = "demo_pkg-1.0.dist-info/sboms/bom.xml"
    files = {SBOM: json.dumps(CARGO).encode(), spdx: json.dumps(SPDX).encode(), xml: b"<bom/>"}
    staged = stage(tmp_path, wheel(files))
    assert sorted(bundled(staged)) == [
        ("pkg:cargo/asn1@0.20.0", SBOM, "asn1"),
        ("pkg:generic/zlib@1.3", spdx, "zlib"),
        ("pkg:pypi/flask-thing@1.0rc1", SBOM, "flask-thing"),
        ("pkg:rpm/almalinux/openssl-libs@1:1.1?arch=x86_64", SBOM, "almalinux/openssl-libs"),
    ]
    assert {path: staged.documents[path] for path in files} == files


def test_folders_that_are_called_sboms_elsewhere_are_nothing(tmp_path: Path) -> None:
    staged = stage(tmp_path, wheel({"demo/sboms/x.json": json.dumps(CARGO).encode(), "demo/METADATA.txt": b""}))
    assert len(staged.components) == len(staged.documents) == 1


@pytest.mark.parametrize(
    ("name", "most", "files"),
    [
        ("MAX_DOCUMENTS", 1, VENDORED),
        ("MAX_BYTES", 100, VENDORED),
        ("MAX_BYTES", 10, VENDORED),
        ("MAX_COMPONENTS", 2, {SBOM: json.dumps(CARGO).encode()}),
    ],
)
@pytest.mark.parametrize("kind", ["wheel", ".tar.gz", ".zip"])
def test_what_bundles_more_than_can_be_staged_is_refused_and_not_called_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, most: int, files: Mapping[str, bytes]
) -> None:
    built = wheel(files) if kind == "wheel" else make_sdist(files=files, extension=kind)
    monkeypatch.setattr(bundles, name, most)
    with pytest.raises(UploadRefused, match=r"bundles more than|is larger than"):
        stage(tmp_path, built)
    assert stage(tmp_path, built, deep=False)


@pytest.mark.parametrize(
    "paths",
    [
        ("top/a/METADATA", "top/A/metadata/PKG-INFO"),
        ("top/A/metadata/PKG-INFO", "top/a/METADATA"),
        ("top/a/METADATA", "top/A/METADATA"),
        ("top/a:b/METADATA",),
        ("top/\u202ea/METADATA",),
        ("demo-pkg-1.0.dist-info/METADATA",),
        ("demo-pkg-1.0.dist-info/METADATA/METADATA",),
    ],
)
def test_names_that_cannot_all_be_staged_are_refused(tmp_path: Path, paths: tuple[str, ...]) -> None:
    top = paths[0].partition("/")[0]
    files = {path: metadata(f"other{number}", "1") for number, path in enumerate(paths)}
    body = tarred({f"{top}/PKG-INFO": metadata("demo-pkg", "1.0"), **files})
    with pytest.raises(UploadRefused, match=r"staged|differs"):
        stage(tmp_path, ("demo_pkg-1.0.tar.gz", body))


# Metadata is for scanners to judge. What has very many members takes long, and is walked through as in inspections.
ARCHIVES = [name for name in CASES if not re.search("^metadata_|_000_|_of_another$", name)]


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_hostile_archive_is_refused(tmp_path: Path, name: str) -> None:
    filename, body = CASES[name].build()
    with pytest.raises(UploadRefused) as refused:
        stage(tmp_path, (filename, body))
    assert str(refused.value).isprintable()


_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("pkg:cargo/a@1"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["components", "packages", "externalRefs", "purl", "referenceType", "referenceLocator", "version"]
            ),
            inner | st.just("purl"),
            max_size=4,
        )
    ),
    max_leaves=30,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60) | st.just(b"[" * 100_000))
def test_whatever_a_bill_of_materials_says_it_is_staged(tmp_path: Path, body: bytes) -> None:
    staged = stage(tmp_path, wheel({SBOM: body}))
    assert staged.documents[SBOM] == body


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    purl=st.text(max_size=60)
    | st.tuples(st.sampled_from(["pkg:cargo/", "pkg:pypi/", "pkg:", "PKG://"]), st.text(max_size=30)).map("".join)
    | st.just("pkg:cargo/a@" + "9" * 3000)
)
def test_whatever_a_package_url_is_it_is_in_normal_form_or_left_out(tmp_path: Path, purl: str) -> None:
    stage(tmp_path, wheel({SBOM: json.dumps({"components": [{"purl": purl}]}).encode()}))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f"Name: {text}\nVersion: 1\n".encode()))
def test_whatever_vendored_metadata_says_it_is_staged_or_left_out(tmp_path: Path, body: bytes) -> None:
    path = "demo/_vendor/x.dist-info/METADATA"
    assert stage(tmp_path, wheel({path: body})).documents.get(path, body) == body

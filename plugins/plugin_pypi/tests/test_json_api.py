"""The older JSON page: on the wire, and of any listing."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import requests
from archives_corpus import make_sdist, make_wheel, metadata
from conformance_site import Server, Site
from hypothesis import given
from hypothesis import strategies as st
from orbitalreg_pypi import json_api
from packaging.version import Version

from orbitalreg.errors import Busy, NotFound, UploadRefused, UpstreamFailed, Withheld
from orbitalreg.model import File, Listing

BASE = "https://registry.example.com/pypi/acme/internal"

EXTRA = """Summary: Rolls
Author: Ann
Author-email: ann@example.com
License-Expression: MIT
Keywords: ball,round
Classifier: Programming Language :: Python :: 3
Classifier: Topic :: Games/Entertainment
Requires-Python: >=3.9
Requires-Dist: idna>=3
Requires-Dist: pytest; extra == "test"
Provides-Extra: test
Project-URL: Homepage, https://example.com/ball
Project-URL: Source, https://example.com/ball.git
Description-Content-Type: text/markdown
"""


def page(site: Site, name: str, **headers: str) -> Any:
    answer = site.get(f"pypi/{name}/json", headers=headers)
    assert answer.status_code == 200, answer.reason
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


# --- on the wire ------------------------------------------------------------------------------------------------------


def test_what_the_newest_version_says_of_itself(site: Site, name: str) -> None:
    site.publish(make_wheel(name, "1.0", metadata_extra="Summary: Old\n"))
    site.publish(make_wheel(name, "1.1", metadata_extra=EXTRA, description="# Ball\n\nIt rolls.\n"))
    info = page(site, name)["info"]
    expected = {
        "name": name,
        "version": "1.1",
        "summary": "Rolls",
        "author": "Ann",
        "author_email": "ann@example.com",
        "license": None,
        "license_expression": "MIT",
        "keywords": "ball,round",
        "classifiers": ["Programming Language :: Python :: 3", "Topic :: Games/Entertainment"],
        "requires_python": ">=3.9",
        "requires_dist": ["idna>=3", 'pytest; extra == "test"'],
        "provides_extra": ["test"],
        "project_urls": {"Homepage": "https://example.com/ball", "Source": "https://example.com/ball.git"},
        "description": "# Ball\n\nIt rolls.",
        "description_content_type": "text/markdown",
        "yanked": False,
        "yanked_reason": None,
    }
    assert {key: info[key] for key in expected} == expected
    assert info["project_url"] == f"{site.base}/pypi/{name}/json"


def test_the_files_are_those_of_the_simple_page(site: Site, name: str) -> None:
    site.publish(make_wheel(name, "1.0"), make_sdist(name, "1.0"), make_wheel(name, "0.9", tag="cp311-cp311-any"))
    site.run("yank", f"{name}==0.9", "--reason", "no air")
    told = page(site, name)
    assert list(told["releases"]) == ["0.9", "1.0"]
    assert told["urls"] == told["releases"]["1.0"]
    shown = {file["filename"]: file for file in told["releases"]["0.9"] + told["releases"]["1.0"]}
    for filename, simple in site.files(name).items():
        file = shown.pop(filename)
        assert (file["digests"], file["size"]) == (simple["hashes"], simple["size"])
        assert file["upload_time_iso_8601"] == simple["upload-time"]
        assert file["upload_time"] == datetime.fromisoformat(simple["upload-time"]).strftime("%Y-%m-%dT%H:%M:%S")
        assert file["requires_python"] == simple["requires-python"]
        assert (file["yanked_reason"] or file["yanked"]) == simple["yanked"]
        assert file["url"] == site.file_url(name, filename)
        assert site.get(file["url"]).status_code == 200
    assert shown == {}
    kinds = {file["packagetype"]: file["python_version"] for file in told["urls"]}
    assert kinds == {"bdist_wheel": "py3", "sdist": "source"}
    assert told["releases"]["0.9"][0]["python_version"] == "cp311"


def test_an_sdist_alone_tells_its_metadata(site: Site, name: str) -> None:
    site.publish(make_sdist(name, "1.0", metadata_extra=EXTRA))
    assert page(site, name)["info"]["summary"] == "Rolls"


def test_a_change_is_seen_at_once(site: Site, name: str) -> None:
    site.publish(make_wheel(name, "1.0"), make_wheel(name, "1.1"))
    assert page(site, name)["info"]["version"] == "1.1"
    site.run("yank", f"{name}==1.1", "--reason", "no air")
    told = page(site, name)
    assert (told["info"]["version"], told["releases"]["1.1"][0]["yanked_reason"]) == ("1.0", "no air")
    site.publish(make_wheel(name, "1.2"))
    assert page(site, name)["info"]["version"] == "1.2"
    site.run("delete", f"{name}==1.2", "--yes")
    assert list(page(site, name)["releases"]) == ["1.0", "1.1"]


def test_it_is_rendered_for_the_address_under_which_it_was_asked(site: Site, name: str) -> None:
    """Kept pages are kept for each."""
    site.publish(make_wheel(name, "1.0"))
    for host in ("one.example", "two.example:8080", "one.example"):
        told = page(site, name, Host=host)
        assert told["urls"][0]["url"].startswith(f"http://{host}/pypi/{site.address}/files/")


def test_a_page_that_did_not_change_is_not_sent_again(site: Site, name: str) -> None:
    site.publish(make_wheel(name, "1.0"))
    first = site.get(f"pypi/{name}/json")
    again = site.get(f"pypi/{name}/json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["Cache-Control"] == "private, max-age=0, must-revalidate"
    site.publish(make_wheel(name, "1.1"))
    assert site.get(f"pypi/{name}/json", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_a_name_that_is_not_normal_is_sent_on(site: Site, name: str) -> None:
    site.publish(make_wheel(name, "1.0"))
    answer = site.get(f"pypi/{name.upper().replace('-', '_')}/json", allow_redirects=False)
    assert answer.status_code == 301
    assert requests.compat.urljoin(answer.url, answer.headers["Location"]) == f"{site.base}/pypi/{name}/json"


def test_what_may_not_be_read_is_not_there(site: Site, name: str) -> None:
    site.publish(make_wheel(name, "1.0"))
    path = f"{site.base}/pypi/{name}/json"
    assert requests.get(path, timeout=30).status_code == 401
    assert requests.get(path, auth=("__token__", site.token("elsewhere")), timeout=30).status_code == 404
    assert requests.get(path, auth=("__token__", site.token("read")), timeout=30).status_code == 200
    assert site.get("pypi/no-such-package/json").status_code == 404


def test_a_quarantined_package_tells_nothing(site: Site, name: str) -> None:
    site.publish(make_wheel(name, "1.0"))
    assert page(site, name)
    site.run("status", name, "quarantined")
    assert site.get(f"pypi/{name}/json").status_code == 404


def test_anybody_reads_it_where_anybody_may_read(open_site: Site, server: Server, name: str) -> None:
    open_site.publish(make_wheel(name, "1.0"))
    assert page(open_site, name)["info"]["version"] == "1.0"


# --- which version speaks ---------------------------------------------------------------------------------------------


def file_of(version: str, yanked: str | None = None, **changes: Any) -> File:
    filename = f"ball-{version}-py3-none-any.whl"
    values: dict[str, Any] = {"attributes": {"filetype": "bdist_wheel"}, "yanked": yanked, **changes}
    return File(filename, "ball", version, filename, 1, "0" * 64, 1_700_000_000_123_456, **values)


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["1.0", "1.1"], "1.1"),
        (["1.10", "1.9"], "1.10"),
        (["1.0", "2.0rc1"], "1.0"),
        (["1.0rc1", "1.0rc2"], "1.0rc2"),
        (["1.0", "1.1 yanked"], "1.0"),
        (["1.0rc1", "1.0 yanked"], "1.0rc1"),
        (["1.0 yanked", "1.1 yanked"], "1.1"),
        (["1.0.post1", "1.0"], "1.0.post1"),
        (["1.0+local", "1.0"], "1.0+local"),
        ([], None),
    ],
)
def test_the_newest_version_is_one_to_install(versions: list[str], newest: str | None) -> None:
    files = [file_of(text.split()[0], "x" if "yanked" in text else None) for text in versions]
    assert json_api.newest_version(files) == newest


def test_a_version_of_which_one_file_is_left_is_not_yanked() -> None:
    files = (file_of("1.0", "x"), file_of("1.0"))
    told = json.loads(json_api.package(Listing("ball", files, "1"), BASE, gone))
    assert told["info"]["yanked"] is False and [file["yanked"] for file in told["urls"]] == [True, False]


def test_a_yank_without_a_reason() -> None:
    told = json.loads(json_api.package(Listing("ball", (file_of("1.0", ""),), "1"), BASE, gone))
    assert (told["info"]["yanked"], told["info"]["yanked_reason"]) == (True, None)


def gone(file: File, kind: str) -> bytes:
    raise NotFound("deleted at this moment")


# --- what it is not stopped by ----------------------------------------------------------------------------------------

HOSTILE = [
    b"",
    b"\xff\xfe",
    b"Metadata-Version: 2.1\nName: \xff\n",
    metadata("ball", "1.0", extra="Project-URL: no comma\nProject-URL: a, b\nProject-URL: a, c\n"),
    metadata("ball", "1.0", extra="Keywords: " + "x," * 10_000),
    metadata("ball", "1.0", extra="Content-Type: multipart/mixed; boundary=x\n", description="--x\n\n--x--\n" * 1000),
    metadata("ball", "1.0", extra="Classifier: x\n" * 100_000),
    metadata("ball", "1.0", extra="Summary: " + "=?utf-8?q?=41?=" * 1000),
]


@pytest.mark.parametrize("document", HOSTILE, ids=range(len(HOSTILE)))
def test_metadata_that_cannot_be_read_costs_only_itself(document: bytes) -> None:
    listing = Listing("ball", (file_of("1.0", documents={"metadata": "0" * 64}, requirements=("idna",)),), "1")
    told = json.loads(json_api.package(listing, BASE, lambda file, kind: document))
    assert told["info"]["requires_dist"] == ["idna"] and len(told["urls"]) == 1


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: b"Summary: " + text.encode("utf-8", "replace")))
def test_any_metadata_makes_a_page(document: bytes) -> None:
    listing = Listing("ball", (file_of("1.0", documents={"metadata": "0" * 64}),), "1")
    assert json.loads(json_api.package(listing, BASE, lambda file, kind: document))["info"]["version"] == "1.0"


def test_a_long_description_is_cut() -> None:
    document = metadata("ball", "1.0", description="x" * (4 << 20))
    listing = Listing("ball", (file_of("1.0", documents={"metadata": "0" * 64}),), "1")
    told = json.loads(json_api.package(listing, BASE, lambda file, kind: document))
    assert len(told["info"]["description"]) == json_api.MAX_DESCRIPTION


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=6))
def test_every_file_is_told_once(drawn: list[tuple[int, bool]]) -> None:
    files = tuple(file_of(f"1.{minor}", "x" if yanked else None) for minor, yanked in dict(drawn).items())
    told = json.loads(json_api.package(Listing("ball", files, "1"), BASE, gone))
    assert sorted(name for release in told["releases"].values() for name in (file["filename"] for file in release)) == (
        sorted(file.filename for file in files)
    )
    assert list(told["releases"]) == sorted(told["releases"], key=Version)


# --- what other servers do not tell -----------------------------------------------------------------------------------


def test_of_a_file_from_elsewhere_only_what_is_known_is_told() -> None:
    foreign = replace(file_of("1.0"), sha256=None, size=None, documents={"metadata": ""}, attributes={})
    document = metadata("ball", "1.0", extra="Requires-Dist: idna>=3\n")
    told = json.loads(json_api.package(Listing("ball", (foreign,), "1"), BASE, lambda file, kind: document))
    (file,) = told["urls"]
    assert (file["digests"], file["size"], file["packagetype"]) == ({}, None, None)
    assert told["info"]["requires_dist"] == ["idna>=3"]


def test_files_whose_names_tell_no_version_are_of_no_release() -> None:
    odd = replace(file_of("1.0"), version="", filename="ball-9.egg", attributes={"filetype": "bdist_egg"})
    told = json.loads(json_api.package(Listing("ball", (odd, file_of("1.0")), "1"), BASE, gone))
    assert list(told["releases"]) == ["1.0"] and told["info"]["version"] == "1.0"
    with pytest.raises(NotFound):
        json_api.package(Listing("ball", (odd,), "1"), BASE, gone)


@pytest.mark.parametrize("error", [UpstreamFailed, UploadRefused, Withheld, Busy])
def test_metadata_that_does_not_come_costs_only_itself(error: type[Exception]) -> None:
    def fails(file: File, kind: str) -> bytes:
        raise error("not now")

    told = json.loads(json_api.package(Listing("ball", (file_of("1.0"),), "1"), BASE, fails))
    assert told["info"]["summary"] is None and len(told["urls"]) == 1

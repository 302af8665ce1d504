"""Pages of the simple API from any listing: whatever a name or a reason contains, both forms say the same."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urldefrag, urljoin

import falcon.testing
import pytest
from conformance_site import Html
from hypothesis import example, given
from hypothesis import strategies as st
from orbitalreg_pypi import pages
from orbitalreg_pypi.adapter import PyPIFormat
from packaging.version import Version

from orbitalreg.model import File, Listing, Status, StatusName

ROOT = "../../"
BASE = "http://127.0.0.1/pypi/acme/internal"

# What HTML cannot carry unchanged is left out: a carriage return is read as a line's end, NUL as nothing.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=30)
HOSTILE = st.sampled_from(
    [
        *('"', "'", "<", ">", "&", "&amp;", "&#34;", "</a>", "<script>alert(1)</script>", '" onclick="alert(1)', "{}"),
        *("{name}", "{0.__class__}", "%s", "-->", "]]>", "</body></html>", "javascript:alert(1)", "\u2028", "\\", "\n"),
    ]
)
TEXTS = st.lists(TEXT | HOSTILE, max_size=4).map("".join)
FILENAMES = TEXTS.filter(bool)
VERSIONS = st.from_regex(r"[1-9]{1,2}(\.[1-9])?(rc[1-9])?(\.post1)?(\+[a-z])?", fullmatch=True).map(
    lambda text: str(Version(text))
)
DIGESTS = st.binary(max_size=4).map(lambda data: hashlib.sha256(data).hexdigest())
PACKAGES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
MOMENTS = st.integers(0, 4_000_000_000_000_000)


@st.composite
def files(draw: st.DrawFn, package: str) -> File:
    requires_python = draw(st.none() | TEXTS)
    return File(
        draw(st.uuids().map(str)),
        package,
        draw(VERSIONS),
        draw(FILENAMES),
        draw(st.integers(0, 1 << 40)),
        draw(DIGESTS),
        draw(MOMENTS),
        {} if requires_python is None else {"requires_python": requires_python},
        (),
        draw(st.just({}) | st.fixed_dictionaries({"metadata": DIGESTS}) | st.fixed_dictionaries({"pkg-info": DIGESTS})),
        draw(st.none() | TEXTS),
    )


@st.composite
def listings(draw: st.DrawFn) -> Listing:
    package = draw(PACKAGES)
    listed = draw(st.lists(files(package), max_size=5, unique_by=lambda file: file.filename))
    status = Status(draw(st.sampled_from(StatusName)), draw(st.none() | TEXTS))
    return Listing(package, tuple(listed), "1", status)


def as_json(listing: Listing) -> Any:
    return json.loads(pages.package_json(ROOT)(listing))


def as_html(listing: Listing) -> Html:
    return Html.parse(pages.package_html(ROOT)(listing).decode())


def listing_of(**changes: Any) -> Listing:
    values = {
        "id": "1",
        "package": "demo",
        "version": "1.0",
        "filename": "demo-1.0.tar.gz",
        "size": 1,
        "sha256": "0" * 64,
    }
    return Listing("demo", (File(**{**values, "uploaded_at": 0, **changes}),), "1")


@given(listings())
def test_both_forms_list_the_same_files_in_the_same_order(listing: Listing) -> None:
    in_json = [file["filename"] for file in as_json(listing)["files"]]
    assert [anchor.text for anchor in as_html(listing).anchors] == in_json
    assert sorted(in_json) == sorted(file.filename for file in listing.files)


@given(listings())
def test_html_says_of_each_file_exactly_what_is_known(listing: Listing) -> None:
    page = as_html(listing)
    for file in listing.files:
        attributes = dict(page.anchor(file.filename).attributes)
        assert attributes.pop("href").endswith(f"#sha256={file.sha256}")
        metadata = file.documents.get("metadata")
        expected = {
            "data-requires-python": file.attributes.get("requires_python") or None,
            "data-yanked": file.yanked,
            "data-core-metadata": metadata and f"sha256={metadata}",
            "data-dist-info-metadata": metadata and f"sha256={metadata}",
        }
        assert attributes == {name: value for name, value in expected.items() if value is not None}


@given(listings())
def test_json_says_of_each_file_exactly_what_is_known(listing: Listing) -> None:
    known = {file.filename: file for file in listing.files}
    for said in as_json(listing)["files"]:
        file = known[said["filename"]]
        metadata = {"sha256": file.documents["metadata"]} if "metadata" in file.documents else False
        assert said["hashes"] == {"sha256": file.sha256}
        assert said["size"] == file.size
        assert said["requires-python"] == file.attributes.get("requires_python")
        assert said["core-metadata"] == said["dist-info-metadata"] == said["data-dist-info-metadata"] == metadata


@given(st.none() | TEXTS)
def test_yanked_is_false_true_or_a_reason_that_is_not_empty(yanked: str | None) -> None:
    (said,) = as_json(listing_of(yanked=yanked))["files"]
    expected: bool | str = False if yanked is None else yanked or True
    assert said["yanked"] == expected
    assert type(said["yanked"]) is type(expected)


@given(listings())
def test_nothing_in_a_listing_becomes_markup(listing: Listing) -> None:
    page = as_html(listing)
    metas = 0 if listing.status == Status() else 1 if listing.status.reason is None else 2
    files_of_page = ["a", "br"] * len(listing.files)
    head = ["html", "head", "meta", "meta", *["meta"] * metas, "title"]
    assert page.tags == [*head, "body", "h1", *files_of_page]


@given(listings())
def test_the_status_metas_are_those_of_the_listing(listing: Listing) -> None:
    status = listing.status
    said = as_json(listing)["project-status"]
    assert said == {"status": str(status.name)} | ({} if status.reason is None else {"reason": status.reason})
    metas = {name: value for name, value in as_html(listing).metas.items() if name.startswith("pypi:project")}
    expected = {"pypi:project-status": str(status.name)}
    expected |= {} if status.reason is None else {"pypi:project-status-reason": status.reason}
    assert metas == ({} if status == Status() else expected)


@given(listings())
def test_the_url_of_a_file_has_no_query_and_stays_below_the_repository(listing: Listing) -> None:
    page, said = as_html(listing), {file["filename"]: file["url"] for file in as_json(listing)["files"]}
    for file in listing.files:
        url, fragment = urldefrag(page.anchor(file.filename).href)
        assert url == said[file.filename]
        assert fragment == f"sha256={file.sha256}"
        assert re.fullmatch(r"[A-Za-z0-9./_~%-]+", url)
        assert "?" not in url
        if file.filename not in (".", "..") and "/" not in file.filename:
            whole = urljoin(f"{BASE}/simple/{listing.package}/", url)
            assert whole.startswith(f"{BASE}/files/{listing.package}/")


@given(listings())
def test_versions_are_those_of_the_files_each_once_oldest_first(listing: Listing) -> None:
    versions = as_json(listing)["versions"]
    assert versions == sorted({file.version for file in listing.files}, key=Version)


@given(listings())
def test_one_listing_is_always_rendered_alike(listing: Listing) -> None:
    shuffled = Listing(listing.package, listing.files[::-1], listing.revision, listing.status)
    for render in (pages.package_json(ROOT), pages.package_html(ROOT)):
        assert render(listing) == render(shuffled)


@given(st.lists(PACKAGES, unique=True, max_size=5))
def test_the_root_lists_have_every_name(names: list[str]) -> None:
    assert json.loads(pages.names_json(names)) == {
        "meta": {"api-version": "1.4"},
        "projects": [{"name": name} for name in names],
    }
    page = Html.parse(pages.names_html(names).decode())
    assert [(anchor.text, anchor.href) for anchor in page.anchors] == [(name, f"{name}/") for name in names]
    assert page.metas["pypi:repository-version"] == "1.4"


@given(MOMENTS)
@example(0)
@example(999_999)
@example(1_000_000)
@example(253_402_300_799_999_999)
def test_upload_time_is_exact_to_the_microsecond(at: int) -> None:
    text = pages.upload_time(at)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    read = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert (read - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == at


def test_what_is_not_known_of_a_file_is_not_told() -> None:
    listing = listing_of(sha256=None, size=None, filename="demo-1.0-py3-none-any.whl", documents={"metadata": ""})
    (said,) = as_json(listing)["files"]
    assert said["hashes"] == {}
    assert "size" not in said
    assert said["core-metadata"] is said["dist-info-metadata"] is said["data-dist-info-metadata"] is True
    (anchor,) = as_html(listing).anchors
    assert anchor.href == "../../files/demo/demo-1.0-py3-none-any.whl"
    assert anchor.attributes["data-core-metadata"] == anchor.attributes["data-dist-info-metadata"] == "true"


@pytest.mark.parametrize("base", [None, "https://registry.example.com/pypi/acme/all"])
def test_the_provenance_is_beside_the_file_and_at_a_whole_address_where_there_is_one(base: str | None) -> None:
    listing = listing_of(filename="demo-1.0+a-py3-none-any.whl", documents={"provenance": ""})
    url = f"{base or '../..'}/files/demo/demo-1.0%2Ba-py3-none-any.whl.provenance"
    assert json.loads(pages.package_json(ROOT, base)(listing))["files"][0]["provenance"] == url
    [anchor] = Html.parse(pages.package_html(ROOT, base)(listing).decode()).anchors
    assert anchor.attributes["data-provenance"] == url
    without = listing_of()
    assert as_json(without)["files"][0]["provenance"] is None
    assert "data-provenance" not in as_html(without).anchors[0].attributes


def test_the_whole_address_is_the_one_that_the_host_states() -> None:
    listing = listing_of(documents={"provenance": ""})
    request = falcon.testing.create_req(headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    relative = PyPIFormat().page(request).render(listing)
    request.context["base"] = "https://registry.example.com/pypi/acme/all"
    whole = PyPIFormat().page(request).render(listing)
    for page, start in ((relative, "../../files/"), (whole, "https://registry.example.com/pypi/acme/all/files/")):
        assert json.loads(page)["files"][0]["provenance"].startswith(start)


def test_files_whose_names_tell_no_version_come_last_and_are_of_no_version() -> None:
    odd = listing_of(version="", filename="demo-0.1-py2.7.egg").files
    listing = Listing("demo", (*odd, *listing_of().files), "1")
    said = as_json(listing)
    assert [file["filename"] for file in said["files"]] == ["demo-1.0.tar.gz", "demo-0.1-py2.7.egg"]
    assert [anchor.text for anchor in as_html(listing).anchors] == ["demo-1.0.tar.gz", "demo-0.1-py2.7.egg"]
    assert said["versions"] == ["1.0"]

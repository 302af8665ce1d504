"""The simple API on the wire: pypi-conformance, section 1. One test for one sentence, for every kind of repository."""

import gzip
import hashlib
import io
import re
import time
import zipfile
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from archives_corpus import make_sdist, make_wheel
from conformance_site import HTML, JSON, Answer, Html, Site, exchange, form
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PIP = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"
UV = f"{JSON}, {HTML};q=0.2, text/html;q=0.01"
POETRY = f"{JSON}, */*;q=0.1"
TEXT_HTML = "text/html; charset=utf-8"
FORMS = [JSON, HTML, TEXT_HTML]

FILE_CACHING = "max-age=31536000, immutable"
PAGE_CACHING = "max-age=0, must-revalidate"
LONG = "\n".join(f"Line {number} of a long description." for number in range(100))

FILE_KEYS = {
    *("filename", "url", "hashes", "size", "requires-python", "yanked", "upload-time", "gpg-sig", "provenance"),
    *("core-metadata", "dist-info-metadata", "data-dist-info-metadata"),
}


def metadata_digest(content: bytes) -> str:
    """Of the METADATA in a wheel made by `make_wheel`."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (path,) = [path for path in archive.namelist() if path.endswith(".dist-info/METADATA")]
        return hashlib.sha256(archive.read(path)).hexdigest()


def status_metas(page: Html) -> dict[str, str]:
    return {name: value for name, value in page.metas.items() if name.startswith("pypi:project-status")}


# --- version ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["simple/", "simple/{name}/"])
def test_json_advertises_api_version_1_4(site: Site, name: str, path: str) -> None:
    site.publish(make_wheel(name))
    page = site.get(path.format(name=name), headers={"Accept": JSON}).json()
    assert page["meta"] == {"api-version": "1.4"}


@pytest.mark.parametrize("path", ["simple/", "simple/{name}/"])
@pytest.mark.parametrize("accept", [HTML, "text/html"])
def test_html_advertises_repository_version_1_4(site: Site, name: str, path: str, accept: str) -> None:
    site.publish(make_wheel(name))
    page = Html.parse(site.get(path.format(name=name), headers={"Accept": accept}).text)
    assert page.metas["pypi:repository-version"] == "1.4"


def test_no_tracks_alternate_locations_or_namespaces_are_emitted(site: Site, name: str) -> None:
    site.publish(make_wheel(name))
    assert set(site.page(name)) == {"meta", "name", "project-status", "versions", "files"}
    assert set(site.html(name).metas) == {"pypi:repository-version"}
    assert set(site.get("simple/", headers={"Accept": JSON}).json()) == {"meta", "projects"}


# --- the JSON detail page ---------------------------------------------------------------------------------------------


def test_json_has_the_normalised_name(site: Site, name: str) -> None:
    site.publish(make_sdist(name.replace("-", "_").title()))
    assert site.page(name)["name"] == name


def test_json_has_every_version_once(site: Site, name: str) -> None:
    site.publish(
        make_wheel(name, "1.0"), make_sdist(name, "1.0"), make_wheel(name, "1.0rc1"), make_wheel(name, "2!0.1")
    )
    versions = site.page(name)["versions"]
    assert sorted(versions) == ["1.0", "1.0rc1", "2!0.1"]


def test_json_has_every_file_once(site: Site, name: str) -> None:
    wheel, sdist = make_wheel(name), make_sdist(name)
    site.publish(wheel, sdist)
    assert sorted(file["filename"] for file in site.page(name)["files"]) == sorted([wheel[0], sdist[0]])


def test_json_has_a_top_level_project_status(site: Site, name: str) -> None:
    site.publish(make_wheel(name))
    assert site.page(name)["project-status"] == {"status": "active"}


def test_a_json_file_has_every_key_and_no_other(site: Site, name: str) -> None:
    site.publish(make_wheel(name), make_sdist(name))
    assert [set(file) for file in site.page(name)["files"]] == [FILE_KEYS, FILE_KEYS]


def test_a_json_file_has_its_filename_hashes_and_size(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    (file,) = site.page(name)["files"]
    assert (file["filename"], file["size"]) == (filename, len(content))
    assert file["hashes"] == {"sha256": hashlib.sha256(content).hexdigest()}


def test_a_json_file_has_a_url_that_leads_to_its_bytes(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    assert site.get(site.file_url(name, filename)).content == content


def test_a_json_file_has_requires_python_as_written(site: Site, name: str) -> None:
    site.publish(make_wheel(name, metadata_extra="Requires-Python: >=3.9, <4"), make_sdist(name))
    assert {file["requires-python"] for file in site.page(name)["files"]} == {">=3.9, <4", None}


def test_yanked_is_false_true_or_the_reason(site: Site, name: str) -> None:
    site.publish(make_wheel(name, "1.0"), make_wheel(name, "2.0"), make_wheel(name, "3.0"))
    site.run("yank", f"{name}==2.0")
    site.run("yank", f"{name}==3.0", "--reason", 'broken <b> & "worse"')
    yanked = {filename.split("-")[1]: file["yanked"] for filename, file in site.files(name).items()}
    assert yanked == {"1.0": False, "2.0": True, "3.0": 'broken <b> & "worse"'}
    site.run("unyank", f"{name}==3.0")
    assert [file["yanked"] for filename, file in site.files(name).items() if "-3.0-" in filename] == [False]


def test_upload_time_is_sent_with_six_digits_and_z(site: Site, name: str) -> None:
    before = datetime.now(UTC)
    site.publish(make_wheel(name), make_sdist(name))
    for file in site.page(name)["files"]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", file["upload-time"])
        at = datetime.strptime(file["upload-time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        assert before <= at <= datetime.now(UTC)


@pytest.mark.parametrize("key", ["core-metadata", "dist-info-metadata", "data-dist-info-metadata"])
def test_core_metadata_and_its_aliases_have_the_digest_of_the_document(site: Site, name: str, key: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    assert site.files(name)[filename][key] == {"sha256": metadata_digest(content)}


@pytest.mark.parametrize("key", ["core-metadata", "dist-info-metadata", "data-dist-info-metadata"])
def test_an_sdist_offers_no_core_metadata(site: Site, name: str, key: str) -> None:
    filename, content = make_sdist(name)
    site.publish((filename, content))
    assert site.files(name)[filename][key] is False
    assert site.get(site.file_url(name, filename) + ".metadata").status_code == 404


def test_gpg_sig_is_false(site: Site, name: str) -> None:
    site.publish(make_wheel(name))
    assert [file["gpg-sig"] for file in site.page(name)["files"]] == [False]


def test_provenance_of_an_unverified_attestation_is_null(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    attested = form(filename, content, attestations='[{"version": 1}]')
    assert site.upload(filename, content, parts=attested).status == 200
    assert site.files(name)[filename]["provenance"] is None
    assert "data-provenance" not in site.html(name).anchor(filename).attributes


# --- statuses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["archived", "quarantined", "deprecated"])
@pytest.mark.parametrize("reason", [None, 'moved <em>& "gone"</em>'])
def test_the_status_and_its_reason_are_on_both_pages(site: Site, name: str, status: str, reason: str | None) -> None:
    site.publish(make_wheel(name))
    site.run("status", name, status, *(["--reason", reason] if reason else []))
    expected = {"status": status} | ({"reason": reason} if reason else {})
    assert site.page(name)["project-status"] == expected
    metas = {"pypi:project-status": status} | ({"pypi:project-status-reason": reason} if reason else {})
    assert status_metas(site.html(name)) == metas


@pytest.mark.parametrize("status", ["archived", "quarantined"])
def test_archived_and_quarantined_block_uploads(site: Site, name: str, status: str) -> None:
    site.publish(make_wheel(name))
    site.run("status", name, status)
    answer = site.upload(*make_wheel(name, "2.0"))
    assert answer.status == 400
    assert status in answer.reason
    site.run("status", name, "active")
    site.publish(make_wheel(name, "2.0"))


def test_archived_still_offers_its_files(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    site.run("status", name, "archived")
    assert site.get(site.file_url(name, filename)).content == content
    assert [anchor.text for anchor in site.html(name).anchors] == [filename]


def test_quarantined_offers_no_files(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    url = site.file_url(name, filename)
    site.run("status", name, "quarantined")
    assert (site.page(name)["files"], site.page(name)["versions"]) == ([], [])
    assert site.html(name).anchors == []
    assert [site.raw(method, url).status for method in ("GET", "HEAD")] == [404, 404]
    assert site.get(f"{url}.metadata").status_code == 404


# --- the HTML detail page ---------------------------------------------------------------------------------------------


def test_html_is_html5(site: Site, name: str) -> None:
    site.publish(make_wheel(name))
    assert site.html(name).declaration == "DOCTYPE html"
    assert site.get(f"simple/{name}/").text.startswith("<!DOCTYPE html>")


def test_the_text_of_an_anchor_is_exactly_the_filename(site: Site, name: str) -> None:
    wheel, sdist = make_wheel(name, "1.0+local.1"), make_sdist(name)
    site.publish(wheel, sdist)
    assert sorted(anchor.text for anchor in site.html(name).anchors) == sorted([wheel[0], sdist[0]])


def test_an_anchor_has_the_digest_as_its_fragment(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    href = site.html(name).anchor(filename).href
    assert urldefrag(href).fragment == f"sha256={hashlib.sha256(content).hexdigest()}"
    assert site.get(urljoin(f"{site.base}/simple/{name}/", urldefrag(href).url)).content == content


def test_data_requires_python_is_escaped(site: Site, name: str) -> None:
    filename, content = make_wheel(name, metadata_extra="Requires-Python: >=3.9,<4")
    site.publish((filename, content))
    assert site.html(name).anchor(filename).attributes["data-requires-python"] == ">=3.9,<4"
    assert 'data-requires-python="&gt;=3.9,&lt;4"' in site.get(f"simple/{name}/").text


def test_data_yanked_has_the_reason_which_may_be_empty(site: Site, name: str) -> None:
    one, two, three = (make_wheel(name, version) for version in ("1.0", "2.0", "3.0"))
    site.publish(one, two, three)
    site.run("yank", f"{name}==2.0")
    site.run("yank", f"{name}==3.0", "--reason", '"><script>alert(1)</script>')
    page = site.html(name)
    assert "data-yanked" not in page.anchor(one[0]).attributes
    assert page.anchor(two[0]).attributes["data-yanked"] == ""
    assert page.anchor(three[0]).attributes["data-yanked"] == '"><script>alert(1)</script>'
    assert "script" not in page.tags


@pytest.mark.parametrize("attribute", ["data-core-metadata", "data-dist-info-metadata"])
def test_html_has_both_core_metadata_attributes(site: Site, name: str, attribute: str) -> None:
    (wheel, content), sdist = make_wheel(name), make_sdist(name)
    site.publish((wheel, content), sdist)
    page = site.html(name)
    assert page.anchor(wheel).attributes[attribute] == f"sha256={metadata_digest(content)}"
    assert attribute not in page.anchor(sdist[0]).attributes


# --- negotiation ------------------------------------------------------------------------------------------------------

ANSWERED = [
    pytest.param(PIP, JSON, id="pip, pdm, pipenv, Renovate"),
    pytest.param(UV, JSON, id="uv"),
    pytest.param(POETRY, JSON, id="poetry"),
    pytest.param("*/*", TEXT_HTML, id="pipenv's hash pass, hatch's pre-check"),
    pytest.param("text/html", TEXT_HTML, id="Dependabot"),
    pytest.param(None, TEXT_HTML, id="no Accept"),
    pytest.param("", TEXT_HTML, id="empty"),
    pytest.param("image/png", TEXT_HTML, id="nothing that matches"),
    pytest.param("no media type;;;q=x,,/", TEXT_HTML, id="nonsense"),
    pytest.param("application/json", TEXT_HTML, id="application/json"),
    pytest.param(JSON, JSON, id="JSON"),
    pytest.param(HTML, HTML, id="HTML"),
    pytest.param("application/vnd.pypi.simple.latest+json", JSON, id="latest+json"),
    pytest.param("application/vnd.pypi.simple.latest+html", HTML, id="latest+html"),
    pytest.param(f"{JSON};q=0, text/html", TEXT_HTML, id="JSON refused"),
    pytest.param(f"{JSON};q=0.2, {HTML};q=0.3", HTML, id="HTML preferred"),
    pytest.param(f"{JSON.upper()}", JSON, id="upper case"),
    pytest.param("application/vnd.pypi.simple.v2+json", TEXT_HTML, id="a later version"),
]


@pytest.mark.parametrize("path", ["simple/", "simple/{name}/"])
@pytest.mark.parametrize(("accept", "expected"), ANSWERED)
def test_an_accept_header_is_answered_with_the_type_of_the_table(
    open_site: Site, name: str, path: str, accept: str | None, expected: str
) -> None:
    open_site.publish(make_wheel(name))
    headers = {} if accept is None else {"Accept": accept}
    answer = open_site.raw("GET", path.format(name=name), headers)
    assert (answer.status, answer["Content-Type"]) == (200, expected)
    assert answer.body.startswith(b"{" if expected == JSON else b"<!DOCTYPE html>")


@pytest.mark.parametrize("path", ["simple/", "simple/{name}/"])
@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        (JSON, "text/html", JSON),
        (JSON.replace("+", "%2B"), "text/html", JSON),
        (HTML, JSON, HTML),
        ("text/html", JSON, TEXT_HTML),
        ("application/vnd.pypi.simple.latest+json", "text/html", JSON),
        ("application/vnd.pypi.simple.latest%2Bhtml", JSON, HTML),
        ("application/json", JSON, JSON),
        ("application/json", "text/html", TEXT_HTML),
        ("", JSON, JSON),
    ],
)
def test_the_query_format_overrides_accept(
    open_site: Site, name: str, path: str, query: str, accept: str, expected: str
) -> None:
    open_site.publish(make_wheel(name))
    answer = open_site.raw("GET", f"{path.format(name=name)}?format={query}", {"Accept": accept})
    assert (answer.status, answer["Content-Type"]) == (200, expected)


@pytest.mark.parametrize("path", ["simple/", "simple/{name}/"])
@pytest.mark.parametrize("accept", FORMS)
def test_a_page_varies_by_accept(open_site: Site, name: str, path: str, accept: str) -> None:
    open_site.publish(make_wheel(name))
    answer = open_site.raw("GET", path.format(name=name), {"Accept": accept})
    vary = {item.strip() for item in (answer["Vary"] or "").split(",")}
    assert "Accept" in vary
    assert "Authorization" not in vary
    assert "private" not in (answer["Cache-Control"] or "")


@pytest.mark.parametrize("path", ["simple/", "simple/{name}/"])
@pytest.mark.parametrize("accept", FORMS)
def test_a_page_that_needed_credentials_is_private_and_varies_by_them(
    site: Site, name: str, path: str, accept: str
) -> None:
    site.publish(make_wheel(name))
    answer = site.raw("GET", path.format(name=name), {"Accept": accept})
    assert {"Accept", "Authorization"} <= {item.strip() for item in (answer["Vary"] or "").split(",")}
    assert "private" in (answer["Cache-Control"] or "").split(", ")


# --- paths ------------------------------------------------------------------------------------------------------------


def follow(site: Site, path: str, method: str = "GET") -> tuple[list[str], Answer]:
    """The paths that lead to an answer, without a client's own tidying of any; and the answer."""
    url = site.url(path)
    seen: list[str] = []
    for _ in range(5):
        answer = site.raw(method, url, {"Accept": JSON})
        if answer.status != 301:
            return seen, answer
        url = urljoin(url, answer["Location"])
        seen.append(urlsplit(url).path)
    raise AssertionError(seen)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["simple", "simple/{name}", "legacy/+simple/{name}", "legacy/%2Bsimple/{name}"])
def test_a_missing_trailing_slash_is_a_301(site: Site, name: str, path: str, method: str) -> None:
    site.publish(make_wheel(name))
    path = path.format(name=name)
    seen, answer = follow(site, path, method)
    assert answer.status == 200
    assert seen == [f"{urlsplit(site.url(path)).path}/"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["simple", "simple/{name}", "simple/Demo_Pkg/", "files/Demo_Pkg/x-1.0.tar.gz"])
def test_other_methods_are_never_redirected(site: Site, name: str, method: str, path: str) -> None:
    headers = {**site.credentials("publish"), "Content-Length": "0"}
    answer = exchange(method, site.url(path.format(name=name)), headers)
    assert answer.status == 405
    assert answer["Location"] is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("written", ["{title}", "{dotted}", "{mixed}", "{title}/", "{mixed}/"])
def test_a_name_that_is_not_normalised_is_a_301_to_the_normalised_one(
    site: Site, name: str, method: str, written: str
) -> None:
    site.publish(make_wheel(name))
    spellings = {"title": name.title(), "dotted": name.replace("-", "."), "mixed": name.upper().replace("-", "_.")}
    seen, answer = follow(site, f"simple/{written.format(**spellings)}", method)
    assert answer.status == 200
    assert seen[-1] == urlsplit(f"{site.base}/simple/{name}/").path


def test_a_redirect_keeps_the_query(site: Site, name: str) -> None:
    site.publish(make_wheel(name))
    for path in (f"simple/{name}", f"simple/{name.title()}/"):
        answer = site.raw("GET", f"{path}?format={JSON}")
        assert answer["Location"].endswith(f"?format={JSON}")  # type: ignore[union-attr]


def test_a_file_below_a_name_that_is_not_normalised_is_a_301_too(site: Site, name: str) -> None:
    title = name.replace("-", "_").title()
    filename, content = f"{title}-1.0.tar.gz", make_sdist(name)[1]
    site.publish((filename, content))
    for suffix in ("", ".metadata"):
        url = site.file_url(name, filename) + suffix
        seen, answer = follow(site, url.replace(f"/{name}/", f"/{title}/"))
        assert seen == [urlsplit(url).path]
        assert answer.status == (404 if suffix else 200)


@pytest.mark.parametrize("path", ["simple//{name}/", "//simple/{name}/", "simple///{name}/", "simple//"])
def test_double_slashes_collapse(site: Site, name: str, path: str) -> None:
    site.publish(make_wheel(name))
    answer = site.raw("GET", path.format(name=name), {"Accept": "*/*"})
    assert answer.status == 200
    assert name in answer.text


def test_double_slashes_collapse_before_the_repository_and_in_files(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    place = urlsplit(site.file_url(name, filename))
    doubled = place._replace(path=place.path.replace("/", "//")).geturl()
    assert exchange("GET", doubled, site.reading).body == content


def test_the_links_of_a_page_asked_for_with_double_slashes_work(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    response = site.get(f"simple//{name}/")
    assert site.get(urljoin(response.url, Html.parse(response.text).anchor(filename).href)).content == content


@pytest.mark.parametrize("written", ["%2Bsimple", "+simple", "%2bsimple", "/%2Bsimple"])
@pytest.mark.parametrize("accept", ["*/*", JSON, None])
def test_hatch_s_precheck_is_served_as_html(site: Site, name: str, written: str, accept: str | None) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    answer = site.raw("GET", f"legacy/{written}/{name}/", {"Accept": accept} if accept else {})
    assert (answer.status, answer["Content-Type"]) == (200, TEXT_HTML)
    href = Html.parse(answer.text).anchor(filename).href
    assert site.get(urljoin(f"{site.base}/legacy/{written}/{name}/", href)).content == content


def test_hatch_s_precheck_of_an_unknown_package_is_404(site: Site, name: str) -> None:
    assert site.raw("GET", f"legacy/%2Bsimple/{name}/", {"Accept": "*/*"}).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accept", [JSON, "text/html"])
def test_an_unknown_package_is_404(site: Site, open_site: Site, name: str, method: str, accept: str) -> None:
    for place in (site, open_site):
        assert place.raw(method, f"simple/{name}/", {"Accept": accept}).status == 404


def test_a_name_that_can_be_none_is_404(site: Site) -> None:
    for written in ("-", "a..", "%20", "%C3%A9", "a%0D%0Ab", "..%2F..", "%00", "%FF", "a" * 500):
        assert site.raw("GET", f"simple/{written}/").status == 404


def test_the_root_list_exists_in_both_forms(site: Site, name: str) -> None:
    site.publish(make_wheel(name))
    listed = site.get("simple/", headers={"Accept": JSON}).json()["projects"]
    assert {"name": name} in listed
    page = Html.parse(site.get("simple/", headers={"Accept": "text/html"}).text)
    assert page.declaration == "DOCTYPE html"
    assert [anchor.text for anchor in page.anchors] == [project["name"] for project in listed]
    assert urljoin(f"{site.base}/simple/", page.anchor(name).href) == f"{site.base}/simple/{name}/"


# --- files ------------------------------------------------------------------------------------------------------------


def test_metadata_is_the_url_of_the_file_plus_that_suffix(site: Site, name: str) -> None:
    filename, content = make_wheel(name, description=LONG)
    site.publish((filename, content))
    response = site.get(site.file_url(name, filename) + ".metadata")
    assert response.status_code == 200
    assert hashlib.sha256(response.content).hexdigest() == metadata_digest(content)


def test_the_url_of_a_file_has_no_query(site: Site, name: str) -> None:
    filename, content = make_wheel(name, "1!2.0+local.1")
    site.publish((filename, content))
    for url in (site.files(name)[filename]["url"], site.html(name).anchor(filename).href):
        assert "?" not in url
    assert "#" not in site.files(name)[filename]["url"]


def test_files_are_below_the_prefix_of_the_repository(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    assert site.file_url(name, filename).startswith(f"{site.base}/files/")
    assert site.file_url(name, filename).endswith(f"/{filename}")


def test_head_has_a_content_length_and_no_body(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    answer = site.raw("HEAD", site.file_url(name, filename))
    assert (answer.status, answer["Content-Length"], answer.body) == (200, str(len(content)), b"")


def test_head_has_the_headers_of_get(site: Site, name: str) -> None:
    filename, content = make_wheel(name, description=LONG)
    site.publish((filename, content))
    url = site.file_url(name, filename)
    for path in (url, f"{url}.metadata", f"simple/{name}/", "simple/"):
        head, get = site.raw("HEAD", path), site.raw("GET", path)
        for answer in (head, get):
            del answer.headers["Date"], answer.headers["X-Request-ID"]
        assert dict(head.headers) == dict(get.headers)
        assert int(head["Content-Length"] or -1) == len(get.body)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_accept_ranges_is_exactly_bytes(site: Site, name: str, method: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    assert site.raw(method, site.file_url(name, filename))["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 99), (10, 10), (100, None), (10, 10**9)])
def test_a_single_range_is_a_206_with_content_range(site: Site, name: str, first: int, last: int | None) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    asked = f"bytes={first}-{'' if last is None else last}"
    answer = site.raw("GET", site.file_url(name, filename), {"Range": asked})
    end = min(len(content) - 1 if last is None else last, len(content) - 1)
    assert (answer.status, answer.body) == (206, content[first : end + 1])
    assert answer["Content-Range"] == f"bytes {first}-{end}/{len(content)}"
    assert answer["Content-Length"] == str(len(answer.body))


def test_a_range_asked_for_with_head_has_the_headers_of_the_206(site: Site, name: str) -> None:
    """RFC 9110 has a server ignore Range on other methods than GET; either answer serves clients that look first."""
    filename, content = make_wheel(name)
    site.publish((filename, content))
    answer = site.raw("HEAD", site.file_url(name, filename), {"Range": "bytes=0-9"})
    assert (answer.status, answer["Content-Length"]) in [(206, "10"), (200, str(len(content)))]


@pytest.mark.parametrize("length", [1, 100])
def test_a_suffix_range_is_the_end_of_the_file(site: Site, name: str, length: int) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    answer = site.raw("GET", site.file_url(name, filename), {"Range": f"bytes=-{length}"})
    assert (answer.status, answer.body) == (206, content[-length:])
    assert answer["Content-Range"] == f"bytes {len(content) - length}-{len(content) - 1}/{len(content)}"


def test_a_suffix_range_longer_than_the_file_is_the_whole_file_as_206(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    assert len(content) < 10_000
    site.publish((filename, content))
    answer = site.raw("GET", site.file_url(name, filename), {"Range": "bytes=-10000"})
    assert (answer.status, answer.body) == (206, content)
    assert answer["Content-Range"] == f"bytes 0-{len(content) - 1}/{len(content)}"


@pytest.mark.parametrize("asked", ["bytes={size}-", "bytes={size}-{size}", "bytes=999999999-", "bytes=-0"])
def test_a_range_outside_the_file_is_a_416_with_its_size(site: Site, name: str, asked: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    answer = site.raw("GET", site.file_url(name, filename), {"Range": asked.format(size=len(content))})
    assert (answer.status, answer["Content-Range"]) == (416, f"bytes */{len(content)}")
    assert answer.reason.isascii() and answer.reason.isprintable() and answer.reason


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "lines=1-2", "0-1"])
def test_a_range_that_is_several_or_none_gets_the_whole_file(site: Site, name: str, asked: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    answer = site.raw("GET", site.file_url(name, filename), {"Range": asked})
    assert (answer.status, answer.body, answer["Content-Range"]) == (200, content, None)


@pytest.mark.parametrize(("condition", "status"), [("same", 206), ("other", 200), ("weak", 200)])
def test_a_range_under_a_condition_is_of_these_very_bytes(site: Site, name: str, condition: str, status: int) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    url = site.file_url(name, filename)
    etag = site.raw("HEAD", url)["ETag"]
    given_tag = {"same": etag, "other": '"other"', "weak": f"W/{etag}"}[condition]
    answer = site.raw("GET", url, {"Range": "bytes=0-9", "If-Range": str(given_tag)})
    assert (answer.status, answer.body) == (status, content[:10] if status == 206 else content)


def expected_of_range(asked: str, size: int) -> tuple[int, int, int]:
    """Status, start and end (exclusive) by RFC 9110, section 14, for one range; other headers get everything."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.strip(), re.ASCII)
    if match is None or match.groups() == ("", ""):
        return 200, 0, size
    first, last = match.groups()
    if first == "":
        return (206, max(0, size - int(last)), size) if int(last) else (416, 0, 0)
    if last != "" and int(last) < int(first):
        return 200, 0, size
    if int(first) >= size:
        return 416, 0, 0
    return 206, int(first), min(size, int(last) + 1) if last else size


NUMBERS = st.one_of(st.just(""), st.integers(0, 2000).map(str), st.integers(0, 10**17).map(str))
RANGES = st.one_of(
    st.builds("bytes={}-{}".format, NUMBERS, NUMBERS),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    st.from_regex(r"bytes=[0-9,\- ]{0,12}", fullmatch=True),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("bytes=00-09")
@example("bytes=-10000000000000000000000")
@example("bytes=10000000000000000000000-")
@example("bytes=0-10000000000000000000000")
@given(asked=RANGES)
def test_any_range_header_gets_what_it_means(ranged: tuple[Site, str, bytes], asked: str) -> None:
    site, url, content = ranged
    status, start, end = expected_of_range(asked, len(content))
    answer = site.raw("GET", url, {"Range": asked})
    assert answer.status == status
    if status == 416:
        assert answer["Content-Range"] == f"bytes */{len(content)}"
        return
    assert answer.body == content[start:end]
    assert answer["Content-Range"] == (f"bytes {start}-{end - 1}/{len(content)}" if status == 206 else None)


@pytest.fixture
def ranged(open_site: Site, name: str) -> tuple[Site, str, bytes]:
    """A file published once, for many ranges of it."""
    filename, content = make_wheel(name)
    open_site.publish((filename, content))
    return open_site, open_site.file_url(name, filename), content


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_is_answered_without_a_redirect(site: Site, name: str, method: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    url = site.file_url(name, filename)
    assert site.raw(method, url, {"Accept-Encoding": "identity"}).status == 200
    assert site.raw("GET", url, {"Accept-Encoding": "identity", "Range": "bytes=0-9"}).status == 206
    assert site.raw(method, f"{url}.metadata").status == 200


@pytest.mark.parametrize("extension", [".whl", ".tar.gz", ".zip"])
@pytest.mark.parametrize("accepted", ["gzip, deflate", "gzip", "*", "gzip, deflate, br, zstd"])
@pytest.mark.parametrize("asked", [None, "bytes=0-99"])
def test_a_file_never_has_a_content_encoding(
    site: Site, name: str, extension: str, accepted: str, asked: str | None
) -> None:
    filename, content = make_wheel(name) if extension == ".whl" else make_sdist(name, extension=extension)
    site.publish((filename, content))
    headers = {"Accept-Encoding": accepted} | ({"Range": asked} if asked else {})
    answer = site.raw("GET", site.file_url(name, filename), headers)
    assert answer["Content-Encoding"] is None
    assert answer.body == (content[:100] if asked else content)
    assert site.get(site.file_url(name, filename), headers=headers).content == answer.body


def large_pages(site: Site, name: str) -> list[str]:
    """Paths of pages and of a document, each of more than some hundred bytes."""
    filename, content = make_wheel(name, description=LONG)
    site.publish((filename, content), make_sdist(name))
    return [f"simple/{name}/", f"simple/{name}/?format={JSON}", site.file_url(name, filename) + ".metadata"]


def test_pages_and_metadata_are_compressed_for_those_who_ask(site: Site, name: str) -> None:
    for path in large_pages(site, name):
        plain, packed = site.raw("GET", path), site.raw("GET", path, {"Accept-Encoding": "gzip, deflate"})
        assert (plain["Content-Encoding"], packed["Content-Encoding"]) == (None, "gzip")
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body)
        assert packed["Content-Length"] == str(len(packed.body))
        assert "Accept-Encoding" in (plain["Vary"] or "")


@pytest.mark.parametrize("accepted", ["identity", "identity;q=1, *;q=0", "gzip;q=0", "gzip;q=0.000, identity", ""])
def test_pages_and_metadata_honour_identity(site: Site, name: str, accepted: str) -> None:
    for path in large_pages(site, name):
        answer = site.raw("GET", path, {"Accept-Encoding": accepted})
        assert answer["Content-Encoding"] is None
        assert answer.body == site.raw("GET", path).body


# --- caching ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["simple/", "simple/{name}/"])
def test_each_representation_of_a_page_has_a_strong_etag_of_its_own(site: Site, name: str, path: str) -> None:
    site.publish(make_wheel(name), make_sdist(name))
    tags = [
        site.raw("GET", path.format(name=name), {"Accept": accept, "Accept-Encoding": coding})["ETag"]
        for accept in (JSON, HTML, "text/html")
        for coding in ("identity", "gzip")
        if path != "simple/"  # the root list may be too short to be compressed
        or coding == "identity"
    ]
    assert len(set(tags)) == len(tags)
    for tag in tags:
        assert re.fullmatch(r'"[!#-~]+"', str(tag))


@pytest.mark.parametrize("path", ["simple/", "simple/{name}/", "legacy/+simple/{name}/"])
@pytest.mark.parametrize("accept", [JSON, HTML, "text/html"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_page_that_is_known_is_a_304(site: Site, name: str, path: str, accept: str, coding: str) -> None:
    site.publish(make_wheel(name), make_sdist(name))
    headers = {"Accept": accept, "Accept-Encoding": coding}
    full = site.raw("GET", path.format(name=name), headers)
    for tag in (str(full["ETag"]), f"W/{full['ETag']}", f'"another", {full["ETag"]}', "*"):
        answer = site.raw("GET", path.format(name=name), {**headers, "If-None-Match": tag})
        assert (answer.status, answer.body) == (304, b"")
        for header in ("ETag", "Cache-Control", "Vary"):
            assert answer[header] == full[header]
    assert site.raw("GET", path.format(name=name), {**headers, "If-None-Match": '"another"'}).status == 200


def test_the_etag_of_one_representation_is_no_304_for_another(site: Site, name: str) -> None:
    site.publish(make_wheel(name))
    tags = {
        accept: site.raw("GET", f"simple/{name}/", {"Accept": accept})["ETag"] for accept in (JSON, HTML, "text/html")
    }
    for accept in tags:
        for other, tag in tags.items():
            answer = site.raw("GET", f"simple/{name}/", {"Accept": accept, "If-None-Match": str(tag)})
            assert answer.status == (304 if accept == other else 200)


CHANGES: dict[str, Any] = {
    "an upload": lambda site, name: site.publish(make_wheel(name, "2.0")),
    "a yank": lambda site, name: site.run("yank", f"{name}==1.0"),
    "a status": lambda site, name: site.run("status", name, "archived"),
    "a deletion": lambda site, name: site.run("delete", f"{name}==1.5", "--yes"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_page_is_no_304(site: Site, name: str, change: str) -> None:
    site.publish(make_wheel(name), make_wheel(name, "1.5"))
    for accept in (JSON, "text/html"):
        site.raw("GET", f"simple/{name}/", {"Accept": accept})
    former = {accept: site.raw("GET", f"simple/{name}/", {"Accept": accept}) for accept in (JSON, "text/html")}
    CHANGES[change](site, name)
    for accept, before in former.items():
        headers = {"Accept": accept, "If-None-Match": str(before["ETag"])}
        answer = site.raw("GET", f"simple/{name}/", headers)
        assert answer.status == 200
        assert answer.body != before.body


@pytest.mark.parametrize("path", ["simple/", "simple/{name}/", "legacy/+simple/{name}/"])
def test_a_page_is_asked_for_again_each_time(site: Site, open_site: Site, name: str, path: str) -> None:
    for place, expected in ((open_site, PAGE_CACHING), (site, f"private, {PAGE_CACHING}")):
        place.publish(make_wheel(name))
        assert place.raw("GET", path.format(name=name))["Cache-Control"] == expected


@pytest.mark.parametrize("suffix", ["", ".metadata"])
def test_a_file_is_kept_for_ever(site: Site, open_site: Site, name: str, suffix: str) -> None:
    for place, expected in ((open_site, FILE_CACHING), (site, f"private, {FILE_CACHING}")):
        filename, content = make_wheel(name)
        place.publish((filename, content))
        answer = place.raw("GET", place.file_url(name, filename) + suffix)
        assert answer["Cache-Control"] == expected


def test_the_etag_of_a_file_is_its_digest(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    url = site.file_url(name, filename)
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    assert [site.raw(method, url)["ETag"] for method in ("GET", "HEAD")] == [tag, tag]
    assert site.raw("GET", url, {"Range": "bytes=0-9"})["ETag"] == tag


@pytest.mark.parametrize("suffix", ["", ".metadata"])
def test_a_file_that_is_known_is_a_304(site: Site, name: str, suffix: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    url = site.file_url(name, filename) + suffix
    tag = str(site.raw("GET", url)["ETag"])
    answer = site.raw("GET", url, {"If-None-Match": tag, "Range": "bytes=0-9"})
    assert (answer.status, answer.body, answer["ETag"]) == (304, b"", tag)
    assert site.raw("GET", url, {"If-None-Match": '"another"'}).status == 200


def test_a_second_read_makes_a_request_and_sees_a_fresh_upload(site: Site, name: str) -> None:
    for number in range(1, 6):
        site.publish(make_wheel(name, f"{number}.0"))
        started = time.monotonic()
        assert len(site.page(name)["files"]) == len(site.html(name).anchors) == number
        assert time.monotonic() - started < 5

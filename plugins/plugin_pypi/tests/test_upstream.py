"""Other servers' pages: what is read from them, and that nothing in them does harm."""

import json
import sys
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from orbitalreg_pypi import pages, upstream_files
from orbitalreg_pypi.upstream import ACCEPT, SimpleUpstreams
from packaging.version import Version

from orbitalreg.errors import InvalidName, UpstreamFailed
from orbitalreg.interfaces import Answer, Question
from orbitalreg.model import File, Listing, RemoteFile, RemotePage, Status, StatusName

UPSTREAM = SimpleUpstreams()
BASE = "https://packages.example.com/simple"
PLACE = f"{BASE}/demo-pkg/"
FILES = "https://packages.example.com/files/demo-pkg"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=utf-8"
MARK = '<meta name="pypi:repository-version" content="1.0">'
SHA256 = "ab" * 32
WHEEL = "demo_pkg-1.0-py3-none-any.whl"
SDIST = "demo_pkg-1.0.tar.gz"


def in_json(*files: Any, **more: Any) -> Answer:
    told = {"meta": {"api-version": "1.1"}, "name": "demo-pkg", "files": list(files), **more}
    return Answer(PLACE, JSON, json.dumps(told).encode())


def in_html(*anchors: str, head: str = MARK, content_type: str = HTML) -> Answer:
    body = "<br>\n".join(anchors)
    return Answer(PLACE, content_type, f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>".encode())


def read(answer: Answer, package: str = "demo-pkg") -> RemotePage:
    return UPSTREAM.read_page(answer, package)


def one(answer: Answer) -> RemoteFile:
    (file,) = read(answer).files
    return file


def told(**facts: Any) -> dict[str, Any]:
    return {"filename": WHEEL, "url": f"../../files/demo-pkg/{WHEEL}", "hashes": {"sha256": SHA256}, **facts}


def anchor(attributes: str = "", filename: str = WHEEL, fragment: str = f"#sha256={SHA256}") -> str:
    return f'<a href="../../files/demo-pkg/{filename}{fragment}" {attributes}>{filename}</a>'


# --- what is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pypi", "test.pypi"])
def test_the_public_index_has_a_short_name(name: str) -> None:
    assert UPSTREAM.base(name) == "https://" + name + ".org/simple"


@pytest.mark.parametrize(
    ("configured", "base"),
    [
        (BASE, BASE),
        (f"{BASE}/", BASE),
        ("http://127.0.0.1:8080/root/dev/+simple//", "http://127.0.0.1:8080/root/dev/+simple"),
        ("http://[::1]:8080/simple", "http://[::1]:8080/simple"),
        ("https://packages.example.com", "https://packages.example.com"),
    ],
)
def test_an_address_is_its_own_base(configured: str, base: str) -> None:
    assert UPSTREAM.base(configured) == base
    assert UPSTREAM.base(base) == base


@pytest.mark.parametrize(
    "configured",
    [
        *("", "PyPI", "pypi.example", "packages.example.com/simple", "ftp://example.com/simple", "file:///srv/simple"),
        *("https://", "https:///simple", "https://user:secret@example.com/simple", "https://secret@example.com"),
        *(
            f"{BASE}?token=secret",
            f"{BASE}#secret",
            f"{BASE}?",
            "https://example.com:port/",
            "https://example.com:99999",
        ),
        *(f" {BASE}", f"{BASE}\n", "https://exam ple.com/", "https://example.com/a\x00b", "https://[::1/simple"),
        "https://example.com\\@secret",
    ],
)
def test_what_is_no_address_is_refused_without_showing_it(configured: str) -> None:
    with pytest.raises(InvalidName) as caught:
        UPSTREAM.base(configured)
    assert "credentials" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert str(caught.value).isascii()


def test_questions() -> None:
    assert UPSTREAM.ask_names(BASE) == Question(f"{BASE}/", ACCEPT)
    assert UPSTREAM.ask_page(BASE, "demo-pkg") == Question(PLACE, ACCEPT)
    types = [item.partition(";")[0].strip() for item in ACCEPT.split(",")]
    assert types == [JSON, JSON.replace("json", "html"), "text/html"]
    file = RemoteFile(WHEEL, "1.0", f"{FILES}/{WHEEL}")
    assert UPSTREAM.ask_document(file, "metadata").url == f"{FILES}/{WHEEL}.metadata"
    signed = RemoteFile(WHEEL, "1.0", f"{FILES}/{WHEEL}?key=1")
    assert UPSTREAM.ask_document(signed, "metadata").url == f"{FILES}/{WHEEL}.metadata?key=1"
    assert (UPSTREAM.may_draw(WHEEL), UPSTREAM.may_draw(SDIST)) == ("metadata", None)


def test_a_provenance_is_asked_for_where_the_page_says() -> None:
    file = one(in_json(told(provenance="/integrity/1?a=b")))
    question = UPSTREAM.ask_document(file, "provenance")
    assert question.url == "https://packages.example.com/integrity/1?a=b"
    assert question.accept.startswith("application/vnd.pypi.integrity.v1+json")


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (b'{"version": 1, "attestation_bundles": [{"any": "thing"}]}', True),
        (b'{"version": 1, "attestation_bundles": []}', True),
        (b'{"version": 2, "attestation_bundles": []}', False),
        (b'{"version": 1}', False),
        (b"[]", False),
        (b"<!DOCTYPE html><title>Sign in</title>", False),
        (b"[" * 100_000, False),
        (b"", False),
    ],
)
def test_what_is_no_provenance_is_not_kept_as_one(body: bytes, is_one: bool) -> None:
    file = one(in_json(told(provenance="/integrity/1")))
    answer = Answer("https://packages.example.com/integrity/1", "application/json", body)
    if is_one:
        assert UPSTREAM.read_document(answer, file, "provenance") == body
    else:
        with pytest.raises(UpstreamFailed, match="integrity/1"):
            UPSTREAM.read_document(answer, file, "provenance")


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (b"Metadata-Version: 2.1\nName: demo-pkg\nVersion: 1.0\n", True),
        (b"Name: demo-pkg\r\nmetadata-version: 9.9\r\n\r\nText", True),
        (b"Name: demo-pkg\n\nMetadata-Version: 2.1\n", False),
        (b"<!DOCTYPE html><title>Sign in</title>\nMetadata-Version: 2.1\n", False),
        (b"\xff", False),
        (b"", False),
    ],
)
@pytest.mark.parametrize("stated", ["", SHA256])
def test_what_is_no_metadata_is_not_kept_as_such_unless_its_digest_is_stated(
    body: bytes, is_one: bool, stated: str
) -> None:
    file = RemoteFile(WHEEL, "1.0", f"{FILES}/{WHEEL}", documents={"metadata": stated})
    answer = Answer(f"{FILES}/{WHEEL}.metadata", "text/html", body)
    if is_one or stated:
        assert UPSTREAM.read_document(answer, file, "metadata") == body
    else:
        with pytest.raises(UpstreamFailed, match="it is no metadata"):
            UPSTREAM.read_document(answer, file, "metadata")


# --- our own pages ----------------------------------------------------------------------------------------------------

TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"]) | st.sampled_from("\n\t\"'<>&"), min_size=1, max_size=30
)
VERSIONS = st.from_regex(r"[1-9]{1,2}(\.[1-9])?(rc[1-9])?(\.post1)?(\+[a-z])?", fullmatch=True).map(
    lambda text: str(Version(text))
)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
MOMENTS = st.integers(0, 4_000_000_000_000_000)
ENDS = {
    "-py3-none-any.whl": "bdist_wheel",
    "-7-cp311-cp311-linux_x86_64.whl": "bdist_wheel",
    ".tar.gz": "sdist",
    ".tar.bz2": "sdist",
    ".zip": "sdist",
}
ODD_ENDS = {"-1.0-py2.7.egg": "bdist_egg", "-1.0.win32.exe": "bdist_wininst", ".one": "", "-final.tar.gz": "sdist"}


@st.composite
def files(draw: st.DrawFn) -> File:
    version = draw(VERSIONS | st.just(""))
    end = draw(st.sampled_from(sorted(ENDS if version else ODD_ENDS)))
    attributes = {"filetype": (ENDS if version else ODD_ENDS)[end]}
    attributes["requires_python"] = draw(st.just("") | TEXTS)
    beside = {"metadata": st.just("") | DIGESTS, "provenance": st.just("")}
    documents = draw(st.fixed_dictionaries({}, optional=beside))
    return File(
        "1",
        "demo-pkg",
        version,
        f"{draw(st.sampled_from(['demo_pkg', 'Demo.PKG']))}{'-' if version else ''}{version}{end}",
        draw(st.none() | st.integers(0, 1 << 40)),
        draw(st.none() | DIGESTS),
        draw(MOMENTS),
        {key: value for key, value in attributes.items() if value},
        (),
        documents,
        draw(st.none() | st.just("") | TEXTS),
    )


@st.composite
def listings(draw: st.DrawFn) -> Listing:
    listed = draw(st.lists(files(), max_size=5, unique_by=lambda file: file.filename))
    return Listing("demo-pkg", tuple(listed), "1", Status(draw(st.sampled_from(StatusName)), draw(st.none() | TEXTS)))


def as_told(file: File, is_json: bool) -> RemoteFile:
    """The file as another server would know it from our page."""
    url = f"{FILES}/{file.filename.replace('+', '%2B')}"
    beside = {"provenance_url": f"{url}.provenance"} if "provenance" in file.documents else {}
    return RemoteFile(
        file.filename,
        file.version,
        url,
        file.size if is_json else None,
        file.sha256,
        file.uploaded_at if is_json else None,
        {**file.attributes, **beside},
        file.documents,
        file.yanked,
    )


@given(listings(), st.booleans())
def test_what_is_rendered_is_read_back(listing: Listing, is_json: bool) -> None:
    render = (pages.package_json if is_json else pages.package_html)("../../")
    found = read(Answer(PLACE, JSON if is_json else HTML, render(listing)))
    assert found.files == tuple(as_told(file, is_json) for file in pages.in_order(listing))
    assert found.status == listing.status


@given(st.lists(st.from_regex(r"[a-z0-9]{1,5}(-[a-z0-9]{1,5})?", fullmatch=True), unique=True, max_size=5))
def test_names_that_are_rendered_are_read_back(names: list[str]) -> None:
    for content_type, render in ((JSON, pages.names_json), (HTML, pages.names_html)):
        assert UPSTREAM.read_names(Answer(f"{BASE}/", content_type, render(names))) == sorted(names)


# --- JSON of others ---------------------------------------------------------------------------------------------------


def test_the_least_that_json_tells() -> None:
    assert one(in_json({"filename": SDIST, "url": "demo_pkg-1.0.tar.gz"})) == RemoteFile(
        SDIST, "1.0", f"{PLACE}{SDIST}", attributes={"filetype": "sdist"}
    )


@pytest.mark.parametrize("key", ["core-metadata", "dist-info-metadata", "data-dist-info-metadata"])
@pytest.mark.parametrize(
    ("value", "documents"),
    [
        (True, {"metadata": ""}),
        (False, {}),
        (None, {}),
        ({"sha256": SHA256.upper()}, {"metadata": SHA256}),
        ({"sha512": "00"}, {"metadata": ""}),
        ({}, {"metadata": ""}),
        ("true", {"metadata": ""}),
        (f"sha256={SHA256}", {"metadata": SHA256}),
    ],
)
def test_core_metadata_in_each_spelling(key: str, value: Any, documents: dict[str, str]) -> None:
    assert one(in_json(told(**{key: value}))).documents == documents


@pytest.mark.parametrize(
    ("value", "yanked"), [(False, None), (None, None), ("", None), (True, ""), ("it leaks", "it leaks")]
)
def test_yanked_in_json(value: Any, yanked: str | None) -> None:
    assert one(in_json(told(yanked=value))).yanked == yanked


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("1970-01-01T00:00:01.000002Z", 1_000_002),
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("yesterday", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("", None),
        (None, None),
    ],
)
def test_upload_time(value: Any, at: int | None) -> None:
    assert one(in_json(told(**{"upload-time": value}))).uploaded_at == at


@pytest.mark.parametrize(
    "facts",
    [
        {"filename": None},
        {"filename": 1},
        {"url": None},
        {"url": []},
        {"url": "ftp://example.com/" + WHEEL},
        {"url": "javascript:alert(1)"},
        {"url": "//[::1/" + WHEEL},
        {"url": "https://example.com:port/" + WHEEL},
        {"url": "x" * 9000},
        {"hashes": []},
        {"hashes": {"sha256": "00"}},
        {"hashes": {"sha256": 1}},
        {"size": "1"},
        {"size": -1},
        {"size": 1.5},
        {"size": True},
        {"size": 1 << 70},
        {"upload-time": 1},
        {"requires-python": 3},
        {"requires-python": "x" * 5000},
        {"yanked": 1},
        {"yanked": {}},
        {"core-metadata": {"sha256": "00"}},
        {"core-metadata": []},
        {"provenance": 1},
        {"provenance": "javascript:alert(1)"},
    ],
)
def test_a_file_of_which_something_cannot_be_understood_is_left_out_alone(facts: dict[str, Any]) -> None:
    sound = {"filename": SDIST, "url": SDIST}
    assert [file.filename for file in read(in_json(told(**facts), sound, None, 7)).files] == [SDIST]


def test_other_digests_are_not_used() -> None:
    assert one(in_json(told(hashes={"md5": "00", "sha512": "11"}))).sha256 is None


def test_credentials_and_fragments_of_addresses_are_dropped() -> None:
    file = one(in_json(told(url=f"https://user:secret@files.example.com/{WHEEL}?a=b#sha256=00")))
    assert file.url == f"https://files.example.com/{WHEEL}?a=b"


def test_characters_that_no_page_can_carry_are_replaced() -> None:
    page = read(
        in_json(
            told(yanked="a\ud800\0\rb", **{"requires-python": ">=3\x07"}),
            **{"project-status": {"status": "deprecated", "reason": "\udfff"}},
        )
    )
    assert page.files[0].yanked == "a\ufffd\ufffd\ufffdb"
    assert page.files[0].attributes["requires_python"] == ">=3\ufffd"
    assert page.status == Status(StatusName.DEPRECATED, "\ufffd")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"status": "quarantined", "reason": "malware"}, Status(StatusName.QUARANTINED, "malware")),
        ({"status": "archived"}, Status(StatusName.ARCHIVED)),
        ({"status": "something-new", "reason": "x"}, Status()),
        ({"status": 7}, Status()),
        ({"status": []}, Status()),
        ("archived", Status()),
        (None, Status()),
    ],
)
def test_status_in_json(said: Any, status: Status) -> None:
    assert read(in_json(**{"project-status": said})).status == status


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"files": ' + b"9" * 5000 + b"}", "no JSON"),
        (b"[]", "no object"),
        (b"{}", "is no list"),
        (b'{"files": {}}', "is no list"),
        (b'{"meta": {"api-version": "2.0"}, "files": []}', "version 2.0"),
        (b'{"meta": {"api-version": 1}, "files": []}', "is none"),
        (b'{"name": "other", "files": []}', "not about demo-pkg"),
        (b'{"name": 7, "files": []}', "not about demo-pkg"),
    ],
)
def test_json_that_is_no_page_is_a_failure_that_says_why(body: bytes, says: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        read(Answer(f"{PLACE}?token=secret", JSON, body))
    assert says in str(caught.value)
    assert PLACE in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_number_of_files_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitalreg_pypi.upstream_json.MAX_FILES", 2)
    monkeypatch.setattr("orbitalreg_pypi.upstream_html.MAX_FILES", 2)
    assert len(read(in_json(told(), told())).files) == 1
    assert len(read(in_html(anchor(), anchor())).files) == 1
    for answer in (in_json(told(), told(), told()), in_html(anchor(), anchor(), anchor())):
        with pytest.raises(UpstreamFailed, match="more than 2"):
            read(answer)


# --- HTML of others ---------------------------------------------------------------------------------------------------


def test_the_least_that_html_tells() -> None:
    answer = Answer(PLACE, "text/html", f"<a href={SDIST}>whatever</a>".encode())
    assert one(answer) == RemoteFile(SDIST, "1.0", f"{PLACE}{SDIST}", attributes={"filetype": "sdist"})


def test_what_html_tells_of_a_file() -> None:
    file = one(
        in_html(
            anchor(
                'DATA-Requires-Python="&gt;=3.9,&lt;4" data-yanked="a &quot;leak&quot;" '
                f'data-core-metadata="sha256={SHA256}" data-provenance="/integrity/1" rel="internal"'
            )
        )
    )
    assert file == RemoteFile(
        WHEEL,
        "1.0",
        f"{FILES}/{WHEEL}",
        None,
        SHA256,
        None,
        {
            "filetype": "bdist_wheel",
            "requires_python": ">=3.9,<4",
            "provenance_url": "https://packages.example.com/integrity/1",
        },
        {"metadata": SHA256, "provenance": ""},
        'a "leak"',
    )


@pytest.mark.parametrize(
    ("attributes", "documents"),
    [
        ("", {}),
        ('data-core-metadata="true"', {"metadata": ""}),
        ("data-core-metadata", {"metadata": ""}),
        (f'data-dist-info-metadata="sha256={SHA256}"', {"metadata": SHA256}),
        (f'data-dist-info-metadata="true" data-core-metadata="sha256={SHA256}"', {"metadata": SHA256}),
        ('data-core-metadata="md5=00"', {"metadata": ""}),
        ('data-core-metadata="false"', {}),
    ],
)
def test_core_metadata_in_html(attributes: str, documents: dict[str, str]) -> None:
    assert one(in_html(anchor(attributes))).documents == documents


@pytest.mark.parametrize("attribute", ["data-yanked", 'data-yanked=""', "Data-Yanked=''"])
def test_yanked_without_a_reason_in_html(attribute: str) -> None:
    assert one(in_html(anchor(attribute))).yanked == ""


@pytest.mark.parametrize(
    ("fragment", "sha256"),
    [
        ("", None),
        ("#", None),
        ("#md5=00", None),
        (f"#sha256={SHA256}", SHA256),
        (f"#sha256={SHA256.upper()}", SHA256),
        (f"#egg=demo&sha256={SHA256}&x", SHA256),
        ("#sha512=00", None),
    ],
)
def test_of_the_digests_in_fragments_sha256_counts_alone(fragment: str, sha256: str | None) -> None:
    assert one(in_html(anchor(fragment=fragment.replace("&", "&amp;")))).sha256 == sha256


def test_a_digest_that_is_none_takes_the_file_away() -> None:
    assert read(in_html(anchor(fragment="#sha256=00"))).files == ()


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://files.example.com/x/y/", f"https://files.example.com/x/y/{WHEEL}"),
        ("../../mirror/", f"https://packages.example.com/mirror/{WHEEL}"),
        ("", f"{PLACE}{WHEEL}"),
    ],
)
def test_addresses_are_relative_to_the_base(base: str, url: str) -> None:
    answer = in_html(f'<a href="{WHEEL}">x</a>', head=f'<BASE HREF="{base}"><base href="https://not.example.com/">')
    assert one(answer).url == (url if base else f"https://not.example.com/{WHEEL}")


def test_a_base_elsewhere_than_on_the_web_is_a_failure() -> None:
    with pytest.raises(UpstreamFailed, match="base"):
        read(in_html(anchor(), head='<base href="file:///srv/">'))


def test_filenames_are_the_ends_of_addresses() -> None:
    page = read(
        in_html(
            '<a href="/f/demo_pkg-1.0%2Blocal.tar.gz?x=/y">another text</a>',
            '<a href="../demo_pkg-1.1/">folder</a>',
            '<a name="top">',
            '<a href="">empty</a>',
        )
    )
    assert [(file.filename, file.version) for file in page.files] == [("demo_pkg-1.0+local.tar.gz", "1.0+local")]
    assert page.files[0].url == "https://packages.example.com/f/demo_pkg-1.0%2Blocal.tar.gz?x=/y"


def test_a_listing_of_a_folder_is_a_page() -> None:
    body = f'<h1>Index of /demo-pkg/</h1><pre><a href="../">../</a>\n<a href="{SDIST}">{SDIST[:8]}..&gt;</a> 1K</pre>'
    assert one(Answer(PLACE, "text/html", body.encode())).filename == SDIST


def test_the_charset_of_the_header_counts() -> None:
    latin = Answer(PLACE, "text/html; charset=ISO-8859-1", anchor('data-yanked="d\u00e9faut"').encode("latin-1"))
    assert one(latin).yanked == "d\u00e9faut"
    wrong = Answer(PLACE, "text/html; charset=no-such", anchor('data-yanked="d\u00e9faut"').encode())
    assert one(wrong).yanked == "d\u00e9faut"


def test_the_status_in_html() -> None:
    metas = '<meta name="pypi:project-status" content="archived"><meta name="pypi:project-status-reason" content="old">'
    assert read(in_html(head=MARK + metas)).status == Status(StatusName.ARCHIVED, "old")
    assert read(in_html()).status == Status()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "no HTML"),
        ("<h1>Back soon</h1>", "lists no file of demo-pkg"),
        ('<form action="/login"><input name="user"></form><a href="/help">Help</a>', "lists no file"),
        ('<a href="other-1.0.tar.gz">x</a>', "lists no file"),
        ('<meta name="pypi:repository-version" content="2.0">' + anchor(), "version 2.0"),
        ('<meta name="pypi:repository-version" content="new">' + anchor(), "is none"),
        ("<div>" * 300 + anchor(), "nested"),
    ],
)
def test_html_that_is_no_page_is_a_failure_that_says_why(body: str, says: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        read(Answer(PLACE, HTML, body.encode()))
    assert says in str(caught.value)


def test_a_page_that_says_that_it_is_one_may_have_no_files() -> None:
    assert read(in_html()) == read(in_json()) == RemotePage(())


# --- either form ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/vnd.pypi.simple.v1+json",
        "application/vnd.pypi.simple.latest+json",
        "application/vnd.pypi.simple.v1.4+json",
        "Application/VND.PyPI.simple.v1+JSON; charset=utf-8",
    ],
)
def test_types_of_json(content_type: str) -> None:
    assert one(Answer(PLACE, content_type, in_json(told()).body)).filename == WHEEL


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "TEXT/HTML;charset=utf-8", JSON.replace("json", "html"), JSON.replace("v1+json", "latest+html")],
)
def test_types_of_html(content_type: str) -> None:
    assert one(in_html(anchor(), content_type=content_type)).filename == WHEEL


@pytest.mark.parametrize("body", [in_json(told()).body, in_html(anchor()).body])
@pytest.mark.parametrize(
    ("content_type", "says"),
    [
        ("application/json", "none of the simple API"),
        ("", "none of the simple API"),
        ("application/octet-stream", "none of the simple API"),
        ("text/html\u00e9", "none of the simple API"),
        ("application/vnd.pypi.simple.v2+json", "version 2"),
        ("application/vnd.pypi.simple.v2.1+html", "version 2"),
        (f"application/vnd.pypi.simple.v{'1' * 5000}+html", "version 111111111 "),
    ],
)
def test_other_types_are_failures(content_type: str, says: str, body: bytes) -> None:
    for read_answer in (read, UPSTREAM.read_names):
        with pytest.raises(UpstreamFailed, match=says) as caught:
            read_answer(Answer(PLACE, content_type, body))
        assert str(caught.value).isascii()


@pytest.mark.parametrize(
    "filename",
    [
        "other-1.0.tar.gz",
        "demo-1.0.tar.gz",
        "demo_pkg_extra-1.0-py3-none-any.whl",
        "demo-pkg-extra-1.0.tar.gz",
        "demo_pkgs-1.0.tar.gz",
        "demo_pkg",
        "demo_pkg-1.0\n.tar.gz",
        "demo_pkg-1.0\x00.tar.gz",
        "demo_pkg-1.0\u202e.tar.gz",
        "demo_pkg-1.0/../../x.tar.gz",
        "..",
        ".",
        "demo_pkg-1.0\\x.tar.gz",
        "demo_pkg-1.0.tar.gz ",
        "demo_pkg-1.0-py3-none-any.whl.metadata",
        "demo_pkg-" + "1" * 300 + ".tar.gz",
        "dem\u00d6_pkg-1.0.tar.gz",
    ],
)
def test_files_of_others_and_names_that_none_may_have_are_left_out(filename: str) -> None:
    assert read(in_json(told(filename=filename))).files == ()


def test_of_one_filename_the_first_counts() -> None:
    assert one(in_json(told(yanked="first"), told(yanked="second"))).yanked == "first"
    assert one(in_json(told(size="wrong"), told(yanked="second"))).yanked == "second"


def test_names_that_are_none_are_left_out() -> None:
    projects = [{"name": "Demo_Pkg"}, {"name": "demo.pkg"}, {"name": "../x"}, {"name": None}, {}, 7, {"name": "a"}]
    body = json.dumps({"meta": {"api-version": "1.0"}, "projects": projects}).encode()
    assert UPSTREAM.read_names(Answer(BASE, JSON, body)) == ["a", "demo-pkg"]
    anchors = '<a href="../">up</a><a href="?C=N">by name</a><a href="/simple/Demo_Pkg/">x</a><a href="a">a</a>'
    assert UPSTREAM.read_names(Answer(BASE, HTML, anchors.encode())) == ["a", "demo-pkg"]


def test_a_list_without_names_must_say_that_it_is_one() -> None:
    assert UPSTREAM.read_names(Answer(BASE, HTML, pages.names_html([]))) == []
    with pytest.raises(UpstreamFailed, match="lists no package"):
        UPSTREAM.read_names(Answer(BASE, HTML, b"<h1>Back soon</h1>"))


# --- hostile ----------------------------------------------------------------------------------------------------------

MARKUP = st.sampled_from(
    [
        *(
            "<a ",
            "href=",
            '"',
            "'",
            ">",
            "</a>",
            "<!--",
            "-->",
            "<![CDATA[",
            "<?",
            "</",
            "<base ",
            "<meta ",
            "&",
            "&#0;",
        ),
        *(
            anchor(),
            MARK,
            "data-yanked",
            "\0",
            "\ufeff",
            "<script>",
            "<svg>",
            "<!DOCTYPE ",
            "&#xd800;",
            "pypi:",
            "#sha256=",
        ),
        *('{"files":', "[", "]", "{", "}", ",", '"url":', '"filename":', "null", "1e999", "NaN", '"\\ud800"', "true"),
    ]
)
BODIES = st.binary(max_size=200) | st.lists(MARKUP | st.text(max_size=4), max_size=20).map(
    lambda parts: "".join(parts).encode("utf-8", "surrogatepass")
)


@given(BODIES, st.sampled_from([JSON, HTML, "text/html; charset=iso-8859-1"]))
@example(b"", HTML)
@example(b"\0", HTML)
@example(b"\xff" * 10, HTML)
def test_whatever_comes_is_read_or_a_failure(body: bytes, content_type: str) -> None:
    answer = Answer(PLACE, content_type, body)
    for read_answer in (read, UPSTREAM.read_names):
        outcome = result(read_answer, answer)
        if isinstance(outcome, UpstreamFailed):
            assert str(outcome).isascii()
            assert str(outcome).isprintable()
        for file in outcome.files if isinstance(outcome, RemotePage) else ():
            check(file)


def result(read_answer: Any, answer: Answer) -> Any:
    try:
        return read_answer(answer)
    except UpstreamFailed as failed:
        return failed


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(SHA256) | st.just(WHEEL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sha256", "status"]), inner),
    max_leaves=4,
)
KEYS = st.sampled_from([*told(), "size", "upload-time", "requires-python", "yanked", "core-metadata", "provenance"])


@given(st.lists(st.dictionaries(KEYS, VALUES).map(lambda facts: told(**facts)) | VALUES, max_size=3), VALUES)
def test_whatever_a_page_tells_of_files_is_read(told_files: list[Any], state: Any) -> None:
    for file in read(in_json(*told_files, **{"project-status": state})).files:
        check(file)


def check(file: RemoteFile) -> None:
    """That it can be stored and shown."""
    assert file.filename.isascii()
    assert file.filename.isprintable()
    assert file.url.startswith(("http://", "https://"))
    assert file.size is None or (type(file.size) is int and file.size >= 0)
    assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32
    assert json.loads(json.dumps(file.attributes)) == file.attributes
    listing = Listing(
        "demo-pkg",
        (
            File(
                "1",
                "demo-pkg",
                file.version,
                file.filename,
                file.size,
                file.sha256,
                file.uploaded_at or 0,
                file.attributes,
                (),
                file.documents,
                file.yanked,
            ),
        ),
        "1",
    )
    for render in (pages.package_json, pages.package_html):
        assert render("../../")(listing)


SIZE = 1 << 20


def filled(text: str) -> str:
    return (text * (SIZE // len(text) + 1))[:SIZE]


SLOW = {
    "comments": filled("<!--"),
    "ended comments": filled("<!-- x>"),
    "anchors begun": filled("<a "),
    "anchors with a quote": filled('<a x="'),
    "anchors with a quoted bracket": filled('<a x=">"'),
    "tags begun": filled("<"),
    "instructions": filled("<?"),
    "ends begun": filled("</"),
    "declarations": filled("<!"),
    "cdata": filled("<![CDATA["),
    "references": filled("&"),
    "one reference": "&" + filled("a"),
    "attributes": "<a " + filled("x "),
    "different attributes": "<a " + " ".join(f"x{number}" for number in range(SIZE // 8)),
    "script": "<script>" + filled("</"),
    "comments in script": "<script>" + filled("<!--"),
    "nested anchors": filled("<a>"),
    "nested anchors with an address": filled("<a href=x>"),
    "nested blocks": filled("<div>"),
    "nested formats": filled("<b><i><p>"),
    "tables": filled("<table><tr><td><a>"),
    "items": "<div>" * 200 + filled("<li></li>"),
    "ends without a beginning": "<div>" * 200 + filled("</p></a>"),
    "bases": filled("<base href=x>"),
    "metas": filled("<meta name=pypi:x content=y>"),
    "lists": filled("["),
    "objects": filled('{"a":'),
    "digits": filled("9"),
    "escapes": '"' + filled("\\"),
    "a string begun": '"' + filled("a"),
    "odd names": json.dumps({"files": [told(filename=f"demo-pkg-{'1.' * 110}{number}.zip") for number in range(2000)]}),
    "hyphens": json.dumps({"files": [told(filename=f"demo-pkg{'-' * 200}{number}.zip") for number in range(2000)]}),
    "versions": json.dumps({"files": [told(filename=f"demo-pkg-{'a-' * 110}{number}.zip") for number in range(2000)]}),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_megabyte_takes_little_time(name: str) -> None:
    started = time.process_time()
    for content_type in (JSON, HTML):
        for read_answer in (read, UPSTREAM.read_names):
            try:
                read_answer(Answer(PLACE, content_type, SLOW[name].encode()))
            except UpstreamFailed:
                continue
    assert time.process_time() - started < 3


@pytest.mark.parametrize(("content_type", "render"), [(JSON, pages.package_json), (HTML, pages.package_html)])
def test_the_work_for_a_page_grows_as_its_files_do(content_type: str, render: Any) -> None:
    """Counted in calls, not in seconds, which differ by machine."""
    few, many = (calls_to_read(content_type, render, files) for files in (1_000, 10_000))
    assert many < 11 * few


def calls_to_read(content_type: str, render: Any, files: int) -> int:
    listed = tuple(
        File(
            str(number),
            "demo-pkg",
            f"1.{number // 10}",
            f"demo_pkg-1.{number // 10}-cp3{number % 10}-cp3{number % 10}-manylinux_2_28_x86_64.whl",
            number,
            f"{number:064x}",
            number,
            {"filetype": "bdist_wheel", "requires_python": ">=3.9"},
            (),
            {"metadata": f"{number:064x}"},
        )
        for number in range(files)
    )
    answer = Answer(PLACE, content_type, render("../../")(Listing("demo-pkg", listed, "1")))
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    former = sys.getprofile()
    sys.setprofile(count)
    try:
        page = read(answer)
    finally:
        sys.setprofile(former)
    assert len(page.files) == files
    return calls


def test_limits_stand_where_real_pages_end() -> None:
    assert upstream_files.MAX_FILES >= 100_000
    assert upstream_files.MAX_NAMES >= 2_000_000

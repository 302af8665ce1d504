"""The upload API on the wire: pypi-conformance, section 2. One test for one sentence, for every kind of repository."""

import hashlib
import http.client
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from archives_corpus import CASES, Built, escaped, make_sdist, make_wheel
from conformance_site import (
    BOUNDARY,
    JSON,
    PROBLEM,
    Answer,
    Part,
    Site,
    assert_refused,
    basic,
    content_part,
    described,
    digests,
    encode,
    exchange,
    fields,
    form,
    names,
)
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

UV_ACCEPT = "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7"
MAX_UPLOAD = 2 << 20  # as the fixtures configure it
ABSENT = ("", "UNKNOWN")


def assert_stored(site: Site, name: str, *built: Built) -> None:
    """These files of the package, and no others, are offered, byte for byte."""
    assert sorted(site.files(name)) == sorted(filename for filename, _ in built)
    for filename, content in built:
        assert site.get(site.file_url(name, filename)).content == content


def assert_not_stored(site: Site, name: str) -> None:
    assert site.get(f"simple/{name}/").status_code == 404


# --- what each client sends -------------------------------------------------------------------------------------------

DESCRIBED = {"summary": "A demo", "description": "# Demo\n\nwith *text* and\r\nlines", "author": "Ada Ü."}


def twine(filename: str, content: bytes) -> list[Part]:
    """Metadata first, a part for each value, SHA-256 and BLAKE2; with comment, signature and attestations."""
    said = described(filename, content)
    two = {key: value for key, value in digests(content).items() if key != "md5_digest"}
    return [
        *fields({key: said[key] for key in ("metadata_version", "name", "version")} | DESCRIBED),
        *fields(("classifiers", f"Topic :: {number}") for number in range(5)),
        *fields(("requires_dist", f"package-{number}>=1") for number in range(5)),
        *fields(
            {"dynamic": "version", "pyversion": said["pyversion"], "filetype": said["filetype"], "comment": "none"}
        ),
        *fields(two),
        *fields({":action": "file_upload", "protocol_version": "1", "attestations": '[{"version": 1}]'}),
        content_part(filename, content),
        Part("gpg_signature", b"-----BEGIN PGP SIGNATURE-----\n\xff", f"{filename}.asc"),
    ]


def uv(filename: str, content: bytes) -> list[Part]:
    """No Content-Type on the file, attestations after it, and always requires_python."""
    said = described(filename, content)
    two = {key: value for key, value in digests(content).items() if key != "md5_digest"}
    keys = ("protocol_version", "metadata_version", "name", "version", "filetype", "pyversion")
    return [
        Part(":action", "file_upload"),
        *fields(two),
        *fields({key: said[key] for key in keys} | {"requires_python": ""}),
        content_part(filename, content, typed=False),
        Part("attestations", '[{"version": 1}]'),
    ]


def flit(filename: str, content: bytes) -> list[Part]:
    """A metadata version that the file may not have, and no pyversion for a source distribution."""
    said = described(filename, content) | {"metadata_version": "2.3", "summary": "A demo"}
    if said["filetype"] == "sdist":
        del said["pyversion"]
    said |= {"md5_digest": digests(content)["md5_digest"], "home_page": "http://127.0.0.1/"}
    return [*fields(said), content_part(filename, content, typed=False)]


def hatch(filename: str, content: bytes) -> list[Part]:
    """`import_name` without an s, and all three digests."""
    said = described(filename, content) | digests(content) | {"import_name": "demo_pkg"}
    return [*fields(said), content_part(filename, content)]


def poetry(filename: str, content: bytes) -> list[Part]:
    """All three digests, and `import_names`."""
    said = described(filename, content) | digests(content) | DESCRIBED
    return [*fields(said), Part("import_names", "demo_pkg"), content_part(filename, content)]


def pdm(filename: str, content: bytes) -> list[Part]:
    """Empty strings for what the file does not have, and `provides_extras`."""
    empty = ("author", "author_email", "license", "home_page", "download_url", "keywords", "requires_python", "comment")
    said = described(filename, content) | dict.fromkeys(empty, "") | {"provides_extras": "test"} | digests(content)
    return [*fields(said), content_part(filename, content)]


CLIENTS = [twine, uv, flit, hatch, poetry, pdm]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_the_form_of_each_client_is_taken(
    site: Site, name: str, client: Callable[[str, bytes], list[Part]], make: Callable[[str], Built]
) -> None:
    filename, content = make(name)
    answer = site.upload(filename, content, parts=client(filename, content))
    assert answer.status == 200, answer.reason
    assert_stored(site, name, (filename, content))


def test_hatch_sends_the_sdist_first(site: Site, name: str) -> None:
    sdist, wheel = make_sdist(name), make_wheel(name)
    for built in (sdist, wheel):
        assert site.upload(*built, parts=hatch(*built)).status == 200
    assert_stored(site, name, sdist, wheel)


def test_metadata_comes_from_the_file_and_not_from_the_form(site: Site, name: str) -> None:
    filename, content = make_wheel(name, metadata_extra="Requires-Python: >=3.9")
    said = form(filename, content, requires_python="<3", metadata_version="1.0", summary="Something else")
    assert site.upload(filename, content, parts=said).status == 200
    assert site.files(name)[filename]["requires-python"] == ">=3.9"


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "another"), ("version", "1.1"), ("filetype", "sdist"), ("sha256_digest", "0" * 64)],
)
def test_what_the_form_is_believed_must_agree_with_the_file(site: Site, name: str, field: str, value: str) -> None:
    filename, content = make_wheel(name)
    answer = site.upload(filename, content, parts=form(filename, content, **{field: value}))
    assert_refused(answer, 400, filename)
    assert_not_stored(site, name)
    assert_not_stored(site, "another")


@pytest.mark.parametrize(("written", "version"), [("{title}", "1.0"), ("{name}", "v1.0"), ("{dotted}", "1.0.0")])
def test_another_spelling_of_the_name_or_the_version_agrees(site: Site, name: str, written: str, version: str) -> None:
    filename, content = make_wheel(name, "1.0" if version != "1.0.0" else "1.0.0")
    spelling = written.format(title=name.title().replace("-", "_"), name=name, dotted=name.replace("-", "."))
    assert site.upload(filename, content, name=spelling, version=version).status == 200


def test_unknown_fields_are_ignored(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    unknown = [
        *(Part("x-field", "x" * 100_000), Part("content_", b"\0\xff", "x.bin"), Part("NAME", "another"), Part("", "y")),
        Part("gpg_signature", b"\x88\x00", f"{filename}.asc", ("Content-Type: application/pgp-signature",)),
    ]
    assert site.upload(filename, content, parts=[*unknown, *form(filename, content), *unknown]).status == 200
    assert_stored(site, name, (filename, content))


@pytest.mark.parametrize("value", ABSENT)
@pytest.mark.parametrize(
    "field", ["md5_digest", "blake2_256_digest", "metadata_version", "pyversion", "filetype", "attestations", "license"]
)
def test_empty_and_unknown_are_absent(site: Site, name: str, value: str, field: str) -> None:
    filename, content = make_wheel(name)
    assert site.upload(filename, content, parts=form(filename, content, **{field: value})).status == 200


@pytest.mark.parametrize("value", [*ABSENT, None])
@pytest.mark.parametrize("field", ["name", "version"])
def test_an_absent_name_or_version_is_refused(site: Site, name: str, value: str | None, field: str) -> None:
    filename, content = make_wheel(name)
    answer = site.upload(filename, content, parts=form(filename, content, **{field: value}))
    assert_refused(answer, 400, field)
    assert_not_stored(site, name)


@pytest.mark.parametrize("order", ["first", "middle", "reversed"])
def test_no_field_order_is_required(site: Site, name: str, order: str) -> None:
    filename, content = make_wheel(name)
    *said, file = form(filename, content, **digests(content))
    orders = {"first": [file, *said], "middle": [*said[:5], file, *said[5:]], "reversed": [file, *reversed(said)]}
    assert site.upload(filename, content, parts=orders[order]).status == 200
    assert_stored(site, name, (filename, content))


@pytest.mark.parametrize(
    "headers", [(), ("Content-Type: text/plain",), ("content-type: x", "Content-Transfer-Encoding: binary")]
)
def test_no_content_type_of_a_part_is_required(site: Site, name: str, headers: tuple[str, ...]) -> None:
    filename, content = make_wheel(name)
    said = [*fields(described(filename, content)), Part("content", content, filename, headers)]
    assert site.upload(filename, content, parts=said).status == 200
    assert_stored(site, name, (filename, content))


def test_a_charset_on_the_parts_of_a_form_is_no_fault(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    typed = [
        Part(part.name, part.value, None, ("Content-Type: text/plain; charset=utf-8",))
        for part in fields(described(filename, content))
    ]
    assert site.upload(filename, content, parts=[*typed, content_part(filename, content)]).status == 200


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"])
def test_metadata_versions_up_to_2_6_are_taken(site: Site, name: str, version: str) -> None:
    for filename, content in (make_wheel(name, metadata_version=version), make_sdist(name, metadata_version=version)):
        assert site.upload(filename, content, metadata_version=version).status == 200


@pytest.mark.parametrize("version", ["2.7", "3.0", "x"])
def test_later_metadata_versions_are_refused(site: Site, name: str, version: str) -> None:
    filename, content = make_wheel(name, metadata_version=version)
    assert_refused(site.upload(filename, content), 400, filename, "Metadata-Version")
    assert_not_stored(site, name)


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_stored_is_a_200(site: Site, name: str, make: Callable[[str], Built]) -> None:
    built = make(name)
    answer = site.upload(*built)
    assert (answer.status, answer["Content-Type"]) == (200, "text/plain")
    assert_stored(site, name, built)


def test_the_same_bytes_again_are_a_200_and_nothing_changes(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    before = site.raw("GET", f"simple/{name}/", {"Accept": JSON})
    for client in CLIENTS:
        assert site.upload(filename, content, parts=client(filename, content)).status == 200
    after = site.raw("GET", f"simple/{name}/", {"Accept": JSON})
    assert (after.body, after["ETag"]) == (before.body, before["ETag"])


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_other_bytes_are_a_400_that_begins_file_already_exists(
    site: Site, name: str, make: Callable[..., Built]
) -> None:
    filename, content = make(name)
    site.publish((filename, content))
    answer = site.upload(filename, make(name, description="Other bytes")[1])
    assert_refused(answer, 400, filename)
    assert answer.reason.startswith("File already exists")
    assert answer.body.startswith(b"File already exists")
    assert_stored(site, name, (filename, content))


def test_five_posts_at_once_store_one_file(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.token("publish")
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: site.upload(filename, content), range(5)))
    assert [answer.status for answer in answers] == [200] * 5
    assert_stored(site, name, (filename, content))


def test_of_different_bytes_at_once_one_wins(site: Site, name: str) -> None:
    built = [make_wheel(name, description=f"Number {number}") for number in range(5)]
    site.token("publish")
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda one: site.upload(*one), built))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 4
    (won,) = [one for one, answer in zip(built, answers, strict=True) if answer.status == 200]
    assert_stored(site, name, won)
    for answer in answers:
        assert answer.status == 200 or answer.reason.startswith("File already exists")


REFUSED: dict[str, Any] = {
    "no form": lambda site, built: site.post(b"{}", headers={"Content-Type": "application/json"}),
    "no boundary": lambda site, built: site.post(b"", headers={"Content-Type": "multipart/form-data"}),
    "an empty body": lambda site, built: site.post(b""),
    "garbage": lambda site, built: site.post(b"\xff\x00\r\n" * 50),
    "a truncated form": lambda site, built: site.post(encode(form(*built))[:-20]),
    "no file": lambda site, built: site.upload(*built, parts=form(*built)[:-1]),
    "two files": lambda site, built: site.upload(*built, parts=[*form(*built), content_part(*built)]),
    "a file without a name": lambda site, built: site.upload(*built, parts=[*form(*built)[:-1], Part("content", "x")]),
    "a field twice": lambda site, built: site.upload(*built, parts=[Part("name", "another"), *form(*built)]),
    "a field that is not UTF-8": lambda site, built: site.upload(*built, parts=[Part("name", b"\xff"), *form(*built)]),
    "a field that is too long": lambda site, built: site.upload(*built, name="n" * 5000),
    "no archive": lambda site, built: site.upload(built[0], b"no archive"),
    "an empty file": lambda site, built: site.upload(built[0], b""),
    "an odd name": lambda site, built: site.upload(*built, name="\u00fc\n\u2028\x00"),
    "an odd filename": lambda site, built: site.upload("\u00fc\u2028-1.0.tar.gz", built[1]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_refusal_of_a_form_is_one_short_plain_line(site: Site, name: str, case: str) -> None:
    assert_refused(REFUSED[case](site, make_wheel(name)), 400)
    assert_not_stored(site, name)


REFUSED_OTHERWISE: dict[str, tuple[int, Any]] = {
    "anonymous": (401, lambda site, built: site.upload(*built, right=None)),
    "without the right": (403, lambda site, built: site.upload(*built, right="read")),
    "no such repository": (404, lambda site, built: site.upload(*built, path="../none-such/legacy/")),
    "no such address": (404, lambda site, built: site.raw("GET", "nothing/here")),
    "no such package": (404, lambda site, built: site.raw("GET", "simple/none-such/")),
    "no such file": (404, lambda site, built: site.raw("GET", "files/none-such/none_such-1.0.tar.gz")),
    "GET": (405, lambda site, built: site.raw("GET", "legacy/")),
    "a retired action": (410, lambda site, built: site.upload(*built, action="submit")),
    "too large": (413, lambda site, built: site.upload(built[0], bytes(MAX_UPLOAD + 1))),
    "far too large": (413, lambda site, built: announce(site, 1 << 40)),
}


@pytest.mark.parametrize("case", REFUSED_OTHERWISE)
def test_every_4xx_has_its_reason_in_the_status_line_and_in_the_body(site: Site, name: str, case: str) -> None:
    status, request = REFUSED_OTHERWISE[case]
    assert_refused(request(site, make_wheel(name)), status)


@pytest.mark.parametrize("case", [*REFUSED, *(case for case in REFUSED_OTHERWISE if "far" not in case)])
def test_a_refusal_is_a_problem_where_the_client_asks_for_it(
    site: Site, name: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = REFUSED[case] if case in REFUSED else REFUSED_OTHERWISE[case][1]
    plain: Answer = request(site, make_wheel(name))
    monkeypatch.setattr("conformance_site.exchange", asking(f"{PROBLEM}, application/json;q=0.9"))
    answer: Answer = request(site, make_wheel(name))
    assert (answer.status, answer.reason) == (plain.status, plain.reason)
    assert answer["Content-Type"] == PROBLEM
    problem = answer.json()
    assert (problem["status"], problem["detail"]) == (plain.status, plain.text.rstrip("\n"))
    assert problem["title"] == http.client.responses[plain.status]


def asking(accept: str) -> Callable[..., Answer]:
    """`exchange` with this Accept."""

    def asked(method: str, url: str, headers: Any = (), body: bytes | None = None) -> Answer:
        return exchange(method, url, {**dict(headers), "Accept": accept}, body)

    return asked


def test_uv_is_told_the_reason_in_plain_text(site: Site, name: str) -> None:
    """uv 0.13 asks for JSON, plain text or HTML, in this order, and prints a plain body as the server's words."""
    answer = site.upload(*make_wheel(name), sha256_digest="0" * 64, headers={"Accept": UV_ACCEPT})
    assert_refused(answer, 400, "sha256")


# --- who may ----------------------------------------------------------------------------------------------------------

READS = ["simple/", "simple/{name}/", "simple/{name}", "legacy/+simple/{name}/", "files/{name}/{filename}{suffix}"]


@pytest.mark.parametrize("path", ["legacy/", "legacy"])
@pytest.mark.parametrize("headers", [{}, basic("__token__", "wrong"), {"Authorization": "Basic ???"}, basic("", "")])
def test_anonymous_is_a_401_that_asks_for_basic(
    site: Site, open_site: Site, name: str, path: str, headers: dict[str, str]
) -> None:
    for place in (site, open_site):
        answer = place.upload(*make_wheel(name), right=None, path=path, headers=headers)
        assert_refused(answer, 401)
        challenge = answer["WWW-Authenticate"]
        assert challenge is not None
        assert challenge.startswith('Basic realm="')


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("suffix", ["", ".metadata"])
def test_an_anonymous_read_is_a_401_where_reading_needs_a_right(site: Site, name: str, path: str, suffix: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    for method in ("GET", "HEAD"):
        url = site.url(path.format(name=name, filename=filename, suffix=suffix))
        answer = exchange(method, url)
        assert answer.status == 401
        assert str(answer["WWW-Authenticate"]).startswith('Basic realm="')


@pytest.mark.parametrize("right", ["read", "elsewhere", "nearby"])
def test_signed_in_without_the_right_is_a_403_on_upload(site: Site, name: str, right: str) -> None:
    assert_refused(site.upload(*make_wheel(name), right=right), 403)
    assert_not_stored(site, name)


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("suffix", ["", ".metadata"])
@pytest.mark.parametrize("right", ["elsewhere", "nearby"])
def test_signed_in_without_the_right_is_a_404_on_reads(
    site: Site, name: str, path: str, suffix: str, right: str
) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    for method in ("GET", "HEAD"):
        url = site.url(path.format(name=name, filename=filename, suffix=suffix))
        assert exchange(method, url, site.credentials(right)).status == 404


def test_a_private_name_is_not_confirmed(site: Site, name: str) -> None:
    """What is there is refused in the words with which what is not there is refused."""
    site.publish(make_wheel(name))
    absent = f"{name}-absent"
    for headers in ({}, site.credentials("elsewhere"), site.credentials("nearby")):
        there, nowhere = (exchange("GET", site.url(f"simple/{one}/"), headers) for one in (name, absent))
        assert (there.status, there.reason) == (nowhere.status, nowhere.reason.replace(absent, name))
        assert there.body == nowhere.body.replace(absent.encode(), name.encode())


def test_a_missing_package_is_a_404_and_never_a_403(site: Site, open_site: Site, name: str) -> None:
    for place in (site, open_site):
        assert place.raw("GET", f"simple/{name}/").status == 404
        for right in ("read", "publish", "maintain", "elsewhere", "nearby"):
            assert exchange("GET", place.url(f"simple/{name}/"), place.credentials(right)).status == 404
    assert exchange("GET", open_site.url(f"simple/{name}/")).status == 404


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_a_token_is_taken_as_basic_and_as_bearer(site: Site, name: str, scheme: str) -> None:
    token = site.token("publish")
    headers = basic("__token__", token) if scheme == "basic" else {"Authorization": f"Bearer {token}"}
    assert site.upload(*make_wheel(name), right=None, headers=headers).status == 200


# --- addresses and methods --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["legacy", "legacy/", "/legacy/", "legacy//"])
def test_post_works_on_both_addresses_and_is_never_redirected(site: Site, name: str, path: str) -> None:
    built = make_wheel(name)
    answer = site.upload(*built, path=path)
    assert (answer.status, answer["Location"]) == (200, None)
    assert_stored(site, name, built)


@pytest.mark.parametrize("path", ["legacy", "legacy/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_get_is_a_405(site: Site, path: str, method: str, signed_in: bool) -> None:
    url = f"{site.publish_base}/{path}"
    headers = site.credentials("publish") if signed_in else {}
    answer = exchange(method, url, {**headers, "Content-Length": "0"})
    assert (answer.status, answer["Location"]) == (405, None)
    assert "POST" in str(answer["Allow"])


@pytest.mark.parametrize("action", ["submit", "submit_pkg_info", "doc_upload"])
@pytest.mark.parametrize("with_file", [True, False])
def test_a_retired_action_is_a_410(site: Site, name: str, action: str, with_file: bool) -> None:
    filename, content = make_wheel(name)
    parts = form(filename, content, action=action)
    answer = site.upload(filename, content, parts=parts if with_file else parts[:-1])
    assert_refused(answer, 410, action)
    assert_not_stored(site, name)


@pytest.mark.parametrize("action", [None, "", "file_upload2", "FILE_UPLOAD"])
def test_an_unknown_action_is_refused(site: Site, name: str, action: str | None) -> None:
    assert_refused(site.upload(*make_wheel(name), action=action), 400, ":action")
    assert_not_stored(site, name)


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_form_of_1000_parts_is_taken(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    many = [
        *fields(("classifiers", f"A :: {n}") for n in range(500)),
        *fields(("requires_dist", "a") for n in range(500)),
    ]
    assert site.upload(filename, content, parts=[*many, *form(filename, content)]).status == 200


def test_a_description_of_5_mb_is_taken(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    assert site.upload(filename, content, description="word " * 1_000_000).status == 200
    assert_stored(site, name, (filename, content))


def test_a_file_over_max_upload_is_a_413(site: Site, name: str) -> None:
    filename, content = make_wheel(name, files={"a.bin": bytes(10)})
    padded = content + bytes(MAX_UPLOAD + 1 - len(content))
    assert_refused(site.upload(filename, padded), 413, "max_upload")
    assert_not_stored(site, name)


def test_a_file_of_max_upload_is_taken(site: Site, name: str) -> None:
    filename, content = incompressible_sdist(name, MAX_UPLOAD)
    assert site.upload(filename, content).status == 200
    assert_stored(site, name, (filename, content))


def incompressible_sdist(name: str, size: int) -> Built:
    """A source distribution of exactly this many bytes."""
    noise = b"".join(hashlib.sha512(number.to_bytes(4)).digest() for number in range(size // 64))
    kept = size - 4096
    while True:
        filename, content = make_sdist(name, files={"a.bin": noise[:kept]}, extension=".zip")
        if len(content) == size:
            return filename, content
        kept += size - len(content)


def announce(site: Site, length: int, right: str | None = "publish") -> Answer:
    """The answer to the head alone of an upload of so many bytes."""
    place = urlsplit(f"{site.publish_base}/legacy/")
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    try:
        connection.putrequest("POST", place.path, skip_accept_encoding=True)
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(length)}
        for key, value in {**headers, **(site.credentials(right) if right else {})}.items():
            connection.putheader(key, value)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, response.reason, response.headers, response.read())
    finally:
        connection.close()


@pytest.mark.parametrize(("right", "status"), [("publish", 413), ("read", 403), (None, 401)])
def test_what_is_too_large_is_refused_from_its_head(site: Site, right: str | None, status: int) -> None:
    assert_refused(announce(site, 1 << 40, right), status)


# --- reading what was written -----------------------------------------------------------------------------------------


def test_the_very_next_read_sees_the_file(site: Site, name: str) -> None:
    for number in range(10):
        filename, content = make_wheel(name, f"{number}.0")
        site.get(f"simple/{name}/")
        site.publish((filename, content))
        assert filename in site.get(f"simple/{name}/").text
        assert filename in site.get(f"simple/{name}/", headers={"Accept": JSON}).text
        assert {"name": name} in site.get("simple/", headers={"Accept": JSON}).json()["projects"]
        url = site.file_url(name, filename)
        assert site.get(url).content == content
        assert site.get(f"{url}.metadata").status_code == 200


# --- checks on what arrives -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "", "2", "1.0", "one"])
def test_another_protocol_version_is_refused(site: Site, name: str, version: str | None) -> None:
    assert_refused(site.upload(*make_wheel(name), protocol_version=version), 400, "protocol_version")
    assert_not_stored(site, name)


FILENAMES = [
    *("../{bare}-1.0-py3-none-any.whl", "a/{bare}-1.0-py3-none-any.whl", "a\\{bare}-1.0-py3-none-any.whl"),
    *("{bare}-1.0-py3-none-any.whl\x7f", "\x01{bare}-1.0.tar.gz", "{bare}\t-1.0.tar.gz", " {bare}-1.0.tar.gz"),
    *("{bare}.tar.gz", "{bare}-1.0.whl", "{bare}-1.0-py3-none.whl", "{bare}-1.0-py3-none-any-x-y-z.whl", "-1.0.tar.gz"),
    *(
        "{bare}-1.0.exe",
        "{bare}-1.0.egg",
        "{bare}-1.0.tar.bz2",
        "{bare}-1.0.tar",
        "{bare}-1.0",
        "{bare}",
        ".",
        "..",
        "/",
    ),
    *(
        "{bare}-x.y.tar.gz",
        "{bare}-1..0-py3-none-any.whl",
        "{bare}-" + "1" * 300 + ".tar.gz",
        "{bare}-1.0.tar.gz.metadata",
    ),
]


@pytest.mark.parametrize("filename", FILENAMES)
def test_a_filename_that_cannot_be_one_is_refused(site: Site, name: str, filename: str) -> None:
    _, content = make_wheel(name)
    said = {**described("a-1.0.tar.gz", content), "name": name, "version": "1.0"}
    del said["filetype"]
    sent = filename.format(bare=escaped(name))
    answer = site.upload(sent, content, parts=[*fields(said), content_part(sent, content)])
    assert_refused(answer, 400)
    assert_not_stored(site, name)


@pytest.mark.parametrize(("make", "filetype"), [(make_wheel, "sdist"), (make_sdist, "bdist_wheel"), (make_wheel, "x")])
def test_an_extension_that_does_not_match_the_filetype_is_refused(
    site: Site, name: str, make: Callable[[str], Built], filetype: str
) -> None:
    filename, content = make(name)
    assert_refused(site.upload(filename, content, filetype=filetype), 400, filename, "filetype")
    assert_not_stored(site, name)


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
@pytest.mark.parametrize("part", ["name", "version"])
def test_name_and_version_of_filename_and_metadata_agree(
    site: Site, name: str, make: Callable[..., Built], part: str
) -> None:
    filename, _ = make(name)
    _, content = make("another") if part == "name" else make(name, "2.0")
    assert_refused(site.upload(filename, content), 400, filename)
    assert_not_stored(site, name)
    assert_not_stored(site, "another")


@pytest.mark.parametrize("version", ["1.0-x", "abc", "1.0.dev", "1,0", "\u0661.0"])
def test_a_version_that_is_none_by_pep_440_is_refused(site: Site, name: str, version: str) -> None:
    assert_refused(site.upload(*make_wheel(name), version=version), 400)
    assert_not_stored(site, name)


@pytest.mark.parametrize("digest", ["sha256_digest", "blake2_256_digest", "md5_digest"])
@pytest.mark.parametrize("wrong", ["0", "other", "shorter", "no digest", "not ASCII"])
@pytest.mark.parametrize("after", [True, False])
def test_every_digest_that_is_sent_is_verified(site: Site, name: str, digest: str, wrong: str, after: bool) -> None:
    filename, content = make_wheel(name)
    right = digests(content)
    values = {
        "0": "0" * len(right[digest]),
        "other": digests(content + b"\0")[digest],
        "shorter": right[digest][:-1],
        "no digest": "x",
        "not ASCII": "\u00fc" * 32,
    }
    *said, file = form(filename, content, **{**right, digest: values[wrong]})
    answer = site.upload(filename, content, parts=[file, *said] if after else [*said, file])
    assert_refused(answer, 400, filename)
    assert_not_stored(site, name)


@pytest.mark.parametrize("digest", ["sha256_digest", "blake2_256_digest", "md5_digest"])
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_one_digest_of_any_kind_is_enough(site: Site, name: str, digest: str, spelled: Callable[[str], str]) -> None:
    filename, content = make_wheel(name)
    sent: dict[str, str | None] = {"sha256_digest": None, digest: spelled(digests(content)[digest])}
    assert site.upload(filename, content, parts=form(filename, content, **sent)).status == 200
    assert_stored(site, name, (filename, content))


@pytest.mark.parametrize("value", [None, *ABSENT])
def test_at_least_one_digest_is_sent(site: Site, name: str, value: str | None) -> None:
    filename, content = make_wheel(name)
    assert_refused(site.upload(filename, content, sha256_digest=value), 400, filename, "digest")
    assert_not_stored(site, name)


def test_a_zip_sdist_is_accepted_as_legacy(site: Site, name: str) -> None:
    built = make_sdist(name, extension=".zip")
    assert site.upload(*built).status == 200
    assert_stored(site, name, built)


def test_a_local_version_is_taken(site: Site, name: str) -> None:
    built = make_wheel(name, "1.0+ubuntu.1")
    assert site.upload(*built).status == 200
    assert_stored(site, name, built)
    assert site.page(name)["versions"] == ["1.0+ubuntu.1"]


@pytest.mark.parametrize(
    "extra",
    [
        "Requires-Dist: attrs @ https://127.0.0.1/attrs.zip",
        "Classifier: No Such :: Classifier",
        "Requires-Dist: a[b]>=1; python_version < '3.13'",
    ],
)
def test_what_is_left_out_on_purpose_is_taken(site: Site, name: str, extra: str) -> None:
    assert site.upload(*make_wheel(name, metadata_extra=extra)).status == 200


def test_a_platform_that_no_list_knows_is_taken(site: Site, name: str) -> None:
    built = make_wheel(name, tag="cp399-abi9-toaster_9_9_riscv128")
    assert site.upload(*built).status == 200
    assert_stored(site, name, built)


def test_the_names_of_the_standard_library_are_taken(open_site: Site) -> None:
    built = make_wheel("json")
    assert open_site.upload(*built).status == 200
    assert_stored(open_site, "json", built)


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        ("Requires-Dist: not a requirement at all", "requires"),
        ("Requires-Python: three", "requires"),
        ("License: MIT\nLicense-Expression: MIT", "License"),
    ],
)
@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_invalid_metadata_is_refused(site: Site, name: str, make: Callable[..., Built], extra: str, word: str) -> None:
    filename, content = make(name, metadata_extra=extra)
    assert_refused(site.upload(filename, content), 400, filename, word)
    assert_not_stored(site, name)


@pytest.mark.parametrize("extra", ["License: MIT", "License-Expression: MIT"])
def test_either_license_or_license_expression_is_taken(site: Site, name: str, extra: str) -> None:
    assert site.upload(*make_wheel(name, metadata_extra=extra)).status == 200


SAMPLES = [case for case in CASES if case.startswith(("wheel_", "tar_two_tops", "tar_pkg_info", "zip_trailing"))]


@pytest.mark.parametrize("case", SAMPLES)
def test_a_structure_that_is_not_sound_is_refused_and_nothing_stored(open_site: Site, case: str) -> None:
    """A few of the corpus; the whole of it is shown without a wire in the tests of the inspection."""
    filename, content = CASES[case].build()
    answer = open_site.upload(filename, content)
    assert_refused(answer, 400, filename)
    assert CASES[case].reason in answer.reason
    assert filename not in open_site.files(described(filename, content)["name"].replace("_", "-"))


def test_a_deleted_filename_is_not_used_again_for_other_bytes(site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    site.publish((filename, content))
    url = site.file_url(name, filename)
    site.run("delete", f"{name}==1.0", "--yes")
    assert_not_stored(site, name)
    assert site.raw("GET", url).status == site.raw("GET", f"{url}.metadata").status == 404
    assert_refused(site.upload(filename, make_wheel(name, description="Other bytes")[1]), 400, filename, "deleted")
    assert_not_stored(site, name)
    site.publish((filename, content))
    assert_stored(site, name, (filename, content))


def test_a_deleted_filename_is_used_again_where_that_is_configured(reusing_site: Site, name: str) -> None:
    filename, content = make_wheel(name)
    reusing_site.publish((filename, content))
    former = reusing_site.raw("GET", reusing_site.file_url(name, filename))
    assert "immutable" not in str(former["Cache-Control"])
    reusing_site.run("delete", f"{name}==1.0", "--yes")
    other = make_wheel(name, description="Other bytes")
    reusing_site.publish(other)
    assert_stored(reusing_site, name, other)
    headers = {"If-None-Match": str(former["ETag"])}
    assert reusing_site.raw("GET", reusing_site.file_url(name, filename), headers).body == other[1]


# --- anything at all --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh() -> Iterator[str]:
    """A package name for each example."""
    return iter(names())


@st.composite
def mutilated(draw: st.DrawFn) -> Callable[[str], tuple[str, bytes, str, str]]:
    """From a package's name: the body of a form, more or less whole, its Content-Type and the file's name."""
    makers: list[Callable[[str], Built]] = [make_wheel, make_sdist]
    make = draw(st.sampled_from(makers))
    client = draw(st.sampled_from(CLIENTS))
    shuffle = draw(st.randoms(use_true_random=False))
    boundary = draw(st.from_regex(r"[A-Za-z0-9'()+_,./:=?-]{1,70}", fullmatch=True))
    quoted = draw(st.booleans()) or not boundary.isalnum()
    dropped = draw(st.sets(st.integers(0, 30), max_size=2))
    doubled = draw(st.sets(st.integers(0, 30), max_size=1))
    action = draw(st.sampled_from(["whole", "whole", "truncate", "flip", "insert", "prologue", "epilogue", "newlines"]))
    where, noise = draw(st.floats(0, 1)), draw(st.binary(min_size=1, max_size=20))

    def build(name: str) -> tuple[str, bytes, str, str]:
        filename, content = make(name)
        parts = client(filename, content)
        shuffle.shuffle(parts)
        parts = [part for number, part in enumerate(parts) if number not in dropped]
        parts += [part for number, part in enumerate(parts) if number in doubled]
        body = encode(parts, boundary)
        at = int(where * len(body))
        bodies = {
            "whole": body,
            "truncate": body[:at],
            "flip": body[:at] + noise + body[at + len(noise) :],
            "insert": body[:at] + noise + body[at:],
            "prologue": noise + b"\r\n" + body,
            "epilogue": body + noise,
            "newlines": body.replace(b"\r\n", b"\n"),
        }
        value = f'"{boundary}"' if quoted else boundary
        return filename, bodies[action], f"multipart/form-data; boundary={value}", name

    return build


def assert_all_or_nothing(site: Site, name: str, filename: str, body: bytes, answer: Answer) -> None:
    """No 5xx; and what is offered afterwards was answered with 200, and was in the body, byte for byte."""
    event(str(answer.status))
    assert answer.status < 500, answer.reason
    if answer.status != 200:
        assert_refused(answer, answer.status)
        assert_not_stored(site, name)
        return
    assert list(site.files(name)) == [filename]
    assert site.get(site.file_url(name, filename)).content in body


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(build=mutilated())
def test_any_form_is_published_whole_or_not_at_all(
    open_site: Site, fresh: Iterator[str], build: Callable[[str], tuple[str, bytes, str, str]]
) -> None:
    filename, body, content_type, name = build(next(fresh))
    answer = open_site.post(body, headers={"Content-Type": content_type})
    assert_all_or_nothing(open_site, name, filename, body, answer)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=400) | st.text('-\r\n9f1c:; "=name', max_size=200).map(str.encode),
    content_type=st.sampled_from(
        [
            *("multipart/form-data; boundary=9f", "multipart/form-data; boundary=", "multipart/form-data", ""),
            *(
                'multipart/form-data; boundary="',
                "multipart/mixed; boundary=9f",
                "multipart/form-data; boundary*=x''9f",
            ),
        ]
    )
    | st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60),
)
def test_a_garbage_body_is_a_400(open_site: Site, body: bytes, content_type: str) -> None:
    try:
        answer = open_site.post(body, headers={"Content-Type": content_type.strip()})
    except (UnicodeEncodeError, ValueError):
        return  # no header that this client could send
    assert_refused(answer, 400)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(
        st.sampled_from([*described("a-1.0.tar.gz", b""), "md5_digest", "blake2_256_digest", "attestations"]),
        st.text(max_size=40) | st.sampled_from([*ABSENT, "1", "null", "[]", "[" * 5000, "{}", "9" * 5000]),
        min_size=1,
        max_size=3,
    )
)
def test_any_value_of_any_field_is_published_whole_or_not_at_all(
    open_site: Site, fresh: Iterator[str], changes: dict[str, str]
) -> None:
    name = next(fresh)
    filename, content = make_wheel(name)
    said = {**described(filename, content), **changes}
    try:
        body = encode([*fields(said), content_part(filename, content)])
    except UnicodeEncodeError:
        return
    assert_all_or_nothing(open_site, name, filename, body, open_site.post(body))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    filename=st.text(max_size=40)
    | st.from_regex(r'[a-z."\\/;=%*-]{1,30}(\.whl|\.tar\.gz|\.zip)', fullmatch=True)
    | st.integers(300, 5000).map("x".__mul__),
    fault=st.sampled_from(["none", "name", "sha256_digest", "protocol_version"]),
)
def test_any_filename_is_refused_in_plain_words(
    open_site: Site, fresh: Iterator[str], filename: str, fault: str
) -> None:
    name = next(fresh)
    _, content = make_sdist(name)
    said = {**described(f"{name}-1.0.tar.gz", content), fault: "0" * 64}
    try:
        body = encode([*fields(said), content_part(filename, content)])
    except UnicodeEncodeError:
        return
    assert_refused(open_site.post(body), 400)
    assert_not_stored(open_site, name)


DISPOSITIONS = st.sampled_from(
    [
        *(
            b"form-data",
            b'form-data; name="',
            b"form-data; name*=utf-8''content",
            b'form-data; name="a"; name="content"',
        ),
        *(b"form-data; name=\"content\"; filename*=none''x", b"form-data; name=content; filename*=utf-8''%ff.whl"),
        *(
            b'attachment; name="content"; filename="x"',
            b'form-data; name="\xff"',
            b'form-data; name="content"; filename="\xff"',
        ),
        *(
            b'form-data; name="content"; filename*0="a"; filename*1="b"',
            b"",
            b";",
            b"form-data; name=content; filename",
        ),
    ]
)
HEADS = st.lists(
    st.builds(b"Content-Disposition: ".__add__, DISPOSITIONS)
    | st.sampled_from(
        [
            *(
                b"Content-Type: text/plain; charset=no-such",
                b"Content-Type: multipart/mixed; boundary=x",
                b"Content-Type:",
            ),
            *(
                b"Content-Transfer-Encoding: base64",
                b"Content-Transfer-Encoding: quoted-printable",
                b"Content-Length: 3",
            ),
            *(b"_charset_: utf-16", b" folded", b"no colon", b": no name", b"X: " + b"x" * 20_000, b"X: \xff\x00"),
        ]
    )
    | st.binary(max_size=20),
    max_size=3,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(heads=HEADS, first=st.booleans(), value=st.binary(max_size=20))
def test_any_head_of_a_part_is_published_whole_or_not_at_all(
    open_site: Site, fresh: Iterator[str], heads: list[bytes], first: bool, value: bytes
) -> None:
    name = next(fresh)
    filename, content = make_wheel(name)
    odd = f"--{BOUNDARY}\r\n".encode() + b"\r\n".join([*heads, b"", value, b""])
    good = encode(form(filename, content))
    end = good.rindex(f"--{BOUNDARY}--".encode())
    body = odd + good if first else good[:end] + odd + good[end:]
    assert_all_or_nothing(open_site, name, filename, body, open_site.post(body))


def test_the_problem_of_a_refusal_is_json_without_charset(site: Site, name: str) -> None:
    answer = site.upload(*make_wheel(name), sha256_digest="0" * 64, headers={"Accept": PROBLEM})
    assert answer["Content-Type"] == PROBLEM
    assert set(json.loads(answer.body)) >= {"title", "detail", "status"}

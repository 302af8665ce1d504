"""Refusals: one line that says why, in the status line and in the body; redirects; addresses that are none."""

import json
from typing import Any

import pytest

from orbitalreg import errors
from orbitalreg.web.problems import REASON_LENGTH, TABLE, one_line

ROOT = "/toy/acme/toys"
PROBLEM = {"Accept": "application/problem+json"}


def raising(site: Any, error: Exception, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(type(site.registry.catalog), "check", fail)
    return site.request("GET", "/readyz", None, **options)


REFUSALS = [
    ("GET", "/nowhere", 404),
    ("GET", f"{ROOT}/of/absent/", 404),
    ("GET", f"{ROOT}/of/!/", 404),
    ("GET", "/toy/acme/No%20Name/names/", 404),
    ("POST", f"{ROOT}/names/", 405),
    ("DELETE", "/", 405),
    ("PUT", "/healthz", 405),
    ("POST", f"{ROOT}/put/nonsense", 400),
]


@pytest.mark.parametrize(("method", "path", "status"), REFUSALS)
def test_a_refusal_is_one_plain_line_that_is_the_reason_too(method: str, path: str, status: int, site: Any) -> None:
    answer = site.request(method, path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/plain")
    [line] = answer.text.splitlines()
    assert answer.status == f"{status} {line}"
    assert line.isascii() and len(line) > 5
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Length"] == str(len(answer.content))


@pytest.mark.parametrize(("method", "path", "status"), REFUSALS)
def test_a_refusal_is_problem_json_where_that_is_asked_for(method: str, path: str, status: int, site: Any) -> None:
    plain, answer = site.request(method, path), site.request(method, path, headers=PROBLEM)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == answer.status_code == status
    assert answer.json["detail"] == plain.text.strip()
    assert answer.status == plain.status


def test_a_405_says_what_is_taken(site: Any) -> None:
    assert "GET" in site.request("POST", f"{ROOT}/names/").headers["Allow"]


def test_every_error_on_purpose_has_its_answer() -> None:
    """`ConfigError` and `PluginError` are for the start and the command line."""
    told = {kind for kind, _ in TABLE}
    family = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.OrbitalError)
    }
    never = {errors.OrbitalError, errors.ConfigError, errors.PluginError}
    assert {kind for kind in family - never if not any(issubclass(kind, known) for known in told)} == set()


@pytest.mark.parametrize(("kind", "status"), TABLE, ids=lambda value: getattr(value, "__name__", str(value)))
def test_an_error_has_the_status_of_the_table(
    kind: type[Exception], status: int, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = raising(site, kind("what was wrong"), monkeypatch)
    assert (answer.status_code, answer.text) == (status, "what was wrong\n")


def test_gone_is_410(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert raising(site, errors.Gone("no more"), monkeypatch).status == "410 no more"


def test_busy_says_when_to_come_back(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = raising(site, errors.Busy("later"), monkeypatch)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("wished", "told"), [(None, None), (0.0, "1"), (0.2, "1"), (5.0, "5"), (5.2, "6"), (86_400.0, "60")]
)
def test_when_to_ask_an_upstream_again_is_passed_on(
    wished: float | None, told: str | None, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = raising(site, errors.UpstreamFailed("later", wished), monkeypatch)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (502, told)


def test_the_words_for_everybody_are_shown_and_all_are_logged(
    site: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answer = raising(site, errors.UpstreamFailed("http://inner failed", public="it failed"), monkeypatch)
    assert (answer.status, answer.text) == ("502 it failed", "it failed\n")
    assert "http://inner failed" in caplog.text


def test_what_nobody_meant_to_raise_is_logged_and_not_shown(
    site: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answer = raising(site, RuntimeError("secret detail"), monkeypatch)
    assert (answer.status_code, answer.text) == (500, "the server failed; its log says why\n")
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("two\r\nlines: x", "two lines: x"),
        ("ümläut", "?ml?ut"),
        ("a\x00b\x7f", "a?b?"),
        ("tab\tand   spaces ", "tab and spaces"),
    ],
)
def test_a_reason_is_one_line_of_printable_ascii(text: str, line: str) -> None:
    assert one_line(text) == line


def test_a_reason_is_not_too_long_and_the_body_has_it_whole(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = raising(site, errors.UploadRefused("x" * 1000), monkeypatch)
    assert len(answer.status) == len("400 ") + REASON_LENGTH
    assert answer.text == "x" * 1000 + "\n"


def test_a_name_with_a_line_break_splits_no_header(site: Any) -> None:
    answer = site.request("POST", f"{ROOT}/put/x%0d%0aSet-Cookie:%20a=b@1.toy", body=b"x")
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers
    assert "\n" not in answer.status


def test_a_reason_with_odd_characters_is_whole_in_the_json(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = raising(site, errors.UploadRefused('ü "quoted"'), monkeypatch, headers=PROBLEM)
    assert json.loads(answer.content)["detail"] == r'\xfc "quoted"'


@pytest.fixture
def stocked(site: Any) -> Any:
    site.put("ball@1.toy", b"bytes")
    site.put("Kite@1.toy", b"Kite")
    return site


def followed(site: Any, path: str) -> Any:
    """The answer after every redirect."""
    for _ in range(5):
        answer = site.get(path)
        if answer.status_code != 301:
            return answer
        path = resolved(path, answer.headers["Location"])
    raise AssertionError("too many redirects")


def resolved(base: str, location: str) -> str:
    """RFC 3986, section 5.2, to the letter: an empty segment is one, too."""
    segments = base.split("/")[:-1]
    for part in location.split("/"):
        if part == "..":
            segments.pop()
        elif part != ".":
            segments.append(part)
    return "/".join(segments)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/names", "./names/"),
        ("/of/ball", "./ball/"),
        ("/of/Ball", "./Ball/"),
        ("/of/Ball/", "../ball/"),
        ("/get/BALL/ball@1.toy", "../ball/ball@1.toy"),
        ("/get/Kite/Kite@1.toy", "../kite/Kite@1.toy"),
        ("/of/BALL/?a=b&c", "../ball/?a=b&c"),
        ("/names?x=1", "./names/?x=1"),
    ],
)
def test_an_address_that_is_not_the_normal_one_is_sent_there(path: str, location: str, stocked: Any) -> None:
    path, _, query = path.partition("?")
    answer = stocked.request("GET", ROOT + path, query_string=query)
    assert (answer.status_code, answer.headers["Location"]) == (301, location)


@pytest.mark.parametrize("path", ["/of/Ball", "/of/BALL/", "/names", "/get/BALL/ball@1.toy", "/get/KITE/Kite@1.toy"])
def test_a_redirect_ends_at_the_page(path: str, stocked: Any) -> None:
    assert followed(stocked, ROOT + path).status_code == 200


def test_head_is_redirected_like_get(stocked: Any) -> None:
    answer = stocked.request("HEAD", f"{ROOT}/of/Ball/")
    assert (answer.status_code, answer.headers["Location"], answer.content) == (301, "../ball/", b"")


def test_a_redirect_is_not_kept(stocked: Any) -> None:
    assert stocked.get(f"{ROOT}/of/Ball/").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/names", "/of/ball", "/of/Ball/"])
def test_a_post_is_never_redirected(path: str, stocked: Any) -> None:
    assert stocked.request("POST", ROOT + path).status_code == 405


@pytest.mark.parametrize("path", ["/of/Ball/", "/names", "/of/ball"])
def test_a_redirect_needs_the_right_as_well(path: str, stocked: Any) -> None:
    assert stocked.get(ROOT + path, None).status_code == 401
    assert stocked.get(ROOT + path, stocked.token("other:read", name="stranger")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "//toy/acme/toys/names/",
        "/toy//acme///toys/names/",
        "/toy/acme/toys//of//ball/",
        "/toy/acme/toys/of/ball//",
        "/toy/acme/toys/get//ball/ball@1.toy",
    ],
)
def test_several_slashes_are_one(path: str, stocked: Any) -> None:
    assert stocked.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/toy//acme/toys//of//Ball/", "/toy/acme/toys//of//Ball", "/toy/acme/toys/of/Ball//"])
def test_several_slashes_and_a_redirect_end_at_the_page(path: str, stocked: Any) -> None:
    assert followed(stocked, path).status_code == 200


def test_several_slashes_in_an_upload_are_one(site: Any) -> None:
    assert site.put("ball@1.toy", to="/toy//acme/toys/").text == "made\n"


def test_an_address_of_another_format_is_none(site: Any) -> None:
    assert site.get("/klingon/acme/toys/names/").status_code == 404

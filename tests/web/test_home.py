"""The page for a person with a browser, and the probes for a machine."""

from collections.abc import Callable
from typing import Any

import pytest

from orbitalreg import staging
from orbitalreg.errors import StorageFailed
from orbitalreg.tokens import mint


def test_the_page_says_what_this_is_and_how_to_use_it(site: Any) -> None:
    answer = site.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "OrbitalReg" in answer.text
    assert "curl --data-binary @ball@1.toy http://falconframework.org/toy/acme/toys/put/ball@1.toy" in answer.text


KINDS = """
[projects.kinds.repositories.own]
format = "toy"
kind = "local"

[projects.kinds.repositories.outside]
format = "toy"
kind = "remote"
upstream = "http://127.0.0.1:9/toy/acme/toys"

[projects.kinds.repositories.all]
format = "toy"
kind = "virtual"
members = ["own", "outside"]

[projects.kinds.repositories.both-ways]
format = "toy"
kind = "virtual"
members = ["own", "outside"]
upload_to = "own"
"""


@pytest.mark.parametrize(
    ("repository", "kind", "publishes"),
    [("own", "local", True), ("outside", "remote", False), ("all", "virtual", False), ("both-ways", "virtual", True)],
)
def test_only_what_takes_uploads_shows_how_to_publish(
    repository: str, kind: str, publishes: bool, make_site: Callable[..., Any]
) -> None:
    site = make_site(KINDS)
    page = site.get("/", site.token(f"kinds/{repository}:read")).text
    assert f"<p class=note>{kind} repository, format toy</p>" in page
    assert (f"/toy/kinds/{repository}/put/" in page) is publishes
    assert f"/toy/kinds/{repository}/of/ball/" in page


@pytest.mark.parametrize(
    ("grants", "seen"),
    [
        (None, {"acme/open"}),
        (["acme:read"], {"acme/toys", "acme/open", "acme/again"}),
        (["acme/again/x:read"], {"acme/again", "acme/open"}),
        (["other:read"], {"other/toys", "acme/open"}),
    ],
)
def test_only_readable_repositories_are_listed(grants: list[str] | None, seen: set[str], site: Any) -> None:
    page = site.get("/", site.token(*grants) if grants else None).text
    everything = ("acme/toys", "acme/open", "acme/again", "other/toys")
    assert {address for address in everything if f"<h2>{address}</h2>" in page} == seen


def test_one_who_may_see_nothing_is_told_so(make_site: Callable[..., Any], tmp_path: Any) -> None:
    site = make_site()
    site.registry.repositories.pop(site.repository("acme/open").address)
    assert "There is no repository here that you may see" in site.get("/", None).text


def test_the_anonymous_are_offered_to_sign_in(site: Any) -> None:
    assert '<a href="?sign-in=1">' in site.get("/", None).text
    assert "sign-in" not in site.get("/").text


def test_signing_in_asks_for_credentials(site: Any) -> None:
    answer = site.request("GET", "/", None, query_string="sign-in=1")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert site.request("GET", "/", query_string="sign-in=1").status_code == 200


def test_the_page_is_escaped(make_site: Callable[..., Any]) -> None:
    site = make_site('[server]\ntrusted_proxies = ["127.0.0.1"]\n')
    page = site.request("GET", "/", headers={"X-Forwarded-Host": "<script>alert(1)</script>"}).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_page_allows_no_script_and_is_not_kept(site: Any) -> None:
    headers = site.get("/").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_head_is_answered_without_a_body(path: str, site: Any) -> None:
    answer = site.request("HEAD", path, None)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(("path", "word"), [("/healthz", "ok\n"), ("/readyz", "ready\n")])
def test_a_probe_answers_with_a_word_that_is_not_kept(path: str, word: str, site: Any) -> None:
    answer = site.get(path, None)
    assert (answer.status_code, answer.text, answer.headers["Cache-Control"]) == (200, word, "no-store")


@pytest.mark.parametrize(
    "authorization",
    ["Bearer wrong", "Basic !", "Digest x", f"Bearer {mint('service').text}"],
    ids=["no token", "no base64", "no scheme of ours", "a token that is not known"],
)
def test_a_probe_does_not_look_at_credentials(authorization: str, site: Any) -> None:
    for path in ("/healthz", "/readyz"):
        assert site.get(path, None, Authorization=authorization).status_code == 200
    assert site.get("/", None, Authorization=authorization).status_code == 401


def test_not_ready_where_the_disk_is_too_full(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(site.registry.store), "free_bytes", lambda self: staging.RESERVE - 1)
    assert site.get("/readyz", None).status_code == 507
    assert site.get("/healthz", None).status_code == 200


def test_not_ready_where_the_catalog_cannot_be_read(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> None:
        raise StorageFailed("the catalog cannot be read: broken")

    monkeypatch.setattr(type(site.registry.catalog), "check", fail)
    answer = site.get("/readyz", None)
    assert (answer.status_code, answer.text) == (500, "the catalog cannot be read: broken\n")
    assert site.get("/healthz", None).status_code == 200

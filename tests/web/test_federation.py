"""A virtual repository over a local one and a remote of another server, on real sockets: what is offered, what not."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.errors import NotFound
from orbitalreg.model import Address, now
from orbitalreg.sources.explaining import explain

DAY = 86_400_000_000
ALL = "/toy/acme/all"

MORE = """
[projects.acme]
private_names = ["secret-*"]

[projects.acme.repositories.public]
format = "toy"
kind = "remote"
upstream = "{url}/toy/acme/open"
listing_ttl = "0s"
negative_ttl = "0s"
{rules}

[projects.acme.repositories.all]
format = "toy"
kind = "virtual"
members = ["toys", "public"]

[projects.acme.repositories.all-again]
format = "toy"
kind = "virtual"
members = ["all"]

[projects.acme.repositories.plain]
format = "toy"
kind = "virtual"
members = ["toys", "public"]
guard = false
"""


class Outside:
    """The other server: what it offers, and what it was asked for."""

    def __init__(self, site: Any, server: Any) -> None:
        self._site, self._server = site, server
        self.url = server.url

    def put(self, filename: str, body: bytes = b"from outside") -> None:
        assert self._site.put(filename, body, to="/toy/acme/open").status_code == 200

    def asked(self) -> list[str]:
        """The paths of all requests so far."""
        lines = [json.loads(line) for line in self._server.stderr.splitlines() if line.startswith("{")]
        return [line["path"] for line in lines if "path" in line]

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture
def outside(make_site: Callable[..., Any], serve: Callable[..., Any], tmp_path: Path) -> Outside:
    folder = tmp_path / "outside"
    return Outside(make_site(folder=folder), serve("--config", str(folder / "orbitalreg.toml")))


@pytest.fixture
def inside(make_site: Callable[..., Any], outside: Outside, tmp_path: Path) -> Callable[..., Any]:
    def make(rules: str = "") -> Any:
        return make_site(MORE.format(url=outside.url, rules=rules), folder=tmp_path / "inside")

    return make


def page(site: Any, package: str, repository: str = ALL) -> list[str]:
    answer = site.get(f"{repository}/of/{package}/")
    return sorted(answer.json) if answer.status_code == 200 else [answer.status]


def explained(site: Any, package: str) -> Any:
    return explain(site.registry.sources.governed[Address.parse("acme/all")], package)


def test_whatever_the_page_offers_can_be_fetched_through_it(inside: Callable[..., Any], outside: Outside) -> None:
    site = inside()
    outside.put("ball@1.toy", b"needs: drum\nouter")
    site.put("kite@1.toy", b"needs: wind\ninner")
    assert page(site, "ball") == ["ball@1.toy"]
    assert site.get(f"{ALL}/get/ball/ball@1.toy").content == b"needs: drum\nouter"
    assert site.get(f"{ALL}/get/ball/ball@1.toy.head").content == b"needs: drum"
    assert site.get(f"{ALL}/get/kite/kite@1.toy").content == b"needs: wind\ninner"
    assert site.get(f"{ALL}/names/").text == "ball\nkite\n"


def test_a_public_version_of_a_private_name_is_never_offered_and_never_asked_for(
    inside: Callable[..., Any], outside: Outside
) -> None:
    site = inside()
    for name in ("secret-plan", "secret-other"):
        outside.put(f"{name}@99.toy")
    site.put("secret-plan@1.toy", b"ours")
    assert page(site, "secret-plan") == ["secret-plan@1.toy"]
    for path in ("of/secret-other/", "get/secret-other/secret-other@99.toy", "get/secret-plan/secret-plan@99.toy"):
        assert site.get(f"{ALL}/{path}").status_code == 404
        assert site.get(f"{ALL}/{path}.head").status_code == 404
    assert "secret-other" not in site.get(f"{ALL}/names/").text
    assert explained(site, "secret-other").members[1].answer == "not asked"
    time.sleep(0.2)
    assert [path for path in outside.asked() if "secret" in path] == []
    assert any(path.endswith("/names/") for path in outside.asked())  # the log is one


def test_a_name_held_here_is_ours_from_the_next_request_on(inside: Callable[..., Any], outside: Outside) -> None:
    site = inside()
    outside.put("ball@99.toy")
    assert page(site, "ball") == ["ball@99.toy"]
    assert site.put("ball@1.toy", token=site.token("acme/toys:publish")).status_code == 403
    site.put("ball@1.toy")
    assert page(site, "ball") == ["ball@1.toy"]
    assert site.get(f"{ALL}/get/ball/ball@99.toy").status_code == 404
    assert page(site, "ball", "/toy/acme/plain") == ["ball@1.toy", "ball@99.toy"]
    told = explained(site, "ball")
    assert [(one.version, one.provided_by) for one in told.versions] == [("1", "acme/toys"), ("99", None)]
    site.registry.curator.delete(site.repository(), "ball", "1", None, site.actor)
    assert page(site, "ball")[0].startswith("404 ")
    site.registry.curator.release_name(site.repository(), "ball", site.actor)
    assert page(site, "ball") == ["ball@99.toy"]


REVALIDATED = "private, max-age=0, must-revalidate"


@pytest.mark.parametrize("suffix", ["", ".head"])
def test_a_file_that_may_be_another_later_is_asked_for_again(
    suffix: str, inside: Callable[..., Any], outside: Outside
) -> None:
    """Its name may move to a local member, and an upstream may offer other bytes under it."""
    site = inside()
    outside.put("ball@1.toy", b"needs: theirs\nouter")
    path = f"/get/ball/ball@1.toy{suffix}"
    known = {}
    for repository in ("/toy/acme/public", ALL, f"{ALL}-again"):
        assert page(site, "ball", repository) == ["ball@1.toy"]
        assert b"theirs" in site.get(repository + path).content
        answer = site.get(repository + path)
        assert answer.headers["Cache-Control"] == REVALIDATED
        known[repository] = answer.headers["ETag"]
        assert site.get(repository + path, If_None_Match=known[repository]).status_code == 304
    site.put("ball@1.toy", b"needs: ours\ninner")
    for repository in (ALL, f"{ALL}-again"):
        answer = site.get(repository + path, If_None_Match=known[repository])
        assert (answer.status_code, b"ours" in answer.content) == (200, True)
        assert answer.headers["Cache-Control"] == REVALIDATED
    assert site.get("/toy/acme/toys" + path).headers["Cache-Control"] == "private, max-age=31536000, immutable"


def test_a_member_that_cannot_be_asked_fails_the_page_and_is_named(
    inside: Callable[..., Any], outside: Outside
) -> None:
    site = inside()
    site.put("ball@1.toy")
    outside.stop()
    assert page(site, "ball") == ["ball@1.toy"]
    answer = site.get("/toy/acme/plain/of/ball/")
    assert answer.status.startswith("502 acme/public")


def test_a_young_file_opens_by_an_exception_in_every_process(inside: Callable[..., Any], outside: Outside) -> None:
    outside.put("ball@1.toy", b"needs: drum\nouter")
    site, other = (inside('min_age = "7d"\nmin_age_except = ["kite"]') for _ in range(2))
    for one in (site, other):
        assert page(one, "ball") == []
        for path in ("get/ball/ball@1.toy", "get/ball/ball@1.toy.head"):
            for repository in ("all", "public"):
                answer = one.get(f"/toy/acme/{repository}/{path}")
                assert answer.status.startswith("403 ball@1.toy is withheld by acme/public: younger than 7d; opens 20")
    public = site.repository("acme/public")
    site.registry.curator.allow(public, "ball", "1", now() + DAY, "a fix", site.actor)
    for one in (other, site):
        assert page(one, "ball") == ["ball@1.toy"]
        assert one.get(f"{ALL}/get/ball/ball@1.toy").content == b"needs: drum\nouter"
        assert one.get(f"{ALL}/get/ball/ball@1.toy.head").content == b"needs: drum"


def test_a_denied_package_has_no_files_anywhere(inside: Callable[..., Any], outside: Outside) -> None:
    outside.put("ball@1.toy")
    outside.put("kite@1.toy")
    site = inside('deny = ["ball"]')
    assert page(site, "ball", "/toy/acme/public") == page(site, "ball") == []
    assert site.get("/toy/acme/public/names/").text == "kite\n"
    assert site.get("/toy/acme/public/get/ball/ball@1.toy").status == (
        "403 ball@1.toy is withheld by acme/public: its name matches deny"
    )
    with pytest.raises(NotFound):
        explained(site, "drum")

"""With `listing_ttl = "0s"`, one request asks each upstream once, whatever comes of it."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from scripted_upstream import Behaviour, ScriptedUpstream, file, reply, status

MORE = """
[projects.acme.repositories.mirror]
format = "toy"
kind = "remote"
upstream = "{url}"
listing_ttl = "0s"
negative_ttl = "0s"

[projects.acme.repositories.all]
format = "toy"
kind = "virtual"
members = ["toys", "mirror"]
guard = false
tolerate_failures = true
"""

PAGE = json.dumps({"ball@1.toy": [None, None, {}]}).encode()
BALL = b"needs: wind\nball"


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream({"/toys/of/ball/": file(PAGE, etag='"1"')}) as server:
        yield server


@pytest.fixture
def site(make_site: Callable[..., Any], upstream: ScriptedUpstream) -> Any:
    site = make_site(MORE.format(url=upstream.url("/toys")))
    site.put("ball@2.toy")
    return site


@pytest.mark.parametrize("repository", ["mirror", "all"])
@pytest.mark.parametrize("before", [False, True], ids=["new", "known"])
@pytest.mark.parametrize(
    "behaviour",
    [file(PAGE, etag='"1"'), file(b"{}"), status(404), status(500), reply(b"nonsense")],
    ids=["same", "changed", "gone", "failing", "nonsense"],
)
def test_a_page_asks_once(
    behaviour: Behaviour, before: bool, repository: str, site: Any, upstream: ScriptedUpstream
) -> None:
    if before:
        site.get(f"/toy/acme/{repository}/of/ball/")
    upstream.table["/toys/of/ball/"] = behaviour
    for number in (1, 2):
        upstream.requests.clear()
        answer = site.get(f"/toy/acme/{repository}/of/ball/")
        assert upstream.paths() == ["/toys/of/ball/"], f"request {number}: {answer.status}"


@pytest.mark.parametrize("behaviour", [reply(b"ball\n", headers={"Content-Type": "text/plain"}), status(500)])
def test_a_list_of_names_asks_once(behaviour: Behaviour, site: Any, upstream: ScriptedUpstream) -> None:
    upstream.table["/toys/names/"] = behaviour
    for repository in ("mirror", "all"):
        upstream.requests.clear()
        site.get(f"/toy/acme/{repository}/names/")
        assert upstream.paths() == ["/toys/names/"]


def test_a_file_and_its_document_ask_for_the_page_once(site: Any, upstream: ScriptedUpstream) -> None:
    upstream.table["/toys/get/ball/ball%401.toy"] = reply(BALL)
    upstream.table["/toys/get/ball/ball%401.toy.head"] = reply(b"needs: wind")
    for place, body in (("ball@1.toy.head", b"needs: wind"), ("ball@1.toy", BALL)):
        upstream.requests.clear()
        assert site.get(f"/toy/acme/all/get/ball/{place}").content == body
        assert upstream.paths().count("/toys/of/ball/") == 1
        assert upstream.paths().count(f"/toys/get/ball/{quote(place)}") <= 1


def test_an_explanation_asks_once(site: Any, upstream: ScriptedUpstream) -> None:
    for behaviour in (status(500), file(PAGE)):
        upstream.table["/toys/of/ball/"] = behaviour
        upstream.requests.clear()
        assert site.get("/api/v1/projects/acme/repositories/all/packages/ball/explanation").status_code == 200
        assert upstream.paths() == ["/toys/of/ball/"]

"""What a reader is told of an upstream that fails: which member, and in what way; its address is for who runs it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_upstream import Behaviour, ScriptedUpstream, file, redirect, reply, reset, stall, status

MORE = """
[projects.acme.repositories.mirror]
format = "toy"
kind = "remote"
upstream = "{url}"
listing_ttl = "0s"
page_timeout = "1s"

[projects.acme.repositories.all]
format = "toy"
kind = "virtual"
members = ["toys", "mirror"]

[projects.acme.repositories.tolerant]
format = "toy"
kind = "virtual"
members = ["toys", "mirror"]
guard = false
tolerate_failures = true
"""

PAGE = json.dumps({"ball@1.toy": [None, None, {}]}).encode()

WAYS: dict[str, tuple[Behaviour, str]] = {
    "down": (reset(), "the upstream broke off"),
    "slow": (stall(), "the upstream did not answer in time"),
    "failing": (status(500), "the upstream answered 500"),
    "refusing": (status(401), "the upstream refused"),
    "forbidding": (status(403), "the upstream refused"),
    "overloaded": (status(503), "the upstream asks to be left alone for a while (503)"),
    "nonsense": (reply(b"{"), "what came is no page of toys"),
    "leading inwards": (redirect("http://127.0.0.2:9/x"), "the upstream may not be asked"),
    "leading nowhere": (redirect("http://user:secret@inner.example:9/"), "the upstream names what cannot be asked for"),
}


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def site(make_site: Callable[..., Any], upstream: ScriptedUpstream) -> Any:
    return make_site(MORE.format(url=upstream.url("/toys")))


def names_nobody(text: str, upstream: ScriptedUpstream) -> bool:
    return not any(word in text for word in ("127.0.0.", upstream.origin, "inner.example", "401", "403", "redential"))


@pytest.mark.parametrize("way", WAYS)
def test_a_reader_learns_which_member_failed_and_how(
    way: str, site: Any, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    behaviour, words = WAYS[way]
    upstream.table["/toys/of/ball/"] = behaviour
    for repository in ("mirror", "all"):
        answer = site.get(f"/toy/acme/{repository}/of/ball/")
        said = answer.status + answer.text
        assert answer.status.startswith("502 acme/mirror") and words in answer.text
        assert names_nobody(said, upstream), said
    assert way in ("nonsense", "leading inwards") or upstream.origin in caplog.text
    assert way != "leading inwards" or "http://127.0.0.2:9" in caplog.text


@pytest.mark.parametrize("way", WAYS)
def test_so_does_who_is_shown_the_last_good_page(
    way: str, site: Any, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    behaviour, words = WAYS[way]
    upstream.table["/toys/of/ball/"] = file(PAGE)
    assert list(site.get("/toy/acme/all/of/ball/").json) == ["ball@1.toy"]
    upstream.table["/toys/of/ball/"] = behaviour
    for repository in ("mirror", "all"):
        answer = site.get(f"/toy/acme/{repository}/of/ball/")
        said = answer.headers["X-OrbitalReg-Stale"]
        assert answer.status_code == 200 and said.startswith("acme/mirror") and words in said
        assert names_nobody(said, upstream), said
    assert way in ("nonsense", "leading inwards") or upstream.origin in caplog.text
    assert way != "leading inwards" or "http://127.0.0.2:9" in caplog.text


def test_when_the_upstream_wants_to_be_asked_again_is_passed_on(site: Any, upstream: ScriptedUpstream) -> None:
    upstream.table["/toys/of/ball/"] = status(503, {"Retry-After": "7"})
    for repository in ("mirror", "all"):
        answer = site.get(f"/toy/acme/{repository}/of/ball/")
        assert (answer.status_code, answer.headers["Retry-After"]) == (502, "7")


def test_so_does_who_is_shown_a_page_without_a_member(site: Any, upstream: ScriptedUpstream) -> None:
    site.put("ball@1.toy")
    upstream.table["/toys/of/ball/"] = status(401)
    answer = site.get("/toy/acme/tolerant/of/ball/")
    assert answer.headers["X-OrbitalReg-Stale"] == "acme/mirror: the upstream refused"


def test_so_does_who_asks_for_a_file_or_a_document(
    site: Any, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.table["/toys/of/ball/"] = file(PAGE)
    upstream.table["*"] = status(401)
    for place in ("ball@1.toy", "ball@1.toy.head"):
        answer = site.get(f"/toy/acme/all/get/ball/{place}")
        said = answer.status + answer.text
        assert answer.status.startswith("502 acme/mirror: ball@1.toy: the upstream refused")
        assert names_nobody(said, upstream), said
    assert upstream.origin in caplog.text


@pytest.mark.parametrize(("right", "in_full"), [("read", False), ("maintain", False), ("admin", True)])
def test_an_explanation_has_the_address_for_admins_alone(
    right: str, in_full: bool, site: Any, upstream: ScriptedUpstream
) -> None:
    site.put("ball@1.toy")
    upstream.table["*"] = status(401)
    address = "/api/v1/projects/acme/repositories/all/packages/ball/explanation"
    answer = site.get(address, token=site.token(f"acme/all:{right}", f"acme/mirror:{right}"))
    told = answer.json["members"][1]
    assert told["answer"] == "failed" and told["repository"] == "acme/mirror"
    assert (upstream.origin in answer.text) is in_full
    assert ("401" in told["detail"]) is in_full and "acme/mirror: the upstream" in told["detail"]


def test_who_runs_the_server_reads_it_in_full(
    configured: Path, cli: Callable[..., Any], upstream: ScriptedUpstream
) -> None:
    upstream.table["*"] = status(401)
    with configured.open("a") as config:
        config.write(MORE.format(url=upstream.url("/toys")))
    shown = cli("explain", "acme/all/ball", "--config", str(configured))
    assert upstream.origin in shown.output and "(401)" in shown.output

"""Publishing beside remote repositories: the first upload of a public name, and uploads to a virtual address."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Semaphore
from typing import Any

import pytest
from fake_sources import FakeSource, guard, remote, virtual

from orbitalreg.sources.siblings import Siblings

MORE = """
[projects.acme]
private_names = ["secret-*"]

[projects.acme.repositories.public]
format = "toy"
kind = "remote"
upstream = "http://127.0.0.1:9/toy/acme/toys"
offline = true

[projects.acme.repositories.all]
format = "toy"
kind = "virtual"
members = ["toys", "public"]
upload_to = "toys"

[projects.acme.repositories.everything]
format = "toy"
kind = "virtual"
members = ["all"]
upload_to = "all"

[projects.acme.repositories.shown]
format = "toy"
kind = "virtual"
members = ["toys"]
anonymous_read = true
"""


@pytest.fixture
def site(make_site: Callable[..., Any]) -> Any:
    return make_site(MORE)


@pytest.fixture
def public() -> FakeSource:
    """Serves ball, kite and secret-plan."""
    source = remote("public")
    for name in ("ball", "kite", "secret-plan"):
        source.put(name, "99.0")
    return source


@pytest.fixture
def beside(site: Any, public: FakeSource) -> Callable[..., Any]:
    """A site whose local repository is a member beside `public`, with what `guard` takes."""

    def make(**guarded_by: Any) -> Any:
        ours = site.registry.source(site.repository())
        siblings = Siblings([virtual(ours, public, guarded_by=guard(**guarded_by))])
        return type(site)(replace(site.registry, desk=replace(site.registry.desk, watch=siblings)))

    return make


def audited(site: Any) -> list[Any]:
    rows = site.registry.catalog.read().execute("SELECT detail FROM audit_entry WHERE action = 'file.publish'")
    return [json.loads(row[0]) for row in rows]


# The first upload of a name


def test_the_first_upload_of_a_public_name_needs_maintain(beside: Callable[..., Any]) -> None:
    site = beside()
    robot = site.token("acme/toys:publish")
    answer = site.put("ball@1.toy", token=robot)
    assert answer.status == (
        "403 acme/public serves ball, and its first upload to acme/toys would hide that; it needs the right to maintain"
    )
    assert (site.count("file"), site.count("package"), site.blobs()) == (0, 0, [])
    assert site.put("ball@1.toy").status_code == 200
    assert site.put("ball@2.toy", b"second", token=robot).status_code == 200


def test_maintain_on_the_name_alone_is_enough(beside: Callable[..., Any]) -> None:
    site = beside()
    robot = site.token("acme/toys/ball:maintain", "acme/toys:publish")
    assert site.put("ball@1.toy", token=robot).status_code == 200
    assert site.put("kite@1.toy", token=robot).status_code == 403


def test_a_name_that_no_sibling_serves_needs_no_more_than_publish(
    beside: Callable[..., Any], public: FakeSource
) -> None:
    site = beside()
    assert site.put("drum@1.toy", token=site.token("acme/toys:publish")).status_code == 200
    assert public.asked == ["drum"]
    assert "unasked" not in audited(site)[0]


def test_a_name_that_is_here_already_is_not_asked_about(beside: Callable[..., Any], public: FakeSource) -> None:
    site = beside()
    site.put("ball@1.toy")
    site.registry.curator.delete(site.repository(), "ball", "1", None, site.actor)
    public.asked.clear()
    assert site.put("ball@2.toy", b"x", token=site.token("acme/toys:publish")).status_code == 200
    assert public.asked == []


def test_a_private_name_is_never_asked_about(beside: Callable[..., Any], public: FakeSource) -> None:
    site = beside(private=["secret-*"])
    assert site.put("secret-plan@1.toy", token=site.token("acme/toys:publish")).status_code == 200
    assert public.asked == []


@pytest.mark.parametrize("lifted_by", [{"enabled": False}, {"lifted": ["ball"]}])
def test_where_the_guard_is_lifted_nothing_is_hidden(beside: Callable[..., Any], lifted_by: Any) -> None:
    site = beside(**lifted_by)
    assert site.put("ball@1.toy", token=site.token("acme/toys:publish")).status_code == 200


def test_where_a_sibling_cannot_be_asked_publish_is_enough_and_the_audit_log_says_so(
    beside: Callable[..., Any], public: FakeSource
) -> None:
    site = beside()
    public.failing = "no answer"
    assert site.put("ball@1.toy", token=site.token("acme/toys:publish")).status_code == 200
    assert audited(site)[0]["unasked"] == ["acme/public: no answer"]


@pytest.mark.parametrize("unreachable", ["no look-up ends", "no connection ends"])
def test_where_the_outside_cannot_be_reached_an_upload_waits_a_second_and_little_more(
    unreachable: str, make_site: Callable[..., Any]
) -> None:
    site = make_site(MORE.replace("http://127.0.0.1:9/", "https://toys.example.com/").replace("offline = true", ""))
    ended, opener = Event(), site.registry.sources.client._opener

    def look_up(host: str, port: int) -> list[str]:
        if unreachable == "no look-up ends":
            ended.wait(30)
        return ["192.0.2.1"]

    def connect(address: str, port: int, seconds: float) -> Any:
        time.sleep(seconds)
        raise TimeoutError("no answer")

    opener._resolver, opener._connector = look_up, connect
    began = time.monotonic()
    answer = site.put("ball@1.toy", token=site.token("acme/toys:publish"))
    took = time.monotonic() - began
    ended.set()
    assert answer.status_code == 200, answer.text
    assert 0.9 < took < 2.5
    assert audited(site)[0]["unasked"][0].startswith("acme/public: ")


def test_what_is_cached_decides_where_a_sibling_cannot_be_asked(beside: Callable[..., Any], public: FakeSource) -> None:
    site = beside()
    public.stale = "no answer"
    assert site.put("ball@1.toy", token=site.token("acme/toys:publish")).status_code == 403


def test_a_repository_without_siblings_asks_nobody(beside: Callable[..., Any], public: FakeSource) -> None:
    site = beside()
    answer = site.put("ball@1.toy", token=site.token("acme/open:publish"), to="/toy/acme/open")
    assert (answer.status_code, public.asked) == (200, [])


def test_a_released_name_is_a_first_upload_again(beside: Callable[..., Any]) -> None:
    site = beside()
    site.put("ball@1.toy")
    site.registry.curator.delete(site.repository(), "ball", "1", None, site.actor)
    site.registry.curator.release_name(site.repository(), "ball", site.actor)
    assert site.put("ball@2.toy", b"x", token=site.token("acme/toys:publish")).status_code == 403
    assert "ball@1.toy was deleted here" in site.put("ball@1.toy", b"other").text


# Uploads to a virtual address


@pytest.mark.parametrize("address", ["all", "everything"])
def test_an_upload_to_a_virtual_address_lands_in_its_local_member(site: Any, address: str) -> None:
    assert site.put("ball@1.toy", to=f"/toy/acme/{address}").text == "made\n"
    assert list(site.page()) == ["ball@1.toy"]
    [row] = site.registry.catalog.read().execute("SELECT target FROM audit_entry WHERE action = 'file.publish'")
    assert row == ("acme/toys/ball==1",)
    assert site.get(f"/toy/acme/{address}/get/ball/ball@1.toy").content == b"a toy"


def test_the_rights_on_the_local_member_count(site: Any) -> None:
    on_virtual = site.token("acme/all:maintain")
    assert site.put("ball@1.toy", token=on_virtual, to="/toy/acme/all").status_code == 403
    assert site.put("ball@1.toy", token=site.token("acme/toys:read"), to="/toy/acme/all").status_code == 403
    assert site.put("ball@1.toy", token=None, to="/toy/acme/all").status_code == 401
    assert site.put("ball@1.toy", token="orl_wrong", to="/toy/acme/all").status_code == 401
    assert site.count("file") == 0
    assert site.put("ball@1.toy", token=site.token("acme/toys:publish"), to="/toy/acme/all").status_code == 200


def test_whose_right_is_missing_is_told_to_those_who_may_read_there(site: Any) -> None:
    on_virtual = site.put("ball@1.toy", token=site.token("acme/all:maintain"), to="/toy/acme/all")
    missing = "403 this token has no right to publish in"
    assert on_virtual.status == f"{missing} acme/toys, which takes the uploads to acme/all"
    for grant in ("other:maintain", "acme/everything:maintain"):
        assert site.put("ball@1.toy", token=site.token(grant), to="/toy/acme/all").status == f"{missing} acme/all"


@pytest.mark.parametrize(("address", "kind"), [("public", "remote"), ("shown", "virtual")])
def test_an_upload_to_where_nothing_is_taken_says_why(site: Any, address: str, kind: str) -> None:
    answer = site.put("ball@1.toy", to=f"/toy/acme/{address}")
    assert answer.status == f"403 acme/{address} is {kind} and takes no uploads; send them to a local repository"


def test_that_reason_is_for_those_alone_who_might_publish(site: Any) -> None:
    assert site.put("ball@1.toy", token=None, to="/toy/acme/public").status_code == 401
    stranger = site.put("ball@1.toy", token=site.token("other:maintain"), to="/toy/acme/public")
    assert stranger.status == "403 this token has no right to publish in acme/public"


def test_that_refusal_waits_for_no_place_and_for_no_body(site: Any) -> None:
    """The gate answers from the head; the resource, which would find no place, is not asked."""
    crowded = type(site)(replace(site.registry, desk=replace(site.registry.desk, places=Semaphore(0))))
    assert crowded.put("ball@1.toy", to="/toy/acme/public").status_code == 403
    assert crowded.put("ball@1.toy").status_code == 503

"""Who may do what: every right against every thing there is to do, over HTTP."""

import base64
from typing import Any

import pytest

from orbitalreg.assembly import Registry
from orbitalreg.errors import PluginError
from orbitalreg.interfaces import Route, TextReply
from orbitalreg.metrics import Metrics
from orbitalreg.model import Grant, Right, now
from orbitalreg.web.app import create_app
from orbitalreg.web.auth import Access
from orbitalreg.web.formats import mounts
from orbitalreg.web.pages import PageCache
from orbitalreg.web.replies import Presenter

PAGE = "/toy/acme/toys/of/ball/"
FILE = "/toy/acme/toys/get/ball/ball@1.toy"
NAMES = "/toy/acme/toys/names/"


@pytest.fixture
def stocked(site: Any) -> Any:
    for name in ("ball", "kite"):
        assert site.put(f"{name}@1.toy").status_code == 200
    return site


@pytest.fixture
def tokens(stocked: Any) -> dict[str, str | None]:
    expired = stocked.token("acme:admin", name="expired", expires_at=now() - 1)
    revoked = stocked.token("acme:admin", name="revoked")
    stocked.registry.accounts.revoke("revoked", stocked.actor)
    return {
        "nobody": None,
        "nonsense": "orbsa_nonsense",
        "expired": expired,
        "revoked": revoked,
        "read": stocked.token("acme:read", name="reader"),
        "publish": stocked.token("acme:publish", name="builder"),
        "maintain": stocked.token("acme:maintain", name="keeper"),
        "admin": stocked.token("acme:admin", name="chief"),
        "repository": stocked.token("acme/toys:publish", name="one-repository"),
        "other repository": stocked.token("acme/open:publish", name="other-repository"),
        "other project": stocked.token("other:admin", name="stranger"),
        "ball": stocked.token("acme/toys/ball:publish", name="ball-maker"),
        "b*": stocked.token("acme/toys/b*:read", name="b-reader"),
        "kite": stocked.token("acme/toys/kite:publish", name="kite-maker"),
    }


# who: package page, file, names list, upload of ball
MATRIX = {
    "nobody": (401, 401, 401, 401),
    "nonsense": (401, 401, 401, 401),
    "expired": (401, 401, 401, 401),
    "revoked": (401, 401, 401, 401),
    "read": (200, 200, 200, 403),
    "publish": (200, 200, 200, 200),
    "maintain": (200, 200, 200, 200),
    "admin": (200, 200, 200, 200),
    "repository": (200, 200, 200, 200),
    "other repository": (404, 404, 404, 403),
    "other project": (404, 404, 404, 403),
    "ball": (200, 200, 200, 200),
    "b*": (200, 200, 200, 403),
    "kite": (404, 404, 200, 403),
}


@pytest.mark.parametrize("who", MATRIX)
def test_everybody_may_do_what_their_grants_say(who: str, stocked: Any, tokens: dict[str, str | None]) -> None:
    token = tokens[who]
    seen = (
        stocked.get(PAGE, token).status_code,
        stocked.get(FILE, token).status_code,
        stocked.get(NAMES, token).status_code,
        stocked.put("ball@2.toy", token=token).status_code,
    )
    assert seen == MATRIX[who]
    assert ("ball@2.toy" in stocked.page()) is (seen[3] == 200)


@pytest.mark.parametrize(
    ("who", "names"), [("read", "ball\nkite\n"), ("ball", "ball\n"), ("b*", "ball\n"), ("kite", "kite\n")]
)
def test_the_names_are_those_that_the_caller_may_read(
    who: str, names: str, stocked: Any, tokens: dict[str, str | None]
) -> None:
    assert stocked.get(NAMES, tokens[who]).text == names


def test_a_filtered_list_follows_a_change(stocked: Any, tokens: dict[str, str | None]) -> None:
    stocked.get(NAMES, tokens["b*"])
    stocked.put("bear@1.toy")
    assert stocked.get(NAMES, tokens["b*"]).text == "ball\nbear\n"


def test_lists_for_different_readers_have_different_tags(stocked: Any, tokens: dict[str, str | None]) -> None:
    assert stocked.get(NAMES).headers["ETag"] != stocked.get(NAMES, tokens["ball"]).headers["ETag"]


@pytest.mark.parametrize(("who", "status"), [("nobody", 401), ("read", 404), ("other project", 403), ("maintain", 404)])
def test_an_upload_to_no_repository_tells_strangers_nothing(
    who: str, status: int, stocked: Any, tokens: dict[str, str | None]
) -> None:
    assert stocked.put("ball@1.toy", token=tokens[who], to="/toy/acme/nowhere").status_code == status


@pytest.mark.parametrize("path", ["/toy/acme/nowhere/names/", "/toy/nobody/toys/of/ball/", "/toy/acme/toys/of/absent/"])
def test_what_is_not_there_looks_like_what_one_may_not_read(path: str, stocked: Any, tokens: Any) -> None:
    stranger = stocked.get(path, tokens["other project"])
    hidden = stocked.get(
        path.replace("nowhere", "toys").replace("nobody", "acme").replace("absent", "ball"), tokens["other project"]
    )
    assert (stranger.status_code, hidden.status_code) == (404, 404)
    assert stocked.get(path, None).status_code == 401


def test_the_refusal_of_a_right_names_it(stocked: Any, tokens: dict[str, str | None]) -> None:
    assert stocked.put("ball@2.toy", token=tokens["read"]).text == "this token has no right to publish in acme/toys\n"


def test_a_publisher_of_one_package_is_told_which_it_may_not(stocked: Any, tokens: dict[str, str | None]) -> None:
    answer = stocked.put("ball@2.toy", token=tokens["kite"])
    assert (answer.status_code, answer.text) == (403, "no right to publish ball in acme/toys\n")


def test_an_upload_without_the_right_leaves_nothing(stocked: Any, tokens: dict[str, str | None]) -> None:
    before = (stocked.blobs(), stocked.count("audit_entry WHERE outcome = 'done'"))
    stocked.put("ball@2.toy", b"new bytes", token=tokens["kite"])
    assert (stocked.blobs(), stocked.count("audit_entry WHERE outcome = 'done'")) == before
    assert stocked.staged() == []


@pytest.mark.parametrize("path", ["/names/", "/of/ball/", "/get/ball/ball@1.toy"])
def test_anybody_may_read_an_open_repository(path: str, site: Any) -> None:
    site.put("ball@1.toy", to="/toy/acme/open")
    assert site.get(f"/toy/acme/open{path}", None).status_code == 200


def test_nobody_writes_to_an_open_repository_without_a_token(site: Any) -> None:
    assert site.put("ball@1.toy", token=None, to="/toy/acme/open").status_code == 401


def test_a_bad_token_is_refused_in_an_open_repository_too(site: Any) -> None:
    site.put("ball@1.toy", to="/toy/acme/open")
    assert site.get("/toy/acme/open/names/", "orbsa_nonsense").status_code == 401


def test_a_401_says_how_to_sign_in(site: Any) -> None:
    assert site.get(NAMES, None).headers["WWW-Authenticate"] == 'Basic realm="OrbitalReg"'


@pytest.mark.parametrize(
    ("user", "status"), [("__token__", 200), ("robot", 200), ("", 401), ("somebody", 401), ("ROBOT", 401)]
)
def test_basic_takes_the_token_user_and_the_owner(user: str, status: int, stocked: Any) -> None:
    token = stocked.token("acme:read", name="robot")
    header = "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()
    assert stocked.get(PAGE, None, Authorization=header).status_code == status


def test_empty_credentials_are_none(site: Any) -> None:
    site.put("ball@1.toy", to="/toy/acme/open")
    empty = "Basic " + base64.b64encode(b":").decode()
    assert site.get("/toy/acme/open/names/", None, Authorization=empty).status_code == 200
    assert site.get(NAMES, None, Authorization=empty).status_code == 401


def test_a_right_taken_from_the_owner_is_gone_from_the_token(stocked: Any) -> None:
    token = stocked.token("acme:read", name="robot")
    assert stocked.get(PAGE, token).status_code == 200
    stocked.registry.accounts.revoke_grant("service:robot", Grant.parse("acme:read"), stocked.actor)
    assert stocked.get(PAGE, token).status_code == 404


def test_reading_with_a_token_counts_as_its_use(stocked: Any) -> None:
    token = stocked.token("acme:read", name="robot")
    stocked.get(FILE, token)
    stocked.registry.usage.flush()
    [row] = [row for row in stocked.registry.accounts.tokens() if row.name == "robot"]
    assert row.last_used_at is not None and 0 <= now() - row.last_used_at < 60_000_000


def routes(registry: Registry) -> list[tuple[str, Any]]:
    metrics = Metrics()
    presenter = Presenter(PageCache(), registry.usage, metrics)
    found = [(mount.template, mount.resource) for mount in mounts(registry, presenter, metrics)]
    assert len(found) > 4
    return found


def test_every_route_of_a_format_states_the_right_of_every_method(registry: Registry) -> None:
    for template, resource in routes(registry):
        methods = {name.removeprefix("on_").upper() for name in dir(resource) if name.startswith("on_")} - {"HEAD"}
        assert methods == set(resource.rights), template
        assert all(isinstance(right, Right) for right in resource.rights.values()), template


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_only_these_addresses_are_for_everybody(path: str, site: Any) -> None:
    assert site.get(path, None).status_code == 200


def test_no_route_of_a_format_is_for_everybody(registry: Registry) -> None:
    assert not any(Access.PUBLIC in resource.rights.values() for _, resource in routes(registry))


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (Route("GET", "/x", None, lambda request: TextReply("x")), "GET /x states no right"),  # type: ignore[arg-type]
        (Route("GET", "/x", Right.PUBLISH, lambda request: TextReply("x")), "GET reads, and nothing else does"),
        (Route("POST", "/x", Right.READ, lambda request: TextReply("x")), "GET reads, and nothing else does"),
    ],
)
def test_a_route_with_a_wrong_right_is_refused_at_the_start(
    route: Route, message: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(registry.formats["toy"]), "routes", lambda self: [route])
    with pytest.raises(PluginError, match=message):
        create_app(registry)

"""Tokens through the API: one's own, never more than the one in use, and rotated without a gap."""

import json
import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg import delegation, identity, model, tokens
from orbitalreg.catalog import accounts
from orbitalreg.errors import Unauthenticated
from orbitalreg.model import Address, Grant, Identity, Right, now
from orbitalreg.times import at, microseconds

from .conftest import ROOT, TOYS

TOKENS = f"{ROOT}/tokens"
HOUR = 3600 * 1_000_000


def token_id(text: str) -> str:
    return text.partition("_")[2][:8]


@pytest.fixture
def ann(site: Any) -> str:
    """A token of the user ann, who may more than it."""
    site.token("acme:maintain", "other:admin", name="laptop", user="ann")
    return str(site.token("acme:publish", name="ci", user="ann"))


def clock(monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    """Set every clock ahead by so many microseconds."""
    for module in (model, accounts, delegation, identity):
        monkeypatch.setattr(module, "now", lambda: now() + ahead)


def test_a_user_makes_lists_shows_and_revokes_tokens(site: Any, api: Any, ann: str) -> None:
    made = api("POST", TOKENS, {"name": "job", "grants": ["acme/toys:read"], "expires_in": 3600}, ann)
    assert made.status_code == 201
    told = made.json
    assert told["token"].startswith("orbpat_") and told["account"] == "user:ann"
    assert site.get(f"{TOYS}/packages", told["token"]).status_code == 200
    assert [item["name"] for item in api.get(TOKENS, ann)["items"]] == ["laptop", "ci", "job"]
    shown = api.get(f"{TOKENS}/{told['id']}", ann)
    assert shown == {key: value for key, value in told.items() if key != "token"}
    assert api("DELETE", f"{TOKENS}/{told['id']}", token=ann).json["state"] == "revoked"
    assert site.get(f"{TOYS}/packages", told["token"]).status_code == 401
    assert api("DELETE", f"{TOKENS}/{told['id']}", token=ann).json["state"] == "revoked"


def test_a_service_account_does_too(site: Any, api: Any) -> None:
    robot = site.token("acme:publish", name="robot")
    made = api("POST", TOKENS, {"name": "step", "grants": ["acme/toys/ball:publish"]}, robot).json
    assert made["token"].startswith("orbsa_") and made["account"] == "service:robot"


def test_no_secret_is_listed_or_kept(site: Any, api: Any, ann: str) -> None:
    made = api("POST", TOKENS, {"name": "job", "grants": ["acme/toys:read"]}, ann).json
    secret = made["token"].partition("_")[2][8:40]
    for path in (TOKENS, f"{TOKENS}/{made['id']}"):
        text = api("GET", path, token=ann).text
        assert secret not in text and "hash" not in text
    assert not [row for row in sqlite_text(site) if secret in row]


def sqlite_text(site: Any) -> list[str]:
    with sqlite3.connect(site.data / "catalog.sqlite3") as connection:
        rows = list(connection.iterdump())
    connection.close()
    return rows


@pytest.mark.parametrize("method", ["GET", "DELETE", "rotate"])
def test_the_tokens_of_others_are_not_there(method: str, site: Any, api: Any, ann: str) -> None:
    others = [token_id(site.token("acme:read", name="bob", user="bob")), token_id(site.publisher), "XXXXXXXX"]
    others.append(token_id(site.token("acme:read", name="ann")))  # a service account of the same name
    for other in others:
        path = f"{TOKENS}/{other}"
        answer = api("POST", f"{path}/rotate", {}, ann) if method == "rotate" else api(method, path, token=ann)
        assert answer.status_code == 404


WITHIN = [
    ("acme:publish", "acme:publish"),
    ("acme:publish", "acme:read"),
    ("acme:publish", "acme/toys:publish"),
    ("acme:publish", "acme/toys/b*:read"),
    ("acme/toys:publish", "acme/toys/b*:publish"),
    ("acme/toys/b*:publish", "acme/toys/b*:publish"),
    ("acme/toys/b*:publish", "acme/toys/ball:read"),
    ("acme/toys/b*:publish", "acme/toys/b?ll*:read"),
    ("acme/toys/b?ll:publish", "acme/toys/b?ll:read"),
]
BEYOND = [
    ("acme:publish", "acme:maintain"),
    ("acme:publish", "other:read"),
    ("acme/toys:publish", "acme:read"),
    ("acme/toys:publish", "acme/open:read"),
    ("acme/toys/b*:publish", "acme/toys:read"),
    ("acme/toys/b*:publish", "acme/toys/*:read"),
    ("acme/toys/b*:publish", "acme/toys/kite:read"),
    ("acme/toys/b?:publish", "acme/toys/b*:read"),
    ("acme/toys/b*:read", "acme/toys/ball:publish"),
]


@pytest.mark.parametrize(("held", "wanted"), WITHIN)
def test_a_token_makes_what_lies_within_it(held: str, wanted: str, site: Any, api: Any) -> None:
    maker = site.token(held, name="maker", user="ann")
    assert api("POST", TOKENS, {"name": "x", "grants": [wanted]}, maker).status_code == 201


@pytest.mark.parametrize(("held", "wanted"), BEYOND)
def test_a_token_cannot_make_a_stronger_one(held: str, wanted: str, site: Any, api: Any) -> None:
    site.token("acme:admin", "other:admin", name="strong", user="ann")  # what ann has does not count: the token does
    maker = site.token(held, name="maker", user="ann")
    for grants in ([wanted], [held, wanted]):
        answer = api("POST", TOKENS, {"name": "x", "grants": grants}, maker)
        assert (answer.status_code, answer.json["detail"].partition(" ")[0]) == (403, wanted)
    assert len(api.get(TOKENS, maker)["items"]) == 2


def test_what_was_taken_from_the_account_cannot_be_passed_on(site: Any, api: Any, ann: str) -> None:
    with site.registry.catalog.write() as db:
        db.execute("DELETE FROM account_grant WHERE target <> 'other:admin'")
    assert api("POST", TOKENS, {"name": "x", "grants": ["acme:read"]}, ann).status_code == 403


PATTERNS = st.text("ab*?-", min_size=1, max_size=6)


@given(PATTERNS, PATTERNS, st.text("ab-", max_size=8))
def test_a_pattern_within_another_matches_nothing_else(inner: str, outer: str, name: str) -> None:
    narrow, wide = (Grant("acme", "toys", pattern, Right.READ) for pattern in (inner, outer))
    if narrow.within(wide) and narrow.covers(Address("acme", "toys"), name):
        assert wide.covers(Address("acme", "toys"), name)


TARGETS = st.sampled_from([None, "toys", "open"]).flatmap(
    lambda repository: st.tuples(st.just(repository), st.none() if repository is None else st.none() | PATTERNS)
)
GRANTS = st.builds(
    lambda project, target, right: Grant(project, *target, right),
    st.sampled_from(["acme", "other"]),
    TARGETS,
    st.sampled_from(Right),
)


@given(st.lists(GRANTS, min_size=1, max_size=3), GRANTS, st.text("ab-", max_size=4))
def test_what_lies_within_a_token_gives_nothing_that_it_does_not(held: list[Grant], wanted: Grant, name: str) -> None:
    if not any(wanted.within(grant) for grant in held):
        return
    everything = tuple(Grant(project, None, None, Right.ADMIN) for project in ("acme", "other"))
    maker, made = (Identity("x", "id", everything, tuple(grants)) for grants in (held, [wanted]))
    for project in ("acme", "other"):
        for repository in ("toys", "open", "new"):
            for right in Right:
                for package in (None, name):
                    address = Address(project, repository)
                    assert maker.may(right, address, package) or not made.may(right, address, package)


@pytest.mark.parametrize(
    ("own", "wanted", "status"), [(60, 61, 403), (60, 59, 201), (60, None, 201), (None, None, 201), (None, 10**8, 201)]
)
def test_a_token_cannot_make_a_longer_lived_one(
    own: int | None, wanted: int | None, status: int, site: Any, api: Any
) -> None:
    ends = None if own is None else now() + own * 1_000_000
    maker = site.token("acme:read", name="maker", user="ann", expires_at=ends)
    body = {"name": "x", "grants": ["acme:read"]} | ({} if wanted is None else {"expires_in": wanted})
    answer = api("POST", TOKENS, body, maker)
    assert answer.status_code == status
    if status == 201 and wanted is None:
        mine = api.get(f"{TOKENS}/{token_id(maker)}", maker)
        assert answer.json["expires_at"] == mine["expires_at"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "No Name"},
        {"name": ""},
        {"grants": []},
        {"grants": ["acme"]},
        {"grants": ["acme:rule"]},
        {"grants": ["acme//x:read"]},
        {"grants": ["acme:read"] * 101},
        {"expires_in": 0},
        {"expires_in": 1 << 40},
        {"user": "bob"},
    ],
    ids=str,
)
def test_a_malformed_wish_makes_nothing(change: Any, site: Any, api: Any, ann: str) -> None:
    before = site.count("token")
    assert api("POST", TOKENS, {"name": "x", "grants": ["acme:read"], **change}, ann).status_code == 422
    assert site.count("token") == before


@pytest.mark.parametrize("action", ["rotate", "revoke"])
def test_a_weak_token_has_no_power_over_a_stronger_one(action: str, site: Any, api: Any) -> None:
    strong = site.token("acme:maintain", name="strong", user="ann")
    weak = site.token("acme/toys:read", name="weak", user="ann")
    path = f"{TOKENS}/{token_id(strong)}"
    answer = api("POST", f"{path}/rotate", {}, weak) if action == "rotate" else api("DELETE", path, token=weak)
    assert answer.status_code == 403
    assert api("GET", TOKENS, token=strong).status_code == 200


def test_a_rotated_token_is_good_beside_its_successor_for_a_while(
    site: Any, api: Any, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = api("POST", f"{TOKENS}/{token_id(ann)}/rotate", {"overlap": 3600}, ann)
    assert made.status_code == 201
    new = made.json
    assert (new["name"], new["grants"], new["expires_at"]) == ("ci", ["acme:publish"], None)
    old = api.get(f"{TOKENS}/{token_id(ann)}", new["token"])
    assert old["successor"] == new["id"]
    clock(monkeypatch, HOUR - 1_000_000)
    assert [api("GET", TOKENS, token=token).status_code for token in (ann, new["token"])] == [200, 200]
    clock(monkeypatch, HOUR + 1_000_000)
    assert [api("GET", TOKENS, token=token).status_code for token in (ann, new["token"])] == [401, 200]


def test_the_overlap_is_a_day_unless_given(site: Any, api: Any, ann: str) -> None:
    new = api("POST", f"{TOKENS}/{token_id(ann)}/rotate", {}, ann).json
    row = accounts.token(site.registry.catalog.read(), token_id(ann))
    assert row is not None and row.expires_at is not None
    assert abs(row.expires_at - now() - 24 * HOUR) < 60_000_000
    assert new["successor"] is None


def test_without_an_overlap_the_old_one_is_refused_at_once(site: Any, api: Any, ann: str) -> None:
    new = api("POST", f"{TOKENS}/{token_id(ann)}/rotate", {"overlap": 0}, ann).json
    assert [api("GET", TOKENS, token=token).status_code for token in (ann, new["token"])] == [401, 200]
    assert api("POST", f"{TOKENS}/{token_id(ann)}/rotate", {}, new["token"]).status_code == 404


@pytest.mark.parametrize("overlap", [-1, 7 * 24 * 3600 + 1, "x", None])
def test_an_overlap_has_bounds(overlap: Any, site: Any, api: Any, ann: str) -> None:
    assert api("POST", f"{TOKENS}/{token_id(ann)}/rotate", {"overlap": overlap}, ann).status_code == 422


def test_an_overlap_makes_no_token_live_longer(site: Any, api: Any) -> None:
    ends = now() + 60_000_000
    short = site.token("acme:read", name="short", user="ann", expires_at=ends)
    new = api("POST", f"{TOKENS}/{token_id(short)}/rotate", {}, short).json
    for id_ in (token_id(short), new["id"]):
        row = accounts.token(site.registry.catalog.read(), id_)
        assert row is not None and row.expires_at is not None and row.expires_at <= ends


def test_one_without_an_end_renews_the_time_of_another(site: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = site.token("acme:read", name="keeper", user="ann")
    short = site.token("acme:read", name="short", user="ann", expires_at=now() + 10 * HOUR)
    clock(monkeypatch, 9 * HOUR)
    new = api("POST", f"{TOKENS}/{token_id(short)}/rotate", {}, keeper).json
    row = accounts.token(site.registry.catalog.read(), new["id"])
    assert row is not None and row.expires_at is not None
    assert abs(row.expires_at - now() - 19 * HOUR) < 60_000_000


def test_a_token_in_its_overlap_cannot_outlive_itself(site: Any, api: Any, ann: str) -> None:
    """Whoever has the old secret can make nothing that is good after the overlap."""
    api("POST", f"{TOKENS}/{token_id(ann)}/rotate", {"overlap": 60}, ann)
    again = api("POST", f"{TOKENS}/{token_id(ann)}/rotate", {"overlap": 60}, ann).json
    more = api("POST", TOKENS, {"name": "x", "grants": ["acme:read"]}, ann).json
    ends = api.get(f"{TOKENS}/{token_id(ann)}", ann)["expires_at"]
    assert again["expires_at"] <= ends and more["expires_at"] <= ends


def test_what_is_done_to_tokens_is_audited_without_secrets(site: Any, api: Any, ann: str) -> None:
    made = api("POST", TOKENS, {"name": "job", "grants": ["acme/toys:read"]}, ann).json
    new = api("POST", f"{TOKENS}/{made['id']}/rotate", {}, ann).json
    api("DELETE", f"{TOKENS}/{new['id']}", token=ann)
    rows = site.registry.catalog.read().execute(
        "SELECT action, target, actor, token_id, detail FROM audit_entry ORDER BY id DESC LIMIT 3"
    )
    found = [tuple(row) for row in rows]
    assert [row[:4] for row in found] == [
        ("token.revoke", new["id"], "user:ann", token_id(ann)),
        ("token.rotate", made["id"], "user:ann", token_id(ann)),
        ("token.create", made["id"], "user:ann", token_id(ann)),
    ]
    for text in (made["token"], new["token"]):
        assert not [row for row in found if text[16:40] in row[4]]


def test_admins_of_a_project_see_and_revoke_its_own_service_accounts_tokens(site: Any, api: Any) -> None:
    admin = site.token("acme:admin", name="chief")
    site.token("acme:admin", "other:read", name="wide")
    site.token("acme2:read", name="namesake")
    site.token("acme:read", name="laptop", user="ann")
    inside = site.token("acme/toys/b*:read", name="inside")
    path = f"{ROOT}/projects/acme/tokens"
    assert api.names(path, token=admin) == ["chief", "inside"]
    assert api("DELETE", f"{path}/{token_id(inside)}", token=admin).json["state"] == "revoked"
    assert site.get(TOYS, inside).status_code == 401
    for other in (site.publisher, "orbsa_XXXXXXXX"):
        assert api("DELETE", f"{path}/{token_id(other)}", token=admin).status_code == 404
    assert api("GET", f"{ROOT}/projects/other/tokens", token=admin).status_code == 404


def test_what_an_account_is_given_elsewhere_takes_its_tokens_out_of_nobodys_hands(site: Any, api: Any) -> None:
    admin, stranger = site.token("acme:admin", name="chief"), site.token("other:admin", name="stranger")
    inside = site.token("acme/toys/b*:read", name="inside")
    given = {"principal": "service:inside", "grants": ["other:read"]}
    assert api("POST", f"{ROOT}/projects/other/grants", given, stranger).status_code == 200
    assert api.names(f"{ROOT}/projects/acme/tokens", token=admin) == ["chief", "inside"]
    assert api("DELETE", f"{ROOT}/projects/acme/tokens/{token_id(inside)}", token=admin).status_code == 200


def test_a_token_ends_none_that_is_good_for_longer(site: Any, api: Any, ann: str) -> None:
    short = site.token("acme:publish", name="short", user="ann", expires_at=now() + HOUR)
    path = f"{TOKENS}/{token_id(ann)}"
    assert api("DELETE", path, token=short).status_code == 403
    assert api("POST", f"{path}/rotate", {"overlap": 0}, short).status_code == 403
    assert api("GET", TOKENS, token=ann).status_code == 200
    assert api("DELETE", f"{TOKENS}/{token_id(short)}", token=short).status_code == 200


@pytest.mark.parametrize("grant", ["acme/toys:admin", "acme/toys/*:admin", "acme:maintain"])
def test_an_admin_of_a_part_is_no_admin_of_the_project(grant: str, site: Any, api: Any) -> None:
    assert api("GET", f"{ROOT}/projects/acme/tokens", token=site.token(grant, name="part")).status_code == 403


def test_a_token_revoked_meanwhile_makes_nothing(site: Any, api: Any, ann: str) -> None:
    caller = site.registry.accounts.authenticate(None, ann)
    own = delegation.OwnTokens(site.registry.catalog, site.registry.accounts, caller, site.actor)
    site.registry.accounts.revoke(token_id(ann), site.actor)
    with pytest.raises(Unauthenticated):
        own.make("x", [Grant.parse("acme:read")], None)
    with pytest.raises(Unauthenticated):
        own.rotate(token_id(ann), 0)


def test_rotation_from_the_command_line(cli: Any, configured: Any) -> None:
    old = cli("token", "create", "robot", "--grant", "acme:read", "--expires", "90d").stdout.strip()
    result = cli("token", "rotate", "robot", "--overlap", "1h")
    assert result.exit_code == 0
    assert tokens.TOKEN_PATTERN.fullmatch(result.stdout.strip())
    rows = {row["id"]: row for row in json.loads(cli("token", "list", "--json").stdout)}
    assert rows[token_id(old)]["state"] == rows[token_id(result.stdout)]["state"] == "active"
    assert rows[token_id(old)]["expires"] < rows[token_id(result.stdout)]["expires"]
    again = cli("token", "rotate", "robot", "--json")  # the one without a successor is meant
    assert set(json.loads(again.stdout)) == {"id", "token", "expires"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["robot", "--overlap", "8d"], 2, "is more than 7d"),
        (["robot", "--overlap", "soon"], 2, "is not a duration"),
        (["nobody"], 1, "no token that could be rotated is called 'nobody'"),
        (["twin"], 1, "several tokens are called 'twin'"),
    ],
)
def test_a_rotation_that_cannot_be(arguments: list[str], code: int, message: str, cli: Any, configured: Any) -> None:
    for name in ("robot", "twin", "twin"):
        cli("token", "create", name, "--grant", "acme:read")
    result = cli("token", "rotate", *arguments)
    assert result.exit_code == code and message in result.stderr and not result.stdout


@pytest.mark.parametrize("text", ["36601d", "10000000w", "999999999999w"])
def test_an_end_that_is_no_date_is_wrong_usage(text: str, cli: Any, configured: Any) -> None:
    refused = cli("token", "create", "robot", "--grant", "acme:read", "--expires", text)
    assert refused.exit_code == 2 and "a hundred years" in refused.stderr
    assert cli("token", "list").exit_code == 0


def test_microseconds_come_back_as_they_were() -> None:
    for instant in (0, 1, 1_795_371_532_795_921, now()):
        assert microseconds(at(instant)) == instant

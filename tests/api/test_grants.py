"""Grants through the API, the client and `--server`: for admins of a project, and within it."""

import json
from typing import Any

import pytest

from orbitalreg import errors
from orbitalreg.granting import ProjectGrants
from orbitalreg.model import Grant, now

from .conftest import ROOT, TOYS

GRANTS = f"{ROOT}/projects/acme/grants"
PEOPLE = """
[groups]
developers = ["ann"]

[[grants]]
to = "group:developers"
grants = ["acme/toys:read", "other:read"]

[[grants]]
to = "service:elsewhere"
grants = ["other/toys:publish"]
"""


@pytest.fixture
def site(make_site: Any) -> Any:
    return make_site(PEOPLE)


@pytest.fixture
def chief(site: Any) -> str:
    site.registry.accounts.add_user("ann", site.actor)
    site.registry.accounts.add_user("bob", site.actor)
    return str(site.token("acme:admin", name="chief"))


def given(principal: str, *grants: str) -> dict[str, Any]:
    return {"principal": principal, "grants": list(grants)}


def test_an_admin_gives_lists_and_takes_back(site: Any, api: Any, chief: str) -> None:
    anns = site.token("acme:admin", name="laptop", user="zoe")
    site.registry.accounts.revoke_grant("user:zoe", Grant.parse("acme:admin"), site.actor)
    assert api("GET", TOYS, token=anns).status_code == 404
    told = api("POST", GRANTS, given("user:zoe", "acme/toys:read", "acme/open:read"), chief)
    assert (told.status_code, told.json) == (200, given("user:zoe", "acme/open:read", "acme/toys:read"))
    assert api("GET", TOYS, token=anns).status_code == 200
    items = api.get(GRANTS, chief, principal="user:zoe")["items"]
    assert items == [
        {"principal": "user:zoe", "grant": "acme/open:read", "sources": ["catalog"]},
        {"principal": "user:zoe", "grant": "acme/toys:read", "sources": ["catalog"]},
    ]
    path = f"{GRANTS}?principal=user:zoe&grant=acme/toys:read"
    assert api("DELETE", path, token=chief).json == given("user:zoe", "acme/open:read")
    assert api("GET", TOYS, token=anns).status_code == 404
    assert api("DELETE", path, token=chief).status_code == 404


def test_the_list_is_of_the_project_and_comes_in_parts(api: Any, chief: str) -> None:
    for limit in (1, 2, 100):
        assert api.names(GRANTS, "principal", chief, limit=limit) == [
            "group:developers",
            "service:chief",
            "service:publisher",
        ]
    assert api.names(GRANTS, "grant", chief) == ["acme/toys:read", "acme:admin", "acme:maintain"]
    assert api.names(GRANTS, "principal", chief, principal="user:ann") == ["group:developers"]
    assert api.names(GRANTS, "principal", chief, principal="user:nobody") == []
    assert api.get(GRANTS, chief)["items"][0]["sources"] == ["configuration"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (given("user:ann", "other:read"), 403, "other:read does not lie in acme"),
        (given("user:ann", "acme:read", "acme2/toys:read"), 403, "acme2/toys:read does not lie in acme"),
        (given("user:nobody", "acme:read"), 404, "there is no user 'nobody'"),
        (given("group:nobody", "acme:read"), 404, "there is no group 'nobody'"),
        (given("ann", "acme:read"), 422, "the body: principal"),
        (given("fake:x", "acme:read"), 422, "the body: principal"),
        (given("user:ann"), 422, "the body: grants"),
        (given("user:ann", "acme"), 422, "the body: grants.0"),
        ({"principal": "user:ann", "grant": "acme:read"}, 422, "the body: "),
    ],
)
def test_what_cannot_be_given_changes_nothing(
    body: Any, status: int, says: str, site: Any, api: Any, chief: str
) -> None:
    before = site.count("account_grant")
    answer = api("POST", GRANTS, body, chief)
    assert (answer.status_code, says in answer.json["detail"]) == (status, True), answer.text
    assert site.count("account_grant") == before


def test_one_of_the_configuration_is_taken_back_there(api: Any, chief: str) -> None:
    answer = api("DELETE", f"{GRANTS}?principal=group:developers&grant=acme/toys:read", token=chief)
    assert answer.status_code == 409 and "[[grants]] of the configuration" in answer.json["detail"]
    beyond = api("DELETE", f"{GRANTS}?principal=group:developers&grant=other:read", token=chief)
    assert beyond.status_code == 403
    for query in ("", "?principal=group:developers", "?principal=x&grant=acme:read"):
        assert api("DELETE", GRANTS + query, token=chief).status_code == 422


@pytest.mark.parametrize("grant", ["acme:maintain", "acme/toys:admin", "acme/toys/*:admin", "other:admin"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_grants_are_for_admins_of_the_whole_project(method: str, grant: str, site: Any, api: Any, chief: str) -> None:
    token = site.token(grant, name="part")
    path = GRANTS + ("?principal=user:ann&grant=acme:read" if method == "DELETE" else "")
    body = given("user:ann", "acme:read") if method == "POST" else None
    assert (
        api(method, path, body, token).status_code == 403
    )  # one repository is open to everybody: the project is known
    assert api(method, path, body, None).status_code == 401


def test_a_token_that_narrows_an_admin_gives_nothing(site: Any, api: Any) -> None:
    site.token("acme:admin", name="strong", user="ann")
    narrow = site.registry.accounts.create_token("narrow", "ann", [Grant.parse("acme:maintain")], None, site.actor).text
    assert api("POST", GRANTS, given("user:ann", "acme:read"), narrow).status_code == 403


def test_one_who_was_an_admin_until_just_now_gives_nothing(site: Any, chief: str) -> None:
    caller = site.registry.accounts.authenticate(None, chief)
    grants = ProjectGrants(site.registry.catalog, site.registry.accounts, "acme", caller, site.actor)
    site.registry.accounts.revoke_grant("service:chief", Grant.parse("acme:admin"), site.actor)
    with pytest.raises(errors.Forbidden, match="taken back just now"):
        grants.add("user:ann", [Grant.parse("acme:read")])
    site.registry.accounts.revoke("chief", site.actor)
    with pytest.raises(errors.Unauthenticated):
        grants.remove("service:publisher", Grant.parse("acme:maintain"))


def test_a_job_with_an_exchanged_token_gives_nothing(site: Any) -> None:
    """What lasts longer than a job is not given by one."""

    class Exchanger:
        def grants(self, origin: Any) -> tuple[Grant, ...]:
            return (Grant.parse("acme:admin"),)

    known = site.registry.accounts
    object.__setattr__(known.rights, "exchangers", {"fake": Exchanger()})
    with site.registry.catalog.write() as db:
        token = known.mint_exchanged(db, "fake:x", [Grant.parse("acme:admin")], now() + 900_000_000, {"job": "7"})
    grants = ProjectGrants(site.registry.catalog, known, "acme", known.authenticate(None, token.text), site.actor)
    with pytest.raises(errors.Forbidden, match="in exchange"):
        grants.add("service:publisher", [Grant.parse("acme:admin")])


def test_changes_are_audited_with_who_and_from_where(site: Any, api: Any, chief: str) -> None:
    api("POST", GRANTS, given("user:ann", "acme:read"), chief)
    api("DELETE", f"{GRANTS}?principal=user:ann&grant=acme:read", token=chief)
    rows = site.registry.catalog.read().execute(
        "SELECT action, target, actor, token_id, address, request_id <> '', detail FROM audit_entry"
        " ORDER BY id DESC LIMIT 2"
    )
    assert [tuple(row) for row in rows.fetchall()] == [
        (
            "grant.remove",
            "user:ann",
            "service:chief",
            chief[6:14],
            "127.0.0.1",
            1,
            '{"after":[],"before":["acme:read"]}',
        ),
        ("grant.add", "user:ann", "service:chief", chief[6:14], "127.0.0.1", 1, '{"after":["acme:read"],"before":[]}'),
    ]


def test_a_grant_of_the_configuration_elsewhere_makes_an_account_no_projects_own(
    site: Any, api: Any, chief: str
) -> None:
    token = site.token("acme/toys:read", name="elsewhere")
    assert api.names(f"{ROOT}/projects/acme/tokens", token=chief) == ["chief"]
    assert api("DELETE", f"{ROOT}/projects/acme/tokens/{token[6:14]}", token=chief).status_code == 404
    assert api("GET", TOYS, token=token).status_code == 200


def test_me_says_who_is_calling_and_what_they_may(site: Any, api: Any) -> None:
    token = site.token("acme:publish", name="laptop", user="ann", expires_at=now() + 60_000_000)
    told = api.get(f"{ROOT}/me", token)
    assert (told["account"], told["groups"], told["origin"]) == ("user:ann", ["developers"], None)
    assert told["grants"] == ["acme/toys:read", "acme:publish", "other:read"]
    assert told["token"] == api.get(f"{ROOT}/tokens/{token[7:15]}", token)
    assert told["token"]["grants"] == ["acme:publish"] and told["token"]["expires_at"] is not None
    assert api("GET", f"{ROOT}/me", token=None).status_code == 401


def test_a_user_known_by_something_else_than_a_token_makes_a_first_one(
    site: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = site.registry.accounts
    known.add_user("ann", site.actor)
    monkeypatch.setattr(known, "authenticate", lambda user, secret, header: known.user("ann"))
    basic = {"headers": {"Authorization": "Basic YW5uOnBhc3N3b3Jk"}}
    told = api("GET", f"{ROOT}/me", token=None, **basic).json
    assert (told["account"], told["token"], told["grants"]) == ("user:ann", None, ["acme/toys:read", "other:read"])
    wanted = {"name": "laptop", "grants": ["acme/toys:read"]}
    made = api("POST", f"{ROOT}/tokens", wanted, None, **basic)
    assert made.status_code == 201 and made.json["token"].startswith("orbpat_")
    beyond = api("POST", f"{ROOT}/tokens", {"name": "x", "grants": ["acme/toys:publish"]}, None, **basic)
    assert beyond.status_code == 403
    rotated = api("POST", f"{ROOT}/tokens/{made.json['id']}/rotate", {}, None, **basic)
    assert rotated.status_code == 201
    assert api("DELETE", f"{ROOT}/tokens/{rotated.json['id']}", token=None, **basic).json["state"] == "revoked"
    monkeypatch.undo()
    assert api("GET", TOYS, token=made.json["token"]).status_code == 200


def test_a_stranger_to_a_project_learns_nothing_of_its_repositories(site: Any) -> None:
    """Not by a token alone either, whose account has lost what it had there."""
    token = site.token("acme:read", name="former")
    site.registry.accounts.revoke_grant("service:former", Grant.parse("acme:read"), site.actor)
    answers = [site.put("ball@1.toy", token=token, to=f"/toy/acme/{name}") for name in ("toys", "nowhere")]
    assert [answer.status_code for answer in answers] == [403, 403]


# The client, and the command line through a server.


def test_the_client_gives_lists_and_takes_back(served: Any) -> None:
    with served.client(served.token("chief", "acme:admin")) as client:
        has = client.add_grants("acme", "service:keeper", [Grant.parse("acme/toys:read")])
        assert has.grants == ["acme/toys:read", "acme:maintain"]
        assert [row.grant for row in client.grants("acme", "service:keeper")] == has.grants
        assert len(list(client.grants("acme"))) == 3
        assert client.remove_grant("acme", "service:keeper", Grant.parse("acme/toys:read")).grants == ["acme:maintain"]
        me = client.me()
        assert (me.account, me.grants, me.token and me.token.id) == ("service:chief", ["acme:admin"], client.token_id)
        with pytest.raises(errors.Forbidden, match="does not lie in acme"):
            client.add_grants("acme", "service:keeper", [Grant.parse("other:read")])


COMMANDS = [
    ("add", "service:keeper", "acme/toys:read", "acme/open:read"),
    ("list", "--project", "acme"),
    ("list", "service:keeper", "--project", "acme"),
    ("list", "user:nobody", "--project", "acme"),
    ("remove", "service:keeper", "acme/toys:read"),
    ("remove", "service:keeper", "acme/toys:read"),
    ("add", "user:nobody", "acme:read"),
]


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_commands_say_through_a_server_what_they_say_on_the_data(
    more: tuple[str, ...], served: Any, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORBITALREG_TOKEN", served.token("chief", "acme:admin"))
    seen = []
    for options in (("--server", served.url), ("--config", served._config)):
        results = [cli("grant", *command, *more, *options) for command in COMMANDS]
        seen.append([(result.exit_code, result.stdout, result.stderr) for result in results])
        cli("grant", "remove", "service:keeper", "acme/open:read", "--config", served._config)
    assert seen[0] == seen[1]
    assert [code for code, _, _ in seen[0]] == [0, 0, 0, 0, 0, 1, 1]


def test_through_a_server_a_project_must_be_named(served: Any, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITALREG_TOKEN", served.keeper)
    refused = cli("grant", "list", "--server", served.url)
    assert refused.exit_code == 2 and "--project" in refused.stderr
    denied = cli("grant", "list", "--project", "acme", "--server", served.url)
    assert denied.exit_code == 1 and "no right to admin in all of acme" in denied.stderr
    assert json.loads(cli("grant", "list", "--json", "--config", served._config).stdout)

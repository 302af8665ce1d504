"""`orbitalreg user`, `service` and `grant`: what they say, what they do, and how they exit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

PEOPLE = """
[groups]
developers = ["ann", "bob"]

[[grants]]
to = "group:developers"
grants = ["acme/toys:read"]

[[grants]]
to = "service:robot"
grants = ["acme:read"]
"""


@pytest.fixture(autouse=True)
def people(configured: Path) -> None:
    configured.write_text(configured.read_text() + PEOPLE)


def rows(cli: Cli, *command: str) -> list[dict[str, Any]]:
    result = cli(*command, "--json")
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_a_user_is_added_once(cli: Cli) -> None:
    assert cli("user", "add", "zoe").stdout == "added user zoe\n"
    again = cli("user", "add", "zoe")
    assert (again.exit_code, again.stdout) == (0, "user zoe is there already\n")
    assert json.loads(cli("user", "add", "zoe", "--json").stdout) == {"user": "zoe", "added": False}
    assert cli("user", "add", "Zoe").exit_code == 1


def test_the_list_of_users(cli: Cli) -> None:
    cli("user", "add", "ann")
    cli("grant", "add", "user:ann", "acme:publish")
    cli("token", "create", "laptop", "--user", "ann", "--grant", "acme:publish")
    ann, bob = rows(cli, "user", "list")
    assert ann["added"] and {**ann, "added": None} == {
        "user": "ann",
        "state": "active",
        "groups": ["developers"],
        "grants": ["acme:publish", "acme/toys:read"],
        "tokens": 1,
        "added": None,
        "last used": None,
    }
    assert (bob["user"], bob["added"], bob["tokens"]) == ("bob", None, 0)
    table = cli("user", "list").stdout.splitlines()
    assert table[0].split() == ["user", "state", "groups", "grants", "tokens", "added", "last", "used"]
    assert table[2].split()[:5] == ["ann", "active", "developers", "2", "1"]


@pytest.mark.parametrize("kind", ["user", "service"])
def test_an_account_is_disabled_and_enabled(kind: str, cli: Cli) -> None:
    name = {"user": "ann", "service": "robot"}[kind]
    assert cli(kind, "disable", name).stdout == f"disabled {kind} {name}\n"
    assert {row[kind]: row["state"] for row in rows(cli, kind, "list")}[name] == "disabled"
    owner = ["--user", name] if kind == "user" else []
    refused = cli("token", "create", name, *owner, "--grant", "acme:read")
    assert refused.exit_code == 1 and f"orbitalreg {kind} enable {name}" in refused.stderr
    assert json.loads(cli(kind, "enable", name, "--json").stdout) == {kind: name, "state": "active"}
    assert cli("token", "create", name, *owner, "--grant", "acme:read").exit_code == 0
    nobody = cli(kind, "disable", "nobody")
    assert nobody.exit_code == 1 and f"see: orbitalreg {kind} list" in nobody.stderr


def test_grants_are_given_listed_and_taken_back(cli: Cli) -> None:
    has = cli("grant", "add", "user:ann", "acme/toys:publish", "acme/open:read")
    assert has.stdout == "user:ann has there now: acme/open:read acme/toys:publish acme/toys:read\n"
    assert rows(cli, "grant", "list", "user:ann") == [
        {"principal": "group:developers", "grant": "acme/toys:read", "from": ["configuration"]},
        {"principal": "user:ann", "grant": "acme/open:read", "from": ["catalog"]},
        {"principal": "user:ann", "grant": "acme/toys:publish", "from": ["catalog"]},
    ]
    assert len(rows(cli, "grant", "list")) == 4
    assert rows(cli, "grant", "list", "--project", "other") == []
    assert "configuration" in cli("grant", "list").stdout
    gone = cli("grant", "remove", "user:ann", "acme/toys:publish", "--json")
    assert json.loads(gone.stdout) == {"principal": "user:ann", "grants": ["acme/open:read", "acme/toys:read"]}


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (["add", "ann", "acme:read"], 2, "is nobody to grant to"),
        (["add", "user:ann", "acme"], 2, "is no grant"),
        (["add", "user:ann"], 2, "Missing argument"),
        (["add", "user:nobody", "acme:read"], 1, "orbitalreg user add nobody"),
        (["add", "group:nobody", "acme:read"], 1, "[groups]"),
        (["remove", "user:ann", "acme:read"], 1, "was not given acme:read"),
        (["remove", "group:developers", "acme/toys:read"], 1, "take it back there"),
        (["list", "ann"], 2, "is nobody to grant to"),
    ],
)
def test_what_cannot_be_done_says_why(command: list[str], code: int, says: str, cli: Cli) -> None:
    result = cli("grant", *command)
    assert (result.exit_code, result.stdout) == (code, "") and says in result.stderr


def test_a_grant_that_speaks_of_nothing_is_given_with_a_warning(cli: Cli) -> None:
    result = cli("grant", "add", "user:ann", "acme/toy:read")
    assert result.exit_code == 0 and "warning: acme/toy:read: there is no repository acme/toy" in result.stderr


def test_token_create_warns_of_what_its_user_does_not_have(cli: Cli) -> None:
    result = cli("token", "create", "laptop", "--user", "ann", "--grant", "acme/toys:read", "--grant", "acme:publish")
    assert result.exit_code == 0 and result.stdout.startswith("orbpat_")
    assert result.stderr.splitlines() == [
        "orbitalreg: warning: acme:publish: ann does not have it, and a token never has more than its user; "
        "give it: orbitalreg grant add user:ann acme:publish"
    ]
    assert cli("token", "create", "robot", "--grant", "acme:publish").stderr == ""


def test_token_create_says_when_a_maximum_ends_it(cli: Cli, configured: Path) -> None:
    configured.write_text(configured.read_text() + '[tokens]\nmax_lifetime = "30d"\n')
    assert json.loads(cli("token", "create", "robot", "--grant", "acme:read", "--json").stdout)["expires"]
    refused = cli("token", "create", "robot", "--grant", "acme:read", "--expires", "31d")
    assert refused.exit_code == 1 and "at most 30d here ([tokens] max_lifetime)" in refused.stderr
    assert all(row["expires"] for row in rows(cli, "token", "list"))


def test_check_warns_of_grants_for_nothing(cli: Cli, configured: Path) -> None:
    configured.write_text(configured.read_text() + '[[grants]]\nto = "user:ann"\ngrants = ["nowhere:read"]\n')
    result = cli("check")
    assert result.exit_code == 0 and "grants.2.grants.0: found 'nowhere:read'" in result.stdout + result.stderr

"""Who has what: groups, grants of configuration and catalog, disabled accounts, lifetimes, and what is remembered."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg import config, identity, model
from orbitalreg.catalog import Catalog, accounts
from orbitalreg.config import Settings
from orbitalreg.delegation import OwnTokens, rotate_any
from orbitalreg.errors import ConfigError, Forbidden, InvalidName, Malformed, Misplaced, NotFound, Unauthenticated
from orbitalreg.granting import accounts_listed, beyond, grants_listed
from orbitalreg.identity import Accounts
from orbitalreg.model import Actor, Address, Grant, Identity, Right, now
from orbitalreg.rights import Rights
from orbitalreg.tokens import mint, token_id_of

ACTOR = Actor("local:test")
TOYS = Address("acme", "toys")
HOUR = 3600
REPOSITORY = '[projects.acme.repositories.toys]\nformat = "toy"\nkind = "local"\n'
PEOPLE = """
[groups]
developers = ["ann", "bob"]
keepers = ["bob"]
empty = []

[[grants]]
to = "group:developers"
grants = ["acme/toys:read"]

[[grants]]
to = "group:keepers"
grants = ["acme/toys:maintain"]

[[grants]]
to = "user:ann"
grants = ["acme/toys/ball:publish"]

[[grants]]
to = "service:robot"
grants = ["acme:read"]
"""


def parsed(*texts: str) -> list[Grant]:
    return [Grant.parse(text) for text in texts]


def settings(text: str, folder: Path) -> Settings:
    file = folder / "orbitalreg.toml"
    file.write_text(text + REPOSITORY)
    return config.load(file)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "data")


@pytest.fixture
def configured(catalog: Catalog, tmp_path: Path) -> Callable[..., Accounts]:
    """Accounts by a configuration, as a reload makes them."""

    def make(text: str = "", exchangers: Mapping[str, Any] | None = None) -> Accounts:
        loaded = settings(text, tmp_path)
        return Accounts(catalog, Rights.of_settings(loaded, exchangers or {}), loaded.tokens.max_lifetime)

    return make


def held(known: Accounts, user: str) -> set[str]:
    return set(map(str, known.user(user).owner))


# Groups, and the union of what stands in the configuration and in the catalog.


def test_everybody_has_what_they_and_their_groups_were_given(configured: Callable[..., Accounts]) -> None:
    known = configured(PEOPLE)
    known.grant("user:ann", parsed("acme:read"), ACTOR)
    known.grant("group:keepers", parsed("acme/toys:admin"), ACTOR)
    assert held(known, "ann") == {"acme/toys:read", "acme/toys/ball:publish", "acme:read"}
    assert held(known, "bob") == {"acme/toys:read", "acme/toys:maintain", "acme/toys:admin"}
    assert held(known, "carl") == set()


def test_a_group_is_of_users_alone(configured: Callable[..., Accounts]) -> None:
    known = configured('[groups]\nrobots = ["robot"]\n[[grants]]\nto = "group:robots"\ngrants = ["acme:read"]\n')
    token = known.create_token("robot", None, parsed("acme:admin"), None, ACTOR)
    assert set(map(str, known.authenticate(None, token.text).owner)) == {"acme:admin"}


def test_a_service_account_has_what_the_configuration_gives_it(configured: Callable[..., Accounts]) -> None:
    known = configured(PEOPLE)
    token = known.create_token("robot", None, parsed("acme/toys:publish"), None, ACTOR)
    assert set(map(str, known.authenticate(None, token.text).owner)) == {"acme:read", "acme/toys:publish"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[groups]\nx = "ann"\n', "groups.x: found 'ann'; it must be a list"),
        ('[groups]\nx = ["An n"]\n', "groups.x.0: found 'An n'; it must be a name"),
        ('[groups]\n"X y" = []\n', "it must be a name"),
        ('[[grants]]\nto = "ann"\ngrants = ["acme:read"]\n', "grants.0.to: found 'ann'; it must be \"user:NAME\""),
        ('[[grants]]\nto = "user:ann"\ngrants = []\n', "grants.0.grants: found []"),
        ('[[grants]]\nto = "user:ann"\ngrants = ["acme"]\n', "grants.0.grants.0: found 'acme'; it must be \"PROJECT"),
        ('[[grants]]\nto = "user:ann"\ngrant = ["acme:read"]\n', "grants.0.grant: there is no such key; did you mean"),
        (
            '[groups]\ndevelopers = []\n[[grants]]\nto = "group:developer"\ngrants = ["acme:read"]\n',
            "grants.0.to: found 'group:developer'; there is no such group; did you mean 'group:developers'?",
        ),
        ('[[grants]]\nto = "group:x"\ngrants = ["acme:read"]\n', "there is no such group; its users stand in [groups]"),
        ('[tokens]\nmax_lifetime = "10s"\n', "tokens.max_lifetime: found '10s'; it must be at least 60"),
        ('[tokens]\nexchanged_lifetime = "2h"\n', "tokens.exchanged_lifetime: found '2h'; it must be at most 3600"),
        ('[tokens]\nmax_life = "90d"\n', "tokens.max_life: there is no such key; did you mean 'max_lifetime'?"),
    ],
)
def test_a_fault_of_the_configuration_is_told_with_its_place(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        settings(text, tmp_path)
    assert says in str(refused.value)


def test_a_grant_for_what_is_not_configured_is_a_warning(tmp_path: Path) -> None:
    told = settings('[[grants]]\nto = "user:ann"\ngrants = ["acme:read", "acme/toy:read"]\n', tmp_path).warnings()
    assert told == ["grants.0.grants.1: found 'acme/toy:read'; there is no such project or repository"]


def test_one_of_the_configuration_is_taken_back_there(configured: Callable[..., Accounts]) -> None:
    known = configured(PEOPLE)
    for principal, grant in (("user:ann", "acme/toys/ball:publish"), ("group:keepers", "acme/toys:maintain")):
        with pytest.raises(Misplaced, match=r"by \[\[grants\]\] of the configuration: take it back there"):
            known.revoke_grant(principal, Grant.parse(grant), ACTOR)
    assert held(known, "ann") == {"acme/toys:read", "acme/toys/ball:publish"}


def test_what_stands_in_both_is_still_there_when_one_is_taken_back(configured: Callable[..., Accounts]) -> None:
    known = configured(PEOPLE)
    known.grant("user:ann", parsed("acme/toys/ball:publish"), ACTOR)
    known.revoke_grant("user:ann", Grant.parse("acme/toys/ball:publish"), ACTOR)
    assert "acme/toys/ball:publish" in held(known, "ann")
    assert held(configured(), "ann") == set()


def test_what_was_never_given_cannot_be_taken_back(configured: Callable[..., Accounts]) -> None:
    known = configured(PEOPLE)
    known.add_user("carl", ACTOR)
    for principal in ("user:carl", "user:nobody", "user:ann"):
        with pytest.raises(NotFound, match=f"orbitalreg grant list {principal}"):
            known.revoke_grant(principal, Grant.parse("acme/toys:read"), ACTOR)


@pytest.mark.parametrize(
    ("principal", "says"),
    [
        ("user:nobody", "orbitalreg user add nobody"),
        ("service:nobody", "orbitalreg token create nobody"),
        ("group:nobody", r"the table \[groups\]"),
    ],
)
def test_nobody_can_be_given_anything(principal: str, says: str, configured: Callable[..., Accounts]) -> None:
    with pytest.raises(NotFound, match=says):
        configured(PEOPLE).grant(principal, parsed("acme:read"), ACTOR)


@pytest.mark.parametrize("principal", ["ann", "user:", "oidc-gitlab:acme/my-lib", "user:Ann", "robot:x", "user:a/b"])
def test_only_principals_can_be_given_anything(principal: str, configured: Callable[..., Accounts]) -> None:
    with pytest.raises(InvalidName):
        configured(PEOPLE).grant(principal, parsed("acme:read"), ACTOR)


def test_the_list_says_where_each_grant_stands(configured: Callable[..., Accounts], catalog: Catalog) -> None:
    known = configured(PEOPLE)
    known.grant("user:ann", parsed("acme/toys/ball:publish", "other:read"), ACTOR)
    listed = [(row.principal, row.grant, row.sources) for row in grants_listed(catalog.read(), known.rights)]
    assert listed == [
        ("group:developers", "acme/toys:read", ["configuration"]),
        ("group:keepers", "acme/toys:maintain", ["configuration"]),
        ("service:robot", "acme:read", ["configuration"]),
        ("user:ann", "acme/toys/ball:publish", ["configuration", "catalog"]),
        ("user:ann", "other:read", ["catalog"]),
    ]
    anns = grants_listed(catalog.read(), known.rights, "acme", "user:ann")
    assert [row.principal for row in anns] == ["group:developers", "user:ann"]


def test_the_users_are_those_added_and_those_named(configured: Callable[..., Accounts], catalog: Catalog) -> None:
    known = configured(PEOPLE)
    known.add_user("zoe", ACTOR)
    token = known.create_token("laptop", "ann", parsed("acme/toys:read"), None, ACTOR)
    with catalog.write() as db:
        accounts.set_last_used(db, {token.id: 1_000_000})
    found = {row.name: row for row in accounts_listed(catalog.read(), known.rights, "user")}
    assert list(found) == ["ann", "bob", "zoe"]
    assert (found["ann"].tokens, found["ann"].groups, len(found["ann"].grants)) == (1, ["developers"], 2)
    assert found["ann"].last_used_at is not None and found["ann"].last_used_at.timestamp() == 1
    assert (found["bob"].added_at, found["bob"].groups) == (None, ["developers", "keepers"])
    assert [row.name for row in accounts_listed(catalog.read(), known.rights, "service")] == ["robot"]


def test_changes_of_grants_are_audited_with_before_and_after(
    configured: Callable[..., Accounts], catalog: Catalog
) -> None:
    known = configured()
    known.add_user("ann", ACTOR)
    known.grant("user:ann", parsed("acme:read"), ACTOR)
    known.grant("user:ann", parsed("acme:read"), ACTOR)  # nothing changes
    known.revoke_grant("user:ann", Grant.parse("acme:read"), ACTOR)
    rows = catalog.read().execute("SELECT action, target, detail FROM audit_entry ORDER BY id").fetchall()
    assert rows[1:] == [
        ("grant.add", "user:ann", '{"after":["acme:read"],"before":[]}'),
        ("grant.remove", "user:ann", '{"after":[],"before":["acme:read"]}'),
    ]


# Personal tokens narrow what their user has.


def test_a_personal_token_gives_its_user_nothing(configured: Callable[..., Accounts], catalog: Catalog) -> None:
    known = configured(PEOPLE)
    token = known.create_token("laptop", "ann", parsed("acme:admin", "acme/toys/b*:read"), None, ACTOR)
    caller = known.authenticate("ann", token.text)
    assert [caller.may(right, TOYS, "ball") for right in Right] == [True, True, False, False]
    assert not caller.may(Right.READ, Address("acme", "other"))
    assert held(known, "ann") == {"acme/toys:read", "acme/toys/ball:publish"}
    wanted = parsed("acme:admin", "acme/toys/b*:read")
    assert list(map(str, beyond(catalog.read(), known.rights, "user:ann", wanted))) == ["acme:admin"]


def test_a_personal_token_needs_its_user(configured: Callable[..., Accounts]) -> None:
    with pytest.raises(NotFound, match="orbitalreg user add nobody"):
        configured(PEOPLE).create_token("laptop", "nobody", parsed("acme:read"), None, ACTOR)
    assert configured(PEOPLE).create_token("laptop", "bob", parsed("acme:read"), None, ACTOR)  # named in a group


# A right taken from the owner is gone from the token at once.


def test_a_grant_of_the_catalog_taken_back_is_gone_at_once(configured: Callable[..., Accounts]) -> None:
    known = configured()
    known.add_user("ann", ACTOR)
    known.grant("user:ann", parsed("acme:read"), ACTOR)
    token = known.create_token("laptop", "ann", parsed("acme:read"), None, ACTOR)
    assert known.authenticate(None, token.text).may(Right.READ, TOYS)
    known.revoke_grant("user:ann", Grant.parse("acme:read"), ACTOR)
    assert not known.authenticate(None, token.text).may(Right.READ, TOYS)


@pytest.mark.parametrize(
    "after",
    [
        '[groups]\nkeepers = ["bob"]\n',
        '[groups]\nkeepers = []\n[[grants]]\nto = "group:keepers"\ngrants = ["acme/toys:maintain"]\n',
        '[groups]\nkeepers = ["bob"]\n[[grants]]\nto = "group:keepers"\ngrants = ["acme/toys:read"]\n',
    ],
    ids=["grant gone", "member gone", "less"],
)
def test_what_a_reload_takes_is_gone_at_once(after: str, configured: Callable[..., Accounts]) -> None:
    known = configured(PEOPLE)
    token = known.create_token("laptop", "bob", parsed("acme:admin"), None, ACTOR)
    assert known.authenticate(None, token.text).may(Right.MAINTAIN, TOYS)
    assert not configured(after).authenticate(None, token.text).may(Right.MAINTAIN, TOYS)


# Disabled accounts.


@pytest.mark.parametrize("principal", ["user:ann", "service:robot"])
def test_nothing_of_a_disabled_account_is_accepted(principal: str, configured: Callable[..., Accounts]) -> None:
    known = configured(PEOPLE)
    name = principal.partition(":")[2]
    user = name if principal.startswith("user") else None
    tokens = [known.create_token(name, user, parsed("acme:read"), None, ACTOR) for _ in range(2)]
    known.authenticate(None, tokens[0].text)
    known.set_disabled(principal, True, ACTOR)
    for token in tokens:
        with pytest.raises(Unauthenticated, match=f"the account {principal} is disabled"):
            known.authenticate(None, token.text)
    assert {row.state for row in known.tokens()} == {"disabled"}
    with pytest.raises(Misplaced, match=f"enable {name}"):
        known.create_token(name, user, parsed("acme:read"), None, ACTOR)
    known.set_disabled(principal, False, ACTOR)
    assert known.authenticate(None, tokens[0].text).name == principal


def test_a_disabled_user_is_known_by_no_password_either(configured: Callable[..., Accounts], catalog: Catalog) -> None:
    known = configured(PEOPLE)
    before = known.user("bob")
    known.set_disabled("user:bob", True, ACTOR)  # whom the configuration alone names
    with pytest.raises(Unauthenticated, match="disabled"):
        known.user("bob")
    with pytest.raises(Unauthenticated, match="disabled"):  # and no request that is under way makes a token
        OwnTokens(catalog, known, before, ACTOR).make("x", parsed("acme/toys:read"), None)


@pytest.mark.parametrize("principal", ["user:nobody", "service:nobody", "group:keepers", "group:nobody"])
def test_only_what_is_there_can_be_disabled(principal: str, configured: Callable[..., Accounts]) -> None:
    with pytest.raises(NotFound, match="there is no account"):
        configured(PEOPLE).set_disabled(principal, True, ACTOR)


def test_disabling_is_audited_once(configured: Callable[..., Accounts], catalog: Catalog) -> None:
    known = configured(PEOPLE)
    for disabled in (True, True, False, False):
        known.set_disabled("user:ann", disabled, ACTOR)
    rows = catalog.read().execute("SELECT action, target, detail FROM audit_entry ORDER BY id").fetchall()
    assert rows == [
        ("account.disable", "user:ann", '{"after":true,"before":false}'),
        ("account.enable", "user:ann", '{"after":false,"before":true}'),
    ]


# A maximum lifetime.

LIMITED = '[tokens]\nmax_lifetime = "1h"\n'


def clock(monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    """Every clock goes ahead by so many seconds."""
    for module in (model, accounts, identity):
        monkeypatch.setattr(module, "now", lambda: now() + ahead * 1_000_000)


def expiry(known: Accounts, token: str) -> float | None:
    """In seconds from now, as it is listed."""
    [row] = [row for row in known.tokens() if row.id == token_id_of(token)]
    return None if row.expires_at is None else (row.expires_at - now()) / 1_000_000


def test_a_token_is_made_for_no_longer_than_is_allowed(configured: Callable[..., Accounts]) -> None:
    known = configured(LIMITED)
    for wanted in (now() + 2 * HOUR * 1_000_000, now() + (HOUR + 10) * 1_000_000):
        with pytest.raises(Malformed, match=r"at most 3600s here \(\[tokens\] max_lifetime\)"):
            known.create_token("robot", None, parsed("acme:read"), wanted, ACTOR)
    without = known.create_token("robot", None, parsed("acme:read"), None, ACTOR).text
    shorter = known.create_token("robot", None, parsed("acme:read"), now() + 60_000_000, ACTOR).text
    assert expiry(known, without) == pytest.approx(HOUR, abs=30)
    assert expiry(known, shorter) == pytest.approx(60, abs=30)


def test_a_token_made_before_is_good_for_no_longer_either(
    configured: Callable[..., Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [
        configured().create_token("robot", None, parsed("acme:read"), expires_at, ACTOR).text
        for expires_at in (None, now() + 10 * HOUR * 1_000_000)
    ]
    known = configured(LIMITED)
    for token in tokens:
        assert expiry(known, token) == pytest.approx(HOUR, abs=30)
        assert known.authenticate(None, token)
    clock(monkeypatch, HOUR - 60)
    assert all(known.authenticate(None, token) for token in tokens)
    clock(monkeypatch, HOUR + 60)
    for token in tokens:
        with pytest.raises(Unauthenticated, match="is expired"):
            known.authenticate(None, token)
        assert configured().authenticate(None, token)  # nothing of it is written


def test_a_rotation_goes_on_for_no_longer(configured: Callable[..., Accounts], catalog: Catalog) -> None:
    old = configured().create_token("robot", None, parsed("acme:read"), None, ACTOR)
    known = configured(LIMITED)
    new = rotate_any(catalog, known, "robot", 10 * HOUR, ACTOR)
    assert expiry(known, new.token) == pytest.approx(HOUR, abs=30)
    assert new.expires_at is not None
    assert expiry(known, old.text) == pytest.approx(HOUR, abs=30)


def test_what_an_account_makes_and_revokes_is_told_with_its_end(
    configured: Callable[..., Accounts], catalog: Catalog
) -> None:
    long = configured().create_token("robot", None, parsed("acme:read"), None, ACTOR)
    known = configured(LIMITED)
    own = OwnTokens(catalog, known, known.authenticate(None, long.text), ACTOR)
    made = own.make("more", parsed("acme:read"), None)
    assert expiry(known, made.token) == pytest.approx(HOUR, abs=30)
    with pytest.raises(Forbidden):  # its maker is good for an hour
        own.make("more", parsed("acme:read"), 2 * HOUR)
    assert own.revoke(made.id).expires_at == made.expires_at
    assert own.revoke(long.id).expires_at is not None
    details = catalog.read().execute("SELECT detail FROM audit_entry WHERE target = ?", (made.id,)).fetchall()
    assert '"expires":null' not in details[0][0]


def test_a_user_with_a_password_makes_none_for_longer(configured: Callable[..., Accounts], catalog: Catalog) -> None:
    known = configured(PEOPLE + LIMITED)
    own = OwnTokens(catalog, known, known.user("ann"), ACTOR)
    with pytest.raises(Malformed, match="at most 3600s"):
        own.make("laptop", parsed("acme/toys:read"), 2 * HOUR)
    assert expiry(known, own.make("laptop", parsed("acme/toys:read"), None).token) == pytest.approx(HOUR, abs=30)


# What is remembered, while another process changes it.

CHANGES = """
import sys
from pathlib import Path
from orbitalreg.catalog import Catalog
from orbitalreg.delegation import rotate_any
from orbitalreg.identity import Accounts
from orbitalreg.model import Actor, Grant
catalog, actor = Catalog(Path(sys.argv[1])), Actor("other")
known = Accounts(catalog)
for line in sys.stdin:
    print(eval(line), flush=True)
"""


@pytest.fixture
def elsewhere(catalog: Catalog, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Another process over the same catalog, which does what it is told."""
    other = subprocess.Popen(
        [sys.executable, "-c", CHANGES, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin and other.stdout
    stdin, stdout = other.stdin, other.stdout

    def do(change: str) -> None:
        stdin.write(change + "\n")
        stdin.flush()
        assert stdout.readline(), change

    yield do
    other.communicate(timeout=30)


def test_every_change_of_another_process_counts_at_once(
    configured: Callable[..., Accounts], elsewhere: Callable[[str], None]
) -> None:
    known = configured()
    known.add_user("ann", ACTOR)
    known.grant("user:ann", parsed("acme/toys:read"), ACTOR)
    token = known.create_token("laptop", "ann", parsed("acme:admin"), None, ACTOR)

    header = f"Bearer {token.text}"

    def best() -> int:
        caller = known.recall(header) or known.authenticate(None, token.text, header)
        assert known.recall(header) is caller
        return max((right for right in Right if caller.may(right, TOYS)), default=0)

    assert best() == Right.READ
    elsewhere("known.grant('user:ann', [Grant.parse('acme:maintain')], actor)")
    assert best() == Right.MAINTAIN
    elsewhere("known.revoke_grant('user:ann', Grant.parse('acme:maintain'), actor)")
    assert best() == Right.READ
    elsewhere("known.revoke_grant('user:ann', Grant.parse('acme/toys:read'), actor)")
    assert best() == 0
    elsewhere("known.set_disabled('user:ann', True, actor)")
    with pytest.raises(Unauthenticated, match="disabled"):
        best()
    elsewhere("known.set_disabled('user:ann', False, actor)")
    assert best() == 0
    elsewhere(f"rotate_any(catalog, known, '{token.id}', 0, actor)")
    with pytest.raises(Unauthenticated, match="expired"):
        best()
    token = known.create_token("laptop", "ann", parsed("acme:admin"), None, ACTOR)
    header = f"Bearer {token.text}"
    assert best() == 0
    elsewhere(f"known.revoke('{token.id}', actor)")
    with pytest.raises(Unauthenticated, match="revoked"):
        best()


def test_what_is_remembered_ends_with_its_time(
    configured: Callable[..., Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = configured()
    token = known.create_token("robot", None, parsed("acme:read"), now() + 60_000_000, ACTOR)
    caller = known.authenticate(None, token.text, "the header")
    assert known.recall("the header") is caller
    clock(monkeypatch, 61)
    assert known.recall("the header") is None
    with pytest.raises(Unauthenticated, match="expired"):
        known.authenticate(None, token.text)


def test_not_more_than_so_many_are_remembered(
    configured: Callable[..., Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "REMEMBERED", 2)
    known = configured()
    tokens = [known.create_token("robot", None, parsed("acme:read"), None, ACTOR).text for _ in range(5)]
    for token in tokens * 2:
        assert known.authenticate(None, token, f"Bearer {token}").name == "service:robot"
        assert len(known._known) <= 2
    assert known.recall(f"Bearer {tokens[-1]}") and not known.recall(f"Bearer {tokens[0]}")


def test_a_wrong_user_name_is_not_remembered(configured: Callable[..., Accounts]) -> None:
    known = configured()
    token = known.create_token("robot", None, parsed("acme:read"), None, ACTOR).text
    with pytest.raises(Unauthenticated, match="user name"):
        known.authenticate("somebody", token, "the header")
    assert known.recall("the header") is None


def test_one_identity_remembers_of_so_many_packages_what_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.people, "REMEMBERED_LEVELS", 3)
    caller = Identity("service:x", "id", tuple(parsed("acme:read")), tuple(parsed("acme/toys/b*:publish")))
    for name in ["ball", "kite", "bear", "box", "ball"] * 3:
        for right in Right:
            assert caller.may(right, TOYS, name) is (right is Right.READ and name.startswith("b"))
        assert len(caller._levels) <= 3


def test_no_secret_is_remembered(configured: Callable[..., Accounts]) -> None:
    known = configured()
    token = known.create_token("robot", None, parsed("acme:read"), None, ACTOR).text
    known.authenticate(None, token, f"Bearer {token}")
    assert token[14:46] not in repr(known._known) and token[14:46].encode() not in b"".join(known._known)


# Tokens that were had in exchange.


class Exchanger:
    """What an exchanger says of now: it can be changed."""

    def __init__(self, *grants: str) -> None:
        self.given = tuple(parsed(*grants))

    def grants(self, origin: Mapping[str, str]) -> tuple[Grant, ...]:
        return self.given if origin == {"job": "7"} else ()


def exchanged(known: Accounts, catalog: Catalog, *grants: str, seconds: int = 900) -> str:
    with catalog.write() as db:
        ends = now() + seconds * 1_000_000
        return known.mint_exchanged(db, "fake:acme/my-lib", parsed(*grants), ends, {"job": "7"}).text


def test_an_exchanged_token_has_what_it_was_given_and_the_configuration_gives_still(
    configured: Callable[..., Accounts], catalog: Catalog
) -> None:
    known = configured(exchangers={"fake": Exchanger("acme/toys:publish", "acme/open:read")})
    token = exchanged(known, catalog, "acme/toys:publish")
    caller = known.authenticate("oidc", token)
    assert (caller.name, caller.origin) == ("fake:acme/my-lib", {"job": "7"})
    assert caller.may(Right.PUBLISH, TOYS) and not caller.may(Right.MAINTAIN, TOYS)
    assert not caller.may(Right.READ, Address("acme", "open"))
    less = configured(exchangers={"fake": Exchanger("acme/toys/ball:publish")}).authenticate(None, token)
    assert less.may(Right.PUBLISH, TOYS, "ball") and not less.may(Right.PUBLISH, TOYS, "kite")
    for exchangers in ({"fake": Exchanger()}, {}):
        assert not configured(exchangers=exchangers).authenticate(None, token).may(Right.READ, TOYS, "ball")


def test_an_exchanger_that_fails_once_is_asked_again_by_the_next_request(
    configured: Callable[..., Accounts], catalog: Catalog
) -> None:
    class Failing(Exchanger):
        faults = 1

        def grants(self, origin: Mapping[str, str]) -> tuple[Grant, ...]:
            if self.faults:
                self.faults -= 1
                raise RuntimeError("no connection")
            return super().grants(origin)

    known = configured(exchangers={"fake": Failing("acme/toys:publish")})
    token = exchanged(known, catalog, "acme/toys:publish")
    header = f"Bearer {token}"
    assert not known.authenticate(None, token, header).may(Right.READ, TOYS)
    assert known.recall(header) is None
    assert known.authenticate(None, token, header).may(Right.PUBLISH, TOYS)
    recalled = known.recall(header)
    assert recalled is not None and recalled.may(Right.PUBLISH, TOYS)


def test_an_exchanged_token_ends_soon_and_makes_no_other(
    configured: Callable[..., Accounts], catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = configured(exchangers={"fake": Exchanger("acme:admin")})
    token = exchanged(known, catalog, "acme:admin")
    own = OwnTokens(catalog, known, known.authenticate(None, token), ACTOR)
    with pytest.raises(Forbidden, match="in exchange"):
        own.make("x", parsed("acme:read"), None)
    with pytest.raises(Forbidden, match="in exchange"):
        own.rotate(token_id_of(token), 0)
    with pytest.raises(Forbidden, match="exchange again"):
        rotate_any(catalog, known, token_id_of(token), 0, ACTOR)
    clock(monkeypatch, 901)
    with pytest.raises(Unauthenticated, match="expired"):
        known.authenticate(None, token)


def test_an_exchanged_token_can_be_revoked(configured: Callable[..., Accounts], catalog: Catalog) -> None:
    known = configured(exchangers={"fake": Exchanger("acme:admin")})
    token = exchanged(known, catalog, "acme:admin")
    known.revoke(token_id_of(token), ACTOR)
    with pytest.raises(Unauthenticated, match="revoked"):
        known.authenticate(None, token)


# Against a model.

NAMES = st.sampled_from(["acme", "other"])
REPOSITORIES = st.sampled_from(["toys", "open"])
PACKAGES = st.text("ab", min_size=1, max_size=3)
GRANTS = st.one_of(
    st.builds(Grant, NAMES, st.none(), st.none(), st.sampled_from(Right)),
    st.builds(Grant, NAMES, REPOSITORIES, st.none(), st.sampled_from(Right)),
    st.builds(Grant, NAMES, REPOSITORIES, st.text("ab*?", min_size=1, max_size=3), st.sampled_from(Right)),
)


def naive(grants: list[Grant], address: Address, package: str | None) -> int:
    """The highest right, read off the words of the documentation."""
    level = 0
    for grant in grants:
        target, _, right = str(grant).rpartition(":")
        parts = target.split("/")
        wanted = [address.project, address.repository, package][: len(parts)]
        fits = all(
            want is not None and (want == part if place < 2 else fnmatchcase(want, part))
            for place, (want, part) in enumerate(zip(wanted, parts, strict=True))
        )
        if fits:
            level = max(level, ["", "read", "publish", "maintain", "admin"].index(right))
    return level


@given(st.lists(GRANTS, max_size=4), st.lists(GRANTS, max_size=4), NAMES, REPOSITORIES, st.none() | PACKAGES)
def test_what_a_token_may_is_the_lesser_of_owner_and_token(
    owner: list[Grant], token: list[Grant], project: str, repository: str, package: str | None
) -> None:
    address = Address(project, repository)
    caller = Identity("service:x", "id", tuple(owner), tuple(token))
    may = min(naive(owner, address, package), naive(token, address, package))
    for right in Right:
        assert caller.may(right, address, package) is (may >= right)
        if caller.may(right, address, package):
            assert caller.may_somewhere(right, address)
        if caller.may_throughout(right, project):
            assert caller.may(right, address, package)


@given(st.lists(GRANTS, max_size=4), st.lists(GRANTS, max_size=4), NAMES)
def test_admin_somewhere_is_admin_of_a_whole_project(owner: list[Grant], token: list[Grant], project: str) -> None:
    caller = Identity("service:x", "id", tuple(owner), tuple(token))
    assert caller.is_admin_somewhere is any(caller.may_throughout(Right.ADMIN, name) for name in ("acme", "other"))


# A typing error is told without a look into the catalog.


MINTED = [mint(kind).text for kind in ("service", "user", "fake")]


@given(st.data())
def test_a_wrong_character_anywhere_is_told_without_the_catalog(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(MINTED))
    place = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from("0Aaz_-!").filter(lambda char: char != text[place]))

    class NoCatalog:
        def read(self) -> None:
            raise AssertionError("the catalog was asked")

    mistyped = text[:place] + wrong + text[place + 1 :]
    with pytest.raises(Unauthenticated, match=r"typing error|is no token"):
        Accounts(NoCatalog()).authenticate(None, mistyped)  # type: ignore[arg-type]

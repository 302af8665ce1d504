"""Tokens and accounts: their shape, how they are kept, whom they stand for, when they are refused."""

import base64
import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg.catalog import Catalog
from orbitalreg.catalog import accounts as stored
from orbitalreg.catalog.commits import CommitMark
from orbitalreg.errors import InvalidName, NotFound, Unauthenticated
from orbitalreg.identity import Accounts
from orbitalreg.model import Actor, Grant, now
from orbitalreg.tokens import TOKEN_PATTERN, masked, mint, token_id_of
from orbitalreg.web.auth import credentials

ACTOR = Actor("local:test", address="127.0.0.1", request_id="r1")
GRANTS = [Grant.parse("acme:publish")]
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def catalog(tmp_path: Any) -> Catalog:
    return Catalog(tmp_path)


@pytest.fixture
def accounts(catalog: Catalog) -> Accounts:
    return Accounts(catalog)


def add_ann(accounts: Accounts, *grants: str) -> None:
    """The user ann, who has the usual grants and these."""
    accounts.add_user("ann", ACTOR)
    accounts.grant("user:ann", [*GRANTS, *map(Grant.parse, grants)], ACTOR)


@pytest.mark.parametrize(("kind", "prefix"), [("service", "orbsa_"), ("user", "orbpat_"), ("oidc-gitlab", "orboi_")])
def test_a_token_has_its_kinds_prefix_and_46_characters(kind: str, prefix: str) -> None:
    text = mint(kind).text
    assert text.startswith(prefix)
    assert len(text.removeprefix(prefix)) == 46
    assert TOKEN_PATTERN.fullmatch(text)


def test_the_id_is_told_by_the_token() -> None:
    token = mint("service")
    assert token_id_of(token.text) == token.id


@pytest.mark.parametrize("kind", ["service", "user", "fake"])
def test_of_a_token_within_a_text_its_id_alone_is_shown(kind: str) -> None:
    one, other = mint(kind), mint(kind)
    shown = masked(f"/x/{one.text}/orbital and {other.text}")
    prefix = one.text.partition("_")[0]
    assert shown == f"/x/{prefix}_{one.id}.../orbital and {prefix}_{other.id}..."


def test_no_two_tokens_are_alike() -> None:
    assert len({mint("user").text for _ in range(100)}) == 100


@given(st.data())
def test_any_single_wrong_character_is_told_as_a_typing_error(data: st.DataObject) -> None:
    text = mint("service").text
    place = data.draw(st.integers(len("orbsa_"), len(text) - 1))
    wrong = data.draw(st.sampled_from(BASE62.replace(text[place], "")))
    with pytest.raises(Unauthenticated, match="typing error"):
        token_id_of(text[:place] + wrong + text[place + 1 :])


@given(st.integers(len("orbsa_"), 50))
def test_two_swapped_characters_are_told_as_a_typing_error(place: int) -> None:
    text = mint("service").text
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if swapped != text:
        with pytest.raises(Unauthenticated, match="typing error"):
            token_id_of(swapped)


@pytest.mark.parametrize(
    "change", [lambda t: t + "0", lambda t: t[:-1], lambda t: t + "\n", lambda t: f"x{t}", str.upper]
)
def test_what_has_not_the_shape_of_a_token_is_called_none(change: Any) -> None:
    with pytest.raises(Unauthenticated, match="is no token"):
        token_id_of(change(mint("service").text))


@given(st.text())
def test_any_other_text_is_no_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        token_id_of(text)


def test_a_service_accounts_token_stands_for_it(accounts: Accounts) -> None:
    token = accounts.create_token("robot", None, GRANTS, None, ACTOR)
    identity = accounts.authenticate("__token__", token.text)
    assert (identity.name, identity.token_id) == ("service:robot", token.id)
    assert identity.owner == identity.token == tuple(GRANTS)


def test_a_users_token_stands_for_the_user(accounts: Accounts) -> None:
    add_ann(accounts)
    token = accounts.create_token("laptop", "ann", GRANTS, None, ACTOR)
    assert token.text.startswith("orbpat_")
    assert accounts.authenticate("ann", token.text).name == "user:ann"


def test_a_second_token_does_not_narrow_its_owner(accounts: Accounts) -> None:
    add_ann(accounts, "acme/toys:read")
    accounts.create_token("laptop", "ann", GRANTS, None, ACTOR)
    narrow = accounts.create_token("ci", "ann", [Grant.parse("acme/toys:read")], None, ACTOR)
    identity = accounts.authenticate(None, narrow.text)
    assert set(map(str, identity.owner)) == {"acme:publish", "acme/toys:read"}
    assert set(map(str, identity.token)) == {"acme/toys:read"}


def test_an_unknown_token_is_refused(accounts: Accounts) -> None:
    with pytest.raises(Unauthenticated, match="not known here"):
        accounts.authenticate(None, mint("service").text)


def test_a_right_id_with_a_wrong_secret_is_refused(accounts: Accounts, catalog: Catalog) -> None:
    token = accounts.create_token("robot", None, GRANTS, None, ACTOR)
    with catalog.write() as db:
        db.execute("UPDATE token SET hash = ? WHERE id = ?", ("0" * 64, token.id))
    with pytest.raises(Unauthenticated, match="not known here"):
        accounts.authenticate(None, token.text)


def test_an_expired_token_is_refused(accounts: Accounts) -> None:
    token = accounts.create_token("robot", None, GRANTS, now() - 1, ACTOR)
    with pytest.raises(Unauthenticated, match="'robot' is expired"):
        accounts.authenticate(None, token.text)


def test_a_token_is_good_until_it_expires(accounts: Accounts) -> None:
    token = accounts.create_token("robot", None, GRANTS, now() + 60_000_000, ACTOR)
    assert accounts.authenticate(None, token.text).token_id == token.id


def test_a_revoked_token_is_refused(accounts: Accounts) -> None:
    token = accounts.create_token("robot", None, GRANTS, None, ACTOR)
    accounts.revoke(token.id, ACTOR)
    with pytest.raises(Unauthenticated, match="'robot' is revoked"):
        accounts.authenticate(None, token.text)


def test_revoking_by_name_revokes_every_token_of_it(accounts: Accounts) -> None:
    made = [accounts.create_token("robot", None, GRANTS, None, ACTOR).id for _ in range(2)]
    other = accounts.create_token("other", None, GRANTS, None, ACTOR)
    assert sorted(accounts.revoke("robot", ACTOR)) == sorted(made)
    assert accounts.authenticate(None, other.text).token_id == other.id


def test_what_is_revoked_already_cannot_be_revoked(accounts: Accounts) -> None:
    token = accounts.create_token("robot", None, GRANTS, None, ACTOR)
    accounts.revoke(token.id, ACTOR)
    with pytest.raises(NotFound, match="no token that could be revoked"):
        accounts.revoke(token.id, ACTOR)


def test_a_revocation_by_another_process_counts_at_once(accounts: Accounts, tmp_path: Any) -> None:
    token = accounts.create_token("robot", None, GRANTS, None, ACTOR)
    assert accounts.authenticate(None, token.text)
    script = (
        "import sys; from pathlib import Path\n"
        "from orbitalreg.catalog import Catalog; from orbitalreg.identity import Accounts\n"
        "from orbitalreg.model import Actor\n"
        "Accounts(Catalog(Path(sys.argv[1]))).revoke(sys.argv[2], Actor('other'))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path), token.id], check=True)
    with pytest.raises(Unauthenticated, match="revoked"):
        accounts.authenticate(None, token.text)


@pytest.mark.parametrize("user", ["somebody", "", "Robot", "service:robot"])
def test_another_user_name_than_the_owners_is_refused(user: str, accounts: Accounts) -> None:
    token = accounts.create_token("robot", None, GRANTS, None, ACTOR)
    with pytest.raises(Unauthenticated, match="user name does not belong"):
        accounts.authenticate(user, token.text)


@pytest.mark.parametrize("user", ["__token__", "robot", None])
def test_the_owners_name_the_token_user_and_bearer_are_taken(user: str | None, accounts: Accounts) -> None:
    token = accounts.create_token("robot", None, GRANTS, None, ACTOR)
    assert accounts.authenticate(user, token.text).name == "service:robot"


def test_a_token_without_a_grant_is_refused(accounts: Accounts) -> None:
    with pytest.raises(InvalidName, match="at least one"):
        accounts.create_token("robot", None, [], None, ACTOR)
    assert not accounts.has_tokens()


@pytest.mark.parametrize(
    ("name", "user"), [("Robot", None), ("a b", None), ("", None), ("laptop", "Ann"), ("a/b", "ann")]
)
def test_accounts_and_tokens_have_valid_names(name: str, user: str | None, accounts: Accounts) -> None:
    with pytest.raises(InvalidName):
        accounts.create_token(name, user, GRANTS, None, ACTOR)
    assert not accounts.has_tokens()


def test_only_hashes_are_in_the_files_of_the_catalog(accounts: Accounts, tmp_path: Any) -> None:
    add_ann(accounts)
    tokens = [accounts.create_token("robot", None, GRANTS, None, ACTOR) for _ in range(3)]
    tokens.append(accounts.create_token("laptop", "ann", GRANTS, None, ACTOR))
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for token in tokens:
        assert token.id.encode() in kept
        secret = token.text.partition("_")[2][8:40]
        assert secret.encode() not in kept


def test_making_and_revoking_are_in_the_audit_log(accounts: Accounts, catalog: Catalog) -> None:
    token = accounts.create_token("robot", None, GRANTS, None, ACTOR)
    accounts.revoke(token.id, ACTOR)
    rows = catalog.read().execute("SELECT action, target, actor, address, request_id FROM audit_entry ORDER BY id")
    assert rows.fetchall() == [
        ("token.create", token.id, "local:test", "127.0.0.1", "r1"),
        ("token.revoke", token.id, "local:test", "127.0.0.1", "r1"),
    ]


def test_bearer_has_no_user() -> None:
    assert credentials("Bearer  secret ") == (None, "secret")
    assert credentials("bearer secret") == (None, "secret")


def test_basic_is_user_and_secret() -> None:
    assert credentials("Basic YW5uOm9yYjpwYXQ=") == ("ann", "orb:pat")
    assert credentials("basic YW5uOg==") == ("ann", "")


@pytest.mark.parametrize(
    "header", ["Digest x", "Basic", "Basic !!!", "Basic YW5u", "Basic /////w==", "YW5uOg==", "Basic \xe9"]
)
def test_a_broken_authorization_header_is_refused(header: str) -> None:
    with pytest.raises(Unauthenticated, match="Authorization header"):
        credentials(header)


# What is remembered, and until when


def basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode()


@pytest.fixture
def remembered(accounts: Accounts) -> tuple[str, str]:
    """The id of a token that was shown, and the header in which it was."""
    token = accounts.create_token("robot", None, GRANTS, None, ACTOR)
    accounts.authenticate("__token__", token.text, basic(token.text))
    return token.id, basic(token.text)


def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each look of `Accounts` at the revision."""
    looks: list[int] = []
    real = stored.identity_revision

    def revision(db: Any) -> int:
        looks.append(1)
        return real(db)

    monkeypatch.setattr(stored, "identity_revision", revision)
    return looks


def test_where_nothing_was_committed_a_token_is_recalled_without_a_query(
    accounts: Accounts, catalog: Catalog, remembered: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    assert accounts.recall(remembered[1]) is not None
    looks = asked(monkeypatch)
    assert accounts.recall(remembered[1]) is not None and looks == []
    with catalog.write():
        pass
    assert accounts.recall(remembered[1]) is not None and len(looks) == 1
    assert accounts.recall(remembered[1]) is not None and len(looks) == 1


def test_a_mark_that_stays_is_believed_for_a_second_and_no_longer(
    accounts: Accounts, catalog: Catalog, remembered: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a process that died between its commit and the mark, or a change by another program."""
    present = time.monotonic() + 10
    monkeypatch.setattr(time, "monotonic", lambda: present)
    assert accounts.recall(remembered[1]) is not None
    monkeypatch.setattr(CommitMark, "renew", lambda self: None)
    Accounts(catalog).revoke(remembered[0], ACTOR)
    present += 0.9
    assert accounts.recall(remembered[1]) is not None
    present += 0.2
    assert accounts.recall(remembered[1]) is None


@pytest.mark.parametrize("how", ["revoke", "disable", "grant"])
def test_what_another_process_changes_is_seen_by_the_next_recall(
    how: str, accounts: Accounts, remembered: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)  # so that the mark alone can tell
    assert accounts.recall(remembered[1]) is not None
    script = f"""
import sys
from pathlib import Path
from orbitalreg.catalog import Catalog
from orbitalreg.identity import Accounts
from orbitalreg.model import Actor, Grant
accounts, actor = Accounts(Catalog(Path(sys.argv[1]))), Actor("local:test")
if {how!r} == "revoke":
    accounts.revoke({remembered[0]!r}, actor)
elif {how!r} == "disable":
    accounts.set_disabled("service:robot", True, actor)
else:
    accounts.revoke_grant("service:robot", Grant.parse("acme:publish"), actor)
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
    assert accounts.recall(remembered[1]) is None


def test_a_disk_that_takes_no_mark_fails_no_commit(
    accounts: Accounts, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "pwrite", full)
    assert accounts.add_user("ann", ACTOR)
    assert [row.name for row in accounts.users()] == ["ann"]


def test_the_mark_is_another_after_each_commit_of_any_instance(catalog: Catalog, tmp_path: Path) -> None:
    other = Catalog(tmp_path)
    marks = [catalog.mark()]
    for writer in (catalog, other, catalog):
        with writer.write():
            before = catalog.mark()
        marks.append(catalog.mark())
        assert before == marks[-2] and other.mark() == marks[-1]
    assert len(set(marks)) == len(marks) and None not in marks


def test_a_catalog_that_is_only_looked_at_has_no_mark_and_makes_none(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "catalog.commits").unlink()
    assert Catalog(tmp_path, look_only=True).mark() is None
    assert not (tmp_path / "catalog.commits").exists()

"""Who is refused, and what their client tells them."""

import re

import pytest
from harness import eventually
from ledger import OFFERED, THROUGH, Action, Entries
from repositories import Tokens
from says import (
    ANONYMOUS_REASON,
    FORBIDDEN_REASON,
    NO_WORDS,
    PUBLISH_ANONYMOUS,
    READ_ANONYMOUS,
    READ_HIDDEN,
    READ_REFUSED,
    REMOTE_REASON,
    REVOKED_REASON,
    STATUS_ALONE,
    refusal,
)
from user import INSTALL, LOCK, PUBLISH, NewUser, User

from orbitalreg.model import Kind

NOT_FOUND = "the client says that there is no such package, and not that it was refused"
BEFORE = "the client itself asks for credentials or misses them, and sends nothing"


def _publisher(user: NewUser, client: str, token: str | None) -> User:
    publisher = user(client, token)
    publisher.writes_dist("orbdemo-refused")
    return publisher


@pytest.mark.parametrize("client", OFFERED[Action.PUBLISH_REVOKED])
@pytest.mark.parametrize("repository", THROUGH[Action.PUBLISH_REVOKED], indirect=True)
def test_publish_with_a_revoked_token(client: str, user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    publisher = _publisher(user, client, tokens.revoked)
    assert refusal(client, 401, "Unauthorized", REVOKED_REASON) in publisher.refused(PUBLISH[client])
    assert publisher.repository.files("orbdemo-refused") == {}
    ledger.ok(Action.PUBLISH_REVOKED, client, NO_WORDS if client in STATUS_ALONE else "")


@pytest.mark.parametrize("client", OFFERED[Action.PUBLISH_FORBIDDEN])
@pytest.mark.parametrize("repository", THROUGH[Action.PUBLISH_FORBIDDEN], indirect=True)
def test_publish_with_a_token_that_may_only_read(client: str, user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    publisher = _publisher(user, client, tokens.reader)
    reason = FORBIDDEN_REASON[publisher.repository.kind]
    assert refusal(client, 403, "Forbidden", reason) in publisher.refused(PUBLISH[client])
    assert publisher.repository.files("orbdemo-refused") == {}
    ledger.ok(Action.PUBLISH_FORBIDDEN, client, NO_WORDS if client in STATUS_ALONE else "")


@pytest.mark.parametrize("client", OFFERED[Action.PUBLISH_ANONYMOUS])
@pytest.mark.parametrize("repository", THROUGH[Action.PUBLISH_ANONYMOUS], indirect=True)
def test_publish_without_a_token(client: str, user: NewUser, ledger: Entries) -> None:
    publisher = _publisher(user, client, None)
    before = len(publisher.repository.log)
    assert PUBLISH_ANONYMOUS[client] in publisher.refused(PUBLISH[client])
    sent = ANONYMOUS_REASON in PUBLISH_ANONYMOUS[client]
    assert eventually(lambda: ('"POST"' in publisher.repository.log[before:]) == sent)
    assert publisher.repository.files("orbdemo-refused") == {}
    ledger.ok(Action.PUBLISH_ANONYMOUS, client, "" if sent else BEFORE)


@pytest.mark.parametrize("client", OFFERED[Action.PUBLISH_REMOTE])
@pytest.mark.parametrize("repository", THROUGH[Action.PUBLISH_REMOTE], indirect=True)
def test_publish_to_a_repository_that_takes_nothing(
    client: str, user: NewUser, tokens: Tokens, ledger: Entries
) -> None:
    publisher = _publisher(user, client, tokens.publisher)
    assert refusal(client, 403, "Forbidden", REMOTE_REASON) in publisher.refused(PUBLISH[client])
    assert publisher.repository.files("orbdemo-refused") == {}
    ledger.ok(Action.PUBLISH_REMOTE, client, NO_WORDS if client in STATUS_ALONE else "")


@pytest.mark.parametrize("client", OFFERED[Action.READ_REVOKED])
def test_install_with_a_revoked_token(client: str, user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    reader = user(client, tokens.revoked)
    reader.wants("orbdemo-app")
    assert READ_REFUSED[client] in reader.refused(INSTALL[client])
    assert reader.installed == set()
    ledger.ok(Action.READ_REVOKED, client, _note(READ_REFUSED[client]))


@pytest.mark.parametrize("client", OFFERED[Action.READ_ANONYMOUS])
def test_install_without_a_token(client: str, user: NewUser, ledger: Entries) -> None:
    reader = user(client, None)
    reader.wants("orbdemo-app")
    assert READ_ANONYMOUS[client] in reader.refused(INSTALL[client])
    assert reader.installed == set()
    ledger.ok(Action.READ_ANONYMOUS, client, _note(READ_ANONYMOUS[client]))


@pytest.mark.parametrize("repository", [Kind.LOCAL], indirect=True)
def test_pip_says_more_if_it_is_asked(user: NewUser) -> None:
    """As the page advises where a client says only that there is no such package."""
    pip = user("pip", None)
    pip.empty()
    assert f"401 Client Error: {ANONYMOUS_REASON}" in pip.refused("pip install -vv orbdemo-app")


@pytest.mark.parametrize("repository", [Kind.LOCAL], indirect=True)
def test_pdm_says_more_if_it_is_asked(user: NewUser, tokens: Tokens) -> None:
    pdm = user("pdm", tokens.revoked)
    pdm.wants("orbdemo-app")
    assert "401 Error, Credentials not correct for" in pdm.refused(f"{LOCK['pdm']} -v")


@pytest.mark.parametrize("client", OFFERED[Action.READ_HIDDEN])
def test_what_a_token_may_not_read_is_not_there(client: str, user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    """A private name is not confirmed: the same words as for a package that does not exist."""
    stranger = user(client, tokens.stranger)
    stranger.wants("orbdemo-app")
    before = len(stranger.repository.log)
    said = stranger.refused(INSTALL[client])
    assert eventually(lambda: '"status":404' in stranger.repository.log[before:])
    assert READ_HIDDEN[client] in said
    assert not re.search(r"\b40[13]\b|Authorization error", said)
    assert stranger.installed == set()
    ledger.ok(Action.READ_HIDDEN, client)


def _note(said: str) -> str:
    return "" if "401" in said or "Authorization" in said else NOT_FOUND

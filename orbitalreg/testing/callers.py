"""The contracts of what knows callers: authenticators, and exchangers of tokens.

The author gives material of each sort: what is good, what is wrong, and what is for others to judge.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orbitalreg.errors import ConfigError, ExchangeRefused, Unauthenticated, UpstreamFailed
from orbitalreg.interfaces import Authenticator, Clients, Credentials, Exchange, Surroundings, TokenExchanger
from orbitalreg.model import Grant, now, valid_name
from orbitalreg.testing.checks import is_plain, near

THREADS = 4
CODES = ("invalid-token", "invalid-payload", "invalid-publisher", "invalid-reuse-token", "not-enabled")
SUBJECT_LENGTH = 255

K = TypeVar("K", Authenticator, TokenExchanger)

# The instance is one for all examples, as it is one for all requests.
_hostile = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def no_clients(server: str, ca_bundle: Path | None = None) -> Any:
    """The clients of a plugin that asks no server."""
    raise AssertionError(f"a server is asked: {server}")


class Unasked:
    """Makes clients that must not be asked, and keeps what they were asked all the same."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, server: str, ca_bundle: Path | None = None) -> "Unasked":
        return self

    def get(self, url: str, *, max_bytes: int, accept: str = "*/*", seconds: float = 10.0) -> bytes:
        self.asked.append(url)
        raise UpstreamFailed("nobody is to be asked now")


@dataclass(frozen=True)
class AuthenticatorUnderTest:
    """What the fixture `subject` returns: the class, its table, and credentials of each sort.

    `base` is what relative paths in the tables are relative to; what the tables name is there already. `good` is who
    shows what, `wrong` is for this authenticator to judge and is wrong, and `others` is not.
    """

    cls: type[Authenticator]
    base: Path
    options: Mapping[str, Any]
    bad_options: Sequence[Mapping[str, Any]]
    good: Sequence[tuple[Credentials, str]]
    wrong: Sequence[Credentials]
    others: Sequence[Credentials]
    clients: Clients = no_clients


@dataclass(frozen=True)
class TokenExchangerUnderTest:
    """What the fixture `subject` returns: the class, its table, and tokens of each sort.

    `base` and `bad_options` are as for an authenticator. `options_without_rules` is the table once nothing is granted
    to anybody. `good` are two tokens or more, each of its own; `bad` maps tokens that are refused to the code, and
    `others` are of issuers that are not configured. `clients` are those of the tests'
    servers, where some are asked.
    """

    cls: type[TokenExchanger]
    base: Path
    options: Mapping[str, Any]
    options_without_rules: Mapping[str, Any]
    bad_options: Sequence[Mapping[str, Any]]
    good: Sequence[str]
    bad: Mapping[str, str]
    others: Sequence[str]
    clients: Clients = field(default=no_clients)

    def __post_init__(self) -> None:
        if len(set(self.good)) < 2:
            raise ValueError("good: give at least 2")


class _BaseContract(Generic[K]):
    """What both have in common: how they are made."""

    @pytest.fixture
    def subject(self) -> Any:
        raise NotImplementedError("override the fixture `subject`")

    @pytest.fixture
    def make(self, subject: Any) -> Callable[[Mapping[str, Any]], K]:
        """Makes an instance over a table, as the host does."""

        def make(options: Mapping[str, Any]) -> K:
            made: K = subject.cls(Surroundings(options, subject.base, subject.base / "own", subject.clients))
            return made

        return make

    @pytest.fixture
    def instance(self, subject: Any, make: Callable[[Mapping[str, Any]], K]) -> K:
        """One over the good table."""
        return make(subject.options)

    def test_its_name_is_one(self, subject: Any) -> None:
        assert valid_name(subject.cls.name, "name") == subject.cls.name

    def test_making_one_changes_nothing_and_asks_nobody(self, subject: Any) -> None:
        before, clients = _files(subject.base), Unasked()
        subject.cls(Surroundings(subject.options, subject.base, subject.base / "own", clients))
        assert _files(subject.base) == before
        assert clients.asked == []

    def test_a_faulty_table_is_a_config_error_with_its_keys(
        self, subject: Any, make: Callable[[Mapping[str, Any]], K]
    ) -> None:
        assert subject.bad_options, "give at least one faulty table"
        for options in subject.bad_options:
            with pytest.raises(ConfigError) as refused:
                make(options)
            for problem in refused.value.problems:
                assert is_plain(problem) and ": " in problem, f"{problem!r} does not begin with a key"


class BaseAuthenticatorContract(_BaseContract[Authenticator]):
    """Subclass it as `Test...` and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> AuthenticatorUnderTest:
        raise NotImplementedError("override the fixture `subject`: return an AuthenticatorUnderTest")

    def test_good_credentials_name_their_user(self, instance: Authenticator, subject: AuthenticatorUnderTest) -> None:
        for credentials, user in subject.good:
            told = instance.authenticate(credentials)
            assert told == user and type(told) is str
            assert valid_name(told, "user name")

    def test_wrong_credentials_are_refused(self, instance: Authenticator, subject: AuthenticatorUnderTest) -> None:
        assert subject.wrong, "give at least one"
        for credentials in subject.wrong:
            assert _answer(instance, credentials) is Unauthenticated

    def test_a_refusal_is_a_plain_line_without_the_secret(
        self, instance: Authenticator, subject: AuthenticatorUnderTest
    ) -> None:
        for credentials in subject.wrong:
            told = _refusal(instance, credentials)
            assert is_plain(told)
            assert not credentials.secret or credentials.secret not in told

    def test_what_is_anothers_to_judge_is_left_to_others(
        self, instance: Authenticator, subject: AuthenticatorUnderTest
    ) -> None:
        for credentials in subject.others:
            assert instance.authenticate(credentials) is None

    def test_who_shows_nothing_is_nobody(self, instance: Authenticator) -> None:
        for peer in ("192.0.2.1", "2001:db8::1", "127.0.0.1", ""):
            assert instance.authenticate(Credentials(None, None, {}, peer, peer)) is None

    def test_what_was_asked_before_changes_no_answer(
        self, instance: Authenticator, subject: AuthenticatorUnderTest
    ) -> None:
        """Good ones stay good among wrong ones, and wrong ones wrong among good ones."""
        asked = [*(credentials for credentials, _ in subject.good), *subject.wrong, *subject.others]
        first = [_answer(instance, credentials) for credentials in asked]
        assert [_answer(instance, credentials) for credentials in reversed(asked)] == first[::-1]

    def test_two_instances_and_many_threads_answer_alike(
        self, make: Callable[[Mapping[str, Any]], Authenticator], subject: AuthenticatorUnderTest
    ) -> None:
        asked = [*(credentials for credentials, _ in subject.good), *subject.wrong, *subject.others] * 3
        one, other = make(subject.options), make(subject.options)
        expected = [_answer(one, credentials) for credentials in asked]
        with ThreadPoolExecutor(THREADS) as threads:
            assert list(threads.map(lambda credentials: _answer(other, credentials), asked)) == expected

    @given(data=st.data())
    @_hostile
    def test_no_other_credentials_let_anybody_in(
        self, instance: Authenticator, subject: AuthenticatorUnderTest, data: st.DataObject
    ) -> None:
        """Whatever a stranger sends, who has no good secret and speaks through no proxy that is believed."""
        users = near([credentials.user or "user" for credentials, _ in subject.good])
        names = [name for credentials, _ in subject.good for name in credentials.headers] or ["x-user"]
        shown = Credentials(
            data.draw(st.none() | users),
            data.draw(st.none() | st.text(max_size=100)),
            data.draw(st.dictionaries(st.sampled_from(names), users, max_size=2)),
            "203.0.113.77",
            data.draw(st.sampled_from(["203.0.113.77", "127.0.0.1"])),
        )
        known = {(credentials.user, credentials.secret) for credentials, _ in subject.good if credentials.secret}
        if (shown.user, shown.secret) not in known:
            assert _answer(instance, shown) in (None, Unauthenticated)


class BaseTokenExchangerContract(_BaseContract[TokenExchanger]):
    """Subclass it as `Test...` and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> TokenExchangerUnderTest:
        raise NotImplementedError("override the fixture `subject`: return a TokenExchangerUnderTest")

    def test_it_has_an_audience_and_always_the_same(
        self, instance: TokenExchanger, make: Callable[[Mapping[str, Any]], TokenExchanger], subject: Any
    ) -> None:
        assert is_plain(instance.audience)
        assert instance.audience == instance.audience == make(subject.options).audience

    def test_a_good_token_is_good_for_something(
        self, instance: TokenExchanger, subject: TokenExchangerUnderTest
    ) -> None:
        for token in subject.good:
            exchange = _good(instance, token)
            assert 0 < len(exchange.subject) <= SUBJECT_LENGTH and exchange.subject.isprintable()
            assert exchange.grants and all(isinstance(grant, Grant) for grant in exchange.grants)
            assert exchange.holder is None or exchange.holder

    def test_its_use_is_kept_until_it_is_good_no_more(
        self, instance: TokenExchanger, subject: TokenExchangerUnderTest
    ) -> None:
        for token in subject.good:
            exchange = _good(instance, token)
            assert type(exchange.replay_until) is int and exchange.replay_until > now()

    def test_each_token_has_its_own_replay_key_and_keeps_it(
        self, instance: TokenExchanger, subject: TokenExchangerUnderTest
    ) -> None:
        keys = [_good(instance, token).replay_key for token in subject.good]
        assert all(keys) and len(set(keys)) == len(set(subject.good))
        assert [_good(instance, token).replay_key for token in subject.good] == keys

    def test_an_origin_is_plain_and_holds_no_token(
        self, instance: TokenExchanger, subject: TokenExchangerUnderTest
    ) -> None:
        for token in subject.good:
            exchange = _good(instance, token)
            origin = dict(exchange.origin)
            assert origin and all(type(part) is str for item in origin.items() for part in item)
            assert json.loads(json.dumps(origin)) == origin
            for secret in (token, token.rpartition(".")[2]):
                assert secret not in json.dumps([exchange.subject, exchange.replay_key, exchange.holder, origin])

    def test_by_its_origin_it_has_what_it_was_exchanged_for(
        self, instance: TokenExchanger, subject: TokenExchangerUnderTest
    ) -> None:
        for token in subject.good:
            exchange = _good(instance, token)
            assert set(instance.grants(json.loads(json.dumps(dict(exchange.origin))))) == set(exchange.grants)

    def test_a_rule_that_is_gone_gives_nothing(
        self,
        instance: TokenExchanger,
        make: Callable[[Mapping[str, Any]], TokenExchanger],
        subject: TokenExchangerUnderTest,
    ) -> None:
        without = make(subject.options_without_rules)
        for token in subject.good:
            assert not without.grants(_good(instance, token).origin)
            with pytest.raises(ExchangeRefused):
                without.exchange(token)

    def test_a_bad_token_is_refused_with_its_code(
        self, instance: TokenExchanger, subject: TokenExchangerUnderTest
    ) -> None:
        assert subject.bad, "give at least one"
        for token, code in subject.bad.items():
            assert code in CODES
            with pytest.raises(ExchangeRefused) as refused:
                instance.exchange(token)
            assert refused.value.code == code, str(refused.value)
            assert is_plain(str(refused.value)) and token not in str(refused.value)

    def test_of_an_issuer_that_is_not_configured_nothing_is_said_and_no_server_asked(
        self, subject: TokenExchangerUnderTest
    ) -> None:
        clients = Unasked()
        unasking = subject.cls(Surroundings(subject.options, subject.base, subject.base / "own", clients))
        for token in (*subject.others, "nonsense"):
            assert unasking.exchange(token) is None
        assert clients.asked == []

    def test_many_threads_are_answered_alike(self, instance: TokenExchanger, subject: TokenExchangerUnderTest) -> None:
        tokens = [*subject.good, *subject.bad, *subject.others] * 3
        expected = [_outcome(instance, token) for token in tokens]
        with ThreadPoolExecutor(THREADS) as threads:
            assert list(threads.map(lambda token: _outcome(instance, token), tokens)) == expected

    @given(data=st.data())
    @_hostile
    def test_no_other_text_is_good_for_anything(
        self, instance: TokenExchanger, subject: TokenExchangerUnderTest, data: st.DataObject
    ) -> None:
        """A changed token is refused or another's; what only spells a good one otherwise is used with it."""
        text = data.draw(near([*subject.good, *subject.bad, *subject.others]))
        keys = {_good(instance, token).replay_key for token in subject.good}
        outcome = _outcome(instance, text)
        assert outcome is None or outcome in CODES or outcome in keys

    @given(origin=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3))
    @_hostile
    def test_a_strangers_origin_gives_nothing(self, instance: TokenExchanger, origin: dict[str, str]) -> None:
        assert not instance.grants(origin)


def _answer(authenticator: Authenticator, credentials: Credentials) -> str | type[Unauthenticated] | None:
    try:
        return authenticator.authenticate(credentials)
    except Unauthenticated:
        return Unauthenticated


def _refusal(authenticator: Authenticator, credentials: Credentials) -> str:
    """What is said to it; that it is refused at all is another test's."""
    try:
        authenticator.authenticate(credentials)
    except Unauthenticated as refused:
        return str(refused)
    return "nothing"


def _good(exchanger: TokenExchanger, token: str) -> Exchange:
    exchange = exchanger.exchange(token)
    assert isinstance(exchange, Exchange), "a good token was left to others"
    return exchange


def _outcome(exchanger: TokenExchanger, token: str) -> str | None:
    """The replay key, or the code of the refusal."""
    try:
        exchange = exchanger.exchange(token)
    except ExchangeRefused as refused:
        return refused.code
    return None if exchange is None else exchange.replay_key


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}

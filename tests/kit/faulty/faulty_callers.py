"""Authenticators and exchangers with one fault each; `FAULTS` says which tests of the contracts must find it."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orbitalreg_toy_signin import ToyAuthenticator, ToyExchanger

from orbitalreg.errors import ExchangeRefused, OrbitalError, Unauthenticated
from orbitalreg.interfaces import Credentials, Exchange
from orbitalreg.model import Grant, now


class Misnamed(ToyAuthenticator):
    """Has a name that can stand nowhere."""

    name = "Toy Words"


class Writing(ToyAuthenticator):
    """Writes when it is made."""

    def __init__(self, surroundings: Any) -> None:
        super().__init__(surroundings)
        (surroundings.base / "seen").write_text("")


class Unchecking(ToyAuthenticator):
    """Takes any table."""

    def __init__(self, surroundings: Any) -> None:
        self._words = {user: str(word) for user, word in surroundings.options["words"].items()}


class Shouting(ToyAuthenticator):
    """Calls users otherwise."""

    def authenticate(self, credentials: Credentials) -> str | None:
        name: str | None = super().authenticate(credentials)
        return name and name.upper()


class Shrugging(ToyAuthenticator):
    """Leaves wrong credentials to others."""

    def authenticate(self, credentials: Credentials) -> str | None:
        try:
            return super().authenticate(credentials)  # type: ignore[no-any-return]
        except Unauthenticated:
            return None


class Telling(ToyAuthenticator):
    """Shows the secret in its refusals."""

    def authenticate(self, credentials: Credentials) -> str | None:
        try:
            return super().authenticate(credentials)  # type: ignore[no-any-return]
        except Unauthenticated:
            raise Unauthenticated(f"{credentials.secret} is not the word") from None


class Possessive(ToyAuthenticator):
    """Refuses those of whom it knows nothing."""

    def authenticate(self, credentials: Credentials) -> str | None:
        name: str | None = super().authenticate(credentials)
        if name is None and credentials.secret is not None:
            raise Unauthenticated("who is that?")
        return name


class Demanding(ToyAuthenticator):
    """Refuses who shows nothing."""

    def authenticate(self, credentials: Credentials) -> str | None:
        if credentials.user is None and credentials.secret is None:
            raise Unauthenticated("say something")
        return super().authenticate(credentials)  # type: ignore[no-any-return]


class Locking(ToyAuthenticator):
    """Locks a user out after a failure."""

    def __init__(self, surroundings: Any) -> None:
        super().__init__(surroundings)
        self._locked: set[str | None] = set()

    def authenticate(self, credentials: Credentials) -> str | None:
        try:
            name: str | None = super().authenticate(credentials)
        except Unauthenticated:
            self._locked.add(credentials.user)
            raise
        if credentials.user in self._locked:
            raise Unauthenticated("the account is locked")
        return name


class OneThreaded(ToyAuthenticator):
    """Knows nobody but in the thread that made it."""

    def __init__(self, surroundings: Any) -> None:
        super().__init__(surroundings)
        self._thread = threading.get_ident()

    def authenticate(self, credentials: Credentials) -> str | None:
        if threading.get_ident() != self._thread:
            return None
        return super().authenticate(credentials)  # type: ignore[no-any-return]


class Credulous(ToyAuthenticator):
    """Believes a header of anybody."""

    def authenticate(self, credentials: Credentials) -> str | None:
        return credentials.headers.get("x-user") or super().authenticate(credentials)


class MisnamedExchanger(ToyExchanger):
    """Has a name that can stand nowhere."""

    name = ""


class Curious(ToyExchanger):
    """Asks a server when it is made."""

    def __init__(self, surroundings: Any) -> None:
        super().__init__(surroundings)
        try:
            surroundings.clients("https://issuer.example").get("https://issuer.example/keys", max_bytes=1)
        except (AssertionError, OrbitalError):
            return


class UncheckingExchanger(ToyExchanger):
    """Takes any table."""

    def __init__(self, surroundings: Any) -> None:
        self._key = surroundings.options.get("key", "")
        publishers = surroundings.options.get("publishers", ())
        self._publishers = {
            publisher["subject"]: tuple(Grant.parse(grant) for grant in publisher.get("grants", ()) if ":" in grant)
            for publisher in publishers
        }


class Fickle(ToyExchanger):
    """Has another audience each time."""

    asked = 0

    @property
    def audience(self) -> str:
        Fickle.asked += 1
        return f"orbitalreg-{Fickle.asked}"


class _Changing(ToyExchanger):
    """Answers with something else in the place of what is right."""

    def change(self, exchange: Exchange, token: str) -> Exchange | None:
        raise NotImplementedError

    def exchange(self, token: str) -> Exchange | None:
        exchange = super().exchange(token)
        return exchange and self.change(exchange, token)


class Nameless(_Changing):
    """Names nobody."""

    def change(self, exchange: Exchange, token: str) -> Exchange:
        return replace(exchange, subject="")


class Forgetful(_Changing):
    """Lets uses be forgotten at once."""

    def change(self, exchange: Exchange, token: str) -> Exchange:
        return replace(exchange, replay_until=now())


class Alike(_Changing):
    """Has one replay key for all."""

    def change(self, exchange: Exchange, token: str) -> Exchange:
        return replace(exchange, replay_key="key")


class Leaking(_Changing):
    """Keeps the token itself."""

    def change(self, exchange: Exchange, token: str) -> Exchange:
        return replace(exchange, holder=token)


class Generous(_Changing):
    """Gives more than the rules do."""

    def change(self, exchange: Exchange, token: str) -> Exchange:
        return replace(exchange, grants=(*exchange.grants, Grant.parse("acme:admin")))


class Loyal(ToyExchanger):
    """Stays with what was granted once."""

    granted: Mapping[str, tuple[Grant, ...]] = {"acme/ball": (Grant.parse("acme/toys/ball:publish"),)}

    def grants(self, origin: Mapping[str, str]) -> tuple[Grant, ...]:
        return self.granted.get(origin.get("project", ""), ())


class Blunt(ToyExchanger):
    """Has one code for all."""

    def exchange(self, token: str) -> Exchange | None:
        try:
            return super().exchange(token)  # type: ignore[no-any-return]
        except ExchangeRefused as error:
            raise ExchangeRefused(str(error), "invalid-payload") from error


class Jealous(ToyExchanger):
    """Refuses the tokens of issuers that it does not know."""

    def exchange(self, token: str) -> Exchange | None:
        exchange: Exchange | None = super().exchange(token)
        if exchange is None:
            raise ExchangeRefused("never heard of it")
        return exchange


class OneThreadedExchanger(ToyExchanger):
    """Knows nothing but in the thread that made it."""

    def __init__(self, surroundings: Any) -> None:
        super().__init__(surroundings)
        self._thread = threading.get_ident()

    def exchange(self, token: str) -> Exchange | None:
        return super().exchange(token) if threading.get_ident() == self._thread else None


class Stumbling(ToyExchanger):
    """Fails on what it does not understand."""

    def exchange(self, token: str) -> Exchange | None:
        if token.count(".") != 1:
            raise IndexError(token)
        return super().exchange(token)  # type: ignore[no-any-return]


class OpenHanded(ToyExchanger):
    """Gives something to whoever comes from nowhere."""

    def grants(self, origin: Mapping[str, str]) -> tuple[Grant, ...]:
        if "project" not in origin:
            return (Grant.parse("acme:read"),)
        return super().grants(origin)  # type: ignore[no-any-return]


CONTROL = "test_its_name_is_one"
UNKNOWN = "test_of_an_issuer_that_is_not_configured_nothing_is_said_and_no_server_asked"

FAULTS: dict[type, list[str]] = {
    Misnamed: [CONTROL],
    Writing: ["test_making_one_changes_nothing_and_asks_nobody"],
    Unchecking: ["test_a_faulty_table_is_a_config_error_with_its_keys"],
    Shouting: ["test_good_credentials_name_their_user"],
    Shrugging: ["test_wrong_credentials_are_refused"],
    Telling: ["test_a_refusal_is_a_plain_line_without_the_secret"],
    Possessive: ["test_what_is_anothers_to_judge_is_left_to_others"],
    Demanding: ["test_who_shows_nothing_is_nobody"],
    Locking: ["test_what_was_asked_before_changes_no_answer"],
    OneThreaded: ["test_two_instances_and_many_threads_answer_alike"],
    Credulous: ["test_no_other_credentials_let_anybody_in"],
    MisnamedExchanger: [CONTROL],
    Curious: ["test_making_one_changes_nothing_and_asks_nobody"],
    UncheckingExchanger: ["test_a_faulty_table_is_a_config_error_with_its_keys"],
    Fickle: ["test_it_has_an_audience_and_always_the_same"],
    Nameless: ["test_a_good_token_is_good_for_something"],
    Forgetful: ["test_its_use_is_kept_until_it_is_good_no_more"],
    Alike: ["test_each_token_has_its_own_replay_key_and_keeps_it"],
    Leaking: ["test_an_origin_is_plain_and_holds_no_token"],
    Generous: ["test_by_its_origin_it_has_what_it_was_exchanged_for"],
    Loyal: ["test_a_rule_that_is_gone_gives_nothing"],
    Blunt: ["test_a_bad_token_is_refused_with_its_code"],
    Jealous: [UNKNOWN],
    OneThreadedExchanger: ["test_many_threads_are_answered_alike"],
    Stumbling: ["test_no_other_text_is_good_for_anything"],
    OpenHanded: ["test_a_strangers_origin_gives_nothing"],
}

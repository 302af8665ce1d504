"""Who is calling: whose token it is, else whom one of the configured authenticators knows."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orbitalreg.errors import Busy, Unauthenticated, WrongPassword
from orbitalreg.failures import FailureLimit
from orbitalreg.identity import Accounts
from orbitalreg.interfaces import Authenticator, Credentials
from orbitalreg.model import ANONYMOUS, Identity, valid_name
from orbitalreg.tokens import TOKEN_USERS, looks_like_token

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignIn:
    """Asks, in this order: the registry's own tokens; each authenticator, by name. Thread-safe.

    `on_failure` is told of wrong credentials: `token`, the name of the authenticator that refused them, or `password`
    where nobody knew them.
    """

    accounts: Accounts
    authenticators: Mapping[str, Authenticator]
    failures: FailureLimit
    on_failure: Callable[[str], None] = lambda kind: None

    def recall(self, header: str) -> Identity | None:
        """Whose token an Authorization header showed before, as far as that is remembered and nothing has changed."""
        return self.accounts.recall(header)

    def identify(self, credentials: Credentials, header: str | None = None) -> Identity:
        """Who shows `credentials`; those of a token are remembered by the `header` that they were read from.

        Raises `Unauthenticated`, `TooManyFailures` in its place, and `Busy`.

        A token is no password: none is shown to authenticators, and as none can be guessed, none is counted.
        """
        if credentials.secret is not None and looks_like_token(credentials.secret):
            return self._by_token(credentials.user, credentials.secret, header)
        name, failed = self._known(credentials)
        if name is not None:
            return self.accounts.user(name)
        if credentials.secret is None:
            return ANONYMOUS
        if not self.authenticators or credentials.user in (None, *TOKEN_USERS):
            return self._by_token(credentials.user, credentials.secret, None)
        if failed:
            raise Unauthenticated("the password could not be checked; the server's log says why")
        self._failed("password", credentials)
        raise WrongPassword

    def _by_token(self, user: str | None, secret: str, header: str | None) -> Identity:
        try:
            return self.accounts.authenticate(user, secret, header)
        except Unauthenticated:
            self.on_failure("token")
            raise

    def _known(self, credentials: Credentials) -> tuple[str | None, bool]:
        """The name of the user, and whether an authenticator failed without an answer."""
        failed = False
        for kind, authenticator in self.authenticators.items():
            try:
                name = authenticator.authenticate(credentials)
                if name is not None:
                    return valid_name(name, "user name"), failed
            except Unauthenticated:
                self._failed(kind, credentials)
                raise
            except Busy:
                raise
            except Exception:  # foreign code: whatever it raises, nobody is let in by it, and another may know them
                _log.exception("authenticator %s failed; the caller counts as unknown to it", kind)
                failed = True
        return None, failed

    def _failed(self, kind: str, credentials: Credentials) -> None:
        self.on_failure(kind)
        self.failures.count(credentials.address, credentials.user or "")

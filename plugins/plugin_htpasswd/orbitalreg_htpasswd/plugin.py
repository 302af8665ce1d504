"""The hook: an authenticator over one file."""

from collections.abc import Sequence

from orbitalreg.errors import ConfigError, WrongPassword
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Authenticator, Credentials, Surroundings
from orbitalreg_htpasswd.passwords import Passwords
from orbitalreg_htpasswd.users import UsersFile


class Htpasswd(Authenticator):
    """Knows the users of `[plugins.htpasswd] file` by their passwords."""

    name = "htpasswd"

    def __init__(self, surroundings: Surroundings) -> None:
        options = surroundings.options
        if unknown := sorted(options.keys() - {"file"}):
            raise ConfigError([f"{key}: there is no such key; known here: file" for key in unknown])
        file = options.get("file")
        if not isinstance(file, str) or not file:
            raise ConfigError(
                ['file: is missing; it must be the path of a file that htpasswd -B wrote, such as "htpasswd"']
            )
        self._users = UsersFile(surroundings.base / file)
        self._passwords = Passwords()

    def authenticate(self, credentials: Credentials) -> str | None:
        user, password = credentials.user, credentials.secret
        if not user or password is None:
            return None
        hashes = self._users.hashes()
        hashed = hashes.get(user)
        if hashed is None:
            self._passwords.pretend(user, password, list(hashes.values()), credentials.address)
            return None
        if not self._passwords.is_good(user, password, hashed, credentials.address):
            raise WrongPassword
        return user


@hookimpl
def authenticators() -> Sequence[type[Authenticator]]:
    return [Htpasswd]

"""One tree of errors, without HTTP: `orbitalreg.web.problems` alone turns them into answers.

The text of an error is one plain ASCII line for a person: what was wrong, where, and what to do next.
"""

import errno
from collections.abc import Sequence


def plain(text: str) -> str:
    """`text` as one line of printable ASCII: anything else in it is written as in a Python literal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if " " <= char <= "~" else ascii(char)[1:-1] for char in text)


class OrbitalError(Exception):
    """The root: everything that the host and its plugins raise on purpose. Its text is made `plain`."""

    def __init__(self, text: str = "") -> None:
        super().__init__(plain(text))

    @property
    def public(self) -> str:
        """What any caller may read of it; the text itself is for the log, and for whoever runs the server."""
        return str(self)


class ConfigError(OrbitalError):
    """The configuration cannot be used. `problems` has one line for each fault, each with the key's path."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(map(plain, problems))
        super().__init__("; ".join(self.problems))


class PluginError(OrbitalError):
    """A plugin is missing, clashes with another of its name, or does not fit the hooks."""


class InvalidName(OrbitalError):
    """A name, version, filename or address that does not parse."""


class Malformed(OrbitalError):
    """A request whose fields are not of the form that is asked for."""


class NotFound(OrbitalError):
    """There is no such thing, or nothing that this caller may know of."""


class Unauthenticated(OrbitalError):
    """No credentials where some are needed, or credentials that are wrong."""


class WrongPassword(Unauthenticated):
    """A user name and a password that do not go together. The text does not say whether there is such a user."""

    def __init__(self) -> None:
        super().__init__("the user name or the password is wrong; with a token the user name is __token__")


class TooManyFailures(Unauthenticated):
    """The last of many failed attempts from one address at one account. `retry_after` are seconds."""

    def __init__(self, text: str, retry_after: int = 60) -> None:
        self.retry_after = retry_after
        super().__init__(text)


class ExchangeRefused(OrbitalError):
    """A foreign token that is not exchanged. `code` is one word for programs, such as `invalid-token`."""

    def __init__(self, text: str, code: str = "invalid-token") -> None:
        self.code = code
        super().__init__(text)


class Forbidden(OrbitalError):
    """The caller is known and may not do this."""


class UploadRefused(OrbitalError):
    """What arrived breaks a rule; nothing was stored."""


class FileExists(UploadRefused):
    """The filename is taken by other bytes. The text begins with `File already exists`: clients match it."""


class TooLarge(OrbitalError):
    """More bytes than the configuration allows."""


class NoSpace(OrbitalError):
    """The data file system has too little room left for this."""


class StorageFailed(OrbitalError):
    """The disk or the store failed while writing; nothing was acknowledged."""


def storage_error(error: OSError, what: str) -> NoSpace | StorageFailed:
    """What a failing call on the data file system means to the caller; `what` says what could not be done."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("the data file system is full; nothing was stored")
    return StorageFailed(f"{what}: {error.strerror or error}")


class Busy(OrbitalError):
    """Too much is going on at the moment; the same call may succeed a little later."""


class Unreachable(OrbitalError):
    """A server that cannot be spoken with, or that answers what nobody expects."""


class UpstreamFailed(Unreachable):
    """A server that this registry asks on behalf of its callers did not give what was asked for.

    `retry_after` are the seconds after which asking again makes sense, where they are known. `status` is that of an
    answer that was not expected, None where there was no answer, or none that can be used. A text that names a
    server, or says how this registry is known to it, has a `public` one beside it: in what way it failed.
    """

    def __init__(
        self, text: str, retry_after: float | None = None, public: str | None = None, status: int | None = None
    ) -> None:
        self.retry_after = retry_after
        self.status = status
        self._public = None if public is None else plain(public)
        super().__init__(text)

    @property
    def public(self) -> str:
        return str(self) if self._public is None else self._public

    def about(self, subject: str) -> "UpstreamFailed":
        """The same failure, with what it is about ahead of it, unless that is named already."""
        text, public = (said if subject in said else f"{subject}: {said}" for said in (str(self), self.public))
        return UpstreamFailed(text, self.retry_after, public, self.status)


class ScannerFailed(OrbitalError):
    """A scanner, or a tool or a database that it relies on, is not there or did not do its work."""


class Misplaced(OrbitalError):
    """What is asked for is done elsewhere: in another repository, not in one of this kind, in the configuration.

    The text says where.
    """


class Unresolved(OrbitalError):
    """No versions were found that fit together. The text says what is in the way, or that time ran out."""


class Withheld(OrbitalError):
    """The file is there, and policy holds it back; the text says why and until when."""


class Gone(OrbitalError):
    """An action that was offered once, here or elsewhere, and is no longer."""

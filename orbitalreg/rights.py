"""What accounts may do: the grants of the configuration and those of the catalog, united.

A *principal* is whom a grant is given to: `user:NAME`, `service:NAME` or `group:NAME`.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlite_utils import Database

from orbitalreg.catalog import accounts
from orbitalreg.config import Settings
from orbitalreg.errors import InvalidName
from orbitalreg.interfaces import TokenExchanger
from orbitalreg.model import Grant, valid_name

_log = logging.getLogger(__name__)

PRINCIPALS = ("user", "service", "group")


def valid_principal(text: str) -> str:
    """`text` if it is a principal. Raises `InvalidName`."""
    kind, colon, name = text.partition(":")
    if not colon or kind not in PRINCIPALS:
        raise InvalidName(f"{text!r} is nobody to grant to: write user:NAME, service:NAME or group:NAME")
    valid_name(name, f"{kind} name")
    return text


@dataclass(frozen=True, slots=True)
class Rights:
    """Who has which grants, by one configuration. Thread-safe; every call sees the catalog as it is."""

    configured: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    """By principal."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of the users in each group."""
    exchangers: Mapping[str, TokenExchanger] = field(default_factory=dict)

    @classmethod
    def of_settings(cls, settings: Settings, exchangers: Mapping[str, TokenExchanger]) -> "Rights":
        configured: dict[str, tuple[Grant, ...]] = {}
        for table in settings.grants:
            configured[table.to] = configured.get(table.to, ()) + table.grants
        return cls(configured, settings.groups, exchangers)

    def of(self, db: Database, account: str) -> tuple[Grant, ...]:
        """Everything that a principal has now, its groups' grants included."""
        principals = (account, *self.groups_of(account))
        found = dict.fromkeys(accounts.grants_of(db, principals))
        for principal in principals:
            found.update(dict.fromkeys(self.configured.get(principal, ())))
        return tuple(found)

    def exchanged(self, kind: str, origin: Mapping[str, str]) -> tuple[Grant, ...] | None:
        """What a token from `origin` has now by its exchanger `kind`. None where that failed: it may know next time."""
        exchanger = self.exchangers.get(kind)
        if exchanger is None:
            return ()
        try:
            return tuple(exchanger.grants(origin))
        except Exception:  # foreign code: whatever it raises, nobody has a right by it
            _log.exception("token exchanger %s failed; its token has no rights for now", kind)
            return None

    def groups_of(self, account: str) -> Iterator[str]:
        """The groups of a user, as principals."""
        kind, _, name = account.partition(":")
        if kind == "user":
            yield from (f"group:{group}" for group, users in self.groups.items() if name in users)

    def configured_outside(self, kind: str, project: str) -> list[str]:
        """The names of the accounts of this kind to which the configuration grants something outside of `project`."""
        return [
            principal.partition(":")[2]
            for principal, grants in self.configured.items()
            if principal.startswith(f"{kind}:") and any(grant.project != project for grant in grants)
        ]

    def principals(self, kind: str) -> set[str]:
        """The users or service accounts that the configuration names."""
        named = {principal for principal in self.configured if principal.startswith(f"{kind}:")}
        if kind == "user":
            named |= {f"user:{name}" for users in self.groups.values() for name in users}
        return named

    def names(self, principal: str) -> bool:
        """Whether the configuration knows of this principal."""
        kind, _, name = principal.partition(":")
        if kind == "group":
            return name in self.groups
        return principal in self.principals(kind)

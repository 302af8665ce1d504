"""Who there is, what each was given and where that stands, and the grants of one project for its admins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from orbitalreg.catalog import Catalog, accounts
from orbitalreg.catalog.accounts import AccountRow
from orbitalreg.errors import Forbidden
from orbitalreg.identity import Accounts
from orbitalreg.model import Actor, Grant, Identity, Right
from orbitalreg.rights import Rights
from orbitalreg.summaries import AccountSummary, Granted, GrantSummary
from orbitalreg.times import at, at_or_none

CATALOG, CONFIGURATION = "catalog", "configuration"
GrantKey = tuple[str, str]


def grants_listed(
    db: Database, rights: Rights, project: str | None = None, principal: str | None = None
) -> list[GrantSummary]:
    """Who was given what, by principal and grant: in one project or in all, to everybody or to one.

    What a user's groups were given is the user's too, and is told as the groups'.
    """
    whose = None if principal is None else {principal, *rights.groups_of(principal)}
    found: dict[GrantKey, list[str]] = {}
    for source, given in ((CONFIGURATION, _configured(rights)), (CATALOG, accounts.all_grants(db))):
        for to, grant in given:
            if project in (None, grant.project) and (whose is None or to in whose):
                sources = found.setdefault((to, str(grant)), [])
                sources += [source] * (source not in sources)
    return [GrantSummary(to, text, sources) for (to, text), sources in sorted(found.items())]


def granted(db: Database, rights: Rights, principal: str, projects: frozenset[str]) -> Granted:
    """What a principal has there now."""
    return Granted(principal, sorted(str(grant) for grant in rights.of(db, principal) if grant.project in projects))


def accounts_listed(db: Database, rights: Rights, kind: str) -> list[AccountSummary]:
    """The users, or the service accounts, by name: those that were made here and those that the configuration names."""
    rows = {row.principal: row for row in accounts.accounts_of_kind(db, kind)}
    used = accounts.use_of_accounts(db, kind)
    return [
        _account(db, rights, principal, rows.get(principal), *used.get(principal, (0, None)))
        for principal in sorted({*rows, *rights.principals(kind)})
    ]


def beyond(db: Database, rights: Rights, principal: str, grants: Sequence[Grant]) -> list[Grant]:
    """Those of `grants` that a principal does not have whole, so that a token which holds them has less."""
    held = rights.of(db, principal)
    return [grant for grant in grants if not any(grant.within(other) for other in held)]


@dataclass(frozen=True, slots=True)
class ProjectGrants:
    """The grants that lie in one project, for those who have `admin` on the whole of it. Made for each request.

    An admin there has every right that can be given there, so that nobody gives more than they have.
    """

    catalog: Catalog
    known: Accounts
    project: str
    caller: Identity
    actor: Actor

    def after(self, key: GrantKey, limit: int, principal: str | None = None) -> list[GrantSummary]:
        """Those after (principal, grant), in that order."""
        found = grants_listed(self.catalog.read(), self.known.rights, self.project, principal)
        return [grant for grant in found if (grant.principal, grant.grant) > key][:limit]

    def add(self, principal: str, grants: Sequence[Grant]) -> Granted:
        """Raises `InvalidName`, `NotFound` for nobody, `Forbidden` for what lies elsewhere."""
        with self.catalog.write() as db:
            self._check(db, grants)
            self.known.write_grants(db, principal, grants, self.actor)
            return granted(db, self.known.rights, principal, frozenset({self.project}))

    def remove(self, principal: str, grant: Grant) -> Granted:
        """Raises as `Accounts.revoke_grant`, and `Forbidden` for what lies elsewhere."""
        with self.catalog.write() as db:
            self._check(db, [grant])
            self.known.remove_grant(db, principal, grant, self.actor)
            return granted(db, self.known.rights, principal, frozenset({self.project}))

    def _check(self, db: Database, grants: Sequence[Grant]) -> None:
        if self.caller.origin is not None:
            raise Forbidden("a token that was had in exchange for another's gives and takes no grants")
        if not self.known.renewed(db, self.caller).may_throughout(Right.ADMIN, self.project):
            raise Forbidden(f"admin on all of {self.project} was taken back just now")
        for grant in grants:
            if grant.project != self.project:
                raise Forbidden(f"{grant} does not lie in {self.project}")


def _configured(rights: Rights) -> Iterator[tuple[str, Grant]]:
    return ((principal, grant) for principal, grants in rights.configured.items() for grant in grants)


def _account(
    db: Database, rights: Rights, principal: str, row: AccountRow | None, tokens: int, last_used_at: int | None
) -> AccountSummary:
    return AccountSummary(
        principal.partition(":")[2],
        "disabled" if row is not None and row.disabled_at is not None else "active",
        [group.partition(":")[2] for group in rights.groups_of(principal)],
        [str(grant) for grant in rights.of(db, principal)],
        tokens,
        None if row is None else at(row.created_at),
        at_or_none(last_used_at),
    )

"""What a command does through a server's API."""

from collections.abc import Iterator, Sequence

from orbitalreg.client import Client
from orbitalreg.delegation import chosen
from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.model import Address, Grant
from orbitalreg.summaries import Granted, GrantSummary, TokenSecret


class Remote(Client):
    """A `Backend`: the client, and tokens by their names. They are those of the caller's own account."""

    def may_have(self, vulnerability: str) -> Iterator[Address]:
        """Every repository that the token may read: a server tells of one at a time."""
        for project in self.projects():
            for repository in self.repositories(project.name):
                yield Address(project.name, repository.name)

    def revoke(self, id_or_name: str) -> list[str]:
        """Every active token of the account that is called so. Raises `NotFound`."""
        ids = [token.id for token in self.tokens() if token.state != "revoked" and id_or_name in (token.id, token.name)]
        if not ids:
            raise NotFound(f"no token that could be revoked is called {id_or_name!r}; see: orbitalreg token list")
        last = self.token_id  # afterwards nothing can be asked any more
        return [self.revoke_token(token_id).id for token_id in sorted(ids, key=lambda found: found == last)]

    def rotate(self, id_or_name: str, overlap: int) -> TokenSecret:
        return self.rotate_token(chosen(list(self.tokens()), id_or_name), overlap)

    def grants_listed(self, project: str | None, principal: str | None) -> Iterator[GrantSummary]:
        """Raises `InvalidName` without a project."""
        if project is None:
            raise InvalidName("which project? a server tells of one at a time")
        return self.grants(project, principal)

    def give(self, principal: str, grants: Sequence[Grant]) -> Granted:
        """One call for each project that the grants lie in."""
        told = [self.add_grants(project, principal, found) for project, found in _by_project(grants).items()]
        return Granted(principal, sorted(grant for part in told for grant in part.grants))

    def take_back(self, principal: str, grant: Grant) -> Granted:
        return self.remove_grant(grant.project, principal, grant)


def _by_project(grants: Sequence[Grant]) -> dict[str, list[Grant]]:
    found: dict[str, list[Grant]] = {}
    for grant in grants:
        found.setdefault(grant.project, []).append(grant)
    return found

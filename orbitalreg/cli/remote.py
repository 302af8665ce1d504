"""What a command does through a server's API."""

from orbitalreg.client import Client
from orbitalreg.delegation import chosen
from orbitalreg.errors import NotFound
from orbitalreg.summaries import TokenSecret


class Remote(Client):
    """A `Backend`: the client, and tokens by their names. They are those of the caller's own account."""

    def revoke(self, id_or_name: str) -> list[str]:
        """Every active token of the account that is called so. Raises `NotFound`."""
        ids = [token.id for token in self.tokens() if token.state != "revoked" and id_or_name in (token.id, token.name)]
        if not ids:
            raise NotFound(f"no token that could be revoked is called {id_or_name!r}; see: orbitalreg token list")
        last = self.token_id  # afterwards nothing can be asked any more
        return [self.revoke_token(token_id).id for token_id in sorted(ids, key=lambda found: found == last)]

    def rotate(self, id_or_name: str, overlap: int) -> TokenSecret:
        return self.rotate_token(chosen(list(self.tokens()), id_or_name), overlap)

"""A token exchanger for the jobs of GitHub Actions.

[plugins.oidc-github]
audience = "orbitalreg"
[[plugins.oidc-github.publishers]]
repository_id = "42"
grants = ["acme/internal/my-lib:publish"]
"""

import time
from collections.abc import Mapping, Sequence

from orbitalreg_oidc_gitlab import tokens
from orbitalreg_oidc_gitlab.keys import FetchedKeys

from orbitalreg.errors import ConfigError, ExchangeRefused, InvalidName
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Exchange, Surroundings, TokenExchanger
from orbitalreg.model import Grant

ISSUER = "https://token.actions.githubusercontent.com"
KEPT = ("repository", "repository_id", "ref", "ref_protected", "event_name", "run_id", "run_attempt", "sha")
PROPOSALS = ("pull_request", "pull_request_target")


class GitHubExchanger(TokenExchanger):
    name = "oidc-github"

    def __init__(self, surroundings: Surroundings) -> None:
        options = dict(surroundings.options)
        self._audience = options.pop("audience", "")
        self._issuer = options.pop("issuer", ISSUER)
        try:
            self._publishers = {
                publisher["repository_id"]: tuple(map(Grant.parse, publisher["grants"]))
                for publisher in options.pop("publishers", ())
            }
        except (InvalidName, KeyError, TypeError) as error:
            raise ConfigError([f"publishers: each has a repository_id and grants; found {error}"]) from error
        problems = [f"{key}: there is no such key" for key in options]
        if not isinstance(self._audience, str) or not self._audience:
            problems.append("audience: must be given")
        if problems:
            raise ConfigError(problems)
        self._keys = FetchedKeys(self._issuer, surroundings.clients(self._issuer), time.monotonic)

    @property
    def audience(self) -> str:
        return str(self._audience)

    def exchange(self, token: str) -> Exchange | None:
        unverified = tokens.read(token)
        if unverified is None or unverified.issuer != self._issuer:  # before anything is fetched
            return None
        tokens.check_header(unverified)
        tokens.check_form(unverified)
        tokens.verify(unverified, self._keys.find(unverified.kid), self._issuer, self.audience)
        claims = unverified.claims
        origin = {name: str(claims[name]) for name in KEPT if name in claims}
        if missing := [name for name in ("jti", "repository", "run_id", "run_attempt") if name not in claims]:
            raise ExchangeRefused(f"{missing[0]}: the token has no such claim")
        grants = self.grants(origin)
        if not grants:
            raise ExchangeRefused("no publisher matches this job, or its ref is not protected", "invalid-publisher")
        return Exchange(
            subject=origin["repository"],
            grants=grants,
            replay_key=f"{self._issuer} {claims['jti']}",
            replay_until=(claims["exp"] + tokens.LEEWAY + 1) * 1_000_000,
            holder=None,  # a job asks for a new token each time, so that none needs to be taken twice
            origin=origin | {"summary": f"{origin['repository']}, run {origin['run_id']}, ref {origin.get('ref')}"},
        )

    def grants(self, origin: Mapping[str, str]) -> tuple[Grant, ...]:
        if origin.get("ref_protected") != "true" or origin.get("event_name", PROPOSALS[0]) in PROPOSALS:
            return ()
        return self._publishers.get(origin.get("repository_id", ""), ())


@hookimpl
def token_exchangers() -> Sequence[type[TokenExchanger]]:
    return [GitHubExchanger]

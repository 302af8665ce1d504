"""GitLab's ID tokens: from the text of one to what its job may do here."""

import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from orbitalreg.errors import ConfigError, ExchangeRefused
from orbitalreg.interfaces import Exchange, Surroundings, TokenExchanger
from orbitalreg.model import Grant
from orbitalreg_oidc_gitlab import rules, tokens
from orbitalreg_oidc_gitlab.keys import FetchedKeys, FileKeys, Keys
from orbitalreg_oidc_gitlab.settings import IssuerSettings, PluginSettings, read_settings

T = TypeVar("T")

SECOND = 1_000_000
FAILURES_TOLD = 5


class GitLabExchanger(TokenExchanger):
    name = "oidc-gitlab"

    def __init__(self, surroundings: Surroundings, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts the seconds for which fetched keys last."""
        self.settings: PluginSettings = read_settings(surroundings.options, surroundings.base)
        self._keys: dict[str, Keys] = {}
        problems: list[str] = []
        for number, issuer in enumerate(self.settings.issuers):
            try:
                self._keys[issuer.url] = _keys(issuer, surroundings, clock)
            except ConfigError as error:
                problems += [f"issuers.{number}.{problem}" for problem in error.problems]
        if problems:
            raise ConfigError(problems)

    @property
    def audience(self) -> str:
        return self.settings.audience

    def exchange(self, token: str) -> Exchange | None:
        unverified = tokens.read(token)
        if unverified is None or not self.knows(unverified.issuer):
            return None
        claims = self.verified(unverified)
        origin = rules.plain_claims(claims)
        path = origin.get("project_path")
        jti = rules.plain_claim(claims.get("jti"))
        if path is None or jti is None:
            raise ExchangeRefused(f"{'jti' if path else 'project_path'}: the token has no such claim")
        grants = self.grants(origin)
        if not grants:
            raise ExchangeRefused(self._unmatched(origin), "invalid-publisher")
        return Exchange(
            subject=self._subject(origin["iss"], path),
            grants=grants,
            replay_key=f"{origin['iss']} {jti}",
            replay_until=(claims["exp"] + tokens.LEEWAY + 1) * SECOND,
            holder=origin.get("job_id"),
            origin=origin | {"summary": rules.summary(origin)},
        )

    def grants(self, origin: Mapping[str, str]) -> tuple[Grant, ...]:
        return rules.matching(self.settings.publishers, origin)

    def knows(self, issuer: object) -> bool:
        """Whether the configuration has this issuer, letter for letter."""
        return isinstance(issuer, str) and issuer in self._keys

    def verified(self, token: tokens.Unverified) -> Mapping[str, Any]:
        """The claims of a token of an issuer that is known. Raises `ExchangeRefused`."""
        issuer = str(token.issuer)
        tokens.check_header(token)
        tokens.check_form(token)
        tokens.verify(token, self._keys[issuer].find(token.kid), issuer, self.audience)
        return token.claims

    def _subject(self, issuer: str, path: str) -> str:
        """With several issuers, projects of one path are different ones."""
        return path if len(self._keys) == 1 else f"{urlsplit(issuer).netloc}/{path}"

    def _unmatched(self, origin: Mapping[str, str]) -> str:
        """Of publishers for other projects the text says nothing: whoever may run a job somewhere reads it."""
        near = rules.near(self.settings.publishers, origin)
        reasons = dict.fromkeys(failure.said for failure in near)
        told = "; ".join(list(reasons)[:FAILURES_TOLD]) or "none speaks of this project"
        who = f"{origin['project_path']} (id {origin.get('project_id', 'unknown')})"
        return f"no publisher matches this job of {who}: {told}; whoever runs this registry can ask: oidc explain"


def _keys(issuer: IssuerSettings, surroundings: Surroundings, clock: Callable[[], float]) -> Keys:
    """Raises `ConfigError`, from the key on."""
    if issuer.jwks_file is not None:
        return _told("jwks_file", lambda: FileKeys(issuer.jwks_file or Path()))
    if issuer.ca_bundle is not None:
        _told("ca_bundle", lambda: _check_bundle(issuer.ca_bundle or Path()))
    client = _told("url", lambda: surroundings.clients(issuer.url, issuer.ca_bundle))
    return FetchedKeys(issuer.url, client, clock)


def _check_bundle(file: Path) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        raise ConfigError([f"{file} cannot be used: it holds no certificates that can be read"]) from error


def _told(key: str, make: Callable[[], T]) -> T:
    """`make()`, whose problems are `key`'s."""
    try:
        return make()
    except ConfigError as error:
        raise ConfigError([f"{key}: {problem}" for problem in error.problems]) from error

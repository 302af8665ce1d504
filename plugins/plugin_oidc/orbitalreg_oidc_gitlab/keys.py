"""The keys by which an issuer's tokens are checked: from a file, or fetched through discovery and kept for a while."""

import json
import logging
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from orbitalreg.errors import ConfigError, ExchangeRefused, OrbitalError, UpstreamFailed
from orbitalreg.interfaces import HttpClient

logger = logging.getLogger(__name__)

FRESH = 3600.0
"""Seconds for which a fetched set is used without a further question."""

LASTS = 24 * 3600.0
"""Seconds after its fetch for which a set is used while the issuer cannot be reached."""

PAUSE = 60.0
"""Seconds at least from one question to the next, whatever key ids strangers make up."""

PATIENCE = 5.0
"""Seconds for which a thread waits for another's fetch."""

FETCH = 10.0
"""Seconds for a fetch, in which two documents are asked for."""

STRANGERS = 2
"""So many requests wait for a key that is not among those held."""

MAX_BYTES = 256 << 10
MIN_BITS = 2048


class Keys(Protocol):
    """Any thread may call it."""

    def find(self, kid: str) -> RSAPublicKey:
        """The key of this id. Raises `ExchangeRefused`."""


def read_keys(text: bytes | str) -> dict[str, RSAPublicKey]:
    """The RSA keys of a JSON Web Key Set (RFC 7517) by their ids; others are left out. Raises `ValueError`."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a set of keys: it has no list 'keys'")
    keys = {jwk["kid"]: key for jwk in listed if isinstance(jwk, dict) and (key := _key(jwk)) is not None}
    if not keys:
        raise ValueError(f"no RSA key for signatures, with an id and of {MIN_BITS} bits at the least, is in it")
    return keys


def _key(jwk: Mapping[str, Any]) -> RSAPublicKey | None:
    kid = jwk.get("kid")
    if jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig" or jwk.get("alg", "RS256") != "RS256":
        return None
    if not isinstance(kid, str) or not kid:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of short keys, which are left out here
            key = RSAAlgorithm.from_jwk(dict(jwk))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):  # what fits no key in one way or another
        return None
    # What holds a private key is none to publish.
    return key if isinstance(key, RSAPublicKey) and key.key_size >= MIN_BITS else None


class FileKeys:
    """The keys of a file, as it was at the start."""

    def __init__(self, file: Path) -> None:
        """Raises `ConfigError`."""
        try:
            self._keys = read_keys(file.read_bytes())
        except (OSError, ValueError) as error:
            told = error.strerror if isinstance(error, OSError) else error
            raise ConfigError([f"{file} cannot be used: {told}"]) from error
        self._file = file

    def find(self, kid: str) -> RSAPublicKey:
        if kid not in self._keys:
            raise ExchangeRefused(
                f"kid: there is no key {kid[:64]!r} in {self._file.name}; after GitLab changed its keys, "
                "whoever runs this registry fetches the file again"
            )
        return self._keys[kid]


@dataclass(frozen=True, slots=True)
class _Fetched:
    keys: Mapping[str, RSAPublicKey]
    at: float


class FetchedKeys:
    """The keys that an issuer publishes, asked for when a token needs them.

    One thread fetches while others wait (few, where keys are held and the one that is wanted is not among them, since
    anybody can name such a key), and a minute lies between two questions. A set that came stays in use while
    the issuer cannot be reached, for a day.
    """

    def __init__(self, issuer: str, client: HttpClient, clock: Callable[[], float]) -> None:
        """`clock` counts seconds, evenly."""
        self._issuer = issuer
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._held: _Fetched | None = None
        self._strangers = threading.BoundedSemaphore(STRANGERS)

    def find(self, kid: str) -> RSAPublicKey:
        key = self._known(kid, FRESH)
        if key is not None:
            return key
        if self._known(kid, LASTS):
            self._refresh(patience=0.0)
        elif self._held is None:
            self._refresh(PATIENCE)
        elif self._strangers.acquire(blocking=False):
            try:
                self._refresh(PATIENCE)
            finally:
                self._strangers.release()
        key = self._known(kid, LASTS)
        if key is not None:
            return key
        if self._held is None or self._age(self._held) > LASTS:
            raise ExchangeRefused(f"the keys of {self._issuer} cannot be had at the moment; try again in a minute")
        raise ExchangeRefused(f"kid: {self._issuer} has no key {kid[:64]!r}; if it is new there, try again in a minute")

    def _known(self, kid: str, lasts: float) -> RSAPublicKey | None:
        held = self._held
        return held.keys.get(kid) if held is not None and self._age(held) <= lasts else None

    def _age(self, held: _Fetched) -> float:
        return self._clock() - held.at

    def _refresh(self, patience: float) -> None:
        """Fetch, unless somebody did within the last minute. Waits `patience` seconds for one who does."""
        if not self._lock.acquire(timeout=patience):
            return
        try:
            asked_at, now = self._asked_at, self._clock()
            if asked_at is None or now - asked_at >= PAUSE:
                self._asked_at = now
                self._held = _Fetched(self._fetch(), now)
        except (OrbitalError, ValueError) as error:
            logger.warning("the keys of %s cannot be fetched: %s", self._issuer, error)
        finally:
            self._lock.release()

    def _fetch(self) -> Mapping[str, RSAPublicKey]:
        """Raises `OrbitalError`, `ValueError`."""
        until = self._clock() + FETCH

        def get(url: str) -> bytes:
            left = until - self._clock()
            return self._client.get(url, max_bytes=MAX_BYTES, accept="application/json", seconds=left)

        place = f"{self._issuer}/.well-known/openid-configuration"
        told = json.loads(get(place))
        if not isinstance(told, dict) or told.get("issuer") != self._issuer:
            raise UpstreamFailed(f"{place} is of another issuer")
        if not isinstance(told.get("jwks_uri"), str):
            raise UpstreamFailed(f"{place} names no jwks_uri")
        return read_keys(get(told["jwks_uri"]))

"""Passwords against bcrypt hashes: so many at a time, and each good one once in a while."""

import hashlib
import hmac
import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import bcrypt

from orbitalreg.errors import Busy

REMEMBERED_SECONDS = 300.0
WAIT_SECONDS = 2.0
PLACES = max(1, (os.cpu_count() or 1) // 2)
WAITING = 7
"""So many wait for a place: each holds a thread of the server, and others need them."""
BYTES = 72
"""So much of a password counts: bcrypt takes no more, and Apache's tool cuts it off there."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    hashed: str
    digest: bytes
    until: float


class Passwords:
    """Verifies, which takes CPU time on purpose. Thread-safe.

    A good password is remembered for five minutes, as a keyed hash in memory, and for the very line of the file that it
    was good for: a changed line is verified anew. Those who show the same at the same time have one answer. Whoever is
    not remembered may be told to try again while others are verified, so that guesses never hold every thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._remembered: dict[str, _Remembered] = {}
        self._places = threading.BoundedSemaphore(PLACES)
        self._line = threading.BoundedSemaphore(PLACES + WAITING)
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, bytes, str], Future[bool]] = {}

    def is_good(self, user: str, password: str, hashed: str) -> bool:
        """Whether `password` is that of `user`, whose hash is `hashed`. Raises `Busy`."""
        digest = hashlib.blake2b(password.encode(), key=self._key).digest()
        if self._is_remembered(user, digest, hashed):
            return True
        key = (user, digest, hashed)
        with self._lock:
            answer = self._under_way.get(key)
            is_first = answer is None
            if answer is None:
                answer = self._under_way[key] = Future()
        if is_first:
            try:
                answer.set_result(self._verified(user, digest, password, hashed))
            except BaseException as error:
                answer.set_exception(error)
            finally:
                with self._lock:
                    del self._under_way[key]
        return answer.result()

    def _verified(self, user: str, digest: bytes, password: str, hashed: str) -> bool:
        if not self._line.acquire(blocking=False):
            raise _busy()
        try:
            if not self._places.acquire(timeout=WAIT_SECONDS):
                raise _busy()
            try:
                good = _matches(password, hashed)
            finally:
                self._places.release()
        finally:
            self._line.release()
        if good:
            self._remembered[user] = _Remembered(hashed, digest, self._clock() + REMEMBERED_SECONDS)
        return good

    def pretend(self, user: str, password: str, hashes: list[str]) -> None:
        """Takes the time that a user of the file would. Raises `Busy`."""
        if hashes:
            place = hashlib.blake2b(user.encode(), key=self._key, digest_size=8).digest()
            self.is_good("", password + "\0", hashes[int.from_bytes(place, "big") % len(hashes)])

    def _is_remembered(self, user: str, digest: bytes, hashed: str) -> bool:
        known = self._remembered.get(user)
        return (
            known is not None
            and known.hashed == hashed
            and known.until > self._clock()
            and hmac.compare_digest(known.digest, digest)
        )


def _busy() -> Busy:
    return Busy("too many passwords are being checked; try again")


def _matches(password: str, hashed: str) -> bool:
    secret = password.encode()
    good = bcrypt.checkpw(secret.replace(b"\0", b"?")[:BYTES], hashed.encode())
    return good and b"\0" not in secret

"""Passwords against bcrypt hashes: so many at a time, and each good one once in a while."""

import hashlib
import hmac
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import bcrypt

from orbitalreg.errors import Busy

REMEMBERED_SECONDS = 300.0
WAIT_SECONDS = 2.0
PLACES = max(1, (os.cpu_count() or 1) // 2)
HELD = 12
"""So many verify, or wait for somebody who does: each holds a thread of the server, and others need them."""
OF_ONE_ADDRESS = 4
"""So many verify, or wait for a place, for one address: whoever guesses takes no turns from everybody else."""
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
        self._held = threading.BoundedSemaphore(HELD)
        self._line: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, bytes, str], Future[bool]] = {}

    def is_good(self, user: str, password: str, hashed: str, address: str = "") -> bool:
        """Whether `password`, from `address`, is that of `user`, whose hash is `hashed`. Raises `Busy`."""
        digest = hashlib.blake2b(password.encode(), key=self._key).digest()
        if self._is_remembered(user, digest, hashed):
            return True
        if not self._held.acquire(blocking=False):
            raise _busy()
        try:
            return self._asked(user, digest, password, hashed, address)
        finally:
            self._held.release()

    def _asked(self, user: str, digest: bytes, password: str, hashed: str, address: str) -> bool:
        """Verified here, or by another thread that was shown the same."""
        key = (user, digest, hashed)
        with self._lock:
            answer = self._under_way.get(key)
            is_first = answer is None
            if answer is None:
                answer = self._under_way[key] = Future()
        if is_first:
            try:
                answer.set_result(self._in_turn(user, digest, password, hashed, address))
            except BaseException as error:
                answer.set_exception(error)
            finally:
                with self._lock:
                    del self._under_way[key]
        return answer.result()

    def _in_turn(self, user: str, digest: bytes, password: str, hashed: str, address: str) -> bool:
        with self._lock:
            if self._line[address] >= OF_ONE_ADDRESS:
                raise _busy()
            self._line[address] += 1
        try:
            return self._verified(user, digest, password, hashed)
        finally:
            with self._lock:
                self._line[address] -= 1
                if not self._line[address]:
                    del self._line[address]

    def _verified(self, user: str, digest: bytes, password: str, hashed: str) -> bool:
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise _busy()
        try:
            good = _matches(password, hashed)
        finally:
            self._places.release()
        if good:
            self._remembered[user] = _Remembered(hashed, digest, self._clock() + REMEMBERED_SECONDS)
        return good

    def pretend(self, user: str, password: str, hashes: list[str], address: str = "") -> None:
        """Takes the time that a user of the file would. Raises `Busy`."""
        if hashes:
            place = hashlib.blake2b(user.encode(), key=self._key, digest_size=8).digest()
            self.is_good("", password + "\0", hashes[int.from_bytes(place, "big") % len(hashes)], address)

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

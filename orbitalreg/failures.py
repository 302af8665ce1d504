"""Failed attempts at signing in, counted by where they come from and at whom they are, in all processes together.

What is counted slows nobody who is right: whether credentials are good is found out first, and only a failure is
answered otherwise once there were too many.
"""

import fcntl
import hashlib
import math
import mmap
import os
import secrets
import struct
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network

from orbitalreg.errors import TooManyFailures

LIMIT = 20
WINDOW_SECONDS = 60.0

_SETS = 512
_WAYS = 8
_SLOT = struct.Struct(f"<16s{LIMIT}d")
"""Who failed, as a keyed hash, and when, oldest first; 0 stands for never."""


class FailureLimit:
    """Counts in memory that is shared with every process that is forked after this was made. Thread-safe.

    The memory is of one size: where more fail than it has places for, those are forgotten whose last failure is
    longest ago.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds, the same in all processes."""
        self._clock = clock
        self._salt = secrets.token_bytes(32)
        self._file, path = tempfile.mkstemp(prefix="orbitalreg-failures-")
        os.unlink(path)
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, _SETS * _WAYS * _SLOT.size)
        self._slots = mmap.mmap(self._file, 0)
        self._lock = threading.Lock()

    def count(self, address: str, account: str) -> None:
        """Counts a failure from `address` at `account`. Raises `TooManyFailures` in the place of the 21st a minute."""
        who = hashlib.blake2b(f"{network_of(address)} {account}".encode(), key=self._salt, digest_size=16).digest()
        with self._locked():
            at = self._clock()
            place, times = self._find(who)
            since = max(0.0, at - WINDOW_SECONDS)
            if times[0] > since:
                wait = math.ceil(times[0] + WINDOW_SECONDS - at)
                raise TooManyFailures(f"too many failed attempts; try again in {wait} seconds", max(1, wait))
            _SLOT.pack_into(self._slots, place, who, *times[1:], at)

    def _find(self, who: bytes) -> tuple[int, tuple[float, ...]]:
        """The place of `who`, and when they failed; a place to be had, where they have none yet."""
        first = int.from_bytes(who[:4], "big") % _SETS * _WAYS
        oldest, oldest_place = math.inf, 0
        for place in (number * _SLOT.size for number in range(first, first + _WAYS)):
            found, *times = _SLOT.unpack_from(self._slots, place)
            if found == who:
                return place, tuple(times)
            if times[-1] < oldest:
                oldest, oldest_place = times[-1], place
        return oldest_place, (0.0,) * LIMIT

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """By threads of this process, and by other processes: a lock that a killed one does not leave behind."""
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


def network_of(address: str) -> str:
    """Who has `address`: of IPv6 it is the /64, of which one caller has every address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((int(parsed), 64), strict=False))

"""The file: a user and a bcrypt hash on each line, as Apache's `htpasswd -B` writes it. Read again when it changed."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from orbitalreg.errors import ConfigError, InvalidName
from orbitalreg.model import valid_name

LOOK_SECONDS = 1.0
"""How often the file is looked at, at most."""

BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-7])\$[./A-Za-z0-9]{53}")
"""A cost of more than 17 is minutes for each password."""

_log = logging.getLogger(__name__)

Signature = tuple[int, int, int, int]


class UsersFile:
    """The users of one file. Thread-safe."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises `ConfigError`, with each fault of the file."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = clock()
        try:
            self._hashes, self._signature, faults = self._read()
        except OSError as error:
            raise ConfigError([f"file: {path} cannot be read: {error.strerror}"]) from error
        if faults:
            raise ConfigError([f"file: {fault}" for fault in faults])

    def hashes(self) -> Mapping[str, str]:
        """The hash of each user. What is wrong in a file that was changed is logged, and is nobody's."""
        with self._lock:
            if self._clock() >= self._looked + LOOK_SECONDS:
                self._looked = self._clock()
                self._look()
            return self._hashes

    def _look(self) -> None:
        try:
            if _signature(os.stat(self._path)) == self._signature:
                return
            self._hashes, self._signature, faults = self._read()
        except OSError as error:
            faults = [f"{self._path} cannot be read, so nobody is in it: {error.strerror}"]
            if self._signature is None:
                return  # told already
            self._hashes, self._signature = {}, None
        for fault in faults:
            _log.error("%s", fault)

    def _read(self) -> tuple[Mapping[str, str], Signature | None, list[str]]:
        """Users, what tells whether the file has changed since, and faults. Raises `OSError`."""
        with self._path.open("rb") as file:
            signature = _signature(os.fstat(file.fileno()))  # before: what is written meanwhile is read the next time
            text = file.read().decode("utf-8", "replace")
        hashes: dict[str, str] = {}
        faults: list[str] = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                user, _, hashed = line.strip().partition(":")
                if fault := _fault(user, hashed, hashes):
                    faults.append(f"{self._path}, line {number}: {fault}")
                else:
                    hashes[user] = hashed
        return hashes, signature, faults


def _fault(user: str, hashed: str, others: Mapping[str, str]) -> str | None:
    """What is wrong with a line; never the hash itself."""
    try:
        valid_name(user, "user name")
    except InvalidName as error:
        return str(error)
    if user in others:
        return f"{user!r} is there a second time; the first counts"
    if not BCRYPT.fullmatch(hashed):
        return (
            f"the password of {user!r} is no bcrypt hash with a cost of 4 to 17; set it again: htpasswd -B FILE {user}"
        )
    return None


def _signature(stat: os.stat_result) -> Signature:
    return stat.st_mtime_ns, stat.st_ino, stat.st_size, stat.st_ctime_ns

"""`[plugins.osv]`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from orbitalreg.errors import ConfigError

OSV_DEV = "https://api.osv.dev"
PUBLIC = "osv.dev"
"""As `dump`: the dump that OSV itself publishes."""
PUBLIC_DUMP = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
KEYS = ("dump", "max_age", "server", "refresh", "ca_bundle", "deep")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class OsvSettings:
    """`dump` is a local file or folder, `dump_url` where one is fetched from; with neither, `server` is asked.

    `max_age` is how old the newest record of a dump may be, `refresh` how long an answer of the server's counts: both
    in seconds.
    """

    dump: Path | None
    dump_url: str | None
    max_age: int
    server: str
    refresh: int
    ca_bundle: Path | None
    deep: bool

    @property
    def has_dump(self) -> bool:
        return self.dump is not None or self.dump_url is not None

    @property
    def source(self) -> str:
        """The dump, for people."""
        return str(self.dump or self.dump_url)

    @property
    def remedy(self) -> str:
        """How to get a dump, or a newer one."""
        return f"put OSV's all.zip at {self.dump}" if self.dump else "get one with: orbitalreg osv update"


def read(options: Mapping[str, Any], base: Path) -> OsvSettings:
    """Raises `ConfigError`, each problem with its key."""
    problems = [_unknown(key) for key in sorted(options.keys() - set(KEYS))]

    def value(key: str, default: Any, kind: type, expected: str) -> Any:
        found = options.get(key, default)
        if type(found) is kind or found is None:
            return found
        problems.append(f"{key}: must be {expected}")
        return default

    def seconds(key: str, default: str) -> int:
        text = value(key, default, str, 'a duration such as "30d" or "12h"')
        match = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
        if match is None or not int(match[1]):
            problems.append(f'{key}: {text!r} is no duration such as "30d" or "12h"')
            return 1
        return int(match[1]) * _UNITS[match[2]]

    dump = value("dump", None, str, 'a file, a folder, an address, or "osv.dev"')
    if dump == "":
        problems.append('dump: is empty; give a file, a folder, an address, or "osv.dev"')
    url = PUBLIC_DUMP if dump == PUBLIC else dump if dump and re.match(r"https?://", dump) else None
    if url is not None and not re.fullmatch(r"https?://[!-~]+/[!-~]+", url):
        problems.append(f"dump: {url!r} is no address of a file, such as https://mirror.example.com/osv/all.zip")
    server = value("server", OSV_DEV, str, "the address of OSV.dev or of a server like it")
    if not re.fullmatch(r"https?://[!-~]+", server):
        problems.append(f"server: {server!r} is no address such as {OSV_DEV}")
    bundle = value("ca_bundle", None, str, "a file of certificates")
    made = OsvSettings(
        dump=base / dump if dump and url is None else None,
        dump_url=url,
        max_age=seconds("max_age", "30d"),
        server=server.rstrip("/"),
        refresh=seconds("refresh", "1d"),
        ca_bundle=base / bundle if bundle else None,
        deep=value("deep", False, bool, "true or false"),
    )
    if problems:
        raise ConfigError(problems)
    return made


def _unknown(key: str) -> str:
    near = get_close_matches(key, KEYS, 1)
    return f"{key}: there is no such key{f'; did you mean {near[0]}?' if near else ''}; known here: {', '.join(KEYS)}"

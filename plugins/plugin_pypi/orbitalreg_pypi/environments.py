"""The Pythons that things are installed in, by names such as uv gives them: `cpython-3.12-linux-x86_64`.

A name says all that decides what is installed: the variables of markers (PEP 508), the version that Requires-Python is
held against, and which wheels fit, the ones that an installer prefers first (PEP 425).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from packaging import tags
from packaging.version import Version

from orbitalreg.errors import InvalidName
from orbitalreg_pypi.filenames import quoted

DEFAULT = "cpython-3.12-linux-x86_64"

# What a name without a third number stands for; a later Python, which is not known here, is taken for its first.
_MICROS = {8: 20, 9: 25, 10: 20, 11: 15, 12: 13, 13: 12, 14: 4}
_PYPY = "7.3.20"
_GLIBC = 39  # 2.39, of 2024
_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}
_GLIBC_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_MUSL = 2  # 1.2, of 2021
_MACOS = (14, 0)

_SPELLINGS = {"amd64": "x86_64", "arm64": "aarch64", "darwin": "macos"}
_NAME = re.compile(
    r"(cpython|pypy)-3\.([0-9]{1,2})(?:\.([0-9]{1,3}))?"
    r"-(?:(linux)-(x86_64|aarch64)(?:-(gnu|musl))?|(macos|windows)-(x86_64|aarch64)(?:-none)?)"
)
_OLDEST = 8


@dataclass(frozen=True, slots=True)
class Environment:
    """`markers` are the variables of PEP 508 without `extra`; `ranks` has each tag that fits, the best one at 0."""

    markers: Mapping[str, str]
    python: Version
    ranks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Name:
    implementation: str
    minor: int
    micro: int | None
    system: str
    machine: str
    is_musl: bool

    @classmethod
    def read(cls, text: str) -> "_Name":
        spelt = "-".join(_SPELLINGS.get(part, part) for part in text[:100].lower().split("-"))
        match = _NAME.fullmatch(spelt) if text.isascii() and len(text) <= 100 else None
        if match is None or int(match[2]) < _OLDEST:
            raise InvalidName(
                f"{quoted(text)} is no environment: write IMPLEMENTATION-VERSION-SYSTEM-MACHINE, such as {DEFAULT}, of "
                f"cpython or pypy, 3.{_OLDEST} or later, linux, macos or windows, x86_64 or aarch64; -musl at the end "
                "for a Linux without glibc"
            )
        micro = None if match[3] is None else int(match[3])
        system, machine = match[4] or match[7], match[5] or match[8]
        return cls(match[1], int(match[2]), micro, system, machine, match[6] == "musl")

    def __str__(self) -> str:
        version = f"3.{self.minor}" if self.micro is None else f"3.{self.minor}.{self.micro}"
        return f"{self.implementation}-{version}-{self.system}-{self.machine}" + "-musl" * self.is_musl


def normal(text: str) -> str:
    """The normal form of a name; a whole one of uv's, with a libc at its end, is one too. Raises `InvalidName`."""
    return str(_Name.read(text))


@lru_cache(maxsize=64)
def environment(text: str) -> Environment:
    """What the name stands for. Raises `InvalidName`."""
    name = _Name.read(text)
    full = f"3.{name.minor}.{_MICROS.get(name.minor, 0) if name.micro is None else name.micro}"
    ranks: dict[str, int] = {}
    for tag in _tags(name):
        ranks.setdefault(str(tag), len(ranks))
    return Environment(_markers(name, full), Version(full), ranks)


def _markers(name: _Name, full: str) -> dict[str, str]:
    """Release and version of the system are empty, as uv has them for a system that it is not on."""
    is_cpython = name.implementation == "cpython"
    system = {"linux": ("posix", "linux", "Linux"), "macos": ("posix", "darwin", "Darwin")}
    os_name, sys_platform, platform_system = system.get(name.system, ("nt", "win32", "Windows"))
    machines = {("macos", "aarch64"): "arm64", ("windows", "aarch64"): "ARM64", ("windows", "x86_64"): "AMD64"}
    return {
        "implementation_name": name.implementation,
        "implementation_version": full if is_cpython else _PYPY,
        "os_name": os_name,
        "platform_machine": machines.get((name.system, name.machine), name.machine),
        "platform_python_implementation": "CPython" if is_cpython else "PyPy",
        "platform_release": "",
        "platform_system": platform_system,
        "platform_version": "",
        "python_full_version": full,
        "python_version": f"3.{name.minor}",
        "sys_platform": sys_platform,
    }


def _tags(name: _Name) -> Iterator[tags.Tag]:
    python, short, platforms = (3, name.minor), f"3{name.minor}", list(_platforms(name))
    if name.implementation == "cpython":
        yield from tags.cpython_tags(python, [f"cp{short}"], platforms)
        yield from tags.compatible_tags(python, f"cp{short}", platforms)
    else:
        yield from tags.generic_tags(f"pp{short}", [f"pypy{short}_pp73"], platforms)
        yield from tags.compatible_tags(python, "pp3", platforms)


def _platforms(name: _Name) -> Iterator[str]:
    """In the order of `packaging.tags.platform_tags`, which knows only the system that it runs on."""
    if name.system == "windows":
        yield "win_arm64" if name.machine == "aarch64" else "win_amd64"
    elif name.system == "macos":
        yield from tags.mac_platforms(_MACOS, "arm64" if name.machine == "aarch64" else "x86_64")
    else:
        yield f"linux_{name.machine}"
        yield from _musl(name.machine) if name.is_musl else _glibc(name.machine)


def _musl(machine: str) -> Iterator[str]:
    """PEP 656."""
    for minor in range(_MUSL, -1, -1):
        yield f"musllinux_1_{minor}_{machine}"


def _glibc(machine: str) -> Iterator[str]:
    """PEP 600, with the names of before."""
    for minor in range(_GLIBC, _OLDEST_GLIBC[machine] - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _GLIBC_ALIASES:
            yield f"{_GLIBC_ALIASES[minor]}_{machine}"

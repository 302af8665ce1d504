"""What a kind of package means by a name and a version. A further kind is a further value in `ECOSYSTEMS`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from packaging.utils import canonicalize_name, canonicalize_version
from packaging.version import InvalidVersion, Version

LONGEST = 200
"""A text longer than this is no version: reading it could take long."""
REMEMBERED = 4096
"""Versions that were read last: those of one package come again and again."""


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """`name` is OSV's word for it, `purl_type` that of package URLs.

    `normal` gives the one spelling of a package's name. `order` gives a value by which versions sort, None for a text
    that is no version; `canonical` the one spelling of versions that are equal, and any other text as it is.
    """

    name: str
    purl_type: str
    normal: Callable[[str], str]
    order: Callable[[str], Any | None]
    canonical: Callable[[str], str]


def of_purl(purl: str) -> Ecosystem | None:
    """That of a package URL, None where it is of none that is known here."""
    scheme, _, rest = purl.partition(":")
    kind = rest.lstrip("/").partition("/")[0].lower()
    return next((known for known in ECOSYSTEMS if scheme == "pkg" and known.purl_type == kind), None)


def of_record(name: str) -> Ecosystem | None:
    """That which a record names, such as `PyPI` or `Debian:12`; None where it is none that is known here."""
    return next((known for known in ECOSYSTEMS if known.name == name.partition(":")[0]), None)


@lru_cache(REMEMBERED)
def _pep440(text: str) -> Version | None:
    try:
        return Version(text) if len(text) <= LONGEST else None
    except InvalidVersion:
        return None


@lru_cache(REMEMBERED)
def _canonical(text: str) -> str:
    return canonicalize_version(text) if len(text) <= LONGEST else text


ECOSYSTEMS = (Ecosystem("PyPI", "pypi", canonicalize_name, _pep440, _canonical),)

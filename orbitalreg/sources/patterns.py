"""Package names and patterns as the configuration has them, matched against names in their normal form."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

from orbitalreg.errors import InvalidName

_WILD = re.compile(r"[*?]")
_STANDS_FOR = {"*": "qz0manyqz", "?": "qz0oneqz"}
"""Plain characters that any format's normal form leaves alone, for a wildcard while its pattern is normalised."""


class Patterns:
    """A set of names and patterns (`*` and `?` as in `fnmatch`). Immutable; `str()` is its value."""

    def __init__(self, written: Iterable[str], normalize: Callable[[str], str]) -> None:
        """`normalize` is the adapter's; a pattern is brought to normal form too, as far as it has one."""
        normal = sorted({_normal(pattern, normalize) for pattern in written})
        self._text = ",".join(normal)
        self._names = frozenset(pattern for pattern in normal if not _is_wild(pattern))
        wild = [translate(pattern) for pattern in normal if _is_wild(pattern)]
        self._wild = re.compile("|".join(wild)) if wild else None

    def __contains__(self, package: str) -> bool:
        return package in self._names or (self._wild is not None and self._wild.match(package) is not None)

    def __bool__(self) -> bool:
        return bool(self._names) or self._wild is not None

    def __str__(self) -> str:
        return self._text


def can_match(pattern: str, normalize: Callable[[str], str]) -> bool:
    """Whether a name may ever match: a pattern that none can would guard nothing, and nobody would notice."""
    try:
        normalize(_plain(pattern))
    except InvalidName:
        return False
    return True


def _is_wild(pattern: str) -> bool:
    return _WILD.search(pattern) is not None


def _plain(pattern: str) -> str:
    return _WILD.sub(lambda match: _STANDS_FOR[match[0]], pattern)


def _normal(pattern: str, normalize: Callable[[str], str]) -> str:
    """The pattern as names are spelt, so that `Acme_Fork-*` matches `acme-fork-x`; as written where that cannot be."""
    try:
        plain = normalize(_plain(pattern))
    except InvalidName:
        return pattern
    for wildcard, text in _STANDS_FOR.items():
        plain = plain.replace(text, wildcard)
    return plain

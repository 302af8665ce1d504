"""How durations and sizes are written."""

import re
from collections.abc import Mapping

from orbitalreg.errors import InvalidName

_SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_CENTURY = 100 * 366 * 86400
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: str) -> int:
    """`90d` as seconds, at most a hundred years. Raises `InvalidName`."""
    seconds = _quantity(text, _DURATIONS, "a duration such as 30s, 15m, 12h, 90d or 2w")
    if seconds > _CENTURY:
        raise InvalidName(f"{text!r} is longer than a hundred years")
    return seconds


def parse_size(text: str) -> int:
    """`1GiB` as bytes. Raises `InvalidName`."""
    return _quantity(text, _SIZES, "a size such as 512KiB, 100MiB or 1GiB")


def _quantity(text: object, units: Mapping[str, int], right: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([A-Za-z]+)", text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise InvalidName(f"{text!r} is not {right}")
    return int(match[1]) * units[match[2]]

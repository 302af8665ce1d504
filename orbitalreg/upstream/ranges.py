"""Parts of files: what is asked for, and what an answer turns out to hold (RFC 9110, 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orbitalreg.upstream.wire import Refused

_GIVEN = re.compile(r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_UNSATISFIED = re.compile(r"bytes +\*/([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of a file from `start` to `end`, which is not among them, of `length` in all; None is not known."""

    start: int
    end: int | None
    length: int | None


def asked_range(start: int, end: int | None) -> str | None:
    """The Range header for a span, None for the whole file. Raises `ValueError` for a span that holds nothing."""
    if start < 0 or (end is not None and end <= start):
        raise ValueError(f"there is nothing from {start} to {end}")
    if start == 0 and end is None:
        return None
    return f"bytes={start}-{'' if end is None else end - 1}"


def given_span(status: int, headers: Mapping[str, str], length: int | None, start: int, end: int | None) -> Span:
    """What the body holds; `length` is that of the body, where it is announced, `start` and `end` what was asked for.

    Raises `Refused` for a range that was not asked for, and for an encoded body: its bytes are not the file's.
    """
    said = headers.get("content-range", "")
    if status == 416:
        match = _UNSATISFIED.fullmatch(said)
        return Span(start, start, int(match[1]) if match else None)
    if status not in (200, 206):
        return Span(0, 0, None)
    if headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise Refused("answered with an encoded file, although it was asked not to")
    if status == 200:
        return Span(0, length, length)
    match = _GIVEN.fullmatch(said)
    if match is None:
        raise Refused("answered with a range that cannot be read")
    first, last, total = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
    if first != start or last < first or (end is not None and last >= end) or (total is not None and last >= total):
        raise Refused("answered with another range than was asked for")
    if length is not None and length != last + 1 - first:
        raise Refused("answered with a range and a length that contradict each other")
    return Span(first, last + 1, total)

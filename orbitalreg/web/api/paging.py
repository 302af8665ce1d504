"""Lists in parts. A cursor is the key of the last thing told, so that what comes and goes meanwhile moves nothing."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import Field

from orbitalreg.errors import Malformed
from orbitalreg.model import Microseconds
from orbitalreg.summaries import Page
from orbitalreg.web.api.resource import Sent

T = TypeVar("T")
K = TypeVar("K")

NameKey = str
TimeKey = tuple[Microseconds, str]
IdKey = tuple[str, str]
TextsKey = tuple[str, ...]

START: TextsKey = ()

MAX_INSTANT = 1 << 62


class Paging(Sent):
    """Which part of a list."""

    limit: int = Field(default=100, ge=1, le=1000, description="How many items at most.")
    cursor: str | None = Field(
        default=None,
        max_length=1024,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="The `next` of the part before; without it, the list's beginning.",
    )


def page(
    paging: Paging,
    start: K,
    parse: Callable[[Any], K],
    after: Callable[[K, int], Sequence[T]],
    key: Callable[[T], K],
    visible: Callable[[T], bool] = lambda item: True,
) -> Page[T]:
    """One part of the list that `after(key, limit)` gives in the order of its keys, of what is `visible` alone.

    Raises `Malformed` for a cursor that `parse` does not know.
    """
    last = _decoded(paging.cursor, parse) if paging.cursor is not None else start
    found: list[T] = []
    wanted = paging.limit + 1  # one more tells whether there is more
    while len(found) < wanted:
        batch = after(last, wanted)
        found += [item for item in batch if visible(item)]
        if len(batch) < wanted:
            break
        last = key(batch[-1])
    items = found[: paging.limit]
    return Page(items, _encoded(key(items[-1])) if len(found) > len(items) else None)


def part(paging: Paging, found: Sequence[T], key: Callable[[T], TextsKey]) -> Page[T]:
    """One part of a list that is made anew each time, which is in the order of its keys."""
    return page(paging, START, texts_key, lambda last, limit: [one for one in found if key(one) > last][:limit], key)


def texts_key(value: Any) -> TextsKey:
    """Raises `ValueError`."""
    if not isinstance(value, list):
        raise ValueError("no texts")
    return tuple(map(name_key, value))


def name_key(value: Any) -> NameKey:
    """Raises `ValueError`."""
    if not isinstance(value, str):
        raise ValueError("no name")
    value.encode()
    return value


def time_key(value: Any) -> TimeKey:
    """Raises `ValueError`."""
    if not (isinstance(value, list) and len(value) == 2 and type(value[0]) is int and abs(value[0]) < MAX_INSTANT):
        raise ValueError("no time")
    return value[0], name_key(value[1])


def id_key(value: Any) -> IdKey:
    """Raises `ValueError`."""
    if not (isinstance(value, list) and len(value) == 2):
        raise ValueError("no pair")
    return name_key(value[0]), name_key(value[1])


def _encoded(key: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decoded(cursor: str, parse: Callable[[Any], K]) -> K:
    try:
        return parse(json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))))
    except (ValueError, binascii.Error, RecursionError):
        raise Malformed("the query: cursor: take it from the `next` of the part before") from None

"""What was made of listings, kept in memory as long as there is room."""

import threading
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

FILES = 20_000
"""How many files all that is kept may have together; they share most of their memory with what they were made of."""


class Counted(Protocol):
    """Something made of a listing."""

    @property
    def file_count(self) -> int: ...


T = TypeVar("T", bound=Counted)


class Kept(Generic[T]):
    """The things used last, up to a number of files in all; each counts as one more. Thread-safe.

    One thing is kept however large it is: it is the one in use.
    """

    def __init__(self, limit: int = FILES) -> None:
        self._limit = limit
        self._count = 0
        self._lock = threading.Lock()
        self._things: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str) -> T | None:
        with self._lock:
            thing = self._things.get(key)
            if thing is not None:
                self._things.move_to_end(key)
            return thing

    def put(self, key: str, thing: T) -> T:
        """Keep `thing` in the place of what `key` named before; returns it."""
        with self._lock:
            old = self._things.pop(key, None)
            self._count += thing.file_count + 1 - (old.file_count + 1 if old is not None else 0)
            self._things[key] = thing
            while self._count > self._limit and len(self._things) > 1:
                self._count -= self._things.popitem(last=False)[1].file_count + 1
        return thing

"""The line of requests that wait for room and hold no thread."""

from collections.abc import Callable


class Place:
    """One request's place in the line, until it asks again or is over."""

    def __init__(self, key: str, when: Callable[["Place", Callable[[], None]], None], left: Callable[["Place"], None]):
        """`key` is that of the file; `when(self, call)` has `call` called in turn; `left(self)` ends that."""
        self.key = key
        self.is_left = False
        self._when = when
        self._left = left

    def when(self, call: Callable[[], None]) -> None:
        """Have `call` called, once, when asking again makes sense; not any more once this is closed."""
        self._when(self, call)

    def close(self) -> None:
        """Any thread; may be called twice. Whoever was called and goes hands on the room that he did not take."""
        self._left(self)


class Line:
    """In the order in which they came. Used under its owner's lock; calls nobody itself."""

    def __init__(self) -> None:
        self._calls: dict[Place, Callable[[], None]] = {}

    def add(self, place: Place, call: Callable[[], None]) -> None:
        self._calls[place] = call

    def remove(self, place: Place) -> None:
        place.is_left = True
        self._calls.pop(place, None)

    def next(self) -> list[Callable[[], None]]:
        """Whom to call where there is room for one more."""
        first = next(iter(self._calls), None)
        return [] if first is None else [self._calls.pop(first)]

    def of(self, key: str) -> list[Callable[[], None]]:
        """Whom to call where that file is under way: they need no room any more."""
        return [self._calls.pop(place) for place in list(self._calls) if place.key == key]

"""One call for many callers."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

from orbitalreg.upstream.forks import begin_in_children

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Callers who ask for the same thing at the same time share one answer. Thread-safe; nothing is kept afterwards."""

    def __init__(self) -> None:
        self.begin()
        begin_in_children(self)

    def begin(self) -> None:
        """In a forked child: the calls under way are the parent's."""
        self._lock = Lock()
        self._flights: dict[Hashable, Future[T]] = {}

    def do(self, key: Hashable, call: Callable[[], T]) -> T:
        """What `call()` returns or raises, in this thread or in that of the caller who came first.

        The first caller's `call` runs; the others wait for it, however long it takes, so it has limits of its own. It
        must not ask for its own key. A call that begins after another has ended runs anew.
        """
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if not leads:
            return flight.result()
        try:
            result = call()
        except BaseException as error:  # the others wait for an end of any kind
            self._land(key)
            flight.set_exception(error)
            raise
        self._land(key)
        flight.set_result(result)
        return result

    def _land(self, key: Hashable) -> None:
        with self._lock:
            del self._flights[key]

"""Names that an upstream does not have."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable


class AbsentNames:
    """Remembers names for some seconds, and the last `limit` of them: strangers may ask for any. Thread-safe."""

    def __init__(self, seconds: float, limit: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._until: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        with self._lock:
            until = self._until.get(name)
            if until is not None and until <= self._clock():
                del self._until[name]
                return False
            return until is not None

    def add(self, name: str) -> None:
        with self._lock:
            self._until.pop(name, None)
            self._until[name] = self._clock() + self._seconds
            while len(self._until) > self._limit:
                self._until.popitem(last=False)

    def discard(self, name: str) -> None:
        with self._lock:
            self._until.pop(name, None)

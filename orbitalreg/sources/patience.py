"""How long whoever works in this thread is willing to wait for upstreams: as configured, hardly, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_connect_seconds: ContextVar[float | None] = ContextVar("connect_seconds", default=None)


@contextmanager
def asking_nobody() -> Iterator[None]:
    """Inside, remote repositories answer by what is stored, however old, and have no more than that."""
    with connecting_within(0):
        yield


@contextmanager
def connecting_within(seconds: float) -> Iterator[None]:
    """Inside, each step of connecting (look-up, TCP, TLS) may take so long at most; an answer has its usual time."""
    token = _connect_seconds.set(seconds)
    try:
        yield
    finally:
        _connect_seconds.reset(token)


def asks_nobody() -> bool:
    """Whether this thread is within `asking_nobody`."""
    return _connect_seconds.get() == 0


def connect_seconds(configured: float) -> float:
    """What there is of `configured` seconds."""
    limit = _connect_seconds.get()
    return configured if limit is None else min(limit, configured)

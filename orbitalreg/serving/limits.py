"""The limits of a server, in one place."""

from dataclasses import dataclass

ASK_ABOVE = 64 << 10
"""Bytes of a body up to which nobody is asked: it is kept in memory, and the application sees it whole."""

HEAD_RECV = 8 << 10
"""Bytes taken from a socket at once while a head is awaited; so much may be held while a body awaits admission."""

BODY_RECV = 256 << 10
"""Bytes taken at once from a body that was admitted."""

SEND = 256 << 10
"""Bytes given to a socket at once. The kernel would take ten times as many of a blob, and the heap then keeps them."""


@dataclass(frozen=True)
class Limits:
    """Seconds and counts. What runs over a time limit is closed without an answer."""

    head_seconds: float = 60.0
    """For a head, from its first byte."""

    upload_seconds: float = 3600.0
    """For a body, from its admission."""

    idle_seconds: float = 120.0
    """Without a byte in either direction, unless the application is at work."""

    linger_seconds: float = 30.0
    """For throwing away what a refused client still sends."""

    linger_idle_seconds: float = 5.0
    """Without a byte from a refused client."""

    grace_seconds: float = 30.0
    """For what is under way when the server is told to stop."""

    connections: int = 2000
    """Open at once; the others wait in the listening queue."""

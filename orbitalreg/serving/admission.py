"""What the application is given when it is asked about a body of which nothing has been kept yet."""

from collections.abc import Callable

ADMISSION_KEY = "orbitalreg.admission"


class Admission:
    """The question whether a body may come in; it is in the environ of a call on the head alone.

    The application calls `grant()` and returns any response, which is thrown away; it is then called again, with the
    body and without this object. A response without a grant is the client's answer, and the connection is closed.
    """

    def __init__(self, length: int | None, pending: Callable[[], int]) -> None:
        self.granted = False
        self.length = length
        """Bytes announced; None for a chunked body, whose length nobody knows."""
        self._pending = pending
        self._settled = False

    def grant(self) -> None:
        """Let the body in. Without effect once an answer without a grant has begun."""
        if not self._settled:
            self.granted = True

    @property
    def pending_bytes(self) -> int:
        """Bytes admitted on all connections and not yet received; a chunked body counts as the largest allowed.

        Any thread. What is granted counts at once, so that two calls under one lock cannot both take the last room.
        """
        return self._pending()

    def settle(self) -> bool:
        """Whether it is granted; from now on that does not change."""
        self._settled = True
        return self.granted

    def revoke(self) -> None:
        """Undo a grant: the application failed after it."""
        self._settled = True
        self.granted = False

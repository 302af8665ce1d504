"""Who is told of what happens between a remote repository and its upstream."""

from typing import Protocol

from orbitalreg.model import Address

FRESH, UNCHANGED, ABSENT, FAILED = "fresh", "unchanged", "absent", "failed"
"""How a question to an upstream ends."""


class RemoteWatch(Protocol):
    """Counts. Thread-safe; raises nothing, and takes no time."""

    def asked(self, repository: Address, outcome: str) -> None:
        """An upstream was asked for a page, for its names or for a document; `outcome` is one of those above."""

    def shown_stale(self, repository: Address) -> None:
        """A page was shown although the upstream could not be asked about it."""

    def recalled(self, repository: Address) -> None:
        """A cached file is offered no more, since the upstream took it back."""

    def mismatched(self, repository: Address) -> None:
        """Bytes of the upstream were not those of the digest that it states, and were thrown away."""


class Relay:
    """`RemoteWatch` that hands on to `listener`, which comes later than the sources, or to nobody."""

    def __init__(self) -> None:
        self.listener: RemoteWatch | None = None

    def asked(self, repository: Address, outcome: str) -> None:
        if self.listener is not None:
            self.listener.asked(repository, outcome)

    def shown_stale(self, repository: Address) -> None:
        if self.listener is not None:
            self.listener.shown_stale(repository)

    def recalled(self, repository: Address) -> None:
        if self.listener is not None:
            self.listener.recalled(repository)

    def mismatched(self, repository: Address) -> None:
        if self.listener is not None:
            self.listener.mismatched(repository)

"""What must begin anew in a child process: locks that may be held, sockets and flights that belong to the parent."""

import os
from typing import Protocol
from weakref import WeakSet


class Forgetful(Protocol):
    def begin(self) -> None:
        """Drop what belongs to another process. Runs in the child, with one thread."""


_known: "WeakSet[Forgetful]" = WeakSet()


def begin_in_children(thing: Forgetful) -> None:
    """From now on, `thing.begin()` runs in every forked child, for as long as `thing` lives."""
    _known.add(thing)


def _begin_all() -> None:
    for thing in list(_known):
        thing.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all)

"""Lists, which are told in parts."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `next` is the cursor of the part that follows, or null at the end."""

    items: list[T]
    next: str | None

"""What a place for bytes implements."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar


class BlobStore(ABC):
    """Keeps bytes under keys that are used once. Every method may be called from any thread.

    A key is `<sha256>.<ulid>`; the catalog knows which keys are in use.
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, data: Path, options: Mapping[str, Any]) -> None:
        """`data` is the data folder, `options` the rest of the `[storage]` table. Raises `ConfigError`."""

    @property
    @abstractmethod
    def staging(self) -> Path:
        """An existing folder in which uploads are written before `keep`; local, and as near the blobs as can be."""

    @abstractmethod
    def keep(self, staged: Path, key: str) -> None:
        """Take the finished file at `staged` (which is gone afterwards) and hold it under `key`.

        On return it survives a power cut. Raises `NoSpace`, `StorageFailed`, and then nothing is held.
        """

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """The bytes, seekable, from their start. Raises `NotFound`."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Forget `key`. An absent key is no error. Only ever called after the row that names it is gone."""

    @abstractmethod
    def keys(self) -> Iterator[str]:
        """Every key held, in no order; a key added or deleted meanwhile may be missed or seen."""

    @abstractmethod
    def free_bytes(self) -> int | None:
        """How many bytes may still be written, or None where that has no meaning."""

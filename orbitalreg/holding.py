"""The bytes of blobs: kept in the store before the row that names them is committed, and opened by that row."""

from typing import BinaryIO

from ulid import ULID

from orbitalreg.catalog.blobs import BlobRow
from orbitalreg.errors import Busy, InvalidName, NotFound, StorageFailed
from orbitalreg.interfaces import BlobStore


class NotHeld(Busy):
    """Bytes that were here a moment ago are not: keep them, and try again."""

    def __init__(self) -> None:
        super().__init__("the same bytes were being removed at this moment; try again")


def new_key(sha256: str) -> str:
    """A key under which bytes have never been kept. Its second part tells when it was made."""
    return f"{sha256}.{ULID()}"


def opened(store: BlobStore, blob: BlobRow | None, name: str) -> BinaryIO:
    """The bytes of what is called `name`.

    Raises `StorageFailed`: what a row names is here, so that its absence is no answer but a loss.
    """
    if blob is not None and blob.fault is not None:
        raise StorageFailed(
            f"the bytes of {name} were found {blob.fault} and are not given out; "
            "upload the same file again, or have it restored from a backup"
        )
    try:
        return store.open(blob.key if blob else "")
    except (NotFound, InvalidName) as error:
        raise StorageFailed(f"the bytes of {name} are missing from the store") from error

"""What a repository holds, before policy has its say: what each kind of repository is for the others."""

from collections.abc import Sequence
from typing import BinaryIO, Protocol

from orbitalreg.model import File, Listing, Repository


class RawSource(Protocol):
    """Of one repository: a local one, a remote one, or a virtual one over other raw sources. Thread-safe.

    `local_only` asks for what local repositories hold, and asks no upstream: it is how a virtual repository guards a
    name. A remote has nothing then.
    """

    @property
    def repository(self) -> Repository: ...

    def reserves(self, package: str) -> bool:
        """Whether the name belongs to a local repository in here: it holds it, or ever held it. Asks no upstream."""

    def reserved(self) -> Sequence[str]:
        """Every name of which `reserves` is true, in byte order."""

    def names(self) -> Sequence[str]:
        """The packages that have a page, in byte order. Raises `UpstreamFailed`."""

    def names_revision(self) -> str:
        """Changes whenever `names` or `reserved` does."""

    def revision(self, package: str, local_only: bool = False) -> str:
        """What `listing(...).revision` would be, cheaper. Raises `NotFound`, `UpstreamFailed`."""

    def listing(self, package: str, local_only: bool = False) -> Listing:
        """Everything that is there. Raises `NotFound` where there is no page, `UpstreamFailed`.

        An `UpstreamFailed` means that it cannot be known what is there, not that nothing is. A file in `withheld` is
        among the files too, so that it keeps its place.
        """

    def sized(self, file: File) -> File:
        """`file`, one of the listing's, with its size. Raises `UpstreamFailed`."""

    def open(self, file: File, start: int = 0, length: int | None = None) -> BinaryIO:
        """As `Source.open`."""

    def document(self, file: File, kind: str) -> bytes:
        """As `Source.document`."""

"""Findings as whole documents, which are made before the first byte of the answer."""

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from threading import Semaphore

from orbitalreg.errors import Busy, storage_error
from orbitalreg.exports import EXPORTS
from orbitalreg.model import Address
from orbitalreg.publishing import Desk
from orbitalreg.summaries import VersionFindings
from orbitalreg.web.api.resource import Kept

AT_A_TIME = 2
"""So many are made at a time: a large one takes seconds, and others wait for pages meanwhile."""
PLACE_SECONDS = 1.0


class Exporter:
    """One of each process. Thread-safe."""

    def __init__(self, desk: Desk) -> None:
        """Documents lie in the folder of its store's uploads, without a name, until they are sent."""
        self._desk = desk
        self._places = Semaphore(AT_A_TIME)

    def document(self, kind: str, address: Address, versions: Iterable[VersionFindings], *of: str | None) -> Kept:
        """One of a kind in `EXPORTS`, with all of `versions`; the file is called after the repository and `of`.

        Raises what reading `versions` does, `Busy` after a short wait where too many are being made, `NoSpace`,
        `StorageFailed`.
        """
        if not self._places.acquire(timeout=PLACE_SECONDS):
            raise Busy("too many documents of findings are being made; try again")
        try:
            return self._made(kind, address, versions, [address.project, address.repository, *filter(None, of)])
        finally:
            self._places.release()

    def _made(self, kind: str, address: Address, versions: Iterable[VersionFindings], names: list[str]) -> Kept:
        export = EXPORTS[kind]
        self._desk.room_for(0)
        with ExitStack() as stack:
            try:
                spooled = stack.enter_context(tempfile.TemporaryFile(dir=self._desk.store.staging))
                spooled.writelines(piece.encode() for piece in export.write(address, versions))
                size = spooled.tell()
                spooled.seek(0)
            except OSError as error:
                raise storage_error(error, "the document could not be written") from error
            stack.pop_all()
        return Kept(spooled, size, export.media_type, f"{'-'.join(names)}.{export.suffix}")

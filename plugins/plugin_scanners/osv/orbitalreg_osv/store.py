"""The index in the plugin's folder: made from the dump where that is another, and put in place at one moment."""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orbitalreg.errors import ScannerFailed
from orbitalreg_osv import dumps
from orbitalreg_osv.index import FORM, Index, Meta, build
from orbitalreg_osv.settings import OsvSettings

LOOK_SECONDS = 1.0
"""How often it is looked whether the index was renewed, at most; a folder is looked at less often."""
FOLDER_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Store:
    """`<folder>/index.sqlite`, and `<folder>/dump.zip` where the dump is fetched. Used by one thread at a time.

    Other processes may do the same at the same time. Whoever writes holds a lock, which ends with its process; what a
    process that was killed left behind is removed by the next that writes.
    """

    def __init__(self, folder: Path, settings: OsvSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is read or written yet."""
        self.folder = folder
        self._settings = settings
        self._clock = clock
        self._look_at = 0.0
        self._index: Index | None = None
        self._bad: str | None = None

    @property
    def path(self) -> Path:
        return self.folder / "index.sqlite"

    @property
    def dump(self) -> Path:
        """The dump as it lies here: the configured one, or that which was fetched."""
        return self._settings.dump or self.folder / "dump.zip"

    def index(self) -> Index:
        """The index of the dump. It is made where there is none of it yet: some seconds.

        Raises `ScannerFailed` where there is neither; a dump that cannot be used leaves the index of the former one.
        """
        if self._index is None or self._clock() >= self._look_at:
            self._index = self._looked()
            self._look_at = self._clock() + (FOLDER_SECONDS if self.dump.is_dir() else LOOK_SECONDS)
        return self._index

    def meta(self) -> Meta | None:
        """What the present index was made from, None where there is none."""
        kept = self._kept()
        return kept.meta if kept else None

    def put(self, told: Callable[[int], None] = lambda number: None) -> Meta:
        """Make the index anew from the dump that lies here. Raises `ScannerFailed`; then the former one stays."""
        with self.locked():
            return self.put_locked(self.dump, told=told)

    def put_locked(
        self, dump: Path, etag: str | None = None, told: Callable[[int], None] = lambda number: None
    ) -> Meta:
        """Index `dump`; if it is one that was fetched beside, put it in place too. Only while `locked()`."""
        signature = dumps.signature(dump)
        if signature is None:
            raise ScannerFailed(f"there is no dump at {dump}")
        made = self.folder / "index.partial"
        try:
            meta = build(dump, made, self._settings.source, signature, etag, told)
            if dump != self.dump:
                os.replace(dump, self.dump)  # first: an index is never younger than the dump that it says it is of
            os.replace(made, self.path)
            _sync(self.folder)
        except OSError as error:
            raise ScannerFailed(f"the folder {self.folder} cannot be written to: {error.strerror}") from error
        finally:
            made.unlink(missing_ok=True)
        return meta

    @contextmanager
    def locked(self, wait: bool = True) -> Iterator[bool]:
        """Whether this process alone may write here; without `wait`, False where another does."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ScannerFailed(f"the folder {self.folder} cannot be written to: {error.strerror}") from error
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            for left in self.folder.glob("*.partial"):
                with suppress(FileNotFoundError):
                    left.unlink()
            yield True
        finally:
            os.close(file)

    def _looked(self) -> Index:
        kept = self._kept()
        found = dumps.signature(self.dump)
        if found is None and kept is None:
            what = "there is no dump" if self._settings.dump else "no dump was fetched yet"
            raise ScannerFailed(f"{what}: {self._settings.remedy}")
        if kept is not None and found in (None, kept.meta.signature, self._bad):
            return kept
        return self._renewed(found, kept)

    def _renewed(self, found: str | None, kept: Index | None) -> Index:
        """Where another process is about it, and there is an index already, that is good until then."""
        with self.locked(wait=kept is None) as is_ours:
            if not is_ours and kept is not None:
                return kept
            if (others := self._kept()) is not None and others.meta.signature == found:
                return others
            try:
                self.put_locked(self.dump)
            except ScannerFailed as error:
                if kept is None:
                    raise
                self._bad = found
                _log.error("the dump was changed and cannot be used; the former one counts: %s", error)
                return kept
        made = self._kept()
        if made is None:
            raise ScannerFailed(f"the index {self.path} is gone again")
        return made

    def _kept(self) -> Index | None:
        """The index that is there, if it is of the configured dump and of today's form."""
        if self._index is not None and self._index.is_current(self.path):
            return self._index
        try:
            found = Index(self.path)
        except (OSError, ScannerFailed):
            return None
        if found.meta.form == FORM and found.meta.source == self._settings.source:
            return found
        found.close()
        return None


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

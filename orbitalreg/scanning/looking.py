"""One look of one scanner at one file: from its bytes to the report in the catalog."""

import gzip
import io
import logging
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from sqlite_utils import Database

from orbitalreg import staging
from orbitalreg.catalog import Catalog, blobs, reports, scans
from orbitalreg.catalog.scans import FileRow
from orbitalreg.errors import NoSpace, ScannerFailed, UploadRefused
from orbitalreg.holding import NotHeld, new_key, opened
from orbitalreg.inspection import Inspector
from orbitalreg.interfaces import BlobStore, FormatAdapter
from orbitalreg.model import Report, ReportStatus, Staged, now
from orbitalreg.scanning.checked import after, checked, failed
from orbitalreg.scanning.children import Children, never
from orbitalreg.scanning.limits import Exceeded
from orbitalreg.scanning.scratch import Scratch, lay_out
from orbitalreg.scanning.wire import Answer, Request, State

STAGE_SECONDS = 30.0
STATE_SECONDS = 60.0
MAX_RAW = 64 << 20
"""Bytes of a tool's own output, and of a document."""
MAX_DOCUMENTS = 16

KEPT = 8
KEPT_BYTES = 256 << 10
"""So many files, and of so many bytes, are remembered as they were staged."""

_KIND = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Enabled:
    """A scanner that the configuration enables, and the children that it lives in."""

    name: str
    plugin: str
    deep: bool
    judges_names: bool
    looks_for_faults: bool
    children: Children

    def state(self, is_stopping: Callable[[], bool] = never) -> State:
        """What it judges by at this moment. Raises `ScannerFailed`, `Stopped`."""
        return self.children.ask(Request("state"), STATE_SECONDS, is_stopping).state


@dataclass(frozen=True, slots=True)
class _Kept:
    """Bytes that are durable, and their key in the store, if it is a new one."""

    sha256: str
    size: int
    key: str | None


class Looker:
    """Thread-safe. `folder` is where scratch folders are made; `on_report` is told of each report after its commit."""

    def __init__(self, catalog: Catalog, store: BlobStore, formats: Mapping[str, FormatAdapter], folder: Path) -> None:
        self._catalog = catalog
        self._store = store
        self._formats = formats
        self._folder = folder
        self._inspector = Inspector(seconds=STAGE_SECONDS)
        self._lock = threading.Lock()
        self._staged_last: dict[tuple[str, bool], tuple[Staged, set[str]]] = {}
        """With the scanners that had it."""
        self.on_report: Callable[[Report], None] = lambda report: None

    def close(self) -> None:
        self._inspector.close()

    def look(self, scanner: Enabled, file_id: str, is_stopping: Callable[[], bool] = never) -> None:
        """Scan the file and keep the report; nothing for a file that is gone. Not within a transaction.

        Raises `ScannerFailed`, `Stopped`, and `StorageFailed`, `NoSpace`, `Busy` of the store and the catalog.
        """
        row = scans.file(self._catalog.read(), file_id)
        if row is None or row.format not in self._formats:
            return
        with Scratch(self._folder) as scratch:
            try:
                staged = self._staged(scanner, row, scratch.folder)
            except UploadRefused as error:
                state = scanner.state(is_stopping)
                report = Report(
                    scanner.name, ReportStatus.NOT_SCANNED, (), (), state.database, state.version, str(error)
                )
                return self._put(scanner, row, report, b"", {})
            request = Request("scan", staged.components, row.filename, row.sha256, str(scratch.folder / "target"))
            answer = scanner.children.ask(request, None, is_stopping)
            report = _report(scanner, answer, staged)
            raw, documents = _left(scratch.folder / "answer", answer)
        self._put(scanner, row, report, raw, documents)

    def fail(self, scanner: Enabled, file_id: str, reason: str, is_stopping: Callable[[], bool] = never) -> None:
        """Keep a report which says that the file could not be scanned. Raises `Stopped` and as the store does."""
        row = scans.file(self._catalog.read(), file_id)
        if row is None:
            return
        try:
            state = scanner.state(is_stopping)
        except ScannerFailed:
            state = State()
        logger.warning("scanner %s: %s: %s", scanner.name, row.filename, reason)
        self._put(scanner, row, failed(scanner.name, reason, state.database, state.version), b"", {})

    def _staged(self, scanner: Enabled, row: FileRow, scratch: Path) -> Staged:
        """Laid out in `target`. Raises `UploadRefused`, `StorageFailed`."""
        staged = self._remembered(scanner, row.id)
        if staged is None:
            adapter = self._formats[row.format]
            with ExitStack() as stack:
                path = _local(stack, self._opened(row), scratch / "file")
                staged = self._inspector.stage(adapter, path, row.filename, scanner.deep)
            (scratch / "file").unlink(missing_ok=True)
            self._remember(scanner, row.id, staged)
        if not staged.components:
            raise UploadRefused(f"{row.filename}: nothing in it can be scanned")
        lay_out(scratch / "target", staged)
        return staged

    def _remembered(self, scanner: Enabled, file_id: str) -> Staged | None:
        """What was staged of the file for another scanner just now; once for each, so that nothing is kept for long."""
        with self._lock:
            staged, served = self._staged_last.get((file_id, scanner.deep), (None, set()))
            if scanner.name in served:
                return None
            served.add(scanner.name)
            return staged

    def _remember(self, scanner: Enabled, file_id: str, staged: Staged) -> None:
        if sum(map(len, staged.documents.values())) <= KEPT_BYTES:
            with self._lock:
                self._staged_last[file_id, scanner.deep] = staged, {scanner.name}
                if len(self._staged_last) > KEPT:
                    del self._staged_last[next(iter(self._staged_last))]

    def _opened(self, row: FileRow) -> BinaryIO:
        return opened(self._store, blobs.get(self._catalog.read(), row.sha256), row.filename)

    def _put(self, scanner: Enabled, row: FileRow, report: Report, raw: bytes, documents: Mapping[str, bytes]) -> None:
        """Bytes first, then rows; bytes that turn out to be there already are dropped again."""
        report = replace(report, scanned_at=now(), looks_for_faults=scanner.looks_for_faults)
        kept_raw = self._keep(gzip.compress(raw, mtime=0)) if raw else None
        kept = {kind: self._keep(body) for kind, body in documents.items()}
        every = [*kept.values(), *([kept_raw] if kept_raw else [])]
        with self._catalog.write(lasting=False) as db:  # where it is lost, so is the end of the job
            is_there = scans.file(db, row.id) is not None
            used = {_used(db, one) for one in every} if is_there else set()
            if is_there:
                digests = {kind: one.sha256 for kind, one in kept.items()}
                known = {one.scanner: one for one in reports.of_files(db, [row.id]).get(row.id, ())}
                report = after(known.get(report.scanner), report)
                reports.put(db, row.id, report, kept_raw.sha256 if kept_raw else None, digests)
                reports.changed(db, row.format, row.package)
        for one in every:
            if one.key is not None and one.key not in used:
                self._store.delete(one.key)
        if is_there:
            self.on_report(report)

    def _keep(self, body: bytes) -> _Kept:
        free = self._store.free_bytes()
        if free is not None and free - len(body) < staging.RESERVE:
            raise NoSpace("the data file system has too little room left for a report")
        with staging.receive(self._store.staging, io.BytesIO(body), "report", (), len(body)) as staged:
            sha256 = staged.digest("sha256")
            if blobs.is_held(self._catalog.read(), sha256):
                return _Kept(sha256, staged.size, None)
            key = new_key(sha256)
            self._store.keep(staged.path, key)
            return _Kept(sha256, staged.size, key)


def _local(stack: ExitStack, stream: BinaryIO, spare: Path) -> Path:
    """Where the bytes lie on this machine; a copy at `spare` where the store has them elsewhere."""
    stack.enter_context(stream)
    name = getattr(stream, "name", None)
    if isinstance(name, str) and Path(name).is_file():
        return Path(name).absolute()
    with open(spare, "xb") as copy:
        while chunk := stream.read(staging.CHUNK):
            copy.write(chunk)
    return spare


def _used(db: Database, kept: _Kept) -> str:
    """Writes: the key under which the bytes are held."""
    used = blobs.hold(db, kept.sha256, kept.key, kept.size)
    if used is None:
        raise NotHeld
    return used


def _report(scanner: Enabled, answer: Answer, staged: Staged) -> Report:
    if len(answer.reports) != 1:
        raise Exceeded("it answered nonsense: no report")
    [report] = answer.reports
    return checked(report, scanner.name, staged.components, answer.state.database, answer.state.version)


def _left(folder: Path, answer: Answer) -> tuple[bytes, dict[str, bytes]]:
    """Raw output and documents. Raises `Exceeded`."""
    kinds = answer.documents
    if len(kinds) > MAX_DOCUMENTS or not all(_KIND.fullmatch(kind) for kind in kinds):
        raise Exceeded(f"it left more than {MAX_DOCUMENTS} documents, or one of a kind that is no name")
    try:
        return _bytes(folder / "raw"), {kind: _bytes(folder / str(number)) for number, kind in enumerate(kinds)}
    except OSError as error:
        raise Exceeded(f"what it left cannot be read: {error.strerror}") from error


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        body = file.read(MAX_RAW + 1)
    if len(body) > MAX_RAW:
        raise Exceeded(f"it left more than {MAX_RAW} bytes of output or of a document")
    return body

"""Getting a newer dump: fetched or copied beside the old one, read as a whole, then put in its place."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from orbitalreg.errors import ScannerFailed, UpstreamFailed
from orbitalreg.interfaces import Clients
from orbitalreg_osv.index import Meta
from orbitalreg_osv.settings import OsvSettings
from orbitalreg_osv.store import Store

DUMP_BYTES = 2 << 30

Told = Callable[[str, int, int | None], None]
"""What is done (`fetched` bytes or `read` records), how much of it so far, and of how much where that is known."""


@dataclass(frozen=True, slots=True)
class Updated:
    """The dump that counts now, and whether its records are others than before."""

    meta: Meta
    is_new: bool


def update(store: Store, settings: OsvSettings, clients: Clients, source: Path | None, told: Told) -> Updated:
    """From `source`, a file that was brought here, or from where the configuration says.

    Whatever goes wrong, the former dump and its index stay. Raises `ScannerFailed`, `UpstreamFailed`, `ConfigError`.
    """
    if not settings.has_dump:
        raise ScannerFailed('[plugins.osv] has no dump to update: set dump = "osv.dev", or to the address of a mirror')
    if settings.dump is not None and source is not None:
        raise ScannerFailed(f"the dump is a file of yours: put the new one there instead: {settings.dump}")
    with store.locked():
        before = store.meta()
        if settings.dump is not None:
            after = store.put_locked(settings.dump, told=lambda done: told("read", done, None))
        else:
            after = _fetched(store, settings, clients, source, before, told)
    return Updated(after, before is None or before.digest != after.digest)


def _fetched(
    store: Store, settings: OsvSettings, clients: Clients, source: Path | None, before: Meta | None, told: Told
) -> Meta:
    arrived = store.folder / "dump.partial"
    etag = None
    try:
        with arrived.open("xb") as file:
            if source is not None:
                _copy(source, file)
            else:
                assert settings.dump_url is not None
                known = before.etag if before is not None and store.dump.exists() else None
                client = clients(settings.dump_url, settings.ca_bundle)
                done = client.download(
                    settings.dump_url,
                    file,
                    max_bytes=DUMP_BYTES,
                    etag=known,
                    told=lambda so_far, whole: told("fetched", so_far, whole),
                )
                if not done.is_new:
                    assert before is not None
                    return before
                etag = done.etag
            file.flush()
            os.fsync(file.fileno())
        return store.put_locked(arrived, etag, told=lambda read: told("read", read, None))
    except UpstreamFailed as error:
        raise error.about("the dump") from error
    except OSError as error:
        raise ScannerFailed(f"the dump cannot be written to {store.folder}: {error.strerror or error}") from error
    finally:
        arrived.unlink(missing_ok=True)


def _copy(source: Path, into: BinaryIO) -> None:
    try:
        found = source.open("rb")
    except OSError as error:
        raise ScannerFailed(f"{source} cannot be read: {error.strerror}") from error
    with found:
        shutil.copyfileobj(found, into, 1 << 20)

"""Records that a server gave, kept in the plugin's folder until they are modified. Any number of processes use it."""

import json
import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from orbitalreg_osv.server import Hit


class Kept:
    """One small file for each record, named by its id, which `records.ID` allows no slash in."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet."""
        self._folder = folder

    def get(self, hit: Hit) -> Any | None:
        """The record, if it is kept as it was last modified."""
        try:
            kept = json.loads(self._path(hit).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        is_this = isinstance(kept, dict) and kept.get("id") == hit.id and kept.get("modified") == hit.modified
        return kept.get("record") if is_this and hit.modified else None

    def put(self, hit: Hit, record: Any) -> None:
        """Losing it costs no more than asking again, so that a full disk is no fault."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=self._folder, suffix=".partial", delete=False) as file:
                json.dump({"id": hit.id, "modified": hit.modified, "record": record}, file)
            os.replace(file.name, self._path(hit))

    def _path(self, hit: Hit) -> Path:
        return self._folder / f"{hit.id}.json"

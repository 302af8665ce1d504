"""Recorded runs of the real tool, played again. `tests/scanners/recording.py` in the tree records them."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.testing import RecordedTool


@pytest.fixture
def recorded() -> RecordedTool:
    return RecordedTool(Path(__file__).parent / "recorded")


@pytest.fixture
def installed() -> Callable[[Path], Mapping[str, Any]]:
    """Puts a program that nobody runs, and a database that nobody opens, into a folder; the table that names them."""

    def install(folder: Path) -> Mapping[str, Any]:
        (folder / "grype").write_text("#!/bin/sh\nexit 3\n")
        (folder / "grype").chmod(0o755)
        place = folder / "database" / "6"
        place.mkdir(parents=True)
        with closing(sqlite3.connect(place / "vulnerability.db")) as database, database:
            database.execute("CREATE TABLE db_metadata (build_timestamp datetime, model, revision, addition)")
            now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}+00:00"
            database.execute("INSERT INTO db_metadata VALUES (?, 6, 1, 9)", (now,))
        (place / "import.json").write_text('{"digest": "xxh64:5100d0e8bcfcd71f", "client_version": "v6.1.10"}')
        return {"binary": "grype", "database": "database"}

    return install

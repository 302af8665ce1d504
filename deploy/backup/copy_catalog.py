"""python copy_catalog.py CATALOG COPY: a whole and consistent copy of a catalog that is in use."""

import sys
from contextlib import closing
from pathlib import Path

from sqlite_utils.utils import sqlite3

catalog, copy = (Path(argument).absolute() for argument in sys.argv[1:])
if copy.exists():
    sys.exit(f"{copy} is there already")
with (
    # `mode=rw`: a wrong path is an error, and not a new and empty catalog.
    closing(sqlite3.connect(f"{catalog.as_uri()}?mode=rw", uri=True)) as source,
    closing(sqlite3.connect(copy)) as target,
):
    source.backup(target)
    # The copy becomes one file without a log beside it; the server turns the log on again.
    target.execute("PRAGMA journal_mode = DELETE")
    verdict = target.execute("PRAGMA integrity_check").fetchone()[0]
if verdict != "ok":
    sys.exit(f"the copy is not sound: {verdict}")
sys.stdout.write("copied; integrity: ok\n")

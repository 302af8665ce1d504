"""The hook: Grype over the bill of materials of a file."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from orbitalreg.errors import ScannerFailed
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Scanner, Surroundings, Target, Tool
from orbitalreg.interfaces.tools import Named, Table, Workplace, dated, read_json, report
from orbitalreg.model import Database, Microseconds, Scan
from orbitalreg_grype.output import read

REMEDY = "install Grype (https://github.com/anchore/grype), or name the program here"
WITHOUT_DATABASE = (
    "grype has no database in {folder}: fetch one by grype db download where there is a network, and import it here by "
    "GRYPE_DB_CACHE_DIR={folder} grype db import FILE"
)
MODEL = "6"
COVERAGE = "coverage.json"


class Grype(Scanner):
    """Runs `grype sbom:`, which judges names and versions; it stays off the network, unless `offline` is false: then it
    updates its database ahead of a scan, where that is due.
    """

    name = "grype"
    vendor = "Anchore"

    def __init__(self, surroundings: Surroundings) -> None:
        table = Table(surroundings.options, surroundings.base)
        self._program = table.program("binary", "grype", REMEDY)
        self._folder = table.path("database", surroundings.folder)
        self._is_offline = table.flag("offline", True)
        self._max_age = table.seconds("max_age", "7d")
        self._deep = table.flag("deep", False)
        table.check()

    @property
    def deep(self) -> bool:
        return self._deep

    @property
    def tool(self) -> Tool:
        return Tool(self._program, environment={"GRYPE_CHECK_FOR_APP_UPDATE": "false"})

    def database(self) -> Database | None:
        """None where it is not there and Grype may fetch it, which the first scan has it do."""
        folder = self._folder / MODEL
        try:
            imported = read_json((folder / "import.json").read_bytes(), "the import.json of grype's database")
            version, built = _metadata(folder / "vulnerability.db")
        except (OSError, sqlite3.Error) as error:
            if not self._is_offline:
                return None
            raise ScannerFailed(WITHOUT_DATABASE.format(folder=self._folder)) from error
        return dated(Database(version, imported.needed("digest"), built), self._max_age)

    def scan(self, target: Target) -> Scan:
        place = Workplace(target)
        if not self._is_offline:
            place.update([str(self._program), "db", "update"], self._environment(update=True))
        if self.database() is None:
            raise ScannerFailed(f"grype could not fetch its database into {self._folder}: see whether it is let out")
        printed = place.run(self._arguments(target.bom), self._environment())
        output = read(printed, place.read(COVERAGE), Named(target.components))
        told = report(
            self.name, output.version, target.component, output.seen, output.findings, self.database(), self._max_age
        )
        return Scan(told, printed)

    def _arguments(self, bom: Path) -> list[str]:
        return [str(self._program), f"sbom:{bom}", "-o", "json", "-o", f"cyclonedx-json={COVERAGE}"]

    def _environment(self, update: bool = False) -> dict[str, str]:
        """How old a database may be is for `max_age` to say: Grype itself refuses one of six days."""
        return {
            "GRYPE_DB_CACHE_DIR": str(self._folder),
            "GRYPE_DB_AUTO_UPDATE": "true" if update else "false",
            "GRYPE_DB_VALIDATE_AGE": "false",
            "GRYPE_CHECK_FOR_APP_UPDATE": "false",
        }


def _metadata(path: Path) -> tuple[str, Microseconds | None]:
    """The schema's version, and when the database was built. Raises `sqlite3.Error`."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        row = connection.execute("SELECT model, revision, addition, build_timestamp FROM db_metadata").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("without metadata")
    model, revision, addition, built = row
    return f"v{model}.{revision}.{addition}", _instant(built)


def _instant(text: object) -> Microseconds | None:
    """As Go's driver writes a time, or as RFC 3339."""
    try:
        found = datetime.fromisoformat(str(text).replace(" UTC", "").replace(" +0000", "+00:00").strip())
    except ValueError:
        return None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()) * 1_000_000


@hookimpl
def scanners() -> Sequence[type[Scanner]]:
    return [Grype]

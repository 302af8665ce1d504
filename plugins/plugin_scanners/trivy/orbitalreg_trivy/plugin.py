"""The hook: Trivy over the bill of materials of a file."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from orbitalreg.errors import ScannerFailed
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Scanner, Surroundings, Target, Tool
from orbitalreg.interfaces.tools import Named, Table, Workplace, dated, read_json, report
from orbitalreg.model import Database, Scan
from orbitalreg_trivy.output import read

REMEDY = "install Trivy from your system's packages or https://trivy.dev, or name the program here"
WITHOUT_DATABASE = (
    "trivy has no database in {folder}: run trivy image --download-db-only --cache-dir {folder}, here or on a machine "
    "that has a network, and copy the folder"
)


class Trivy(Scanner):
    """Runs `trivy sbom`, which judges names and versions; it stays off the network, unless `offline` is false: then it
    updates its database ahead of a scan, where that is due.
    """

    name = "trivy"
    vendor = "Aqua Security"

    def __init__(self, surroundings: Surroundings) -> None:
        table = Table(surroundings.options, surroundings.base)
        self._program = table.program("binary", "trivy", REMEDY)
        self._cache = table.path("cache", surroundings.folder)
        self._is_offline = table.flag("offline", True)
        self._max_age = table.seconds("max_age", "7d")
        self._deep = table.flag("deep", False)
        table.check()

    @property
    def deep(self) -> bool:
        return self._deep

    @property
    def tool(self) -> Tool:
        return Tool(self._program)

    def database(self) -> Database | None:
        """None where it is not there and Trivy may fetch it, which the first scan has it do."""
        folder = self._cache / "db"
        try:
            size = (folder / "trivy.db").stat().st_size
            metadata = read_json((folder / "metadata.json").read_bytes(), "the metadata.json of trivy's database")
        except OSError as error:
            if not self._is_offline:
                return None
            raise ScannerFailed(WITHOUT_DATABASE.format(folder=self._cache)) from error
        version, built = metadata.number("Version"), metadata.needed("UpdatedAt")
        digest = hashlib.sha256(json.dumps([version, built, size]).encode()).hexdigest()
        found = Database(f"{version} of {built[:19]}", f"sha256:{digest}", metadata.instant("UpdatedAt"))
        return dated(found, self._max_age)

    def scan(self, target: Target) -> Scan:
        place = Workplace(target)
        if not self._is_offline:
            place.update([str(self._program), "image", "--download-db-only", *self._everywhere])
        if self.database() is None:
            raise ScannerFailed(f"trivy could not fetch its database into {self._cache}: see whether it is let out")
        printed = place.run(self._arguments(target.bom))
        output = read(printed, Named(target.components))
        told = report(
            self.name, output.version, target.component, output.seen, output.findings, self.database(), self._max_age
        )
        return Scan(told, printed)

    def _arguments(self, bom: Path) -> list[str]:
        return [
            str(self._program), "sbom", *self._everywhere, "--skip-db-update", "--skip-java-db-update",
            "--offline-scan", "--scanners", "vuln", "--list-all-pkgs", "--format", "json", str(bom),
        ]  # fmt: skip

    @property
    def _everywhere(self) -> list[str]:
        return ["--cache-dir", str(self._cache), "--skip-version-check", "--disable-telemetry", "--quiet"]


@hookimpl
def scanners() -> Sequence[type[Scanner]]:
    return [Trivy]

"""The real tools of `make scanners`, behind the plugins; their databases are made of the shared advisories."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grype_database
import trivy_database
from advisories import read
from orbitalreg_grype.plugin import Grype
from orbitalreg_syft.plugin import Syft
from orbitalreg_trivy.plugin import Trivy

from orbitalreg.interfaces import Scanner, Surroundings
from orbitalreg.model import Staged
from orbitalreg.testing import RecordedTool

TREE = Path(__file__).parents[2]
BIN = TREE / ".tools" / "bin"
PLUGINS = TREE / "plugins" / "plugin_scanners"
CLASSES: Mapping[str, type[Scanner]] = {cls.name: cls for cls in (Trivy, Grype, Syft)}


def is_here(name: str) -> bool:
    return (BIN / name).exists()


def build_databases(folder: Path) -> None:
    advisories = list(read())
    trivy_database.build(folder / "trivy", advisories)
    if is_here("grype"):
        grype_database.build(BIN / "grype", folder / "grype", advisories)


def scanner(name: str, databases: Path, **more: Any) -> Scanner:
    keys = {"trivy": "cache", "grype": "database"}
    options = {"binary": str(BIN / name), **({keys[name]: str(databases / name)} if name in keys else {}), **more}
    return CLASSES[name](Surroundings(options, databases, databases / "own", no_clients))


def no_clients(server: str, ca_bundle: Path | None = None) -> Any:
    raise AssertionError(f"a server is asked: {server}")


def recorded(name: str) -> Path:
    """Where a plugin's tests have what its tool says."""
    return PLUGINS / name / "tests" / "recorded"


def cases(name: str) -> Iterator[tuple[str, Staged, Path]]:
    """The recorded cases of a plugin: each one's name, what is staged of it, and where it is recorded."""
    for case, staged in RecordedTool(recorded(name)).cases.items():
        yield case, staged, recorded(name) / case

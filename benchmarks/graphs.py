"""`python graphs.py FOLDER VERSIONS`: what one process takes to keep a graph of so many versions, as JSON.

Each version asks for five others; packages have five versions. One more package, `hub`, has 1,000 dependents: 100 that
ask for it, and nine that lead to each of these. Seconds are of CPU time.
"""

import json
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from orbitalreg import config
from orbitalreg.assembly import Registry, assemble
from orbitalreg.catalog import blobs, files, graph_changes, reports, repositories
from orbitalreg.catalog.database import FILENAME
from orbitalreg.model import Address, File, Finding, Report, ReportStatus, Severity

EACH = 5
ABOUT = ["", ">=1.2", "<1.4", ">=1.1,<2", "!=1.3", "==1.2", "~=1.0"]
TEXT = """
[projects.acme.repositories]
internal = { format = "pypi", kind = "local" }
"""


def main(folder: Path, count: int) -> dict[str, object]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "orbitalreg.toml").write_text(f'[data]\npath = "{folder / "data"}"\n{TEXT}')
    registry = assemble(config.load(folder / "orbitalreg.toml"))
    _fill(registry, count)
    updater = registry.graph.updater
    _settle(registry)
    bare, before = _size(folder), _memory_mb()

    def build() -> None:
        updater.reconcile()
        updater.update()

    told: dict[str, object] = {"build": _took(build), "memory_mb": _memory_mb(), "memory_before_mb": before}
    _settle(registry)
    told |= {"catalog_mb": bare, "with_graph_mb": _size(folder)}
    told["finding"] = [_took(updater.update) for number in range(3) if _find(registry, number)]
    told["upload"] = [_took(updater.update) for number in range(3) if _upload(registry, number)]
    told["marked_us"] = _marks(registry) * 1e6
    registry.close()
    return told


def _fill(registry: Registry, count: int) -> None:
    names = [f"lib{number:06d}" for number in range(count // EACH)]
    draw = random.Random(1)
    repository_id = registry.repository(Address("acme", "internal")).id
    with registry.catalog.write() as db:
        for place, name in enumerate(names):
            near = names[:place][-2000:]
            _publish(registry, db, repository_id, name, [_needs(draw, near) for _ in range(EACH)])
        _publish(registry, db, repository_id, "hub", [[]])
        for number in range(100):
            _publish(registry, db, repository_id, f"near{number}", [["hub"]])
            for further in range(9):
                _publish(registry, db, repository_id, f"far{number}x{further}", [[f"near{number}>=1"]])


def _needs(draw: random.Random, others: list[str]) -> list[str]:
    return [f"{other}{draw.choice(ABOUT)}" for other in draw.sample(others, min(5, len(others)))]


def _publish(registry: Registry, db: object, repository_id: str, name: str, versions: list[list[str]]) -> None:
    row = repositories.ensure_package(db, repository_id, name)  # type: ignore[arg-type]
    for number, needs in enumerate(versions):
        filename = f"{name}-1.{number}-py3-none-any.whl"
        attributes = {"filetype": "bdist_wheel"}
        file = File(filename, name, f"1.{number}", filename, 1, "00", 1, attributes, tuple(needs))
        blobs.hold(db, "00", "00", 1)  # type: ignore[arg-type]
        files.insert(db, repository_id, row.id, file, "bench")  # type: ignore[arg-type]
    repositories.package_changed(db, row.id, len(versions))  # type: ignore[arg-type]


def _find(registry: Registry, number: int) -> bool:
    finding = Finding(f"CVE-2026-{number}", "hub", "1.0", Severity.HIGH)
    with registry.catalog.write() as db:
        reports.put(db, "hub-1.0-py3-none-any.whl", Report("bench", ReportStatus.OK, (finding,)))
        reports.changed(db, "pypi", "hub")
    return True


def _upload(registry: Registry, number: int) -> bool:
    with registry.catalog.write() as db:
        repository_id = registry.repository(Address("acme", "internal")).id
        _publish(
            registry, db, repository_id, f"new{number}", [["lib000000", "lib000001<2", "hub", "lib000002", "near1"]]
        )
    return True


def _marks(registry: Registry) -> float:
    """Seconds that a change of a package takes longer, since it is written down for the graph."""
    begun = []
    for mark in (graph_changes.changed_in, lambda *_: None):
        repositories.graph_changes.changed_in = mark  # type: ignore[attr-defined]
        with registry.catalog.write() as db:
            ids = [row[0] for row in db.execute("SELECT id FROM package LIMIT 1000").fetchall()]
            begun.append(_took(lambda db=db, ids=ids: [repositories.package_changed(db, one) for one in ids]))  # type: ignore[misc]
    return (begun[0] - begun[1]) / 1000


def _settle(registry: Registry) -> None:
    """All of the catalog is in its file."""
    registry.catalog.read().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _took(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def _size(folder: Path) -> float:
    return (folder / "data" / FILENAME).stat().st_size / 1e6


def _memory_mb() -> float:
    """At its peak."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))

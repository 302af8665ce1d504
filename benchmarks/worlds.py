"""`python worlds.py FOLDER UPSTREAM DUMP`: a graph that is followed into an upstream until nothing waits, as JSON.

FOLDER has the one wheel that is held here, and `world.json`: its filename, METADATA and Requires-Dist. DUMP is the
scanner osv's. The configuration and the data stay in the folder.
"""

import hashlib
import json
import resource
import shutil
import sys
import time
from pathlib import Path

from ulid import ULID

from orbitalreg import config
from orbitalreg.assembly import Registry, assemble
from orbitalreg.catalog import blobs, files, repositories
from orbitalreg.catalog.database import FILENAME
from orbitalreg.jobs import Worker
from orbitalreg.model import Address, File, now

PATIENCE = 600.0
TEXT = """
[graph]
upstream_rate = 1000

[projects.acme.repositories]
internal = {{ format = "pypi", kind = "local" }}
index = {{ format = "pypi", kind = "remote", upstream = "{upstream}" }}
all = {{ format = "pypi", kind = "virtual", members = ["internal", "index"] }}

[plugins.osv]
dump = "{dump}"
"""
OF_ALL = "FROM graph g JOIN repository r ON r.id = g.repository_id AND r.name = 'all'"
COUNTS = {
    "packages": f"COUNT(DISTINCT n.package) {OF_ALL} JOIN graph_node n ON n.graph_id = g.id",
    "versions": f"COUNT(DISTINCT n.package || ' ' || n.version) {OF_ALL} JOIN graph_node n ON n.graph_id = g.id",
    "nodes": f"COUNT(*) {OF_ALL} JOIN graph_node n ON n.graph_id = g.id",
    "unreadable": f"COUNT(*) {OF_ALL} JOIN graph_node n ON n.graph_id = g.id WHERE n.is_known = 0",
    "edges": f"COUNT(*) {OF_ALL} JOIN graph_node n ON n.graph_id = g.id JOIN graph_edge e ON e.node_id = n.id",
    "choices": f"COUNT(*) {OF_ALL} JOIN graph_choice c ON c.graph_id = g.id",
    "dead_ends": f"COUNT(*) {OF_ALL} JOIN graph_choice c ON c.graph_id = g.id WHERE c.version IS NULL",
    "failures": f"COUNT(*) {OF_ALL} JOIN graph_package p ON p.graph_id = g.id WHERE p.failures > 0",
    "findings": f"COUNT(*) {OF_ALL} JOIN graph_finding f ON f.graph_id = g.id",
}


def main(folder: Path, upstream: str, dump: str) -> dict[str, object]:
    shutil.rmtree(folder / "data", ignore_errors=True)
    text = f'[data]\npath = "{folder / "data"}"\n{TEXT.format(upstream=upstream, dump=dump)}'
    (folder / "orbitalreg.toml").write_text(text)
    registry = assemble(config.load(folder / "orbitalreg.toml"))
    _publish(registry, folder, **json.loads((folder / "world.json").read_text()))
    began, used = time.perf_counter(), _used()
    _work(registry)
    took = time.perf_counter() - began
    db = registry.catalog.read()
    told: dict[str, object] = {name: db.execute(f"SELECT {sql}").fetchone()[0] for name, sql in COUNTS.items()}
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    registry.close()
    told |= {"seconds": took, "cpu_seconds": _used() - used}
    told["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told["catalog_mb"] = (folder / "data" / FILENAME).stat().st_size / 1e6
    return told


def _publish(registry: Registry, folder: Path, filename: str, metadata: str, needs: list[str]) -> None:
    """As an upload does."""
    content = (folder / filename).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"{sha256}.{ULID()}"
    registry.desk.store.keep(folder / filename, key)
    attributes = {"filetype": "bdist_wheel"}
    document = files.prepared("metadata", metadata.encode())
    kept = {document.kind: document.sha256}
    file = File(str(ULID()), "world", "1.0", filename, len(content), sha256, now(), attributes, tuple(needs), kept)
    repository_id = registry.repository(Address("acme", "internal")).id
    with registry.catalog.write() as db:
        row = repositories.ensure_package(db, repository_id, "world")
        blobs.hold(db, sha256, key, file.size)
        files.insert(db, repository_id, row.id, file, "bench")
        files.insert_documents(db, file.id, [document])
        registry.desk.scans.add(db, file.id)
        repositories.package_changed(db, row.id, 1)


def _work(registry: Registry) -> None:
    worker = Worker(registry.catalog, registry.handlers)
    worker.start()
    try:
        if not worker.wait_idle(PATIENCE):
            raise TimeoutError(f"there was work left after {PATIENCE:.0f} s")
    finally:
        worker.stop()


def _used() -> float:
    """Seconds of CPU, those of children that have ended included."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *sys.argv[2:])))

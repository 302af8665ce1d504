"""python churn.py upload DATA NUMBER OPERATIONS SEED | collect DATA: one of the processes of test_churn.

Uploads go the way of a publish after its inspection, deletions that of the API; a grace of no time at all makes every
upload meet the collector.
"""

import io
import json
import random
import sys
import time
from pathlib import Path

from orbitalreg import config
from orbitalreg.assembly import assemble
from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.catalog import Catalog, blobs
from orbitalreg.collection.garbage import Collector
from orbitalreg.collection.lock import RemovalLock
from orbitalreg.errors import Busy
from orbitalreg.holding import opened
from orbitalreg.model import Actor, Address, Identity, Inspection
from orbitalreg.publishing import LocalPublisher

DIGITS = "abcdef"
"""So few different bytes that all processes fight for the same."""

ME = Actor("local:churn")


def body_of(digit: str) -> bytes:
    return digit.encode() * 1000


def upload(file: Path, number: int, operations: int, seed: int) -> dict[str, int]:
    registry = assemble(config.load(file))
    repository = registry.repository(Address("acme", "internal"))
    adapter = registry.formats["pypi"]
    publisher = LocalPublisher(registry.desk, adapter, repository, Identity("me", is_operator=True), ME)
    chance, package = random.Random(seed), f"ball-{number}"
    mine: set[str] = set()
    counts = {"uploads": 0, "deletions": 0, "refused": 0}
    for _ in range(operations):
        digit = chance.choice(DIGITS)
        version = f"1.{DIGITS.index(digit)}"
        if digit in mine:
            registry.curator.delete(repository, package, version, None, ME)
            mine.remove(digit)
            counts["deletions"] += 1
            continue
        body = body_of(digit)
        with publisher.receive(io.BytesIO(body), f"ball_{number}-{version}.tar.gz", ()) as staged:
            try:
                file_row = publisher._store(staged, Inspection(package, version)).file
            except Busy:  # its bytes were taken for left over: with this grace they may be
                counts["refused"] += 1
                continue
        mine.add(digit)
        counts["uploads"] += 1
        with opened(registry.store, blobs.get(registry.catalog.read(), file_row.sha256), file_row.filename) as stream:
            assert stream.read() == body
    registry.close()
    return counts


def collect(data: Path) -> None:
    """Until it is killed."""
    collector = Collector(Catalog(data), FilesystemBlobStore(data, {}), RemovalLock(data), 0)
    while True:
        collector.run(lambda: False)
        time.sleep(0.01)


if __name__ == "__main__":
    if sys.argv[1] == "upload":
        number, operations, seed = map(int, sys.argv[3:])
        sys.stdout.write(json.dumps(upload(Path(sys.argv[2]), number, operations, seed)))
    else:
        collect(Path(sys.argv[2]))

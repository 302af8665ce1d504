"""`python judging.py WHAT FOLDER DUMP PAIRS`, in an environment with orbitalreg-osv: what one process takes, as JSON.

WHAT is `index`: the dump is read into a new index, and as many (name, version) pairs are drawn; or `judge`: these are
judged by that index, twice. Four in five are of packages that the dump knows. Seconds are of CPU time.
"""

import json
import random
import resource
import shutil
import sys
import time
import zipfile
from pathlib import Path

from orbitalreg_osv.scanner import Osv

from orbitalreg.interfaces import Surroundings
from orbitalreg.model import Component


def main(what: str, folder: Path, dump: Path, pairs: int) -> dict[str, object]:
    osv = Osv(Surroundings({"dump": str(dump)}, folder, folder / "osv", lambda *_: None))  # type: ignore[arg-type]
    if what == "index":
        shutil.rmtree(folder / "osv", ignore_errors=True)
        told = {"seconds": [_took(osv.database)], "memory_mb": _memory_mb()}
        (folder / "pairs.json").write_text(json.dumps(_chosen(dump, pairs)))
        return told
    asked = json.loads((folder / "pairs.json").read_text())[:pairs]
    chosen = [Component(name, version, f"pkg:pypi/{name}@{version}") for name, version in asked]
    seconds = [_took(lambda: osv.judge(chosen)) for _ in range(2)]
    return {"seconds": seconds, "memory_mb": _memory_mb()}


def _took(run: object) -> float:
    began = time.process_time()
    run()  # type: ignore[operator]
    return time.process_time() - began


def _memory_mb() -> float:
    """At its peak."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _chosen(dump: Path, pairs: int) -> list[tuple[str, str]]:
    """The same in each run."""
    known = sorted(_listed(dump))
    draw = random.Random(1)
    found = draw.choices(known, k=pairs * 4 // 5)
    found += [(f"unheard-of-{number}", "1.0") for number in range(pairs - len(found))]
    draw.shuffle(found)
    return found


def _listed(dump: Path) -> set[tuple[str, str]]:
    with zipfile.ZipFile(dump) as archive:
        records = [json.loads(archive.read(name)) for name in archive.namelist()]
    affected = [entry for record in records for entry in record["affected"]]
    return {(entry["package"]["name"], version) for entry in affected for version in entry.get("versions", ())}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))

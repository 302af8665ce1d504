"""Collection beside uploads of the very digests that it removes, in several processes, with SIGKILL in between.

`ORBITALREG_CHURN` says how many uploads and deletions there are together: `make churn` does a million.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from churn import DIGITS, body_of
from harness import CONFIG, tell

from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.catalog import Catalog
from orbitalreg.collection.garbage import Collector
from orbitalreg.collection.lock import RemovalLock

OPERATIONS = int(os.environ.get("ORBITALREG_CHURN", "2000"))
UPLOADERS, COLLECTORS = 3, 2
SEED = int(os.environ.get("ORBITALREG_SEED", str(random.SystemRandom().randrange(1 << 32))))
SCRIPT = str(Path(__file__).parent / "churn.py")


@pytest.mark.timeout(120 + OPERATIONS // 20)
def test_no_row_dangles_and_no_bytes_are_left(tmp_path: Path) -> None:
    tell(f"ORBITALREG_SEED={SEED}")
    chance = random.Random(SEED)
    config, data = tmp_path / "orbitalreg.toml", tmp_path / "data"
    config.write_text(CONFIG.format(max_upload="64MiB"))
    catalog = Catalog(data)
    began = time.monotonic()
    share = OPERATIONS // UPLOADERS
    uploaders = [
        subprocess.Popen(
            [sys.executable, SCRIPT, "upload", str(config), str(number), str(share), str(SEED + number)],
            stdout=subprocess.PIPE,
        )
        for number in range(UPLOADERS)
    ]
    kills = 0
    collectors: list[subprocess.Popen[bytes]] = []
    try:
        while any(one.poll() is None for one in uploaders):
            while len(collectors) < COLLECTORS:
                collectors.append(subprocess.Popen([sys.executable, SCRIPT, "collect", str(data)]))
            time.sleep(chance.uniform(0.3, 2.0))
            assert [one.poll() for one in collectors] == [None] * COLLECTORS
            victim = collectors.pop(0)
            victim.send_signal(signal.SIGKILL)
            victim.wait(30)
            kills += 1
    finally:
        for process in [*collectors, *uploaders]:
            if process.poll() is None:
                process.kill()
        said = [process.communicate()[0] for process in [*collectors, *uploaders]][-UPLOADERS:]
    assert [one.returncode for one in uploaders] == [0] * UPLOADERS
    told = [json.loads(text) for text in said]
    store = FilesystemBlobStore(data, {})
    Collector(catalog, store, RemovalLock(data), 0).run(lambda: False)
    db = catalog.read()
    assert catalog.problems() == []
    rows = db.execute("SELECT sha256, key FROM blob").fetchall()
    named = {row[0] for row in db.execute("SELECT sha256 FROM file").fetchall()}
    assert {sha256 for sha256, _ in rows} == named
    assert set(store.keys()) == {key for _, key in rows}
    digests = {hashlib.sha256(body_of(digit)).hexdigest(): body_of(digit) for digit in DIGITS}
    for sha256, key in rows:
        with store.open(key) as stream:
            assert stream.read() == digests[sha256]
    total = {word: sum(one[word] for one in told) for word in told[0]}
    assert sum(total.values()) == share * UPLOADERS
    keys = db.execute("SELECT count(*) FROM blob_removal").fetchone()[0]
    seconds = time.monotonic() - began
    tell(f"{total} in {seconds:.0f} s, {kills} collectors killed, {keys} keys remembered")
    catalog.close()

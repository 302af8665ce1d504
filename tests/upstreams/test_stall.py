"""An upstream that falls silent in the middle of a file: it takes half a minute to be sure of it."""

import hashlib
import json
import random
from pathlib import Path

from harness import Registry, call, eventually
from scripted_upstream import ScriptedUpstream, file, in_turn, reply, stall

BODY = random.Random(1).randbytes(2_000_000)
FILENAME = "quiet-1.0-py3-none-any.whl"
CONFIG = """\
[server]
listen = "127.0.0.1:0"

[data]
path = "data"

[projects.acme.repositories.mirror]
format = "pypi"
kind = "remote"
upstream = "{upstream}/simple/"
anonymous_read = true
"""


def test_a_stall_in_the_middle_of_a_file_is_taken_up_again(tmp_path: Path) -> None:
    facts = {"filename": FILENAME, "url": f"/{FILENAME}", "hashes": {"sha256": hashlib.sha256(BODY).hexdigest()}}
    page = json.dumps({"meta": {"api-version": "1.1"}, "name": "quiet", "files": [facts]}).encode()
    silent, whole = stall(BODY[:1_000_000], len(BODY)), file(BODY, '"1"')
    table = {
        "/simple/quiet/": reply(page, headers={"Content-Type": "application/vnd.pypi.simple.v1+json"}),
        f"/{FILENAME}": in_turn(silent, whole),
    }
    with ScriptedUpstream(table) as upstream:
        (tmp_path / "orbitalreg.toml").write_text(CONFIG.format(upstream=upstream.origin))
        with Registry(tmp_path) as registry:
            answer = call("GET", f"{registry.url}/pypi/acme/mirror/files/quiet/{FILENAME}", seconds=100)
            assert (answer.status, answer.body) == (200, BODY)
            asked = [request.headers.get("range") for request in upstream.requests if request.path == f"/{FILENAME}"]
            assert asked == [None, "bytes=1000000-"]
            assert eventually(lambda: not registry.staged())
            assert list(registry.stored().values()) == [len(BODY)]
            assert registry.faults() == []

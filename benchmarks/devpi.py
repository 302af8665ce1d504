"""devpi-server: a store of uploads, and a mirror beside an index with several bases."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.corpus import Wheel
from benchmarks.load import basic
from benchmarks.running import Server, fetch, free_port, launch
from benchmarks.servers import upload_all

NAME = "devpi"
HOW = "devpi-server, 50 threads (its default), SQLite, --enable-core-metadata"


class Devpi:
    """Over SQLite. Filled once by uploads, and copied for every run: uploads change the copy."""

    name = NAME
    about = f"{HOW}; fewer files, by uploads with a token"

    def __init__(self, home: Path, corpus: Path, programs: Path) -> None:
        self.home, self.corpus, self.programs = home, corpus, programs
        self.home.mkdir(parents=True, exist_ok=True)

    def fill(self, wheels: Sequence[Wheel]) -> None:
        # Filled once for each set of files.
        contents = hashlib.sha256("\n".join(wheel.filename for wheel in wheels).encode()).hexdigest()[:12]
        data, filled = self.home / "data", self.home / f"filled-{contents}"
        shutil.rmtree(data, ignore_errors=True)
        if not filled.exists():
            _initialise(self.programs, data)
            server = self.start()
            try:
                _make_index(server, "dev", type="stage", bases=[], volatile=True)
                upload_all(server, wheels, self.corpus, clients=2)
            finally:
                server.stop()
            data.rename(filled)
        shutil.copytree(filled, data)

    def start(self, probe: str = "") -> Server:
        return _start(self.home, self.programs, "dev", probe)


class DevpiProxy:
    """A mirror of an upstream, and `all`: an index over four others and the mirror. Made anew each time."""

    name = NAME
    about = f"{HOW}; a mirror, and an index with four stages and the mirror as its bases"

    def __init__(self, home: Path, corpus: Path, programs: Path) -> None:
        self.home, self.corpus, self.programs = home, corpus, programs

    def start(self, upstream: Server, parts: Sequence[Sequence[Wheel]]) -> Server:
        """The running server, seen as the mirror. `parts` are uploaded to the four."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        _initialise(self.programs, self.home / "data")
        server = _start(self.home, self.programs, "mirror")
        try:
            names = [f"part{number}" for number in range(len(parts))]
            for name, wheels in zip(names, parts, strict=True):
                _make_index(server, name, type="stage", bases=[], volatile=True)
                upload_all(replace(server, upload=_at(server, f"/root/{name}/")), wheels, self.corpus, clients=1)
            _make_index(server, "mirror", type="mirror", mirror_url=upstream.simple, volatile=False)
            bases = [f"root/{name}" for name in [*names, "mirror"]]
            _make_index(server, "all", type="stage", bases=bases, volatile=True)
        except BaseException:
            server.stop()
            raise
        return server

    def joined(self, server: Server) -> Server:
        """The same server seen as the index over the others."""
        return replace(server, simple=_at(server, "/root/all/+simple/"))


def _initialise(programs: Path, data: Path) -> None:
    options: list[str | Path] = ["--serverdir", data, "--no-root-pypi", "--root-passwd", "root"]
    subprocess.run([programs / "devpi-init", *options], check=True, capture_output=True)


def _start(home: Path, programs: Path, index: str, probe: str = "") -> Server:
    port = free_port()
    command = [programs / "devpi-server", "--serverdir", home / "data", "--host", "127.0.0.1"]
    command += ["--port", port, "--enable-core-metadata"]
    server = launch(NAME, command, home, port, f"/root/{index}/+simple/", probe)
    server.upload = _at(server, f"/root/{index}/")
    reply = _call(server, "POST", "/+login", {"user": "root", "password": "root"})
    server.headers = basic("root", str(reply["result"]["password"]))
    return server


def _make_index(server: Server, name: str, **settings: object) -> None:
    _call(server, "PUT", f"/root/{name}", settings)


def _call(server: Server, method: str, path: str, body: dict[str, object]) -> dict[str, Any]:
    """With the token, once there is one."""
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if server.headers:
        headers["X-Devpi-Auth"] = server.headers["Authorization"].removeprefix("Basic ")
    status, _, answer = fetch(_at(server, path), headers, method, json.dumps(body).encode())
    if status >= 300:
        raise RuntimeError(f"devpi answered {status} to {method} {path}: {answer[:200]!r}")
    return json.loads(answer)  # type: ignore[no-any-return]


def _at(server: Server, path: str) -> str:
    return urlsplit(server.simple)._replace(path=path).geturl()

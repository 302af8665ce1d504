"""The servers that stand before an upstream: how each is set up, empty of what the upstream has, and started."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.corpus import Wheel
from benchmarks.load import basic
from benchmarks.running import OWN_CODE, Server, fetch, free_port, launch
from benchmarks.servers import OrbitalReg, upload_all
from benchmarks.slow import COUNTS

UPSTREAM = "upstream"

_CONFIG = """\
[data]
path = "data"

[projects.acme.repositories.whole]
format = "pypi"
kind = "local"
anonymous_read = true

[projects.acme.repositories.mirror]
format = "pypi"
kind = "remote"
upstream = "{upstream}"
anonymous_read = true

[projects.acme.repositories.all]
format = "pypi"
kind = "virtual"
members = [{members}]
anonymous_read = true
"""
_PART = """
[projects.acme.repositories.{name}]
format = "pypi"
kind = "local"
anonymous_read = true
"""


def start_upstream(tree: Path, home: Path) -> Server:
    """The index that is proxied, over a static tree."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.slow", port, tree]
    return launch(UPSTREAM, command, home, port, "/simple/", settings=OWN_CODE)


def fetched(upstream: Server) -> int:
    """How many requests it has had."""
    counts: dict[str, int] = json.loads(fetch(urlsplit(upstream.simple)._replace(path=COUNTS).geturl())[2])
    return sum(counts.values())


@dataclass(frozen=True)
class Views:
    """Our server seen as a local repository that holds the parted packages whole, as a remote and as a virtual."""

    local: Server
    remote: Server
    virtual: Server


class OrbitalRegProxy:
    """A remote, four local repositories and a virtual over the five. Made anew each time."""

    name = OrbitalReg.name
    about = "one process, its defaults; a remote, and a virtual with four local repositories and the remote as members"

    def __init__(self, home: Path, corpus: Path, programs: Path) -> None:
        self.home, self.corpus, self.program = home, corpus, programs / "orbitalreg"

    def start(self, upstream: Server, parts: Sequence[Sequence[Wheel]]) -> Views:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        names = [f"part{number}" for number in range(len(parts))]
        members = ", ".join(f'"{name}"' for name in [*names, "mirror"])
        text = _CONFIG.format(upstream=upstream.simple, members=members)
        configuration = self.home / "orbitalreg.toml"
        configuration.write_text(text + "".join(_PART.format(name=name) for name in names))
        port = free_port()
        command = [self.program, "serve", "--config", configuration, "--listen", f"127.0.0.1:{port}"]
        server = launch(self.name, command, self.home, port, "/pypi/acme/mirror/simple/")
        try:
            self._fill(server, configuration, dict(zip(names, parts, strict=True)))
        except BaseException:
            server.stop()
            raise
        local = replace(_view(server, "whole"), name=f"{self.name}, local")
        return Views(local, server, _view(server, "all"))

    def _fill(self, server: Server, configuration: Path, parts: dict[str, Sequence[Wheel]]) -> None:
        grants = [word for name in ("whole", *parts) for word in ("--grant", f"acme/{name}:maintain")]
        command: list[str | Path] = [self.program, "token", "create", "bench", *grants, "--config", configuration]
        made = subprocess.run(command, check=True, capture_output=True)
        server.headers = basic("__token__", made.stdout.decode().strip())
        for name, wheels in parts.items():
            upload_all(_view(server, name), wheels, self.corpus, clients=4)
        upload_all(_view(server, "whole"), [wheel for its in parts.values() for wheel in its], self.corpus, clients=4)


def _view(server: Server, repository: str) -> Server:
    base = urlsplit(server.simple)._replace(path=f"/pypi/acme/{repository}").geturl()
    return replace(server, simple=f"{base}/simple/", upload=f"{base}/legacy/")


class Proxpi:
    """A caching proxy of one index. Its memory of pages and its folder are empty when it starts."""

    name = "proxpi"
    about = "gunicorn, gthread, 8 threads, --preload (as its image does), a cache folder, pages kept for a day"

    def __init__(self, home: Path, programs: Path) -> None:
        self.home, self.programs = home, programs

    def start(self, upstream: Server) -> Server:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        port = free_port()
        command = [self.programs / "gunicorn", "--preload", "--worker-class", "gthread", "--threads", 8]
        command += [
            "--keep-alive",
            75,
            "--bind",
            f"127.0.0.1:{port}",
            "--worker-tmp-dir",
            "/dev/shm",
            "proxpi.server:app",
        ]
        settings = {
            "PROXPI_INDEX_URL": upstream.simple,
            "PROXPI_CACHE_DIR": str(self.home / "cache"),
            "PROXPI_INDEX_TTL": "86400",
            "PROXPI_LOGGING_LEVEL": "WARNING",
        }
        return launch(self.name, command, self.home, port, "/index/", settings=settings)

"""The servers that hold everything: how each is filled and started."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.corpus import Wheel
from benchmarks.load import basic, form, upload
from benchmarks.running import HERE, OWN_CODE, Server, fetch, free_port, launch
from benchmarks.statictree import JSON_PAGE, build_tree

BATCH = 2000  # uploads that are prepared at once


class Peer(Protocol):
    """Something that can be filled with wheels and started any number of times."""

    name: str
    about: str

    def fill(self, wheels: Sequence[Wheel]) -> None: ...
    def start(self, probe: str = "") -> Server:
        """`probe` is the package whose page is the first answer; without it, the list of packages."""


class Nginx:
    """Static files: what is practically possible on this machine."""

    name = "nginx"
    about = "pages and their .gz twins written ahead; one worker, sendfile, gzip_static, open_file_cache"

    def __init__(self, home: Path, corpus: Path) -> None:
        self.home, self.corpus = home, corpus

    def fill(self, wheels: Sequence[Wheel]) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        build_tree(wheels, self.corpus, self.home / "tree")

    def start(self, probe: str = "") -> Server:
        port = free_port()
        configuration = (HERE / "nginx.conf").read_text()
        places = {"@HOME@": str(self.home), "@PORT@": str(port), "@JSON@": JSON_PAGE}
        for mark, value in places.items():
            configuration = configuration.replace(mark, value)
        if os.geteuid() == 0:  # else its worker could not read the tree
            configuration = "user root;\n" + configuration
        (self.home / "nginx.conf").write_text(configuration)
        command = ["nginx", "-p", self.home, "-c", self.home / "nginx.conf", "-e", self.home / "error.log"]
        return launch(self.name, command, self.home, port, "/simple/", probe)


class OrbitalReg:
    """The server of this repository, on its defaults: log on, every upload synced and inspected."""

    name = "OrbitalReg"
    about = "one process, its defaults; filled by uploads from four clients"

    def __init__(self, home: Path, corpus: Path, programs: Path) -> None:
        shutil.rmtree(home, ignore_errors=True)  # a store of other code is not to be trusted
        home.mkdir(parents=True)
        self.home, self.corpus, self.program = home, corpus, programs / "orbitalreg"
        self._configure("open", anonymous_read=True)
        self._configure("private", anonymous_read=False)
        grant: list[str | Path] = ["--grant", "acme/internal:publish", "--config", home / "open.toml"]
        made = subprocess.run([self.program, "token", "create", "bench", *grant], check=True, capture_output=True)
        self.headers = basic("__token__", made.stdout.decode().strip())

    def fill(self, wheels: Sequence[Wheel]) -> None:
        server = self.start()
        try:
            upload_all(server, wheels, self.corpus, clients=4)
        finally:
            server.stop()

    def start(self, probe: str = "", configuration: str = "open") -> Server:
        port = free_port()
        command = [self.program, "serve", "--config", self.home / f"{configuration}.toml"]
        command += ["--listen", f"127.0.0.1:{port}"]
        path = "/pypi/acme/internal"
        server = launch(self.name, command, self.home, port, f"{path}/simple/", probe)
        server.upload, server.headers = f"http://127.0.0.1:{port}{path}/legacy/", self.headers
        return server

    def start_private(self) -> Server:
        """Another server over the same data, which answers nobody without a token."""
        server = self.start(configuration="private")
        for headers, status in (({}, 401), (basic("__token__", "guess"), 401), (self.headers, 200)):
            if (found := fetch(server.simple, headers)[0]) != status:
                server.stop()
                raise RuntimeError(f"the private repository answered {found}, not {status}")
        return server

    def _configure(self, name: str, anonymous_read: bool) -> None:
        (self.home / f"{name}.toml").write_text(
            '[data]\npath = "data"\n\n[projects.acme.repositories.internal]\nformat = "pypi"\nkind = "local"\n'
            f"anonymous_read = {str(anonymous_read).lower()}\n"
        )


class Pypiserver:
    """pypiserver over one folder of hard links, as it is usually laid out."""

    name = "pypiserver"
    about = (
        "gunicorn, gthread, 8 threads, cached-dir, one flat folder; HTML pages only. With watchdog 2.1.9, older than "
        "the one it asks for, with which its cache empties itself whenever a file is read"
    )
    APPLICATION = """import pathlib, pypiserver
application = pypiserver.app(
    roots=[pathlib.Path("files").resolve()], disable_fallback=True, authenticate=[], password_file=".",
    overwrite=True, backend_arg="cached-dir")
"""

    def __init__(self, home: Path, corpus: Path, programs: Path) -> None:
        self.home, self.corpus, self.programs = home, corpus, programs

    def fill(self, wheels: Sequence[Wheel]) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        folder = self.home / "files"
        folder.mkdir(parents=True)
        (self.home / "application.py").write_text(self.APPLICATION)
        for wheel in wheels:
            (folder / wheel.filename).hardlink_to(wheel.kept_in(self.corpus))

    def start(self, probe: str = "") -> Server:
        port = free_port()
        command = [self.programs / "gunicorn", "--worker-class", "gthread", "--threads", 8, "--keep-alive", 75]
        command += ["--bind", f"127.0.0.1:{port}", "--worker-tmp-dir", "/dev/shm", "application"]
        server = launch(self.name, command, self.home, port, "/simple/", probe)
        server.upload, server.json_pages = f"http://127.0.0.1:{port}/", False
        return server


def start_sink(home: Path) -> Server:
    """The client's own ceiling in uploads."""
    port = free_port()
    server = launch("sink", [sys.executable, "-m", "benchmarks.sink", port], home, port, "/", settings=OWN_CODE)
    server.upload = server.simple
    return server


def upload_all(server: Server, wheels: Sequence[Wheel], corpus: Path, clients: int) -> None:
    for start in range(0, len(wheels), BATCH):
        batch = wheels[start : start + BATCH]
        forms = [form(wheel, wheel.kept_in(corpus).read_bytes(), corpus) for wheel in batch]
        sample = upload(server.upload, forms, clients, server.pid, server.headers)
        print(f"  {server.name}: {start + len(batch)} of {len(wheels)} files, {sample.value:.0f}/s", file=sys.stderr)

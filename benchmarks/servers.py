"""The servers that are measured: how each is installed, filled, started and stopped. All listen on loopback only."""

import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from benchmarks.corpus import Wheel
from benchmarks.load import basic, form, upload
from benchmarks.statictree import JSON_PAGE, build_tree

HERE = Path(__file__).parent
START_LIMIT = 120  # seconds until a server must answer
STOP_LIMIT = 10
BATCH = 2000  # uploads that are prepared at once


@dataclass
class Server:
    """A running server. `simple` is what pip would be given, `upload` what twine would."""

    name: str
    simple: str
    process: subprocess.Popen[bytes]
    started_in: float  # seconds to the first answer
    upload: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # the credentials
    json_pages: bool = True

    @property
    def pid(self) -> int:
        return self.process.pid

    def page(self, package: str) -> str:
        return f"{self.simple}{package}/"

    def stop(self) -> None:
        """End the process group that the server leads, politely and then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                try:
                    self.process.wait(STOP_LIMIT)
                except subprocess.TimeoutExpired:
                    continue


class Peer(Protocol):
    """Something that can be filled with wheels and started any number of times."""

    name: str
    about: str

    def fill(self, wheels: Sequence[Wheel]) -> None: ...
    def start(self, probe: str = "") -> Server:
        """`probe` is the package whose page is the first answer; without it, the list of packages."""


def environment(work: Path, name: str, sources: Sequence[Path] = ()) -> Path:
    """The `bin` folder of a virtual environment with the pinned packages, and with `sources` as they are now."""
    home, pins = work / "env" / name, HERE / "environments" / f"{name}.txt"
    mark, made_of = home / "made-of", f"{home}\n{pins.read_text()}"  # its scripts know the folder they were made in
    if not mark.exists() or mark.read_text() != made_of:
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        _pip(home, "-r", str(pins))
        mark.write_text(made_of)
    if sources:
        _pip(home, "-c", str(pins), *map(str, sources))
    return home / "bin"


def versions(bin_folder: Path) -> dict[str, str]:
    """What is installed in an environment."""
    listing = subprocess.run(
        [bin_folder / "python", "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
    )
    return {package["name"]: package["version"] for package in json.loads(listing.stdout)}


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
        port = _free_port()
        configuration = (HERE / "nginx.conf").read_text()
        places = {"@HOME@": str(self.home), "@PORT@": str(port), "@JSON@": JSON_PAGE}
        for mark, value in places.items():
            configuration = configuration.replace(mark, value)
        if os.geteuid() == 0:  # else its worker could not read the tree
            configuration = "user root;\n" + configuration
        (self.home / "nginx.conf").write_text(configuration)
        command = ["nginx", "-p", self.home, "-c", self.home / "nginx.conf", "-e", self.home / "error.log"]
        return _start(self.name, command, self.home, port, "/simple/", probe)


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
            _upload_all(server, wheels, self.corpus, clients=4)
        finally:
            server.stop()

    def start(self, probe: str = "", configuration: str = "open") -> Server:
        port = _free_port()
        command = [self.program, "serve", "--config", self.home / f"{configuration}.toml"]
        command += ["--listen", f"127.0.0.1:{port}"]
        path = "/pypi/acme/internal"
        server = _start(self.name, command, self.home, port, f"{path}/simple/", probe)
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


class Devpi:
    """devpi-server over SQLite. Filled once by uploads, and copied for every run: uploads change the copy."""

    name = "devpi"
    about = (
        "devpi-server, 50 threads (its default), SQLite, --enable-core-metadata; fewer files, by uploads with a token"
    )

    def __init__(self, home: Path, corpus: Path, programs: Path) -> None:
        self.home, self.corpus, self.programs = home, corpus, programs
        self.home.mkdir(parents=True, exist_ok=True)

    def fill(self, wheels: Sequence[Wheel]) -> None:
        # Filled once for each set of files.
        contents = hashlib.sha256("\n".join(wheel.filename for wheel in wheels).encode()).hexdigest()[:12]
        data, filled = self.home / "data", self.home / f"filled-{contents}"
        shutil.rmtree(data, ignore_errors=True)
        if not filled.exists():
            options: list[str | Path] = ["--serverdir", data, "--no-root-pypi", "--root-passwd", "root"]
            subprocess.run([self.programs / "devpi-init", *options], check=True, capture_output=True)
            server = self.start()
            try:
                token = basic("root", self._log_in(server))
                self._make_index(server, token)
                server.headers = token
                _upload_all(server, wheels, self.corpus, clients=2)
            finally:
                server.stop()
            data.rename(filled)
        shutil.copytree(filled, data)

    def start(self, probe: str = "") -> Server:
        port = _free_port()
        command = [self.programs / "devpi-server", "--serverdir", self.home / "data", "--host", "127.0.0.1"]
        command += ["--port", port, "--enable-core-metadata"]
        server = _start(self.name, command, self.home, port, "/root/dev/+simple/", probe)
        server.upload = f"http://127.0.0.1:{port}/root/dev/"
        server.headers = basic("root", self._log_in(server))
        return server

    def _log_in(self, server: Server) -> str:
        reply = self._call(server, "POST", "/+login", {"user": "root", "password": "root"}, {})
        return str(reply["result"]["password"])

    def _make_index(self, server: Server, headers: dict[str, str]) -> None:
        token = {"X-Devpi-Auth": headers["Authorization"].removeprefix("Basic ")}
        self._call(server, "PUT", "/root/dev", {"type": "stage", "bases": [], "volatile": True}, token)

    def _call(
        self, server: Server, method: str, path: str, body: dict[str, object], headers: dict[str, str]
    ) -> dict[str, dict[str, object]]:
        url = urlsplit(server.simple)._replace(path=path).geturl()
        headers = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        status, _, answer = fetch(url, headers, method, json.dumps(body).encode())
        if status >= 300:
            raise RuntimeError(f"devpi answered {status} to {method} {path}: {answer[:200]!r}")
        return json.loads(answer)  # type: ignore[no-any-return]


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
        port = _free_port()
        command = [self.programs / "gunicorn", "--worker-class", "gthread", "--threads", 8, "--keep-alive", 75]
        command += ["--bind", f"127.0.0.1:{port}", "--worker-tmp-dir", "/dev/shm", "application"]
        server = _start(self.name, command, self.home, port, "/simple/", probe)
        server.upload, server.json_pages = f"http://127.0.0.1:{port}/", False
        return server


def start_sink(home: Path) -> Server:
    """The client's own ceiling in uploads."""
    port = _free_port()
    server = _start("sink", [sys.executable, "-m", "benchmarks.sink", port], home, port, "/", "")
    server.upload = server.simple
    return server


def fetch(
    url: str, headers: dict[str, str] | None = None, method: str = "GET", body: bytes | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """One request, without redirects, proxies or surprises."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=START_LIMIT)
    try:
        connection.request(method, parts.path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def _upload_all(server: Server, wheels: Sequence[Wheel], corpus: Path, clients: int) -> None:
    for start in range(0, len(wheels), BATCH):
        batch = wheels[start : start + BATCH]
        forms = [form(wheel, wheel.kept_in(corpus).read_bytes(), corpus) for wheel in batch]
        sample = upload(server.upload, forms, clients, server.pid, server.headers)
        print(f"  {server.name}: {start + len(batch)} of {len(wheels)} files, {sample.value:.0f}/s", file=sys.stderr)


def _start(name: str, command: Iterable[object], home: Path, port: int, simple: str, probe: str) -> Server:
    """Start it as the leader of a process group of its own, and wait for the first answer."""
    base = f"http://127.0.0.1:{port}{simple}"
    url = f"{base}{probe}/" if probe else base
    root = str(HERE.parent)
    settings = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "ORBITALREG"))}
    if name == "sink":
        settings["PYTHONPATH"] = root
    begin = time.perf_counter()
    with (home / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=log, cwd=home, env=settings, start_new_session=True
        )
    server = Server(name, base, process, 0.0)
    try:
        while process.poll() is None and time.perf_counter() - begin < START_LIMIT:
            try:
                # 404: devpi before its index is made.
                if fetch(url)[0] in (200, 401, 404):
                    server.started_in = time.perf_counter() - begin
                    return server
            except OSError:
                time.sleep(0.005)
        raise RuntimeError(f"{name} did not start; see {home / f'{name}.log'}")
    except BaseException:
        server.stop()
        raise


def _pip(home: Path, *arguments: str) -> None:
    subprocess.run(
        [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments],
        check=True,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

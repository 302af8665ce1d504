"""How a server that is measured is installed, started, asked and stopped. All listen on loopback only."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
OWN_CODE = {"PYTHONPATH": str(HERE.parent)}  # for a server that is a module of this package
START_LIMIT = 120  # seconds until a server must answer
STOP_LIMIT = 10


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


def launch(
    name: str,
    command: Iterable[object],
    home: Path,
    port: int,
    simple: str,
    probe: str = "",
    settings: Mapping[str, str] | None = None,
) -> Server:
    """Start it as the leader of a process group of its own, and wait for the first answer.

    `settings` are added to its environment. A `probe` is a package whose page is the first answer.
    """
    base = f"http://127.0.0.1:{port}{simple}"
    url = f"{base}{probe}/" if probe else base
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "ORBITALREG"))}
    kept |= settings or {}
    begin = time.perf_counter()
    with (home / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=log,
            stderr=log,
            cwd=home,
            env=kept,
            start_new_session=True,
        )
    server = Server(name, base, process, 0.0)
    try:
        while process.poll() is None and time.perf_counter() - begin < START_LIMIT:
            with suppress(OSError):
                # 404: devpi before its index is made. proxpi wants to be told what is acceptable.
                if fetch(url, {"Accept": "text/html"})[0] in (200, 401, 404):
                    server.started_in = time.perf_counter() - begin
                    return server
            time.sleep(0.005)
        raise RuntimeError(f"{name} did not start; see {home / f'{name}.log'}")
    except BaseException:
        server.stop()
        raise


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pip(home: Path, *arguments: str) -> None:
    subprocess.run(
        [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments],
        check=True,
    )

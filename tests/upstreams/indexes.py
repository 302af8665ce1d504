"""Package indexes that are not ours, on loopback: each is filled with files, started, and stopped for good."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from environments import server
from harness import FORM_HEADERS, Answer, call, fields_of, form

Built = tuple[str, bytes]
PATIENCE = 120.0


class Index:
    """A context in which it runs; `simple` is the address of its list of packages."""

    simple = "/simple/"

    def __init__(self, folder: Path, files: Sequence[Built]) -> None:
        self.folder, self.files = folder, files
        folder.mkdir()
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Before it is started."""

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def fill(self) -> None:
        """After it was started."""

    def __enter__(self) -> Self:
        self.prepare()
        self._process = start(self.command(), self.folder, self.url)
        self.fill()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


class Devpi(Index):
    """devpi-server with one index of its own; its pages are JSON."""

    simple = "/root/dev/+simple/"

    def prepare(self) -> None:
        options: list[str | Path] = ["--serverdir", self.folder / "data", "--no-root-pypi", "--root-passwd", "root"]
        subprocess.run([server("devpi") / "devpi-init", *options], check=True, capture_output=True)

    def command(self) -> Sequence[str | Path]:
        place = ["--serverdir", self.folder / "data", "--host", "127.0.0.1", "--port", str(self.port)]
        return [server("devpi") / "devpi-server", *place]

    def fill(self) -> None:
        login = self._call("POST", "/+login", {"user": "root", "password": "root"}, None)
        token = login.json()["result"]["password"]
        self._call("PUT", "/root/dev", {"type": "stage", "bases": [], "volatile": True}, token)
        for filename, body in self.files:
            before, after = form(filename, fields_of(filename, ""))
            sent = before + body + after
            answer = call("POST", f"{self.url}/root/dev/", token=token, user="root", body=sent, headers=FORM_HEADERS)
            assert answer.status == 200, answer

    def _call(self, method: str, path: str, body: dict[str, object], token: str | None) -> Answer:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        sent = json.dumps(body).encode()
        answer = call(method, self.url + path, token=token, user="root", body=sent, headers=headers)
        assert answer.status < 300, answer
        return answer


class Pypiserver(Index):
    """pypiserver over a folder; its pages are HTML."""

    def prepare(self) -> None:
        _write(self.folder / "files", self.files)

    def command(self) -> Sequence[str | Path]:
        options = ["--disable-fallback", "--backend", "simple-dir", "--server", "wsgiref", "--interface", "127.0.0.1"]
        return [server("pypiserver") / "pypi-server", "run", *options, "--port", str(self.port), self.folder / "files"]


class StaticTree(Index):
    """Files and the listings that any web server makes of folders: neither digests nor sizes, and no list of names."""

    simple = "/simple/"

    def prepare(self) -> None:
        for filename, body in self.files:
            _write(self.folder / "simple" / filename.split("-")[0].replace("_", "-"), [(filename, body)])

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(self.port)]


def start(command: Sequence[str | Path], folder: Path, url: str) -> subprocess.Popen[bytes]:
    """The process, once it answers."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            call("GET", f"{url}/")
        except OSError:
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.1)
        else:
            return process


def _write(folder: Path, files: Sequence[Built]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for filename, body in files:
        (folder / filename).write_bytes(body)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

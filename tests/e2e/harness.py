"""Real processes and sockets for these tests: the server, whoever calls it, and what it leaves on the disk."""

import base64
import hashlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

BIN = Path(sys.executable).parent
REPOSITORY = "acme/internal"
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
MIB = 1 << 20
BOUNDARY = "----------------e2e-boundary-5d1c"

CONFIG = """\
[server]
listen = "127.0.0.1:0"
max_upload = "{max_upload}"

[data]
path = "data"

[projects.acme.repositories.internal]
format = "pypi"
kind = "local"
"""


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def call(
    method: str,
    url: str,
    *,
    token: str | None = None,
    user: str = "__token__",
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = 60.0,
) -> Answer:
    """One request on a connection of its own. Raises `OSError` and `http.client.HTTPException`."""
    parts = urlsplit(url)
    assert parts.hostname
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)
    try:
        connection.request(method, parts.path, body, sent)
        response = connection.getresponse()
        return Answer(response.status, response.reason, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def form(filename: str, fields: Mapping[str, str]) -> tuple[bytes, bytes]:
    """What stands before and after the file in an upload's body."""
    before = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    before.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    return b"".join(before), f"\r\n--{BOUNDARY}--\r\n".encode()


FORM_HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def fields_of(filename: str, sha256: str) -> dict[str, str]:
    """The fields that go with an honest file."""
    is_wheel = filename.endswith(".whl")
    stem = filename.removesuffix(".tar.gz").removesuffix(".zip")
    name, version, *_ = [*stem.split("-"), "", ""]
    return {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.4",
        "name": name,
        "version": version,
        "filetype": "bdist_wheel" if is_wheel else "sdist",
        "pyversion": "py3" if is_wheel else "source",
        "sha256_digest": sha256,
    }


class Registry:
    """`orbitalreg serve` as a process group on a folder; may be started again after it was stopped or killed."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "server",
        max_upload: str = "64MiB",
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "orbitalreg.toml"
        if not self.config.exists():
            self.config.write_text(CONFIG.format(max_upload=max_upload))
        self.data = folder / "data"
        self.log = folder / f"{name}.log"
        self.url = ""
        self.token = ""
        self._environment = dict(environment or {})
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None

    # The process.

    def start(self, ready: bool = True) -> "Registry":
        """Start it and, unless told otherwise, wait until it says that it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [BIN / "orbitalreg", "serve", "--config", self.config, *self._options],
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment() | self._environment,
                start_new_session=True,
            )
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = 30.0) -> None:
        assert self._process is not None and self._process.stdout is not None
        said = b""
        if select.select([self._process.stdout], [], [], seconds)[0]:
            said = self._process.stdout.readline()
        before, listening, url = said.decode().strip().partition("orbitalreg: listening on ")
        assert listening and not before, f"the server did not start: {said!r}\n{self.log.read_text()[-4000:]}"
        self.url = url

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL to the server and its children."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    @property
    def environment(self) -> dict[str, str]:
        """What the server has."""
        return _environment() | self._environment

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def stop(self, seconds: float = 40.0) -> int:
        """SIGTERM; the exit code."""
        if self.running:
            self.terminate()
        return self.wait(seconds)

    def close(self) -> None:
        """Whatever state it is in: nothing of it is left."""
        if self._process is None:
            return
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = 40.0) -> int:
        """The exit code, once it has ended by itself."""
        assert self._process is not None and self._process.stdout is not None
        try:
            return self._process.wait(seconds)
        finally:
            self._process.stdout.close()

    def __enter__(self) -> "Registry":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # What a user does.

    @property
    def repository(self) -> str:
        return f"{self.url}/pypi/{REPOSITORY}"

    @property
    def authority(self) -> str:
        return self.url.partition("://")[2]

    def cli(self, *arguments: str) -> str:
        """`orbitalreg ARGUMENTS --config …` beside the server: what it prints. It must succeed."""
        command = [str(BIN / "orbitalreg"), *arguments, "--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def new_token(self, name: str, grant: str = f"{REPOSITORY}:publish", user: str | None = None) -> str:
        """For `user`, who is added if absent and given the grant; else of the service account `name`."""
        if user is None:
            return self.cli("token", "create", name, "--grant", grant)
        self.cli("user", "add", user)
        self.cli("grant", "add", f"user:{user}", grant)
        return self.cli("token", "create", name, "--grant", grant, "--user", user)

    def upload(self, filename: str, data: bytes, *, token: str | None = None, **fields: str) -> Answer:
        """POST the file; `fields` replace what is right."""
        before, after = form(filename, fields_of(filename, hashlib.sha256(data).hexdigest()) | fields)
        body = b"".join((before, data, after))
        return call(
            "POST",
            f"{self.repository}/legacy/",
            token=self.token if token is None else token,
            body=body,
            headers=FORM_HEADERS,
        )

    def get(self, path: str, **headers: str) -> Answer:
        """GET below the repository, or of a URL."""
        url = path if path.startswith("http") else f"{self.repository}/{path}"
        return call("GET", url, token=self.token, headers=headers)

    def files(self, package: str, repository: str | None = None) -> dict[str, dict[str, Any]]:
        """What the package's page lists, by filename; nothing where there is no page. `repository` is another's URL."""
        answer = self.get(f"{repository or self.repository}/simple/{package}/", Accept=SIMPLE_JSON)
        if answer.status == 404:
            return {}
        assert answer.status == 200, answer
        return {file["filename"]: file for file in answer.json()["files"]}

    def packages(self) -> list[str]:
        answer = self.get("simple/", Accept=SIMPLE_JSON)
        assert answer.status == 200, answer
        return [project["name"] for project in answer.json()["projects"]]

    def download(self, package: str, file: Mapping[str, Any]) -> Answer:
        """The bytes of a listed file, by the URL that the page gives."""
        return self.get(urljoin(f"{self.repository}/simple/{package}/", file["url"]))

    # What it leaves, and what it takes.

    def stored(self) -> dict[str, int]:
        """Every file in the folders of bytes with its size: blobs, staging, spool."""
        found = {}
        for folder in ("blobs", "staging", "spool"):
            for path in (self.data / folder).rglob("*"):
                if path.is_file():
                    found[str(path.relative_to(self.data))] = path.stat().st_size
        return found

    def staged(self) -> list[str]:
        return [path for path in self.stored() if not path.startswith("blobs")]

    def bytes_held(self) -> int:
        """Bytes of the data folder, those included that a process holds open without a name."""
        named = {path.stat().st_ino: path.stat().st_size for path in self.data.rglob("*") if path.is_file()}
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                if os.readlink(link).startswith(str(self.data)):
                    status = link.stat()
                    named[status.st_ino] = status.st_blocks * 512
            except OSError:  # closed meanwhile
                continue
        return sum(named.values())

    def peak_memory(self) -> dict[int, int]:
        """Bytes at most resident so far, of the server and each living child."""
        return {pid: peak for pid in (self.pid, *_children(self.pid)) if (peak := _peak(pid))}

    def children(self) -> list[int]:
        return list(_children(self.pid))

    def faults(self) -> list[str]:
        """Lines of the log that tell of a fault of the server's own."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if "Traceback" in line or '"level":"error"' in line.replace(": ", ":")]


def _environment() -> dict[str, str]:
    """Ours, without what would steer the server or its interpreter."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("ORBITALREG", "PYTHON"))}


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            yield from map(int, task.read_text().split())
        except OSError:
            continue


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def tell(text: str) -> None:
    """A figure for whoever runs the tests with `-s`, or looks at one that failed."""
    sys.stdout.write(f"{text}\n")


def eventually(condition: Any, seconds: float = 10.0) -> bool:
    """Whether `condition()` holds within that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@dataclass(frozen=True)
class Finished:
    """A command that ended, with all that it printed."""

    code: int
    output: str


class Shell:
    """A user's shell: a home of their own, the clients on the path, nothing else from around."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        self.variables = {
            "PATH": f"{BIN}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "NO_COLOR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "UV_CACHE_DIR": str(home / ".uv-cache"),
            "UV_PYTHON_DOWNLOADS": "never",
            **variables,
        }

    def run(self, line: str, **variables: str) -> Finished:
        """The line, word for word, in the home folder."""
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.home,
            env=self.variables | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=110,
        )
        return Finished(done.returncode, done.stdout.decode(errors="replace"))

    def write(self, path: str, text: str | bytes, mode: int = 0o600) -> Path:
        """A file below the home folder."""
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        target.chmod(mode)
        return target

    def new_environment(self) -> "Environment":
        """An empty virtual environment, into which this shell's pip and uv install from now on."""
        environment = Environment(self.home / "env")
        done = self.run(f"uv venv --quiet --clear --python {sys.executable} {environment.folder}")
        assert done.code == 0, done.output
        self.variables["PIP_PYTHON"] = self.variables["UV_PYTHON"] = str(environment.folder / "bin" / "python")
        return environment


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def installed(self) -> set[str]:
        """`name-version` of all that is installed."""
        found = self.folder.glob("lib/python*/site-packages/*.dist-info")
        return {path.name.removesuffix(".dist-info") for path in found}

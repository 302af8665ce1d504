"""What the tests of the host share: a registry over the toy format, without a socket or as a process of its own."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from falcon import testing

TOY = Path(__file__).parent / "toy"
sys.path.insert(0, str(TOY))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TOY), os.environ.get("PYTHONPATH")]))
os.environ.pop("ORBITALREG_CONFIG", None)
# Examples that one interpreter kept are drawn differently by another.
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(".hypothesis", str(sys.implementation.cache_tag)).absolute())

from orbitalreg import config  # noqa: E402
from orbitalreg.assembly import Registry, assemble  # noqa: E402
from orbitalreg.cli import main  # noqa: E402
from orbitalreg.inspection import Inspector  # noqa: E402
from orbitalreg.model import Actor, Address, Grant  # noqa: E402
from orbitalreg.web.app import create_app  # noqa: E402
from orbitalreg.web.context import AccessLog  # noqa: E402

TOYS = "/toy/acme/toys"
PATIENCE = 30.0

CONFIGURATION = """
[data]
path = "data"

[projects.acme.repositories.toys]
format = "toy"
kind = "local"

[projects.acme.repositories.open]
format = "toy"
kind = "local"
anonymous_read = true

[projects.acme.repositories.again]
format = "toy"
kind = "local"
reuse_deleted_filenames = true

[projects.other.repositories.toys]
format = "toy"
kind = "local"
"""


class Site:
    """One registry and its application, called without a socket."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._log = io.StringIO()
        self.client = testing.TestClient(create_app(registry, log=AccessLog(self._log)))
        self.actor = Actor("local:test")
        self.publisher = self.token("acme:maintain", "other:maintain", name="publisher")

    @property
    def data(self) -> Path:
        return self.registry.settings.data.path

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.getvalue().splitlines()]

    def token(self, *grants: str, name: str = "robot", user: str | None = None, expires_at: int | None = None) -> str:
        parsed = [Grant.parse(grant) for grant in grants]
        if user is not None:
            self.registry.accounts.add_user(user, self.actor)
            self.registry.accounts.grant(f"user:{user}", parsed, self.actor)
        return self.registry.accounts.create_token(name, user, parsed, expires_at, self.actor).text

    def request(
        self, method: str, path: str, token: str | None = "", headers: Mapping[str, str] | None = None, **options: Any
    ) -> testing.Result:
        """As the publisher unless another `token`, or None for nobody, is given."""
        token = self.publisher if token == "" else token
        credentials = {"Authorization": f"Bearer {token}"} if token else {}
        options = {"remote_addr": "127.0.0.1", **options}
        return self.client.simulate_request(method, path, headers={**credentials, **(headers or {})}, **options)

    def get(self, path: str, token: str | None = "", **headers: str) -> testing.Result:
        """Headers are given with `_` for `-`."""
        return self.request("GET", path, token, {name.replace("_", "-"): value for name, value in headers.items()})

    def put(
        self, filename: str, body: bytes = b"a toy", token: str | None = "", to: str = TOYS, **headers: str
    ) -> testing.Result:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", f"{to}/put/{filename}", token, named, body=body)

    def page(self, package: str = "ball") -> dict[str, Any]:
        """What the package's page says: filename to digest, yank and attributes."""
        return dict(self.get(f"{TOYS}/of/{package}/").json)

    def repository(self, address: str = "acme/toys") -> Any:
        return self.registry.repository(Address.parse(address))

    def count(self, table: str) -> int:
        return int(self.registry.catalog.read().execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def blobs(self) -> list[str]:
        return list(self.registry.store.keys())

    def staged(self) -> list[str]:
        return [path.name for path in self.registry.store.staging.iterdir()]


@pytest.fixture(scope="session")
def inspector() -> Iterator[Inspector]:
    """One for all tests: its children are slow to start."""
    inspector = Inspector()
    yield inspector
    inspector.close()


@pytest.fixture
def make_site(tmp_path: Path, inspector: Inspector) -> Iterator[Callable[..., Site]]:
    """Makes sites over `CONFIGURATION` and more TOML, by default all on one folder."""
    made: list[Registry] = []

    def make(more: str = "", folder: Path = tmp_path) -> Site:
        file = folder / "orbitalreg.toml"
        folder.mkdir(exist_ok=True)
        file.write_text(CONFIGURATION + more)
        registry = assemble(config.load(file))
        registry = replace(registry, desk=replace(registry.desk, inspector=inspector))
        made.append(registry)
        return Site(registry)

    yield make
    for registry in made:
        registry.usage.stop()
        registry.refusals.stop()
        registry.webhooks.close()
        registry.scanning.close()
        registry.sources.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def registry(site: Site) -> Registry:
    return site.registry


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`orbitalreg` with these arguments, in the folder of the test and in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **options: Any) -> Result:
        result = CliRunner().invoke(main, arguments, **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """A folder with `CONFIGURATION` in its orbitalreg.toml; the file."""
    file = tmp_path / "orbitalreg.toml"
    file.write_text(CONFIGURATION)
    return file


class ServerProcess:
    """`orbitalreg serve` as a process, on a free port of the loopback."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.errors = folder / f"stderr-{time.monotonic_ns()}"
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "orbitalreg", "serve", "--listen", "127.0.0.1:0", *arguments],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline()
        self.url = self.ready.rpartition(" ")[2].strip()

    @property
    def stderr(self) -> str:
        return self.errors.read_text()

    def reload(self, until: str) -> None:
        """SIGHUP, and wait until it is answered in the log."""
        before = len(self.stderr)
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE
        while until not in self.stderr[before:]:
            assert time.monotonic() < end, self.stderr[before:]
            time.sleep(0.02)

    def stop(self) -> tuple[int, str]:
        """SIGTERM; the exit code and what else was on stdout."""
        if self.process.poll() is None:
            self.process.terminate()
        rest, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, rest


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers in the folder of the test, and stops them in the end."""
    started: list[ServerProcess] = []

    def start(*arguments: str) -> ServerProcess:
        started.append(ServerProcess(tmp_path, *arguments))
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", started[-1].url), started[-1].stderr
        return started[-1]

    yield start
    for server in started:
        if server.process.returncode is None:
            server.stop()


@pytest.fixture
def server(configured: Path, serve: Callable[..., ServerProcess]) -> ServerProcess:
    return serve("--config", str(configured))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a plugin: a module with this source under an entry point, in a distribution of its own."""
    modules: list[str] = []

    def make(name: str, source: str, distribution: str | None = None) -> None:
        distribution = distribution or f"orbitalreg-{name}"
        module = f"plugin_{distribution.replace('-', '_')}"
        folder = tmp_path / "installed" / distribution
        info = folder / f"{distribution.replace('-', '_')}-2.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n")
        (info / "entry_points.txt").write_text(f"[orbitalreg]\n{name} = {module}\n")
        (folder / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]))
        modules.append(module)

    yield make
    for module in modules:
        sys.modules.pop(module, None)

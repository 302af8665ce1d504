"""Two real servers for all tests that speak over a socket, and the sites through which they see them.

`front` is what the tests read. Uploads go to it where the kind takes them itself, and otherwise to the local
repositories of `behind`, the server whose packages the remote repositories of `front` show.

Every day, one of the kinds besides the local one goes through one case of each test of the simple API. With
ORBITALREG_KINDS=all in the environment all go through every case of every test: `make test-upstreams`. With
ORBITALREG_RESTORED=1 both servers run on data that was backed up and restored, and are verified in the end.
"""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this one, whatever the import mode

from conformance_kinds import BEHIND, EVERY_DAY, EXCEPTIONS, FRONT, KINDS, LOCALS, site_of
from conformance_site import Server, Site
from html_proxy import HtmlProxy

RESTORED = os.environ.get("ORBITALREG_RESTORED") == "1"
EVERYTHING = os.environ.get("ORBITALREG_KINDS") == "all"

_numbers = itertools.count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of kinds besides the local one, leave what this run is to go through."""
    seen: set[tuple[str, str]] = set()
    left, dropped = [], []
    for item in items:
        callspec = getattr(item, "callspec", None)
        kind = callspec.params.get("repository_kind") if callspec is not None else None
        place = (str(kind), item.nodeid.partition("[")[0])
        is_wanted = kind == EVERY_DAY and place not in seen and "_upload.py" not in item.nodeid
        (left if EVERYTHING or kind in (None, "local") or is_wanted else dropped).append(item)
        seen.add(place)
    items[:] = left
    if dropped:
        config.hook.pytest_deselected(items=dropped)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Server]]:
    """`front` and `behind`, each a process of its own on a free port; what is a token on one is one on the other."""
    front, behind = (tmp_path_factory.mktemp(name) for name in ("front", "behind"))
    for folder in (front, behind):
        (folder / "orbitalreg.toml").write_text(BEHIND)
    tokens = Server("", behind / "orbitalreg.toml").new_tokens()
    shutil.copytree(behind / "data", front / "data")
    if RESTORED:
        for folder in (front, behind):
            restore(folder)
    with ExitStack() as running:
        lower = running.enter_context(serving(behind, tokens))
        html = running.enter_context(HtmlProxy(lower.url))
        for local in LOCALS:
            reading = "anonymous_read = true" if local == "open" else ""
            facts = {"behind": lower.url, "html": html.url, "password": tokens["read"], "reading": reading}
            with (front / "orbitalreg.toml").open("a") as config:
                config.write(FRONT.format(local=local, **facts))
        yield {"front": running.enter_context(serving(front, tokens)), "behind": lower}


def restore(folder: Path) -> None:
    """Back up the data in this folder, and put what comes of that in its place."""
    server = Server("", folder / "orbitalreg.toml")
    server.run("backup", str(folder / "copy"))
    shutil.rmtree(folder / "data")
    server.run("restore", str(folder / "copy"))


@pytest.fixture(scope="session")
def server(servers: Mapping[str, Server]) -> Server:
    """The one that is read."""
    return servers["front"]


@contextmanager
def serving(folder: Path, tokens: Mapping[str, str]) -> Iterator[Server]:
    """`orbitalreg serve` on the configuration in this folder."""
    config = folder / "orbitalreg.toml"
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "orbitalreg", "serve", "--config", str(config), "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=folder)
    assert process.stdout is not None
    with process.stdout:
        try:
            line = process.stdout.readline().decode()
            assert line.startswith("orbitalreg: listening on http://"), (folder / "log").read_text()
            yield Server(line.split()[-1], config, tokens)
        finally:
            process.terminate()
            process.wait(30)
    log_text = (folder / "log").read_text()
    assert process.returncode == 0, log_text
    if RESTORED:
        assert "the catalog is sound" in Server("", config).run("verify")
    assert '"traceback"' not in log_text, "the server met what nobody had expected"
    assert not list((folder / "data").rglob("*.part")), "something was left behind that had not all come"


@pytest.fixture(params=sorted(KINDS))
def repository_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    reason = EXCEPTIONS.get(request.function.__name__, {}).get(kind)
    if reason is not None:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return kind


@pytest.fixture
def site(servers: Mapping[str, Server], repository_kind: str) -> Site:
    """A repository that is read with credentials; `site.get` sends them."""
    return site_of(servers, repository_kind, "internal")


@pytest.fixture
def open_site(servers: Mapping[str, Server], repository_kind: str) -> Site:
    """A repository that anybody may read; `open_site.get` sends no credentials."""
    return site_of(servers, repository_kind, "open")


@pytest.fixture
def reusing_site(servers: Mapping[str, Server], repository_kind: str) -> Site:
    """A repository whose deleted filenames may be used again, read with credentials."""
    return site_of(servers, repository_kind, "reusing")


@pytest.fixture
def name() -> str:
    """A package name, in normal form, that no other test uses."""
    return f"demo-pkg-{next(_numbers)}"

"""One real server for all tests that speak over a socket, and the sites through which they see it.

A later kind of repository joins the conformance suite by a line in `KINDS` and one in `CONFIG`: the tests stay.
"""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this one, whatever the import mode

from conformance_site import Server, Site

CONFIG = """
[server]
max_upload = "2MiB"

[data]
path = "data"

[projects.acme.repositories.internal]
format = "pypi"
kind = "local"

[projects.acme.repositories.open]
format = "pypi"
kind = "local"
anonymous_read = true

[projects.acme.repositories.reusing]
format = "pypi"
kind = "local"
reuse_deleted_filenames = true
"""

# Of each kind: the repository that is read, and the local one behind it. The first is read with credentials, the
# second by anybody, and the third uses deleted filenames again.
KINDS = {
    "local": {
        "private": ("acme/internal", "acme/internal"),
        "open": ("acme/open", "acme/open"),
        "reusing": ("acme/reusing", "acme/reusing"),
    },
}

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`orbitalreg serve` as a process of its own, on a free port, with tokens made by the command line."""
    folder = tmp_path_factory.mktemp("served")
    config = folder / "orbitalreg.toml"
    config.write_text(CONFIG)
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "orbitalreg", "serve", "--config", str(config), "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=folder)
    assert process.stdout is not None
    with process.stdout:
        try:
            line = process.stdout.readline().decode()
            assert line.startswith("orbitalreg: listening on http://"), (folder / "log").read_text()
            yield Server(line.split()[-1], config)
        finally:
            process.terminate()
            process.wait(30)
    log_text = (folder / "log").read_text()
    assert process.returncode == 0, log_text
    assert '"traceback"' not in log_text, "the server met what nobody had expected"
    assert not list((folder / "data").rglob("*.part")), "an upload was left behind"


@pytest.fixture(params=sorted(KINDS))
def repository_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def site(server: Server, repository_kind: str) -> Site:
    """A repository that is read with credentials; `site.get` sends them."""
    return Site(server, *KINDS[repository_kind]["private"], is_open=False)


@pytest.fixture
def open_site(server: Server, repository_kind: str) -> Site:
    """A repository that anybody may read; `open_site.get` sends no credentials."""
    return Site(server, *KINDS[repository_kind]["open"], is_open=True)


@pytest.fixture
def reusing_site(server: Server, repository_kind: str) -> Site:
    """A repository whose deleted filenames may be used again, read with credentials."""
    return Site(server, *KINDS[repository_kind]["reusing"], is_open=False)


@pytest.fixture
def name() -> str:
    """A package name, in normal form, that no other test uses."""
    return f"demo-pkg-{next(_numbers)}"

"""What the real pip and uv, as processes over an index on loopback, choose: the first candidates of the adapter."""

import functools
import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
from archives_corpus import make_wheel, metadata
from orbitalreg_pypi.adapter import PyPIFormat
from orbitalreg_pypi.pages import package_json

from orbitalreg.model import File, Listing

SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
HERE = f"cpython-{platform.python_version()}-{SYSTEMS.get(sys.platform)}-{platform.machine()}"
ADAPTER = PyPIFormat()


@dataclass(frozen=True)
class Wheel:
    package: str
    version: str
    needs: Sequence[str] = ()
    requires_python: str = ""
    yanked: str | None = None
    tag: str = "py3-none-any"

    @functools.cached_property
    def lines(self) -> str:
        lines = [f"Requires-Dist: {need}" for need in self.needs]
        lines += [f"Requires-Python: {self.requires_python}"] * bool(self.requires_python)
        lines += ["Provides-Extra: more", "Provides-Extra: other-one"]
        return "\n".join(lines)

    @functools.cached_property
    def built(self) -> tuple[str, bytes]:
        return make_wheel(self.package, self.version, metadata_extra=self.lines, tag=self.tag)

    @functools.cached_property
    def metadata(self) -> bytes:
        return metadata(self.package, self.version, extra=self.lines)

    @property
    def file(self) -> File:
        filename, body = self.built
        attributes = {"filetype": "bdist_wheel", "requires_python": self.requires_python or None}
        digest, beside = (hashlib.sha256(data).hexdigest() for data in (body, self.metadata))
        return File(
            *(filename, self.package, self.version, filename, len(body), digest, 0, attributes, tuple(self.needs)),
            documents={"metadata": beside},
            yanked=self.yanked,
        )


INDEX = [
    *(Wheel("pre-plain", "1.0"), Wheel("pre-plain", "2.0rc1")),
    *(Wheel("pre-named", "1.0"), Wheel("pre-named", "2.0rc1")),
    *(Wheel("pre-low", "1.0"), Wheel("pre-low", "2.0rc1"), Wheel("pre-low", "2.0.dev3")),
    *(Wheel("pre-only", "1.0a2"), Wheel("pre-only", "1.0a10")),
    *(Wheel("pre-not", "1.0"), Wheel("pre-not", "2.0rc1")),
    *(Wheel("pre-else", "1.0"), Wheel("pre-else", "2.0rc1"), Wheel("wants-yanked", "1.0", ["yank-newest==2.0"])),
    *(Wheel("yank-newest", "1.0"), Wheel("yank-newest", "2.0", yanked="bad")),
    *(Wheel("yank-pinned", "1.0"), Wheel("yank-pinned", "2.0", yanked="bad")),
    *(Wheel("yank-pinned-exactly", "1.0"), Wheel("yank-pinned-exactly", "2.0", yanked="")),
    *(Wheel("yank-all", "1.0", yanked="bad"), Wheel("yank-all", "1.1", yanked="bad")),
    *(Wheel("python", "1.0", requires_python=">=3"), Wheel("python", "2.0", requires_python=">=3.99")),
    *(Wheel("tag", "1.0"), Wheel("tag", "2.0", tag="cp39-cp39-win_arm64"), Wheel("tag", "3.0", tag="py2-none-any")),
    *(Wheel("order", "1.9"), Wheel("order", "1.10"), Wheel("order", "1.10.post1"), Wheel("order", "1!0.1")),
    *(Wheel("local", "1.0"), Wheel("local", "1.0+cpu"), Wheel("local", "1.1")),
    *(Wheel("prefix", "1.0"), Wheel("prefix", "1.0.7"), Wheel("prefix", "1.1")),
    *(Wheel("compatible", "2.1"), Wheel("compatible", "2.9"), Wheel("compatible", "3.0")),
    Wheel(
        "extras",
        "1.0",
        [
            "always>=1.0",
            "more-only<2; extra == 'More'",
            "other-only; extra == 'other_one'",
            "both; extra == 'more' and python_version >= '3'",
            "never; extra == 'more' and python_version < '3'",
            "not-more; extra != 'more'",
        ],
    ),
    *(Wheel("always", "1.0"), Wheel("always", "2.0")),
    *(Wheel("more-only", "1.9"), Wheel("more-only", "2.0"), Wheel("other-only", "1.0"), Wheel("both", "1.0")),
    *(Wheel("never", "1.0"), Wheel("not-more", "1.0"), Wheel("elsewhere-os", "1.0"), Wheel("here", "1.0")),
    Wheel(
        "markers",
        "1.0",
        [
            f"here; python_full_version == '{platform.python_version()}' and implementation_name == 'cpython'",
            "elsewhere-os; platform_system == 'Plan9' or os_name not in 'nt posix'",
            "never; python_version < '3.8'",
        ],
    ),
]
ASKED = [
    *("pre-plain", "pre-named>=2.0rc1", "pre-low>=2.dev0", "pre-only", "pre-not!=2.0rc1", "pre-else>1", "yank-newest"),
    *("yank-pinned==2", "yank-pinned-exactly===2.0", "python", "tag", "order<1!0", "local==1.0", "prefix==1.0.*"),
    *("compatible~=2.1", "extras[More]", "markers"),
]


def listing(package: str) -> Listing:
    return Listing(package, tuple(wheel.file for wheel in INDEX if wheel.package == package), "r")


def ours(stated: Sequence[str]) -> dict[str, str]:
    """The closure by first candidates, package -> the file; here nobody asks for extras of what others asked for."""
    found: dict[str, str] = {}
    waiting = list(ADAPTER.requirements(stated, HERE))
    while waiting:
        requirement = waiting.pop()
        chosen = ADAPTER.candidates(requirement, ADAPTER.offers(listing(requirement.package), HERE))[0]
        found[requirement.package] = chosen.filename
        needs = ADAPTER.requirements(chosen.requirements, HERE, requirement.extras)
        waiting += [need for need in needs if need.package not in found]
    return found


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    """Pages as the plugin renders them, and the files."""
    bodies = {f"/files/{wheel.package}/{wheel.built[0]}": wheel.built[1] for wheel in INDEX}
    bodies |= {f"/files/{wheel.package}/{wheel.built[0]}.metadata": wheel.metadata for wheel in INDEX}
    for package in {wheel.package for wheel in INDEX}:
        bodies[f"/simple/{package}/"] = package_json("../../")(listing(package))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = bodies.get(self.path.replace("%2B", "+").replace("%21", "!"))
            self.send_response(404 if body is None else 200)
            is_page = self.path.startswith("/simple/")
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json" if is_page else "application/zip")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        server.shutdown()
        thread.join()


def run(command: Sequence[str], folder: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    environment = {**kept, "HOME": str(folder), "PIP_CONFIG_FILE": os.devnull, "UV_PYTHON_DOWNLOADS": "never"}
    return subprocess.run(command, input=given, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def pip(index: str, folder: Path, *asked: str) -> dict[str, str] | str:
    """What it would install, package -> the file, or what it says."""
    options = ["--dry-run", "--ignore-installed", "--no-cache-dir", "--quiet", "--report=-", f"--index-url={index}"]
    done = run([sys.executable, "-m", "pip", "--isolated", "install", *options, *asked], folder)
    if done.returncode:
        return done.stderr
    told: Sequence[Mapping[str, Mapping[str, str]]] = json.loads(done.stdout)["install"]
    places = [one["download_info"]["url"].rpartition("/")[2] for one in told]
    files = [place.replace("%2B", "+").replace("%21", "!") for place in places]
    return {file.partition("-")[0].replace("_", "-"): file for file in files}


def uv(index: str, folder: Path, *asked: str) -> dict[str, str] | str:
    """What it would install, package -> the version, or what it says."""
    options = ["--no-config", "--no-cache", "--no-header", "--no-annotate", "--quiet", "--python", sys.executable]
    command = [sys.executable, "-m", "uv", "pip", "compile", *options, f"--default-index={index}", "-"]
    done = run(command, folder, "".join(f"{one}\n" for one in asked))
    return done.stderr if done.returncode else dict(line.split("==") for line in done.stdout.split())  # type: ignore[misc]


needs_uv = pytest.mark.skipif(importlib.util.find_spec("uv") is None, reason="uv is not installed")
pytestmark = [
    pytest.mark.skipif(not version("pip").startswith("26."), reason="what pip 26 does is what is meant"),
    pytest.mark.skipif(
        sys.implementation.name != "cpython" or sys.platform not in SYSTEMS, reason="this Python has no name here"
    ),
]


def test_pip_takes_the_first_candidates(index: str, tmp_path: Path) -> None:
    found = pip(index, tmp_path, *ASKED)
    assert found == ours(ASKED)
    assert found["extras"] == "extras-1.0-py3-none-any.whl" and "never" not in found and "both" in found


@needs_uv
def test_uv_takes_the_first_candidates(index: str, tmp_path: Path) -> None:
    assert uv(index, tmp_path, *ASKED) == {name: file.split("-")[1] for name, file in ours(ASKED).items()}


@pytest.mark.parametrize("asked", ["yank-all", "tag>1.0"])
def test_where_there_is_no_candidate_pip_finds_none(asked: str, index: str, tmp_path: Path) -> None:
    (requirement,) = ADAPTER.requirements([asked], HERE)
    assert ADAPTER.candidates(requirement, ADAPTER.offers(listing(requirement.package), HERE)) == []
    said = pip(index, tmp_path, asked)
    assert isinstance(said, str) and "No matching distribution found" in said


@needs_uv
def test_uv_prefers_releases_and_yields_no_yanked_one_to_a_dependency(index: str, tmp_path: Path) -> None:
    """Where uv 0.13 differs from pip. Should it change, so should the docs."""
    assert uv(index, tmp_path, "pre-low>=1.dev0") == {"pre-low": "1.0"}
    said = uv(index, tmp_path, "wants-yanked")
    assert isinstance(said, str) and "yanked" in said
    asked = ["pre-low>=1.dev0", "wants-yanked"]
    assert pip(index, tmp_path, *asked) == ours(asked)
    assert {"pre_low-2.0rc1-py3-none-any.whl", "yank_newest-2.0-py3-none-any.whl"} < set(ours(asked).values())

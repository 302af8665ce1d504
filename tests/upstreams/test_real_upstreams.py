"""pip and uv through a remote repository of somebody else's server: cold, and again when that server is gone."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from archives_corpus import make_sdist, make_wheel
from environments import Unreachable
from harness import Registry, Shell, call, eventually
from indexes import Devpi, Index, Pypiserver, StaticTree

JSON = "application/vnd.pypi.simple.v1+json"
HEAD = """\
[server]
listen = "127.0.0.1:0"

[data]
path = "data"
"""
# One for each client, so that each finds nothing cached.
REMOTE = """
[projects.acme.repositories.{client}]
format = "pypi"
kind = "remote"
upstream = "{upstream}"
anonymous_read = true
listing_ttl = "0s"
{more}
"""
INSTALL = {
    "pip": "pip install --quiet --target {target} --index-url {index} {wanted}",
    "uv": "uv pip install --quiet --no-cache --target {target} --index-url {index} {wanted}",
}
FILES = [
    make_wheel("real-app", "1.0"),
    make_wheel("real-app", "2.0", metadata_extra="Requires-Dist: real-dep>=1\nRequires-Python: >=3.8"),
    make_sdist("real-app", "2.0"),
    make_wheel("real-dep", "1.5", description="Words.\n" * 500),
]
INSTALLED = {"real_app-2.0", "real_dep-1.5"}


def configured(folder: Path, upstream: str, more: str = "", tables: str = "") -> Registry:
    """`more` are further lines of each remote repository, `tables` those of other repositories."""
    folder.mkdir(exist_ok=True)
    remotes = [REMOTE.format(client=client, upstream=upstream, more=more) for client in INSTALL]
    (folder / "orbitalreg.toml").write_text("".join([HEAD, *remotes, tables]))
    return Registry(folder)


def installed(shell: Shell, registry: Registry, client: str, wanted: str) -> set[str]:
    """What the client installed into an empty folder."""
    target = shell.home / f"target-{len(list(shell.home.iterdir()))}"
    target.mkdir()
    index = f"{registry.url}/pypi/acme/{client}/simple/"
    done = shell.run(INSTALL[client].format(target=target, index=index, wanted=wanted))
    assert done.code == 0, done.output
    return {path.name.removesuffix(".dist-info") for path in target.glob("*.dist-info")}


@contextmanager
def running(index: Index) -> Iterator[Index]:
    try:
        with index:
            yield index
    except Unreachable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "kind",
    [pytest.param(Devpi, marks=pytest.mark.online), pytest.param(Pypiserver, marks=pytest.mark.online), StaticTree],
)
def test_packages_of_another_server_outlive_it(kind: type[Index], tmp_path: Path, shell: Shell) -> None:
    with (
        running(kind(tmp_path / "index", FILES)) as index,
        configured(tmp_path / "site", index.url + index.simple) as registry,
    ):
        for client in INSTALL:
            assert installed(shell, registry, client, "real-app") == INSTALLED
            assert installed(shell, registry, client, "real-app==1.0") == {"real_app-1.0"}
        assert_whole(registry)
        names = call("GET", f"{registry.url}/pypi/acme/pip/simple/", headers={"Accept": JSON}).json()["projects"]
        assert {one["name"] for one in names} == {"real-app", "real-dep"}
        index.stop()
        for client in INSTALL:
            assert installed(shell, registry, client, "real-app") == INSTALLED
        page = call("GET", f"{registry.url}/pypi/acme/pip/simple/real-app/", headers={"Accept": JSON})
        assert page.status == 200 and page.headers["X-Orbitalreg-Stale"]
        assert call("GET", f"{registry.url}/pypi/acme/pip/simple/never-seen/").status == 502
        assert eventually(lambda: not registry.staged())
        assert "Traceback" not in registry.log.read_text()


def assert_whole(registry: Registry) -> None:
    """Every file is there under the digest that it has, and every wheel's metadata is that of the wheel."""
    published = dict(FILES)
    for package in ("real-app", "real-dep"):
        base = f"{registry.url}/pypi/acme/pip"
        for file in call("GET", f"{base}/simple/{package}/", headers={"Accept": JSON}).json()["files"]:
            body = published.pop(file["filename"])
            url = f"{base}/files/{package}/{file['filename']}"
            assert call("GET", url).body == body
            tag = f'"{hashlib.sha256(body).hexdigest()}"'
            # While a file of which no digest is stated comes for the first time, nobody knows its digest yet.
            assert eventually(lambda url=url, tag=tag: call("GET", url).headers.get("Etag") == tag)
            document = call("GET", f"{base}/files/{package}/{file['filename']}.metadata")
            assert document.status == (200 if file["filename"].endswith(".whl") else 404)
            assert f"Name: {package}".encode() in document.body or document.status == 404
    assert not published


@pytest.mark.online
@pytest.mark.parametrize("wanted", ["flask", "numpy", "cffi"])
def test_the_public_index_and_then_nothing(wanted: str, tmp_path: Path, shell: Shell) -> None:
    """Then again through a way on which nobody answers, which is what an outage looks like from here."""
    folder = tmp_path / "site"
    files = reachable(tmp_path / "probe", wanted)
    with configured(folder, "pypi", tables=files) as registry:
        cold = {client: installed(shell, registry, client, wanted) for client in INSTALL}
        assert cold["pip"] == cold["uv"] and any(name.startswith(f"{wanted}-") for name in cold["pip"])
        assert eventually(lambda: not registry.staged(), 30)
        assert registry.faults() == []
    with configured(folder, "pypi", 'proxy = "http://127.0.0.1:9"', files) as registry:
        assert {client: installed(shell, registry, client, wanted) for client in INSTALL} == cold
        page = call("GET", f"{registry.url}/pypi/acme/pip/simple/{wanted}/", headers={"Accept": JSON})
        assert page.status == 200 and page.headers["X-Orbitalreg-Stale"]


def reachable(folder: Path, package: str) -> str:
    """Skips where the index is not. What else has to be configured, so that the host of its files may be asked.

    In a network in which that host has an inner address, it must be named, as whoever runs a registry there does.
    """
    with configured(folder, "pypi") as registry:
        base = f"{registry.url}/pypi/acme/pip"
        page = call("GET", f"{base}/simple/{package}/", headers={"Accept": JSON})
        if page.status == 502:
            pytest.skip("the public index cannot be reached")
        wheel = next(file for file in reversed(page.json()["files"]) if file["filename"].endswith(".whl"))
        answer = call("GET", f"{base}/files/{package}/{wheel['filename']}.metadata")
        inner = re.search(r"the upstream (https://\S+) has an address that is not public", registry.log.read_text())
        assert answer.status == 200 or inner, answer
        return REMOTE.format(client="files", upstream=inner[1], more="") if inner else ""

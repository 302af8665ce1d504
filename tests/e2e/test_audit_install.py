"""What audit-install says that an installer would take, against what pip and uv take from the same repository."""

import json
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archives_corpus import make_sdist, make_wheel
from harness import CONFIG, SIMPLE_JSON, Registry, Shell, call

pytestmark = pytest.mark.skipif(
    (sys.implementation.name, sys.platform, platform.machine()) != ("cpython", "linux", "x86_64"),
    reason="the installers here choose for CPython on Linux, x86-64",
)
HERE = f"cpython-{'.'.join(map(str, sys.version_info[:3]))}-linux-x86_64"

WORLD = {
    "top-app": {"1.0": ["mid-lib<2", "leaf"], "1.1": ["mid-lib"]},
    "mid-lib": {"1.0": ["jinja<2.11"], "2.0": ["jinja>=3", "extras[fast]"]},
    "jinja": {"2.10": [], "3.1": [], "4.0rc1": []},
    "leaf": {"1.0": [], "1.5": [], "2.0b1": []},
    "extras": {
        "1.0": ["leaf", "speed; extra == 'fast'"],
        "2.0": ["leaf", "speed>=2; extra == 'fast'", "extras[fast,more]; extra == 'all'", "more; extra == 'more'"],
    },
    "speed": {"1.0": [], "2.0": ["leaf<1.5"], "3.0": ["leaf<1.2"]},
    "more": {"1.0": ["extras"]},
    "marked": {
        "1.0": [
            "leaf; sys_platform == 'linux'",
            "missing; sys_platform == 'win32'",
            "speed; python_version < '3'",
            "more; python_version >= '3.8'",
        ]
    },
    "eager": {"1.0": ["leaf>=2.0b1"], "0.9": []},
    "first": {"1.0": ["shared<2"], "2.0": ["shared<3"], "3.0": ["shared<4"]},
    "second": {"1.0": ["shared<2"], "1.1": ["shared>=2,<3"], "1.2": ["shared>=9"]},
    "shared": {"1.0": [], "2.0": [], "3.0": []},
    "round": {"1.0": ["and-round"], "2.0": ["and-round>=2"]},
    "and-round": {"1.0": ["round"], "2.0": ["round<2"]},
    "only-pre": {"1.0a1": [], "1.0b2": []},
    "bad": {"1.0": [], "2.0": ["leaf"]},
    "needs-bad": {"1.0": ["bad==2.0"]},
    "loose": {"1.0": ["bad>=1"]},
    "picky": {"1.0": [], "2.0": ["leaf"]},
    "broken-dep": {"1.0": ["leaf"], "2.0": ["missing"]},
}
YANKED = ("bad==2.0",)
PYTHONS = {"picky==2.0": ">=3.99"}

OTHERWISE_IN_UV = {
    "eager": "a pre-release for what another package asks for counts only where nothing else is there at all",
    "needs-bad": "what is yanked is taken only where it is asked for by whoever installs",
    "extras[fast,more]<2": "speed and leaf rule each other out, and either may be the older one",
}

WANTED = [
    ["top-app"],
    ["top-app==1.0"],
    ["top-app", "jinja<3"],
    ["mid-lib"],
    ["extras[all]"],
    ["extras[fast]", "leaf>=1.5"],
    ["extras[fast,more]<2"],
    ["marked"],
    ["eager"],
    ["leaf", "eager"],
    ["first", "second"],
    ["second", "first"],
    ["second>=1.1"],
    ["round"],
    ["only-pre"],
    ["bad"],
    ["bad==2.0"],
    ["needs-bad"],
    ["needs-bad", "loose"],
    ["loose"],
    ["picky"],
    ["top-app>1", "extras[all]", "first", "second", "marked"],
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("world")
    (folder / "orbitalreg.toml").write_text(f"{CONFIG.format(max_upload='1MiB')}anonymous_read = true\n")
    with Registry(folder) as running:
        running.token = running.new_token("e2e", "acme/internal:maintain")
        for package, versions in WORLD.items():
            for version, asked in versions.items():
                lines = [f"Requires-Dist: {one}" for one in asked]
                extras = {found for one in asked for found in re.findall(r"extra == '(\w+)'", one)}
                lines += [f"Provides-Extra: {one}" for one in sorted(extras)]
                if python := PYTHONS.get(f"{package}=={version}"):
                    lines.append(f"Requires-Python: {python}")
                built = make_wheel(package, version, metadata_extra="\n".join(lines))
                assert running.upload(*built).status == 200
        assert running.upload(*make_sdist("leaf", "0.1")).status == 200
        for version in YANKED:
            running.cli("yank", f"acme/internal/{version}", "--reason", "it is bad")
        yield running
        assert running.faults() == []


def ours(registry: Registry, *wanted: str) -> dict[str, str]:
    told = json.loads(registry.cli("audit-install", "acme/internal", *wanted, "--environment", HERE, "--json"))
    [audit] = told
    assert audit["environment"] == HERE
    return {one["package"]: one["version"] for one in audit["packages"]}


def of_pip(shell: Shell, index: str, wanted: list[str]) -> dict[str, str]:
    quoted = " ".join(f"'{one}'" for one in wanted)
    line = f"pip install --dry-run --ignore-installed --quiet --report report.json --index-url {index} {quoted}"
    done = shell.run(line)
    assert done.code == 0, done.output
    report: Any = json.loads((shell.home / "report.json").read_text())
    return {_name(one["metadata"]["name"]): one["metadata"]["version"] for one in report["install"]}


def of_uv(shell: Shell, index: str, wanted: list[str]) -> dict[str, str]:
    shell.write("wanted.in", "\n".join(wanted))
    line = "uv pip compile --quiet --no-annotate --no-header --no-cache --no-strip-extras --output-file wanted.txt"
    done = shell.run(f"{line} --python {sys.executable} --index-url {index} wanted.in")
    assert done.code == 0, done.output
    pins = re.findall(r"^([a-z0-9._-]+)(?:\[.*\])?==(\S+)", (shell.home / "wanted.txt").read_text(), re.MULTILINE)
    return {_name(name): version for name, version in pins}


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


@pytest.mark.parametrize("wanted", WANTED, ids=" ".join)
def test_it_takes_what_pip_and_uv_take(served: Registry, shell: Shell, wanted: list[str]) -> None:
    index = f"{served.repository}/simple/"
    told = ours(served, *wanted)
    assert told == of_pip(shell, index, wanted)
    if OTHERWISE_IN_UV.keys().isdisjoint(wanted):
        assert told == of_uv(shell, index, wanted)


def test_it_refuses_what_they_refuse(served: Registry, shell: Shell) -> None:
    index = f"{served.repository}/simple/"
    for wanted in (["missing"], ["shared>=3", "second"], ["second==1.2"], ["broken-dep>=2"], ["leaf>=3"]):
        with pytest.raises(AssertionError) as caught:
            ours(served, *wanted)
        assert "orbitalreg: acme/internal has no package" in str(caught.value) or "no version of" in str(caught.value)
        for of_client in (of_pip, of_uv):
            with pytest.raises(AssertionError):
                of_client(shell, index, wanted)


REMOTE = """
[projects.acme.repositories.{name}]
format = "pypi"
kind = "remote"
upstream = "{upstream}"
anonymous_read = true
"""
REAL = [
    ["black"],
    ["requests[socks]"],
    ["fastapi[standard]"],
    ["jupyterlab"],
    ["django", "celery[redis]"],
    ["sphinx", "mypy", "pytest", "hypothesis"],
    ["pandas", "scikit-learn", "matplotlib"],
]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Before the public index; skips where that cannot be reached."""
    tables = REMOTE.format(name="public", upstream="pypi")
    probe = tmp_path_factory.mktemp("probe")
    with _configured(probe, tables) as registry:
        base = f"{registry.url}/pypi/acme/public"
        page = call("GET", f"{base}/simple/six/", headers={"Accept": SIMPLE_JSON})
        if page.status == 502:
            pytest.skip("the public index cannot be reached")
        wheel = next(file for file in reversed(page.json()["files"]) if file["filename"].endswith(".whl"))
        call("GET", f"{base}/files/six/{wheel['filename']}.metadata")
        # In a network in which the files' host has an inner address, it must be named.
        inner = re.search(r"the upstream (https://\S+) has an address that is not public", registry.log.read_text())
    if inner:
        tables += REMOTE.format(name="files", upstream=inner[1])
    with _configured(tmp_path_factory.mktemp("site"), tables) as registry:
        yield registry


def _configured(folder: Path, tables: str) -> Registry:
    (folder / "orbitalreg.toml").write_text(CONFIG.format(max_upload="1MiB") + tables)
    return Registry(folder)


@pytest.mark.online
@pytest.mark.timeout(400)
@pytest.mark.parametrize("wanted", REAL, ids=" ".join)
def test_of_the_public_index_too(public: Registry, shell: Shell, wanted: list[str]) -> None:
    index = f"{public.url}/pypi/acme/public/simple/"
    told = json.loads(public.cli("audit-install", "acme/public", *wanted, "--environment", HERE, "--json"))
    chosen = {one["package"]: one["version"] for one in told[0]["packages"]}
    assert chosen == of_pip(shell, index, wanted)
    assert chosen == of_uv(shell, index, wanted)

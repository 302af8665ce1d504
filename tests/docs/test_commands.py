"""Every command in docs/ runs.

In a page, a block ```sh is run, in the page's order, in one folder that is empty at first and with one environment:
what a block exports, and where it goes, holds in the next. Labels come after the language:

- `file=NAME`: the block is written to that file; with `from=PATH` too, it is that file of the tree word by word.
- `until=WORD`: the command goes on to the end of the page; the next block comes when it has printed the word.

```text after ```sh is what that prints, line by line, with `…` for anything. ```console shows a session and is not run:
`NOT_RUN` says why. The registry of the pages, and the folders of a service, are this test's own: `stands_for()`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import environments
import pytest
import wheels
from archives_corpus import make_wheel
from equipped import equip
from harness import CONFIG, Registry
from outside import Outside, vulnerabilities
from pages import PAGES, TREE, Block, blocks, name
from reported import BLANK, finding, put_beside, report
from session import Session, environment

from orbitalreg.model import Severity

TUTORIALS = {
    "docs/tutorial/first-package.md": (),
    "docs/tutorial/first-scanner.md": ("editables", "pytest", "hypothesis"),
}
"""Pages that install the registry, and what they install beside what both do."""

CLIENTS = "docs/how-to/set-up-clients.md"
OSV = "docs/how-to/scan-with-osv.md"
FINDINGS = "docs/how-to/see-findings.md"
HIT = "docs/how-to/who-is-hit.md"
SCANNERS = {f"docs/how-to/scan-with-{tool}.md": tool for tool in ("trivy", "grype", "syft")}
"""Pages that start a registry of their own with the real tool; without `make scanners` they are skipped."""

WITH_OUTSIDE = {
    "docs/how-to/proxy-an-upstream.md",
    "docs/how-to/go-offline.md",
    "docs/how-to/guard-and-cooldown.md",
    OSV,
    "docs/how-to/block-by-policy.md",
    HIT,
    "docs/how-to/audit-an-installation.md",
}
"""Pages that start a registry of their own before an index of `outside.py`; there is a `my-pkg` 1.0 in `dist/`."""

WITH_REGISTRY = {
    CLIENTS,
    "docs/how-to/use-the-api.md",
    "docs/how-to/run-in-production.md",
    "docs/how-to/back-up-by-copying.md",
    "docs/how-to/back-up-and-restore.md",
    "docs/how-to/free-disk-space.md",
    "docs/how-to/read-the-audit-log.md",
    FINDINGS,
}
"""Pages that begin with a running registry, with `my-pkg` in it, and a token; to publish, `my-app` is in `dist/`."""

PUBLISHING = {
    "uv publishes": "my-app",
    "twine, by variables": "my-app",
    "twine, by .pypirc": "my-app",
    "poetry, by its own configuration": "app",
}
"""Sections that publish, and the package that is then in the registry."""

KINDS = """
[projects.acme.repositories.pypi-remote]
format = "pypi"
kind = "remote"
upstream = "{url}"

[projects.acme.repositories.all-libs]
format = "pypi"
kind = "virtual"
members = ["internal", "pypi-remote"]
"""

ROOT = "changes the machine as root"
NOT_RUN = {
    ("docs/how-to/run-with-systemd.md", "useradd"): ROOT,
    ("docs/how-to/run-with-systemd.md", "python3"): ROOT,
    ("docs/how-to/run-with-systemd.md", "/opt/orbitalreg/bin/pip"): ROOT,
    ("docs/how-to/run-with-systemd.md", "install"): ROOT,
    ("docs/how-to/run-with-systemd.md", "runuser"): ROOT,
    ("docs/how-to/run-with-systemd.md", "systemctl"): "needs systemd as the first process of the machine",
    ("docs/how-to/run-with-systemd.md", "journalctl"): "needs systemd as the first process of the machine",
    (
        "docs/how-to/run-with-systemd.md",
        "systemd-analyze",
    ): "tests/deploy/test_systemd.py runs it where it is installed",
    (
        "docs/how-to/run-in-a-container.md",
        "docker",
    ): "needs a container engine; tests/deploy/test_container.py has the rest",
    ("docs/how-to/put-nginx-in-front.md", "nginx"): "tests/deploy/test_nginx.py runs it, as `nginx -t` and in earnest",
    ("docs/how-to/put-nginx-in-front.md", "systemctl"): "needs systemd as the first process of the machine",
    ("docs/how-to/put-nginx-in-front.md", "curl"): "needs nginx; tests/deploy/test_nginx.py asks the same",
    ("docs/how-to/set-up-clients.md", "python3"): "needs a package index for keyring",
    ("docs/how-to/set-up-clients.md", "keyring"): "needs a desktop; tests/e2e/test_clients.py has a keyring of its own",
    ("docs/how-to/set-up-clients.md", "pip"): "needs the keyring; tests/e2e/test_clients.py has one of its own",
    ("docs/how-to/sign-in-with-passwords.md", "pip"): "needs a package index; the plugin is installed beside the tests",
    (OSV, "pip"): "needs a package index; the plugin is installed beside the tests",
    **{(page, "pip"): "needs a package index; the plugin is installed beside the tests" for page in SCANNERS},
    **{(page, tool): "make scanners has installed it" for page, tool in SCANNERS.items() if tool != "trivy"},
    ("docs/how-to/scan-with-trivy.md", "trivy"): "make scanners has installed it; its database is made by the tests",
    (
        "docs/how-to/sign-in-with-passwords.md",
        "htpasswd",
    ): "is not on every machine; plugins/plugin_htpasswd/tests runs it where it is",
    ("docs/how-to/use-the-api.md", "orbitalreg"): "changes what other pages use; tests/api has the same",
    ("docs/how-to/back-up-by-copying.md", "rsync"): "is not on every machine",
    ("docs/how-to/give-rights.md", "orbitalreg"): "needs an admin of a server; tests/api/test_grants.py has the same",
    ("docs/how-to/give-rights.md", "curl"): "needs an admin of a server; tests/api/test_grants.py has the same",
    (FINDINGS, "orbitalreg"): "fails, as it says; tests/unit/test_cli_findings.py has the same",
    (
        "docs/how-to/who-is-hit.md",
        "orbitalreg",
    ): "needs a token of a server; tests/api/test_dependencies.py has the same",
    (
        "docs/explanation/dependencies.md",
        "orbitalreg",
    ): "is about an example; tests/unit/test_cli_audit_install.py runs the command",
    ("docs/how-to/write-a-plugin.md", "python"): "needs a package index to build; what it installs is put in place",
}


@dataclass(frozen=True)
class Walk:
    """What is run in one go: a page, or one section of a page whose sections stand for themselves."""

    page: Path
    section: str
    blocks: tuple[Block, ...]

    @property
    def id(self) -> str:
        return f"{name(self.page)}:{self.section}" if self.section else name(self.page)


def walks() -> Iterator[Walk]:
    for page in PAGES:
        found = blocks(page)
        apart = dict.fromkeys(block.section for block in found) if name(page) == CLIENTS else [""]
        for section in apart:
            chosen = tuple(block for block in found if section in ("", block.section))
            if any(block.language == "sh" for block in chosen):
                yield Walk(page, section, chosen)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with Outside() as running:
        yield running


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, outside: Outside) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    local = CONFIG.format(max_upload="1MiB") + "reuse_deleted_filenames = true\n"
    private = '\n[projects.acme]\nprivate_names = ["my-*"]\n'
    (folder / "orbitalreg.toml").write_text(local + KINDS.format(url=outside.url) + private)
    with Registry(folder) as running:
        running.token = running.cli(
            "token", "create", "docs", "--grant", "acme/internal:publish", "--grant", "acme/all-libs:read"
        )
        assert running.upload(*make_wheel("my-pkg", "1.0")).status == 200
        scanned(running)
        yield running
        assert running.faults() == []


def scanned(registry: Registry) -> None:
    """my-pkg 1.0 has a finding, a bill of materials and what a tool put out."""
    known = finding("GHSA-1", "my-pkg", "1.0", aliases=("CVE-2020-1",), severity=Severity.HIGH, fixed_in="1.1")
    said = [
        report("grype", replace(known, title="It bursts")),
        report("osv", replace(known, severity=Severity.UNKNOWN)),
    ]
    filename, _ = make_wheel("my-pkg", "1.0")
    more = {"raw": b"{}", "documents": {"cyclonedx": b"{}"}}
    put_beside(registry.config, "acme/internal", filename, *said, **more)


def stands_for(folder: Path, registry: Registry | None, outside: Outside) -> dict[str, str]:
    first, second = free_ports(2)
    found = {
        'upstream = "pypi"': f'upstream = "{outside.url}"',
        r'dump = "osv\.dev"': f'dump = "{outside.dump_url}"',
        r"127\.0\.0\.1:8081": f"127.0.0.1:{second}",
        "/opt/orbitalreg/bin": str(Path(sys.executable).parent),
        "/srv/": f"{folder}/srv/",
    }
    if registry is None:
        return found | {r"127\.0\.0\.1:8080": f"127.0.0.1:{first}"}
    return found | {
        r"https://([^/@\s]*@)?registry\.example\.com": rf"http://\g<1>{registry.authority}",
        r"registry\.example\.com": "127.0.0.1",
        r"127\.0\.0\.1:8080": registry.authority,
        "/var/lib/orbitalreg": str(registry.data),
        "/etc/orbitalreg/orbitalreg.toml": str(registry.config),
    }


def with_registry(walk: Walk, folder: Path, registry: Registry) -> dict[str, str]:
    """What a page needs that speaks to a running registry."""
    more = {"ORBITALREG_TOKEN": registry.token} | empty_environment(folder)
    filename, data = make_wheel("my-app", "1.0", description=walk.id)
    if walk.section in PUBLISHING:
        (folder / "dist").mkdir()
        (folder / "dist" / filename).write_bytes(data)
    if name(walk.page) == FINDINGS:
        filename, data = make_wheel("my-pkg", "2.0")
        assert registry.upload(filename, data).status == 200
        put_beside(registry.config, "acme/internal", filename, BLANK)
    return more | (poetry() if "poetry" in walk.section else {})


def with_outside(page: str, folder: Path) -> dict[str, str]:
    """What a page needs that starts a registry of its own before an index of `outside.py`."""
    filename, data = make_wheel("my-pkg", "1.0")
    (folder / "dist").mkdir()
    (folder / "dist" / filename).write_bytes(data)
    if page == HIT:
        story(folder)
    if page == OSV:
        (folder / "srv" / "usb").mkdir()
        (folder / "srv" / "usb" / "all.zip").write_bytes(vulnerabilities())
    return empty_environment(folder)


def story(folder: Path) -> None:
    """What is published at first, in dist/, and what mends it, in later/."""
    shutil.rmtree(folder / "dist")
    for place, package, version, requires in (
        ("dist", "jinja2", "2.10", ""),
        ("dist", "mid-lib", "1.0", "jinja2<2.11"),
        ("dist", "top-app", "1.0", "mid-lib"),
        ("later", "jinja2", "3.1.4", ""),
        ("later", "mid-lib", "1.1", "jinja2>=3"),
    ):
        filename, data = make_wheel(package, version, metadata_extra=f"Requires-Dist: {requires}" if requires else "")
        (folder / place).mkdir(exist_ok=True)
        (folder / place / filename).write_bytes(data)


@pytest.fixture
def session(walk: Walk, tmp_path: Path, outside: Outside, request: pytest.FixtureRequest) -> Iterator[Session]:
    folder, page = tmp_path / "reader", name(walk.page)
    (folder / "srv").mkdir(parents=True)
    more: dict[str, str] = {}
    registry = request.getfixturevalue("registry") if page in WITH_REGISTRY else None
    if registry is not None:
        more |= with_registry(walk, folder, registry)
    if page in WITH_OUTSIDE:
        more |= with_outside(page, folder)
    if page in SCANNERS:
        more |= equip(SCANNERS[page], folder)
    if page in TUTORIALS:
        names = ["orbitalreg", "orbitalreg-pypi", "build", "twine", "hatchling", *TUTORIALS[page]]
        more["PIP_INDEX_URL"] = wheels.make_index(tmp_path / "index", names, TREE)
    else:
        more["PYTHONPATH"] = str(folder)  # for what `install()` puts there
    words = stands_for(folder, registry, outside)
    if page == HIT:
        words[r'dump = "osv\.dev"'] = f'dump = "{outside.jinja2_dump_url}"'
    session = Session(folder, environment(folder, **more), words)
    yield session
    session.close()
    if registry is not None and walk.section in PUBLISHING:
        package = PUBLISHING[walk.section]
        assert registry.files(package)
        registry.cli("delete", f"acme/internal/{package}==1.0", "--yes")
    if registry is not None and name(walk.page) == FINDINGS:
        registry.cli("delete", "acme/internal/my-pkg==2.0", "--yes")


def empty_environment(folder: Path) -> dict[str, str]:
    """A virtual environment, and the variables by which pip and uv install into it."""
    subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", folder / "env"], check=True)
    python = str(folder / "env" / "bin" / "python")
    return {"PIP_PYTHON": python, "UV_PYTHON": python}


def poetry() -> dict[str, str]:
    """poetry from its pinned environment; without a desktop's keyring."""
    try:
        programs = environments.environment("poetry")
    except environments.Unreachable as error:
        pytest.skip(str(error))
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    return {
        "PATH": path,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
    }


@pytest.mark.timeout(600)  # pip has much to install where a page begins with nothing
@pytest.mark.parametrize("walk", list(walks()), ids=lambda walk: walk.id)
def test_the_commands_run(walk: Walk, session: Session) -> None:
    before = None
    for block in walk.blocks:
        if "file" in block.labels:
            write(session, block)
        elif block.language == "sh" and "until" in block.labels:
            session.start(block.text, block.labels["until"])
        elif block.language == "sh":
            session.run(block.text)
        elif block.language == "text" and before is not None and before.language == "sh":
            session.expect(block.text)
        before = block


def write(session: Session, block: Block) -> None:
    file = session.write(block.labels["file"], block.text)
    if file.name == "pyproject.toml" and "entry-points" in tomllib.loads(block.text)["project"]:
        install(session.folder, tomllib.loads(block.text)["project"])


def install(folder: Path, project: dict[str, object]) -> None:
    """What an editable install of the page's package would put on the path; to build it needs a package index."""
    info = folder / f"{str(project['name']).replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]
    assert isinstance(points, dict)
    lines = [line for group, table in points.items() for line in (f"[{group}]", *map(" = ".join, table.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


INCLUDED = [
    pytest.param(block, id=f"{name(page)}-{block.labels['from']}")
    for page in PAGES
    for block in blocks(page)
    if "from" in block.labels
]


@pytest.mark.parametrize("block", INCLUDED)
def test_code_that_a_page_includes_is_the_real_code(block: Block) -> None:
    assert block.text == (TREE / block.labels["from"]).read_text("utf-8"), "run: python tools/reference.py"


def test_every_command_that_is_not_run_is_listed_with_its_reason() -> None:
    shown = {
        (name(page), command)
        for page in PAGES
        for block in blocks(page)
        if block.language == "console"
        for command in re.findall(r"^[$#] (\S+)", block.text, re.MULTILINE)
    }
    assert shown == set(NOT_RUN)


def test_the_commands_that_the_readme_says_to_use_run(tmp_path: Path, outside: Outside) -> None:
    """In a checkout, with a package index that holds what the packages need, and not the packages."""
    checkout = tmp_path / "around" / "checkout"
    for part in ("orbitalreg", "plugins/plugin_pypi"):
        shutil.copytree(TREE / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TREE / part, checkout)
    index = wheels.make_index(tmp_path / "index", ["orbitalreg", "orbitalreg-pypi", "hatchling"], TREE)
    for part in ("orbitalreg", "orbitalreg-pypi"):
        shutil.rmtree(tmp_path / "index" / part)
    session = Session(checkout, environment(tmp_path, PIP_INDEX_URL=index), stands_for(tmp_path, None, outside))
    chosen = [block for block in blocks(TREE / "README.md") if block.section == "Use it"]
    try:
        for block in chosen:
            session.start(block.text, block.labels["until"]) if block.labels else session.run(block.text)
    finally:
        session.close()
    assert [block.language for block in chosen] == ["sh", "sh"]
    assert "orbitalreg: listening on http://127.0.0.1:" in session.output

"""GitLab jobs publish and install with their ID tokens: real clients and the components' own scripts, over TLS."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import BIN, Registry

TREE = Path(__file__).parents[2]
BORROWED = ("plugins/plugin_oidc/tests", "tests/docs", "tests/clients")
sys.path[:0] = [str(TREE / folder) for folder in BORROWED]

import environments  # noqa: E402  # from the paths above
import wheels  # noqa: E402
from archives_corpus import make_wheel  # noqa: E402
from components import Component, run  # noqa: E402
from fake_gitlab import FORK_MERGE_REQUEST, FakeGitLab  # noqa: E402
from tls import Terminator  # noqa: E402

CONFIG = """
[server]
listen = "127.0.0.1:0"

[data]
path = "data"

[projects.acme.repositories.internal]
format = "pypi"
kind = "local"

[plugins.oidc-gitlab]
audience = "orbitalreg"

[[plugins.oidc-gitlab.issuers]]
url = "{gitlab}"
ca_bundle = "gitlab-ca.pem"

[[plugins.oidc-gitlab.publishers]]
issuer = "{gitlab}"
project_path = "acme/my-lib"
project_id = 42
grants = ["acme/internal/my-lib:publish"]

[[plugins.oidc-gitlab.publishers]]
issuer = "{gitlab}"
namespace_path = "acme"
namespace_id = 72
ref_protected = false
pipeline_sources = ["push", "merge_request_event"]
grants = ["acme/internal:read"]
"""


@dataclass(frozen=True)
class Place:
    """A GitLab, and a registry that knows it behind TLS."""

    gitlab: FakeGitLab
    registry: Registry
    url: str
    trust: dict[str, str]

    def job(self, home: Path, **claims: Any) -> dict[str, str]:
        """The variables of a job."""
        home.mkdir(parents=True, exist_ok=True)
        token = self.gitlab.token(**claims)
        return {"HOME": str(home), "ORBITALREG_ID_TOKEN": token, "GITLAB_CI": "true", "CI": "true", **self.trust}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    with FakeGitLab(folder) as gitlab:
        (folder / "orbitalreg.toml").write_text(CONFIG.format(gitlab=gitlab.url))
        with Registry(folder) as registry, Terminator(folder, registry.authority) as front:
            registry.token = registry.new_token("e2e", "acme/internal:maintain")
            trust = {name: str(front.ca_file) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")}
            yield Place(gitlab, registry, front.url, trust)
            assert registry.faults() == []


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the components install, and what a build needs."""
    names = ["build", "twine", "hatchling", "orbitalreg-oidc-gitlab"]
    return wheels.make_index(tmp_path_factory.mktemp("index"), names, TREE)


def project(folder: Path, version: str, name: str = "my-lib") -> Path:
    (folder / "my_lib").mkdir(parents=True)
    (folder / "my_lib" / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\nrequires-python = ">=3.11"\n'
        '[tool.hatch.build.targets.wheel]\npackages = ["my_lib"]\n'
    )
    return folder


def built(folder: Path, version: str, name: str = "my-lib") -> Path:
    filename, data = make_wheel(name, version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / filename).write_bytes(data)
    return folder / filename


def call(command: list[Any], folder: Path, variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={"PATH": f"{BIN}{os.pathsep}{os.defpath}"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )


def exchanged(place: Place) -> dict[str, str]:
    """The tokens that the project had for its jobs': id to state."""
    tokens = json.loads(place.registry.cli("token", "list", "--json"))
    return {token["id"]: token["state"] for token in tokens if token["account"] == "oidc-gitlab:acme/my-lib"}


def versions(place: Place) -> set[str]:
    return {filename.split("-")[1] for filename in place.registry.files("my-lib")}


def test_the_component_builds_publishes_and_burns_its_token(place: Place, index: str, tmp_path: Path) -> None:
    jobs = Component.read("pypi-publish").jobs(url=place.url, repository="acme/internal", tools_index=index)
    (job,) = jobs.values()
    variables = place.job(tmp_path / "home") | {"PATH": f"{BIN}{os.pathsep}{os.defpath}", "PIP_INDEX_URL": index}
    before = exchanged(place)
    done = run(job, project(tmp_path / "checkout", "1.0"), variables)
    assert done.returncode == 0, done.stdout
    files = place.registry.files("my-lib")
    assert {"my_lib-1.0-py3-none-any.whl", "my_lib-1.0.tar.gz"} <= set(files)
    assert variables["ORBITALREG_ID_TOKEN"] not in done.stdout and "orboi_" not in done.stdout
    assert "not burnt" not in done.stdout
    shown = place.registry.cli("show", "acme/internal/my-lib==1.0")
    assert "acme/my-lib, job 302, commit 714a629c0b40, protected ref v1.2" in shown
    assert [state for token, state in exchanged(place).items() if token not in before] == ["revoked"]


SHELLS = pytest.mark.parametrize("shell", ["bash", "sh"])


@SHELLS
def test_the_component_publishes_what_an_earlier_job_built(
    place: Place, index: str, tmp_path: Path, shell: str
) -> None:
    version = {"bash": "1.1", "sh": "1.1.1"}[shell]
    built(tmp_path / "out", version)
    jobs = Component.read("pypi-publish").jobs(
        url=f"{place.url}/", repository="acme/internal", tools_index=index, build=False, dist="out"
    )
    variables = place.job(tmp_path / "home") | {"PATH": f"{BIN}{os.pathsep}{os.defpath}"}
    before = exchanged(place)
    done = run(jobs["pypi-publish"], tmp_path, variables, shell)
    assert done.returncode == 0, done.stdout
    assert version in versions(place)
    assert [state for token, state in exchanged(place).items() if token not in before] == ["revoked"]


@SHELLS
def test_the_job_fails_where_the_upload_or_the_exchange_is_refused(
    place: Place, index: str, tmp_path: Path, shell: str
) -> None:
    built(tmp_path / "dist", "1.2", "other-lib")
    jobs = Component.read("pypi-publish").jobs(
        url=place.url, repository="acme/internal", tools_index=index, build=False
    )
    path = {"PATH": f"{BIN}{os.pathsep}{os.defpath}"}
    done = run(jobs["pypi-publish"], tmp_path, place.job(tmp_path / "home") | path, shell)
    assert done.returncode != 0 and "403" in done.stdout, done.stdout
    assert "not burnt" not in done.stdout
    strange = place.job(tmp_path / "home", project_id="43", namespace_id="1")
    done = run(jobs["pypi-publish"], tmp_path, strange | path, shell)
    assert done.returncode != 0
    assert "project_id is '43'" in done.stdout and "HTTPError" not in done.stdout
    assert "other-lib" not in place.registry.packages()


@SHELLS
def test_the_component_lets_pip_and_uv_install(place: Place, index: str, tmp_path: Path, shell: str) -> None:
    """Of a merge request's pipeline, which may read and nothing else."""
    filename, data = make_wheel("read-me", "1.0")
    assert place.registry.upload(filename, data).status == 200
    jobs = Component.read("pypi-install").jobs(url=place.url, repository="acme/internal", tools_index=index)
    script = [
        "python -m venv env",
        "env/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir read-me",
        "uv venv --quiet uv-env",
        "uv pip install --quiet --no-cache --python uv-env/bin/python read-me",
        "cat env/lib/python*/site-packages/read_me-1.0.dist-info/METADATA",
        "cat uv-env/lib/python*/site-packages/read_me-1.0.dist-info/METADATA",
        'ls -l "$NETRC" | cut -c1-10',
    ]
    variables = place.job(tmp_path / "home", **FORK_MERGE_REQUEST)
    (tmp_path / "home" / ".netrc").write_text("machine elsewhere.example.com login a password b")
    job = jobs[".pypi-install"] | {"script": script}
    done = run(job, tmp_path, variables | {"PATH": f"{BIN}:{os.defpath}"}, shell)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Name: read-me") == 2
    assert "-rw-------" in done.stdout
    assert "orboi_" not in done.stdout


@pytest.mark.parametrize("mode", ["automatic", "always"])
def test_uv_publish_needs_no_configuration(place: Place, tmp_path: Path, mode: str) -> None:
    version = {"automatic": "2.0", "always": "2.1"}[mode]
    built(tmp_path / "dist", version)
    before = exchanged(place)
    command = [BIN / "uv", "publish", "--trusted-publishing", mode, "--publish-url"]
    done = call([*command, f"{place.url}/pypi/acme/internal/legacy/"], tmp_path, place.job(tmp_path / "home"))
    assert done.returncode == 0, done.stdout
    assert version in versions(place)
    assert [state for token, state in exchanged(place).items() if token not in before] == ["revoked"]


@pytest.mark.online
@pytest.mark.timeout(280)
def test_pdm_publish_needs_no_configuration(place: Place, tmp_path: Path) -> None:
    try:
        pdm = environments.environment("pdm") / "pdm"
    except environments.Unreachable as error:
        pytest.skip(str(error))
    folder = project(tmp_path / "checkout", "3.0")
    built(folder / "dist", "3.0")
    before = exchanged(place)
    command = [pdm, "publish", "--no-build", "--repository", f"{place.url}/pypi/acme/internal/legacy/"]
    done = call([*command, "--ca-certs", place.trust["SSL_CERT_FILE"]], folder, place.job(tmp_path / "home"))
    assert done.returncode == 0, done.stdout
    assert "3.0" in versions(place)
    assert [state for token, state in exchanged(place).items() if token not in before] == ["active"]  # pdm burns none


@SHELLS
def test_twine_with_the_command(place: Place, tmp_path: Path, shell: str) -> None:
    """Word for word as the how-to has it, after what it installs and builds."""
    version = {"bash": "4.0", "sh": "4.1"}[shell]
    built(tmp_path / "dist", version)
    page = (TREE / "docs" / "how-to" / "publish-from-gitlab.md").read_text("utf-8")
    blocks = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    (told,) = [block["publish"]["script"] for block in blocks if "pip install build" in str(block)]
    assert told[:2] == ["pip install build twine orbitalreg-oidc-gitlab", "python -m build"]
    script = [line.replace("https://registry.example.com", place.url) for line in told[2:]]
    upload = next(line for line in script if line.startswith("twine upload"))
    script += [f"if {upload} --non-interactive >log 2>&1; then exit 1; fi", "grep -c 401 log"]
    variables = place.job(tmp_path / "home") | {"PATH": f"{BIN}{os.pathsep}{os.defpath}"}
    done = run({"script": script}, tmp_path, variables, shell)
    assert done.returncode == 0, done.stdout
    assert version in versions(place)


def test_another_job_that_has_the_token_gets_nothing_for_it(place: Place, tmp_path: Path) -> None:
    """The same job may ask again; a token that names another job and has the same jti is a replay."""
    variables = place.job(tmp_path / "home", jti="one-and-the-same")
    command = [BIN / "orbitalreg-oidc-gitlab", "token", "--url", place.url]
    first, again = call(command, tmp_path, variables), call(command, tmp_path, variables)
    assert (first.returncode, again.returncode) == (0, 0), first.stdout + again.stdout
    other = place.job(tmp_path / "home", jti="one-and-the-same", job_id="999")
    refused = call(command, tmp_path, other)
    assert refused.returncode == 1
    assert "by another job (invalid-reuse-token)" in refused.stdout


def test_inputs_that_gitlab_refuses() -> None:
    component = Component.read("pypi-publish")
    for inputs in (
        {},
        {"url": "http://registry.example.com", "repository": "acme/internal"},
        {"url": "https://registry.example.com", "repository": "internal"},
        {"url": "https://registry.example.com", "repository": "acme/internal", "build": "yes"},
    ):
        with pytest.raises(ValueError, match=r"must be given|does not match|of another type"):
            component.jobs(**inputs)


@pytest.mark.parametrize("name", ["pypi-publish", "pypi-install"])
def test_every_input_of_a_component_is_described_and_used(name: str) -> None:
    component = Component.read(name)
    assert all(declared.get("description") for declared in component.spec.values())
    assert all(f"$[[ inputs.{used} ]]" in component.body for used in component.spec)


@pytest.mark.parametrize("name", ["pypi-publish", "pypi-install"])
def test_the_readme_has_every_input_of_a_component(name: str) -> None:
    readme = (TREE / "plugins" / "plugin_oidc" / "README.md").read_text("utf-8")
    table = readme.split(f"<!-- inputs: {name} -->\n")[1].split("<!-- end -->")[0]
    assert table == inputs_table(Component.read(name))


def inputs_table(component: Component) -> str:
    rows = [
        f"| `{name}` | {declared.get('type', 'string')} | {_default(declared)} | {declared['description']} |"
        for name, declared in component.spec.items()
    ]
    return "\n".join(["", "| input | type | default | meaning |", "|---|---|---|---|", *rows, "", ""])


def _default(declared: dict[str, Any]) -> str:
    return f"`{json.dumps(declared['default'])}`" if "default" in declared else "must be given"

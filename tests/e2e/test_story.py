"""jinja2 <- mid-lib <- top-app, with real processes: from an upload to whom a CVE hits, and to who is clear again.

Nobody asks for anything in between: the server scans what twine brings, follows what it asks for, and pages follow.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from archives_corpus import make_wheel
from harness import Registry, Shell, eventually, tell

CVE = "CVE-2019-10906"
SECONDS = 30.0
"""As long as anything may take on a machine that does other things too."""

CONFIG = """
[projects.acme.repositories.all-libs]
format = "pypi"
kind = "virtual"
members = ["internal"]

[[policies]]
name = "nothing-high"
repositories = ["acme/all-libs"]
severity = "high"
scope = "transitive"

[plugins.osv]
dump = "records"
"""


def record() -> dict[str, Any]:
    return {
        "id": "PYSEC-2019-217",
        "aliases": [CVE, "GHSA-462w-v97r-4m45"],
        "summary": "Sandbox escape by str.format_map",
        "modified": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "published": "2019-04-07T00:29:00Z",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N"}],
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "jinja2"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.10.1"}]}],
            }
        ],
    }


class Team:
    """A registry with a scanner, and twine."""

    def __init__(self, folder: Path, shell: Shell) -> None:
        self.registry = Registry(folder)
        self.folder = folder
        self._shell = shell
        (folder / "records").mkdir()
        (folder / "records" / "PYSEC-2019-217.json").write_text(json.dumps(record()))
        self.registry.config.write_text(self.registry.config.read_text() + CONFIG)

    def uploads(self, name: str, version: str, *requires: str) -> None:
        more = "\n".join(f"Requires-Dist: {one}" for one in requires)
        filename, data = make_wheel(name, version, metadata_extra=more)
        (self.folder / filename).write_bytes(data)
        line = f"twine upload --repository-url {self.registry.repository}/legacy/ -u __token__ -p {self.registry.token}"
        done = self._shell.run(f"{line} {self.folder / filename}")
        assert done.code == 0, done.output

    def affected(self, repository: str = "acme/internal") -> dict[str, list[str]]:
        """Who is hit there, by which path."""
        told = json.loads(self.registry.cli("affected", CVE, "--repo", repository, "--json"))
        return {
            f"{one['package']} {one['version']}": [f"{hop['package']} {hop['version']}" for hop in one["path"]]
            for one in told["affected"]
        }

    def shown(self, package: str) -> set[str]:
        """The files on the page that the policy is over."""
        return set(self.registry.files(package, f"{self.registry.url}/pypi/acme/all-libs"))


@pytest.fixture
def team(tmp_path: Path, shell: Shell) -> Iterator[Team]:
    made = Team(tmp_path / "served", shell)
    with made.registry as registry:
        registry.token = registry.new_token("ci", "acme:publish")
        yield made
        assert registry.stop() == 0
        assert registry.faults() == []


def test_from_an_upload_to_who_is_hit_and_to_who_is_clear_again(team: Team) -> None:
    team.uploads("jinja2", "2.10")
    team.uploads("mid-lib", "1.0", "jinja2<2.11")
    team.uploads("top-app", "1.0", "mid-lib")
    uploaded = time.monotonic()
    hit = {"jinja2 2.10": [], "mid-lib 1.0": ["jinja2 2.10"], "top-app 1.0": ["mid-lib 1.0", "jinja2 2.10"]}
    assert eventually(lambda: team.affected() == hit, SECONDS), team.affected()
    tell(f"{CVE} was told of all three {time.monotonic() - uploaded:.1f} s after the last upload")
    assert eventually(lambda: team.shown("top-app") == set(), SECONDS)
    assert team.affected("acme/all-libs") == hit
    tree = team.registry.cli("graph", "acme/internal/top-app==1.0")
    assert "    `-- jinja2 2.10  HIGH CVE-2019-10906 (fixed in 2.10.1)  <- jinja2<2.11" in tree.splitlines()
    assert "<svg " in team.registry.cli("graph", "acme/internal/top-app==1.0", "--svg")

    team.uploads("jinja2", "3.1.4")
    team.uploads("mid-lib", "1.1", "jinja2>=3")
    uploaded = time.monotonic()
    rest = {"jinja2 2.10": [], "mid-lib 1.0": ["jinja2 2.10"]}
    assert eventually(lambda: team.affected() == rest, SECONDS), team.affected()
    tell(f"top-app was clear {time.monotonic() - uploaded:.1f} s after the upload of mid-lib 1.1")
    assert eventually(lambda: team.shown("top-app") == {"top_app-1.0-py3-none-any.whl"}, SECONDS)
    assert team.shown("mid-lib") == {"mid_lib-1.1-py3-none-any.whl"}


def test_who_fetched_it_is_named(team: Team) -> None:
    registry = team.registry
    team.uploads("jinja2", "2.10")
    team.uploads("mid-lib", "1.0", "jinja2<2.11")
    assert eventually(lambda: len(team.affected()) == 2, SECONDS)
    [file] = registry.files("mid-lib").values()
    assert registry.download("mid-lib", file).status == 200

    def fetched() -> list[tuple[str, str]]:
        told = json.loads(registry.cli("affected", "ghsa-462w-v97r-4m45", "--days", "1", "--json"))
        return [(one["filename"], one["account"]) for one in told["downloads"]]

    assert eventually(lambda: fetched() == [("mid_lib-1.0-py3-none-any.whl", "service:ci")], SECONDS), fetched()

"""`orbitalreg oidc explain`, as a process with a configuration alone."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_gitlab import FakeGitLab, Make
from orbitalreg_oidc_gitlab.explain import OidcCommands

from orbitalreg.interfaces import Surroundings
from orbitalreg.surroundings import client_of
from orbitalreg.testing import BaseCommandsContract, CommandsUnderTest

pytest_plugins = ["orbitalreg.testing"]

CONFIG = """
[plugins.oidc-gitlab]
audience = "orbitalreg"

[[plugins.oidc-gitlab.issuers]]
url = "{url}"
ca_bundle = "gitlab-ca.pem"

[[plugins.oidc-gitlab.publishers]]
issuer = "{url}"
project_path = "acme/my-lib"
project_id = 42
grants = ["acme/internal/my-lib:publish"]

[[plugins.oidc-gitlab.publishers]]
issuer = "{url}"
project_path = "acme/my-lib"
ref = "main"
environment = "release"
grants = ["acme/internal:read"]
"""

Explain = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def explain(gitlab: FakeGitLab, tmp_path: Path) -> Explain:
    (tmp_path / "orbitalreg.toml").write_text(CONFIG.format(url=gitlab.url))

    def run(token: str, *options: str) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "token").write_text(f"{token}\n")
        command = [sys.executable, "-m", "orbitalreg", "oidc", "explain", "--token-file", "token", *options]
        done = subprocess.run(command, cwd=tmp_path, input=token, capture_output=True, text=True, timeout=60)
        assert token not in done.stdout + done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["gitlab-ca.pem", "orbitalreg.toml", "token"]
        return done

    return run


def test_which_publishers_match_and_which_claims_failed_in_the_others(explain: Explain, gitlab: FakeGitLab) -> None:
    done = explain(gitlab.token())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"issuer: {gitlab.url}",
        "job: acme/my-lib, job 302, commit 714a629c0b40, protected ref v1.2",
        "token: good",
        "plugins.oidc-gitlab.publishers.0: matches",
        "plugins.oidc-gitlab.publishers.1: environment is missing, must be 'release'; "
        "ref is 'v1.2', must be like 'main'",
        "  note: without project_id, a project that is made under this path later matches too",
        "grants: acme/internal/my-lib:publish",
    ]


def test_a_token_that_has_expired_is_judged_too(explain: Explain, gitlab: FakeGitLab) -> None:
    done = explain(gitlab.token(exp=int(time.time()) - 60, project_id="43"))
    assert done.returncode == 1
    assert "token: refused; exp: the token has expired" in done.stdout
    assert "publishers.0: project_id is '43', must be '42'\n" in done.stdout
    assert done.stdout.endswith("grants: none\n")


def test_another_issuer(explain: Explain, gitlab: FakeGitLab) -> None:
    done = explain(gitlab.token(iss=f"{gitlab.url}/"))
    assert done.returncode == 1
    assert (
        f"token: refused; iss: found '{gitlab.url}/'; the issuers are '{gitlab.url}', letter for letter" in done.stdout
    )
    assert gitlab.asked == []


def test_for_programs(explain: Explain, gitlab: FakeGitLab) -> None:
    told = json.loads(explain(gitlab.token(aud="other"), "--json").stdout)
    assert told["refused"] == "aud: found 'other'; it must be 'orbitalreg'"
    assert [publisher["matches"] for publisher in told["publishers"]] == [True, False]


def test_from_stdin(explain: Explain, gitlab: FakeGitLab) -> None:
    assert "token: good" in explain(gitlab.token(), "--token-file", "-").stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--token-file", "absent"], "orbitalreg: absent cannot be read: No such file or directory"),
        (["--token-file", "orbitalreg.toml"], "orbitalreg: what came is no signed token (JWT): write the job's"),
    ],
)
def test_no_token_at_all(explain: Explain, gitlab: FakeGitLab, options: list[str], says: str) -> None:
    done = explain(gitlab.token(), *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1


class TestOidc(BaseCommandsContract):
    @pytest.fixture
    def subject(self, options: dict[str, Any], tmp_path: Path) -> CommandsUnderTest:
        surroundings = Surroundings(options, tmp_path, tmp_path / "plugins", client_of)
        absent = ["explain", "--token-file", str(tmp_path / "absent")]
        return CommandsUnderTest(lambda: OidcCommands(surroundings), refused=[absent])


def test_nothing_is_made_on_the_disk(make: Make, tmp_path: Path) -> None:
    make()
    assert [path.name for path in tmp_path.iterdir()] == ["gitlab-ca.pem"]

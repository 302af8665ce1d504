"""The exchanger that the docs show as an example, against the fake issuer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_gitlab import FakeGitLab
from github_exchanger import GitHubExchanger

from orbitalreg.errors import ConfigError, ExchangeRefused
from orbitalreg.interfaces import Clients, Surroundings

OPTIONS = {
    "audience": "orbitalreg",
    "publishers": [{"repository_id": "42", "grants": ["acme/internal/my-lib:publish"]}],
}
JOB = {
    "repository": "acme/my-lib",
    "repository_id": "42",
    "repository_owner_id": "65",
    "ref": "refs/tags/v1.2",
    "ref_protected": "true",
    "event_name": "push",
    "run_id": "577",
    "run_attempt": "1",
    "job_workflow_ref": "acme/my-lib/.github/workflows/release.yml@refs/tags/v1.2",
}

Make = Callable[..., GitHubExchanger]


@pytest.fixture
def make(gitlab: FakeGitLab, tmp_path: Path, clients: Clients) -> Make:
    def make(**changes: Any) -> GitHubExchanger:
        told = OPTIONS | {"issuer": gitlab.url} | changes
        return GitHubExchanger(Surroundings(told, tmp_path, tmp_path, lambda server: clients(server, gitlab.ca_file)))

    return make


def test_a_job_of_a_publisher(make: Make, gitlab: FakeGitLab) -> None:
    exchange = make().exchange(gitlab.token(**JOB))
    assert exchange is not None
    assert list(map(str, exchange.grants)) == ["acme/internal/my-lib:publish"]
    assert exchange.origin["summary"] == "acme/my-lib, run 577, ref refs/tags/v1.2"
    assert make(publishers=[]).grants(exchange.origin) == ()


@pytest.mark.parametrize(
    "claims",
    [
        {"repository_id": "43"},
        {"ref_protected": "false"},
        {"event_name": "pull_request"},
        {"event_name": None},
        {"aud": "other"},
        {"jti": None},
        {"run_id": None},
    ],
)
def test_a_job_that_is_refused(make: Make, gitlab: FakeGitLab, claims: dict[str, Any]) -> None:
    with pytest.raises(ExchangeRefused):
        make().exchange(gitlab.token(**JOB | claims))


def test_another_issuer_is_not_ours(make: Make, gitlab: FakeGitLab) -> None:
    assert make().exchange(gitlab.token(iss=f"{gitlab.url}/")) is None
    assert gitlab.asked == []


@pytest.mark.parametrize("wrong", [{"audience": ""}, {"x": 1}, {"publishers": [{}]}, {"publishers": [{"grants": "x"}]}])
def test_settings_that_are_wrong(make: Make, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        make(**wrong)

"""A fake GitLab, and the exchanger that knows it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this one, whatever the import mode

from fake_gitlab import Clock, FakeGitLab, Make
from orbitalreg_oidc_gitlab.exchanger import GitLabExchanger

from orbitalreg.interfaces import Clients, Surroundings
from orbitalreg.surroundings import ServerClient, client_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[FakeGitLab]:
    with FakeGitLab(tmp_path) as gitlab:
        yield gitlab


@pytest.fixture
def options(gitlab: FakeGitLab) -> dict[str, Any]:
    """The table of the plugin as the docs have it."""
    return {
        "audience": "orbitalreg",
        "issuers": [{"url": gitlab.url, "ca_bundle": gitlab.ca_file.name}],
        "publishers": [
            {
                "issuer": gitlab.url,
                "project_path": "acme/my-lib",
                "project_id": 42,
                "grants": ["acme/internal/my-lib:publish"],
            }
        ],
    }


@pytest.fixture
def clients() -> Iterator[Clients]:
    """The host's, which keep their connections; closed in the end."""
    made: list[ServerClient] = []

    def client(server: str, ca_bundle: Path | None = None) -> ServerClient:
        made.append(client_of(server, ca_bundle))
        return made[-1]

    yield client
    for each in made:
        each._client.close()


@pytest.fixture
def make(options: dict[str, Any], tmp_path: Path, clock: Clock, clients: Clients) -> Make:
    """An exchanger whose first publisher has `changes`; None takes a condition away."""

    def make(more: dict[str, Any] | None = None, **changes: Any) -> GitLabExchanger:
        publisher = options["publishers"][0] | changes
        publisher = {key: value for key, value in publisher.items() if value is not None}
        told = options | {"publishers": [publisher, *options["publishers"][1:]]} | (more or {})
        return GitLabExchanger(Surroundings(told, tmp_path, tmp_path / "plugins", clients), clock)

    return make

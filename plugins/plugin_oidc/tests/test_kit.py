"""The exchanger, and the example of the docs, pass the kit."""

import time
from pathlib import Path
from typing import Any

import pytest
from fake_gitlab import FORK_MERGE_REQUEST, FakeGitLab
from github_exchanger import GitHubExchanger
from orbitalreg_oidc_gitlab.exchanger import GitLabExchanger
from test_github_exchanger import JOB, OPTIONS

from orbitalreg.interfaces import Clients
from orbitalreg.testing import BaseTokenExchangerContract, TokenExchangerUnderTest

pytest_plugins = ["orbitalreg.testing"]


class TestGitLab(BaseTokenExchangerContract):
    @pytest.fixture
    def subject(
        self, gitlab: FakeGitLab, options: dict[str, Any], tmp_path: Path, clients: Clients
    ) -> TokenExchangerUnderTest:
        return TokenExchangerUnderTest(
            cls=GitLabExchanger,
            base=tmp_path,
            options=options,
            options_without_rules=options | {"publishers": []},
            bad_options=[{}, options | {"issuer": "x"}, options | {"publishers": [{"grants": ["acme"]}]}],
            good=[gitlab.token(), gitlab.token(job_id="303", ref="v1.3")],
            bad={
                gitlab.token(exp=int(time.time()) - 60): "invalid-token",
                gitlab.token(1, headers={"kid": "made-up"}): "invalid-token",
                gitlab.token(**FORK_MERGE_REQUEST): "invalid-publisher",
                gitlab.token(project_id="43"): "invalid-publisher",
            },
            others=[gitlab.token(iss=f"{gitlab.url}/"), gitlab.token(iss="https://gitlab.example.com")],
            clients=clients,
        )


class TestGitHub(BaseTokenExchangerContract):
    @pytest.fixture
    def subject(self, gitlab: FakeGitLab, tmp_path: Path, clients: Clients) -> TokenExchangerUnderTest:
        options = OPTIONS | {"issuer": gitlab.url}
        return TokenExchangerUnderTest(
            cls=GitHubExchanger,
            base=tmp_path,
            options=options,
            options_without_rules=options | {"publishers": []},
            bad_options=[{}, options | {"publisher": []}, options | {"publishers": [{}]}],
            good=[gitlab.token(**JOB), gitlab.token(**JOB)],
            bad={
                gitlab.token(**JOB | {"aud": "other"}): "invalid-token",
                gitlab.token(**JOB | {"repository_id": "43"}): "invalid-publisher",
            },
            others=[gitlab.token(**JOB | {"iss": f"{gitlab.url}/"})],
            clients=lambda server, ca_bundle=None: clients(server, gitlab.ca_file),
        )

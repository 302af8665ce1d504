"""What the tests of the API share: a stocked registry without a socket, and a served one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from falcon import testing

from orbitalreg.client import Client
from orbitalreg.model import Address

ROOT = "/api/v1"
TOYS = f"{ROOT}/projects/acme/repositories/toys"
BALL = f"{TOYS}/packages/ball"


class Api:
    """Requests to the API of one site."""

    def __init__(self, site: Any) -> None:
        self.site = site

    def __call__(
        self, method: str, path: str, body: Any = None, token: str | None = "", **options: Any
    ) -> testing.Result:
        """As the publisher unless another `token`, or None for nobody, is given."""
        headers = options.pop("headers", {})
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
            options["body"] = body if isinstance(body, bytes) else json.dumps(body)
        result: testing.Result = self.site.request(method, path, token, headers, **options)
        return result

    def get(self, path: str, token: str | None = "", **query: Any) -> Any:
        """The answer's JSON; it must be good."""
        answer = self("GET", path, token=token, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json

    def names(self, path: str, key: str = "name", token: str | None = "", **query: Any) -> list[str]:
        """What the whole list of that address says under `key`, part by part."""
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            part = self.get(path, token, **query, **cursor)
            found += [item[key] for item in part["items"]]
            if part["next"] is None:
                return found
            cursor = {"cursor": part["next"]}


@pytest.fixture
def api(site: Any) -> Api:
    return Api(site)


@pytest.fixture
def stocked(site: Any) -> Any:
    for name in ("ball", "kite"):
        for version in ("1", "2", "10"):
            assert site.put(f"{name}@{version}.toy").status_code == 200
    return site


class Served:
    """A server as a process, with the registry's own command line beside it."""

    def __init__(self, server: Any, cli: Callable[..., Any], config: Path) -> None:
        self.url: str = server.url
        self._cli = cli
        self.config = config
        self._config = str(config)
        self.keeper = self.token("keeper", "acme:maintain")

    def token(self, name: str, *grants: str, options: tuple[str, ...] = ()) -> str:
        chosen = [part for grant in grants for part in ("--grant", grant)]
        return str(self.local("token", "create", name, *chosen, *options).stdout).strip()

    def local(self, *arguments: str) -> Any:
        """A command on the data."""
        result = self._cli(*arguments, "--config", self._config)
        assert result.exit_code == 0, result.stderr
        return result

    def client(self, token: str | None = None) -> Client:
        return Client(self.url, token or self.keeper)

    def put(self, filename: str, body: bytes = b"a toy") -> None:
        answer = requests.post(
            f"{self.url}/toy/acme/toys/put/{filename}",
            data=body,
            headers={"Authorization": f"Bearer {self.keeper}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture
def served(server: Any, cli: Callable[..., Any], configured: Path) -> Served:
    return Served(server, cli, configured)


@pytest.fixture
def toys() -> Address:
    return Address("acme", "toys")

"""schemathesis holds the document against a running server: no 5xx, and every answer is as the document says.

It asks as callers of several rights, of things that are there and things that are not, in the form that the document
asks for and in others.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from orbitalreg import config
from orbitalreg.assembly import Registry, assemble
from orbitalreg.client import Client
from orbitalreg.errors import NotFound
from orbitalreg.model import Actor, Address, Grant, Status

from ..conftest import CONFIGURATION, ServerProcess
from ..reported import BLANK, HIGH, SAME, put
from .conftest import ROOT

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

EXAMPLES = 8
CALLERS = {"reader": ["acme:read"], "admin": ["acme:admin"], "keeper of ball": ["acme/toys/ball:maintain"]}
FILES = ["ball@1.toy", "ball@2.toy", "Kite@1.toy"]
KINDS = """
[projects.acme.repositories.public]
format = "toy"
kind = "remote"
upstream = "http://127.0.0.1:9/toys"
offline = true
min_age = "7d"

[projects.acme.repositories.all]
format = "toy"
kind = "virtual"
members = ["toys", "public"]
"""
KNOWN = {
    "project": ["acme"],
    "repository": ["toys", "open", "public", "all"],
    "package": ["ball", "Kite", "absent"],
    "version": ["1", "2"],
    "filename": FILES,
    "scanner": ["grype", "absent"],
}


@dataclass(frozen=True)
class Running:
    """A server as a process, and the registry that it serves."""

    url: str
    registry: Registry
    tokens: dict[str, str]

    def restock(self) -> str:
        """Everything is there again; the id of a token of the admin's that may be lost."""
        with Client(self.url, self.tokens["admin"]) as client:
            for package in ("ball", "kite"):
                with suppress(NotFound):
                    client.set_status(Address("acme", "toys"), package, Status())
            for filename in FILES:
                self._put(filename)
            documents = {"cyclonedx": b"{}", "spdx": b"{}"}
            put(self.registry, "acme/toys", "ball@1.toy", HIGH, SAME, raw=b"{}", documents=documents)
            put(self.registry, "acme/toys", "ball@2.toy", BLANK)
            return client.create_token("spare", [Grant.parse("acme/toys:read")]).id

    def _put(self, filename: str) -> None:
        answer = requests.post(
            f"{self.url}/toy/acme/toys/put/{filename}",
            data=b"a toy",
            headers={"Authorization": f"Bearer {self.tokens['admin']}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "orbitalreg.toml").write_text(CONFIGURATION + KINDS)
    server = ServerProcess(folder, "--config", str(folder / "orbitalreg.toml"))
    registry = assemble(config.load(folder / "orbitalreg.toml"))
    tokens = {
        who: registry.accounts.create_token(
            who.replace(" ", "-"), None, [Grant.parse(grant) for grant in grants], None, Actor("local:test")
        ).text
        for who, grants in CALLERS.items()
    }
    try:
        yield Running(server.url, registry, tokens)
    finally:
        registry.close()
        registry.catalog.close()
        assert server.stop()[0] == 0
        assert "Traceback" not in server.stderr


@pytest.fixture(scope="module")
def schema(running: Running) -> Any:
    return schemathesis.openapi.from_url(f"{running.url}{ROOT}/openapi.json")


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_the_server_does_what_its_document_says(mode: str, who: str, running: Running, schema: Any) -> None:
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 25
    for operation in operations:
        if mode == "negative" and not (operation.query or operation.body):
            continue  # nothing can be wrong with it
        hold(operation, schemathesis.GenerationMode(mode), who, running)


def hold(operation: Any, mode: Any, who: str, running: Running) -> None:
    """Ask for one operation several times, each time of things that are there or not."""
    spare = running.restock()
    known = {**KNOWN, "token": [spare]}

    @seed(1)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if mode is schemathesis.GenerationMode.POSITIVE:
            case.query.pop("cursor", None)  # no schema says which texts a server gave
        if mode is schemathesis.GenerationMode.POSITIVE and data.draw(st.integers(0, 3)):
            for name in case.path_parameters or {}:
                case.path_parameters[name] = data.draw(st.sampled_from(known[name]))
        case.call_and_validate(headers={"Authorization": f"Bearer {running.tokens[who]}"}, timeout=30)

    ask()


def test_the_client_reads_what_the_server_tells(running: Running) -> None:
    running.restock()
    with Client(running.url, running.tokens["reader"]) as client:
        assert [package.name for package in client.packages(Address("acme", "toys"))] == ["ball", "kite"]

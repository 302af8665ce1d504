"""The scanner over dumps that tests make."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this one, whatever the import mode

import records_made
from asked_of_osv import Make, no_server
from fake_osv import FakeOsv
from orbitalreg_osv.scanner import Osv

from orbitalreg.interfaces import Clients, Surroundings
from orbitalreg.surroundings import ServerClient, client_of

pytest_plugins = ["orbitalreg.testing"]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A scanner with these options, which asks no server."""

    def make(**options: Any) -> Osv:
        return Osv(Surroundings(options, tmp_path, tmp_path / "own", no_server))

    return make


@pytest.fixture
def over(tmp_path: Path, make: Make) -> Callable[[Iterable[Any]], Osv]:
    """A scanner over a dump of these records, however old."""

    def over(records: Iterable[Any], **options: Any) -> Osv:
        records_made.dump(tmp_path / "all.zip", records)
        return make(dump="all.zip", max_age="5000w", **options)

    return over


@pytest.fixture
def osv_dev() -> Iterator[FakeOsv]:
    with FakeOsv() as osv:
        yield osv


@pytest.fixture
def clients() -> Iterator[Clients]:
    """The host's, which keep their connections; closed in the end."""
    made: list[ServerClient] = []

    def client(server: str, ca_bundle: Path | None = None) -> ServerClient:
        found = client_of(server, ca_bundle)
        assert isinstance(found, ServerClient)
        made.append(found)
        return found

    yield client
    for each in made:
        each._client.close()

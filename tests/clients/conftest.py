"""These tests run eight clients as their users do. Run them alone: make test-clients"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TREE = HERE.parent.parent
# The server's harness is that of the tests beside these; the builders of archives are the plugin's.
sys.path[:0] = [str(HERE), str(TREE / "tests" / "e2e"), str(TREE / "plugins" / "plugin_pypi" / "tests")]

from environments import Unreachable, backends  # noqa: E402  # from the paths above
from ledger import Entries, Ledger  # noqa: E402
from repositories import Repository, Tokens, running  # noqa: E402
from user import NewUser, User, new_user  # noqa: E402

from orbitalreg.model import Kind  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test may have to install a client."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.online)
            item.add_marker(pytest.mark.timeout(280))


@pytest.fixture(scope="session")
def book() -> Ledger:
    """`$ORBITALREG_LEDGER` is the file that keeps it for the page."""
    file = os.environ.get("ORBITALREG_LEDGER")
    return Ledger(file=Path(file) if file else None)


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory, book: Ledger) -> Iterator[Mapping[Kind, Repository]]:
    """One of each kind, with the demo packages and the build backends."""
    try:
        wheels = backends()
    except Unreachable as error:
        book.lacks()
        pytest.skip(str(error))
    with running(tmp_path_factory.mktemp("registries"), wheels) as found:
        yield found


@pytest.fixture(params=Kind)
def repository(request: pytest.FixtureRequest, repositories: Mapping[Kind, Repository]) -> Repository:
    """A test that takes this runs on every kind, or on those that it names itself."""
    return repositories[request.param]


@pytest.fixture
def tokens(repository: Repository) -> Tokens:
    return repository.tokens


@pytest.fixture
def ledger(book: Ledger, repository: Repository) -> Entries:
    """What the test enters is said of the kind that it runs on."""
    return Entries(book, repository.kind)


@pytest.fixture
def user(repository: Repository, book: Ledger, tmp_path: Path) -> NewUser:

    def make(client: str, token: str | None) -> User:
        try:
            return new_user(client, repository, token, tmp_path / client)
        except Unreachable as error:
            book.lacks()
            pytest.skip(str(error))

    return make

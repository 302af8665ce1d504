"""These tests run eight clients as their users do. Run them alone: make test-clients"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TREE = HERE.parent.parent
# The server's harness is that of the tests beside these; the builders of archives are the plugin's.
sys.path[:0] = [str(HERE), str(TREE / "tests" / "e2e"), str(TREE / "plugins" / "plugin_pypi" / "tests")]

from archives_corpus import make_sdist, make_wheel  # noqa: E402  # from the paths above
from environments import Unreachable, backends  # noqa: E402
from harness import Registry  # noqa: E402
from ledger import Ledger  # noqa: E402
from user import NewUser, Tokens, User, new_user  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test may have to install a client, and the page is compared when all have spoken."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.online)
            item.add_marker(pytest.mark.timeout(280))
    items.sort(key=lambda item: item.path == HERE / "test_page.py")


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> Iterator[Registry]:
    """A running server with the demo packages and the build backends."""
    try:
        wheels = backends()
    except Unreachable as error:
        ledger.absent = True
        pytest.skip(str(error))
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        running.token = running.new_token("e2e", "acme/internal:maintain")
        _publish(running, wheels)
        yield running
        assert running.faults() == []


def _publish(registry: Registry, wheels: list[Path]) -> None:
    requires = "Requires-Dist: orbdemo-dep>=1"
    for version, more in (("1.0", ""), ("2.0", requires)):
        for make in (make_wheel, make_sdist):
            assert registry.upload(*make("orbdemo-app", version, metadata_extra=more)).status == 200
    for name in ("orbdemo-dep", "orbdemo-yanked"):
        for version in ("1.0", "1.1"):
            assert registry.upload(*make_wheel(name, version)).status == 200
    registry.cli("yank", "acme/internal/orbdemo-yanked==1.1", "--reason", "eats the data")
    for wheel in wheels:
        assert registry.upload(wheel.name, wheel.read_bytes()).status == 200


@pytest.fixture(scope="session")
def tokens(registry: Registry) -> Tokens:
    revoked = registry.new_token("gone")
    registry.cli("token", "revoke", "gone")
    return Tokens(
        publisher=registry.new_token("publisher"),
        reader=registry.new_token("reader", "acme/internal:read"),
        stranger=registry.new_token("stranger", "acme/internal/nothing-*:read"),
        revoked=revoked,
    )


@pytest.fixture
def user(registry: Registry, ledger: Ledger, tmp_path: Path) -> NewUser:

    def make(client: str, token: str | None) -> User:
        try:
            return new_user(client, registry, token, tmp_path / client)
        except Unreachable as error:
            ledger.absent = True
            pytest.skip(str(error))

    return make

"""Dependency confusion: a stranger's greater version of a private name on the public index, by every client.

`lib` and `corp-tool` are held by the local member; `corp-unborn` is a private name without an upload yet.
"""

import re
from collections.abc import Iterator

import pytest
from company import Company
from environments import Unreachable, backends
from harness import eventually
from ledger import OFFERED, Action, Entries
from repositories import Repository, Tokens
from user import INSTALL, LOCK_FILES, NewUser, User

from orbitalreg.model import Kind

OURS = {"service-1.0", "app-1.0", "lib-1.0", "corp_tool-1.0"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    try:
        wheels = backends()
    except Unreachable as error:
        pytest.skip(str(error))
    with Company(tmp_path_factory.mktemp("company") / "site") as company:
        for wheel in wheels:
            assert company.registry.upload(wheel.name, wheel.read_bytes()).status == 200
        for name in ("lib", "corp-tool"):
            company.puts_inside(name, "1.0")
            company.puts_outside(name, "99.0")
        company.puts_outside("corp-unborn", "99.0")
        company.puts_outside("app", "1.0", requires="lib")
        company.puts_inside("service", "1.0", requires="app")
        yield company
        assert company.registry.faults() == []


@pytest.fixture
def company(running: Company) -> Company:
    running.index.requests.clear()
    return running


@pytest.fixture(params=["all-libs"])
def repository(request: pytest.FixtureRequest, company: Company) -> Repository:
    token = company.registry.token
    return Repository(Kind.VIRTUAL, f"acme/{request.param}", company.registry, Tokens(token, token, token, token))


@pytest.mark.parametrize("client", OFFERED[Action.CONFUSED])
def test_a_strangers_99_is_never_offered(
    client: str, user: NewUser, company: Company, repository: Repository, ledger: Entries
) -> None:
    """By its name, through a public package that needs it, by its number, and by the file's address."""
    attacked = user(client, repository.tokens.reader)
    attacked.wants("service", "corp-tool")
    attacked.ok(INSTALL[client])
    assert attacked.installed == OURS
    assert "99.0" not in _locked(attacked)
    for wanted in ("lib==99.0", "corp-tool>1", "corp-unborn", "corp-unborn==99.0"):
        attacked.wants(wanted)
        attacked.refused(INSTALL[client])
        assert attacked.installed == set()
    for name in ("lib", "corp-unborn"):
        _refused_by_address(attacked, name, f"{name.replace('-', '_')}-99.0-py3-none-any.whl")
    assert company.asked("corp-") == company.asked("lib") == []
    ledger.ok(Action.CONFUSED, client)


def _refused_by_address(attacked: User, name: str, filename: str) -> None:
    repository = attacked.repository
    before = len(repository.log)
    base = repository.url.replace("://", f"://__token__:{repository.tokens.reader}@")
    attacked.wants(f"{name} @ {base}/files/{name}/{filename}")
    attacked.refused(INSTALL[attacked.client])
    answers = re.compile(rf'/files/{name}/{re.escape(filename)}(?:\.metadata)?","status":(\d+)')
    assert eventually(lambda: "404" in answers.findall(repository.log[before:]))
    assert set(answers.findall(repository.log[before:])) <= {"401", "404"}
    assert attacked.installed == set()


def _locked(user: User) -> str:
    file = user.shell.home / LOCK_FILES.get(user.client, "")
    return file.read_text() if file.is_file() else ""


@pytest.mark.parametrize("client", OFFERED[Action.CONFUSED])
@pytest.mark.parametrize("repository", ["plain"], indirect=True)
def test_without_the_guard_the_greater_version_wins(
    client: str, user: NewUser, company: Company, repository: Repository
) -> None:
    """What the guard is for; and `private_names` are kept from strangers all the same."""
    unguarded = user(client, repository.tokens.reader)
    unguarded.wants("lib", "corp-tool")
    unguarded.ok(INSTALL[client])
    assert unguarded.installed == {"lib-99.0", "corp_tool-1.0"}
    assert company.asked("lib") and company.asked("corp-") == []

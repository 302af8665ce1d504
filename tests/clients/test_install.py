"""Installing, and what else pip and uv do with an index."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from harness import eventually
from ledger import OFFERED, Action, Entries
from repositories import Repository, Tokens
from says import YANKED
from user import INSTALL, LOCK, NewUser

DEMO = {"orbdemo_app-2.0", "orbdemo_dep-1.1"}
BY_PIP = "by pip, which the client calls"


@pytest.mark.parametrize("client", OFFERED[Action.INSTALL])
def test_install(client: str, user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    reader = user(client, tokens.reader)
    reader.wants("orbdemo-app")
    reader.ok(INSTALL[client])
    assert reader.installed == DEMO
    ledger.ok(Action.INSTALL, client, BY_PIP if client in ("hatch", "flit") else "")


@pytest.mark.parametrize("client", OFFERED[Action.YANKED_RANGE])
def test_a_yanked_version(client: str, user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    reader = user(client, tokens.reader)
    reader.wants("orbdemo-yanked>=1")
    assert "yanked:" not in reader.ok(INSTALL[client])
    assert reader.installed == {"orbdemo_yanked-1.0"}
    ledger.ok(Action.YANKED_RANGE, client)

    reader.wants("orbdemo-yanked==1.1")
    reader.run("rm -rf .venv" if client == "hatch" else "true")
    said = reader.ok(INSTALL[client])
    assert reader.installed == {"orbdemo_yanked-1.1"}
    if client in YANKED:
        assert YANKED[client] in said
        return ledger.ok(Action.YANKED_PIN, client, "warns, with the reason given at the yank")
    assert "eats the data" not in said, "the table says that it does not warn"
    if client == "pipenv":
        reader.wants("orbdemo-yanked==1.1")
        assert "Reason for being yanked: eats the data" in reader.ok("pipenv lock --verbose")
    ledger.ok(
        Action.YANKED_PIN, client, "warns with `--verbose` alone" if client == "pipenv" else "installs without a word"
    )


def test_pip_downloads(user: NewUser, tokens: Tokens, repository: Repository, ledger: Entries) -> None:
    pip = user("pip", tokens.reader)
    pip.empty()
    pip.ok("pip download --dest dist orbdemo-app")
    expected = {**repository.files("orbdemo-app"), **repository.files("orbdemo-dep")}
    assert pip.built == {
        filename: expected[filename]["hashes"]["sha256"]
        for filename in ("orbdemo_app-2.0-py3-none-any.whl", "orbdemo_dep-1.1-py3-none-any.whl")
    }
    pip.run("rm -rf dist")
    pip.ok("pip download --dest dist --no-deps --no-binary orbdemo-app orbdemo-app")
    assert set(pip.built) == {"orbdemo_app-2.0.tar.gz"}
    ledger.ok(Action.DOWNLOAD, "pip")


def test_pip_lists_versions(user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    pip = user("pip", tokens.reader)
    pip.empty()
    assert "orbdemo-app (2.0) Available versions: 2.0, 1.0" in pip.ok("pip index versions orbdemo-app")
    told = json.loads(pip.ok("pip index versions --json orbdemo-yanked"))
    assert (told["latest"], told["versions"]) == ("1.0", ["1.0"]), "a yanked version is not listed"
    ledger.ok(Action.VERSIONS, "pip")


def test_pip_reads_metadata_by_range_requests(
    user: NewUser, tokens: Tokens, repository: Repository, ledger: Entries
) -> None:
    """Of what a page lists, pip reads the `.metadata`; of a wheel that is named by its address, parts of the zip."""
    pip = user("pip", tokens.reader)
    pip.empty()
    pip.ok("pip install --use-feature=fast-deps orbdemo-app")
    assert pip.installed == DEMO
    pip.empty()
    before = len(repository.log)
    pip.ok(f"pip install --use-feature=fast-deps {_address(repository)}")
    assert pip.installed == DEMO
    assert eventually(lambda: "206" in _answers(repository, before))
    ledger.ok(Action.RANGES, "pip", "`--use-feature=fast-deps`")


def test_uv_reads_metadata_by_range_requests(
    user: NewUser, tokens: Tokens, repository: Repository, ledger: Entries
) -> None:
    uv = user("uv", tokens.reader)
    uv.wants()
    before = len(repository.log)
    uv.ok(f"echo 'orbdemo-app @ {_address(repository)}' | uv pip compile -")
    assert eventually(lambda: set(_answers(repository, before)) - {"401"} == {"200", "206"}), "200 to its HEAD"
    ledger.ok(Action.RANGES, "uv", "by itself")


def _address(repository: Repository) -> str:
    base = repository.url.replace("://", f"://__token__:{repository.tokens.reader}@")
    return f"{base}/files/orbdemo-app/{WHEEL}"


def _answers(repository: Repository, since: int) -> list[str]:
    """The status of each answer to a request for the wheel."""
    return re.findall(rf'/files/orbdemo-app/{WHEEL}","status":(\d+)', repository.log[since:])


WHEEL = "orbdemo_app-2.0-py3-none-any.whl"
LONG_AGO = "2020-01-01T00:00:00Z"
SOON = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_pip_leaves_out_what_is_too_young(user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    pip = user("pip", tokens.reader)
    pip.empty()
    line = "pip install --uploaded-prior-to {} orbdemo-app"
    assert "(from versions: none)" in pip.refused(line.format(LONG_AGO))
    pip.ok(line.format(SOON))
    assert pip.installed == DEMO
    ledger.ok(Action.BY_AGE, "pip", "`--uploaded-prior-to`")


def test_uv_leaves_out_what_is_too_young(user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    uv = user("uv", tokens.reader)
    uv.wants("orbdemo-app")
    line = "uv pip compile --exclude-newer {} requirements.txt"
    said = uv.refused(line.format(LONG_AGO))
    assert "was filtered by `exclude-newer`" in said and "published at 20" in said
    said = uv.ok(line.format(SOON))
    assert "orbdemo-app==2.0" in said and "orbdemo-dep==1.1" in said
    ledger.ok(Action.BY_AGE, "uv", "`--exclude-newer`, of `uv pip compile` too")


def test_pdm_leaves_out_what_is_too_young(user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    pdm = user("pdm", tokens.reader)
    pdm.wants("orbdemo-app")
    assert "Unable to find candidates" in pdm.refused(f"{LOCK['pdm']} --exclude-newer {LONG_AGO}")
    pdm.ok(f"{LOCK['pdm']} --exclude-newer {SOON}")
    ledger.ok(Action.BY_AGE, "pdm", "`--exclude-newer`")


def test_poetry_leaves_out_what_is_too_young(user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    poetry = user("poetry", tokens.reader)
    poetry.wants("orbdemo-app")
    assert "version solving failed" in poetry.refused(LOCK["poetry"], POETRY_SOLVER_MIN_RELEASE_AGE="1")
    poetry.ok(LOCK["poetry"], POETRY_SOLVER_MIN_RELEASE_AGE="0")
    ledger.ok(Action.BY_AGE, "poetry", "the setting `solver.min-release-age`, in days")

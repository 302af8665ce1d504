"""Locking, installing from the lock, and hashes that do not fit."""

import re

import pytest
from ledger import OFFERED, Action, Entries
from repositories import Tokens
from user import LOCK, LOCK_FILES, SYNC, NewUser, User

from orbitalreg.model import Kind

DEMO = {"orbdemo_app-2.0", "orbdemo_dep-1.1"}
MISMATCH = {
    "pip": "do not match the hashes",
    "uv": "Hash mismatch for",
    "poetry": "did not match any known checksums in your lock file",
    "pdm": "that matches the environment or hashes",
    "pipenv": "DO NOT MATCH THE HASHES",
}


@pytest.mark.parametrize("client", OFFERED[Action.LOCK])
def test_lock_and_sync(client: str, user: NewUser, tokens: Tokens, ledger: Entries) -> None:
    reader = user(client, tokens.reader)
    reader.wants("orbdemo-app")
    reader.ok(LOCK[client])
    lock = (reader.shell.home / LOCK_FILES[client]).read_text()
    hashes = _hashes(reader)
    assert all(sha256 in lock for filename, sha256 in hashes.items() if filename.endswith(".whl"))
    assert tokens.reader not in lock
    ledger.ok(Action.LOCK, client, "experimental in pip, as it says itself" if client == "pip" else "")

    for line in SYNC[client]:
        reader.empty()
        reader.ok(line)
        assert reader.installed == DEMO
    ledger.ok(Action.SYNC, client, " or ".join(f"`{line}`" for line in SYNC[client]))

    for sha256 in hashes.values():
        lock = lock.replace(sha256, "0" * 64)
    (reader.shell.home / LOCK_FILES[client]).write_text(lock)
    reader.empty()
    said = reader.refused(SYNC[client][0])
    assert MISMATCH[client].lower() in said.lower()
    assert reader.installed == set()
    if client == "pip":
        _pip_requires_hashes(reader)
    ledger.ok(Action.HASHES, client, "the lock, and `--require-hashes`" if client == "pip" else "")


def _hashes(reader: User) -> dict[str, str]:
    """Of the files that are to be locked."""
    listed = {**reader.repository.files("orbdemo-app"), **reader.repository.files("orbdemo-dep")}
    return {
        name: file["hashes"]["sha256"]
        for name, file in listed.items()
        if re.match("orbdemo_app-2.0|orbdemo_dep-1.1", name)
    }


def _pip_requires_hashes(pip: User) -> None:
    dep = _hashes(pip)["orbdemo_dep-1.1-py3-none-any.whl"]
    line = "pip install --require-hashes -r hashed.txt"
    pip.shell.write("hashed.txt", f"orbdemo-dep==1.1 --hash=sha256:{'0' * 64}\n")
    assert "DO NOT MATCH THE HASHES" in pip.refused(line)
    pip.shell.write("hashed.txt", f"orbdemo-dep==1.1 --hash=sha256:{dep}\n")
    pip.ok(line)
    assert pip.installed == {"orbdemo_dep-1.1"}


def test_uv_requires_hashes(user: NewUser, tokens: Tokens) -> None:
    uv = user("uv", tokens.reader)
    uv.wants("orbdemo-app")
    uv.ok("uv pip compile --quiet --generate-hashes -o hashed.txt requirements.txt")
    uv.ok("uv pip sync --require-hashes hashed.txt")
    assert uv.installed == DEMO


@pytest.mark.parametrize("repository", [Kind.LOCAL], indirect=True)
def test_pipenv_takes_an_address_with_and_without_its_last_slash(user: NewUser, tokens: Tokens) -> None:
    """With it, pipenv asks for `simple//orbdemo-dep/`."""
    pipenv = user("pipenv", tokens.reader)
    for end in ("/simple/", "/simple"):
        pipenv.wants("orbdemo-dep")
        pipfile = pipenv.shell.home / "Pipfile"
        pipfile.write_text(pipfile.read_text().replace("/simple/", end))
        pipenv.ok(LOCK["pipenv"])
        assert '"version": "==1.1"' in (pipenv.shell.home / "Pipfile.lock").read_text()

"""Publishing, with what each client builds itself."""

import re

import pytest
from harness import eventually
from ledger import OFFERED, THROUGH, Action, Entries
from repositories import Repository, Tokens
from says import EXISTS_REASON, NO_WORDS, refusal
from user import PUBLISH, NewUser, User


def listed(repository: Repository, name: str) -> dict[str, str]:
    return {filename: file["hashes"]["sha256"] for filename, file in repository.files(name).items()}


@pytest.mark.parametrize("client", OFFERED[Action.PUBLISH])
@pytest.mark.parametrize("repository", THROUGH[Action.PUBLISH], indirect=True)
def test_publish_and_again_and_other_bytes(
    client: str, user: NewUser, tokens: Tokens, repository: Repository, ledger: Entries
) -> None:
    name = f"orbdemo-{repository.kind}-by-{client}"
    publisher = user(client, tokens.publisher)
    publisher.writes(name)
    publisher.ok(PUBLISH[client])
    published = publisher.built
    assert len(published) == 2 and listed(repository, name) == published
    ledger.ok(Action.PUBLISH, client)

    before = repository.files(name)
    publisher.ok(PUBLISH[client])
    assert repository.files(name) == before
    ledger.ok(Action.AGAIN, client, "by the names, not by the bytes" if client == "hatch" else "")

    publisher.writes(name, "changed = True\n")
    if client == "hatch":
        assert publisher.ok(PUBLISH[client]).count("already exists") == 2
        ledger.no(Action.OTHER_BYTES, client, HATCH_NOTE)
    else:
        ledger.ok(Action.OTHER_BYTES, client, _refused(publisher, name))
    assert repository.files(name) == before and publisher.built != published


def _refused(publisher: User, name: str) -> str:
    """Publish, which is refused; the footnote."""
    line, client = PUBLISH[publisher.client], publisher.client
    reason = re.escape(f"File already exists: {name.replace('-', '_')}-1.0") + r"\S+ " + re.escape(EXISTS_REASON)
    said = re.escape(refusal(client, 400, "Bad Request", "REASON")).replace("REASON", reason)
    assert re.search(said, publisher.refused(line))
    if client in ("poetry", "pdm"):
        publisher.ok(f"{line} --skip-existing")
        return f"{NO_WORDS}; `--skip-existing` passes over it" if client == "pdm" else SKIP_NOTE
    if client == "twine":
        assert "does not have support for the following features: --skip-existing" in publisher.refused(
            f"{line} --skip-existing"
        )
        return "`--skip-existing` is for the public index alone, says twine"
    return ""


HATCH_NOTE = (
    "hatch looks at the names that are there, says `already exists`, sends nothing and ends well; "
    "the server keeps what it has, and nobody is told that the bytes differ"
)
SKIP_NOTE = "`--skip-existing` passes over it"


@pytest.mark.parametrize("repository", THROUGH[Action.CHECK], indirect=True)
def test_uv_asks_first(user: NewUser, tokens: Tokens, repository: Repository, ledger: Entries) -> None:
    """`--check-url`: what is there already is not sent, other bytes are told before they are sent."""
    uv = user("uv", tokens.publisher)
    uv.writes(f"orbdemo-{repository.kind}-asks")
    check = repository.url.replace("://", f"://__token__:{tokens.publisher}@") + "/simple/"
    line = f"uv publish --check-url {check}"
    bare = f"{repository.url}/simple/"
    assert f"Uploading orbdemo_{repository.kind}_asks" in uv.ok(line)
    said = uv.ok(line)
    assert "already exists, skipping" in said and "Uploading" not in said
    uv.writes(f"orbdemo-{repository.kind}-asks", "changed = True\n")
    assert "Local file and index file do not match" in uv.refused(line)
    assert "Local file and index file do not match" in uv.refused(f"uv publish --check-url {bare}")
    nameless = "env -u UV_INDEX_INTERNAL_USERNAME -u UV_INDEX_INTERNAL_PASSWORD"
    assert "Server says: File already exists" in uv.refused(f"{nameless} uv publish --check-url {bare}")
    ledger.ok(Action.CHECK, "uv", "`uv publish --check-url`")


@pytest.mark.parametrize("repository", THROUGH[Action.CHECK], indirect=True)
def test_hatch_asks_first(user: NewUser, tokens: Tokens, repository: Repository, ledger: Entries) -> None:
    hatch = user("hatch", tokens.publisher)
    hatch.writes(f"orbdemo-{repository.kind}-prechecked")
    hatch.ok(PUBLISH["hatch"])
    before = len(repository.log)
    assert hatch.ok(PUBLISH["hatch"]).count("already exists") == 2
    asked = re.compile(rf'/legacy/(\+|%2B)simple/orbdemo-{repository.kind}-prechecked/","status":200')
    assert eventually(lambda: asked.search(repository.log[before:]))
    assert '"POST"' not in repository.log[before:]
    ledger.ok(Action.CHECK, "hatch", "by itself, at each publish")

"""Publishing, with what each client builds itself."""

import re

import pytest
from harness import Registry, eventually
from ledger import OFFERED, Action, Ledger
from says import EXISTS_REASON, NO_WORDS, refusal
from user import PUBLISH, NewUser, Tokens, User


def listed(registry: Registry, name: str) -> dict[str, str]:
    return {filename: file["hashes"]["sha256"] for filename, file in registry.files(name).items()}


@pytest.mark.parametrize("client", OFFERED[Action.PUBLISH])
def test_publish_and_again_and_other_bytes(
    client: str, user: NewUser, tokens: Tokens, registry: Registry, ledger: Ledger
) -> None:
    name = f"orbdemo-by-{client}"
    publisher = user(client, tokens.publisher)
    publisher.writes(name)
    publisher.ok(PUBLISH[client])
    published = publisher.built
    assert len(published) == 2 and listed(registry, name) == published
    ledger.ok(Action.PUBLISH, client)

    before = registry.files(name)
    publisher.ok(PUBLISH[client])
    assert registry.files(name) == before
    ledger.ok(Action.AGAIN, client, "by the names, not by the bytes" if client == "hatch" else "")

    publisher.writes(name, "changed = True\n")
    if client == "hatch":
        assert publisher.ok(PUBLISH[client]).count("already exists") == 2
        ledger.no(Action.OTHER_BYTES, client, HATCH_NOTE)
    else:
        ledger.ok(Action.OTHER_BYTES, client, _refused(publisher))
    assert registry.files(name) == before and publisher.built != published


def _refused(publisher: User) -> str:
    """Publish, which is refused; the footnote."""
    line, client = PUBLISH[publisher.client], publisher.client
    reason = re.escape(f"File already exists: orbdemo_by_{client}-1.0") + r"\S+ " + re.escape(EXISTS_REASON)
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


def test_uv_asks_first(user: NewUser, tokens: Tokens, registry: Registry, ledger: Ledger) -> None:
    """`--check-url`: what is there already is not sent, other bytes are told before they are sent."""
    uv = user("uv", tokens.publisher)
    uv.writes("orbdemo-asks")
    check = registry.repository.replace("://", f"://__token__:{tokens.publisher}@") + "/simple/"
    line = f"uv publish --check-url {check}"
    bare = f"{registry.repository}/simple/"
    assert "Uploading orbdemo_asks" in uv.ok(line)
    said = uv.ok(line)
    assert "already exists, skipping" in said and "Uploading" not in said
    uv.writes("orbdemo-asks", "changed = True\n")
    assert "Local file and index file do not match" in uv.refused(line)
    assert "Local file and index file do not match" in uv.refused(f"uv publish --check-url {bare}")
    nameless = "env -u UV_INDEX_INTERNAL_USERNAME -u UV_INDEX_INTERNAL_PASSWORD"
    assert "Server says: File already exists" in uv.refused(f"{nameless} uv publish --check-url {bare}")
    ledger.ok(Action.CHECK, "uv", "`uv publish --check-url`")


def test_hatch_asks_first(user: NewUser, tokens: Tokens, registry: Registry, ledger: Ledger) -> None:
    hatch = user("hatch", tokens.publisher)
    hatch.writes("orbdemo-prechecked")
    hatch.ok(PUBLISH["hatch"])
    before = len(registry.log.read_text())
    assert hatch.ok(PUBLISH["hatch"]).count("already exists") == 2
    asked = re.compile(r'/legacy/(\+|%2B)simple/orbdemo-prechecked/","status":200')
    assert eventually(lambda: asked.search(registry.log.read_text()[before:]))
    assert '"POST"' not in registry.log.read_text()[before:]
    ledger.ok(Action.CHECK, "hatch", "by itself, at each publish")

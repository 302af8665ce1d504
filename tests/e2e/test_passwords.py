"""Users with passwords of an htpasswd file, with twine and pip as their users run them."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import pytest
from archives_corpus import make_wheel
from harness import CONFIG, Registry, Shell, call

PEOPLE = """
[plugins.htpasswd]
file = "htpasswd"

[[grants]]
to = "user:ann"
grants = ["acme/internal:publish"]

[[grants]]
to = "user:bob"
grants = ["acme/internal:read"]
"""
PASSWORDS = {"ann": "correct horse", "bob": "battery:staple"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("passwords")
    (folder / "orbitalreg.toml").write_text(CONFIG.format(max_upload="1MiB") + PEOPLE)
    lines = [f"{user}:{bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()}" for user, word in PASSWORDS.items()]
    (folder / "htpasswd").write_text("\n".join(lines))
    with Registry(folder, options=["--processes", "2"]) as running:
        yield running
        assert running.faults() == []


def upload(shell: Shell, registry: Registry, user: str, password: str, version: str) -> tuple[bool, str]:
    filename, data = make_wheel("acme-thing", version)
    shell.write(f"dist/{filename}", data)
    done = shell.run(
        f"twine upload --non-interactive --repository-url {registry.repository}/legacy/ dist/{filename}",
        TWINE_USERNAME=user,
        TWINE_PASSWORD=password,
    )
    return done.code == 0, done.output


def test_twine_publishes_and_pip_installs_with_user_and_password(registry: Registry, shell: Shell) -> None:
    done, output = upload(shell, registry, "ann", PASSWORDS["ann"], "1.0")
    assert done, output
    place = shell.new_environment()
    netrc = f"machine 127.0.0.1 login bob password {PASSWORDS['bob']}\n"
    shell.write(".netrc", netrc)
    installed = shell.run(f"pip install --index-url http://{registry.authority}/pypi/acme/internal/simple/ acme-thing")
    assert installed.code == 0, installed.output
    assert any("acme" in name for name in place.installed)


def test_twine_is_told_what_is_wrong(registry: Registry, shell: Shell) -> None:
    done, output = upload(shell, registry, "ann", "wrong", "1.1")
    assert not done and "the user name or the password is wrong" in output
    done, output = upload(shell, registry, "bob", PASSWORDS["bob"], "1.1")
    assert not done and "no right to publish" in output


def test_two_processes_have_one_limit_on_failures_and_slow_nobody_who_is_right(registry: Registry) -> None:
    def ask(user: str, word: str) -> int:
        return call("GET", f"{registry.repository}/simple/", user=user, token=word).status

    with ThreadPoolExecutor(4) as threads:
        seen = Counter(threads.map(lambda number: ask("zoe", f"guess {number}"), range(40)))
    assert seen == {401: 20, 429: 20}
    with ThreadPoolExecutor(4) as threads:
        ours = list(threads.map(lambda number: ask("bob", PASSWORDS["bob"] if number % 2 else "wrong"), range(60)))
    assert Counter(ours[1::2]) == {200: 30}
    assert Counter(ours[::2]) == {401: 20, 429: 10}


def test_no_password_is_kept_or_logged(registry: Registry) -> None:
    held = [path.read_bytes() for path in Path(registry.data).rglob("*") if path.is_file()]
    held.append(registry.log.read_bytes())
    assert not [data for data in held for word in PASSWORDS.values() if word.encode() in data]

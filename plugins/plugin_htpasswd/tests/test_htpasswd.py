"""An htpasswd file: what is taken, when it is read again, and how often a password is verified."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from orbitalreg_htpasswd import passwords
from orbitalreg_htpasswd.passwords import REMEMBERED_SECONDS, Passwords
from orbitalreg_htpasswd.plugin import Htpasswd
from orbitalreg_htpasswd.users import LOOK_SECONDS, UsersFile

from orbitalreg.errors import Busy, ConfigError, WrongPassword
from orbitalreg.interfaces import Credentials, Surroundings

HTPASSWD = shutil.which("htpasswd")


def hashed(password: str, prefix: str = "2y") -> str:
    """With one salt: the hashes are in the names of tests, which several processes must agree on."""
    text = bcrypt.hashpw(password.encode(), b"$2b$04$abcdefghijklmnopqrstuu").decode()
    return f"${prefix}$" + text.removeprefix("$2b$")


ANN, BOB = hashed("hunter2"), hashed("hunter3")


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    path.write_text(f"# people\n\nann:{ANN}\nbob:{BOB}\n")
    return path


def made(folder: Path, **options: Any) -> Htpasswd:
    def refuse(*arguments: object) -> Any:
        raise AssertionError("asks no server")

    return Htpasswd(Surroundings(options, folder, folder / "own", refuse))


@pytest.fixture
def htpasswd(file: Path) -> Htpasswd:
    return made(file.parent, file="htpasswd")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that passwords were verified against, one after the other."""
    seen: list[str] = []
    genuine = bcrypt.checkpw

    def check(password: bytes, against: bytes) -> bool:
        seen.append(against.decode())
        return genuine(password, against)

    monkeypatch.setattr(passwords.bcrypt, "checkpw", check)
    return seen


def shown(user: str | None, secret: str | None) -> Credentials:
    return Credentials(user, secret, {}, "127.0.0.1", "127.0.0.1")


# Who is known


def test_a_user_is_known_by_the_password(htpasswd: Htpasswd) -> None:
    assert htpasswd.authenticate(shown("ann", "hunter2")) == "ann"
    assert htpasswd.authenticate(shown("bob", "hunter3")) == "bob"


@pytest.mark.parametrize("secret", ["hunter3", "", "hunter", "hunter22", "HUNTER2", "hunter2\0", "hunter2\0x", "\0"])
def test_another_password_is_wrong(secret: str, htpasswd: Htpasswd) -> None:
    with pytest.raises(WrongPassword):
        htpasswd.authenticate(shown("ann", secret))


@pytest.mark.parametrize("user", ["Ann", "zoe", "", "#", "ann:x", None])
def test_others_are_left_to_others(user: str | None, htpasswd: Htpasswd) -> None:
    assert htpasswd.authenticate(shown(user, "hunter2")) is None


def test_without_a_password_nobody_is_known(htpasswd: Htpasswd) -> None:
    assert htpasswd.authenticate(shown(None, None)) is None
    assert htpasswd.authenticate(shown("ann", None)) is None


@pytest.mark.parametrize("prefix", ["2a", "2b", "2y"])
def test_each_spelling_of_bcrypt_is_taken(prefix: str, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"ann:{hashed('hunter2', prefix)}\r\n")
    assert made(tmp_path, file="users").authenticate(shown("ann", "hunter2")) == "ann"


def test_of_a_long_password_72_bytes_count_as_for_apache(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"ann:{hashed('x' * 72)}\n")
    htpasswd = made(tmp_path, file="users")
    assert htpasswd.authenticate(shown("ann", "x" * 90)) == "ann"
    with pytest.raises(WrongPassword):
        htpasswd.authenticate(shown("ann", "x" * 71))


def test_a_password_may_have_any_characters(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"ann:{hashed('pä:ß €')}\n")
    assert made(tmp_path, file="users").authenticate(shown("ann", "pä:ß €")) == "ann"


# How often it is verified


def test_a_good_password_is_verified_once(htpasswd: Htpasswd, verified: list[str]) -> None:
    for _ in range(5):
        assert htpasswd.authenticate(shown("ann", "hunter2")) == "ann"
    assert verified == [ANN]


def test_a_wrong_one_is_verified_each_time(htpasswd: Htpasswd, verified: list[str]) -> None:
    htpasswd.authenticate(shown("ann", "hunter2"))
    for _ in range(3):
        with pytest.raises(WrongPassword):
            htpasswd.authenticate(shown("ann", "wrong"))
    assert htpasswd.authenticate(shown("ann", "hunter2")) == "ann"
    assert verified == [ANN] * 4


def test_an_unknown_user_costs_a_verification_too(htpasswd: Htpasswd, verified: list[str]) -> None:
    """Against the hash of another, so that it costs what theirs do, and is never good."""
    for secret in ("hunter2", "hunter3", "hunter2\0"):
        for number in range(8):
            assert htpasswd.authenticate(shown(f"zoe{number}", secret)) is None
    assert len(verified) == 24 and set(verified) == {ANN, BOB}


def test_a_password_is_remembered_for_a_while(clock: Clock, verified: list[str]) -> None:
    known = Passwords(clock)
    assert known.is_good("ann", "hunter2", ANN)
    clock.at = REMEMBERED_SECONDS - 1
    assert known.is_good("ann", "hunter2", ANN)
    assert verified == [ANN]
    clock.at = REMEMBERED_SECONDS
    assert known.is_good("ann", "hunter2", ANN)
    assert verified == [ANN, ANN]


def test_what_is_remembered_is_of_one_user_and_one_hash(verified: list[str]) -> None:
    known = Passwords()
    assert known.is_good("ann", "hunter2", ANN)
    assert not known.is_good("ann", "hunter2", BOB)
    assert not known.is_good("bob", "hunter2", BOB)
    assert not known.is_good("ann", "hunter3", ANN)
    assert verified == [ANN, BOB, BOB, ANN]


def test_no_password_is_kept(htpasswd: Htpasswd) -> None:
    htpasswd.authenticate(shown("ann", "hunter2"))
    assert "hunter2" not in repr(vars(htpasswd._passwords))


def test_no_more_are_verified_at_once_than_there_are_places(
    htpasswd: Htpasswd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "WAIT_SECONDS", 0.01)
    known = Passwords()
    assert known.is_good("bob", "hunter3", BOB)
    for _ in range(passwords.PLACES):
        known._places.acquire()
    with pytest.raises(Busy):
        known.is_good("ann", "hunter2", ANN)
    assert known.is_good("bob", "hunter3", BOB)  # whoever is remembered waits for nobody
    known._places.release()
    assert known.is_good("ann", "hunter2", ANN)


def test_whoever_guesses_takes_no_turns_from_other_addresses() -> None:
    known, started = Passwords(), []
    for _ in range(passwords.PLACES):
        known._places.acquire()

    def guess(word: str) -> None:
        with suppress(Busy):
            known.is_good("ann", word, ANN, "192.0.2.1")

    for number in range(passwords.OF_ONE_ADDRESS):
        started.append(threading.Thread(target=guess, args=(f"guess {number}",)))
        started[-1].start()
    while known._line["192.0.2.1"] < passwords.OF_ONE_ADDRESS:
        threading.Event().wait(0.01)
    with pytest.raises(Busy):
        known.is_good("ann", "one more", ANN, "192.0.2.1")
    for _ in range(passwords.PLACES):
        known._places.release()
    assert known.is_good("ann", "hunter2", ANN, "192.0.2.2")
    for thread in started:
        thread.join(30)
    assert not known._line


def test_no_more_than_some_threads_are_held() -> None:
    """Nor by many who show the same, of whom one is verified."""
    known = Passwords()
    assert known.is_good("bob", "hunter3", BOB)
    for _ in range(passwords.HELD):
        known._held.acquire()
    with pytest.raises(Busy):
        known.is_good("ann", "hunter2", ANN)
    assert known.is_good("bob", "hunter3", BOB)  # who is remembered waits for nobody
    known._held.release()
    assert known.is_good("ann", "hunter2", ANN)


def test_of_many_at_once_with_one_password_it_is_verified_once_at_a_time(
    htpasswd: Htpasswd, verified: list[str]
) -> None:
    names: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: names.append(htpasswd.authenticate(shown("ann", "hunter2"))))
        for _ in range(passwords.HELD)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == ["ann"] * passwords.HELD
    assert 1 <= len(verified) <= passwords.PLACES


# When the file is read again


@pytest.fixture
def users(file: Path, clock: Clock) -> UsersFile:
    return UsersFile(file, clock)


def test_a_changed_file_is_read_after_a_second(users: UsersFile, file: Path, clock: Clock) -> None:
    file.write_text(f"zoe:{ANN}\n")
    assert set(users.hashes()) == {"ann", "bob"}
    clock.at += LOOK_SECONDS
    assert set(users.hashes()) == {"zoe"}


def test_a_file_of_the_same_size_and_time_that_took_its_place_is_read(
    users: UsersFile, file: Path, clock: Clock
) -> None:
    before = file.stat()
    other = file.with_name("other")
    other.write_text(file.read_text().replace("bob", "zoe"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(file)
    clock.at += LOOK_SECONDS
    assert set(users.hashes()) == {"ann", "zoe"}


def test_an_unchanged_file_is_not_read_again(users: UsersFile, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UsersFile, "_read", lambda self: pytest.fail("read again"))
    for _ in range(3):
        clock.at += LOOK_SECONDS
        assert set(users.hashes()) == {"ann", "bob"}


def test_a_faulty_line_of_a_changed_file_is_nobodys_and_logged(
    users: UsersFile, file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(f"ann:{{SHA}}secret=\nzoe:{BOB}\n")
    clock.at += LOOK_SECONDS
    assert set(users.hashes()) == {"zoe"}
    assert "line 1: the password of 'ann' is no bcrypt hash" in caplog.text
    assert "secret" not in caplog.text


def test_of_a_file_that_is_gone_nobody_is_known_until_it_is_back(
    users: UsersFile, file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    text = file.read_text()
    file.unlink()
    for _ in range(3):
        clock.at += LOOK_SECONDS
        assert users.hashes() == {}
    assert caplog.text.count("cannot be read") == 1
    file.write_text(text)
    clock.at += LOOK_SECONDS
    assert set(users.hashes()) == {"ann", "bob"}


def test_a_removed_user_and_a_changed_password_count_at_the_next_look(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orbitalreg_htpasswd.users.LOOK_SECONDS", 0.0)
    htpasswd = made(file.parent, file="htpasswd")
    assert htpasswd.authenticate(shown("ann", "hunter2")) == "ann"
    assert htpasswd.authenticate(shown("bob", "hunter3")) == "bob"
    file.write_text(f"ann:{hashed('other')}\n")
    with pytest.raises(WrongPassword):
        htpasswd.authenticate(shown("ann", "hunter2"))
    assert htpasswd.authenticate(shown("bob", "hunter3")) is None


# The configuration


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ann:$apr1$x$abc", "line 2: the password of 'ann' is no bcrypt hash"),
        ("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "htpasswd -B FILE ann"),
        ("ann:plain", "htpasswd -B FILE ann"),
        ("ann", "htpasswd -B FILE ann"),
        ("ann:", "htpasswd -B FILE ann"),
        (f"ann:{ANN[:-1]}", "no bcrypt hash"),
        (f"ann:{ANN}x", "no bcrypt hash"),
        (f"ann:{ANN.replace('$04$', '$18$')}", "cost of 4 to 17"),
        (f"ann:{ANN.replace('$2y$', '$2x$')}", "no bcrypt hash"),
        (f"Ann:{ANN}", "line 2: 'Ann' is no user name"),
        (f":{ANN}", "line 2: '' is no user name"),
        (f"zoe:{ANN}", "line 2: 'zoe' is there a second time"),
        ("\udcff:x".encode("utf-8", "surrogateescape").decode("latin-1"), "is no user name"),
    ],
)
def test_a_faulty_line_is_told(line: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"zoe:{BOB}\n{line}\n", "latin-1")
    with pytest.raises(ConfigError, match=re.escape(says)) as refused:
        made(tmp_path, file="users")
    assert "$2" not in str(refused.value) and "W6ph5" not in str(refused.value)


def test_every_faulty_line_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("ann:x\nbob:y\n")
    with pytest.raises(ConfigError) as refused:
        made(tmp_path, file="users")
    assert len(refused.value.problems) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "file: is missing"),
        ({"file": 1}, "file: is missing"),
        ({"file": "absent"}, "cannot be read"),
        ({"file": "."}, "cannot be read"),
        ({"file": "htpasswd", "files": "x"}, "files: there is no such key"),
    ],
)
def test_a_faulty_table_is_told(options: dict[str, Any], says: str, file: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        made(file.parent, **options)


def test_an_empty_file_knows_nobody(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")
    assert made(tmp_path, file="users").authenticate(shown("ann", "x")) is None


# The tool


@pytest.mark.skipif(HTPASSWD is None, reason="Apache's htpasswd is not on this machine (apache2-utils)")
def test_what_apaches_tool_writes_is_taken(tmp_path: Path) -> None:
    run: Callable[..., Any] = subprocess.run
    assert HTPASSWD is not None
    run([HTPASSWD, "-cbB", tmp_path / "users", "ann", "hunter2"], check=True, capture_output=True)
    run([HTPASSWD, "-bB", "-C", "4", tmp_path / "users", "bob", "hunter3"], check=True, capture_output=True)
    htpasswd = made(tmp_path, file="users")
    assert [htpasswd.authenticate(shown("ann", "hunter2")), htpasswd.authenticate(shown("bob", "hunter3"))] == [
        "ann",
        "bob",
    ]
    with pytest.raises(WrongPassword):
        htpasswd.authenticate(shown("ann", "hunter3"))
    run([HTPASSWD, "-bm", tmp_path / "users", "zoe", "hunter4"], check=True, capture_output=True)
    with pytest.raises(ConfigError, match="htpasswd -B FILE zoe"):
        made(tmp_path, file="users")

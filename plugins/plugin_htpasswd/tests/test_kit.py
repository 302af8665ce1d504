"""The plugin passes the kit."""

from pathlib import Path

import bcrypt
import pytest
from orbitalreg_htpasswd.plugin import Htpasswd

from orbitalreg.interfaces import Credentials
from orbitalreg.testing import AuthenticatorUnderTest, BaseAuthenticatorContract

pytest_plugins = ["orbitalreg.testing"]

WORDS = {"ann": "hunter2", "bob": "pä:ß"}
LINES = [f"{user}:{bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()}" for user, word in WORDS.items()]


def shown(user: str | None, secret: str | None) -> Credentials:
    return Credentials(user, secret, {}, "192.0.2.1", "192.0.2.1")


class TestHtpasswd(BaseAuthenticatorContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> AuthenticatorUnderTest:
        (tmp_path / "users").write_text("\n".join(LINES), "utf-8")
        (tmp_path / "faulty").write_text("ann:plain")
        return AuthenticatorUnderTest(
            Htpasswd,
            tmp_path,
            options={"file": "users"},
            bad_options=[{}, {"file": "absent"}, {"file": "faulty"}, {"fiel": "users"}],
            good=[(shown(user, word), user) for user, word in WORDS.items()],
            wrong=[shown("ann", "hunter3"), shown("ann", ""), shown("bob", "hunter2")],
            others=[shown("zoe", "hunter2"), shown("", ""), shown(None, "hunter2"), shown("ann", None)],
        )

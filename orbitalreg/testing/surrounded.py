"""The contract of whatever is made with `Surroundings`: by its name, over its table, without a trace."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Generic, NoReturn, TypeVar

import pytest

from orbitalreg.errors import ConfigError, UpstreamFailed
from orbitalreg.interfaces import Authenticator, Download, Scanner, Surroundings, TokenExchanger
from orbitalreg.model import valid_name
from orbitalreg.testing.checks import is_plain

K = TypeVar("K", Authenticator, TokenExchanger, Scanner)


def no_clients(server: str, ca_bundle: Path | None = None) -> Any:
    """The clients of a plugin that asks no server."""
    raise AssertionError(f"a server is asked: {server}")


class Unasked:
    """Makes clients that must not be asked, and keeps what they were asked all the same."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, server: str, ca_bundle: Path | None = None) -> "Unasked":
        return self

    def get(self, url: str, *, max_bytes: int, accept: str = "*/*", seconds: float = 10.0) -> bytes:
        return self._refused(url)

    def post(self, url: str, body: bytes, *, max_bytes: int, content_type: str = "application/json") -> bytes:
        return self._refused(url)

    def download(
        self,
        url: str,
        into: BinaryIO,
        *,
        max_bytes: int,
        etag: str | None = None,
        told: Callable[[int, int | None], None] = lambda received, length: None,
    ) -> Download:
        return self._refused(url)

    def _refused(self, url: str) -> NoReturn:
        self.asked.append(url)
        raise UpstreamFailed("nobody is to be asked now")


class SurroundedContract(Generic[K]):
    """How they are made. The `subject` has a class, its table, and what that is relative to."""

    @pytest.fixture
    def subject(self) -> Any:
        raise NotImplementedError("override the fixture `subject`")

    @pytest.fixture
    def make(self, subject: Any) -> Callable[[Mapping[str, Any]], K]:
        """Makes an instance over a table, as the host does."""

        def make(options: Mapping[str, Any]) -> K:
            made: K = subject.cls(Surroundings(options, subject.base, subject.base / "own", subject.clients))
            return made

        return make

    @pytest.fixture
    def instance(self, subject: Any, make: Callable[[Mapping[str, Any]], K]) -> K:
        """One over the good table."""
        return make(subject.options)

    def test_its_name_is_one(self, subject: Any) -> None:
        assert valid_name(subject.cls.name, "name") == subject.cls.name

    def test_making_one_changes_nothing_and_asks_nobody(self, subject: Any) -> None:
        before, clients = files(subject.base), Unasked()
        subject.cls(Surroundings(subject.options, subject.base, subject.base / "own", clients))
        assert files(subject.base) == before
        assert clients.asked == []

    def test_a_faulty_table_is_a_config_error_with_its_keys(
        self, subject: Any, make: Callable[[Mapping[str, Any]], K]
    ) -> None:
        assert subject.bad_options, "give at least one faulty table"
        for options in subject.bad_options:
            with pytest.raises(ConfigError) as refused:
                make(options)
            for problem in refused.value.problems:
                assert is_plain(problem) and ": " in problem, f"{problem!r} does not begin with a key"


def files(folder: Path) -> dict[str, bytes]:
    """What lies in the folder, by relative path; folders are empty."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")
    }

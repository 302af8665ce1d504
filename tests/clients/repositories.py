"""The repositories that the clients use: one of each kind, over the same packages.

The local one has a server to itself. On a second server, the remote one proxies it, with credentials, and the virtual
one has that remote as its last member; its first is a local one that holds `orbdemo-app`, so that an install takes from
both.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archives_corpus import make_sdist, make_wheel
from harness import CONFIG, Registry

from orbitalreg.model import Kind

FRONT = """
[projects.acme.repositories.mirror]
format = "pypi"
kind = "remote"
upstream = "{upstream}/simple/"
username = "__token__"
password_file = "{password}"

[projects.acme.repositories.all-libs]
format = "pypi"
kind = "virtual"
members = ["internal", "mirror"]
upload_to = "internal"
"""
NAMES = {Kind.LOCAL: "acme/internal", Kind.REMOTE: "acme/mirror", Kind.VIRTUAL: "acme/all-libs"}
LOCAL = NAMES[Kind.LOCAL]
"""The local repository of either server: what the virtual one takes ends up there."""


@dataclass(frozen=True)
class Tokens:
    """`revoked` could publish once; `stranger` may read packages that are not there."""

    publisher: str
    reader: str
    stranger: str
    revoked: str


@dataclass(frozen=True)
class Repository:
    """A repository as a client meets it, the server that has it, and the tokens for it."""

    kind: Kind
    name: str
    registry: Registry
    tokens: Tokens

    @property
    def url(self) -> str:
        return f"{self.registry.url}/pypi/{self.name}"

    @property
    def log(self) -> str:
        """What the server has logged so far, of its other repositories too."""
        return self.registry.log.read_text()

    def files(self, package: str) -> dict[str, dict[str, Any]]:
        """What the package's page lists, by filename; nothing where there is no page."""
        return self.registry.files(package, self.url)


@contextmanager
def running(folder: Path, wheels: Sequence[Path]) -> Iterator[Mapping[Kind, Repository]]:
    """The servers with the demo packages, and these wheels."""
    with ExitStack() as stack:
        behind = stack.enter_context(Registry(folder / "behind"))
        behind.token = behind.new_token("e2e", "acme:maintain")
        _publish_app(behind)
        _publish_the_rest(behind, wheels)
        front = stack.enter_context(Registry(_front(folder / "front", behind)))
        front.token = front.new_token("e2e", "acme:maintain")
        _publish_app(front)
        servers = {Kind.LOCAL: behind, Kind.REMOTE: front, Kind.VIRTUAL: front}
        revoked = {id(registry): _revoked(registry) for registry in (behind, front)}
        yield {
            kind: Repository(kind, NAMES[kind], registry, _tokens(registry, NAMES[kind], revoked[id(registry)]))
            for kind, registry in servers.items()
        }
        assert behind.faults() == front.faults() == []


def _front(folder: Path, behind: Registry) -> Path:
    folder.mkdir()
    password = folder / "password"
    password.write_text(behind.new_token("front", f"{LOCAL}:read"))
    password.chmod(0o600)
    tables = FRONT.format(upstream=behind.repository, password=password)
    (folder / "orbitalreg.toml").write_text(CONFIG.format(max_upload="64MiB") + tables)
    return folder


def _tokens(registry: Registry, name: str, revoked: str) -> Tokens:
    """`reader` and `stranger` have rights on the one repository, and none on what is behind it."""
    label = name.partition("/")[2]
    grants = dict.fromkeys((f"{LOCAL}:publish", f"{name}:publish"))
    return Tokens(
        publisher=registry.cli("token", "create", f"{label}-publisher", *_granting(*grants)),
        reader=registry.new_token(f"{label}-reader", f"{name}:read"),
        stranger=registry.new_token(f"{label}-stranger", f"{name}/nothing-*:read"),
        revoked=revoked,
    )


def _granting(*grants: str) -> list[str]:
    return [word for grant in grants for word in ("--grant", grant)]


def _revoked(registry: Registry) -> str:
    revoked = registry.new_token("gone", "acme:publish")
    registry.cli("token", "revoke", "gone")
    return revoked


def _publish_app(registry: Registry) -> None:
    requires = "Requires-Dist: orbdemo-dep>=1"
    for version, more in (("1.0", ""), ("2.0", requires)):
        for make in (make_wheel, make_sdist):
            assert registry.upload(*make("orbdemo-app", version, metadata_extra=more)).status == 200


def _publish_the_rest(registry: Registry, wheels: Sequence[Path]) -> None:
    for name in ("orbdemo-dep", "orbdemo-yanked"):
        for version in ("1.0", "1.1"):
            assert registry.upload(*make_wheel(name, version)).status == 200
    registry.cli("yank", f"{LOCAL}/orbdemo-yanked==1.1", "--reason", "eats the data")
    for wheel in wheels:
        assert registry.upload(wheel.name, wheel.read_bytes()).status == 200

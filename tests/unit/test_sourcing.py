"""From settings to sources: which kind each repository gets, what is refused, whom an upstream is asked as."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import orbitalreg_toy
import pytest
from scripted_upstream import ScriptedUpstream, redirect, reply

from orbitalreg import config
from orbitalreg.assembly import Registry, assemble, check_plugins
from orbitalreg.errors import ConfigError, NotFound, UpstreamFailed
from orbitalreg.model import Address, Kind
from orbitalreg.sources import GovernedSource, LocalSource
from orbitalreg.sources.remote import RemoteSource
from orbitalreg.sources.virtual import VirtualSource

LOCAL = "[projects.acme.repositories.toys]\nformat = 'toy'\nkind = 'local'\n"
ALL = "[projects.acme.repositories.all]\nformat = 'toy'\nkind = 'virtual'\nmembers = ['inner', 'toys']\n"
INNER = "[projects.acme.repositories.inner]\nformat = 'toy'\nkind = 'virtual'\nmembers = ['mirror', 'toys']\n"


def remote(upstream: str = "https://toys.example.com/toy/acme/toys", more: str = "", name: str = "mirror") -> str:
    return f"[projects.acme.repositories.{name}]\nformat = 'toy'\nkind = 'remote'\nupstream = '{upstream}'\n{more}\n"


def written(folder: Path, text: str) -> config.Settings:
    file = folder / "orbitalreg.toml"
    file.write_text(text + "[data]\npath = 'data'\n")
    return config.load(file)


@pytest.fixture
def assembled(tmp_path: Path) -> Iterator[Callable[[str], Registry]]:
    made: list[Registry] = []

    def make(text: str) -> Registry:
        made.append(assemble(written(tmp_path, text)))
        return made[-1]

    yield make
    for registry in made:
        registry.close()


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        server.table["/toys/of/ball/"] = reply(b'{"ball@1.toy": [null, null, {}]}')
        yield server


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        check_plugins(written(folder, text))
    return caught.value.problems


def test_each_kind_has_its_source_and_members_are_shared(assembled: Callable[[str], Registry]) -> None:
    registry = assembled(ALL + INNER + remote() + LOCAL)
    raw = {address.repository: source for address, source in registry.sources.raw.items()}
    assert {name: type(source) for name, source in raw.items()} == {
        "toys": LocalSource,
        "mirror": RemoteSource,
        "inner": VirtualSource,
        "all": VirtualSource,
    }
    assert raw["all"].members == (raw["inner"], raw["toys"])  # type: ignore[attr-defined]
    for address, repository in registry.repositories.items():
        source = registry.source(repository)
        assert source is registry.source(repository)
        assert source.repository == repository
        assert isinstance(source, LocalSource if repository.kind is Kind.LOCAL else GovernedSource)
        assert registry.sources.governed[address].raw is registry.sources.raw[address]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (remote("ftp://toys"), "upstream: write the address of a repository of toys: https://HOST/toy/PROJECT/REPO"),
        (remote(more="proxy = 'https://proxy.example.com'"), "proxy: a proxy is spoken with over http"),
        (remote(more="ca_bundle = 'nowhere.pem'"), "ca_bundle: "),
    ],
)
def test_a_remote_that_cannot_be_asked_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    [found] = problems(tmp_path, text)
    assert found.startswith(f"projects.acme.repositories.mirror.{problem}")


@pytest.mark.parametrize("pattern", ["acme-[a-z]*", "-acme*", "no name!", ""])
@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("repositories.mirror.deny", remote(more="deny = ['{}']")),
        ("repositories.mirror.min_age_except", remote(more="min_age_except = ['{}']")),
        ("private_names", remote() + "[projects.acme]\nprivate_names = ['ball', '{}', 'x?-*']\n"),
    ],
)
def test_a_pattern_that_no_name_matches_is_refused(tmp_path: Path, key: str, text: str, pattern: str) -> None:
    """It would guard nothing."""
    [found] = problems(tmp_path, text.format(pattern))
    assert found.startswith(f"projects.acme.{key}: found {pattern!r}, which no package name matches")


def test_a_format_that_reads_no_other_servers_has_no_remote_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orbitalreg_toy.ToyFormat, "upstreams", lambda self: None)
    assert problems(tmp_path, remote()) == (
        "projects.acme.repositories.mirror.kind: the format toy has no remote repositories",
    )


@pytest.mark.parametrize("base", ["https://me:hunter2@toys.example.com/toys", "https://hunter2@toys.example.com"])
def test_credentials_in_an_address_are_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    refused = problems(tmp_path, remote(base))

    class Trusting(orbitalreg_toy.ToyUpstreams):
        def base(self, configured: str) -> str:
            return configured

    monkeypatch.setattr(orbitalreg_toy.ToyFormat, "upstreams", lambda self: Trusting())
    for [problem] in (refused, problems(tmp_path, remote(base))):
        assert problem.startswith("projects.acme.repositories.mirror.upstream: ")
        assert "hunter2" not in problem


@pytest.mark.parametrize("way", ["password", "password_file", "environment"])
def test_the_upstream_is_asked_with_its_credentials_and_nobody_else_is(
    assembled: Callable[[str], Registry],
    upstream: ScriptedUpstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    monkeypatch.setenv("SECRET", "hunter2")
    key = {"password": "password = 'hunter2'", "password_file": "password_file = 'secret'"}.get(
        way, "password = '${SECRET}'"
    )
    with ScriptedUpstream({"/toys/of/ball/": upstream.table["/toys/of/ball/"]}) as other:
        registry = assembled(
            remote(upstream.url("/toys"), f"username = 'me'\n{key}") + remote(other.url("/toys"), name="other")
        )
        for name in ("mirror", "other"):
            registry.source(registry.repository(Address("acme", name))).listing("ball")
        expected = "Basic " + base64.b64encode(b"me:hunter2").decode()
        assert upstream.requests[0].headers["authorization"] == expected
        assert "authorization" not in other.requests[0].headers
        upstream.table["/toys/of/cube/"] = redirect(other.url("/toys/of/ball/"))
        registry.source(registry.repository(Address("acme", "mirror"))).listing("cube")
        assert "authorization" not in other.requests[-1].headers
        registry.close()


def test_only_what_is_written_as_an_upstream_may_be_at_a_private_address(
    assembled: Callable[[str], Registry], upstream: ScriptedUpstream
) -> None:
    with ScriptedUpstream({"/toys/of/ball/": upstream.table["/toys/of/ball/"]}) as hidden:
        registry = assembled(remote(upstream.url("/toys")))
        upstream.table["/toys/of/cube/"] = redirect(hidden.url("/toys/of/ball/"))
        source = registry.source(registry.repository(Address("acme", "mirror")))
        assert len(source.listing("ball").files) == 1
        with pytest.raises(UpstreamFailed, match="not public"):
            source.listing("cube")
        assert hidden.requests == []


def test_a_further_host_that_is_written_down_may_be_at_a_private_address(
    assembled: Callable[[str], Registry], upstream: ScriptedUpstream
) -> None:
    """For the remote that names it, and without its credentials."""
    with ScriptedUpstream({"/toys/of/ball/": upstream.table["/toys/of/ball/"]}) as hidden:
        more = f"username = 'me'\npassword = 'hunter2'\nfile_hosts = ['{hidden.origin}']"
        registry = assembled(remote(upstream.url("/toys"), more) + remote(upstream.url("/toys"), name="other"))
        upstream.table["/toys/of/cube/"] = redirect(hidden.url("/toys/of/ball/"))
        source = registry.source(registry.repository(Address("acme", "mirror")))
        assert len(source.listing("cube").files) == 0
        assert "authorization" not in hidden.requests[0].headers
        with pytest.raises(UpstreamFailed, match=r"not public: .* in file_hosts$"):
            registry.source(registry.repository(Address("acme", "other"))).listing("cube")
        assert len(hidden.requests) == 1


@pytest.mark.parametrize("host", ["https://a_-.example..", "http://127.1", "https://files.example:99999"])
def test_a_further_host_that_is_none_is_refused(tmp_path: Path, host: str) -> None:
    [found] = problems(tmp_path, remote(more=f"file_hosts = ['https://files.example', '{host}']"))
    assert found.startswith("projects.acme.repositories.mirror.file_hosts.1: ")


def test_private_names_of_the_project_reach_no_upstream(
    assembled: Callable[[str], Registry], upstream: ScriptedUpstream
) -> None:
    private = "[projects.acme]\nprivate_names = ['BALL', 'acme-*']\n"
    registry = assembled(private + ALL + INNER + remote(upstream.url("/toys")) + LOCAL)
    for name in ("mirror", "inner", "all"):
        source = registry.source(registry.repository(Address("acme", name)))
        for package in ("ball", "acme-cube"):
            with pytest.raises(NotFound):
                source.listing(package)
    assert upstream.requests == []


def test_a_virtual_shows_what_its_remote_has(assembled: Callable[[str], Registry], upstream: ScriptedUpstream) -> None:
    registry = assembled(ALL + INNER + remote(upstream.url("/toys")) + LOCAL)
    upstream.table["/toys/names/"] = reply(b"ball\n", headers={"Content-Type": "text/plain"})
    source = registry.source(registry.repository(Address("acme", "all")))
    [file] = source.listing("ball").files
    assert file.holder == registry.repository(Address("acme", "mirror")).id
    assert list(source.names()) == ["ball"]

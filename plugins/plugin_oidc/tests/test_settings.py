"""The plugin's table: what is accepted, and what is said of each fault."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from orbitalreg_oidc_gitlab.settings import read_settings

from orbitalreg import config
from orbitalreg.assembly import check_plugins
from orbitalreg.errors import ConfigError

WHOLE = """
audience = "orbitalreg"

[[issuers]]
url = "https://gitlab.example.com"
jwks_file = "gitlab-jwks.json"

[[issuers]]
url = "https://example.com/gitlab"
ca_bundle = "/etc/ssl/ours.pem"

[[publishers]]
issuer = "https://gitlab.example.com"
project_path = "acme/my-lib"
project_id = 42
ref_protected = true
environment = "release"
grants = ["acme/internal/my-lib:publish"]
"""


def table(**publisher: Any) -> dict[str, Any]:
    """The whole, with the publisher's keys changed; None takes one away."""
    told = tomllib.loads(WHOLE)
    changed = told["publishers"][0] | publisher
    told["publishers"] = [{key: value for key, value in changed.items() if value is not None}]
    return told


def faults(options: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read_settings(options, Path("/etc/orbitalreg"))
    return caught.value.problems


def test_a_whole_table() -> None:
    settings = read_settings(tomllib.loads(WHOLE), Path("/etc/orbitalreg"))
    assert settings.issuers[0].jwks_file == Path("/etc/orbitalreg/gitlab-jwks.json")
    assert settings.issuers[1].ca_bundle == Path("/etc/ssl/ours.pem")
    (publisher,) = settings.publishers
    assert publisher.project_id == "42" and publisher.ref_protected
    assert list(map(str, publisher.grants)) == ["acme/internal/my-lib:publish"]


def test_a_protected_ref_is_demanded_unless_written() -> None:
    settings = read_settings(table(ref_protected=None), Path())
    assert settings.publishers[0].ref_protected


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, ["audience: is missing; it must be given", "issuers: is missing; it must be given"]),
        (table() | {"audience": ""}, ["audience: found ''; it must be a short text that begins with a letter"]),
        (table() | {"audiance": "x"}, ["audiance: there is no such key; did you mean 'audience'?"]),
        (table() | {"issuers": []}, ["issuers: found []; it must be a list of at least one"]),
        (table() | {"issuers": "x"}, ["issuers: found 'x'; it must be a list"]),
        (table() | {"publishers": ["x"]}, ["publishers.0: found 'x'; it must be a table"]),
        (table(project=42), ["publishers.0.project: there is no such key; did you mean 'project_id'?"]),
        (table(zzz=1), ["publishers.0.zzz: there is no such key; known here: environment, "]),
        (table(project_id=True), ["publishers.0.project_id: found True; it must be an id such as 42"]),
        (table(project_id="042"), ["publishers.0.project_id: found '042'; it must be an id such as 42"]),
        (table(project_id=-1), ["publishers.0.project_id: found -1; "]),
        (
            table(project_path="my-lib"),
            ["publishers.0.project_path: found 'my-lib'; it must be a project"],
        ),
        (table(project_path="acme/*"), ["publishers.0.project_path: found 'acme/*'; "]),
        (table(ref="v[12]"), ["publishers.0.ref: found 'v[12]'; it must be a branch or tag"]),
        (table(ref_type="commit"), ["publishers.0.ref_type: found 'commit'; "]),
        (table(ref_protected="true"), ["publishers.0.ref_protected: found 'true'; it must be true or false"]),
        (table(grants=[]), ["publishers.0.grants: found []; it must be a list of at least one"]),
        (table(grants=None), ["publishers.0.grants: is missing; it must be given"]),
        (
            table(grants=["acme"]),
            ["publishers.0.grants.0: found 'acme'; it must be \"PROJECT[/REPO"],
        ),
        (table(pipeline_sources=[]), ["publishers.0.pipeline_sources: found []; it must be a list of at least one"]),
        (
            table(issuer="https://gitlab.example.org"),
            [
                "publishers.0.issuer: found 'https://gitlab.example.org'; issuers has no such url; did you mean 'https://gi"
            ],
        ),
        (
            table(project_path=None, project_id=None),
            ["publishers.0: says of no project that it may publish: give project_path and project_id, or namespace_"],
        ),
        (
            table(environment=None, environment_protected=True),
            ["publishers.0.environment: is missing; it goes with environment_protected"],
        ),
        (
            table() | {"issuers": [{"url": "http://gitlab.example.com"}, {"url": "https://gitlab.example.com"}]},
            ["issuers.0.url: found 'http://gitlab.example.com'; keys that are fetched without TLS may be anybody"],
        ),
        (
            table() | {"issuers": [{"url": "https://gitlab.example.com"}] * 2},
            ["issuers.1.url: found 'https://gitlab.example.com' a second time"],
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[0][:40],
)
def test_each_fault_has_its_path_and_says_what_is_right(options: dict[str, Any], says: list[str]) -> None:
    found = faults(options)
    assert len(found) == len(says)
    assert all(line.startswith(said) for line, said in zip(found, says, strict=True)), found


@pytest.mark.parametrize(
    "url",
    [
        "https://gitlab.example.com/",
        "https://gitlab.example.com/a/",
        "https://u@gitlab.example.com",
        "https://gitlab.example.com?x",
        "https://Gitlab.example.com",
        "gitlab.example.com",
        "ftp://x",
        "https://",
        "https://a b",
        7,
    ],
)
def test_an_issuer_is_written_as_gitlab_writes_itself(url: Any) -> None:
    (problem,) = faults({"audience": "orbitalreg", "issuers": [{"url": url}]})
    assert problem.startswith(f"issuers.0.url: found {url!r}; it must be GitLab's address as it stands in `iss`")


def test_an_issuer_without_tls_needs_a_file_with_its_keys() -> None:
    options = {"audience": "orbitalreg", "issuers": [{"url": "http://gitlab.example.com", "jwks_file": "keys.json"}]}
    assert read_settings(options, Path()).issuers[0].url == "http://gitlab.example.com"


def test_the_host_tells_each_fault_with_its_whole_path(tmp_path: Path) -> None:
    options = table(project_id="x") | {"issuers": [{"url": "https://gitlab.example.com", "ca_bundle": "absent.pem"}]}
    settings = config.from_dict({"plugins": {"oidc-gitlab": options}}, base=tmp_path)
    with pytest.raises(ConfigError) as caught:
        check_plugins(settings)
    assert caught.value.problems == (
        "plugins.oidc-gitlab: publishers.0.project_id: found 'x'; it must be an id such as 42",
    )
    right = table() | {"issuers": [{"url": "https://gitlab.example.com", "ca_bundle": "absent.pem"}]}
    with pytest.raises(ConfigError, match=r"plugins.oidc-gitlab: issuers.0.ca_bundle: .*absent.pem cannot be used: "):
        check_plugins(config.from_dict({"plugins": {"oidc-gitlab": right}}, base=tmp_path))


def test_hook_token_exchangers(tmp_path: Path) -> None:
    (tmp_path / "absent.pem").touch()
    options = table() | {"issuers": [{"url": "https://gitlab.example.com"}]}
    plugins = check_plugins(config.from_dict({"plugins": {"oidc-gitlab": options}}, base=tmp_path))
    assert list(plugins.token_exchangers) == ["oidc-gitlab"]
    assert list(plugins.commands) == ["oidc"]

"""`[plugins.oidc-gitlab]`: the audience, the issuers, the publishers. The keys' descriptions are their reference."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from orbitalreg.errors import ConfigError, InvalidName
from orbitalreg.model import Grant


def _checked(parse: Callable[[Any], Any], expected: str) -> BeforeValidator:
    def validate(value: Any) -> Any:
        try:
            return parse(value)
        except (InvalidName, ValueError) as error:
            raise PydanticCustomError("expected", "{expected}", {"expected": expected}) from error

    return BeforeValidator(validate)


def _matching(pattern: str, expected: str) -> BeforeValidator:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(value)
        return value

    return _checked(parse, expected)


def _id(value: Any) -> str:
    """Ids are strings in claims; here they may be written as numbers."""
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,18}", text):
        raise ValueError(value)
    return text


_PATH = r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)"

Audience = Annotated[str, _matching(r"[A-Za-z][!-~]{0,254}", "a short text that begins with a letter")]
IssuerUrl = Annotated[
    str,
    _matching(
        r"https?://[a-z0-9.:\[\]-]+(/[!-~]*[!-.0->@-~])?",
        'GitLab\'s address as it stands in `iss`, such as "https://gitlab.example.com", without a slash at the end',
    ),
]
Id = Annotated[str, _checked(_id, "an id such as 42")]
ProjectPath = Annotated[str, _matching(f"{_PATH}+", 'a project\'s whole path, such as "acme/my-lib"')]
NamespacePath = Annotated[str, _matching(f"{_PATH}*", 'a group\'s whole path, such as "acme/libraries"')]
RefPattern = Annotated[str, _matching(r"[^\s\[\]]{1,255}", 'a branch or tag such as "main" or "v*"')]
Word = Annotated[str, _matching(r"[a-z_]{1,64}", 'a source as GitLab names it, such as "push" or "schedule"')]
GrantText = Annotated[
    Grant,
    _checked(lambda text: Grant.parse(str(text)), '"PROJECT[/REPO[/PATTERN]]:RIGHT", such as "acme/internal:read"'),
]


class Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True)


class IssuerSettings(Table):
    """A GitLab whose signed tokens are looked at."""

    url: IssuerUrl = Field(description="GitLab's address, exactly as it stands in the claim `iss`.")
    jwks_file: Path | None = Field(
        None,
        strict=False,
        description="A file with GitLab's keys, for a registry that cannot reach it; else they are fetched.",
    )
    ca_bundle: Path | None = Field(
        None, strict=False, description="Certificates to trust for it; else those of the system."
    )


class PublisherSettings(Table):
    """What jobs of a project may do. Every condition that is written must hold."""

    issuer: IssuerUrl = Field(description="The `url` of one of the issuers.")
    project_path: ProjectPath | None = Field(None, description="The project's whole path.")
    project_id: Id | None = Field(
        None, description="The project's id, which a project that is made under the same path later does not share."
    )
    namespace_path: NamespacePath | None = Field(
        None, description="The whole path of the group that the project lies in, not of one further up."
    )
    namespace_id: Id | None = Field(None, description="That group's id.")
    ref_protected: bool = Field(
        True, description="Whether the branch or tag must be protected; false asks for nothing."
    )
    ref: RefPattern | None = Field(None, description="The branch or tag, with `*` for any characters and `?` for one.")
    ref_type: Literal["branch", "tag"] | None = Field(None, description="`branch` or `tag`.")
    environment: str | None = Field(None, min_length=1, description="The job's environment.")
    environment_protected: bool = Field(
        False, description="Whether that environment must be protected; false asks for nothing."
    )
    pipeline_sources: tuple[Word, ...] | None = Field(
        None,
        strict=False,
        min_length=1,
        description="What may have started the pipeline; unless given, anything but a merge request.",
    )
    grants: tuple[GrantText, ...] = Field(
        strict=False, min_length=1, description="What such a job may do: PROJECT[/REPO[/PATTERN]]:RIGHT, each of them."
    )


class PluginSettings(Table):
    """`[plugins.oidc-gitlab]`."""

    audience: Audience = Field(description="For whom tokens must be made; best a text that no other registry uses.")
    issuers: tuple[IssuerSettings, ...] = Field(strict=False, min_length=1, description="The GitLabs, a table each.")
    publishers: tuple[PublisherSettings, ...] = Field(
        (), strict=False, description="Which jobs may do what, a table each; several may match one job."
    )


def read_settings(options: Mapping[str, Any], base: Path) -> PluginSettings:
    """The settings, with paths relative to `base`. Raises `ConfigError`, a line for each fault with the key's path."""
    try:
        settings = PluginSettings.model_validate(dict(options))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        above = {fault["loc"][:depth] for fault in faults for depth in range(1, len(fault["loc"]))}
        raise ConfigError([_problem(dict(fault)) for fault in faults if fault["loc"] not in above]) from error
    if problems := list(_faults(settings)):
        raise ConfigError(problems)
    return settings.model_copy(update={"issuers": tuple(_located(issuer, base) for issuer in settings.issuers)})


def _located(issuer: IssuerSettings, base: Path) -> IssuerSettings:
    paths = {"jwks_file": issuer.jwks_file, "ca_bundle": issuer.ca_bundle}
    return issuer.model_copy(update={key: base / path.expanduser() for key, path in paths.items() if path is not None})


def _faults(settings: PluginSettings) -> Iterator[str]:
    urls = [issuer.url for issuer in settings.issuers]
    for number, issuer in enumerate(settings.issuers):
        if issuer.url in urls[:number]:
            yield f"issuers.{number}.url: found {issuer.url!r} a second time"
        if urlsplit(issuer.url).scheme == "http" and issuer.jwks_file is None:
            yield (
                f"issuers.{number}.url: found {issuer.url!r}; keys that are fetched without TLS may be anybody's: "
                f"use https, or give jwks_file"
            )
    for number, publisher in enumerate(settings.publishers):
        if publisher.issuer not in urls:
            near = get_close_matches(publisher.issuer, urls, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(urls)}"
            yield f"publishers.{number}.issuer: found {publisher.issuer!r}; issuers has no such url; {hint}"
        if not any((publisher.project_path, publisher.project_id, publisher.namespace_path, publisher.namespace_id)):
            yield (
                f"publishers.{number}: says of no project that it may publish: "
                f"give project_path and project_id, or namespace_path and namespace_id"
            )
        if publisher.environment_protected and publisher.environment is None:
            yield f"publishers.{number}.environment: is missing; it goes with environment_protected"


_EXPECTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "model_type": "a table",
    "tuple_type": "a list",
    "path_type": "a path",
    "too_short": "a list of at least one",
}


def _problem(fault: Mapping[str, Any]) -> str:
    path = tuple(fault["loc"])
    shown = ".".join(map(str, path))
    if fault["type"] == "extra_forbidden":
        known = sorted(_table_at(path[:-1]).model_fields)
        near = get_close_matches(str(path[-1]), known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{shown}: there is no such key; {hint}"
    if fault["type"] == "missing":
        return f"{shown}: is missing; it must be given"
    found = "a table" if isinstance(fault["input"], Mapping) else repr(fault["input"])
    return f"{shown}: found {found}; it must be {_EXPECTED.get(fault['type'], fault['msg'])}"


def _table_at(path: Sequence[str | int]) -> type[Table]:
    tables: dict[str | int, type[Table]] = {"issuers": IssuerSettings, "publishers": PublisherSettings}
    return tables[path[0]] if path else PluginSettings

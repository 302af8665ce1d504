"""From a file to settings."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from orbitalreg.config.checks import faults
from orbitalreg.config.messages import problem
from orbitalreg.config.policies import PolicyFile, PolicySettings, rule_faults
from orbitalreg.config.settings import DataSettings, Settings
from orbitalreg.config.values import Table, dotted
from orbitalreg.errors import ConfigError

T = TypeVar("T", bound=Table)

ENVIRONMENT = "ORBITALREG_CONFIG"
DEFAULT_FILE = "orbitalreg.toml"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def find_file(explicit: str | None) -> Path | None:
    """The configuration's file: `--config`, else the environment, else `./orbitalreg.toml`, else None."""
    named = explicit or os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    default = Path(DEFAULT_FILE)
    return default if default.exists() else None


def load(file: Path) -> Settings:
    """The settings in `file`. Relative paths are relative to it. Raises `ConfigError`."""
    return from_dict(_read(file), base=file.parent)


def load_policies(file: Path) -> tuple[PolicySettings, ...]:
    """The policies in `file`, which has nothing else; what they are for is not asked. Raises `ConfigError`."""
    raw = _read(file)
    try:
        policies = PolicyFile.model_validate(raw).policies
    except ValidationError as error:
        raise ConfigError([f"{file}: {problem(dict(fault), raw)}" for fault in error.errors()]) from error
    problems = [line for number, policy in enumerate(policies) for line in rule_faults(policy, f"policies.{number}")]
    if not policies:
        problems = ["policies: is missing; write each policy as a table [[policies]]"]
    if problems:
        raise ConfigError([f"{file}: {line}" for line in problems])
    return policies


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file}: cannot be read: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{file}: is not TOML: {error}"]) from error


def from_dict(raw: Mapping[str, Any], base: Path) -> Settings:
    """Settings from parsed TOML; `base` is what relative paths are relative to. Raises `ConfigError`."""
    unset: list[tuple[tuple[str, ...], str]] = []
    expanded = _expand(raw, (), unset)
    problems = [
        f"{dotted(path)}: the environment has no variable {name}; set it or write the value" for path, name in unset
    ]
    try:
        settings = Settings.model_validate(expanded)
    except ValidationError as error:
        told = {path for path, _ in unset}
        problems += [problem(dict(fault), raw) for fault in error.errors() if tuple(map(str, fault["loc"])) not in told]
    if problems:
        raise ConfigError(problems)
    settings = _with_paths(settings, base)
    if problems := list(faults(settings)):
        raise ConfigError(problems)
    return settings


def _with_paths(settings: Settings, base: Path) -> Settings:
    """The same with every path made relative to where the process is."""
    projects = {
        name: project.model_copy(
            update={
                "repositories": {
                    key: _placed(value, base, ("password_file", "ca_bundle"))
                    for key, value in project.repositories.items()
                }
            }
        )
        for name, project in settings.projects.items()
    }
    data = DataSettings(path=base / settings.data.path.expanduser())
    webhooks = tuple(_placed(webhook, base, ("secret_file", "ca_bundle")) for webhook in settings.webhooks)
    placed = settings.model_copy(update={"data": data, "projects": projects, "webhooks": webhooks})
    placed._base = base  # noqa: SLF001  # no key of the configuration
    return placed


def _placed(table: T, base: Path, keys: Sequence[str]) -> T:
    """`table` with the paths under `keys`, where there are any, made relative to where the process is."""
    paths = {key: getattr(table, key) for key in keys}
    return table.model_copy(update={key: base / path.expanduser() for key, path in paths.items() if path is not None})


def _expand(value: Any, path: tuple[str, ...], unset: list[tuple[tuple[str, ...], str]]) -> Any:
    """`value` with `${NAME}` replaced from the environment, in every string of the tree.

    Where there is no such variable, the key's path and the name go to `unset`.
    """
    if isinstance(value, Mapping):
        return {key: _expand(item, (*path, str(key)), unset) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, (*path, str(number)), unset) for number, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            unset.append((path, match[1]))
        return os.environ.get(match[1], "")

    return _VARIABLE.sub(replace, value)

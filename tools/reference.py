"""Writes the parts of the pages that follow from the code; the tests hold the pages against it.

python tools/reference.py        rewrites docs/reference/*.md between their markers, and included files in all pages
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click
from orbitalreg_oidc_gitlab import settings as oidc_settings
from orbitalreg_oidc_gitlab.explain import explain_command
from pydantic import BaseModel

from orbitalreg import config
from orbitalreg.assembly import assemble
from orbitalreg.cli import extensions, main
from orbitalreg.model import Kind
from orbitalreg.web import api
from orbitalreg.web.api.document import describe

TREE = Path(__file__).parent.parent
DOCS = TREE / "docs"
INCLUDED = re.compile(r"^(```\w+(?: \w+=\S+)* from=(?P<path>\S+)\n)(.*?)(^```$)", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"(<!-- generated: (?P<name>\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

SIZES = ("max_upload", "max_page", "max_name_list", "memory_limit", "disk_limit", "verify_rate")
DURATIONS = (
    "max_lifetime",
    "exchanged_lifetime",
    "listing_ttl",
    "negative_ttl",
    "connect_timeout",
    "page_timeout",
    "min_age",
    "grace",
    "time_limit",
    "watch_interval",
    "gc_grace",
    "verify_interval",
)
PERIODS = [(86400, "d"), (3600, "h"), (60, "m"), (1, "s")]
UNITS = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]


def settings_table(model: type[BaseModel], kinds: Sequence[Kind] | None = None) -> str:
    """The keys of one table of the configuration; with `kinds` those that repositories of just these kinds have."""
    by_kind = config.keys_by_kind() if model is config.RepositorySettings else {}
    rows = [
        f"| `{name}` | {_default(name, field)} | {str(field.description).replace('<', chr(92) + '<')} |"
        for name, field in model.model_fields.items()
        if by_kind.get(name, tuple(Kind)) == (kinds or tuple(Kind)) and not isinstance(field.default, dict)
    ]
    return "\n".join(["", "| key | default | meaning |", "|---|---|---|", *rows, "", ""])


def _default(name: str, field: Any) -> str:
    if field.is_required():
        return "must be given"
    value = field.default
    if value is None:
        return "none"
    if name == "listen":
        value = "{}:{}".format(*value)
    elif name in SIZES:
        value = next(f"{value // size}{unit}" for size, unit in UNITS if value % size == 0)
    elif name in DURATIONS:
        value = next(f"{value // size}{unit}" for size, unit in PERIODS if (value and value % size == 0) or size == 1)
    if isinstance(value, bool | int):
        return f"`{str(value).lower()}`"
    return f"`{list(value)}`" if isinstance(value, tuple) else f'`"{value}"`'


def commands() -> str:
    """Every command with its help, as a terminal of 100 columns shows it."""
    return "\n" + "\n".join(
        f"## {path}\n\n```text\n{help_text.rstrip()}\n```\n" for path, help_text in _commands(main, "orbitalreg", None)
    )


def _commands(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    name = path.split()[-1]
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            child = command.get_command(context, below)
            assert child is not None
            yield from _commands(child, f"{path} {below}", context)
    else:
        yield path, command.get_help(context)


PART = "Page"
SERVER = "https://registry.example.com"
FIELDS = {
    "project": "acme",
    "repository": "internal",
    "package": "my-pkg",
    "version": "1.2",
    "filename": "my_pkg-1.2-py3-none-any.whl",
    "token": "$TOKEN_ID",
    "scanner": "grype",
}
ELSEWHERE = {"exceptions": {"repository": "pypi-remote"}, "reservation": {"package": "old-pkg"}}
"""What an example is about where that of the others would be refused; by the end of the path."""

BODIES = {
    "NewException": {"version": "3.1", "expires_in": 86400, "reason": "mends the session cookie"},
    "NewGrants": {"principal": "group:developers", "grants": ["acme/internal:publish"]},
    "NewToken": {"name": "nightly", "grants": ["acme/internal:read"], "expires_in": 86400},
    "Rotation": {"overlap": 3600},
    "StatusChange": {"status": "deprecated", "reason": "use other-pkg"},
    "Yank": {"reason": "broken on 3.13"},
}


def document() -> dict[str, Any]:
    """The OpenAPI document that a server would serve."""
    with tempfile.TemporaryDirectory() as folder:
        registry = assemble(config.from_dict({"data": {"path": folder}}, base=Path()))
        try:
            return describe(api.routes(registry))
        finally:
            registry.close()
            registry.catalog.close()


def routes() -> str:
    """Every operation of the API with an example."""
    told = [
        _operation(path, method, operation)
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    ]
    return "\n" + "\n".join(told)


def _operation(path: str, method: str, told: dict[str, Any]) -> str:
    status, answer = next((status, answer) for status, answer in told["responses"].items() if status.startswith("2"))
    shape = " or ".join(_answered(media_type, part["schema"]) for media_type, part in answer["content"].items())
    queries = [f"`{name}`" for name in _names(told["parameters"], "query")]
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {}).get("$ref")
    takes = [f"Body: {_shape(body)}." if body else "", f"Query: {', '.join(queries)}." if queries else ""]
    answers = f"Answers {status} {HTTPStatus(int(status)).phrase}, {shape}."
    facts = " ".join([f"Right: `{told['x-right']}`.", *filter(None, takes), answers])
    example = _curl(path, method, told, body)
    return f"### `{method.upper()} {path}`\n\n{told['summary']}\n{facts}\n\n```bash\n{example}\n```\n"


def _answered(media_type: str, schema: dict[str, Any]) -> str:
    """What comes: JSON of a shape, or something else by its type."""
    if media_type != "application/json":
        return f"`{media_type}`"
    return _shape(schema.get("$ref", "/a JSON object").rpartition("/")[2])


def _names(parameters: list[dict[str, Any]], place: str, required: bool = False) -> list[str]:
    return [field["name"] for field in parameters if field["in"] == place and field["required"] >= required]


QUERIES = {"principal": "user:ann", "grant": "acme/internal:publish", "vulnerability": "CVE-2019-10906"}
"""Of parameters that must be given."""


def _curl(path: str, method: str, told: dict[str, Any], body: str | None) -> str:
    words = ["curl --fail-with-body"]
    if path != api.PATH:
        words[0] += ' --oauth2-bearer "$ORBITALREG_TOKEN"'
    if method != "get" and not (method == "post" and body):
        words.append(f"--request {method.upper()}")
    if body:
        sent = json.dumps(BODIES[body.rpartition("/")[2]])
        words.append(f"--header 'Content-Type: application/json' --data '{sent}'")
    fields = FIELDS | ELSEWHERE.get(path.rpartition("/")[2], {})
    asked = [f"{name}={QUERIES[name]}" for name in _names(told["parameters"], "query", required=True)]
    words.append(f'"{SERVER}{path.format(**fields)}{"?" * bool(asked)}{"&".join(asked)}"')
    return " \\\n    ".join(words)


def shapes() -> str:
    """What the API reads and tells, field by field."""
    told = []
    for name, schema in document()["components"]["schemas"].items():
        fields = schema.get("properties", {})
        if name.endswith(PART):
            continue  # what a list is, the page says once
        meaning = any("description" in part for part in fields.values())
        rows = [
            f"| `{field}` | {_kind(part)} |" + f" {part.get('description', '')} |" * meaning
            for field, part in fields.items()
        ]
        head = ["| field | type | meaning |", "|---|---|---|"] if meaning else ["| field | type |", "|---|---|"]
        lines = [*head, *rows] if rows else [f"One of {_kind(schema)}."]
        told.append("\n".join([f"### {name}", "", *filter(None, [schema.get("description")]), "", *lines, ""]))
    return "\n" + "\n".join(told)


def _shape(reference: str) -> str:
    name = reference.rpartition("/")[2]
    if name.endswith(PART):
        return f"a part of a list of {_shape(name.removesuffix(PART))}"
    return name if " " in name else f"[{name}](#{name.lower()})"


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _shape(schema["$ref"])
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema["type"] == "array":
        return f"list of {_kind(schema['items'])}"
    return {"date-time": "time", "date": "day"}.get(schema.get("format", ""), str(schema["type"]))


def oidc_explain() -> str:
    """The help of the plugin's command, as that of the host's."""
    command = extensions.with_config(explain_command(None))
    text = command.get_help(click.Context(command, info_name="orbitalreg oidc explain", terminal_width=100))
    return f"\n```text\n{text.rstrip()}\n```\n\n"


def oidc_job() -> str:
    """The help of the command that a job runs, as a terminal of 100 columns shows it."""
    shown = [
        subprocess.run(
            [sys.executable, "-m", "orbitalreg_oidc_gitlab", command, "--help"],
            env=os.environ | {"COLUMNS": "102"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in ("token", "burn")
    ]
    return "\n" + "\n".join(f"```text\n{text.rstrip()}\n```\n" for text in shown) + "\n"


GENERATED: dict[str, Callable[[], str]] = {
    "server": lambda: settings_table(config.ServerSettings),
    "data": lambda: settings_table(config.DataSettings),
    "storage": lambda: settings_table(config.StorageSettings),
    "grants": lambda: settings_table(config.GrantSettings),
    "tokens": lambda: settings_table(config.TokenSettings),
    "scanning": lambda: settings_table(config.ScanningSettings),
    "upkeep": lambda: settings_table(config.UpkeepSettings),
    "graph": lambda: settings_table(config.GraphSettings),
    "project": lambda: settings_table(config.ProjectSettings),
    "repository": lambda: settings_table(config.RepositorySettings),
    "local": lambda: settings_table(config.RepositorySettings, (Kind.LOCAL,)),
    "remote": lambda: settings_table(config.RepositorySettings, (Kind.REMOTE,)),
    "virtual": lambda: settings_table(config.RepositorySettings, (Kind.VIRTUAL,)),
    "reading": lambda: settings_table(config.RepositorySettings, (Kind.REMOTE, Kind.VIRTUAL)),
    "webhooks": lambda: settings_table(config.WebhookSettings),
    "policies": lambda: settings_table(config.PolicySettings),
    "policy-exceptions": lambda: settings_table(config.PolicyExceptionSettings),
    "commands": commands,
    "oidc-gitlab": lambda: settings_table(oidc_settings.PluginSettings),
    "oidc-gitlab-issuers": lambda: settings_table(oidc_settings.IssuerSettings),
    "oidc-gitlab-publishers": lambda: settings_table(oidc_settings.PublisherSettings),
    "oidc-explain": oidc_explain,
    "oidc-job": oidc_job,
    "routes": routes,
    "shapes": shapes,
}

BY_RUNNING = ("clients", "client-messages", "client-setups")
"""Parts that do not follow from the code: `make test-clients` writes and holds them."""


def rewritten(text: str) -> str:
    """A page with its generated parts as the code has them now."""
    return BLOCK.sub(_block, text)


def _block(match: re.Match[str]) -> str:
    return match[0] if match["name"] in BY_RUNNING else match[1] + GENERATED[match["name"]]() + match[4]


def with_files(text: str) -> str:
    """A page whose blocks with `from=PATH` are those files of the tree as they are now."""
    return INCLUDED.sub(lambda match: match[1] + (TREE / match["path"]).read_text("utf-8") + match[4], text)


if __name__ == "__main__":
    for page in sorted(DOCS.glob("**/*.md")):
        before = page.read_text("utf-8")
        after = with_files(rewritten(before) if page.parent.name == "reference" else before)
        if after != before:
            page.write_text(after, "utf-8")
            sys.stdout.write(f"{page.relative_to(TREE)}\n")

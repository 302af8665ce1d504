"""The OpenAPI 3.1 document, made from the routes and the types that serve them."""

import json
import re
from collections.abc import Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any, Literal, get_args, get_origin

import falcon
from pydantic import BaseModel, TypeAdapter

from orbitalreg import __version__
from orbitalreg.assembly import Registry
from orbitalreg.model import Right
from orbitalreg.summaries import Page
from orbitalreg.web.api.resource import FORMAT, JSON, LINES, ApiResource, Operation, operation, send
from orbitalreg.web.auth import Access
from orbitalreg.web.problems import PROBLEM_JSON

PATH = "/api/v1/openapi.json"

FIELDS = {
    "project": "A project's name.",
    "repository": "A repository's name.",
    "package": "A package's name, in any spelling that its format allows.",
    "version": "A version, in any spelling that its format allows.",
    "filename": "A file's name.",
    "token": "A token's id, never its text.",
    "scanner": "A scanner's name.",
}
_FACETS = (
    "yank",
    "rotate",
    "status",
    "downloads/tokens",
    "exceptions",
    "explanation",
    "reservation",
    "graph",
    "dependents",
    "affected/downloads",
)
"""What is no thing of its own but something about the one before it."""

LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
TEXT = (
    "Reads need the right `read` (of a repository that anybody may read, no token), changes what each operation says. "
    "What you may not read is answered as though it were not there. Lists come in parts: ask again with `cursor` "
    "until `next` is null. Every refusal is a problem document (RFC 9457)."
)


class Problem(BaseModel):
    """A refusal (RFC 9457). `request` names the line in the server's log."""

    type: str
    title: str
    status: int
    detail: str
    request: str


class Document(ApiResource):
    """`/openapi.json`."""

    def __init__(self, registry: Registry, routes: Sequence[tuple[str, ApiResource]]) -> None:
        """`routes` are those to describe, to which this one is added later."""
        super().__init__(registry)
        self._routes = routes

    @operation("GET", Access.PUBLIC, dict[str, Any])
    def show(self, req: falcon.Request) -> None:
        """Show this document."""

    @cached_property
    def _body(self) -> bytes:
        """Made when it is asked for first: it takes longer than all the rest of a start."""
        return json.dumps(describe(self._routes), separators=(",", ":")).encode()

    def _respond(self, req: falcon.Request, resp: falcon.Response, **fields: Any) -> None:
        send(resp, self._body)


def describe(routes: Sequence[tuple[str, ApiResource]]) -> dict[str, Any]:
    """The document of these routes: one path for each template, one operation for each method."""
    components = _Components()
    paths = {
        template: {
            stated.method.lower(): _operation(template, stated, components) for stated in resource.operations.values()
        }
        for template, resource in routes
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "OrbitalReg", "version": __version__, "description": TEXT, "license": LICENSE},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components.schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token."},
                "basic": {"type": "http", "scheme": "basic", "description": "User __token__, a token as password."},
            },
        },
    }


class _Components:
    """The schemas that the operations refer to, by the names of their types."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def refer(self, kind: Any, mode: Literal["validation", "serialization"]) -> dict[str, Any]:
        """A schema of what is read (`validation`) or told (`serialization`)."""
        schema: dict[str, Any] = _tidy(
            TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}", mode=mode)
        )
        self._found |= schema.pop("$defs", {})
        name = _name(kind)
        if name is None:
            return schema
        self._found[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}

    def schemas(self) -> dict[str, Any]:
        return dict(sorted(self._found.items()))


def _operation(template: str, stated: Operation, components: _Components) -> dict[str, Any]:
    words = [part for part in template.removeprefix("/api/v1/").replace(".", "/").split("/") if "{" not in part]
    told: dict[str, Any] = {
        "operationId": "-".join([stated.handler.__name__, *words]),
        "tags": [words[-2] if {words[-1], "/".join(words[-2:])} & {*_FACETS} else words[-1]],
        "summary": stated.summary,
        "x-right": str(stated.right if isinstance(stated.right, Right) else stated.right.value),
        "parameters": [*_fields(template), *_parameters(stated)],
        "security": _security(stated),
        "responses": _responses(template, stated, components),
    }
    if stated.body is not None:
        content = {JSON: {"schema": components.refer(stated.body, "validation")}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _fields(template: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": FIELDS[name],
            "schema": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
        }
        for name in re.findall(r"{(\w+)}", template)
    ]


def _parameters(stated: Operation) -> list[dict[str, Any]]:
    told = stated.query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in told.get("required", ()),
            "description": schema.pop("description"),
            "schema": _tidy(_without_null(schema)),
        }
        for name, schema in told.get("properties", {}).items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: a parameter that may be none is left out."""
    some = [part for part in schema.pop("anyOf", []) if part != {"type": "null"}]
    if schema.get("default", "") is None:
        del schema["default"]
    return {**schema, **(some[0] if some else {})}


def _security(stated: Operation) -> list[dict[str, list[str]]]:
    """Anybody may call what is public, and read what anybody may read."""
    schemes: list[dict[str, list[str]]] = [{"bearer": []}, {"basic": []}]
    return [{}, *schemes] if stated.right in (Access.PUBLIC, Right.READ) else schemes


def _responses(template: str, stated: Operation, components: _Components) -> dict[str, Any]:
    refusals = {HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    if "{" in template:
        refusals.add(HTTPStatus.NOT_FOUND)
    if FORMAT in stated.query.model_fields:
        refusals.add(HTTPStatus.BAD_REQUEST)
    if stated.right not in (Access.PUBLIC, Right.READ):
        refusals.add(HTTPStatus.FORBIDDEN)
    if stated.method != "GET":
        refusals |= {HTTPStatus.LENGTH_REQUIRED, HTTPStatus.CONFLICT}
    if stated.body is not None:
        refusals.add(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    problem = {PROBLEM_JSON: {"schema": components.refer(Problem, "serialization")}}
    answer: dict[str, Any] = {}
    if stated.answer is not bytes:
        answer[JSON] = {"schema": components.refer(stated.answer, "serialization")}
    answer |= {media_type: {"schema": {}} for media_type in stated.media_types}
    if stated.lines:
        answer[LINES] = {"schema": {"type": "string"}}
    return {
        str(stated.status.value): {"description": stated.status.phrase, "content": answer},
        **{str(status.value): {"description": status.phrase, "content": problem} for status in sorted(refusals)},
        "5XX": {
            "description": "The server is busy (503), is full (507) or failed, or an upstream did (502)",
            "content": problem,
        },
    }


def _name(kind: Any) -> str | None:
    """What a type is called in the document; plain JSON has no name."""
    if get_origin(kind) is Page:
        return f"{get_args(kind)[0].__name__}Page"
    return None if get_origin(kind) else str(kind.__name__)


def _tidy(schema: Any) -> Any:
    """Without the titles, which only repeat the names of fields and types."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _tidy(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}

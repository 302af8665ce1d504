"""The OpenAPI document: every route is in it, and it has no other."""

import json
from typing import Any

import pytest

from orbitalreg.web import app
from orbitalreg.web.api import routes

from .conftest import ROOT


@pytest.fixture
def document(api: Any) -> Any:
    return api.get(f"{ROOT}/openapi.json", token=None)


def test_it_is_for_everybody_and_of_version_3_1(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "/"}]


def test_it_has_every_route_and_no_other(document: Any, registry: Any) -> None:
    served = {(template, method.lower()) for template, resource in routes(registry) for method in resource.rights}
    told = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert told == served


def test_every_route_of_the_application_below_the_api_is_one_of_these(registry: Any, site: Any) -> None:
    """Also what somebody should add to the application beside the list of routes."""

    added: list[str] = []
    original = app.falcon.App.add_route
    app.falcon.App.add_route = lambda self, template, resource: added.append(template)  # type: ignore[assignment,method-assign]
    try:
        app.create_app(registry)
    finally:
        app.falcon.App.add_route = original  # type: ignore[method-assign]
    below = [template for template in added if template.startswith("/api")]
    assert below == [template for template, _ in routes(registry)]


def test_every_operation_is_called_by_a_name_of_its_own(document: Any) -> None:
    names = [told["operationId"] for operations in document["paths"].values() for told in operations.values()]
    assert len(names) == len(set(names))


def test_every_operation_says_its_right(document: Any, registry: Any) -> None:
    for template, resource in routes(registry):
        for method, right in resource.rights.items():
            told = document["paths"][template][method.lower()]
            assert told["x-right"] == (str(right) if hasattr(right, "denominator") else right.value)
            assert ({} in told["security"]) is (told["x-right"] in ("public", "read"))
            assert told["summary"].endswith(".")


def test_every_reference_leads_somewhere_and_every_schema_is_used(document: Any) -> None:
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for name in schemas:
        assert f'"#/components/schemas/{name}"' in text
    assert text.count('"$ref"') == sum(text.count(f'"$ref": "#/components/schemas/{name}"') for name in schemas)


def test_every_schema_is_one(document: Any) -> None:
    validator = pytest.importorskip("jsonschema_rs").Draft202012Validator
    for schema in document["components"]["schemas"].values():
        validator({**schema, "components": document["components"]})


def test_bodies_take_nothing_that_they_do_not_name(document: Any) -> None:
    bodies = [
        told["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for operations in document["paths"].values()
        for told in operations.values()
        if "requestBody" in told
    ]
    assert sorted(bodies) == ["NewException", "NewGrants", "NewToken", "Rotation", "StatusChange", "Yank"]
    assert all(document["components"]["schemas"][name]["additionalProperties"] is False for name in bodies)


def test_no_schema_of_an_answer_speaks_of_a_hash(document: Any) -> None:
    properties = {
        name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})
    }
    assert "hash" not in properties and "token" in properties

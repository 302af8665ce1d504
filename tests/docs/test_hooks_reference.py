"""The hooks' reference page against the code, and each hook against the rule: a test and a real plugin that uses it."""

import importlib
import inspect
import re
import tomllib
from abc import ABC
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from orbitalreg import hookspecs, testing
from orbitalreg.interfaces import FormatAdapter, Upstreams
from orbitalreg.plugins import installed_entry_points

TREE = Path(__file__).parents[2]
PAGE = (TREE / "docs" / "reference" / "hooks.md").read_text("utf-8")
SECTIONS = {part.splitlines()[0].strip("`"): part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
HOOKS = {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, f"{hookspecs.GROUP}_spec")}

PARTS = {FormatAdapter: {Upstreams: "upstreams"}}
ASKING = ["environments", "environment", "stated_requirements", "requirements", "offers"]
CHOOSING = ["candidates", "common_candidates"]
OPTIONAL = {FormatAdapter: ["license", "read_lock", *ASKING, *CHOOSING]}
"""What a plugin may leave out, without parts of its own."""


def signature(function: Callable[..., Any], name: str) -> str:
    """As a reader of the source sees it: names without their modules, and without `self`."""
    shown = inspect.signature(function)
    shown = shown.replace(parameters=[item for item in shown.parameters.values() if item.name != "self"])
    plain = re.sub(r"<class '([\w.]+)'>", r"\1", str(shown))
    return name + re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", plain)


def returned(hook: Callable[..., Any]) -> type[ABC]:
    """The class of which a collecting hook returns subclasses."""
    ((kind,),) = [get_args(item) for item in get_args(inspect.signature(hook).return_annotation)]
    return kind


def methods(kind: type[ABC]) -> list[str]:
    """Those that a plugin writes, with those of the parts that it may bring."""
    optional = [signature(getattr(kind, name), name) for name in OPTIONAL.get(kind, ())]
    return [*abstract(kind), *optional] + [
        line
        for part, name in PARTS.get(kind, {}).items()
        for line in [signature(getattr(kind, name), name), *public(part)]
    ]


def abstract(kind: type[ABC]) -> list[str]:
    found = [(name, inspect.getattr_static(kind, name)) for name in kind.__abstractmethods__ if name != "__init__"]
    return [signature(getattr(member, "fget", member), name) for name, member in found]


def public(kind: type[ABC]) -> list[str]:
    """Those of a part, with what it may leave out."""
    return [signature(member, name) for name, member in vars(kind).items() if name[0] != "_" and callable(member)]


def test_every_hook_is_a_heading_with_its_exact_signature_and_every_heading_is_a_hook() -> None:
    assert HOOKS
    assert sorted(SECTIONS) == sorted(signature(hook, name) for name, hook in HOOKS.items())


@pytest.mark.parametrize("name", HOOKS)
def test_the_section_of_a_hook_has_every_method_of_what_it_returns(name: str) -> None:
    section = SECTIONS[signature(HOOKS[name], name)].replace(r"\|", "|")
    assert sorted(re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)) == sorted(methods(returned(HOOKS[name])))


@pytest.mark.parametrize("name", HOOKS)
def test_the_section_of_a_hook_names_a_contract_of_the_kit(name: str) -> None:
    contract = f"Base{returned(HOOKS[name]).__name__}Contract"
    assert f"`{contract}`" in SECTIONS[signature(HOOKS[name], name)]
    assert contract in testing.__all__


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_test(name: str) -> None:
    tests = [path for pattern in ("tests/**/test_*.py", "plugins/**/tests/test_*.py") for path in TREE.glob(pattern)]
    wanted = re.compile(rf"^def test_hook_{name}\b", re.MULTILINE)
    assert [path.name for path in tests if wanted.search(path.read_text("utf-8"))]


def our_entry_points() -> dict[str, str]:
    projects = [TREE / "pyproject.toml", *TREE.glob("plugins/**/pyproject.toml")]
    tables = [tomllib.loads(path.read_text("utf-8"))["project"].get("entry-points", {}) for path in projects]
    return {name: value for table in tables for name, value in table.get(hookspecs.GROUP, {}).items()}


def test_our_entry_points_are_installed() -> None:
    installed = {name: point.value for name, point in installed_entry_points().items()}
    assert our_entry_points().items() <= installed.items()


@pytest.mark.parametrize("name", HOOKS)
def test_a_plugin_of_ours_uses_the_hook(name: str) -> None:
    modules = [importlib.import_module(value) for value in our_entry_points().values()]
    marker = f"{hookspecs.GROUP}_impl"
    assert [module.__name__ for module in modules if hasattr(getattr(module, name, None), marker)]

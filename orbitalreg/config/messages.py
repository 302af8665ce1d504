"""A fault of a key's form in one line: the key's path, what was found and what is right."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from orbitalreg.config.settings import Settings
from orbitalreg.config.values import dotted


def problem(fault: dict[str, Any], raw: Mapping[str, Any]) -> str:
    """One line about one fault. It shows the text as written, never what a variable stood for."""
    path = tuple(str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "extra_forbidden":
        known = sorted(_keys_at(path[:-1]))
        near = get_close_matches(path[-1], known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{dotted(path)}: there is no such key; {hint}"
    if fault["type"] == "missing":
        return f"{dotted(path)}: is missing; it must be given"
    found = repr(path[-1]) if fault["loc"][-1] == "[key]" else _written(raw, path)
    if not _SECRETS.isdisjoint(path) or (path[0] == "webhooks" and path[-1] == "url"):
        found = "what is not shown here"
    return f"{dotted(path)}: found {found}; it must be {_expected(fault)}"


_SECRETS = frozenset(("password", "upstream", "proxy", "file_hosts", "secret"))
"""Keys whose values may hold a secret, rightly or not."""

_EXPECTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "model_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list",
    "path_type": "a path",
    "date_type": "a day such as 2026-10-01",
    "date_from_datetime_parsing": "a day such as 2026-10-01",
}

_BOUNDS = {"greater_than_equal": "at least {ge}", "less_than_equal": "at most {le}"}


def _expected(fault: dict[str, Any]) -> str:
    if fault["type"] == "enum":
        return f"one of: {fault['ctx']['expected']}"
    if fault["type"] in _BOUNDS:
        return _BOUNDS[fault["type"]].format(**fault["ctx"])
    return str(_EXPECTED.get(fault["type"], fault["msg"]))


def _written(raw: Any, path: Sequence[str]) -> str:
    for part in path:
        if isinstance(raw, Mapping) and part in raw:
            raw = raw[part]
        elif isinstance(raw, list) and part.isdigit() and int(part) < len(raw):
            raw = raw[int(part)]
        else:
            return ascii(part)
    if isinstance(raw, Mapping):
        return "a table"
    return "a list of tables" if isinstance(raw, list) and any(map(_holds_tables, raw)) else ascii(raw)


def _holds_tables(value: Any) -> bool:
    """Tables may hold secrets, which are not shown."""
    return isinstance(value, Mapping) or (isinstance(value, list) and any(map(_holds_tables, value)))


def _keys_at(path: Sequence[str]) -> set[str]:
    """The keys that are known in the table at `path`."""
    model: Any = Settings
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[part].annotation
        else:
            inner = get_args(model)
            model = inner[0] if inner[-1] is Ellipsis else inner[1]
    return set(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else set()

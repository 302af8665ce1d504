"""SPDX licence expressions (https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/): which ids there are, and
whether a file can be had without one of them. Of every ecosystem alike, and so no plugin's.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from orbitalreg.errors import InvalidName

LONGEST = 4096
"""Characters of an expression that is read."""


def canonical(identifier: str) -> str:
    """The id as SPDX spells it today (`AGPL-3.0` is AGPL-3.0-only), or a `LicenseRef-`. Raises `InvalidName`."""
    if identifier.startswith("LicenseRef-") and identifier.removeprefix("LicenseRef-").replace("-", "").isalnum():
        return identifier
    symbol = _parsed(identifier)
    is_license = symbol is not None and symbol.isliteral and not getattr(symbol, "is_exception", True)
    is_known = is_license and not _licensing().unknown_license_keys(symbol)
    if is_known and str(symbol.key).lower() in _spellings(identifier.strip().lower()):
        return str(symbol.key)
    raise InvalidName(f"{identifier!r} is no SPDX id of a licence, such as AGPL-3.0-only")


def _spellings(text: str) -> set[str]:
    """The ids that it may stand for: itself, and what the GNU licenses were called before. `GPL` alone is none."""
    older = f"{text.removesuffix('+')}-or-later" if text.endswith("+") else f"{text}-only"
    return {text, older}


def denied_by(expression: str, denied: Collection[str]) -> str | None:
    """One of `denied` (as `canonical` gives them) that whoever takes the file has to accept; None where there is none.

    Of an OR one may be chosen; of an AND all are to be accepted. A licence with an exception counts as the licence. An
    expression that cannot be read denies nothing.
    """
    return _denied_by(expression, frozenset(denied)) if denied else None


@lru_cache(maxsize=4096)
def _denied_by(expression: str, denied: frozenset[str]) -> str | None:
    found = _ways(_parsed(expression), {name.lower(): name for name in denied})
    return min(found, default=None)


def _ways(node: Any, denied: dict[str, str]) -> set[str]:
    """Those that cannot be avoided; empty where the licence is free of them."""
    if node is None:
        return set()
    if node.isliteral:
        key = str(getattr(node, "license_symbol", node).key).lower()
        return {denied[key]} if key in denied else set()
    below = [_ways(argument, denied) for argument in node.args]
    if node.operator.strip() == "OR" and not all(below):
        return set()
    return set().union(*below)


def _parsed(text: str) -> Any:
    import license_expression

    if len(text) > LONGEST:
        return None
    try:
        return _licensing().parse(text)
    except (license_expression.ExpressionError, RecursionError):
        return None


@lru_cache(maxsize=1)
def _licensing() -> Any:
    """SPDX's list. It is loaded where a policy asks for licences: a tenth of a second that no other start spends."""
    import license_expression

    return license_expression.get_spdx_licensing()

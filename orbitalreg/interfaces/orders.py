"""How versions compare, for scanners whose tools name several that are mended. The host knows no such order itself."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orbitalreg.model import Component

Orders = Mapping[str, Callable[[str], Any]]
"""By the type of a package URL a function that makes of a version what can be compared; `ValueError` for what is none.
"""


def is_comparable(component: Component, orders: Orders) -> bool:
    """Whether a tool that compares by these orders can tell it from other versions. Of other types it is believed."""
    order = orders.get(_type(component))
    return order is None or _key(order, component.version) is not None


def smallest_above(component: Component, versions: Iterable[str], orders: Orders) -> str | None:
    """Of the versions that are mended the smallest above the component's.

    Where they cannot be compared, one that stands alone is believed.
    """
    told = [version.strip() for version in versions if version.strip()]
    order = orders.get(_type(component))
    installed = _key(order, component.version) if order else None
    if order is None or installed is None:
        return told[0] if len(told) == 1 and told[0] != component.version else None
    keys = ((_key(order, version), version) for version in told)
    above = [(key, version) for key, version in keys if key is not None and key > installed]
    return min(above)[1] if above else None


def _type(component: Component) -> str:
    return component.purl.removeprefix("pkg:").partition("/")[0]


def _key(order: Callable[[str], Any], version: str) -> Any:
    try:
        return order(version)
    except ValueError:
        return None

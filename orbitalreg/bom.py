"""The bill of materials that scanners are handed: https://cyclonedx.org, version 1.6."""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from orbitalreg.model import Component

SPEC_VERSION = "1.6"


def cyclonedx(components: Sequence[Component]) -> bytes:
    """The same bytes for the same components: without a time or a serial number, which the specification allows.

    Each component is a library, whose `bom-ref` is its number among `components`: `0` is the first. Other spellings of
    its name follow it as libraries of their own, with the `bom-ref` `0.1`, `0.2`, for tools that do not fold names.
    """
    found = [part for number, component in enumerate(components) for part in _libraries(number, component)]
    told = {"bomFormat": "CycloneDX", "specVersion": SPEC_VERSION, "version": 1, "components": found}
    return json.dumps(told, indent=1).encode()


def _libraries(number: int, component: Component) -> Iterator[dict[str, Any]]:
    yield _library(f"{number}", component.name, component.version, component.purl)
    for place, alias in enumerate(component.aliases, 1):
        yield _library(f"{number}.{place}", alias, component.version, renamed(component.purl, alias))


def _library(ref: str, name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": ref, "name": name, "version": version, "purl": purl}


def renamed(purl: str, name: str) -> str:
    """The package URL `purl` of a package with another name: it is the last segment ahead of `@`, `?` and `#`."""
    path = purl.partition("#")[0].partition("?")[0].partition("@")[0]
    return f"{path.rpartition('/')[0]}/{quote(name, safe='.-_~')}{purl[len(path) :]}"

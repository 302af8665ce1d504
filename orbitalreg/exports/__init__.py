"""Findings as documents for other programs, which the command line and the API tell alike.

Each is made of plain values (`orbitalreg.summaries`) alone, of every version that it is given.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orbitalreg.exports.sarif import sarif
from orbitalreg.exports.vex import vex
from orbitalreg.model import Address
from orbitalreg.summaries import VersionFindings

__all__ = ["EXPORTS", "Export", "sarif", "vex"]


@dataclass(frozen=True, slots=True)
class Export:
    """A kind of document: `make(address, versions)` is one, as JSON has it; `suffix` is of the names of its files."""

    make: Callable[[Address, Iterable[VersionFindings]], dict[str, Any]]
    media_type: str
    suffix: str


EXPORTS: Mapping[str, Export] = {
    "sarif": Export(sarif, "application/sarif+json", "sarif"),
    "vex": Export(vex, "application/vnd.cyclonedx+json", "cdx.json"),
}
"""By what they are called in commands and in the API."""

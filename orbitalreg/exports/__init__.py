"""Findings as documents for other programs, which the command line and the API tell alike.

Each is made of plain values (`orbitalreg.summaries`) alone, of every version that it is given.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from orbitalreg.exports.sarif import sarif
from orbitalreg.exports.vex import vex
from orbitalreg.model import Address
from orbitalreg.summaries import VersionFindings

__all__ = ["EXPORTS", "Export", "sarif", "vex"]


@dataclass(frozen=True, slots=True)
class Export:
    """A kind of document: `write(address, versions)` is the text of one, in pieces; `suffix` is of its files' names.

    It holds nothing of one version while it reads the next but what its end must name.
    """

    write: Callable[[Address, Iterable[VersionFindings]], Iterator[str]]
    media_type: str
    suffix: str


EXPORTS: Mapping[str, Export] = {
    "sarif": Export(sarif, "application/sarif+json", "sarif"),
    "vex": Export(vex, "application/vnd.cyclonedx+json", "cdx.json"),
}
"""By what they are called in commands and in the API."""

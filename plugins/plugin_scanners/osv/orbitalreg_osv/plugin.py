"""The hooks: a scanner, and the commands that look after its dump."""

from collections.abc import Sequence

from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Scanner
from orbitalreg_osv.scanner import Osv


@hookimpl
def scanners() -> Sequence[type[Scanner]]:
    return [Osv]

"""The hooks: a scanner, and the commands that look after its dump."""

from collections.abc import Sequence

from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Commands, Scanner
from orbitalreg_osv.commands import OsvCommands
from orbitalreg_osv.scanner import Osv


@hookimpl
def scanners() -> Sequence[type[Scanner]]:
    return [Osv]


@hookimpl
def commands() -> Sequence[type[Commands]]:
    return [OsvCommands]

"""What the entry point names: the hooks of this plugin."""

from collections.abc import Sequence

from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import FormatAdapter
from orbitalreg_pypi.adapter import PyPIFormat


@hookimpl
def format_adapters() -> Sequence[type[FormatAdapter]]:
    return [PyPIFormat]

"""What the tests of the scanner share: what it is asked, and how it is made."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from orbitalreg_osv.scanner import Osv

from orbitalreg.model import Component

Make = Callable[..., Osv]

lenient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Nothing here measures time, on a machine that may have others."""


def no_server(*arguments: object) -> Any:
    raise AssertionError("asks no server")


def component(name: str = "demo", version: str = "1.0") -> Component:
    return Component(name, version, f"pkg:pypi/{name}@{version}")

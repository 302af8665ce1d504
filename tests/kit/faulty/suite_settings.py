"""The conftest of suite.py: few examples, and of a faulty class only what is for it and one test that must pass."""

from typing import Any

import faulty_callers
import faulty_commands
import faulty_formats
import faulty_requirements
import faulty_scanners
import faulty_stores
import pytest
from hypothesis import settings

settings.register_profile("few", max_examples=20, database=None, derandomize=True)
settings.load_profile("few")

WANTED = {
    f"Test_{module.__name__}_{faulty.__name__}": [*expected, module.CONTROL]
    for module in (
        faulty_stores,
        faulty_formats,
        faulty_requirements,
        faulty_callers,
        faulty_commands,
        faulty_scanners,
    )
    for faulty, expected in module.FAULTS.items()
}


def pytest_collection_modifyitems(items: list[Any]) -> None:
    items[:] = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and item.cls is not None
        and item.originalname in WANTED.get(item.cls.__name__, ())
    ]

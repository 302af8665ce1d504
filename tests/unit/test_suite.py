"""How the tests themselves are run."""

import sys

from hypothesis.configuration import storage_directory


def test_each_interpreter_keeps_its_own_examples() -> None:
    """Several share a checkout: an example of one is drawn differently by another, and then called flaky."""
    assert storage_directory("examples").path.parts[-3:] == (".hypothesis", sys.implementation.cache_tag, "examples")

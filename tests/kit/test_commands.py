"""Commands without a fault pass the kit."""

import sys
from pathlib import Path

import pytest

from orbitalreg.interfaces import Commands
from orbitalreg.testing import BaseCommandsContract, CommandsUnderTest

sys.path.insert(0, str(Path(__file__).parent / "faulty"))

from faulty_commands import Sound

pytest_plugins = ["orbitalreg.testing"]


def commands_of(kind: type[Commands]) -> CommandsUnderTest:
    return CommandsUnderTest(lambda: kind(None), refused=[["play", "reveille"]])  # type: ignore[arg-type]


class TestSound(BaseCommandsContract):
    @pytest.fixture
    def subject(self) -> CommandsUnderTest:
        return commands_of(Sound)

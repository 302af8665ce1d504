"""The contracts over everything faulty: a class for each, named after it. Run by test_the_kit_bites.py."""

from pathlib import Path
from typing import Any

import faulty_callers
import faulty_commands
import faulty_formats
import faulty_requirements
import faulty_scanners
import faulty_stores
import pytest
import test_commands
import test_filesystem
import test_toy
import test_toy_scanner
import test_toy_signin

from orbitalreg.interfaces import Authenticator
from orbitalreg.testing import BaseAuthenticatorContract, BaseTokenExchangerContract

pytest_plugins = ["orbitalreg.testing"]


def over_store(store: type) -> type:
    class OverStore(test_filesystem.TestFilesystem):
        @pytest.fixture
        def subject(self, tmp_path: Path) -> Any:
            raw = test_filesystem.RawFolder(tmp_path / "blobs")
            return test_filesystem.StoreUnderTest(lambda: store(tmp_path, {}), raw)

    return OverStore


def over_format(adapter: type) -> type:
    class OverFormat(test_toy.TestToy):
        @pytest.fixture
        def subject(self) -> Any:
            return test_toy.toys(adapter())

    return OverFormat


def over_commands(commands: type) -> type:
    class OverCommands(test_commands.TestSound):
        @pytest.fixture
        def subject(self) -> Any:
            return test_commands.commands_of(commands)

    return OverCommands


def over_scanner(scanner: type) -> type:
    class OverScanner(test_toy_scanner.TestToyScanner):
        @pytest.fixture
        def subject(self, tmp_path: Path) -> Any:
            return test_toy_scanner.shaken(scanner, tmp_path)

    return OverScanner


def over_caller(caller: type) -> type:
    contract, material = (
        (BaseAuthenticatorContract, test_toy_signin.words)
        if issubclass(caller, Authenticator)
        else (BaseTokenExchangerContract, test_toy_signin.signed)
    )

    class OverCaller(contract):  # type: ignore[misc, valid-type]
        @pytest.fixture
        def subject(self, tmp_path: Path) -> Any:
            return material(caller, tmp_path)

    return OverCaller


for module, over in (
    (faulty_stores, over_store),
    (faulty_formats, over_format),
    (faulty_requirements, over_format),
    (faulty_callers, over_caller),
    (faulty_commands, over_commands),
    (faulty_scanners, over_scanner),
):
    for faulty in module.FAULTS:
        made = over(faulty)
        made.__name__ = f"Test_{module.__name__}_{faulty.__name__}"
        globals()[made.__name__] = made

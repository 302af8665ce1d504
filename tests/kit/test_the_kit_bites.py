"""The kit finds what is wrong: whatever has one fault fails the test that is for it."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

import pytest

from orbitalreg.testing import (
    BaseAuthenticatorContract,
    BaseBlobStoreContract,
    BaseCommandsContract,
    BaseFormatAdapterContract,
    BaseScannerContract,
    BaseTokenExchangerContract,
)

HERE = Path(__file__).parent
FAULTY = HERE / "faulty"
sys.path.insert(0, str(FAULTY))

import faulty_callers  # noqa: E402
import faulty_commands  # noqa: E402
import faulty_formats  # noqa: E402
import faulty_requirements  # noqa: E402
import faulty_scanners  # noqa: E402
import faulty_stores  # noqa: E402

pytestmark = pytest.mark.timeout(400)  # the one run of all is the first test's

Results = dict[str, dict[str, bool]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """For each faulty class the contract's tests, and whether each passed. One run for all: pytest is slow to start."""
    folder = tmp_path_factory.mktemp("bites")
    (folder / "conftest.py").write_text((FAULTY / "suite_settings.py").read_text())
    (folder / "test_suite.py").write_text((FAULTY / "suite.py").read_text())
    places = [str(FAULTY), str(HERE), os.environ["PYTHONPATH"]]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "--junitxml=results.xml"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTEST_ADDOPTS": ""}
    run = subprocess.run([*command, str(folder)], cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr
    return _read(folder / "results.xml")


def _read(file: Path) -> Results:
    """A test that passes and leaves something is there twice, once with an error: that counts as failed."""
    found: Results = defaultdict(dict)
    for case in ET.parse(file).iter("testcase"):
        faulty = case.attrib["classname"].rpartition(".Test_")[2]
        test = re.sub(r"\[.*", "", case.attrib["name"])
        passed = case.find("failure") is None and case.find("error") is None
        found[faulty][test] = found[faulty].get(test, True) and passed
    return found


ALL = {
    f"{module.__name__}_{faulty.__name__}": (expected, module.CONTROL)
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


@pytest.mark.parametrize("faulty", ALL)
def test_a_fault_fails_the_test_that_is_for_it(faulty: str, results: Results) -> None:
    expected, control = ALL[faulty]
    assert [test for test in expected if results[faulty][test]] == []
    assert [test for test, passed in results[faulty].items() if not passed and test not in expected] == []
    assert control in results[faulty]


def test_every_test_of_the_contracts_can_fail(results: Results) -> None:
    can_fail = {test for tests in results.values() for test, passed in tests.items() if not passed}
    contracts = (
        BaseAuthenticatorContract,
        BaseBlobStoreContract,
        BaseCommandsContract,
        BaseFormatAdapterContract,
        BaseScannerContract,
        BaseTokenExchangerContract,
    )
    assert can_fail == {name for contract in contracts for name in dir(contract) if name.startswith("test_")}

"""The conformance kit for plugin authors: what the host relies on, as tests that a plugin inherits. PYTEST_DONT_REWRITE

Nobody gets it unasked. A test module of a plugin names it, subclasses a contract and overrides one fixture:

    import pytest
    from orbitalreg.testing import BaseBlobStoreContract, StoreUnderTest

    pytest_plugins = ["orbitalreg.testing"]

    class TestCupboard(BaseBlobStoreContract):
        @pytest.fixture
        def subject(self, tmp_path):
            return StoreUnderTest(lambda: Cupboard(tmp_path, {}), RawCupboard(tmp_path))

The extra `testing` brings what it needs. New tests that a plugin must pass come in minor versions of the host only.
"""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite(
    "orbitalreg.testing.blob_stores",
    "orbitalreg.testing.callers",
    "orbitalreg.testing.commands",
    "orbitalreg.testing.formats",
    "orbitalreg.testing.pages",
    "orbitalreg.testing.recorded",
    "orbitalreg.testing.requirements",
    "orbitalreg.testing.scanners",
    "orbitalreg.testing.surrounded",
    "orbitalreg.testing.upstreams",
)

from orbitalreg.inspection import Inspector  # noqa: E402
from orbitalreg.testing.blob_stores import BaseBlobStoreContract, RawBlobs, StoreUnderTest  # noqa: E402
from orbitalreg.testing.callers import (  # noqa: E402
    AuthenticatorUnderTest,
    BaseAuthenticatorContract,
    BaseTokenExchangerContract,
    TokenExchangerUnderTest,
)
from orbitalreg.testing.commands import BaseCommandsContract, CommandsUnderTest  # noqa: E402
from orbitalreg.testing.evidence import AdapterUnderTest, BadFile, GoodFile, GoodLock, GoodRequirement  # noqa: E402
from orbitalreg.testing.formats import BaseFormatAdapterContract  # noqa: E402
from orbitalreg.testing.recorded import RecordedTool  # noqa: E402
from orbitalreg.testing.scanners import BaseScannerContract, GoodTarget, Lacking, ScannerUnderTest  # noqa: E402
from orbitalreg.testing.targets import make_target, run_tool  # noqa: E402

__all__ = [
    "AdapterUnderTest",
    "AuthenticatorUnderTest",
    "BadFile",
    "BaseAuthenticatorContract",
    "BaseBlobStoreContract",
    "BaseCommandsContract",
    "BaseFormatAdapterContract",
    "BaseScannerContract",
    "BaseTokenExchangerContract",
    "CommandsUnderTest",
    "GoodFile",
    "GoodLock",
    "GoodRequirement",
    "GoodTarget",
    "Lacking",
    "RawBlobs",
    "RecordedTool",
    "ScannerUnderTest",
    "StoreUnderTest",
    "TokenExchangerUnderTest",
    "make_target",
    "run_tool",
]


@pytest.fixture(scope="session")
def host_inspector() -> Iterator[Inspector]:
    """The host's own way of calling `inspect`: in a child process with limits, which is slow to start."""
    inspector = Inspector(workers=1)
    yield inspector
    inspector.close()

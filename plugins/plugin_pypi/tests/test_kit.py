"""The adapter passes the kit of the host."""

import sys
from pathlib import Path

import pytest
from orbitalreg_pypi.adapter import PyPIFormat

from orbitalreg.testing import AdapterUnderTest, BadFile, BaseFormatAdapterContract, GoodFile

sys.path.insert(0, str(Path(__file__).parent))

from archives_corpus import CASES, make_sdist, make_wheel

pytest_plugins = ["orbitalreg.testing"]

REQUIREMENTS = "Requires-Python: >=3.9\nRequires-Dist: requests>=2; python_version < '4'\nSummary: d\u00e9mo <b>"


def bad(name: str) -> BadFile:
    filename, body = CASES[name].build()
    return BadFile(filename, body, says=CASES[name].reason)


class TestPyPI(BaseFormatAdapterContract):
    @pytest.fixture
    def subject(self) -> AdapterUnderTest:
        return AdapterUnderTest(
            adapter=PyPIFormat(),
            good_files=[
                GoodFile(*make_wheel(metadata_extra=REQUIREMENTS), "demo-pkg", "1.0", {"name": "Demo_Pkg"}),
                GoodFile(*make_sdist(), "demo-pkg", "1.0", {"filetype": "sdist", "version": "v1.0"}),
                GoodFile(*make_sdist(version="1.1", extension=".zip"), "demo-pkg", "1.1"),
                GoodFile(*make_wheel("other", "2!1.0rc1+local.1"), "other", "2!1.0rc1+local.1"),
            ],
            bad_files=[
                *map(bad, ["zip_bomb", "zip_name_parent", "zip_duplicate", "gzip_bomb", "tar_name_absolute"]),
                BadFile("demo.exe", b"MZ", says="no wheel"),
                BadFile(*make_wheel(), says="the form says", claims={"name": "another"}),
                BadFile(*make_wheel(), says="the form", claims={"version": "\u0661.0"}),
                BadFile(make_wheel()[0], b"", says="is refused"),
            ],
            names={"Demo_Pkg": "demo-pkg", "a.-_b": "a-b", "requests": "requests"},
            bad_names=["", "-a", "a/b", "../a", "a\n", "d\u00e9mo", "a" * 201],
            versions={"1.0": "1.0", "v1.0-RC1": "1.0rc1", "1.0.post": "1.0.post0"},
            bad_versions=["", "one", "1.0\n", "1.0/..", "\u0661.0", "9" * 201],
            ordered_versions=[
                "1.0.dev1",
                "1.0a1",
                "1.0rc1",
                "1.0",
                "1.0+local",
                "1.0.post1",
                "1.2",
                "1.10",
                "1!0.1",
            ],
            accepts=[
                "*/*",
                "text/html",
                "application/vnd.pypi.simple.v1+html",
                "application/vnd.pypi.simple.v1+json",
            ],
            upstream="/simple",
        )
